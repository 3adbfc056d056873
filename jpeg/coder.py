"""Levels of all components <-> one stream. Both directions walk the same way and ask the same network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans, ans_integer
from pixelzip.errors import CorruptFile
from pixelzip.jpeg.contexts import Integers, Known
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.network import Predictor, Told
from pixelzip.jpeg.surroundings import Surroundings
from pixelzip.jpeg.tokens import Bins
from pixelzip.jpeg.transform import COEFFICIENT_LIMIT
from pixelzip.models.coefficients import CoefficientConfig
from pixelzip.models.integer import IntegerCoefficientNetwork

_HALF: Final = ans.COUNT_TOTAL // 2


class Coder(Protocol):
    """What is done with values, in stream order."""

    def exchange(self, told: Told, bins: Bins, values: Integers) -> Integers:
        """Return the values, of which a decoder does not look at those given."""


def walk(components: Sequence[Component], coder: Coder, kind: type[Known] | type[Surroundings]) -> None:
    """Code the levels of components in their order, or fill them in; ``kind`` is what the network is told of.

    Raises:
        CorruptFile: a coefficient is impossible.
    """
    known: list[Any] = []  # all of one kind
    for component in components:
        earlier = next((one for one in known[::-1] if one.component.shape == component.shape), None)
        one: Any = kind(component, earlier, known[0] if known else None)
        for frequency, places, phase in one.steps():
            features, expected = one.describe(frequency, places, phase)
            told, levels = Told(features, one.shared(frequency, phase), one.group(frequency)), one.levels[frequency]
            values = expected + coder.exchange(told, one.bins(frequency), levels[places] - expected)
            if (np.abs(values) * component.steps[frequency] > COEFFICIENT_LIMIT).any():
                raise CorruptFile("a coefficient is larger than any can be")
            levels[places] = values
            one.learn(frequency, places, expected)
        known.append(one)


def kind_for(config: CoefficientConfig) -> type[Known] | type[Surroundings]:
    """Return what a network is told of."""
    return Surroundings if config.surroundings else Known


def encode(network: IntegerCoefficientNetwork, components: Sequence[Component], seal: int) -> bytes:
    """Code levels as a stream that holds a checksum."""
    encoder = _Encoder(network)
    walk(components, encoder, kind_for(network.config))
    return ans.encode(np.concatenate(encoder.left), np.concatenate(encoder.counts), seal)


def decode(network: IntegerCoefficientNetwork, components: Sequence[Component], stream: bytes) -> int:
    """Fill in the levels of components; return what is left of the stream, for ``ans_integer.check``."""
    decoder = _Decoder(network, ans.open_stream(stream))
    walk(components, decoder, kind_for(network.config))
    return decoder.stream.rest()


class _Encoder:
    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._predictor = Predictor(network)
        self.left, self.counts = list[NDArray[np.int32]](), list[NDArray[np.int32]]()

    def exchange(self, told: Told, bins: Bins, values: Integers) -> Integers:
        tokens, rest = bins.split(values)
        self._put(*self._predictor.intervals(told, tokens))
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

    def exchange(self, told: Told, bins: Bins, values: Integers) -> Integers:
        tokens = self.stream.decode(self._predictor.weights(told))
        num_bits = bins.bits_left(tokens)
        rest = np.zeros_like(tokens)
        for bit in range(num_bits.max(initial=0)):
            have_more = num_bits > bit
            halves = np.full((np.count_nonzero(have_more), 2), _HALF - 1, dtype=np.float32)
            rest[have_more] |= self.stream.decode(halves) << bit
        return bins.join(tokens, rest)
