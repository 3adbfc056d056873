"""A part of stage 6: streams of small images in packs, whose check costs 12 to 19 bits and no rounding to bytes.

The initial state is ``2^k`` plus the low k bits of the checksum, with the largest k that costs no further byte. Pushing
24-bit counts onto a state so small would waste a byte, so the last pixel's nibbles, which are pushed first, have counts
of 12 bits, in Python integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans, native
from pixelzip.ans_integer import pop, push
from pixelzip.checksum import checksums
from pixelzip.native import Seals

CHECK_BITS: Final = range(12, 20)
"""What k may be: eight values, so that one of them fills the last byte."""

_SETTLING_SYMBOLS: Final = 64
"""Symbols after which states are so large that rounding hardly matters; small ones do not grow in proportion."""

_TOP_BYTES: Final = 16
"""Of a stream, more than its rounding reaches."""

_PRECISION: Final = 12
_NIBBLE: Final = 16
_SCALE: Final = (1 << _PRECISION) - _NIBBLE
"""What the counts of 24 bits are scaled to; every symbol then gets one more, so that none has none."""


def encode(left: NDArray[np.int32], counts: NDArray[np.int32], pixels: NDArray[np.uint8], seals: Seals) -> list[bytes]:
    """Code intervals of n images as ``pixelzip.ans.encode`` does, with short checks; in C where it is built.

    Args:
        left: (n, symbols) left cumulatives of the symbols out of 2^24.
        counts: (n, symbols) their counts, at least 1.
        pixels: (n, h, w, 1) or (n, h, w, 3), what they code, two for each sample, those of the last pixel last.
        seals: (n,) what the pixels' checksums are chained to, of which ``are_intact`` will ask for 12 to 19 bits.

    Returns:
        Streams of at least 2 bytes, the last of which is not zero.
    """
    if native.INSTRUCTION_SETS:
        return native.short_streams(left, counts, pixels, seals)
    return list(map(_encode, left, counts, pixels[:, -1, -1], checksums(pixels, seals).tolist()))


def _encode(left: NDArray[np.int32], counts: NDArray[np.int32], last_pixel: NDArray[np.uint8], checksum: int) -> bytes:
    last = [nibble for level in last_pixel.tolist() for nibble in divmod(level, _NIBBLE)]
    num_others = len(left) - len(last)
    tail = list(zip(left[num_others:].tolist(), counts[num_others:].tolist(), last, strict=True))
    states = [_push_all(_initial_state(num_bits, checksum), tail) for num_bits in CHECK_BITS]
    num_first = max(0, num_others - _SETTLING_SYMBOLS)
    few = left[num_first:num_others], counts[num_first:num_others]
    states = [int.from_bytes(ans.encode_onto(state, *few), "little") for state in states]
    longest = ans.encode_onto(states[-1], left[:num_first], counts[:num_first])
    state, num_bytes = _most_for_least(states, longest)
    stream = longest if state == states[-1] else ans.encode_onto(state, left[:num_first], counts[:num_first])
    return stream if len(stream) <= num_bytes else ans.encode_onto(states[0], left[:num_first], counts[:num_first])


def _most_for_least(states: Sequence[int], longest: bytes) -> tuple[int, int]:
    """Return the largest of rising states whose stream should be as short as that of the first, and its bytes.

    ``longest`` is the stream of the last. A stream is a number in proportion to the state, but for rounding.
    """
    top = int.from_bytes(longest[-_TOP_BYTES:], "little")
    others = max(0, len(longest) - _TOP_BYTES)
    sizes = [others - (-(top * state // states[-1]).bit_length() // 8) for state in states]
    return max(state for state, size in zip(states, sizes, strict=True) if size == sizes[0]), sizes[0]


class Decoder:
    """Reads one stream of ``num_symbols``, the last ``num_last`` of them the last pixel's.

    Damaged bytes give wrong symbols, which ``are_intact`` tells by what is left.
    """

    def __init__(self, data: bytes, num_symbols: int, num_last: int) -> None:
        self._others = ans.open_stream(words(data).rstrip(b"\0"))
        self._num_others = num_symbols - num_last
        self._state: int | None = None

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Decode n symbols, of the last pixel or of none of it; ``weights`` as for ``pixelzip.ans.Decoder``."""
        if self._num_others:
            self._num_others -= len(weights)
            return self._others.decode(weights)
        symbols = []
        state = self._others.rest() if self._state is None else self._state
        for ends in np.cumsum(weights.astype(np.int64) + 1, axis=1).tolist():
            symbol, state = pop(state, [_rescaled(end, index) for index, end in enumerate(ends, 1)], _PRECISION)
            symbols.append(symbol)
        self._state = state
        return np.array(symbols, dtype=np.int32)

    def rest(self) -> int:
        """Return the state after the last pixel, 0 before."""
        return self._state or 0


def words(data: bytes) -> bytes:
    """Return a stream as whole words; any bytes are one."""
    return ans.words(data.rstrip(b"\0") or b"\1")


def are_intact(rests: NDArray[np.uint64], checksums: Seals) -> NDArray[np.bool_]:
    """Return whether each state that is left, (n,), is an initial one with its checksum, (n,)."""
    first, end = (np.uint64(1 << num_bits) for num_bits in (CHECK_BITS.start, CHECK_BITS.stop))
    are_initial = (first <= rests) & (rests < end)
    _, num_bits = np.frexp(np.where(are_initial, rests, first).astype(np.float64))  # exact
    highest = np.uint64(1) << num_bits.astype(np.uint64) - np.uint64(1)
    are_right: NDArray[np.bool_] = are_initial & (rests == highest | checksums & highest - np.uint64(1))
    return are_right


def _initial_state(num_bits: int, checksum: int) -> int:
    return 1 << num_bits | checksum & (1 << num_bits) - 1


def _push_all(state: int, tail: Sequence[tuple[int, int, int]]) -> int:
    for left, count, symbol in reversed(tail):
        first, last = _rescaled(left, symbol), _rescaled(left + count, symbol + 1)
        state = push(state, first, last - first, _PRECISION)
    return state


def _rescaled(end: int, symbol: int) -> int:
    """Map the boundary before a symbol from 0..2^24 to 0..2^12."""
    return (end * _SCALE >> 24) + symbol
