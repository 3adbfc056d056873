"""Whole numbers <-> tokens, which the network predicts, and the bits that are left, which it does not."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.models.coefficients import NUM_TOKENS

Values = NDArray[np.int32]

_NUM_BINS: Final = NUM_TOKENS // 2

ESCAPE_BITS: Final = 12
"""Bits of the last bin, which no coefficient goes beyond."""


class Bins:
    """Magnitudes from 1 on, cut into bins; a bin of 2^n magnitudes leaves n bits."""

    def __init__(self, num_bits: tuple[int, ...]) -> None:
        self.num_bits = np.array((0, *num_bits, ESCAPE_BITS), dtype=np.int32)
        self._starts = np.cumsum([0, 1, *(1 << bits for bits in num_bits)], dtype=np.int32)

    def split(self, values: Values) -> tuple[Values, Values]:
        """Return tokens, from 0 to NUM_TOKENS - 1, and what is left of each value."""
        magnitudes = np.abs(values)
        bins = np.searchsorted(self._starts, magnitudes, side="right").astype(np.int32) - 1
        return _NUM_BINS + np.sign(values) * bins, magnitudes - self._starts[bins]

    def bits_left(self, tokens: Values) -> Values:
        """Return how many bits each token leaves."""
        return self.num_bits[np.abs(tokens - _NUM_BINS)]

    def join(self, tokens: Values, rest: Values) -> Values:
        """Undo ``split``."""
        signed = tokens - _NUM_BINS
        joined: Values = np.sign(signed) * (self._starts[np.abs(signed)] + rest)
        return joined


MEANS: Final = Bins((0, 0, 1, 2, 3, 4, 5, 6))
"""For blocks' means, whose errors are large."""

WAVES: Final = Bins((0, 0, 0, 0, 1, 2, 3, 4))
"""For all other frequencies."""
