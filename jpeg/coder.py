"""Levels of all components <-> one stream. Both directions walk the same way and ask the same network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans, ans_integer
from pixelzip.errors import CorruptFile
from pixelzip.jpeg.contexts import Integers, Known
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.network import Predictor, place
from pixelzip.jpeg.tokens import MEANS, WAVES, Bins
from pixelzip.jpeg.transform import COEFFICIENT_LIMIT
from pixelzip.models.integer import IntegerCoefficientNetwork

_HALF: Final = ans.COUNT_TOTAL // 2


class Coder(Protocol):
    """What is done with values, in stream order."""

    def exchange(self, features: NDArray[np.int8], shared: NDArray[np.int8], bins: Bins, values: Integers) -> Integers:
        """Return the values, of which a decoder does not look at those given."""


def walk(components: Sequence[Component], coder: Coder) -> None:
    """Code the levels of components in their order, or fill them in.

    Raises:
        CorruptFile: a coefficient is impossible.
    """
    known: list[Known] = []
    for component in components:
        earlier = next((one for one in known[::-1] if one.component.shape == component.shape), None)
        one = Known(component, earlier, known[0] if known else None)
        for frequency, places, are_around in one.steps():
            features, expected = one.describe(frequency, places, are_around)
            shared, bins = place(frequency, component.kind, are_around), WAVES if frequency else MEANS
            levels = one.levels[frequency]
            values = expected + coder.exchange(features, shared, bins, levels[places] - expected)
            if (np.abs(values) * component.steps[frequency] > COEFFICIENT_LIMIT).any():
                raise CorruptFile("a coefficient is larger than any can be")
            levels[places] = values
            one.learn(frequency, places, expected)
        known.append(one)


def encode(network: IntegerCoefficientNetwork, components: Sequence[Component], seal: int) -> bytes:
    """Code levels as a stream that holds a checksum."""
    encoder = _Encoder(network)
    walk(components, encoder)
    return ans.encode(np.concatenate(encoder.left), np.concatenate(encoder.counts), seal)


def decode(network: IntegerCoefficientNetwork, components: Sequence[Component], stream: bytes) -> int:
    """Fill in the levels of components; return what is left of the stream, for ``ans_integer.check``."""
    decoder = _Decoder(network, ans.open_stream(stream))
    walk(components, decoder)
    return decoder.stream.rest()


class _Encoder:
    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._predictor = Predictor(network)
        self.left, self.counts = list[NDArray[np.int32]](), list[NDArray[np.int32]]()

    def exchange(self, features: NDArray[np.int8], shared: NDArray[np.int8], bins: Bins, values: Integers) -> Integers:
        tokens, rest = bins.split(values)
        weights = self._predictor.weights(features, shared).astype(np.int32)
        lanes = np.arange(len(values))
        ends = np.cumsum(weights + 1, axis=1, dtype=np.int32)[lanes, tokens]
        counts = weights[lanes, tokens] + 1
        self._put(ends - counts, counts)
        num_bits = bins.bits_left(tokens)
        for bit in range(num_bits.max(initial=0)):
            ones = rest[num_bits > bit] >> bit & 1
            self._put(ones * np.int32(_HALF), np.full_like(ones, _HALF))
        return values

    def _put(self, left: NDArray[np.int32], counts: NDArray[np.int32]) -> None:
        self.left.append(left)
        self.counts.append(counts)


class _Decoder:
    def __init__(self, network: IntegerCoefficientNetwork, stream: ans.Decoder | ans_integer.Decoder) -> None:
        self._predictor = Predictor(network)
        self.stream = stream

    def exchange(self, features: NDArray[np.int8], shared: NDArray[np.int8], bins: Bins, values: Integers) -> Integers:
        tokens = self.stream.decode(self._predictor.weights(features, shared))
        num_bits = bins.bits_left(tokens)
        rest = np.zeros_like(tokens)
        for bit in range(num_bits.max(initial=0)):
            have_more = num_bits > bit
            halves = np.full((np.count_nonzero(have_more), 2), _HALF - 1, dtype=np.float32)
            rest[have_more] |= self.stream.decode(halves) << bit
        return bins.join(tokens, rest)
