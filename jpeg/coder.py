"""Levels of all components <-> one stream. Both directions walk the same way and ask the same network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans
from pixelzip.errors import CorruptFile
from pixelzip.jpeg import whole
from pixelzip.jpeg.contexts import Integers, Known
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.network import Predictor, Told
from pixelzip.jpeg.surroundings import Surroundings
from pixelzip.jpeg.tokens import Bins
from pixelzip.jpeg.transform import COEFFICIENT_LIMIT, TOO_LARGE
from pixelzip.models.coefficients import CoefficientConfig
from pixelzip.models.integer import IntegerCoefficientNetwork

_HALF: Final = ans.COUNT_TOTAL // 2


class Coder(Protocol):
    """Codes one component after the other."""

    def code(self, one: Any) -> None:
        """Code the levels of what is known of a component, or fill them in; raises CorruptFile."""


class StepCoder(ABC):
    """Codes step by step what ``exchange`` is given."""

    def code(self, one: Any) -> None:
        """See ``Coder``.

        Raises:
            CorruptFile: a coefficient is impossible.
        """
        for frequency, places, phase in one.steps():
            features, expected = one.describe(frequency, places, phase)
            told, levels = Told(features, one.shared(frequency, phase), one.group(frequency)), one.levels[frequency]
            values = expected + self.exchange(told, one.bins(frequency), levels[places] - expected)
            if (np.abs(values) * one.component.steps[frequency] > COEFFICIENT_LIMIT).any():
                raise CorruptFile(TOO_LARGE)
            levels[places] = values
            one.learn(frequency, places, expected)

    @abstractmethod
    def exchange(self, told: Told, bins: Bins, values: Integers) -> Integers:
        """Return the values of a step, of which a decoder does not look at those given."""


def walk(components: Sequence[Component], coder: Coder, kind: type[Known] | type[Surroundings]) -> None:
    """Code components in their order; ``kind`` is what the network is told of."""
    known: list[Any] = []  # all of one kind
    for component in components:
        earlier = next((one for one in known[::-1] if one.component.shape == component.shape), None)
        known.append(kind(component, earlier, known[0] if known else None))
        coder.code(known[-1])


def kind_for(config: CoefficientConfig) -> type[Known] | type[Surroundings]:
    """Return what a network is told of."""
    return Surroundings if config.surroundings else Known


def encode(network: IntegerCoefficientNetwork, components: Sequence[Component], seal: int) -> bytes:
    """Code levels as a stream that holds a checksum."""
    encoder = whole.Encoder(network) if whole.runs(network) else _Encoder(network)
    walk(components, encoder, kind_for(network.config))
    return ans.encode(np.concatenate(encoder.left), np.concatenate(encoder.counts), seal)


def decode(network: IntegerCoefficientNetwork, components: Sequence[Component], stream: bytes) -> int:
    """Fill in the levels of components; return what is left of the stream, for ``ans_integer.check``."""
    decoder = whole.Decoder(network, stream) if whole.runs(network) else _Decoder(network, stream)
    walk(components, decoder, kind_for(network.config))
    return decoder.rest()


class _Encoder(StepCoder):
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


class _Decoder(StepCoder):
    def __init__(self, network: IntegerCoefficientNetwork, stream: bytes) -> None:
        self._predictor = Predictor(network)
        self._stream = ans.open_stream(stream)
        self.rest = self._stream.rest

    def exchange(self, told: Told, bins: Bins, values: Integers) -> Integers:
        tokens = self._stream.decode(self._predictor.weights(told))
        num_bits = bins.bits_left(tokens)
        rest = np.zeros_like(tokens)
        for bit in range(num_bits.max(initial=0)):
            have_more = num_bits > bit
            halves = np.full((np.count_nonzero(have_more), 2), _HALF - 1, dtype=np.float32)
            rest[have_more] |= self._stream.decode(halves) << bit
        return bins.join(tokens, rest)
