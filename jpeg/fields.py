"""What stands before the streams of a body of levels <-> bytes. ``docs/format.md``, section 12."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pixelzip.container import BODY_JPEG_FILE, Header
from pixelzip.errors import CorruptFile, UnsupportedVersion
from pixelzip.fields import Reader, write_varint
from pixelzip.jpeg.quantisation import QUALITIES, Steps, standard
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.models.coefficients import NUM_FREQUENCIES

_NO_QUALITY: Final = 0
"""Stands before a table that is not a standard one."""

_TWO_FOR_CHROMA: Final = 101
"""Stands before two tables, one for each component of chroma."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What makes the JPEG file itself of its levels: the packed ``rest``, and the file's CRC32, 4 bytes."""

    rest: bytes
    checksum: bytes


@dataclass(frozen=True, eq=False)
class Fields:
    """Sampling of chroma, steps of luma and of chroma (one table or two), the last frequency of each component that is
    not zero everywhere, corrections of pixels, the CRC32 of the samples, 4 bytes, and what keeps the file, if it is.
    """

    sampling: Sampling
    tables: tuple[Steps, ...]
    lasts: bytes
    corrections: bytes
    checksum: bytes
    kept: Kept | None = None

    def steps(self, kind: int) -> Steps:
        """Return the table of a component."""
        return self.tables[min(kind, len(self.tables) - 1)]


def write(fields: Fields) -> bytes:
    """Write the fields."""
    luma, *chroma = fields.tables
    tables = [_write_table(luma, is_luma=True), *(_write_table(table, is_luma=False) for table in chroma)]
    tables[1:1] = [bytes([_TWO_FOR_CHROMA])] * (len(chroma) - 1)
    parts = [bytes([SAMPLINGS.index(fields.sampling)]), *tables, fields.lasts]
    parts += [write_varint(len(fields.corrections)), fields.corrections, fields.checksum]
    if fields.kept is not None:
        parts += [write_varint(len(fields.kept.rest)), fields.kept.rest, fields.kept.checksum]
    return b"".join(parts)


def read(reader: Reader, header: Header) -> Fields:
    """Undo ``write``; raises CorruptFile or UnsupportedVersion."""
    code = reader.take(1, "sampling")[0]
    if code >= len(SAMPLINGS):
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    num_components = header.mode.num_channels
    tables = (_read_table(reader.take(1, "quality")[0], reader, is_luma=True), *_read_chroma(reader, num_components))
    lasts = reader.take(num_components, "last frequencies")
    if max(lasts) >= NUM_FREQUENCIES:
        raise CorruptFile(f"a block has no frequency {max(lasts)}")
    corrections = reader.take(reader.varint("length of the corrections"), "corrections")
    checksum, kept = reader.take(4, "checksum"), None
    if header.body == BODY_JPEG_FILE:
        rest = reader.take(reader.varint("length of the rest of the JPEG"), "rest of the JPEG")
        kept = Kept(rest, reader.take(4, "checksum of the JPEG"))
    return Fields(SAMPLINGS[code], tables, lasts, corrections, checksum, kept)


def _write_table(steps: Steps, is_luma: bool) -> bytes:
    for quality in QUALITIES:
        if np.array_equal(steps, standard(is_luma, quality)):
            return bytes([quality])
    return bytes([_NO_QUALITY, *steps.tolist()])


def _read_chroma(reader: Reader, num_components: int) -> list[Steps]:
    if num_components == 1:
        return []
    quality = reader.take(1, "quality")[0]
    if quality != _TWO_FOR_CHROMA:
        return [_read_table(quality, reader, is_luma=False)]
    return [_read_table(reader.take(1, "quality")[0], reader, is_luma=False) for _ in range(2)]


def _read_table(quality: int, reader: Reader, is_luma: bool) -> Steps:
    if quality in QUALITIES:
        return standard(is_luma, quality)
    if quality != _NO_QUALITY:
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    steps = np.frombuffer(reader.take(NUM_FREQUENCIES, "quantisation table"), dtype=np.uint8).astype(np.int32)
    if not steps.all():
        raise CorruptFile("a quantisation table has a step of zero")
    return steps
