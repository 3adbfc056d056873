"""Whole numbers <-> tokens, which the network predicts, and the bits that are left, which it does not."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int32]

ESCAPE_BITS: Final = 12
"""Bits of the last bin, which no coefficient goes beyond."""


class Bins:
    """Magnitudes from 1 on, cut into bins; a bin of 2^n magnitudes leaves n bits."""

    def __init__(self, num_bits: tuple[int, ...]) -> None:
        self.num_bits = np.array((0, *num_bits, ESCAPE_BITS), dtype=np.int32)
        self._zero = len(num_bits) + 1  # its token
        self._starts = np.cumsum([0, 1, *(1 << bits for bits in num_bits)], dtype=np.int32)

    def split(self, values: Values) -> tuple[Values, Values]:
        """Return tokens, the middle one for zero, and what is left of each value."""
        magnitudes = np.abs(values)
        bins = np.searchsorted(self._starts, magnitudes, side="right").astype(np.int32) - 1
        return self._zero + np.sign(values) * bins, magnitudes - self._starts[bins]

    def bits_left(self, tokens: Values) -> Values:
        """Return how many bits each token leaves."""
        return self.num_bits[np.abs(tokens - self._zero)]

    def join(self, tokens: Values, rest: Values) -> Values:
        """Undo ``split``."""
        signed = tokens - self._zero
        joined: Values = np.sign(signed) * (self._starts[np.abs(signed)] + rest)
        return joined


MEANS: Final = Bins((0, 0, 1, 2, 3, 4, 5, 6))
"""For blocks' means, whose errors are large."""

WAVES: Final = Bins((0, 0, 0, 0, 1, 2, 3, 4))
"""For all other frequencies."""

FINE_MEANS: Final = Bins((*(0,) * 8, *(1,) * 4, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6))
FINE_WAVES: Final = Bins((*(0,) * 8, *(1,) * 4, *(2,) * 4, 3, 3, 4, 4, 5, 6))
"""The same for networks with ``surroundings``."""
