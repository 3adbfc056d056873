"""Stages 5 and 6 of one step of all tiles on a GPU, a program for each tile: the one path from mixture parameters to
counts, for both directions. Mirrors native/tile.c.

A program's threads see what others of them wrote after ``tl.debug_barrier()`` only.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import triton
import triton.language as tl

from pixelzip import cdf
from pixelzip.gpu.adaptation import Histograms, adapted, add_symbols, contexts_of, note_ends
from pixelzip.gpu.coder import NIBBLE, close_coder, open_coder, pop_nibbles, symbol_end
from pixelzip.gpu.mixture import (
    LEVEL_FLOOR,
    Parameters,
    bounded_means,
    components_of,
    counts_of,
    cumulatives,
    first_weights,
    guess_of,
    inverse_scale_of,
    log_scales_of,
    means_of,
    normalised,
    weighted_mean,
)
from pixelzip.gpu.regression import Regressions, learn, note_errors, note_regressors, noted_shift
from pixelzip.gpu.waves import PLACE, level_at, tile_at, wave_of

_COUNT_TOTAL: Final = tl.constexpr(cdf.COUNT_TOTAL)
_LEVELS: Final = tl.constexpr(cdf.LEVELS)


class Sources(NamedTuple):
    """What distributions depend on. In raster order there are parameters only."""

    parameters: Parameters
    histograms: Histograms | None
    regressions: Regressions | None


class Channel(NamedTuple):
    """The distributions of a channel: weights (lanes, components) int32, in 2^-14, and ``mixture.Components``."""

    weights: Any
    components: Any


@triton.jit
def counts_below(sources, wave, channel, boundary, ADAPTIVE: tl.constexpr):
    """Return counts of the levels below (lanes,) boundaries in 0..256, 0 to 2^24."""
    below = cumulatives(sources.parameters, channel.components, boundary)
    counts = counts_of(channel.weights, below, boundary)
    if ADAPTIVE:
        counts = adapted(sources.histograms, wave, counts) + boundary * LEVEL_FLOOR
    return tl.where(boundary == _LEVELS, _COUNT_TOTAL, counts)


@triton.jit
def conditional(below, first, last):
    """Rescale counts in first..last to 0..2^24 - 16, which leaves one count for each of 16 symbols."""
    return ((below - first).to(tl.int64) * (_COUNT_TOTAL - NIBBLE) // tl.maximum(last - first, 1)).to(tl.int32)


@triton.jit
def nibble_intervals(sources, wave, channel, levels, ADAPTIVE: tl.constexpr):
    """Return left cumulative and count, (lanes,) out of 2^24, of the high nibbles and then of the low ones."""
    high = levels // NIBBLE
    low = levels - high * NIBBLE
    first = counts_below(sources, wave, channel, high * NIBBLE, ADAPTIVE)
    last = counts_below(sources, wave, channel, high * NIBBLE + NIBBLE, ADAPTIVE)
    left = conditional(counts_below(sources, wave, channel, levels, ADAPTIVE), first, last) + low
    right = conditional(counts_below(sources, wave, channel, levels + 1, ADAPTIVE), first, last) + low + 1
    return first, last - first, left, right - left


@triton.jit
def _note_intervals(sources, intervals, first_symbol, num_symbols, wave, channel, levels, ADAPTIVE: tl.constexpr):
    """Write left cumulatives and counts, ``intervals`` (2, num_symbols), of the high and then the low nibbles."""
    high, high_count, low, low_count = nibble_intervals(sources, wave, channel, levels, ADAPTIVE)
    place = intervals + first_symbol + wave.lane
    tl.store(place, high, mask=wave.is_lane)
    tl.store(place + num_symbols, high_count, mask=wave.is_lane)
    tl.store(place + wave.num_lanes, low, mask=wave.is_lane)
    tl.store(place + num_symbols + wave.num_lanes, low_count, mask=wave.is_lane)


@triton.jit
def _decode(sources, streams, nibbles, coder, tile, wave, channel, is_last, ADAPTIVE: tl.constexpr):
    """Return (lanes,) levels and the coder."""
    ends, zero = nibbles.ends + wave.place * NIBBLE, tl.zeros_like(wave.row)
    tl.store(ends, zero, mask=wave.is_lane)
    for symbol in range(1, NIBBLE):
        end = counts_below(sources, wave, channel, zero + symbol * NIBBLE, ADAPTIVE)
        tl.store(ends + symbol, end, mask=wave.is_lane)
    tl.debug_barrier()
    coder = pop_nibbles(streams, coder, nibbles, tile, wave, is_last)
    tl.debug_barrier()
    high = tl.load(nibbles.found + wave.place, mask=wave.is_lane, other=0)
    first, last = symbol_end(nibbles, wave, high), symbol_end(nibbles, wave, high + 1)
    tl.debug_barrier()
    for symbol in range(1, NIBBLE):
        below = counts_below(sources, wave, channel, high * NIBBLE + symbol, ADAPTIVE)
        tl.store(ends + symbol, conditional(below, first, last) + symbol, mask=wave.is_lane)
    tl.debug_barrier()
    coder = pop_nibbles(streams, coder, nibbles, tile, wave, is_last)
    tl.debug_barrier()
    return high * NIBBLE + tl.load(nibbles.found + wave.place, mask=wave.is_lane, other=0), coder


@triton.jit
def _start_channel(
    sources, pixels, tile, wave, channel, weights, red, green, band_rows, num_bands, num_rows, MIXTURES: tl.constexpr,
    SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr, ADAPTIVE: tl.constexpr, REGRESSIVE: tl.constexpr,
):  # fmt: skip
    """Return what the channel's distributions depend on, the (lanes,) means and units of regression, and contexts."""
    parameters = sources.parameters
    log_scales = log_scales_of(parameters, wave, channel, MIXTURES, SLOTS, NUM_PARAMETERS)
    means = bounded_means(means_of(parameters, wave, channel, red, green, MIXTURES, SLOTS, NUM_PARAMETERS))
    log_scale, mean = weighted_mean(weights, log_scales), weighted_mean(weights, means)
    unit = inverse_scale_of(parameters, log_scale)
    if REGRESSIVE:
        note_regressors(sources.regressions, pixels, tile, wave, num_rows, channel, mean, unit, band_rows, num_bands)
        means += noted_shift(sources.regressions, wave)[:, None]
    contexts = contexts_of(sources.histograms, tile, wave, num_rows, log_scale, channel)
    if ADAPTIVE:
        note_ends(sources.histograms, wave, contexts, _COUNT_TOTAL - LEVEL_FLOOR * _LEVELS)
        tl.debug_barrier()
    return Channel(weights=weights, components=components_of(parameters, means, log_scales)), mean, unit, contexts


@triton.jit
def _learn(
    sources, tile, wave, channel, distributions, levels, mean, unit, contexts, band_rows, num_bands, num_rows,
    ADAPTIVE: tl.constexpr, REGRESSIVE: tl.constexpr,
):  # fmt: skip
    """Learn from the (lanes,) levels of a channel; return the components' weights for the next one."""
    weights = distributions.weights
    below = cumulatives(sources.parameters, distributions.components, levels)
    up_to = cumulatives(sources.parameters, distributions.components, levels + 1)
    tl.debug_barrier()
    if ADAPTIVE:
        left, right = counts_of(weights, below, levels), counts_of(weights, up_to, levels + 1)
        add_symbols(sources.histograms, wave, num_rows, contexts, left, right, channel)
    if REGRESSIVE:
        note_errors(sources.regressions, wave, num_rows, channel, levels, mean, unit)
        learn(sources.regressions, tile, wave, channel, band_rows, num_bands)
    return normalised(weights * (up_to - below + 1))


@triton.jit(do_not_specialize=(*PLACE, "num_symbols", "num_channels", "band_rows", "num_bands"))
def code(
    sources, pixels, intervals, first_symbols, num_symbols, streams, nibbles, tiles, num_channels, band_rows, num_bands,
    num_rows, counter, DECODES: tl.constexpr, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr,
    ADAPTIVE: tl.constexpr, REGRESSIVE: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Code one step of one tile: levels -> intervals in the order of streams, or streams -> levels; learn from it.

    ``pixels`` (pixels, 3) uint8 holds the levels; ``first_symbols`` (tiles,) int64 where the step's symbols begin;
    ``counter`` () int32 is the step.
    """
    tile = tile_at(tiles, tl.program_id(0))
    wave = wave_of(tile, tl.load(counter), 0, LANES)
    if wave.num_lanes > 0:
        is_last = (tile.is_short != 0) & (wave.step == tile.width - 1 + 2 * (tile.height - 1))
        first_symbol = tl.load(first_symbols + tile.index)
        coder = open_coder(streams, tile.index, is_last)
        tl.debug_barrier()
        weights = first_weights(sources.parameters, wave, MIXTURES, SLOTS, NUM_PARAMETERS)
        red, green = tl.zeros_like(wave.row), tl.zeros_like(wave.row)
        for channel in range(num_channels):
            distributions, mean, unit, contexts = _start_channel(
                sources, pixels, tile, wave, channel, weights, red, green, band_rows, num_bands, num_rows,
                MIXTURES, SLOTS, NUM_PARAMETERS, ADAPTIVE, REGRESSIVE,
            )  # fmt: skip
            if DECODES:
                levels, coder = _decode(sources, streams, nibbles, coder, tile, wave, distributions, is_last, ADAPTIVE)
                _store(pixels, tile, wave, levels, channel, num_channels)
            else:
                levels = level_at(pixels, tile, wave.row, wave.column, channel, wave.is_lane, 0)
                _note_intervals(sources, intervals, first_symbol, num_symbols, wave, distributions, levels, ADAPTIVE)
                first_symbol += 2 * wave.num_lanes
            weights = _learn(
                sources, tile, wave, channel, distributions, levels, mean, unit, contexts, band_rows, num_bands,
                num_rows, ADAPTIVE, REGRESSIVE,
            )  # fmt: skip
            residual = levels - guess_of(sources.parameters, wave, channel)
            red, green = tl.where(channel == 0, residual, red), tl.where(channel == 1, residual, green)
        close_coder(streams, tile.index, coder)
        tl.store(first_symbols + tile.index, first_symbol)


@triton.jit
def _store(pixels, tile, wave, levels, channel, num_channels):
    """Write the levels of a channel; a grey level is that of all three."""
    place = pixels + tile.first_pixel + (wave.row * tile.width + wave.column) * 3
    for copy in tl.static_range(3):
        target = tl.where(num_channels == 1, copy, channel)
        tl.store(place + target, levels.to(tl.uint8), mask=wave.is_lane)
