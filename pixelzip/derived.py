"""Images made of others <-> the body of a file: a file of what was there before, and what was done to it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pixelzip import container, enlargement
from pixelzip.components import CodedFile
from pixelzip.container import BODY_DERIVED, BODY_JPEG, BODY_JPEG_FILE, BODY_MIXED, MAX_DIMENSION, Header
from pixelzip.enlargement import MOST_FACTOR, Factors, Repeats
from pixelzip.errors import CorruptFile
from pixelzip.fields import Reader, inflate, write_varint
from pixelzip.image import Mode, Picture, Samples
from pixelzip.tiles import ORIENTATIONS, Box, turned_back, turned_size
from pixelzip.tones import WINDOW_BITS, Table, Tones, entries_from

_MOST_LEVELS: Final = 2**16
_MOST_CUT: Final = 15
_ENLARGED: Final = 8
"""Stands beside the orientation where factors follow."""

_NO_MODEL: Final = bytes(2)
_IMPOSSIBLE: Final = (BODY_DERIVED, BODY_MIXED, BODY_JPEG_FILE)
"""Bodies of files that no image is made of; what something was cut off, or turned, holds levels of a JPEG."""


@dataclass(frozen=True, eq=False)
class Derivation:
    """How an image follows from another: rows and columns are cut off that at the top and the left, what is left is
    turned back, from the way round that ``orientation`` says (``tiles.turned``), mapped by tables, and enlarged.
    """

    cut: tuple[int, int] = (0, 0)
    orientation: int = 0
    tones: Tones | None = None
    factors: Factors = enlargement.NONE

    @property
    def is_placed(self) -> bool:
        """Whether something was cut off or turned."""
        return any((*self.cut, self.orientation))

    def mode(self, mode: Mode) -> Mode:
        """Return the other image's mode, given the image's."""
        if self.tones:
            return self.tones.mode
        return mode if self.factors == enlargement.NONE else enlargement.mode_before(mode)

    def whole(self, box: Box) -> Box:
        """Return the whole other image, given the image's box."""
        height, width = turned_size(enlargement.box_before(box, self.factors), self.orientation)
        return Box(0, 0, height + self.cut[0], width + self.cut[1])

    def before(self, region: Box, box: Box) -> Box:
        """Return what must be known of the other image for a region of the image in that box: all, if it is turned."""
        if self.orientation:
            return self.whole(box)
        kept = enlargement.box_before(region, self.factors)
        return Box(kept.top + self.cut[0], kept.left + self.cut[1], kept.height, kept.width)

    def corners(self, before: tuple[int, int, int, int], box: Box) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of what has these corners in another image that was only enlarged."""
        ends = (one.factor * line - one.missing for one, line in zip(self.factors[::-1] * 2, before, strict=True))
        left, top, right, bottom = ends
        return max(left, 0), max(top, 0), min(right, box.width), min(bottom, box.height)

    def apply(self, samples: Samples, region: Box, is_damaged: bool = False) -> Samples:
        """Map samples of what ``before`` returned; raises CorruptFile as ``Tones.apply`` does."""
        if self.orientation:
            kept = samples[self.cut[0] :, self.cut[1] :].astype(np.uint8, copy=False)
            samples = turned_back(kept, self.orientation)[enlargement.box_before(region, self.factors).slices]
        samples = self.tones.apply(samples, is_damaged) if self.tones else samples
        return samples if self.factors == enlargement.NONE else enlargement.enlarged(samples, region, self.factors)


def write(picture: Picture, derivation: Derivation, file: bytes) -> bytes:
    """Put together how a picture follows from another and the file of that, which may itself say what was cut off, or
    that of an image that is enlarged which tables it has.
    """
    header, streams = container.read(file, MAX_DIMENSION**2)
    if header.body == BODY_DERIVED:
        before, file, (header, _) = read(header, streams[0])
        derivation = replace(before, tones=derivation.tones or before.tones, factors=derivation.factors)
    outer = Header(picture.mode, *picture.size, BODY_DERIVED, picture.blocks, header.model or _NO_MODEL)
    fields = _fields(derivation)
    return container.write(outer, [_checksum(outer, fields), fields, file])


def read(header: Header, body: bytes, is_damaged: bool = False) -> tuple[Derivation, bytes, CodedFile]:
    """Undo ``write``: how an image follows from another, and the file of that, also as ``container.read`` returns it.

    Raises:
        CorruptFile: the fields do not match their checksum, or the file can be none that they are for.
        UnsupportedVersion: as ``container.read``.
    """
    reader = Reader(body)
    checksum, fields = reader.take(4, "checksum"), Reader(reader.rest())
    orientation, factors = fields.varint("orientation"), enlargement.NONE
    if orientation & _ENLARGED:
        orientation, factors = orientation ^ _ENLARGED, _read_factors(fields)
    cut = fields.varint("rows cut off"), fields.varint("columns cut off")
    derivation = Derivation(cut, orientation, _read_tables(header, fields), factors)
    is_as_it_is = not (derivation.tones or derivation.is_placed)
    if factors == enlargement.NONE if is_as_it_is else header.mode.name == "1":
        raise CorruptFile(f"an image of mode {header.mode.name} that is another one as it is")
    if orientation not in ORIENTATIONS:
        raise CorruptFile(f"the orientation {orientation} is none")
    if max(cut) > _MOST_CUT:
        raise CorruptFile(f"{cut[0]} rows and {cut[1]} columns cut off are too many")
    if _checksum(header, fields.done) != checksum:
        raise CorruptFile("the checksum does not match the tables")
    file = fields.rest()
    other, streams = container.read(file, MAX_DIMENSION**2, is_damaged=is_damaged)  # its size is looked at here
    wanted = derivation.mode(header.mode), derivation.whole(header.box), header.model
    if (other.mode, other.box, other.model or _NO_MODEL) != wanted:
        raise CorruptFile("what the image is made of has another mode, size or model")
    is_possible = other.body == BODY_JPEG if derivation.is_placed else other.body not in _IMPOSSIBLE
    if other.blocks or not is_possible:
        raise CorruptFile("what the image is made of is of a kind that it cannot be")
    return derivation, file, (other, streams)


def _fields(derivation: Derivation) -> bytes:
    (rows, columns), orientation = derivation.factors, derivation.orientation
    is_enlarged = derivation.factors != enlargement.NONE
    place = (
        (orientation | _ENLARGED, *rows, *columns, *derivation.cut) if is_enlarged else (orientation, *derivation.cut)
    )
    if derivation.tones is None:
        return b"".join(map(write_varint, (*place, 0)))
    tables, deflated = derivation.tones.tables, derivation.tones.deflated
    sizes = [number for table in tables for number in (table.first, len(table.entries))]
    return b"".join(map(write_varint, (*place, len(tables), *sizes, len(deflated)))) + deflated


def _read_factors(reader: Reader) -> Factors:
    rows, columns = (Repeats(reader.varint("factor"), reader.varint("what is missing of the first")) for _ in range(2))
    if not (1 < max(rows.factor, columns.factor) <= MOST_FACTOR) or any(
        one.missing >= one.factor for one in (rows, columns)
    ):
        raise CorruptFile(f"an image cannot be enlarged by {rows.factor} and {columns.factor}")
    return rows, columns


def _read_tables(header: Header, reader: Reader) -> Tones | None:
    count = reader.varint("number of tables")
    if count == 0:
        return None
    if count not in (1, header.mode.num_channels):
        raise CorruptFile(f"{count} tables are impossible in an image of mode {header.mode.name}")
    sizes = [(reader.varint("first level"), reader.varint("number of levels")) for _ in range(count)]
    if any(number == 0 or first + number > _MOST_LEVELS for first, number in sizes):
        raise CorruptFile("the tables have an impossible size")
    num_channels, num_bytes = header.mode.num_channels // count, header.mode.bit_depth // 8
    ends = np.cumsum([number * num_channels * num_bytes for _, number in sizes])
    deflated, inflater = reader.take(reader.varint("length of the tables"), "tables"), zlib.decompressobj(WINDOW_BITS)
    inflated = inflate(deflated, int(ends[-1]), "a table", inflater)
    if len(inflated) != ends[-1] or inflater.unused_data:
        raise CorruptFile("the tables have an impossible length")
    entries = [
        entries_from(inflated[start:end], num_channels, num_bytes)
        for start, end in zip((0, *ends[:-1]), ends, strict=True)
    ]
    return Tones(tuple(Table(first, some) for (first, _), some in zip(sizes, entries, strict=True)))


def _checksum(header: Header, fields: bytes) -> bytes:
    """Return the CRC32 of the fields, 4 bytes, chained to the header."""
    return struct.pack("<I", zlib.crc32(fields, header.seal(0)))
