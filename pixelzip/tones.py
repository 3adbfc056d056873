"""Samples without gaps among their levels <-> samples whose levels leave others out, and the tables between them.

Raising the contrast spreads levels apart, and so does writing 8 bits as 16; toning gives every grey its own colour.
What was there before costs less.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.image import MODES_BY_NAME, Mode, Samples

SMALL_LEVELS: Final = 2**8
WINDOW_BITS: Final = -15
"""Of deflate without a frame (RFC 1951): there is a checksum of our own."""

_STRIP_PIXELS: Final = 2**18
_NAMES: Final = {8: ("L", "LA", "RGB", "RGBA"), 16: ("I;16", "LA;16", "RGB;16", "RGBA;16")}


@dataclass(frozen=True, eq=False)
class Table:
    """What levels stand for: level ``first + i`` for entry i of ``entries``, (n, channels) of the image's dtype."""

    first: int
    entries: Samples

    @property
    def end(self) -> int:
        """The first level that has no entry."""
        return self.first + len(self.entries)

    def apply(self, levels: Samples, is_damaged: bool = False) -> Samples:
        """Map levels (H, W) to (H, W, channels).

        Raises:
            CorruptFile: there are levels that the table does not have; if ``is_damaged`` the nearest are taken.
        """
        lowest, highest = int(levels.min()), int(levels.max())
        if not is_damaged and (lowest < self.first or highest >= self.end):
            raise CorruptFile("the image has levels that are in none of its tables")
        places = (np.arange(highest + 1) - self.first).clip(0, len(self.entries) - 1)
        found: Samples = self.entries[places][levels]
        return found

    def undo(self, samples: Samples) -> NDArray[np.uint16]:
        """Return the levels (H, W) of samples (H, W, channels), all of which must be in the table."""
        entries, numbers = packed(self.entries), np.arange(self.first, self.end, dtype=np.uint16)
        levels: NDArray[np.uint16]
        if samples.shape[2] == 1:
            all_levels = np.zeros(1 << 8 * samples.itemsize, dtype=np.uint16)
            all_levels[entries] = numbers
            levels = all_levels[samples[..., 0]]
        else:
            order = np.argsort(entries)
            strips = (numbers[order][np.searchsorted(entries[order], packed(strip))] for strip in in_strips(samples))
            levels = np.concatenate(list(strips))
        return levels


@dataclass(frozen=True, eq=False)
class Tones:
    """One table for each channel of an image, or one for all together."""

    tables: tuple[Table, ...]

    @functools.cached_property
    def deflated(self) -> bytes:
        """What the entries are written as."""
        deflater = zlib.compressobj(9, zlib.DEFLATED, WINDOW_BITS)
        return deflater.compress(b"".join(_differences(table.entries) for table in self.tables)) + deflater.flush()

    @property
    def ends(self) -> list[tuple[int, int]]:
        """The lowest and the highest level of each table."""
        return [(table.first, table.end - 1) for table in self.tables]

    def extended(self) -> Tones:
        """Return tables in which what lies beyond their ends, in 8 bits, is the same as these."""
        if self.mode.bit_depth == 16:
            return self
        places = (np.arange(SMALL_LEVELS).clip(first, last) - first for first, last in self.ends)
        return Tones(tuple(Table(0, table.entries[some]) for table, some in zip(self.tables, places, strict=True)))

    @property
    def mode(self) -> Mode:
        """The mode of what is without gaps: of 8 bits if that suffices for each table."""
        num_bits = 8 if all(table.end <= SMALL_LEVELS for table in self.tables) else 16
        return MODES_BY_NAME[_NAMES[num_bits][len(self.tables) - 1]]

    def apply(self, samples: Samples, is_damaged: bool = False) -> Samples:
        """Map samples without gaps to the image's; raises CorruptFile as tables do."""
        parts = [table.apply(samples[..., place], is_damaged) for place, table in enumerate(self.tables)]
        return cast(Samples, np.concatenate(parts, axis=2))

    def undo(self, samples: Samples) -> Samples:
        """Undo ``apply``."""
        width = samples.shape[2] // len(self.tables)
        parts = [samples[..., start : start + width] for start in range(0, samples.shape[2], width)]
        levels = np.stack([table.undo(part) for table, part in zip(self.tables, parts, strict=True)], axis=2)
        return levels.astype(np.uint8) if self.mode.bit_depth == 8 else levels


def _differences(entries: Samples) -> bytes:
    """Return each entry less the one before, channel by channel; of 16 bits all low bytes come first."""
    steps = np.diff(entries, axis=0, prepend=entries.dtype.type(0)).T
    return steps.astype(steps.dtype.newbyteorder("<")).reshape(-1, 1).view(np.uint8).T.tobytes()


def entries_from(differences: bytes, num_channels: int, num_bytes: int) -> Samples:
    """Return the entries, (n, channels), of so many bytes each, whose differences ``Tones.deflated`` has deflated."""
    steps = np.frombuffer(differences, dtype=np.uint8).reshape(num_bytes, -1).T.copy().view(f"<u{num_bytes}")
    dtype = np.uint8 if num_bytes == 1 else np.uint16
    entries: Samples = steps.reshape(num_channels, -1).T.astype(dtype).cumsum(axis=0, dtype=dtype)
    return entries


def in_strips(samples: Samples) -> Iterator[Samples]:
    """Yield samples some rows at a time, for what needs eight bytes for each pixel."""
    num_rows = max(1, _STRIP_PIXELS // samples.shape[1])
    return (samples[top : top + num_rows] for top in range(0, len(samples), num_rows))


def packed(samples: Samples) -> NDArray[np.uint64]:
    """Return one number for each pixel: (..., channels) to (...)."""
    packed = np.zeros(samples.shape[:-1], dtype=np.uint64)
    for channel in range(samples.shape[-1]):
        packed = packed << np.uint64(16) | samples[..., channel]
    return packed
