"""Conversions of colour lattices are, for every value, what decoders compute."""

from __future__ import annotations

import hashlib
import io
import platform
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelzip.models.conversion import CONVERSIONS, JFIF, PHOTO_CD, Conversion

SWSCALE = {2: ("ITU601", "MPEG"), 3: ("ITU601", "JPEG"), 4: ("ITU709", "MPEG"), 5: ("ITU709", "JPEG")}
DIGESTS = {
    "JFIF": "36c86fe3e338e816900645f3c523615fcc3e21a42e005fec64b16ea0b2ead36b",
    "Photo CD": "1ab0a9af7e95499ea495a1638c0f75ca96b40def7624a8246940b88e12099ca7",
    "FFmpeg BT.601": "871c37da07b34e6bb73345a59c00648c06e843e152307b1d6a0b04fdbcd5147e",
    "FFmpeg BT.601 full range": "1d7ac977d56ff3aec6b3deabf0c87c6eeacafe5fdf63af29ff87a7fc9a92f874",
    "FFmpeg BT.709": "ceced68d8cd2069d76a7c5ee437983b302f935a3913593498c5f3d0622ee6fc8",
    "FFmpeg BT.709 full range": "c9aed103c6f926a3cd1498c415da9a66685fc33131a83ffa04185b433611ceef",
    "libyuv BT.601": "bc0fa5c6402c2754df3385f65b3012bd60dd99df9d7b71c0d841ea65b27f38ee",
    "libyuv BT.601 full range": "4daaa4fbbd5e78991b1d44cbfd194b594000b263ec604d51986ef674aaf48f2b",
    "libyuv BT.709": "accb8b640bf5755150192a4a31f76bb568dfb1b21bf14d0d29f6ad9ef0f8f969",
    "libyuv BT.709 full range": "427f8ae82fdcd7773ca742edde388917880e917a9586c5a7207411226314df37",
}
"""SHA-256 of the RGB of all 2^24 triples; those of libyuv are digests of what Chromium drew."""


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda conversion: conversion.name)
def test_every_value_of_a_conversion(conversion: Conversion) -> None:
    digest = hashlib.sha256()
    chroma = np.mgrid[0:256, 0:256].astype(np.uint8).transpose(1, 2, 0)
    for luma in range(256):
        planes = np.concatenate((np.full((256, 256, 1), luma, dtype=np.uint8), chroma), axis=2)
        digest.update(conversion.to_rgb(planes).tobytes())
    assert digest.hexdigest() == DIGESTS[conversion.name]
    assert CONVERSIONS[conversion.identifier] is conversion


def test_jfif_is_what_libjpeg_decodes() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    for quality in (50, 95):
        buffer = io.BytesIO()
        noise.save(buffer, "JPEG", quality=quality, subsampling=0)
        with Image.open(buffer) as decoded, Image.open(buffer) as raw:
            raw.draft("YCbCr", raw.size)
            assert np.array_equal(JFIF.to_rgb(np.asarray(raw)), np.asarray(decoded))


@pytest.mark.parametrize("identifier", SWSCALE)
def test_video_conversions_are_what_ffmpeg_computes(identifier: int) -> None:
    av = pytest.importorskip("av", reason="PyAV, which brings FFmpeg, is not here")
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("FFmpeg's conversion on x86 is the one that is meant")
    chroma = np.mgrid[0:256, 0:256].astype(np.uint8)
    space, source_range = SWSCALE[identifier]
    for luma in range(0, 256, 5):
        frame = av.VideoFrame(512, 512, "yuv420p")
        for plane, values in zip(frame.planes, (np.full((512, 512), luma, np.uint8), *chroma), strict=True):
            assert plane.line_size == values.shape[1]
            plane.update(values.tobytes())
        colours = {"src_colorspace": space, "dst_colorspace": space, "src_color_range": source_range}
        decoded = frame.reformat(format="rgb24", dst_color_range="JPEG", **colours).to_ndarray()
        planes = np.stack((np.full((256, 256), luma, np.uint8), *chroma), axis=2)
        assert np.array_equal(CONVERSIONS[identifier].to_rgb(planes), decoded[::2, ::2])


@given(luma=st.integers(0, 255), first=st.integers(0, 255), second=st.integers(0, 255))
def test_photo_cd_is_the_published_formula(luma: int, first: int, second: int) -> None:
    light = Fraction("1.3584") * luma
    blue, red = Fraction("2.2179") * (first - 156), Fraction("1.8215") * (second - 137)
    green = light - Fraction("0.194") * floor(blue) - Fraction("0.509") * floor(red)
    wanted = [min(max(floor(value), 0), 255) for value in (light + red, green, light + blue)]
    assert PHOTO_CD.to_rgb(np.array([luma, first, second], dtype=np.uint8)).tolist() == wanted


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda conversion: conversion.name)
def test_colours_that_came_out_have_preimages(conversion: Conversion) -> None:
    generator = np.random.default_rng(1)
    chroma = generator.normal(128, 25, (20000, 2)).clip(0, 255)
    planes = np.concatenate((generator.integers(0, 256, (20000, 1)), chroma), axis=1).astype(np.uint8)
    colours = conversion.to_rgb(planes)
    is_clamped = ((colours == 0) | (colours == 255)).any(axis=1)
    assert 1000 < is_clamped.sum() < 15000
    found, missing = conversion.find_planes(colours)
    gives_back = (conversion.to_rgb(found) == colours).all(axis=1)
    assert np.array_equal(np.flatnonzero(~gives_back), missing)
    assert is_clamped[missing].all()
    assert len(missing) <= is_clamped.sum() // 50
    assert conversion.share(colours[~is_clamped]) == 1
