"""Stage 2: conversions are what decoders compute, planes give the pixels back, off-lattice pixels are corrected."""

from __future__ import annotations

import hashlib
import io
import platform
import zlib
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from conftest import make_network, smooth_image
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pixelzip
from pixelzip import container, lattice, models, wavefront
from pixelzip.errors import CorruptFile
from pixelzip.models.config import ConeConfig
from pixelzip.models.conversion import CONVERSIONS, JFIF, PHOTO_CD, Conversion
from pixelzip.models.data import find_images, load_rgb
from pixelzip.models.export import export_network
from pixelzip.models.planes import CHROMA_HALVED, PlaneCrops, frame_planes, jpeg_planes, scan_planes
from pixelzip.wavefront import CodedTile, Tile

SWSCALE = {2: ("ITU601", "MPEG"), 3: ("ITU601", "JPEG"), 4: ("ITU709", "MPEG"), 5: ("ITU709", "JPEG")}
DIGESTS = {
    "JFIF": "36c86fe3e338e816900645f3c523615fcc3e21a42e005fec64b16ea0b2ead36b",
    "Photo CD": "1ab0a9af7e95499ea495a1638c0f75ca96b40def7624a8246940b88e12099ca7",
    "FFmpeg BT.601": "871c37da07b34e6bb73345a59c00648c06e843e152307b1d6a0b04fdbcd5147e",
    "FFmpeg BT.601 full range": "1d7ac977d56ff3aec6b3deabf0c87c6eeacafe5fdf63af29ff87a7fc9a92f874",
    "FFmpeg BT.709": "ceced68d8cd2069d76a7c5ee437983b302f935a3913593498c5f3d0622ee6fc8",
    "FFmpeg BT.709 full range": "c9aed103c6f926a3cd1498c415da9a66685fc33131a83ffa04185b433611ceef",
}


@pytest.fixture(scope="session")
def planes_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "planes.safetensors"
    export_network(make_network(ConeConfig(channels=8, blocks=(1,), mixtures=2, period=16)), path, {})
    return str(path)


def photograph(height: int, width: int, conversion: Conversion = JFIF, seed: int = 0) -> np.ndarray:
    """Return an image on a lattice, with colours that are clamped."""
    pixels = smooth_image(height, width, seed=seed)
    pixels[: height // 4, : width // 4] = (250, 20, 30)
    if conversion is PHOTO_CD:
        return PHOTO_CD.to_rgb(scan_planes(pixels))
    decoded = JFIF.to_rgb(jpeg_planes(pixels, 90, CHROMA_HALVED))
    return conversion.to_rgb(conversion.estimate(decoded.astype(np.float32)).round().clip(0, 255).astype(np.uint8))


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
@pytest.mark.parametrize("num_wrong", [0, 1, 40])
def test_corrections(conversion: Conversion, num_wrong: int) -> None:
    pixels = photograph(60, 70, conversion)
    places = np.random.default_rng(num_wrong).permutation(60 * 70)[:num_wrong]
    pixels.reshape(-1, 3)[places] += np.arange(3 * num_wrong).reshape(-1, 3).astype(np.uint8)
    found = lattice.find(pixels)
    assert found is not None
    assert found[0].conversion is conversion
    assert np.array_equal(lattice.to_rgb(*found), pixels)
    clean = conversion.to_rgb(found[1])
    assert (clean != pixels).any(axis=2).sum() <= num_wrong + 4200 // 100


@pytest.mark.parametrize(
    "pixels",
    [
        smooth_image(60, 70),
        np.repeat(smooth_image(60, 70, 1), 3, axis=2),
        np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8),
        np.full((60, 70, 3), (200, 30, 40), dtype=np.uint8),
        photograph(60, 70)[:1, :1],
    ],
    ids=["smooth", "grey", "noise", "constant", "one pixel"],
)
def test_images_on_no_lattice(pixels: np.ndarray) -> None:
    assert lattice.find(pixels) is None


@pytest.mark.data
@pytest.mark.skipif(not Path("../shared/data/kodak").exists(), reason="the shared photographs are not here")
@pytest.mark.parametrize(("folder", "name"), [("photos", None), ("jpeg-origin", "JFIF"), ("kodak", "Photo CD")])
def test_lattices_of_photographs(folder: str, name: str | None) -> None:
    for path in find_images([Path("../shared/data") / folder])[::3]:
        found = lattice.find(load_rgb(path))
        assert (found[0].conversion.name if found else None) == name, path.name


@pytest.mark.parametrize("corner", [(0, 0), (3, 13), (8, 8), (15, 1)])
@pytest.mark.parametrize("quality", [75, 95])
def test_origin_of_cropped_images(corner: tuple[int, int], quality: int) -> None:
    pixels = np.kron(smooth_image(40, 40, seed=3), np.ones((6, 6, 1), dtype=np.uint8))
    blurred = np.asarray(Image.fromarray(pixels).resize((200, 200), Image.Resampling.BICUBIC))
    planes = jpeg_planes(blurred, quality, CHROMA_HALVED)[corner[0] :, corner[1] :]
    found = lattice.find(JFIF.to_rgb(planes))
    assert found is not None
    assert found[0].origin == corner


def test_a_tile_may_start_anywhere_in_the_period(planes_model: str) -> None:
    network, pixels = models.load(planes_model), smooth_image(32, 40)
    whole = wavefront.encode_tiles(network, [Tile(pixels, 7, (3, 5)), Tile(pixels, 7)], "cpu", None)
    assert whole[0] != whole[1]
    coded = [CodedTile(stream, (32, 40, 3), 7, origin) for stream, origin in zip(whole, ((3, 5), (0, 0)), strict=True)]
    assert all(np.array_equal(pixels, decoded) for decoded in wavefront.decode_tiles(network, coded, "cpu", None))
    with pytest.raises(CorruptFile):
        wavefront.decode_tiles(network, [CodedTile(whole[0], (32, 40, 3), 7)], "cpu", None)


@pytest.mark.usefixtures("always_modelled")
@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda conversion: conversion.name)
def test_files_round_trip(conversion: Conversion, planes_model: str) -> None:
    pixels = photograph(300, 260, conversion)
    pixels[5, 5] ^= 77
    data = pixelzip.compress(pixels, planes_model)
    assert pixelzip.info(data).lattice == conversion.name
    assert np.array_equal(pixelzip.decompress_array(data, model=planes_model), pixels)
    opaque = np.concatenate((pixels, np.full((300, 260, 1), 255, np.uint8)), axis=2)
    data = pixelzip.compress(opaque, planes_model)
    assert pixelzip.info(data).lattice == conversion.name
    assert np.array_equal(pixelzip.decompress_array(data, model=planes_model), opaque)


def test_the_default_model_has_a_companion_for_planes() -> None:
    pixels = photograph(60, 70)
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).model == "photo-planes"
    for model in (None, "photo", "photo-planes"):
        assert np.array_equal(pixelzip.decompress_array(data, model=model), pixels)
    without = pixelzip.compress(pixels, str(models.find("photo").path))
    assert pixelzip.info(without).model == "photo"
    assert len(data) < len(without)
    assert pixelzip.compress(pixels, "photo-planes") == data


@pytest.mark.usefixtures("always_modelled")
def test_every_flipped_bit_of_the_header_is_reported(planes_model: str) -> None:
    pixels = photograph(18, 18)
    pixels[5, 5] ^= 77
    data = next(
        container.write(header, streams)
        for header, streams in [container.read(pixelzip.compress(pixels, planes_model))]
        if header.lattice
    )
    for position in range(0, 8 * 36, 3):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(pixelzip.PixelzipError):
            pixelzip.decompress(bytes(damaged), model=planes_model)


def corrections(*columns: list[int]) -> bytes:
    return zlib.compress(np.array(columns, dtype=np.uint8).tobytes())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xff\xff", "inflate"),
        (zlib.compress(b"123456"), "length"),
        (zlib.compress(bytes(10**6)), "length"),
        (corrections([1], [0], [0], [0], [1], [1], [1])[:-4], "length"),
        (corrections([1], [0], [0], [0], [1], [1], [1]) + b"more", "length"),
        (corrections([0], [0], [0], [0], [1], [1], [1]), "do not exist"),
        (corrections([255], [255], [255], [255], [1], [1], [1]), "do not exist"),
        (corrections([101], [0], [0], [0], [1], [1], [1]), "do not exist"),
    ],
)
def test_damaged_corrections(data: bytes, message: str) -> None:
    with pytest.raises(CorruptFile, match=message):
        lattice.to_rgb(lattice.Lattice(JFIF, (0, 0), data), np.zeros((10, 10, 3), dtype=np.uint8))


def test_training_crops_are_planes(tmp_path: pytest.TempPathFactory) -> None:
    pixels = smooth_image(48, 64)
    Image.fromarray(pixels).save(f"{tmp_path}/photograph.png")
    Image.fromarray(photograph(48, 64)).save(f"{tmp_path}/was-jpeg.png")
    crops = PlaneCrops([tmp_path / "photograph.png", tmp_path / "was-jpeg.png"], 32, 6, seed=3)  # type: ignore[operator]
    assert crops.on_lattice == [False, True]
    batches = [next(iter(crops)).pixels for _ in range(4)]
    assert all(batch.shape == (6, 3, 32, 32) for batch in batches)
    own = crops._aligned(crops.images[1], np.random.default_rng(0))
    aligned = [photograph(48, 64)[top : top + 32, left : left + 32] for top in (0, 16) for left in (0, 16, 32)]
    assert any(np.array_equal(JFIF.to_rgb(own), crop) for crop in aligned)


def test_scanned_chroma_is_interpolated() -> None:
    planes = scan_planes(smooth_image(20, 30)).astype(int)
    assert np.array_equal(planes[::2, 1:-1:2, 1:], (planes[::2, :-2:2, 1:] + planes[::2, 2::2, 1:] + 1) >> 1)


@pytest.mark.parametrize(("is_full_range", "lowest", "highest"), [(True, 0, 255), (False, 16, 235)])
def test_frames_have_repeated_chroma(is_full_range: bool, lowest: int, highest: int) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (20, 30, 3), dtype=np.uint8) * 255
    planes = frame_planes(noise, 95, is_full_range)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        assert np.array_equal(planes[::2, ::2, 1:], planes[row::2, column::2, 1:])
    assert planes[..., 0].min() == lowest
    assert planes[..., 0].max() == highest
