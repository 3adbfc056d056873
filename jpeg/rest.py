"""The rest of a JPEG file <-> few bytes: without what the .pxz holds anyway, deflated with what most files have."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from pixelzip.errors import CorruptFile
from pixelzip.fields import Reader, inflate, write_varint
from pixelzip.image import Block
from pixelzip.jpeg.file import Rest
from pixelzip.models.coefficients import NUM_FREQUENCIES

MAX_BYTES: Final = 2**26
_LEAST_BLOCK_BYTES: Final = 16
"""Shorter metadata are not worth a reference."""

_FOLLOWED_BIT: Final = 2
"""Of the first byte, whose lowest bit is the one that fills."""

_WINDOW_BITS: Final = -15
"""Deflate without a frame: the whole file has a checksum."""


def pack(rest: Rest, blocks: Sequence[Block], usual: bytes) -> bytes:
    """Write the rest of a file; ``blocks`` are metadata that stand elsewhere. Raises CorruptFile: it is too long."""
    references, pieces, start = list[bytes](), list[bytes](), 0
    for place, number, length in _found(rest.data, blocks):
        if place >= start:
            references.append(write_varint(place - start) + write_varint(number))
            pieces.append(rest.data[start:place])
            start = place + length
    outside = b"" if rest.outside is None else rest.outside.astype("<i2").tobytes()
    fields = [bytes([rest.filling | _FOLLOWED_BIT * bool(rest.following)]), write_varint(len(outside)), outside]
    if rest.following:
        fields += [write_varint(len(rest.following)), rest.following]
    fields += [write_varint(len(references)), *references]
    if sum(map(len, (*fields, *pieces, rest.data[start:]))) > MAX_BYTES:
        raise CorruptFile(f"the JPEG has more than {MAX_BYTES} bytes besides its image")
    deflater = zlib.compressobj(9, wbits=_WINDOW_BITS, zdict=usual)
    return deflater.compress(b"".join([*fields, *pieces, rest.data[start:]])) + deflater.flush()


def unpack(data: bytes, blocks: Sequence[Block], usual: bytes) -> Rest:
    """Undo ``pack``; raises CorruptFile."""
    reader, pieces = Reader(_inflated(data, usual)), list[bytes]()
    is_followed, filling = divmod(reader.take(1, "filling")[0], _FOLLOWED_BIT)
    outside = reader.take(reader.varint("length of blocks outside"), "blocks outside")
    following = reader.take(reader.varint("length of what follows"), "what follows") if is_followed else b""
    count = reader.varint("number of references")
    if is_followed != bool(following) or len(outside) % (2 * NUM_FREQUENCIES) or count > len(blocks):
        raise CorruptFile("the rest of the JPEG is damaged")
    references = [(reader.varint("place of metadata"), reader.varint("number of metadata")) for _ in range(count)]
    for distance, number in references:
        if number not in range(len(blocks)):
            raise CorruptFile(f"the JPEG refers to metadata {number}, which are not there")
        pieces += [reader.take(distance, "rest of the JPEG"), blocks[number][1]]
    pieces.append(reader.rest())
    if len({number for _, number in references}) < count:
        raise CorruptFile("the JPEG refers to the same metadata twice")
    levels = np.frombuffer(outside, dtype="<i2").astype(np.int16).reshape(-1, NUM_FREQUENCIES)
    return Rest(b"".join(pieces), filling, levels if outside else None, following)


def _inflated(data: bytes, usual: bytes) -> bytes:
    inflater = zlib.decompressobj(_WINDOW_BITS, zdict=usual)
    inflated = inflate(data, MAX_BYTES, "the rest of the JPEG", inflater)
    if inflater.unused_data or len(inflated) > MAX_BYTES:
        raise CorruptFile("the rest of the JPEG has an impossible length")
    return inflated


def _found(data: bytes, blocks: Sequence[Block]) -> list[tuple[int, int, int]]:
    """Return where metadata stand in the rest of a file: place, number and length, in order of places."""
    found = [
        (data.find(block), number, len(block))
        for number, (_, block) in enumerate(blocks)
        if len(block) >= _LEAST_BLOCK_BYTES
    ]
    return sorted(place for place in found if place[0] >= 0)
