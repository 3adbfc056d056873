"""The streams of ``pixelzip.ans`` in Python integers, for machines that constriction has no wheel for.

Same format, same bytes, some twenty times slower. Duda, "Asymmetric numeral systems" (2013), in its range variant: a
64-bit state over a stack of 32-bit words, 24-bit counts.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile

_PRECISION: Final = 24
_WORD: Final = 32


def encode(left: NDArray[np.int32], counts: NDArray[np.int32], seal: int) -> bytes:
    """Code intervals so that a decoder gets them in the given order; see ``pixelzip.ans.encode``."""
    words: list[int] = []
    state = 1 << _WORD | seal
    for start, count in zip(left[::-1].tolist(), counts[::-1].tolist(), strict=True):
        if state >> 64 - _PRECISION >= count:
            words.append(state & (1 << _WORD) - 1)
            state >>= _WORD
        state = (state // count << _PRECISION) + start + state % count
    words += [state & (1 << _WORD) - 1, state >> _WORD]
    return struct.pack(f"<{len(words)}I", *words).rstrip(b"\0")


class Decoder:
    """Reads one stream; see ``pixelzip.ans.Decoder``."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(-len(data) % 4)
        self._words = list(struct.unpack(f"<{len(padded) // 4}I", padded))
        self._state = self._words.pop()
        if self._words:
            self._state = self._state << _WORD | self._words.pop()

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Decode n symbols; ``weights`` is (n, m), each count minus one, counts summing to 2^24."""
        symbols = []
        for ends in np.cumsum(weights.astype(np.int64) + 1, axis=1).tolist():
            quantile = self._state & (1 << _PRECISION) - 1
            symbol = bisect_right(ends, quantile)
            left = ends[symbol - 1] if symbol else 0
            self._state = (ends[symbol] - left) * (self._state >> _PRECISION) + quantile - left
            if self._state < 1 << _WORD and self._words:
                self._state = self._state << _WORD | self._words.pop()
            symbols.append(symbol)
        return np.array(symbols, dtype=np.int32)

    def finish(self, seal: int) -> None:
        """Raise CorruptFile unless exactly the sealed checksum is left."""
        if self._words or self._state != (1 << _WORD | seal):
            raise CorruptFile("a tile's checksum does not match its pixels")
