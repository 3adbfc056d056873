"""Which pixels of a tile a step computes, and where what is kept of them lies. Mirrors native/predict.c.

Of every tile a step computes one pixel in each of consecutive rows, its lanes. What later steps look back on is kept by
wavefront and row: that of ``step`` at ``[step % num_waves][row]``, the rows of all tiles one after another.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import triton
import triton.language as tl

TILE_FIELDS: Final = tl.constexpr(7)
"""Numbers that a tile has in the table of tiles: height, width, first row, first pixel, origin row and column, whether
its stream is short."""

PLACE: Final = ("num_rows",)
"""Arguments of kernels that differ from batch to batch: kernels are not compiled anew for special ones."""


class Tile(NamedTuple):
    """One tile: its number, its size, where its rows and pixels begin, and where in a period it starts."""

    index: Any
    height: Any
    width: Any
    first_row: Any
    first_pixel: Any
    origin_row: Any
    origin_column: Any
    is_short: Any


class Wave(NamedTuple):
    """Lanes of a step. ``place`` is where what is kept of them lies. Lanes where ``is_lane`` is false mean nothing."""

    step: Any
    first_row: Any
    num_lanes: Any
    lane: Any
    row: Any
    column: Any
    place: Any
    is_lane: Any


@triton.jit
def tile_at(tiles, index):
    """Read a tile from the (tiles, TILE_FIELDS) int64 table."""
    fields = tiles + index * TILE_FIELDS
    return Tile(
        index=index,
        height=tl.load(fields).to(tl.int32),
        width=tl.load(fields + 1).to(tl.int32),
        first_row=tl.load(fields + 2).to(tl.int32),
        first_pixel=tl.load(fields + 3),
        origin_row=tl.load(fields + 4).to(tl.int32),
        origin_column=tl.load(fields + 5).to(tl.int32),
        is_short=tl.load(fields + 6).to(tl.int32),
    )


@triton.jit
def wave_of(tile, step, first_lane, LANES: tl.constexpr):
    """Return LANES lanes of a step, from ``first_lane`` on. After a tile's last step there are none."""
    first_row = tl.maximum(step - tile.width + 2, 0) // 2
    last_row = tl.minimum(step // 2, tile.height - 1)
    num_lanes = tl.maximum(last_row - first_row + 1, 0)
    lane = first_lane + tl.arange(0, LANES)
    row = first_row + lane
    return Wave(
        step=step,
        first_row=first_row,
        num_lanes=num_lanes,
        lane=lane,
        row=row,
        column=step - 2 * row,
        place=tile.first_row + row,
        is_lane=lane < num_lanes,
    )


@triton.jit
def kept_place(wave, num_rows, row_offset, column_offset, NUM_WAVES: tl.constexpr):
    """Return where what is kept of the positions at an offset lies; NUM_WAVES is a power of two."""
    back = wave.step + column_offset + 2 * row_offset
    return (back & (NUM_WAVES - 1)) * num_rows + wave.place + row_offset


@triton.jit
def is_inside(tile, row, column):
    """Return whether positions above or in their pixel's row lie in the tile."""
    return (row >= 0) & (column >= 0) & (column < tile.width)


@triton.jit
def level_at(pixels, tile, row, column, channel, mask, other):
    """Read levels, int32, of the (pixels, 3) uint8 levels of all tiles."""
    place = tile.first_pixel + (row * tile.width + column) * 3 + channel
    return tl.load(pixels + place, mask=mask, other=other).to(tl.int32)
