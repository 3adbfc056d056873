"""Stage 4 on a GPU: pixels so far -> mixture parameters of one step of all tiles. Mirrors pixelzip/product.py.

Channels are padded to multiples of 64 with zero weights. Products and sums of int8 are exact in int32; a product with
a multiplier is one IEEE multiply, which nothing may fuse with: kernels are launched with ``enable_fp_fusion=False``.
"""

from __future__ import annotations

from typing import Final

import triton
import triton.language as tl

from pixelzip.gpu.waves import PLACE, is_inside, kept_place, level_at, tile_at, wave_of
from pixelzip.models import config, layers
from pixelzip.models.integer import SHORT_LIMIT

CHANNEL_BLOCK: Final = tl.constexpr(64)
"""Channels that a program computes, and sums over, at a time."""

NUM_WAVES: Final = tl.constexpr(4)
"""Wavefronts kept of a layer."""

_ZERO: Final = tl.constexpr(layers.ZERO_POINT)
_SHORT_LIMIT: Final = tl.constexpr(SHORT_LIMIT)
_POSITION_STEP: Final = tl.constexpr(config.POSITION_STEP)
_NUM_DIFFERENCES: Final = tl.constexpr(3 * len(config.CONTEXT))
_BEYOND: Final = tl.constexpr(2.0**17)
"""More than any result that is not clamped, whatever residual is added."""

_ROUNDER: Final = tl.constexpr(1.5 * 2.0**23)
"""A float32 of less than 2^22 to which this is added is rounded to a whole number, half to even."""


@triton.jit
def requantised(sums, bias, multiplier):
    """Return whole numbers, int32: ``round_half_even(float32(sums + bias) * multiplier)``, bounded."""
    scaled = (sums + bias).to(tl.float32) * multiplier
    bounded = tl.minimum(tl.maximum(scaled, -_BEYOND), _BEYOND)
    return ((bounded + _ROUNDER) - _ROUNDER).to(tl.int32)


@triton.jit
def _activations(values):
    return tl.minimum(tl.maximum(values, -128), 127).to(tl.int8)


@triton.jit
def _parameters(values):
    return tl.minimum(tl.maximum(values, -_SHORT_LIMIT), _SHORT_LIMIT)


@triton.jit
def _features(pixels, taps, guesses, tile, wave, PERIOD: tl.constexpr, NUM_INPUTS: tl.constexpr):
    """Return the network's inputs (lanes, NUM_INPUTS) int8, and note the guesses; see pixelzip/inputs.py.

    ``taps`` (2, NUM_INPUTS) int32 are the offsets of the pixel that each difference is of.
    """
    feature = tl.arange(0, NUM_INPUTS)[None, :]  # (1, inputs)
    channel, mask = feature % 3, wave.is_lane[:, None]
    row, column = wave.row[:, None], wave.column[:, None]  # (lanes, 1)
    reference_row, reference_column = tl.where(column > 0, row, row - 1), tl.maximum(column - 1, 0)
    has_reference = mask & (reference_row >= 0)
    reference = level_at(pixels, tile, reference_row, reference_column, channel, has_reference, 128)  # (lanes, inputs)
    tap_row, tap_column = row + tl.load(taps + feature), column + tl.load(taps + NUM_INPUTS + feature)
    difference = _difference(pixels, tile, tap_row, tap_column, channel, reference, mask)
    north = _difference(pixels, tile, row - 1, column, channel, reference, mask)
    northwest = _difference(pixels, tile, row - 1, column - 1, channel, reference, mask)
    edge = tl.minimum(tl.maximum(north - northwest, tl.minimum(north, 0)), tl.maximum(north, 0))
    guess = guesses + wave.place[:, None] * 3 + channel
    is_edge = (feature >= _NUM_DIFFERENCES) & (feature < _NUM_DIFFERENCES + 3)
    tl.store(guess, reference + edge, mask=mask & is_edge)
    inputs = tl.where(feature < _NUM_DIFFERENCES, difference, tl.where(is_edge, edge, reference - 128))
    inputs = tl.where(feature < _NUM_DIFFERENCES + 6, tl.minimum(tl.maximum(inputs, -127), 127), 0)
    if PERIOD:
        of_row, of_column = feature - _NUM_DIFFERENCES - 6, feature - _NUM_DIFFERENCES - 6 - PERIOD
        is_row = of_row == (tile.origin_row + row) % PERIOD
        is_column = of_column == (tile.origin_column + column) % PERIOD
        inputs = tl.where(mask & (is_row | is_column), _POSITION_STEP, inputs)
    return inputs.to(tl.int8)


@triton.jit
def _difference(pixels, tile, row, column, channel, reference, mask):
    is_there = mask & is_inside(tile, row, column)
    level = level_at(pixels, tile, row, column, channel, is_there, 0)
    return tl.where(is_there, level - reference, 0)


@triton.jit(do_not_specialize=PLACE)
def stem(
    outputs, pixels, taps, guesses, weight, bias, multiplier, tiles, num_rows, counter,
    PERIOD: tl.constexpr, NUM_INPUTS: tl.constexpr, NUM_CHANNELS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Compute the first layer: ``outputs`` (4, rows, NUM_CHANNELS) int8 from the levels of pixels."""
    tile = tile_at(tiles, tl.program_id(0))
    wave = wave_of(tile, tl.load(counter), tl.program_id(1) * LANES, LANES)
    if tl.program_id(1) * LANES < wave.num_lanes:
        inputs = _features(pixels, taps, guesses, tile, wave, PERIOD, NUM_INPUTS)
        channel = tl.program_id(2) * CHANNEL_BLOCK + tl.arange(0, CHANNEL_BLOCK)
        entry = tl.arange(0, NUM_INPUTS)[:, None] + channel[None, :] * NUM_INPUTS
        sums = tl.dot(inputs, tl.load(weight + entry), out_dtype=tl.int32)  # (lanes, channels)
        values = requantised(sums, tl.load(bias + channel)[None, :], tl.load(multiplier + channel)[None, :])
        place = kept_place(wave, num_rows, 0, 0, NUM_WAVES)[:, None] * NUM_CHANNELS + channel[None, :]
        tl.store(outputs + place, _activations(values), mask=wave.is_lane[:, None])


@triton.jit
def _mixed(
    source, weight, bias, multiplier, tile, wave, num_rows, channel, NUM_CHANNELS: tl.constexpr, LANES: tl.constexpr
):
    """Compute a depthwise layer for some channels: (lanes, channels) int8."""
    sums = tl.zeros((LANES, CHANNEL_BLOCK), dtype=tl.int32)
    for tap in tl.static_range(5):
        row, column = tap // 3 - 1, tap % 3 - 1  # of models.config.CONE
        is_there = wave.is_lane & is_inside(tile, wave.row + row, wave.column + column)
        place = kept_place(wave, num_rows, row, column, NUM_WAVES) * NUM_CHANNELS
        values = tl.load(source + place[:, None] + channel[None, :], mask=is_there[:, None], other=_ZERO)
        sums += values.to(tl.int32) * tl.load(weight + tap * NUM_CHANNELS + channel).to(tl.int32)[None, :]
    return _activations(requantised(sums, tl.load(bias + channel)[None, :], tl.load(multiplier + channel)[None, :]))


@triton.jit(do_not_specialize=PLACE)
def block(
    outputs, source, mix_weight, mix_bias, mix_multiplier, weight, bias, multiplier, tiles, num_rows, counter,
    NUM_CHANNELS: tl.constexpr, OUTPUTS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Compute a residual block: a depthwise layer and the one that mixes its channels; all are (4, rows, channels).

    A program computes OUTPUTS channels, a power of two, for which it computes all of the depthwise layer.
    """
    tile = tile_at(tiles, tl.program_id(0))
    wave = wave_of(tile, tl.load(counter), tl.program_id(1) * LANES, LANES)
    if tl.program_id(1) * LANES < wave.num_lanes:
        channel = tl.program_id(2) * OUTPUTS + tl.arange(0, OUTPUTS)
        is_channel = channel < NUM_CHANNELS
        sums = tl.zeros((LANES, OUTPUTS), dtype=tl.int32)
        for first in range(0, NUM_CHANNELS, CHANNEL_BLOCK):
            inner = first + tl.arange(0, CHANNEL_BLOCK)
            mixed = _mixed(
                source, mix_weight, mix_bias, mix_multiplier, tile, wave, num_rows, inner, NUM_CHANNELS, LANES
            )
            entry = inner[:, None] + channel[None, :] * NUM_CHANNELS
            sums += tl.dot(mixed, tl.load(weight + entry, mask=is_channel[None, :], other=0), out_dtype=tl.int32)
        biases = tl.load(bias + channel, mask=is_channel, other=0)[None, :]
        multipliers = tl.load(multiplier + channel, mask=is_channel, other=0.0)[None, :]
        place = kept_place(wave, num_rows, 0, 0, NUM_WAVES)[:, None] * NUM_CHANNELS + channel[None, :]
        is_place = wave.is_lane[:, None] & is_channel[None, :]
        residual = tl.load(source + place, mask=is_place, other=0)
        values = requantised(sums, biases, multipliers) + residual.to(tl.int32)
        tl.store(outputs + place, _activations(values), mask=is_place)


@triton.jit(do_not_specialize=PLACE)
def head(
    parameters, source, weight, bias, multiplier, tiles, num_rows, counter,
    IS_ADDED: tl.constexpr, NUM_CHANNELS: tl.constexpr, NUM_PARAMETERS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Compute the last layer: ``parameters`` (rows, NUM_PARAMETERS) int32, perhaps added to what is there."""
    tile = tile_at(tiles, tl.program_id(0))
    wave = wave_of(tile, tl.load(counter), tl.program_id(1) * LANES, LANES)
    if tl.program_id(1) * LANES < wave.num_lanes:
        output = tl.program_id(2) * CHANNEL_BLOCK + tl.arange(0, CHANNEL_BLOCK)
        here = kept_place(wave, num_rows, 0, 0, NUM_WAVES) * NUM_CHANNELS
        sums = tl.zeros((LANES, CHANNEL_BLOCK), dtype=tl.int32)
        for first in range(0, NUM_CHANNELS, CHANNEL_BLOCK):
            inner = first + tl.arange(0, CHANNEL_BLOCK)
            values = tl.load(source + here[:, None] + inner[None, :], mask=wave.is_lane[:, None], other=0)
            entry = inner[:, None] + output[None, :] * NUM_CHANNELS
            sums += tl.dot(values, tl.load(weight + entry), out_dtype=tl.int32)
        values = requantised(sums, tl.load(bias + output)[None, :], tl.load(multiplier + output)[None, :])
        place = wave.place[:, None] * NUM_PARAMETERS + output[None, :]
        said = _parameters(values)
        if IS_ADDED:
            said = _parameters(said + tl.load(parameters + place, mask=wave.is_lane[:, None], other=0))
        tl.store(parameters + place, said, mask=wave.is_lane[:, None])
