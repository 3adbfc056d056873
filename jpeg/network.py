"""The integer network for coefficients: features -> counts of tokens. The one function that both directions call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pixelzip import native
from pixelzip.ans import COUNT_TOTAL
from pixelzip.jpeg.contexts import ONE_HOT
from pixelzip.models.coefficients import NUM_COMPONENTS, NUM_FREQUENCIES, NUM_TOKENS, NUM_VALUES
from pixelzip.models.integer import SHORT_LIMIT, IntegerCoefficientNetwork
from pixelzip.native import TokenLayer

Floats = NDArray[np.float32]


def place(frequency: int, kind: int, are_around: bool) -> NDArray[np.int8]:
    """Return the features that all lanes share: frequency, component, whether the four blocks around are known."""
    shared = np.zeros(NUM_FREQUENCIES + NUM_COMPONENTS + 1, dtype=np.int8)
    shared[[frequency, NUM_FREQUENCIES + kind]] = ONE_HOT
    shared[-1] = ONE_HOT * are_around
    return shared


class Predictor:
    """A network in float32, in which its sums of integers are exact: they stay below 2^24.

    The extension does the same, much faster; without it NumPy does.
    """

    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._layers = native.token_layers(network)
        self._exponential = network.tables["exponential"]

    def weights(self, values: NDArray[np.int8], shared: NDArray[np.int8]) -> Floats:
        """Return each count less one, (n, NUM_TOKENS), of (n, NUM_VALUES) features and those of ``place``."""
        first = self._layers[0]
        bias = first.bias + shared.astype(np.float32) @ first.weight[NUM_VALUES:]
        layers = [TokenLayer(first.weight[:NUM_VALUES], bias, first.multiplier), *self._layers[1:]]
        if native.INSTRUCTION_SETS:
            return native.token_weights(layers, self._exponential, values, NUM_TOKENS)
        return self._counts(_logits(layers, values.astype(np.float32))[:, :NUM_TOKENS])

    def _counts(self, logits: Floats) -> Floats:
        below = (logits.max(axis=1, keepdims=True) - logits).clip(max=len(self._exponential) - 1)
        sums = np.cumsum(self._exponential[below.astype(np.intp)], axis=1, dtype=np.int64)  # (n, NUM_TOKENS)
        ends = sums * (COUNT_TOTAL - NUM_TOKENS) // sums[:, -1:]
        weights: Floats = np.diff(ends, axis=1, prepend=0).astype(np.float32)
        return weights


def _logits(layers: Sequence[TokenLayer], inputs: Floats) -> Floats:
    """Return (n, outputs of the last layer), whole numbers."""
    for layer in layers:
        inputs = np.rint((inputs.clip(-128, 127) @ layer.weight + layer.bias) * layer.multiplier)
    return inputs.clip(-SHORT_LIMIT, SHORT_LIMIT)
