"""Stages 2 and 6: tile geometry and the bytes of a file."""

from __future__ import annotations

import contextlib
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelzip import container, metadata
from pixelzip.container import BODY_MODEL, BODY_PNG, CODED, CONSTANT, STORED, Component, Header
from pixelzip.errors import CorruptFile, ImageTooLarge, PixelzipError, UnsupportedVersion
from pixelzip.fields import write_varint
from pixelzip.image import MODES_BY_NAME
from pixelzip.tiles import MAX_TILE_PIXELS, Tiling, from_code

SMALL = Header(MODES_BY_NAME["RGB"], 32, 32, BODY_MODEL, (), b"\xab\xcd", Tiling(32, 32), (Component(),))
LARGE = replace(
    SMALL,
    mode=MODES_BY_NAME["RGBA"],
    width=2000,
    height=300,
    blocks=((1, b"profile" * 50), (77, b"from the future")),
    tiling=Tiling(2000, 300),
    components=(Component(), Component(CONSTANT, b"\xff")),
)


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), code=st.integers(0, 255))
def test_tiles_cover_every_pixel_once(width: int, height: int, code: int) -> None:
    try:
        tiling = from_code(width, height, code)
    except ValueError:
        assert (code >> 4) + (code & 15) + 12 > MAX_TILE_PIXELS.bit_length() - 1
        return
    boxes = list(tiling.boxes())
    assert len(boxes) == tiling.num_tiles
    assert sum(box.height * box.width for box in boxes) == width * height
    assert len({(box.top, box.left) for box in boxes}) == len(boxes)
    assert tiling.code == code


def test_small_header_is_ten_bytes() -> None:
    stream = b"12345"
    data = container.write(SMALL, [stream])
    assert data == b"\x89PZ\r\n" + bytes([4, 32, 32]) + b"\xab\xcd" + stream
    assert container.read(data) == (SMALL, [stream])


def test_large_header() -> None:
    streams = [bytes([65 + i]) * (5 + 20 * i) for i in range(LARGE.num_streams)]
    data = container.write(LARGE, streams)
    assert container.read(data) == (LARGE, streams)
    assert LARGE.num_streams == 8


def test_stored_components() -> None:
    header = replace(SMALL, mode=MODES_BY_NAME["RGBA"], components=(Component(), Component(STORED)))
    streams = [b"12345", b"678901"]
    assert container.read(container.write(header, streams)) == (header, streams)
    assert header.components[0].coding == CODED


@pytest.mark.parametrize("orientations", [b"", b"\7"])
@pytest.mark.parametrize("num_bits", range(8, 16))
def test_few_significant_bits(num_bits: int, orientations: bytes) -> None:
    parts = (Component(), Component(STORED))
    header = replace(SMALL, mode=MODES_BY_NAME["I;16"], components=parts)
    header = replace(header, significant_bits=num_bits, orientations=orientations)
    data = container.write(header, [b"12345", b"678901"])
    assert container.read(data) == (header, [b"12345", b"678901"])
    assert data[10:12] == bytes([253 if orientations else 254, num_bits])
    for wrong in (0, 7, 16, 255):
        with pytest.raises(CorruptFile, match=f"{wrong} significant bits are impossible in an image of mode I;16"):
            container.read(data[:11] + bytes([wrong]) + data[12:])
    with pytest.raises(CorruptFile, match="impossible in an image of mode LA"):
        container.read(data[:5] + bytes([data[5] & 0xF0 | 2]) + data[6:])


def test_embedded_body() -> None:
    header = Header(MODES_BY_NAME["P"], 7, 300, BODY_PNG)
    assert container.read(container.write(header, [b"abcd", b"file"])) == (header, [b"abcd", b"file"])


def test_seals_differ_by_place_and_header() -> None:
    seals = {header.seal(index) for header in (SMALL, LARGE, replace(SMALL, width=33)) for index in range(5)}
    assert len(seals) == 15


@pytest.mark.parametrize("header", [SMALL, LARGE])
def test_every_truncation_is_reported(header: Header) -> None:
    streams = [b"abcdef"] * header.num_streams
    data = container.write(header, streams)
    for length in range(len(data) - 6):
        with pytest.raises(CorruptFile):
            container.read(data[:length])


@given(data=st.binary(max_size=60))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    for prefix in (b"", container.SIGNATURE, container.SIGNATURE + b"\x44\x20\x20"):
        with contextlib.suppress(PixelzipError):
            container.read(prefix + data)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", CorruptFile, "signature at byte 0"),
        (b"\x89PNG\r\n\x1a\n", CorruptFile, "not a pixelzip file"),
        (b"\x89PZ\n\n\x04  abcdefghij", CorruptFile, "not a pixelzip file"),
        (b"\x89PZ\r\n\x84  abcdefghij", UnsupportedVersion, "newer version"),
        (b"\x89PZ\r\n\x34  abcdefghij", UnsupportedVersion, "newer version"),
        (b"\x89PZ\r\n\x0f  abcdefghij", UnsupportedVersion, "newer version"),
        (b"\x89PZ\r\n\x04\0 abcdefghij", CorruptFile, "impossible"),
        (b"\x89PZ\r\n\x04\xff\xff\xff\xff\xff\x01 ab", CorruptFile, "35 bits"),
        (b"\x89PZ\r\n\x04\x80\x00 abcdefghij", CorruptFile, "leading zeros"),
        (b"\x89PZ\r\n\x04\xff\xff\xff\x07\xff\xff\xff\x07abcdefghij", ImageTooLarge, "limit"),
        (b"\x89PZ\r\n\x04\xff\x7f\xff\x7fab\xee" + b"a" * 20, CorruptFile, "exceed"),
        (b"\x89PZ\r\n\x04\xff\x7f\xff\x7fab\x00" + b"a" * 20, CorruptFile, "too short"),
    ],
)
def test_broken_headers(data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        container.read(data)


def test_metadata_damage_is_reported() -> None:
    data = container.write(LARGE, [b"abcdef"] * 24)
    start = data.index(b"from the future")
    with pytest.raises(CorruptFile, match="checksum"):
        container.read(data[:start] + b"F" + data[start + 1 :])


def test_inflating_metadata_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_METADATA_BYTES", 1000)
    bomb = zlib.compress(bytes(10**6))
    section = bytes([3]) + write_varint(len(bomb)) + bomb
    head = container.SIGNATURE + b"\x44\x20\x20" + write_varint(len(section))
    with pytest.raises(CorruptFile, match="exceeds 1000 bytes"):
        container.read(head + struct.pack("<I", zlib.crc32(section)) + section + b"abcdefghijk")
