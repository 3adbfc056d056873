"""Stage 4 on a GPU in raster order: one layer of a network of the paper's family at one step of tiles of one size.

Mirrors pixelzip/predict.py and pixelzip/product.py. All tiles are at the same place; their number is a multiple of
``LANES`` and channels are padded to multiples of ``CHANNEL_BLOCK``, so that no lane or channel needs a mask.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import triton
import triton.language as tl

from pixelzip.gpu.layers import requantised
from pixelzip.models import layers
from pixelzip.models.integer import SHORT_LIMIT, TABLE_CENTRE

LANES: Final = tl.constexpr(64)
"""Positions that a program computes."""

CHANNEL_BLOCK: Final = tl.constexpr(32)
"""Channels that a program computes, and sums over, at a time."""

NUM_ROWS: Final = tl.constexpr(2)
"""Rows kept of a layer: the one being computed and the one above."""

TAP_FIELDS: Final = tl.constexpr(5)
"""Numbers that a tap has in the table of taps: row, column, and what row and column must be modulo the last number."""

PLACE: Final = (
    "num_taps", "source_rows", "source_height", "source_width",
    "row", "first_column", "num_columns", "width", "num_tiles",
)  # fmt: skip
"""Arguments that differ from layer to layer or step to step: the kernel is not compiled anew for special ones."""

_SHORT_LIMIT: Final = tl.constexpr(SHORT_LIMIT)
_CENTRE: Final = tl.constexpr(TABLE_CENTRE)
_LAST_ENTRY: Final = tl.constexpr(2 * TABLE_CENTRE)
_ENTRY_HALF: Final = tl.constexpr(layers.SUM_STEPS // layers.ACTIVATION_STEPS // 2)
_ENTRY_SHIFT: Final = tl.constexpr((layers.SUM_STEPS // layers.ACTIVATION_STEPS).bit_length() - 1)
_RAW_HALF: Final = tl.constexpr(layers.SUM_STEPS // layers.RAW_STEPS // 2)
_RAW_SHIFT: Final = tl.constexpr((layers.SUM_STEPS // layers.RAW_STEPS).bit_length() - 1)
_GATE_HALF: Final = tl.constexpr(layers.GATE_ONE // 2)
_GATE_SHIFT: Final = tl.constexpr(layers.GATE_ONE.bit_length() - 1)


class Results(NamedTuple):
    """Where a layer's results go: ``sums`` (tiles, width, channels) int16 or ``parameters`` (tiles, channels) int32,
    and views, (NUM_ROWS, tiles, width, channels or twice as many) int8. None: not wanted.
    """

    sums: Any
    parameters: Any
    elu: Any
    concat_elu: Any
    raw: Any


class Tables(NamedTuple):
    """The network's tables."""

    elu: Any
    sigmoid: Any
    tanh: Any


class Integers(NamedTuple):
    """``weight`` (products, inputs) int8, of taps and then of other sources; ``bias`` int32; ``multiplier`` float32."""

    weight: Any
    bias: Any
    multiplier: Any


@triton.jit
def _entry(values):
    """Return entries of a table that is centred on zero."""
    return tl.minimum(tl.maximum(values, -_CENTRE), _CENTRE) + _CENTRE


@triton.jit
def _short(values):
    return tl.minimum(tl.maximum(values, -_SHORT_LIMIT), _SHORT_LIMIT)


@triton.jit
def _scaled(integers, sums, product):
    """Return rounded products, int32."""
    bias, multiplier = tl.load(integers.bias + product), tl.load(integers.multiplier + product)
    return requantised(sums, bias[None, :], multiplier[None, :])


@triton.jit
def _gated(integers, tables, sums, gates, channel, CHANNELS: tl.constexpr, GATE_PLACE: tl.constexpr):
    """Return what a layer makes of its products, times the sigmoid of the second half if it is a gate."""
    values = _scaled(integers, sums, channel)
    if GATE_PLACE:
        entry = _entry(_scaled(integers, gates, CHANNELS + channel))
        values = (_short(values) * tl.load(tables.sigmoid + entry) + _GATE_HALF) >> _GATE_SHIFT
    return values


@triton.jit
def _position(place, STRIDE: tl.constexpr):
    """Return the position of the source that taps are relative to; STRIDE is 2 for a finer source, -2 for a coarser."""
    return place * 2 if STRIDE == 2 else place // 2 if STRIDE == -2 else place


@triton.jit
def _tapped(tap, source_rows, source_height, source_width, row, column, first_row, first_column, tile, num_tiles):
    """Return where the source is read at one tap, (lanes,) int64 positions, and whether there is one."""
    row_parity, column_parity, period = tl.load(tap + 2), tl.load(tap + 3), tl.load(tap + 4)
    is_there = (row % period == row_parity) & (column % period == column_parity)
    source_row, source_column = first_row + tl.load(tap), first_column + tl.load(tap + 1)
    is_there = is_there & (source_row >= 0) & (source_row < source_height)
    is_there = is_there & (source_column >= 0) & (source_column < source_width)
    slot = tl.maximum(source_row, 0) % source_rows * num_tiles + tile
    return slot.to(tl.int64) * source_width + source_column, is_there


@triton.jit
def _added(
    sums, gates, source, place, is_there, weight, channel,
    CHANNELS: tl.constexpr, NUM_INPUTS: tl.constexpr, ZERO: tl.constexpr, GATE_PLACE: tl.constexpr,
):  # fmt: skip
    """Add the products of all channels at (lanes,) positions to both halves of a gate, or to the sums alone."""
    for first in range(0, CHANNELS, CHANNEL_BLOCK):
        inner = first + tl.arange(0, CHANNEL_BLOCK)
        values = tl.load(source + place[:, None] * CHANNELS + inner[None, :], mask=is_there[:, None], other=ZERO)
        entry = weight + inner[:, None] + channel[None, :] * NUM_INPUTS
        sums = tl.dot(values, tl.load(entry), acc=sums, out_dtype=tl.int32)
        if GATE_PLACE:
            gates = tl.dot(values, tl.load(entry + GATE_PLACE), acc=gates, out_dtype=tl.int32)
    return sums, gates


@triton.jit
def _squashed(tables, values, channel, FIRST: tl.constexpr, END: tl.constexpr):
    """Bound coupling coefficients by tanh, of (lanes, channels) parameters."""
    is_coupling = (channel >= FIRST) & (channel < END)
    return tl.where(is_coupling[None, :], tl.load(tables.tanh + _entry(values)), values)


@triton.jit
def _store_views(results, tables, values, here, channel, CHANNELS: tl.constexpr):
    """Write what other layers read of (lanes, channels) sums."""
    place = here[:, None] * CHANNELS + channel[None, :]
    entry = _entry((values + _ENTRY_HALF) >> _ENTRY_SHIFT)
    if results.elu is not None:
        tl.store(results.elu + place, tl.load(tables.elu + entry).to(tl.int8))
    if results.concat_elu is not None:
        wide = results.concat_elu + here[:, None] * (2 * CHANNELS) + channel[None, :]
        tl.store(wide, tl.load(tables.elu + entry).to(tl.int8))
        tl.store(wide + CHANNELS, tl.load(tables.elu + (-entry + _LAST_ENTRY)).to(tl.int8))
    if results.raw is not None:
        raw = (values + _RAW_HALF) >> _RAW_SHIFT
        tl.store(results.raw + place, tl.minimum(tl.maximum(raw, -128), 127).to(tl.int8))


@triton.jit(do_not_specialize=PLACE)
def layer(
    results, source, first_other, second_other, residual, integers, tables, taps, num_taps,
    source_rows, source_height, source_width, row, first_column, num_columns, width, num_tiles,
    SOURCE_CHANNELS: tl.constexpr, CHANNELS: tl.constexpr, NUM_INPUTS: tl.constexpr, ZERO: tl.constexpr,
    STRIDE: tl.constexpr, GATE_PLACE: tl.constexpr, FIRST_COUPLING: tl.constexpr, END_COUPLING: tl.constexpr,
):  # fmt: skip
    """Compute a layer at ``num_columns`` positions of a row of all tiles; ``width`` is that of its resolution.

    ``source`` (source_rows, tiles, source_width, SOURCE_CHANNELS) int8 are the last rows of source_height; the other
    sources are read at the position itself; None: there is none.
    """
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    tile, column = lane // num_columns, first_column + lane % num_columns
    rows = tl.zeros_like(column) + row
    channel = tl.program_id(1) * CHANNEL_BLOCK + tl.arange(0, CHANNEL_BLOCK)
    sums, gates = tl.zeros((LANES, CHANNEL_BLOCK), tl.int32), tl.zeros((LANES, CHANNEL_BLOCK), tl.int32)
    here = (row % NUM_ROWS * num_tiles + tile).to(tl.int64) * width + column
    source_row, source_column = _position(rows, STRIDE), _position(column, STRIDE)
    weight = integers.weight
    for index in range(num_taps):
        at, is_there = _tapped(
            taps + index * TAP_FIELDS, source_rows, source_height, source_width,
            rows, column, source_row, source_column, tile, num_tiles,
        )  # fmt: skip
        sums, gates = _added(
            sums, gates, source, at, is_there, weight, channel, SOURCE_CHANNELS, NUM_INPUTS, ZERO, GATE_PLACE
        )
        weight += SOURCE_CHANNELS
    if first_other is not None:
        sums, gates = _added(
            sums, gates, first_other, here, tile >= 0, weight, channel, SOURCE_CHANNELS, NUM_INPUTS, ZERO, GATE_PLACE
        )
    if second_other is not None:
        weight += SOURCE_CHANNELS
        sums, gates = _added(
            sums, gates, second_other, here, tile >= 0, weight, channel, SOURCE_CHANNELS, NUM_INPUTS, ZERO, GATE_PLACE
        )
    values = _gated(integers, tables, sums, gates, channel, CHANNELS, GATE_PLACE)
    place = (tile.to(tl.int64) * width + column)[:, None] * CHANNELS + channel[None, :]
    if residual is not None:
        values += tl.load(residual + place).to(tl.int32)
    values = _short(values)
    if results.parameters is not None:
        parameters = _squashed(tables, values, channel, FIRST_COUPLING, END_COUPLING)
        tl.store(results.parameters + tile[:, None] * CHANNELS + channel[None, :], parameters)
    if results.sums is not None:
        tl.store(results.sums + place, values.to(tl.int16))
    _store_views(results, tables, values, here, channel, CHANNELS)
