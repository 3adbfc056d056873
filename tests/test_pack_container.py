"""The bytes of a pack: exact fields, and no length is believed."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelzip import container, pack_container
from pixelzip.container import PACK_SIGNATURE
from pixelzip.errors import CorruptFile, PixelzipError, UnsupportedVersion
from pixelzip.fields import write_varint
from pixelzip.image import MODES_BY_NAME
from pixelzip.pack_container import FILE, STREAM, Shape

RGB = Shape(MODES_BY_NAME["RGB"], 32, 32, STREAM)
GREY = Shape(MODES_BY_NAME["L"], 28, 28, STREAM)
HEAD = PACK_SIGNATURE + b"\0ab"


def closed(header: bytes, payloads: bytes = b"") -> bytes:
    return header + struct.pack("<I", zlib.crc32(header)) + payloads


def test_exact_bytes() -> None:
    payloads = [b"abc", b"d", b"efghijkl"]
    data = pack_container.write(b"ab", [RGB, RGB, GREY], payloads, ["x", "é", "z"], [3, 0, 300])
    description = zlib.compress(b"x\0\xc3\xa9\0z\0\x03\x00\xac\x02", 9)
    index = b"\x01\x03" + bytes([0b11000010, 0b1]) + struct.pack("<I", zlib.crc32(b"abcdefghijkl"))
    header = PACK_SIGNATURE + b"\x03ab" + b"\x02" + b"\x04\x20\x20\x02" + b"\x01\x1c\x1c\x01" + index
    assert data == closed(header + write_varint(len(description)) + description, b"abcdefghijkl")
    contents = pack_container.read(data, 2**20)
    assert contents.shapes == (RGB, RGB, GREY)
    assert [contents.payload(index) for index in range(3)] == payloads
    assert (contents.names, contents.labels) == (("x", "é", "z"), (3, 0, 300))


def test_exact_bytes_of_mirror_images() -> None:
    payloads = [b"abc", b"d", b"efghijkl"]
    data = pack_container.write(b"ab", [RGB, RGB, GREY], payloads, None, None, [False, True, True])
    index = b"\x01\x03" + bytes([0b11000010, 0b1]) + struct.pack("<I", zlib.crc32(b"abcdefghijkl")) + b"\x06"
    header = PACK_SIGNATURE + b"\x04ab" + b"\x02" + b"\x04\x20\x20\x02" + b"\x01\x1c\x1c\x01" + index
    assert data == closed(header, b"abcdefghijkl")
    assert pack_container.read(data, 2**20).are_mirrored.tolist() == [False, True, True]


def test_a_file_is_no_mirror_image() -> None:
    shape = Shape(RGB.mode, 5, 5, FILE)
    data = pack_container.write(b"ab", [RGB, shape], [b"abc", b"d"], None, None, [True, True])
    with pytest.raises(CorruptFile, match="a whole file is said to be a mirror image"):
        pack_container.read(data, 2**20)


@pytest.mark.parametrize("are_mirrored", [(), (False, True)])
def test_every_truncation_is_reported(are_mirrored: tuple[bool, ...]) -> None:
    data = pack_container.write(b"ab", [RGB, GREY], [b"abc", b"d"], ["x", "y"], None, are_mirrored)
    for length in range(len(data)):
        with pytest.raises(CorruptFile):
            pack_container.read(data[:length], 2**20)
    with pytest.raises(CorruptFile, match="its index says"):
        pack_container.read(data + b"!", 2**20)


@given(data=st.binary(max_size=60))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    group = b"\x01\x04\x20\x20\x02"
    for prefix in (b"", HEAD, HEAD + group, *(PACK_SIGNATURE + flags + b"ab" + group for flags in (b"\x03", b"\x04"))):
        with contextlib.suppress(PixelzipError):
            pack_container.read(prefix + data, 2**20)
        with contextlib.suppress(PixelzipError):
            pack_container.read(closed(prefix + data, b"payload"), 2**20)


HUGE = b"\xff\xff\xff\xff\x0f"


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", CorruptFile, "signature at byte 0"),
        (b"\x89PNG\r\n\x1a\n", CorruptFile, "not a pack"),
        (b"\x89PZP\n\n" + bytes(20), CorruptFile, "not a pack"),
        (b"\x89PZ\r\n\x04  abcdef", CorruptFile, "one image, not a pack"),
        (PACK_SIGNATURE + b"\x80ab\0", UnsupportedVersion, "newer version"),
        (PACK_SIGNATURE + b"\x08ab\0", UnsupportedVersion, "newer version"),
        (HEAD + b"\x01\x24  \x01" + bytes(9), UnsupportedVersion, "newer version"),
        (HEAD + b"\x01\x0f  \x01" + bytes(9), UnsupportedVersion, "newer version"),
        (HEAD + HUGE + bytes(9), CorruptFile, "too short for its 4294967295 groups"),
        (HEAD + b"\x01\x04  " + HUGE + bytes(9), CorruptFile, "too short for its 4294967295 images"),
        (HEAD + b"\x01\x04\0 \x01" + bytes(9), CorruptFile, "impossible"),
        (HEAD + b"\x01\x04  \0" + bytes(9), CorruptFile, "impossible"),
        (HEAD + b"\x01\x05  \x01" + bytes(9), CorruptFile, "1 images of mode RGBA"),
        (HEAD + b"\x01\x13  \x01" + bytes(9), CorruptFile, "1 images of mode P"),
        (HEAD + b"\x01\x04\x81\x02\x80\x02\x01" + bytes(9), CorruptFile, "257x256 pixels are impossible"),
        (HEAD + b"\x01\x04  \x01\x00\x00" + bytes(9), CorruptFile, "lengths of 0 bits from 0 on"),
        (HEAD + b"\x01\x04  \x01\x05\x21" + bytes(20), CorruptFile, "lengths of 33 bits"),
        (HEAD + b"\x01\x04  \x01" + HUGE + b"\x00" + bytes(9), CorruptFile, "lengths of 0 bits from 4294967295 on"),
        (HEAD + b"\x01\x04  \x09\x05\x20" + bytes(30), CorruptFile, "lengths at byte"),
        (HEAD + b"\0" + bytes(4), CorruptFile, "index does not match"),
        (closed(HEAD + b"\0", b"!"), CorruptFile, "its index says"),
    ],
)
def test_broken_packs(data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pack_container.read(data, 2**20)


@pytest.mark.parametrize(
    ("flags", "description", "message"),
    [
        (1, b"x\0", "not 2 different names"),
        (1, b"x\0x\0", "not 2 different names"),
        (1, b"x\0\0", "not 2 different names"),
        (1, b"x\0y\0z", "labels are damaged"),
        (1, b"x\0\xff\0", "not UTF-8"),
        (2, b"\x01", "label at byte 1"),
        (2, b"\x01\x02\x03", "labels are damaged"),
        (2, b"\x01\xff\xff\xff\xff\x0f", "labels are damaged"),
    ],
)
def test_broken_descriptions(flags: int, description: bytes, message: str) -> None:
    block = zlib.compress(description)
    index = b"\x01\x04  \x02\x01\x00" + struct.pack("<I", zlib.crc32(b"ab"))
    header = PACK_SIGNATURE + bytes([flags]) + b"ab" + index + write_varint(len(block)) + block
    with pytest.raises(CorruptFile, match=message):
        pack_container.read(closed(header, b"ab"), 2**20)


def test_inflating_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_container, "MAX_DESCRIPTION_BYTES", 1000)
    data = pack_container.write(b"ab", [RGB], [b"abc"], ["x" * 10**6], None)
    with pytest.raises(CorruptFile, match="exceed 1000 bytes"):
        pack_container.read(data, 2**20)


def test_a_pack_is_no_image() -> None:
    with pytest.raises(CorruptFile, match="a pack of images"):
        container.read(pack_container.write(b"ab", [Shape(RGB.mode, 5, 5, FILE)], [b"abc"], None, None))
