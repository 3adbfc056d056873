"""JPEG files that follow another in one file, as previews and gain maps do: files of their own in its file."""

from __future__ import annotations

import io
from random import Random
from unittest import mock

import mutations
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_jpeg import as_jpeg, decoded, texture
from test_jpeg_file import check, kept

import pixelzip
from pixelzip import container
from pixelzip.errors import CorruptFile, UnsupportedImage
from pixelzip.jpeg import keeping, rest

FIRST = as_jpeg(texture(72, 88), 90)
PREVIEW = as_jpeg(texture(72, 66), 80, "4:2:0", progressive=True)
GAIN_MAP = as_jpeg(texture(64, 64)[..., 0], 85)


def described() -> bytes:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x010E], exif[0x011A] = "a description of it", 72.0
    Image.fromarray(texture(24, 40)).save(buffer, "JPEG", exif=exif, icc_profile=bytes(range(50)), comment=b"hills")
    return buffer.getvalue()


DESCRIBED = described()


def followers(data: bytes) -> list[bytes]:
    """Return the files that a file holds, one in the other, without the first."""
    found = []
    while data:
        header, _ = container.read(data)
        data = rest.unpack(kept(data), header.blocks, known_of(data)).following
        found.append(data)
    return found[:-1]


def known_of(data: bytes) -> bytes:
    """Return the dictionary that a file's rest was deflated with."""
    with mock.patch.object(keeping.rest, "unpack", side_effect=rest.unpack) as unpack:
        pixelzip.decompress_jpeg(data)
    known: bytes = unpack.call_args_list[0].args[2]
    return known


@pytest.mark.parametrize("padding", [b"", b"\0", bytes(900)])
def test_each_becomes_a_file(padding: bytes) -> None:
    data = check(FIRST + padding + PREVIEW + GAIN_MAP + b"\0\0and more")
    preview, gain_map = followers(data)
    assert pixelzip.decompress_jpeg(gain_map) == GAIN_MAP + b"\0\0and more"
    assert pixelzip.decompress_jpeg(preview) == PREVIEW + pixelzip.decompress_jpeg(gain_map)
    assert len(data) < len(pixelzip.compress(FIRST)) + 0.95 * (len(PREVIEW) + len(GAIN_MAP))
    assert np.array_equal(pixelzip.decompress_array(data), decoded(FIRST))


def test_pixels_alone_have_none() -> None:
    stripped = pixelzip.compress(FIRST + PREVIEW, strip=True)
    assert stripped == pixelzip.compress(FIRST, strip=True)


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(texture(64, 64)).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "following",
    [
        as_jpeg(texture(73, 88)),
        cmyk(),
        PREVIEW[:-900],
        PREVIEW[:20],
        b"\xff\xd8\xff",
        b"\xff\xd8\xff" + bytes(500),
        b"between" + PREVIEW,
    ],
    ids=["larger", "cmyk", "cut", "header", "start", "noise", "apart"],
)
def test_others_stay_as_they_are(following: bytes) -> None:
    assert followers(check(FIRST + following)) == []


def test_only_so_many_become_files() -> None:
    many = FIRST + GAIN_MAP * (keeping.MOST_FOLLOWING + 2)
    found = followers(check(many))
    assert len(found) == keeping.MOST_FOLLOWING
    assert pixelzip.decompress_jpeg(found[-1]) == GAIN_MAP * 3


def test_more_are_refused() -> None:
    with mock.patch.object(keeping, "MOST_FOLLOWING", keeping.MOST_FOLLOWING + 1):
        data = check(FIRST + GAIN_MAP * keeping.MOST_FOLLOWING)
    with pytest.raises(CorruptFile, match="followed by what cannot be there"):
        pixelzip.decompress_jpeg(data)


@pytest.mark.parametrize(
    ("following", "message"),
    [
        (pixelzip.compress(texture(8, 8)), "followed by what cannot be there"),
        (b"none", "signature at byte 0"),
        (pixelzip.compress(GAIN_MAP)[:-9], "the check does not match|checksum|expected"),
    ],
    ids=["pixels", "noise", "cut"],
)
def test_what_follows_may_be_hostile(following: bytes, message: str) -> None:
    with mock.patch.object(keeping, "_following", return_value=following):
        data = pixelzip.compress(FIRST + PREVIEW)
    with pytest.raises(CorruptFile, match=message):
        pixelzip.decompress_jpeg(data)
    assert np.array_equal(pixelzip.decompress_array(data), decoded(FIRST))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_damaged_ones_come_back_as_they_are(seed: int) -> None:
    damage = Random(seed)
    data = damage.choice((mutations.any_bytes, mutations.one_bit, mutations.cut))(damage, DESCRIBED)
    jpeg = FIRST + b"\xff\xd8\xff" + data[3:]
    assert pixelzip.decompress_jpeg(pixelzip.compress(jpeg)) == jpeg


def test_no_bytes_hold_no_jpeg() -> None:
    with pytest.raises(CorruptFile):
        pixelzip.decompress_jpeg(b"")
    with pytest.raises(UnsupportedImage, match="holds pixels"):
        pixelzip.decompress_jpeg(pixelzip.compress(texture(8, 8)))


def test_larger_ones_than_allowed() -> None:
    data = check(FIRST + PREVIEW)
    with pytest.raises(pixelzip.ImageTooLarge):
        pixelzip.decompress_jpeg(data, max_pixels=72 * 88 - 1)
