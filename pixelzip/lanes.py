"""Which pixels are computed together, and in which order: the geometry of both orders. No pixels, no network.

Wavefronts: pixel (row, column) of a tile belongs to step ``column + 2 * row``. A layer at resolution 1/k computes its
position (R, C) at the step of pixel (kR + k - 1, kC + k - 1), when it is complete.

Raster order: pixel (row, column) belongs to step ``column + width * row``, one pixel of each tile at a step. A layer at
resolution 1/k computes its position (R, C) at the step of pixel (kR, kC), and a layer by rows a whole row at once, at
the step of pixel (kR, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NUM_WAVES: Final = 4
"""Wavefronts kept of a layer: the one being computed and the three that a cone tap can reach back."""

SLOPE: Final = 2
"""Steps from one row to the next."""

NUM_ROWS: Final = 2
"""Rows kept of a layer in raster order: the one being computed and the one above."""

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
    """The positions of all tiles at one resolution in wavefront order, and where their last wavefronts are stored.

    Args:
        heights: (tiles,) rows of each tile at full resolution.
        widths: (tiles,) columns.
        scale: 1, 2, 4, ...: positions are 2x2, 4x4, ... blocks that lie wholly inside their tile.
    """

    def __init__(self, heights: Index, widths: Index, scale: int) -> None:
        self.scale = scale
        self.num_steps = int((widths + SLOPE * (heights - 1)).max())
        self.heights, self.widths = heights // scale, widths // scale
        self.first_row = np.concatenate(([0], np.cumsum(self.heights)))[:-1]
        self.num_rows = int(self.heights.sum())
        self.tile = np.repeat(np.arange(len(heights)), self.heights)
        self.row = np.arange(self.num_rows) - self.first_row[self.tile]
        self.width = self.widths[self.tile]
        self.outside = NUM_WAVES * self.num_rows

    def lanes(self, step: int, by_row: bool) -> Lanes | None:
        """Return the positions computed at ``step`` of full-resolution time, or None if there are none."""
        assert not by_row, "layers by rows are for raster order"
        wave, remainder = divmod(step - (SLOPE + 1) * (self.scale - 1), self.scale)
        column = wave - SLOPE * self.row
        active = np.flatnonzero((column >= 0) & (column < self.width))
        if remainder or not len(active):
            return None
        return Lanes(self.tile[active], self.row[active], column[active])

    def positions(self, lanes: Lanes, scale: int) -> tuple[Index, Index]:
        """Return row and column, at this grid's resolution, of positions at another: the last that is complete."""
        if scale > self.scale:
            return 2 * lanes.row + 1, 2 * lanes.column + 1
        if scale < self.scale:
            return (lanes.row - 1) // 2, (lanes.column - 1) // 2
        return lanes.row, lanes.column

    def slots(self, tile: Index, row: Index, column: Index) -> Index:
        """Return where positions are stored; positions outside their tile share one slot that is never written."""
        inside = (row >= 0) & (column >= 0) & (row < self.heights[tile]) & (column < self.widths[tile])
        wave = (column + SLOPE * row) % NUM_WAVES
        return np.where(inside, wave * self.num_rows + self.first_row[tile] + row, self.outside)


class RasterGrid:
    """The same in raster order, where the last two rows are stored and blocks may be cut off by the tile's edge."""

    def __init__(self, heights: Index, widths: Index, scale: int) -> None:
        self.scale = scale
        self.row_steps = int(widths.max())
        self.num_steps = int(((heights - 1) * self.row_steps + widths).max())
        self.heights, self.widths = -(-heights // scale), -(-widths // scale)
        self.first_column = np.concatenate(([0], np.cumsum(self.widths)))[:-1]
        self.num_columns = int(self.widths.sum())
        self.outside = NUM_ROWS * self.num_columns

    def lanes(self, step: int, by_row: bool) -> Lanes | None:
        """Return the positions computed at ``step`` of full-resolution time, or None if there are none."""
        row, column = divmod(step, self.row_steps)
        if row % self.scale or column % self.scale or (by_row and column):
            return None
        row, column = row // self.scale, column // self.scale
        tile = np.flatnonzero((row < self.heights) & (column < self.widths))
        if not len(tile):
            return None
        if not by_row:
            return Lanes(tile, np.full_like(tile, row), np.full_like(tile, column))
        tile = np.repeat(tile, self.widths[tile])
        starts = np.flatnonzero(np.diff(tile, prepend=-1))
        return Lanes(tile, np.full_like(tile, row), np.arange(len(tile)) - np.repeat(starts, self.widths[tile[starts]]))

    def positions(self, lanes: Lanes, scale: int) -> tuple[Index, Index]:
        """Return row and column, at this grid's resolution, of positions at another: those that start together."""
        if scale > self.scale:
            return 2 * lanes.row, 2 * lanes.column
        if scale < self.scale:
            return lanes.row // 2, lanes.column // 2
        return lanes.row, lanes.column

    def slots(self, tile: Index, row: Index, column: Index) -> Index:
        """Return where positions are stored; positions outside their tile share one slot that is never written."""
        inside = (row >= 0) & (column >= 0) & (row < self.heights[tile]) & (column < self.widths[tile])
        return np.where(inside, row % NUM_ROWS * self.num_columns + self.first_column[tile] + column, self.outside)


class StreamOrder:
    """Where the symbols of each step lie when the streams of a batch of tiles stand one after another.

    A stream holds the steps of its tile, in each the nibbles of all channels, and of each all rows. ``shapes`` are
    (height, width, channels), with as many channels in all.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self._num_nibbles = 2 * shapes[0][2]
        lengths = 2 * np.prod(shapes, axis=1, dtype=np.int64)
        self.num_symbols = int(lengths.sum())
        self.first = np.cumsum(lengths) - lengths
        """(tiles,) places of the streams' first symbols."""
        self._next = self.first.copy()

    def next_places(self, lanes: Lanes) -> Index:
        """Return the places of the nibbles of a step's lanes, (2 * channels, n), and go on to the next step."""
        num_lanes = np.bincount(lanes.tile, minlength=len(self._next))
        starts = np.cumsum(num_lanes) - num_lanes
        first = self._next[lanes.tile] + np.arange(len(lanes)) - starts[lanes.tile]
        self._next += self._num_nibbles * num_lanes
        places: Index = first + np.arange(self._num_nibbles)[:, None] * num_lanes[lanes.tile]
        return places
