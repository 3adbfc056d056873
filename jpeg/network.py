"""The integer network for coefficients: features -> counts of tokens. The one function that both directions call."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip import native, native_jpeg
from pixelzip.ans import COUNT_TOTAL
from pixelzip.models.integer import SHORT_LIMIT, IntegerCoefficientNetwork, IntegerLayer
from pixelzip.models.layers import FEATURES, Layer
from pixelzip.native_jpeg import TokenNetwork

Floats = NDArray[np.float32]
Counts = NDArray[np.int32]

_TRIAL_ROWS: Final = 37
"""Two blocks of AMX and a rest, seven of AVX-512 and a rest."""


class Told(NamedTuple):
    """What a network is told of coefficients that are coded together.

    ``features`` are (n, num_values) int8, ``shared`` is all that is the same, ``group`` says whose weights are used.
    """

    features: NDArray[np.int8]
    shared: NDArray[np.int8]
    group: int


@dataclass(frozen=True, eq=False)
class _Group:
    """Layers of one group of frequencies: the first one's weights for what is shared apart from its others.

    ``ported`` and ``whole`` are what the extension wants of them, for steps and for whole components.
    """

    layers: tuple[IntegerLayer, ...]
    shared_weight: NDArray[np.int32]
    ported: TokenNetwork | None
    whole: tuple[Any, ...]


class Predictor:
    """A network's integers, by the extension, or without it in float32, in which its sums are exact: below 2^24."""

    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._network = network
        self._exponential = network.tables["exponential"]

    def weights(self, told: Told) -> Floats:
        """Return each count less one, (n, num_tokens)."""
        group, bias = self._group(told)
        if group.ported:
            return native_jpeg.token_weights(group.ported, told.features, bias, self._network.config.num_tokens)
        return self._counts(_logits(group.layers, told.features.astype(np.float32), bias))

    def intervals(self, told: Told, tokens: Counts) -> tuple[Counts, Counts]:
        """Return left cumulative and count of one token, (n,), for each row of features."""
        group, bias = self._group(told)
        if group.ported:
            num_tokens = self._network.config.num_tokens
            return native_jpeg.token_intervals(group.ported, told.features, bias, num_tokens, tokens)
        counts = self.weights(told).astype(np.int32) + 1
        lanes = np.arange(len(tokens))
        own: Counts = counts[lanes, tokens]
        return np.cumsum(counts, axis=1, dtype=np.int32)[lanes, tokens] - own, own

    def _group(self, told: Told) -> tuple[_Group, Counts]:
        """Return a group, and its first layer's bias with what all rows share."""
        group = _load_group(self._network, told.group, native.INSTRUCTION_SETS)
        return group, group.layers[0].bias + group.shared_weight @ told.shared.astype(np.int32)

    def _counts(self, logits: Floats) -> Floats:
        below = (logits.max(axis=1, keepdims=True) - logits).clip(max=len(self._exponential) - 1)
        sums = np.cumsum(self._exponential[below.astype(np.intp)], axis=1, dtype=np.int64)  # (n, num_tokens)
        ends = sums * (COUNT_TOTAL - logits.shape[1]) // sums[:, -1:]
        weights: Floats = np.diff(ends, axis=1, prepend=0).astype(np.float32)
        return weights


def ported_groups(network: IntegerCoefficientNetwork, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
    """Return the networks of groups for ``native_jpeg.ComponentCall``."""
    return [_load_group(network, number, native.INSTRUCTION_SETS).whole for number in numbers]


def _logits(layers: Sequence[IntegerLayer], inputs: Floats, bias: Counts) -> Floats:
    """Return (n, outputs of the last layer), whole numbers; ``bias`` is the first layer's."""
    for index, layer in enumerate(layers):
        sums = inputs.clip(-128, 127) @ layer.weight.T.astype(np.float32) + (layer.bias if index else bias)
        inputs = np.rint(sums.astype(np.float32) * layer.multiplier)
    return inputs.clip(-SHORT_LIMIT, SHORT_LIMIT)


@functools.lru_cache(maxsize=256)
def _load_group(network: IntegerCoefficientNetwork, number: int, instruction_sets: tuple[str, ...]) -> _Group:
    layers, own = _layers(network, number), _own(network, 0, number)
    shared_weight = network.layers[0].weight[own, network.config.num_values :].astype(np.int32)
    if not instruction_sets:
        return _Group(layers, shared_weight, None, ())
    ported = native_jpeg.port_tokens(layers, network.tables["exponential"], _instruction_set(network))
    return _Group(layers, shared_weight, ported, native_jpeg.whole_group(ported, layers[0].bias, shared_weight))


def _own(network: IntegerCoefficientNetwork, index: int, number: int) -> slice:
    """Return which outputs of a layer are a group's."""
    num_outputs = network.config.num_outputs(index)
    first = num_outputs * min(number, network.config.num_groups(index) - 1)
    return slice(first, first + num_outputs)


def _layers(network: IntegerCoefficientNetwork, number: int) -> tuple[IntegerLayer, ...]:
    """Return the layers of a group of frequencies, the first one without inputs for what is shared."""
    layers, source, num_inputs = list[IntegerLayer](), FEATURES, network.config.num_values
    for index, integers in enumerate(network.layers):
        own = _own(network, index, number)
        layer = Layer(integers.layer.name, source, num_inputs, own.stop - own.start, output=integers.layer.output)
        weight = np.ascontiguousarray(integers.weight[own, :num_inputs])
        layers.append(IntegerLayer(layer, weight, integers.bias[own], integers.multiplier[own]))
        source, num_inputs = layer.name, layer.out_channels
    return tuple(layers)


@functools.lru_cache(maxsize=8)
def _instruction_set(network: IntegerCoefficientNetwork) -> str:
    """Return the best instruction set that gives, here and now, what plain C gives for noise."""
    layers, exponential, num_tokens = _layers(network, 0), network.tables["exponential"], network.config.num_tokens
    noise = np.random.default_rng(0).integers(-128, 128, (_TRIAL_ROWS, network.config.num_values)).astype(np.int8)

    def trial(name: str) -> Floats:
        ported = native_jpeg.port_tokens(layers, exponential, name)
        return native_jpeg.token_weights(ported, noise, layers[0].bias, num_tokens)

    *others, plain = native.INSTRUCTION_SETS
    wanted = trial(plain)
    return next((name for name in others if np.array_equal(trial(name), wanted)), plain)
