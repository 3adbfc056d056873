"""A part of stage 5 on a GPU: what neighbours say of a sub-pixel's mean. Mirrors native/regression.h.

Regressors lie in columns, REGRESSORS for each channel, the error after the last of them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from pixelzip import regression
from pixelzip.gpu.waves import is_inside, kept_place, level_at, wave_of
from pixelzip.models.tables import MEAN_STEPS

REGRESSORS: Final = tl.constexpr(64)
"""Columns: regressors, the error, and nothing."""

NUM_WAVES: Final = tl.constexpr(8)
"""Wavefronts of errors that are kept: neighbours lie up to five back."""

_CHUNK: Final = tl.constexpr(32)
"""Lanes whose regressors are held at a time."""

_ROWS: Final = tl.constexpr(8)
"""Equations that are held at a time."""

_LARGEST: Final = tl.constexpr(regression.LARGEST)
_UNIT_SHIFT: Final = tl.constexpr(regression.UNIT_SHIFT)
_UNIT_HALF: Final = tl.constexpr(1 << (regression.UNIT_SHIFT - 1))
_WEIGHT_SHIFT: Final = tl.constexpr(regression.WEIGHT_BITS - regression.UNIT_SHIFT)
_WEIGHT_ONE: Final = tl.constexpr(float(1 << regression.WEIGHT_BITS))
_LARGEST_WEIGHT: Final = tl.constexpr(float(regression.LARGEST_WEIGHT))
_RIDGE: Final = tl.constexpr(regression.RIDGE)
_SHARE_OF_ALL: Final = tl.constexpr(regression.SHARE_OF_ALL)
_MEAN_STEPS: Final = tl.constexpr(MEAN_STEPS)
_SHARED: Final = tl.constexpr(3 * len(regression.NEIGHBOURS))
_OWN: Final = tl.constexpr(regression.NUM_NEAREST)
_NOTHING, _ERROR, _OF_MEAN, _OF_LEVEL = 0, 1, 2, 3
_IS_ERROR: Final = tl.constexpr(_ERROR)
_IS_OF_MEAN: Final = tl.constexpr(_OF_MEAN)
_IS_OF_LEVEL: Final = tl.constexpr(_OF_LEVEL)


class Regressions(NamedTuple):
    """``columns`` (3, 4, REGRESSORS); ``errors`` (3, 8, rows); ``noted`` (rows, 3): mean, unit and shift.

    ``regressors`` (rows, REGRESSORS) int8; ``products`` (tiles * bands, 3, REGRESSORS, REGRESSORS), ``matrices`` like
    them in float64, of zeros at first; ``weights`` (tiles * bands, 3, REGRESSORS). What has no type here is int32. Sums
    are of 64 wavefronts at most, as much is forgotten, and stay below 2^31.
    """

    columns: Any
    errors: Any
    noted: Any
    regressors: Any
    products: Any
    matrices: Any
    weights: Any


def describe_columns(device: torch.device) -> Tensor:
    """Return what the columns of each channel are, (3, 4, REGRESSORS) int32: kind, channel, row and column offset."""
    table = np.zeros((3, 4, REGRESSORS.value), dtype=np.int32)
    nearest = regression.NEIGHBOURS[: regression.NUM_NEAREST]
    for channel in range(3):
        columns = [(_ERROR, other, *tap) for tap in regression.NEIGHBOURS for other in range(3)]
        for other in range(channel, -1, -1):
            kind = _OF_MEAN if other == channel else _OF_LEVEL
            columns += [(kind, other, *tap) for tap in nearest]
            columns += [(_ERROR, other, 0, 0)] if other < channel else []
        table[channel, :, : len(columns)] = np.array(columns).T
    return torch.from_numpy(table).to(device)


@triton.jit
def _scaled(difference, inverse_scale):
    units = (difference * inverse_scale + _UNIT_HALF) >> _UNIT_SHIFT
    return tl.minimum(tl.maximum(units, -_LARGEST), _LARGEST)


@triton.jit
def _regressors(regressions, pixels, tile, wave, num_rows, channel, mean, unit):
    """Return the regressors of a channel, (lanes, REGRESSORS) int32, given the mixture's (lanes,) mean and its unit."""
    fields = regressions.columns + channel * (4 * REGRESSORS) + tl.arange(0, REGRESSORS)
    kind, other = tl.load(fields)[None, :], tl.load(fields + REGRESSORS)[None, :]
    row_offset, column_offset = tl.load(fields + 2 * REGRESSORS)[None, :], tl.load(fields + 3 * REGRESSORS)[None, :]
    row, column = wave.row[:, None] + row_offset, wave.column[:, None] + column_offset  # (lanes, columns)
    is_there = wave.is_lane[:, None] & is_inside(tile, row, column)
    back = wave.step + column_offset + 2 * row_offset
    place = (other * NUM_WAVES + (back & (NUM_WAVES - 1))) * num_rows + wave.place[:, None] + row_offset
    errors = tl.load(regressions.errors + place, mask=is_there & (kind == _IS_ERROR), other=0)
    around = level_at(pixels, tile, row, column, other, is_there & (kind >= _IS_OF_MEAN), 0)
    is_of_level = wave.is_lane[:, None] & (kind == _IS_OF_LEVEL)
    own = level_at(pixels, tile, wave.row[:, None], wave.column[:, None], other, is_of_level, 0)
    level = tl.where(kind == _IS_OF_MEAN, mean[:, None], own * _MEAN_STEPS)
    difference = tl.where(is_there & (kind >= _IS_OF_MEAN), around * _MEAN_STEPS - level, 0)
    return tl.where(kind == _IS_ERROR, errors, _scaled(difference, unit[:, None]))


@triton.jit
def _shift(regressions, wave, channel, band, regressors, unit):
    """Return what to add to the means of a channel, (lanes,) in sixteenths of a level."""
    place = (band * 3 + channel)[:, None] * REGRESSORS + tl.arange(0, REGRESSORS)[None, :]
    weights = tl.load(regressions.weights + place, mask=wave.is_lane[:, None], other=0)
    units = tl.sum(weights * regressors, axis=1) >> _WEIGHT_SHIFT
    # Triton rounds quotients towards zero, like C.
    magnitude = tl.where(units < 0, unit - 1 - units, units) // unit
    return tl.where(units < 0, -magnitude, magnitude)


@triton.jit
def note_regressors(regressions, pixels, tile, wave, num_rows, channel, mean, unit, band_rows, num_bands):
    """Note the regressors of a channel and how far they move its means, some lanes after others."""
    tl.store(regressions.noted + wave.place * 3, mean, mask=wave.is_lane)
    tl.store(regressions.noted + wave.place * 3 + 1, unit, mask=wave.is_lane)
    tl.debug_barrier()
    for first_lane in range(0, wave.num_lanes, _CHUNK):
        chunk = wave_of(tile, wave.step, first_lane, _CHUNK)
        noted = regressions.noted + chunk.place * 3
        means, units = tl.load(noted, mask=chunk.is_lane, other=0), tl.load(noted + 1, mask=chunk.is_lane, other=1)
        regressors = _regressors(regressions, pixels, tile, chunk, num_rows, channel, means, units)
        band = tile.index * num_bands + chunk.row // band_rows
        shift = _shift(regressions, chunk, channel, band, regressors, units)
        place = chunk.place[:, None] * REGRESSORS + tl.arange(0, REGRESSORS)[None, :]
        tl.store(regressions.regressors + place, regressors.to(tl.int8), mask=chunk.is_lane[:, None])
        tl.store(noted + 2, shift, mask=chunk.is_lane)
    tl.debug_barrier()


@triton.jit
def noted_shift(regressions, wave):
    """Read the (lanes,) shifts noted."""
    return tl.load(regressions.noted + wave.place * 3 + 2, mask=wave.is_lane, other=0)


@triton.jit
def note_errors(regressions, wave, num_rows, channel, levels, mean, unit):
    """Note how far (lanes,) levels lie from the mean, for later pixels and as the column after the regressors."""
    error = _scaled(levels * _MEAN_STEPS - mean, unit)
    place = num_rows * (channel * NUM_WAVES) + kept_place(wave, num_rows, 0, 0, NUM_WAVES)
    tl.store(regressions.errors + place, error, mask=wave.is_lane)
    column = channel * (1 + _OWN) + (_SHARED + _OWN)
    tl.store(regressions.regressors + wave.place * REGRESSORS + column, error.to(tl.int8), mask=wave.is_lane)
    tl.debug_barrier()


@triton.jit
def learn(regressions, tile, wave, channel, band_rows, num_bands):
    """Add the products of the lanes' regressors and errors, band by band."""
    column = tl.arange(0, REGRESSORS)
    last_row = wave.first_row + wave.num_lanes - 1
    for band in range(wave.first_row // band_rows, last_row // band_rows + 1):
        sums = tl.zeros((REGRESSORS, REGRESSORS), dtype=tl.int32)
        for first_lane in range(0, wave.num_lanes, _CHUNK):
            chunk = wave_of(tile, wave.step, first_lane, _CHUNK)
            is_own = chunk.is_lane & (chunk.row // band_rows == band)
            place = chunk.place[:, None] * REGRESSORS + column[None, :]
            columns = tl.load(regressions.regressors + place, mask=is_own[:, None], other=0)
            sums += tl.dot(tl.trans(columns), columns, out_dtype=tl.int32)
        number = (tile.index * num_bands + band) * 3 + channel
        entry = number * (REGRESSORS * REGRESSORS) + column[:, None] * REGRESSORS + column[None, :]
        tl.store(regressions.products + entry, tl.load(regressions.products + entry) + sums)
    tl.debug_barrier()


@triton.jit
def _equations(products, band, channel, row, num_bands):
    """Return some (rows,) of a band's equations, (rows, REGRESSORS) float64, the right side after the regressors."""
    column = tl.arange(0, REGRESSORS)[None, :]
    entry, pitch = row[:, None] * REGRESSORS + column, REGRESSORS * REGRESSORS
    sums = tl.load(products + (band * 3 + channel) * pitch + entry)
    total, first = tl.zeros_like(sums).to(tl.int64), band - band % tl.maximum(num_bands, 1)
    for other in range(first, first + num_bands):
        total += tl.load(products + (other * 3 + channel) * pitch + entry)
    equations = sums.to(tl.float64) + total.to(tl.float64) * _SHARE_OF_ALL
    return tl.where(row[:, None] == column, equations + _RIDGE, equations)


@triton.jit
def _eliminate(matrix, equations, first, count):
    """Subtract from ``equations`` the rows above the ``first`` of them, and from each those before; note the results.

    ``matrix`` (REGRESSORS, REGRESSORS) has what is left of rows from the diagonal on, and factors below it.
    """
    row, place = first + tl.arange(0, _ROWS), tl.arange(0, REGRESSORS)
    for k in range(first):
        factors, pivots = tl.load(matrix + row * REGRESSORS + k), tl.load(matrix + k * REGRESSORS + place)
        equations -= factors[:, None] * pivots[None, :]
    for k in range(first, tl.minimum(first + _ROWS, count)):
        pivots = tl.sum(tl.where(row[:, None] == k, equations, 0.0), axis=0)  # sums of one number
        pivot = tl.sum(tl.where(place == k, pivots, 0.0), axis=0)
        tl.store(matrix + k * REGRESSORS + place, pivots, mask=place >= k)
        tl.store(matrix + place * REGRESSORS + k, pivots / pivot, mask=(place > k) & (place < count))
        tl.debug_barrier()
        factors = tl.load(matrix + row * REGRESSORS + k, mask=row > k, other=0.0)
        equations = tl.where(row[:, None] > k, equations - factors[:, None] * pivots[None, :], equations)


@triton.jit(do_not_specialize=("num_bands",))
def solve(products, matrices, weights, num_bands):
    """Find the weights of one channel of one band, in doubles, one IEEE operation after another: nothing may fuse.

    A tile's ``num_bands`` bands are given a share of one another's sums; 0: there are none. Each element is computed
    as by native/equations.h, row after row and not pivot after pivot, so that few are read more than once.
    """
    band, channel = tl.program_id(0), tl.program_id(1)
    count = channel * (1 + _OWN) + (_SHARED + _OWN)
    matrix = matrices + (band * 3 + channel) * (REGRESSORS * REGRESSORS)
    for first in range(0, count, _ROWS):
        equations = _equations(products, band, channel, first + tl.arange(0, _ROWS), num_bands)
        _eliminate(matrix, equations, first, count)
    place = tl.arange(0, REGRESSORS)
    solution = tl.load(matrix + place * REGRESSORS + count, mask=place < count, other=0.0)
    for back in range(count):
        k = count - 1 - back
        above = tl.load(matrix + place * REGRESSORS + k, mask=place < k, other=0.0)
        pivot = tl.load(matrix + k * (REGRESSORS + 1))
        found = tl.sum(tl.where(place == k, solution, 0.0), axis=0) / pivot
        solution = tl.where(place == k, found, tl.where(place < k, solution - above * found, solution))
    units = tl.floor(solution * _WEIGHT_ONE + 0.5)
    bounded = tl.minimum(tl.maximum(units, -_LARGEST_WEIGHT), _LARGEST_WEIGHT).to(tl.int32)
    tl.store(weights + (band * 3 + channel) * REGRESSORS + place, bounded, mask=place < count)
