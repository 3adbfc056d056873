"""Stages 5 and 6 of one step on a GPU in raster order: each tile's one pixel is a lane.

Mixture, coder and counts are those of wavefronts; networks in raster order learn nothing from a tile.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import triton
import triton.language as tl

from pixelzip.gpu.coder import NIBBLE, advanced, bits_of, close_coder, few_end, open_coder, total_of, words_of
from pixelzip.gpu.mixture import (
    bounded_means,
    components_of,
    cumulatives,
    first_weights,
    guess_of,
    log_scales_of,
    means_of,
    normalised,
)
from pixelzip.gpu.symbols import Channel, conditional, counts_below, nibble_intervals
from pixelzip.models import paper

LANES: Final = tl.constexpr(32)
"""Tiles of a program."""

PIXEL_CENTRE: Final = tl.constexpr(paper.PIXEL_CENTRE)


class Lanes(NamedTuple):
    """Tiles as lanes: ``place`` (lanes,) says where what is kept of them lies; ``is_lane`` is true."""

    place: Any
    is_lane: Any


@triton.jit
def _end(sources, lanes, channel, boundary, symbol, first, last, is_last, IS_LOW: tl.constexpr):
    """Return a nibble's left cumulatives, given the counts of what is below the boundary where it begins."""
    end = counts_below(sources, lanes, channel, boundary, False)
    if IS_LOW:
        end = conditional(end, first, last) + symbol
    return tl.where(is_last, few_end(end, symbol), end)


@triton.jit
def _pop(sources, lanes, channel, coder, words, lowest, step, first, last, is_last, IS_LOW: tl.constexpr):
    """Take a nibble, whose boundaries are ``step`` apart, off each stream; return it and the coder."""
    bits = bits_of(is_last)
    total = total_of(bits)
    quantile = coder.low.to(tl.int32) & (total - 1)
    found, left, right = tl.zeros_like(lowest), tl.zeros_like(lowest), total
    for symbol in range(1, NIBBLE):
        end = _end(sources, lanes, channel, lowest + symbol * step, symbol, first, last, is_last, IS_LOW)
        is_below = end <= quantile
        found += is_below.to(tl.int32)
        left = tl.where(is_below, end, left)
        right = tl.where(is_below, right, tl.minimum(right, end))
    return found, advanced(coder, words, left, right, quantile, bits, is_last)


@triton.jit
def _decode(sources, lanes, channel, coder, words, is_last):
    """Return (lanes,) levels and the coder."""
    zero = tl.zeros_like(lanes.place)
    high, coder = _pop(sources, lanes, channel, coder, words, zero, NIBBLE, zero, zero, is_last, False)
    first = counts_below(sources, lanes, channel, high * NIBBLE, False)
    last = counts_below(sources, lanes, channel, high * NIBBLE + NIBBLE, False)
    low, coder = _pop(sources, lanes, channel, coder, words, high * NIBBLE, 1, first, last, is_last, True)
    return high * NIBBLE + low, coder


@triton.jit
def _note_intervals(sources, lanes, channel, levels, place, num_symbols):
    """Write left cumulatives and counts, ``num_symbols`` apart, of the high and then the low nibbles."""
    high, high_count, low, low_count = nibble_intervals(sources, lanes, channel, levels, False)
    tl.store(place, high)
    tl.store(place + num_symbols, high_count)
    tl.store(place + 1, low)
    tl.store(place + num_symbols + 1, low_count)


@triton.jit
def _distributions(
    parameters, lanes, channel, weights, red, green, MIXTURES: tl.constexpr, SLOTS: tl.constexpr,
    NUM_PARAMETERS: tl.constexpr,
):  # fmt: skip
    log_scales = log_scales_of(parameters, lanes, channel, MIXTURES, SLOTS, NUM_PARAMETERS)
    means = bounded_means(means_of(parameters, lanes, channel, red, green, MIXTURES, SLOTS, NUM_PARAMETERS))
    return Channel(weights=weights, components=components_of(parameters, means, log_scales))


@triton.jit(do_not_specialize=("num_symbols", "num_channels", "row", "column", "height", "width", "num_tiles"))
def code(
    sources, pixels, intervals, num_symbols, streams, are_last, num_channels, row, column, height, width, num_tiles,
    DECODES: tl.constexpr, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr,
    PIXEL_CHANNELS: tl.constexpr,
):  # fmt: skip
    """Code the pixel at one place of every tile: levels -> intervals in the order of streams, or streams -> levels.

    ``pixels`` (height, tiles, width, PIXEL_CHANNELS) int8 begin with the levels less PIXEL_CENTRE;
    ``are_last`` (tiles,) int32 says for which of them this is the last pixel of a short stream.
    """
    tile = tl.program_id(0) * LANES + tl.arange(0, LANES)
    lanes = Lanes(place=tile, is_lane=tile >= 0)
    is_last = tl.load(are_last + tile) != 0
    coder, words = open_coder(streams, tile, is_last), words_of(streams, tile)
    tl.debug_barrier()  # all threads have read the state before any writes it
    pixel = pixels + ((row * num_tiles + tile).to(tl.int64) * width + column) * PIXEL_CHANNELS
    symbols = (tile.to(tl.int64) * height * width + row * width + column) * (2 * num_channels)
    weights = first_weights(sources.parameters, lanes, MIXTURES, SLOTS, NUM_PARAMETERS)
    red, green = tl.zeros_like(tile), tl.zeros_like(tile)
    for index in range(num_channels):
        channel = _distributions(sources.parameters, lanes, index, weights, red, green, MIXTURES, SLOTS, NUM_PARAMETERS)
        if DECODES:
            levels, coder = _decode(sources, lanes, channel, coder, words, is_last)
            for copy in tl.static_range(3):
                stored = (levels - PIXEL_CENTRE).to(tl.int8)
                tl.store(pixel + tl.where(num_channels == 1, copy, index), stored)
        else:
            levels = tl.load(pixel + index).to(tl.int32) + PIXEL_CENTRE
            place = intervals + symbols + 2 * index
            _note_intervals(sources, lanes, channel, levels, place, num_symbols)
        below = cumulatives(sources.parameters, channel.components, levels)
        up_to = cumulatives(sources.parameters, channel.components, levels + 1)
        weights = normalised(weights * (up_to - below + 1))
        residual = levels - guess_of(sources.parameters, lanes, index)
        red, green = tl.where(index == 0, residual, red), tl.where(index == 1, residual, green)
    close_coder(streams, tile, coder)
