"""The stream format in Python integers: a stack of 32-bit words below a 64-bit state, 24-bit counts."""

from __future__ import annotations

from collections.abc import Callable

PRECISION = 24


class Stack:
    def __init__(self, seal: int) -> None:
        self.words, self.state = [], seal | 1 << 32

    def push(self, left: int, count: int) -> None:
        if self.state >> 64 - PRECISION >= count:
            self.words.append(self.state & 0xFFFFFFFF)
            self.state >>= 32
        self.state = (self.state // count << PRECISION) + left + self.state % count

    def pop(self, interval: Callable[[int], tuple[int, int, int]]) -> int:
        quantile = self.state & (1 << PRECISION) - 1
        symbol, left, count = interval(quantile)
        self.state = count * (self.state >> PRECISION) + quantile - left
        if self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()
        return symbol

    def to_bytes(self) -> bytes:
        words = [*self.words, self.state & 0xFFFFFFFF, self.state >> 32]
        return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0")


def encode(intervals: list[tuple[int, int]], seal: int) -> bytes:
    stack = Stack(seal)
    for left, count in reversed(intervals):
        stack.push(left, count)
    return stack.to_bytes()
