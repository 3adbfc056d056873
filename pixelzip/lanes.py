"""Which pixels are computed together: the geometry of wavefronts. No pixels, no network.

Pixel (row, column) of a tile belongs to step ``column + 2 * row``. A layer at resolution 1/k computes its position
(R, C) at the step of pixel (kR + k - 1, kC + k - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NUM_WAVES: Final = 4
"""Wavefronts kept of a layer: the one being computed and the three that a cone tap can reach back."""

SLOPE: Final = 2
"""Steps from one row to the next."""

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Lanes:
    """The pixels of one step: parallel (n,) arrays, ordered by tile, then row."""

    tile: Index
    row: Index
    column: Index

    def __len__(self) -> int:
        return len(self.tile)


class Grid:
    """The positions of all tiles at one resolution, and where their last wavefronts are stored.

    Args:
        heights: (tiles,) rows of each tile at full resolution.
        widths: (tiles,) columns.
        scale: 1, 2, 4, ...: positions are 2x2, 4x4, ... blocks that lie wholly inside their tile.
    """

    def __init__(self, heights: Index, widths: Index, scale: int) -> None:
        self.scale = scale
        heights, self.widths = heights // scale, widths // scale
        self.heights = heights
        self.first_row = np.concatenate(([0], np.cumsum(heights)))[:-1]
        self.num_rows = int(heights.sum())
        self.tile = np.repeat(np.arange(len(heights)), heights)
        self.row = np.arange(self.num_rows) - self.first_row[self.tile]
        self.width = self.widths[self.tile]
        self.outside = NUM_WAVES * self.num_rows

    def lanes(self, step: int) -> Lanes | None:
        """Return the positions computed at ``step`` of full-resolution time, or None if there are none."""
        wave, remainder = divmod(step - (SLOPE + 1) * (self.scale - 1), self.scale)
        column = wave - SLOPE * self.row
        active = np.flatnonzero((column >= 0) & (column < self.width))
        if remainder or not len(active):
            return None
        return Lanes(self.tile[active], self.row[active], column[active])

    def slots(self, tile: Index, row: Index, column: Index) -> Index:
        """Return where positions are stored; positions outside their tile share one slot that is never written."""
        inside = (row >= 0) & (column >= 0) & (row < self.heights[tile]) & (column < self.widths[tile])
        wave = (column + SLOPE * row) % NUM_WAVES
        return np.where(inside, wave * self.num_rows + self.first_row[tile] + row, self.outside)
