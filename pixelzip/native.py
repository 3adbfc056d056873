"""Stages 4 to 6 in C for networks of the cone family at one resolution, on the CPU: the same integers, much faster.

The extension is optional. Without it, for other networks and on GPUs ``pixelzip.wavefront`` does the same with torch,
and tests hold the two equal. Threads share nothing but the network: each works on a tile of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import IntegerLayer, IntegerNetwork
from pixelzip.models.layers import FEATURES

try:
    from pixelzip import _native
except ImportError:  # built without a C compiler
    INSTRUCTION_SETS: tuple[str, ...] = ()
else:
    INSTRUCTION_SETS = tuple(_native.instruction_sets())
    """What the extension can use on this machine, best first."""

_GROUP: Final = 16
_QUAD: Final = 4
"""Outputs and inputs that the extension computes together: see native/pixelzip.h."""

_MAX_MIXTURES: Final = 16

SIGNED: Final = ("neondotprod",)
"""Instruction sets that multiply q, not the q + 128 that is stored, so that no bias need make good for the 128; but for
depthwise layers."""

Intervals = NDArray[np.int32]
Seals = NDArray[np.uint32]
"""The CRC32 of what comes before each of many rows of bytes."""


def runs(network: IntegerNetwork, device: str) -> bool:
    """Return whether the extension is there and can run a network on a device."""
    config = network.config
    return (
        bool(INSTRUCTION_SETS)
        and device == "cpu"
        and isinstance(config, ConeConfig)
        and len(config.blocks) == 1
        and config.mixtures <= _MAX_MIXTURES
    )


def intervals(network: IntegerNetwork, tiles: NDArray[np.uint8], origin: tuple[int, int]) -> NDArray[np.int32]:
    """Return left cumulatives and counts of all nibbles, in stream order, of n tiles of one shape.

    The tiles are (n, h, w, 1) or (n, h, w, 3), the result is (n, 2, symbols). Weights that do not stay in a cache are
    read once for all of them.
    """
    both = np.empty((len(tiles), 2, 2 * tiles[0].size), dtype=np.int32)
    levels = np.empty((*tiles.shape[:3], 3), dtype=np.uint8)
    levels[...] = tiles
    _native.intervals(_ported(network), levels, tiles.shape[1:], origin, both)
    return both


def decode(
    network: IntegerNetwork,
    words: Sequence[bytes],
    shape: tuple[int, int, int],
    origin: tuple[int, int],
    is_short: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Decode n tiles of one shape (h, w, channels); return pixels (n, h, w, channels), and of each stream what is left.

    That is the state, (n,), or 2^64 - 1 where more is left; with ``is_short`` the last pixel is coded as
    ``pixelzip.short_stream`` says. ``words`` are whole words of 4 bytes, at least one for each tile.
    """
    levels = np.zeros((len(words), *shape[:2], 3), dtype=np.uint8)
    rests = np.empty(len(words), dtype=np.uint64)
    _native.decode(_ported(network), levels, shape, origin, list(words), is_short, rests)
    return np.ascontiguousarray(levels[..., : shape[2]]), rests


def push(state: int, left: Intervals, counts: Intervals) -> tuple[bytes, int]:
    """Push intervals onto a state of at most 64 bits, last first; return the words pushed out of it, and the state."""
    words, end = _native.push(state, np.ascontiguousarray(left), np.ascontiguousarray(counts))
    return np.frombuffer(words, dtype=np.uint32).astype("<u4").tobytes(), end


def short_streams(left: Intervals, counts: Intervals, pixels: NDArray[np.uint8], seals: Seals) -> list[bytes]:
    """Code many small images at once, arguments as for ``pixelzip.short_stream.encode``."""
    return _native.short_streams(
        left, counts, np.ascontiguousarray(pixels), np.ascontiguousarray(seals), pixels.shape[3]
    )


def checksums(rows: NDArray[np.uint8], seals: Seals) -> Seals:
    """Return the CRC32 of each of n rows of bytes (n, ...), chained to seals (n,)."""
    found = np.empty(len(rows), dtype=np.uint32)
    _native.checksums(np.ascontiguousarray(rows), np.ascontiguousarray(seals), found)
    return found


def estimates(images: NDArray[np.uint8], bits_of_counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what ``pixelzip.estimate`` counts in images (n, H, W, 3): (n, 4)."""
    found = np.empty((len(images), 4), dtype=np.int64)
    _native.estimates(images, images.shape[1], images.shape[2], bits_of_counts, found)
    return found


def seconds() -> tuple[float, float, float]:
    """Return what all calls so far have spent on inputs, on layers, and on distributions and coding."""
    inputs, layers, rest = _native.times() if INSTRUCTION_SETS else (0, 0, 0)
    return inputs / 1e9, layers / 1e9, rest / 1e9


@functools.lru_cache(maxsize=8)
def _ported(network: IntegerNetwork) -> Any:
    """Port a network to the best instruction set that gives, here and now, what plain C gives."""
    *others, plain = INSTRUCTION_SETS
    candidates = [port(network, name) for name in others]
    reference = port(network, plain)
    wanted = _trial(reference)
    return next((ported for ported in candidates if np.array_equal(_trial(ported), wanted)), reference)


def _trial(ported: Any) -> Intervals:
    """Return the intervals of noise, of steps with 1 to 6 lanes and with 9 and 18, as the blocks of products."""
    generator = np.random.default_rng(0)
    found = []
    for num_tiles, height, width in ((1, 6, 11), (9, 2, 3)):
        pixels = generator.integers(0, 256, (num_tiles, height, width, 3), dtype=np.uint8)
        intervals = np.empty((num_tiles, 2, 6 * height * width), dtype=np.int32)
        _native.intervals(ported, pixels, (height, width, 3), (0, 0), intervals)
        found.append(intervals.ravel())
    return np.concatenate(found)


def port(network: IntegerNetwork, instruction_set: str) -> Any:
    """Return a copy of a network as the extension stores it, to be computed with one of INSTRUCTION_SETS."""
    config = network.config
    assert isinstance(config, ConeConfig)
    places = {FEATURES: -1} | {integers.layer.name: index for index, integers in enumerate(network.layers)}
    stored_zero = 0 if instruction_set in SIGNED else 128
    layers = [
        ported_layer(integers, places, 128 if integers.layer.depthwise else stored_zero) for integers in network.layers
    ]
    tables = [network.tables[name] for name in ("logistic", "exponential", "inverse_scale")]
    sizes = config.mixtures, config.period, padded(config.num_features)
    stages = config.adaptive, config.regression, config.regression_rows
    return _native.network(layers, *tables, *sizes, *stages, instruction_set)


def ported_layer(integers: IntegerLayer, places: dict[str, int], stored_zero: int) -> tuple[Any, ...]:
    """Return a layer as the extension takes it; ``places`` are those of all layers before, by name."""
    layer = integers.layer
    num_taps, num_inputs, num_outputs = len(layer.taps), padded(layer.in_channels), padded(layer.out_channels)
    bias = np.zeros(num_outputs, dtype=np.int32)
    bias[: layer.out_channels] = integers.bias - stored_zero * integers.weight.sum(axis=1, dtype=np.int32)
    multiplier = np.zeros(num_outputs, dtype=np.float32)
    multiplier[: layer.out_channels] = integers.multiplier
    source, residual = places[layer.source], places[layer.residual] if layer.residual else -1
    kinds = layer.depthwise, layer.output == "parameters"
    return source, residual, num_taps, num_inputs, num_outputs, *kinds, _ported_weight(integers), bias, multiplier


def _ported_weight(integers: IntegerLayer) -> NDArray[np.int8]:
    """Return (groups, quads, _GROUP, _QUAD), or for a depthwise layer (taps, outputs); inputs and outputs padded."""
    layer = integers.layer
    num_taps, num_outputs = len(layer.taps), padded(layer.out_channels)
    num_inputs = 1 if layer.depthwise else padded(layer.in_channels)
    weight = np.zeros((num_outputs, num_taps, num_inputs), dtype=np.int8)
    weight[: layer.out_channels, :, : layer.channels_read] = integers.weight.reshape(-1, num_taps, layer.channels_read)
    if layer.depthwise:
        return np.ascontiguousarray(weight[:, :, 0].T)
    grouped = weight.reshape(num_outputs // _GROUP, _GROUP, num_taps * num_inputs // _QUAD, _QUAD)
    return np.ascontiguousarray(grouped.transpose(0, 2, 1, 3))


def padded(channels: int) -> int:
    """Return how many channels the extension has for so many."""
    return -(-channels // _GROUP) * _GROUP
