"""The depthwise layers and products of residual blocks in training, both ways. Mirrors ``ConeLayer.forward``.

Activations are (pixels, CHANNELS) of one floating type, multiples of 1/32 in [0, 255/32]; pixels are those of whole
images, one row after another.
"""

from __future__ import annotations

from typing import Final

import triton
import triton.language as tl

from pixelzip.models import layers

_STEPS: Final = tl.constexpr(float(layers.ACTIVATION_STEPS))
LARGEST: Final = tl.constexpr(255 / layers.ACTIVATION_STEPS)
_ROUNDER: Final = tl.constexpr(1.5 * 2.0**23)
"""A float32 of less than 2^22 to which this is added is rounded to a whole number, half to even."""

_FIRST_FACTOR: Final = tl.constexpr(0x85EBCA6B)
_SECOND_FACTOR: Final = tl.constexpr(0xC2B2AE35)
"""Those of MurmurHash3's last step (Appleby)."""


@triton.jit
def _activation(values):
    steps = tl.minimum(tl.maximum(values * _STEPS, 0.0), 255.0)
    return ((steps + _ROUNDER) - _ROUNDER) / _STEPS


@triton.jit
def _is_inner(values):
    """Return whether gradients pass the clamp whose results these are."""
    return (values > 0) & (values < LARGEST)


@triton.jit
def _is_kept(place, seed, DROPOUT: tl.constexpr):
    """Return whether dropout leaves what lies at a place: a hash of both, which is cheaper than a random number."""
    hashed = (place.to(tl.uint32) ^ seed.to(tl.uint32)) * _FIRST_FACTOR
    hashed = (hashed ^ (hashed >> 15)) * _SECOND_FACTOR
    return ((hashed ^ (hashed >> 13)) >> 8).to(tl.float32) >= DROPOUT * 2.0**24


@triton.jit
def _shifted(pixel, row_offset, column_offset, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Return pixels at an offset, and whether they lie in the same image."""
    row, column = pixel // WIDTH % HEIGHT + row_offset, pixel % WIDTH + column_offset
    is_there = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
    return pixel + row_offset * WIDTH + column_offset, is_there


@triton.jit(do_not_specialize=("seed",))
def mix(
    outputs, source, weight, bias, seed, DROPOUT: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, PIXELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute a depthwise layer; ``weight`` is (taps, CHANNELS) and ``bias`` (CHANNELS,) float32.

    A share DROPOUT of the results become zero, the others are divided by what is left.
    """
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    sums = tl.zeros((PIXELS, BLOCK), dtype=tl.float32) + tl.load(bias + channel)[None, :]
    for tap in tl.static_range(5):
        place, is_there = _shifted(pixel, tap // 3 - 1, tap % 3 - 1, HEIGHT, WIDTH)  # of models.config.CONE
        values = tl.load(source + place[:, None] * CHANNELS + channel[None, :], mask=is_there[:, None], other=0.0)
        sums += values.to(tl.float32) * tl.load(weight + tap * CHANNELS + channel)[None, :]
    place, results = pixel[:, None] * CHANNELS + channel[None, :], _activation(sums)
    if DROPOUT > 0:
        results = tl.where(_is_kept(place, seed, DROPOUT), results / (1 - DROPOUT), 0.0)
    tl.store(outputs + place, results.to(outputs.dtype.element_ty))


@triton.jit
def _product(
    inputs, weight, INPUT_PITCH: tl.constexpr, OUTPUT_PITCH: tl.constexpr, CHANNELS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Return a program's (ROWS,) pixels, (COLUMNS,) channels and the (ROWS, COLUMNS) sums of products there, float32.

    ``inputs`` are (pixels, CHANNELS); the pitches are what lies in ``weight`` between inputs and between outputs.
    """
    row = (tl.program_id(0) // (CHANNELS // COLUMNS)) * ROWS + tl.arange(0, ROWS)
    column = (tl.program_id(0) % (CHANNELS // COLUMNS)) * COLUMNS + tl.arange(0, COLUMNS)
    sums = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for first in range(0, CHANNELS, DEPTH):
        inner = first + tl.arange(0, DEPTH)
        values = tl.load(inputs + row[:, None] * CHANNELS + inner[None, :])
        factors = tl.load(weight + inner[:, None] * INPUT_PITCH + column[None, :] * OUTPUT_PITCH)
        sums = tl.dot(values, factors, sums)
    return row, column, sums


@triton.jit
def add(
    outputs, mixed, source, weight, bias, CHANNELS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Multiply, add ``bias`` and ``source``; ``weight`` is (CHANNELS, inputs) of the activations' type."""
    row, column, sums = _product(mixed, weight, 1, CHANNELS, CHANNELS, ROWS, COLUMNS, DEPTH)
    place = row[:, None] * CHANNELS + column[None, :]
    sums += tl.load(source + place).to(tl.float32) + tl.load(bias + column)[None, :]
    tl.store(outputs + place, _activation(sums).to(outputs.dtype.element_ty))


@triton.jit
def unadd(
    outputs, gradient, mixed, weight, DROPOUT: tl.constexpr, CHANNELS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of the sums that ``mixed`` is made of from that of ``add``'s; ``weight`` is as there.

    What was dropped is zero, and passes no gradient like what was clamped. In bfloat16 the largest of what dropout has
    divided may pass for the one below.
    """
    row, column, sums = _product(gradient, weight, CHANNELS, 1, CHANNELS, ROWS, COLUMNS, DEPTH)
    place = row[:, None] * CHANNELS + column[None, :]
    sums = tl.where(_is_inner(tl.load(mixed + place).to(tl.float32) * (1 - DROPOUT)), sums / (1 - DROPOUT), 0.0)
    tl.store(outputs + place, sums.to(outputs.dtype.element_ty))


@triton.jit
def _tap_gradient(
    gradient, weight, pixel, channel, tap: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Return the gradient of the depthwise sum that reads pixels at a tap, and that times the tap's weight."""
    place, is_there = _shifted(pixel, 1 - tap // 3, 1 - tap % 3, HEIGHT, WIDTH)
    place = place[:, None] * CHANNELS + channel[None, :]
    passed = tl.load(gradient + place, mask=is_there[:, None], other=0.0).to(tl.float32)
    return passed, passed * tl.load(weight + tap * CHANNELS + channel)[None, :]


@triton.jit
def unmix(
    outputs, sums, gradient, residual, source, weight,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, PIXELS: tl.constexpr, BLOCK: tl.constexpr,
    ROUNDS: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of the sums that ``source`` is made of, and add up those of weights and biases.

    ``gradient`` is that of the depthwise sums, ``residual`` that of the sums of the block. ``sums`` (7, CHANNELS)
    float32 are of taps, of the depthwise bias, and of the bias of what ``source`` is made of.
    """
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    # Triton has no arrays of sums, so taps are written out.
    zero = tl.zeros((PIXELS, BLOCK), dtype=tl.float32)
    first, second, third, fourth, fifth, own, before = zero, zero, zero, zero, zero, zero, zero
    for turn in range(ROUNDS):
        pixel = (tl.program_id(0) * ROUNDS + turn) * PIXELS + tl.arange(0, PIXELS)
        place = pixel[:, None] * CHANNELS + channel[None, :]
        values = tl.load(source + place).to(tl.float32)
        total = tl.load(residual + place).to(tl.float32)
        passed, share = _tap_gradient(gradient, weight, pixel, channel, 0, HEIGHT, WIDTH, CHANNELS)
        first, total = first + passed * values, total + share
        passed, share = _tap_gradient(gradient, weight, pixel, channel, 1, HEIGHT, WIDTH, CHANNELS)
        second, total = second + passed * values, total + share
        passed, share = _tap_gradient(gradient, weight, pixel, channel, 2, HEIGHT, WIDTH, CHANNELS)
        third, total = third + passed * values, total + share
        passed, share = _tap_gradient(gradient, weight, pixel, channel, 3, HEIGHT, WIDTH, CHANNELS)
        fourth, total = fourth + passed * values, total + share
        passed, share = _tap_gradient(gradient, weight, pixel, channel, 4, HEIGHT, WIDTH, CHANNELS)
        fifth, own, total = fifth + passed * values, own + passed, total + share
        total = tl.where(_is_inner(values), total, 0.0)
        before += total
        tl.store(outputs + place, total.to(outputs.dtype.element_ty))
    target = sums + channel
    tl.atomic_add(target, tl.sum(first, axis=0))
    tl.atomic_add(target + CHANNELS, tl.sum(second, axis=0))
    tl.atomic_add(target + 2 * CHANNELS, tl.sum(third, axis=0))
    tl.atomic_add(target + 3 * CHANNELS, tl.sum(fourth, axis=0))
    tl.atomic_add(target + 4 * CHANNELS, tl.sum(fifth, axis=0))
    tl.atomic_add(target + 5 * CHANNELS, tl.sum(own, axis=0))
    tl.atomic_add(target + 6 * CHANNELS, tl.sum(before, axis=0))
