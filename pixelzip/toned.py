"""Images without gaps, and tables <-> the body of a file: a file of what was there before a curve, and the curve."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np

from pixelzip import container
from pixelzip.components import CodedFile
from pixelzip.container import BODY_JPEG_FILE, BODY_MIXED, BODY_TONED, MAX_DIMENSION, Header
from pixelzip.errors import CorruptFile
from pixelzip.fields import Reader, inflate, write_varint
from pixelzip.image import Picture
from pixelzip.tones import WINDOW_BITS, Table, Tones, entries_from

NO_MODEL: Final = bytes(2)
_MOST_LEVELS: Final = 2**16


def write(picture: Picture, tones: Tones, file: bytes) -> bytes:
    """Put together tables and the file of what ``tones.find`` made of a picture."""
    inner, _ = container.read(file, MAX_DIMENSION**2)
    header = Header(picture.mode, *picture.size, BODY_TONED, picture.blocks, inner.model or NO_MODEL)
    numbers = [number for table in tones.tables for number in (table.first, len(table.entries))]
    fields = b"".join(map(write_varint, (len(tones.tables), *numbers, len(tones.deflated)))) + tones.deflated
    return container.write(header, [_checksum(header, fields), fields, file])


def read(header: Header, body: bytes, is_damaged: bool = False) -> tuple[Tones, bytes, CodedFile]:
    """Undo ``write``: the tables, and the file that they are for, as it is and as ``container.read`` returns it.

    Raises:
        CorruptFile: the tables do not match their checksum, or the file can be none that they are for.
        UnsupportedVersion: as ``container.read``.
    """
    reader = Reader(body)
    checksum, fields = reader.take(4, "checksum"), Reader(reader.rest())
    tones = _read_tables(header, fields)
    if _checksum(header, fields.done) != checksum:
        raise CorruptFile("the checksum does not match the tables")
    file = fields.rest()
    inner, streams = container.read(file, MAX_DIMENSION**2, is_damaged=is_damaged)  # its size is looked at here
    if (inner.mode, inner.box, inner.model or NO_MODEL) != (tones.mode, header.box, header.model):
        raise CorruptFile("what the tables are for has another mode, size or model than the image")
    if inner.blocks or inner.body in (BODY_TONED, BODY_MIXED, BODY_JPEG_FILE):
        raise CorruptFile("the tables are for a file of a kind that no tables can be for")
    return tones, file, (inner, streams)


def _read_tables(header: Header, reader: Reader) -> Tones:
    count = reader.varint("number of tables")
    if count not in (1, header.mode.num_channels) or header.mode.name == "1":
        raise CorruptFile(f"{count} tables are impossible in an image of mode {header.mode.name}")
    sizes = [(reader.varint("first level"), reader.varint("number of levels")) for _ in range(count)]
    if any(number == 0 or first + number > _MOST_LEVELS for first, number in sizes):
        raise CorruptFile("the tables have an impossible size")
    num_columns, item = header.mode.num_channels // count, header.mode.bit_depth // 8
    lengths = [number * num_columns * item for _, number in sizes]
    inflater = zlib.decompressobj(WINDOW_BITS)
    inflated = inflate(reader.take(reader.varint("length of the tables"), "tables"), sum(lengths), "a table", inflater)
    if len(inflated) != sum(lengths) or inflater.unused_data:
        raise CorruptFile("the tables have an impossible length")
    ends = np.cumsum(lengths)
    parts = [inflated[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return Tones(
        tuple(
            Table(first, entries_from(part, num_columns, item)) for (first, _), part in zip(sizes, parts, strict=True)
        )
    )


def _checksum(header: Header, fields: bytes) -> bytes:
    """Return the CRC32 of what the tables are written as, 4 bytes, chained to the header."""
    return struct.pack("<I", zlib.crc32(fields, header.seal(0)))
