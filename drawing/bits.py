"""Bits <-> bytes by arithmetic coding: an interval of 64-bit numbers that spell the stream gets smaller bit by bit.

(Witten, Neal, Cleary: Arithmetic coding for data compression, 1987; without carries, as leading bytes of both ends that
are equal leave at once.)
"""

from __future__ import annotations

from typing import Final

PROBABILITY_BITS: Final = 16
_STATE_BYTES: Final = 8
_MASK: Final = 2 ** (8 * _STATE_BYTES) - 1
_TOP_BYTE: Final = 8 * (_STATE_BYTES - 1)


class TooLong(Exception):
    """A stream has reached its limit."""


class BitWriter:
    """Writes a stream of at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._low, self._high = 0, _MASK
        self._limit, self._bytes = limit, bytearray()

    def code(self, probability: int, bit: int) -> int:
        """Write a bit that is one with ``probability`` 65536ths, 1 to 65535, and return it; raises TooLong."""
        middle = self._low + ((self._high - self._low) >> PROBABILITY_BITS) * probability
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while not (self._low ^ self._high) >> _TOP_BYTE:
            self._put(self._high >> _TOP_BYTE)
            self._low, self._high = self._low << 8 & _MASK, self._high << 8 & _MASK | 0xFF
        return bit

    def end(self) -> bytes:
        """Return the stream, as short as can be: a reader finds zeros behind its end; raises TooLong."""
        for byte in _ending(self._low, self._high):
            self._put(byte)
        return bytes(self._bytes.rstrip(b"\0"))

    def _put(self, byte: int) -> None:
        if len(self._bytes) >= self._limit:
            raise TooLong
        self._bytes.append(byte)


class BitReader:
    """Reads a stream."""

    def __init__(self, stream: bytes) -> None:
        self._low, self._high = 0, _MASK
        self._value = int.from_bytes(stream[:_STATE_BYTES].ljust(_STATE_BYTES, b"\0"), "big")
        self._stream, self._num_shifted = stream, 0

    def code(self, probability: int, bit: int) -> int:
        """Return the next bit; ``probability`` as it was written with, ``bit`` does not matter."""
        middle = self._low + ((self._high - self._low) >> PROBABILITY_BITS) * probability
        bit = int(self._value <= middle)
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while not (self._low ^ self._high) >> _TOP_BYTE:
            self._low, self._high = self._low << 8 & _MASK, self._high << 8 & _MASK | 0xFF
            self._value = self._value << 8 & _MASK | self._byte(self._num_shifted + _STATE_BYTES)
            self._num_shifted += 1
        return bit

    def is_at_end(self) -> bool:
        """Return whether the stream is what a writer writes of the bits that have been read."""
        return is_whole(self._stream, self._num_shifted, self._low, self._high)

    def _byte(self, place: int) -> int:
        return self._stream[place] if place < len(self._stream) else 0


def is_whole(stream: bytes, num_shifted: int, low: int, high: int) -> bool:
    """Return whether a stream is what a writer writes: a reader has shifted out so many bytes, low to high are left."""
    read = stream[:num_shifted].ljust(num_shifted, b"\0")
    return (read + _ending(low, high)).rstrip(b"\0") == stream


def _ending(low: int, high: int) -> bytes:
    """Return the fewest bytes that spell a number from low to high if zeros follow."""
    shift, end = 8 * _STATE_BYTES, 0
    while end < low:
        shift -= 8
        end = high >> shift << shift
    return end.to_bytes(_STATE_BYTES, "big").rstrip(b"\0")


BitCoder = BitWriter | BitReader
