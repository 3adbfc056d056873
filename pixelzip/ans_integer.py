"""The streams of ``pixelzip.ans`` in Python integers, for machines that neither of its coders is built for.

Same format, same bytes, some twenty times slower. Duda, "Asymmetric numeral systems" (2013), in its range variant: a
64-bit state over a stack of 32-bit words, 24-bit counts.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile

PushAll = Callable[[int, NDArray[np.int32], NDArray[np.int32]], tuple[bytes, int]]

WRONG_CHECKSUM: Final = "a tile's checksum does not match its pixels"

_PRECISION: Final = 24
_WORD: Final = 32
_MASK: Final = (1 << _WORD) - 1


def push(state: int, left: int, count: int, precision: int) -> int:
    """Put one symbol's interval, out of 2^precision, onto a state."""
    return (state // count << precision) + left + state % count


def pop(state: int, ends: Sequence[int], precision: int) -> tuple[int, int]:
    """Take a symbol off a state, given where each symbol's interval ends; return the symbol and the state."""
    quantile = state & (1 << precision) - 1
    symbol = bisect_right(ends, quantile)
    left = ends[symbol - 1] if symbol else 0
    return symbol, (ends[symbol] - left) * (state >> precision) + quantile - left


def sealed(seal: int) -> int:
    """Return the initial state that holds a 32-bit checksum."""
    return 1 << _WORD | seal


def check(rest: int, seal: int) -> None:
    """Raise CorruptFile unless the state that is left is the one that holds a checksum."""
    if rest != sealed(seal):
        raise CorruptFile(WRONG_CHECKSUM)


def to_bytes(state: int) -> bytes:
    """Write a state of any length, little-endian, without zero bytes at the end."""
    return state.to_bytes(-(-state.bit_length() // 8), "little")


def encode(left: NDArray[np.int32], counts: NDArray[np.int32], seal: int) -> bytes:
    """Code intervals so that a decoder gets them in the given order; see ``pixelzip.ans.encode``."""
    return encode_onto(sealed(seal), left, counts)


def push_all(state: int, left: NDArray[np.int32], counts: NDArray[np.int32]) -> tuple[bytes, int]:
    """Push intervals onto a state of at most 64 bits, last first; return the words pushed out of it, and the state."""
    words: list[int] = []
    for start, count in zip(left[::-1].tolist(), counts[::-1].tolist(), strict=True):
        if state >> 2 * _WORD - _PRECISION >= count:
            words.append(state & _MASK)
            state >>= _WORD
        state = push(state, start, count, _PRECISION)
    return struct.pack(f"<{len(words)}I", *words), state


def encode_onto(state: int, left: NDArray[np.int32], counts: NDArray[np.int32], push_all: PushAll = push_all) -> bytes:
    """Code intervals onto an initial state of any length; see ``pixelzip.ans.encode_onto``."""
    words: list[int] = []
    while state >> 2 * _WORD:
        words.append(state & _MASK)
        state >>= _WORD
    pushed, state = push_all(state, left, counts)
    return struct.pack(f"<{len(words)}I", *words) + pushed + to_bytes(state)


class Decoder:
    """Reads one stream; see ``pixelzip.ans.Decoder``."""

    def __init__(self, words: bytes) -> None:
        self._words: list[int] = list(struct.unpack(f"<{len(words) // 4}I", words))
        self._state: int = self._words.pop()
        if self._words:
            self._state = self._state << _WORD | self._words.pop()

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Decode n symbols; ``weights`` is (n, m), each count minus one, counts summing to 2^24."""
        symbols = []
        for ends in np.cumsum(weights.astype(np.int64) + 1, axis=1).tolist():
            symbol, self._state = pop(self._state, ends, _PRECISION)
            if self._state < 1 << _WORD and self._words:
                self._state = self._state << _WORD | self._words.pop()
            symbols.append(symbol)
        return np.array(symbols, dtype=np.int32)

    def rest(self) -> int:
        """Return the state with all words that are left, as one number."""
        state = self._state
        for word in reversed(self._words):
            state = state << _WORD | word
        return state
