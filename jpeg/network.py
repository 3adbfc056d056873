"""The integer network for coefficients: features -> counts of tokens. The one function that both directions call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip import native
from pixelzip.ans import COUNT_TOTAL
from pixelzip.models.integer import SHORT_LIMIT, IntegerCoefficientNetwork
from pixelzip.native import TokenLayer

Floats = NDArray[np.float32]


class Told(NamedTuple):
    """What a network is told of coefficients that are coded together.

    ``features`` are (n, num_values) int8, ``shared`` is all that is the same, ``group`` says whose weights are used.
    """

    features: NDArray[np.int8]
    shared: NDArray[np.int8]
    group: int


class Predictor:
    """A network in float32, in which its sums of integers are exact: they stay below 2^24.

    The extension does the same, much faster; without it NumPy does.
    """

    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._network = network
        self._exponential = network.tables["exponential"]

    def weights(self, told: Told) -> Floats:
        """Return each count less one, (n, num_tokens)."""
        config = self._network.config
        first, *others = native.token_layers(self._network, told.group)
        bias = first.bias + told.shared.astype(np.float32) @ first.weight[config.num_values :]
        layers = [TokenLayer(first.weight[: config.num_values], bias, first.multiplier), *others]
        if native.INSTRUCTION_SETS:
            return native.token_weights(layers, self._exponential, told.features, config.num_tokens)
        return self._counts(_logits(layers, told.features.astype(np.float32))[:, : config.num_tokens])

    def _counts(self, logits: Floats) -> Floats:
        below = (logits.max(axis=1, keepdims=True) - logits).clip(max=len(self._exponential) - 1)
        sums = np.cumsum(self._exponential[below.astype(np.intp)], axis=1, dtype=np.int64)  # (n, num_tokens)
        ends = sums * (COUNT_TOTAL - logits.shape[1]) // sums[:, -1:]
        weights: Floats = np.diff(ends, axis=1, prepend=0).astype(np.float32)
        return weights


def _logits(layers: Sequence[TokenLayer], inputs: Floats) -> Floats:
    """Return (n, outputs of the last layer), whole numbers."""
    for layer in layers:
        inputs = np.rint((inputs.clip(-128, 127) @ layer.weight + layer.bias) * layer.multiplier)
    return inputs.clip(-SHORT_LIMIT, SHORT_LIMIT)
