"""Which frequencies lie around one, for networks of the second kind, and luma at chroma's resolution."""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.contexts import ORDER
from pixelzip.jpeg.transform import SIDE, ZIGZAG, cosines, times
from pixelzip.models.coefficients import NUM_FREQUENCIES

NONE: Final = NUM_FREQUENCIES
"""Stands for a frequency that there is not, or that is not known yet."""

_OWN: Final = (
    *((-1, 0), (0, -1), (-1, -1), (-2, 0), (0, -2), (-1, 1), (1, -1)),
    *((-3, 0), (0, -3), (-2, -1), (-1, -2)),
)
"""As differences of row and column."""

_BEFORE: Final = (
    *(((-1, 0), 3), ((0, -1), 3), ((-1, -1), 2), ((-1, 1), 2), ((1, -1), 2)),
    *(((-2, 0), 1), ((0, -2), 1), ((-2, 1), 1), ((1, -2), 1), ((2, -1), 1), ((-1, 2), 1)),
)
"""Weights of magnitudes in a block of which only earlier frequencies are known."""

_AROUND: Final = (
    *(((0, 0), 4), ((-1, 0), 2), ((0, -1), 2), ((1, 0), 2), ((0, 1), 2)),
    *(((-1, -1), 1), ((-1, 1), 1), ((1, -1), 1), ((1, 1), 1)),
)
"""The same where all are known."""

_HALVING_STEPS: Final = 1024

Weighted = tuple[tuple[int, int], ...]
"""Pairs of a frequency and its weight."""


class Frequency(NamedTuple):
    """One frequency and those around it, by their numbers; NONE where there is none, or where it comes later.

    ``own`` is what features name one by one; ``above`` and ``left`` are next to it; ``before`` and ``around`` have the
    weights of magnitudes; ``numbers`` are all but these, (16,), for the extension.
    """

    number: int
    row: int
    column: int
    own: tuple[int, ...]
    above: int
    left: int
    before: Weighted
    around: Weighted
    numbers: NDArray[np.int32]


@functools.cache
def frequency(number: int) -> Frequency:
    """Return what lies around a frequency."""
    row, column = divmod(int(ZIGZAG[number]), SIDE)

    def at(down: int, right: int) -> int:
        place = row + down, column + right
        return int(ORDER[SIDE * place[0] + place[1]]) if min(place) >= 0 and max(place) < SIDE else NONE

    def weighted(weights: tuple[tuple[tuple[int, int], int], ...], end: int) -> Weighted:
        pairs = ((at(*place), weight) for place, weight in weights)
        return tuple((other, weight) for other, weight in pairs if 0 < other < end)

    own = tuple(other if other < number else NONE for other in (at(*place) for place in _OWN))
    numbers = np.array([number, row, column, at(-1, 0), at(0, -1), *own], dtype=np.int32)
    before, around = weighted(_BEFORE, number), weighted(_AROUND, NONE)
    return Frequency(number, row, column, own, at(-1, 0), at(0, -1), before, around, numbers)


@functools.cache
def tables() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for the extension all ``numbers``, (64, 16), and the weights ``before`` and ``around``, (2, 64, 64)."""
    all_of_them = [frequency(number) for number in range(NUM_FREQUENCIES)]
    weights = np.zeros((2, NUM_FREQUENCIES, NUM_FREQUENCIES), dtype=np.int32)
    for one in all_of_them:
        for which, weighted in enumerate((one.before, one.around)):
            for other, weight in weighted:
                weights[which, one.number, other] = weight
    return np.stack([one.numbers for one in all_of_them]), weights


@functools.cache
def _halving() -> NDArray[np.float64]:
    """Return (2, 8, 8) whole numbers: a half's share of the coefficients (rows) of samples of which pairs are averaged,
    times 1024."""
    waves = cosines().astype(np.float64)  # (8 frequencies, 8 places)
    pairs = (waves[:, ::2] + waves[:, 1::2]) / 2  # (8, 4)
    return np.rint(_HALVING_STEPS * np.stack([waves[:, :4] @ pairs.T, waves[:, 4:] @ pairs.T]))


def reduced(coefficients: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return the coefficients (64, *shape) of as many blocks, each of which averages one, two or four.

    Of (64, R, C) coefficients; along each axis a block covers R or C divided by ``shape``, rounded up. Blocks that are
    missing are zero. All is whole numbers below 2^53, in doubles.
    """
    down, across = (-(-length // count) for length, count in zip(coefficients.shape[1:], shape, strict=True))
    blocks = np.zeros((SIDE, SIDE, shape[0] * down, shape[1] * across))
    blocks.reshape(NUM_FREQUENCIES, *blocks.shape[2:])[ZIGZAG, : coefficients.shape[1], : coefficients.shape[2]] = (
        coefficients
    )
    for count in (down, across):  # (u, v, R', C') -> (v, u, C', R'): rows first, then columns
        matrices = _halving() if count == 2 else _HALVING_STEPS * np.eye(SIDE)[None]
        first, second, length, width = blocks.shape
        parts = blocks.reshape(first, second, length // count, count, width).transpose(3, 0, 1, 4, 2)
        product = times(parts.reshape(count * SIDE, -1).T, np.hstack(list(matrices)).T).T
        blocks = product.reshape(first, second, width, length // count).swapaxes(0, 1)
    flat = blocks.reshape(NUM_FREQUENCIES, *shape)[ZIGZAG]
    return np.floor(flat / _HALVING_STEPS**2 + 0.5).astype(np.int32)
