"""Levels of a whole component at once, in C: what ``pixelzip.jpeg.coder`` does step by step, the same, much faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans, native, native_jpeg
from pixelzip.errors import CorruptFile
from pixelzip.jpeg.contexts import SIGNED
from pixelzip.jpeg.frequencies import tables
from pixelzip.jpeg.network import ported_groups
from pixelzip.jpeg.surroundings import Surroundings
from pixelzip.jpeg.tokens import FINE_MEANS, FINE_WAVES
from pixelzip.jpeg.transform import TOO_LARGE
from pixelzip.models.integer import IntegerCoefficientNetwork
from pixelzip.native_jpeg import ComponentCall


def runs(network: IntegerCoefficientNetwork) -> bool:
    """Return whether the extension is there and can walk through levels for a network."""
    return bool(native.INSTRUCTION_SETS) and network.config.surroundings


class Encoder:
    """Turns components into intervals, which are kept."""

    def __init__(self, network: IntegerCoefficientNetwork) -> None:
        self._network = network
        self.left, self.counts = list[NDArray[np.int32]](), list[NDArray[np.int32]]()

    def code(self, one: Surroundings) -> None:
        """See ``pixelzip.jpeg.coder.Coder``."""
        intervals = native_jpeg.encode_levels(_call(one, self._network))
        if intervals is None:
            raise CorruptFile(TOO_LARGE)
        self.left.append(intervals[0])
        self.counts.append(intervals[1])


class Decoder:
    """Takes components off a stream."""

    def __init__(self, network: IntegerCoefficientNetwork, stream: bytes) -> None:
        self._network = network
        self._stream = native_jpeg.Stream(ans.words(stream))

    def code(self, one: Surroundings) -> None:
        """See ``pixelzip.jpeg.coder.Coder``."""
        if not self._stream.decode_levels(_call(one, self._network)):
            raise CorruptFile(TOO_LARGE)

    def rest(self) -> int:
        """Return the state with all words that are left, as one number."""
        return self._stream.rest()


def _call(one: Surroundings, network: IntegerCoefficientNetwork) -> ComponentCall:
    nothing = np.empty(0, dtype=np.int32)
    earlier, earlier_sums, luma = nothing, np.zeros_like(one.sums), nothing if one.luma is None else one.luma
    if one.earlier is not None:
        steps = one.earlier.steps_of
        earlier, earlier_sums = one.earlier.levels * steps[:, None], one.earlier.sums * steps
    num_bits = np.stack((FINE_MEANS.num_bits, FINE_WAVES.num_bits))
    written = one.levels, one.planes, one.sums, one.products
    told = one.steps_of, SIGNED, earlier, earlier_sums, np.ascontiguousarray(luma), *tables(), num_bits
    component = one.component
    groups = ported_groups(network, [one.group(number) for number in range(component.last + 1)])
    return ComponentCall((one.grid[1], component.kind, component.last, one.num_covered), (*written, *told), groups)
