"""Stage 5 on a GPU: mixture parameters -> integer counts. Mirrors native/distribution.h."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import triton
import triton.language as tl

from pixelzip import cdf
from pixelzip.models import tables

_LEVELS: Final = tl.constexpr(cdf.LEVELS)
LEVEL_FLOOR: Final = tl.constexpr(cdf.FLOOR)
_WEIGHT_BITS: Final = tl.constexpr(cdf.WEIGHT_BITS)
_MEAN_LOW: Final = tl.constexpr(cdf.MEAN_LOW)
_MEAN_HIGH: Final = tl.constexpr(cdf.MEAN_HIGH)
_TABLE_ORIGIN: Final = tl.constexpr(cdf.TABLE_ORIGIN)
_COUPLING_SHIFT: Final = tl.constexpr(cdf.COUPLING_SHIFT)
_COUNT_SHIFT: Final = tl.constexpr(cdf.COUNT_SHIFT)
_FLOOR_SHIFT: Final = tl.constexpr(cdf.FLOOR_SHIFT)
_MEAN_STEPS: Final = tl.constexpr(tables.MEAN_STEPS)
_LOG_SCALE_LOW: Final = tl.constexpr(tables.LOG_SCALE_LOW)
_LOG_SCALE_HIGH: Final = tl.constexpr(tables.LOG_SCALE_HIGH)
_COUPLING_HIGH: Final = tl.constexpr(tables.COUPLING_HIGH)
_INVERSE_SCALE_BITS: Final = tl.constexpr(tables.INVERSE_SCALE_BITS)
_LAST_LOGISTIC: Final = tl.constexpr(tables.LOGISTIC_LENGTH - 1)
_PROBABILITY_ONE: Final = tl.constexpr(tables.PROBABILITY_ONE)
_LAST_EXPONENTIAL: Final = tl.constexpr(tables.EXPONENTIAL_LENGTH - 1)


class Parameters(NamedTuple):
    """``outputs`` (rows, parameters) int32 of the head, ``guesses`` (rows, 3) int32, and the network's tables."""

    outputs: Any
    guesses: Any
    exponential: Any
    inverse_scale: Any
    logistic: Any


class Components(NamedTuple):
    """The components of one channel, each (lanes, components): entries of boundary zero, and entries per level."""

    origins: Any
    slopes: Any


@triton.jit
def parameter(parameters, wave, index, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr):
    """Read one parameter of all components, (lanes, SLOTS); zero where there is no component."""
    slot = tl.arange(0, SLOTS)[None, :]
    place = parameters.outputs + wave.place[:, None] * NUM_PARAMETERS + index * MIXTURES + slot
    return tl.load(place, mask=wave.is_lane[:, None] & (slot < MIXTURES), other=0)


@triton.jit
def guess_of(parameters, wave, channel):
    """Read the (lanes,) guesses of a channel."""
    return tl.load(parameters.guesses + wave.place * 3 + channel, mask=wave.is_lane, other=0)


@triton.jit
def normalised(shares):
    """Scale (lanes, components) shares to weights that sum to 2^14 exactly."""
    cumulative = tl.cumsum(shares, axis=1).to(tl.int64)
    total = tl.maximum(tl.sum(shares, axis=1), 1).to(tl.int64)[:, None]
    before = cumulative - shares.to(tl.int64)
    return ((cumulative << _WEIGHT_BITS) // total - (before << _WEIGHT_BITS) // total).to(tl.int32)


@triton.jit
def first_weights(parameters, wave, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr):
    """Return the components' weights before a channel is known."""
    logits = parameter(parameters, wave, 0, MIXTURES, SLOTS, NUM_PARAMETERS)
    is_used = wave.is_lane[:, None] & (tl.arange(0, SLOTS)[None, :] < MIXTURES)
    best = tl.max(tl.where(is_used, logits, -(2**16)), axis=1)[:, None]
    entry = tl.minimum(tl.where(is_used, best - logits, 0), _LAST_EXPONENTIAL)
    return normalised(tl.load(parameters.exponential + entry, mask=is_used, other=0))


@triton.jit
def weighted_mean(weights, values):
    """Return the components' mean of (lanes, components) values."""
    return tl.sum(weights * values, axis=1) >> _WEIGHT_BITS


@triton.jit
def log_scales_of(parameters, wave, channel, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr):
    """Return entries of the table of inverse scales, (lanes, components)."""
    values = parameter(parameters, wave, 4 + channel, MIXTURES, SLOTS, NUM_PARAMETERS)
    return tl.minimum(tl.maximum(values, _LOG_SCALE_LOW), _LOG_SCALE_HIGH) - _LOG_SCALE_LOW


@triton.jit
def inverse_scale_of(parameters, log_scale):
    """Look entries of any shape up."""
    return tl.load(parameters.inverse_scale + log_scale)


@triton.jit
def _coupled(
    parameters, wave, residual, index, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr
):
    coupling = parameter(parameters, wave, index, MIXTURES, SLOTS, NUM_PARAMETERS)
    bounded = tl.minimum(tl.maximum(coupling, -_COUPLING_HIGH), _COUPLING_HIGH)
    return (bounded * residual[:, None]) >> _COUPLING_SHIFT


@triton.jit
def means_of(
    parameters, wave, channel, red, green, MIXTURES: tl.constexpr, SLOTS: tl.constexpr, NUM_PARAMETERS: tl.constexpr
):
    """Return the components' means, given the (lanes,) residuals, levels less guesses, of red and green.

    Those of channels that are not earlier are zero, and what they are multiplied with does not matter.
    """
    guess = guess_of(parameters, wave, channel)
    means = parameter(parameters, wave, 1 + channel, MIXTURES, SLOTS, NUM_PARAMETERS) + guess[:, None] * _MEAN_STEPS
    means += _coupled(parameters, wave, red, 6 + channel, MIXTURES, SLOTS, NUM_PARAMETERS)
    return means + _coupled(parameters, wave, green, 9, MIXTURES, SLOTS, NUM_PARAMETERS)


@triton.jit
def bounded_means(means):
    """Return means within what the tables are made for."""
    return tl.minimum(tl.maximum(means, _MEAN_LOW), _MEAN_HIGH)


@triton.jit
def components_of(parameters, means, log_scales):
    """Return what ``cumulatives`` reads, given means and entries of the table of inverse scales."""
    inverse_scales = inverse_scale_of(parameters, log_scales)
    origins = -(bounded_means(means) + _MEAN_STEPS // 2) * inverse_scales + _TABLE_ORIGIN
    return Components(origins=origins, slopes=inverse_scales * _MEAN_STEPS)


@triton.jit
def cumulatives(parameters, components, boundary):
    """Return each logistic below (lanes,) boundaries in 0..256, (lanes, components), 0 to 2^16."""
    entry = (components.origins + boundary[:, None] * components.slopes) >> _INVERSE_SCALE_BITS
    found = tl.load(parameters.logistic + tl.minimum(tl.maximum(entry, 0), _LAST_LOGISTIC))
    inner = tl.where(boundary[:, None] == 0, 0, found)
    return tl.where(boundary[:, None] == _LEVELS, _PROBABILITY_ONE, inner)


@triton.jit
def counts_of(weights, cumulatives, boundary):
    """Return counts of the levels below (lanes,) boundaries, without what has been learned."""
    mixed = tl.sum(weights * cumulatives, axis=1)
    return (mixed >> _COUNT_SHIFT) - (mixed >> _FLOOR_SHIFT) + boundary * LEVEL_FLOOR
