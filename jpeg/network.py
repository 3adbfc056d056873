"""The integer network for coefficients: features -> counts of tokens. The one function that both directions call."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.ans import COUNT_TOTAL
from pixelzip.jpeg.contexts import NUM_COMPONENTS, NUM_VALUES, ONE_HOT
from pixelzip.jpeg.tokens import NUM_TOKENS
from pixelzip.jpeg.transform import NUM_FREQUENCIES
from pixelzip.models.integer import IntegerCoefficientNetwork

Floats = NDArray[np.float32]

_ROWS: Final = 2**14
"""Lanes that are computed together: what is made of them stays in a cache."""


def place(frequency: int, kind: int, are_around: bool) -> NDArray[np.int8]:
    """Return the features that all lanes share: frequency, component, whether the four blocks around are known."""
    shared = np.zeros(NUM_FREQUENCIES + NUM_COMPONENTS + 1, dtype=np.int8)
    shared[[frequency, NUM_FREQUENCIES + kind]] = ONE_HOT
    shared[-1] = ONE_HOT * are_around
    return shared


class Predictor:
    """A network in float32, in which its sums of integers are exact: they stay below 2^24."""

    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._weights = [integers.weight.T.astype(np.float32) for integers in network.layers]
        self._biases = [integers.bias.astype(np.float32) for integers in network.layers]
        self._multipliers = [integers.multiplier for integers in network.layers]
        self._exponential = network.tables["exponential"].astype(np.int64)

    def weights(self, values: NDArray[np.int8], shared: NDArray[np.int8]) -> Floats:
        """Return each count less one, (n, NUM_TOKENS), of (n, NUM_VALUES) features and those of ``place``."""
        bias = shared.astype(np.float32) @ self._weights[0][NUM_VALUES:] + self._biases[0]
        starts = range(0, len(values), _ROWS)
        parts = [self._some(values[start : start + _ROWS].astype(np.float32), bias) for start in starts]
        return np.concatenate(parts) if parts else np.zeros((0, NUM_TOKENS), dtype=np.float32)

    def _some(self, inputs: Floats, bias: Floats) -> Floats:
        inputs = _scaled(inputs @ self._weights[0][:NUM_VALUES] + bias, self._multipliers[0])
        for weight, own, multiplier in zip(self._weights[1:], self._biases[1:], self._multipliers[1:], strict=True):
            inputs = _scaled(inputs.clip(-128, 127) @ weight + own, multiplier)
        return self._counts(inputs)

    def _counts(self, logits: Floats) -> Floats:
        below = (logits.max(axis=1, keepdims=True) - logits).clip(max=len(self._exponential) - 1)
        sums = np.cumsum(self._exponential[below.astype(np.intp)], axis=1)  # (n, NUM_TOKENS)
        ends = sums * (COUNT_TOTAL - NUM_TOKENS) // sums[:, -1:]
        weights: Floats = np.diff(ends, axis=1, prepend=0).astype(np.float32)
        return weights


def _scaled(sums: Floats, multiplier: Floats) -> Floats:
    scaled: Floats = np.rint(sums * multiplier)
    return scaled
