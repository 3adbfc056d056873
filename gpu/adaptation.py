"""A part of stage 5 on a GPU: what a tile's symbols so far say about the distributions. Mirrors native/adaptation.h."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import triton
import triton.language as tl

from pixelzip import adaptation, ans
from pixelzip.gpu.waves import is_inside, kept_place

NUM_WAVES: Final = tl.constexpr(4)
"""Wavefronts of quantiles that are kept."""

NUM_BINS: Final = tl.constexpr(adaptation.NUM_BINS)
NUM_CONTEXTS: Final = tl.constexpr(adaptation.NUM_CONTEXTS)
_BIN_BITS: Final = tl.constexpr(adaptation.BIN_BITS)
_BIN_MASK: Final = tl.constexpr((1 << adaptation.BIN_BITS) - 1)
_NUM_SPREADS: Final = tl.constexpr(adaptation.NUM_SPREADS)
_NUM_ERRORS: Final = tl.constexpr(adaptation.NUM_ERRORS)
_NUM_PREVIOUS: Final = tl.constexpr(adaptation.NUM_PREVIOUS)
_SYMBOL_MASS: Final = tl.constexpr(adaptation.SYMBOL_MASS)
_COUNT_LIMIT: Final = tl.constexpr(adaptation.COUNT_LIMIT)
_UNIFORM_SHIFT: Final = tl.constexpr(adaptation.UNIFORM_SHIFT)
_ERROR_LIMIT: Final = tl.constexpr(adaptation.ERROR_LIMIT)
_MIDDLE: Final = tl.constexpr(adaptation.MIDDLE)
_LIMITS: Final = tuple(tl.constexpr(limit) for limit in adaptation.PREVIOUS_LIMITS)
_FIRST_LIMIT, _SECOND_LIMIT, _THIRD_LIMIT, _FOURTH_LIMIT = _LIMITS
_SPREAD_LOW: Final = tl.constexpr(adaptation.SPREAD_LOW)
_SPREAD_SHIFT: Final = tl.constexpr(adaptation.SPREAD_SHIFT)
_COUNT_TOTAL: Final = tl.constexpr(ans.COUNT_TOTAL)


class Histograms(NamedTuple):
    """``counts`` (tiles, 3, contexts, bins), ``quantiles`` (3, 4, rows), ``ends`` (rows, bins), all int32."""

    counts: Any
    quantiles: Any
    ends: Any


@triton.jit
def _quantile(histograms, tile, wave, num_rows, channel, row_offset, column_offset):
    is_there = wave.is_lane & is_inside(tile, wave.row + row_offset, wave.column + column_offset) & (channel >= 0)
    place = num_rows * (channel * NUM_WAVES) + kept_place(wave, num_rows, row_offset, column_offset, NUM_WAVES)
    return tl.load(histograms.quantiles + place, mask=is_there, other=_MIDDLE)


@triton.jit
def contexts_of(histograms, tile, wave, num_rows, log_scale, channel):
    """Return where the histograms of the lanes begin, given (lanes,) entries of the table of inverse scales."""
    west = _quantile(histograms, tile, wave, num_rows, channel, 0, -1)
    north = _quantile(histograms, tile, wave, num_rows, channel, -1, 0)
    northeast = _quantile(histograms, tile, wave, num_rows, channel, -1, 1)
    northwest = _quantile(histograms, tile, wave, num_rows, channel, -1, -1)
    error = 2 * west + 2 * north + northeast + northwest - 6 * _MIDDLE
    direction = 1 + (error > _ERROR_LIMIT).to(tl.int32) - (error < -_ERROR_LIMIT).to(tl.int32)
    spread = tl.minimum(tl.maximum((log_scale - _SPREAD_LOW) >> _SPREAD_SHIFT, 0), _NUM_SPREADS - 1)
    quantile = _quantile(histograms, tile, wave, num_rows, channel - 1, 0, 0)  # the middle, if there is none
    previous = (quantile >= _FIRST_LIMIT).to(tl.int32) + (quantile >= _SECOND_LIMIT).to(tl.int32)
    previous += (quantile >= _THIRD_LIMIT).to(tl.int32) + (quantile >= _FOURTH_LIMIT).to(tl.int32)
    context = (spread * _NUM_ERRORS + direction) * _NUM_PREVIOUS + previous
    return (((tile.index * 3 + channel) * NUM_CONTEXTS + context) * NUM_BINS).to(tl.int64)


@triton.jit
def _counts(histograms, wave, contexts):
    """Return the lanes' histograms, (lanes, bins); ones where there is no lane."""
    place = contexts[:, None] + tl.arange(0, NUM_BINS)[None, :]
    return tl.load(histograms.counts + place, mask=wave.is_lane[:, None], other=1)


@triton.jit
def note_ends(histograms, wave, contexts, total):
    """Note where the ends of the bins are mapped to, 0 to ``total``."""
    counts = _counts(histograms, wave, contexts)
    shares = counts + (tl.sum(counts, axis=1) >> _UNIFORM_SHIFT)[:, None]
    cumulative = tl.cumsum(shares, axis=1).to(tl.int64)
    whole = tl.sum(shares, axis=1).to(tl.int64)[:, None]
    place = wave.place[:, None] * NUM_BINS + tl.arange(0, NUM_BINS)[None, :]
    tl.store(histograms.ends + place, (cumulative * total // whole).to(tl.int32), mask=wave.is_lane[:, None])


@triton.jit
def adapted(histograms, wave, below):
    """Map (lanes,) cumulative counts below 2^24 through the ends noted."""
    number = (below & (_COUNT_TOTAL - 1)) >> _BIN_BITS
    place = wave.place * NUM_BINS + number
    first = tl.load(histograms.ends + place - 1, mask=wave.is_lane & (number > 0), other=0)
    last = tl.load(histograms.ends + place, mask=wave.is_lane, other=0)
    within = (below & _BIN_MASK).to(tl.int64)
    return first + ((last - first).to(tl.int64) * within >> _BIN_BITS).to(tl.int32)


@triton.jit
def add_symbols(histograms, wave, num_rows, contexts, left, right, channel):
    """Learn from symbols with the (lanes,) intervals that the network gave them, and forget half where there is much.

    All that the program's threads wrote must be visible before this, and is again after it.
    """
    place = num_rows * (channel * NUM_WAVES) + kept_place(wave, num_rows, 0, 0, NUM_WAVES)
    tl.store(histograms.quantiles + place, (left + right) >> 17, mask=wave.is_lane)
    number = tl.arange(0, NUM_BINS)[None, :]
    first, last = number << _BIN_BITS, (number + 1) << _BIN_BITS
    overlap = tl.minimum(right[:, None], last) - tl.maximum(left[:, None], first)  # (lanes, bins)
    size = tl.where(wave.is_lane, right - left, 1)[:, None]
    mass = tl.maximum(overlap, 0) * _SYMBOL_MASS // size
    tl.atomic_add(histograms.counts + contexts[:, None] + number, mass, mask=wave.is_lane[:, None] & (mass > 0))
    tl.debug_barrier()
    counts = _counts(histograms, wave, contexts)
    is_full = wave.is_lane & (tl.sum(counts, axis=1) >= _COUNT_LIMIT)
    tl.debug_barrier()
    tl.store(histograms.counts + contexts[:, None] + number, counts >> 1, mask=is_full[:, None])
    tl.debug_barrier()
