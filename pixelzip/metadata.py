"""A part of stage 7: metadata blocks <-> the metadata section of a file. ``docs/format.md``, section 2."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from pixelzip.errors import CorruptFile
from pixelzip.fields import Reader, inflate, write_varint
from pixelzip.image import Block

MAX_METADATA_BYTES: Final = 2**26


def write(blocks: Sequence[Block]) -> bytes:
    """Write the section."""
    section = b"".join(_block(kind, data) for kind, data in blocks)
    return write_varint(len(section)) + struct.pack("<I", zlib.crc32(section)) + section


def read(reader: Reader, is_damaged: bool) -> tuple[Block, ...]:
    """Read the section; raises CorruptFile, or leaves out what is not intact if the file ``is_damaged``."""
    length = reader.varint("metadata length")
    checksum = struct.unpack("<I", reader.take(4, "metadata checksum"))[0]
    section = reader.take(length, "metadata")
    try:
        return _parse(section, checksum)
    except CorruptFile:
        if is_damaged:
            return ()
        raise


def _parse(section: bytes, checksum: int) -> tuple[Block, ...]:
    if zlib.crc32(section) != checksum:
        raise CorruptFile("the metadata does not match its checksum")
    inner, blocks, budget = Reader(section), [], MAX_METADATA_BYTES
    while not inner.is_at_end:
        tag = inner.varint("metadata kind")
        data = inner.take(inner.varint("metadata block length"), "metadata block")
        data = inflate(data, budget, "a metadata block") if tag & 1 else data
        budget -= len(data)
        if budget < 0:
            raise CorruptFile(f"the metadata exceeds {MAX_METADATA_BYTES} bytes")
        blocks.append((tag >> 1, data))
    return tuple(blocks)


def _block(kind: int, data: bytes) -> bytes:
    deflated = zlib.compress(data, 9)
    smaller = len(deflated) < len(data)
    stored = deflated if smaller else data
    return write_varint(kind << 1 | smaller) + write_varint(len(stored)) + stored
