"""Planes <-> cosine coefficients of blocks of 8x8: forward in floats, to search; backward in libjpeg's integers."""

from __future__ import annotations

import functools
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelzip import native, native_jpeg

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
Real = TypeVar("Real", NDArray[np.float32], NDArray[np.float64])

SIDE: Final = 8

COEFFICIENT_LIMIT: Final = 2**12
"""Coefficients of 8-bit samples do not go beyond it, whatever has been rounded."""

TOO_LARGE: Final = "a coefficient is larger than any can be"

_SMALL_PRODUCT: Final = 2**17
"""Multiplications: OpenBLAS uses one thread below 2^18."""

_CONSTANT_BITS: Final = 13
_FIRST_PASS_BITS: Final = 2
CENTRE: Final = 128


def _zigzag() -> NDArray[np.intp]:
    """Return the places, row by row, of the frequencies in JPEG's order (ITU-T T.81, figure A.6)."""
    places = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    places.sort(key=lambda place: (sum(place), place[0] if sum(place) % 2 else place[1]))
    return np.array([SIDE * row + column for row, column in places])


ZIGZAG: Final = _zigzag()
"""(64,): the place in a block, row by row, of each frequency."""


@functools.cache
def cosines() -> Floats:
    """Return the orthonormal transform, (8, 8), frequencies by places (ITU-T T.81, A.3.3)."""
    frequency, place = np.mgrid[0:SIDE, 0:SIDE]
    scale = np.sqrt(np.where(frequency == 0, 1, 2) / SIDE)
    matrix: Floats = (scale * np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE))).astype(np.float32)
    return matrix


def padded(plane: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last row and column of (H, W) until there are whole blocks."""
    return np.pad(plane, [(0, -length % SIDE) for length in plane.shape], mode="edge")


def to_blocks(plane: NDArray[Any]) -> NDArray[Any]:
    """Cut (8 R, 8 C) into (R, C, 8, 8)."""
    height, width = plane.shape
    return plane.reshape(height // SIDE, SIDE, width // SIDE, SIDE).swapaxes(1, 2)


def times(rows: Real, matrix: Real) -> Real:
    """Return ``rows @ matrix``, in parts so small that the library behind NumPy starts no threads beside ours."""
    step = _SMALL_PRODUCT // matrix.size
    result = np.empty((len(rows), matrix.shape[1]), dtype=rows.dtype)
    for start in range(0, len(rows), step):
        np.matmul(rows[start : start + step], matrix, out=result[start : start + step])
    return result


def forward(plane: Floats) -> Floats:
    """Return the coefficients of (8 R, 8 C) samples, (R, C, 8, 8), not rounded."""
    height, width = plane.shape
    rows = times(plane.reshape(-1, SIDE) - np.float32(CENTRE), cosines().T)
    rows = rows.reshape(height // SIDE, SIDE, width // SIDE, SIDE).transpose(0, 2, 3, 1)  # (R, C, column, row)
    columns = times(rows.reshape(-1, SIDE), cosines().T)
    return columns.reshape(rows.shape).swapaxes(2, 3).astype(np.float32, copy=False)


def backward(coefficients: Floats) -> Floats:
    """Return (n, 8, 8) samples less 128, not rounded, of (n, 8, 8) coefficients."""
    return _product(cosines().T, coefficients, cosines())


def products(values: Floats) -> Floats:
    """Return the product of (n, 8, 8) values with every cosine, (n, 8, 8)."""
    return _product(cosines(), values, cosines().T)


def squares(weights: Floats) -> Floats:
    """Return the sum of the squares of every cosine, (n, 8, 8), weighted by (n, 8, 8)."""
    return _product(cosines() ** 2, weights, (cosines() ** 2).T)


def _product(first: Floats, second: Floats, third: Floats) -> Floats:
    result: Floats = np.matmul(np.matmul(first, second), third).astype(np.float32, copy=False)
    return result


def inverse(coefficients: Integers) -> NDArray[np.uint8]:
    """Return the (8 R, 8 C) samples of coefficients (R, C, 8, 8), as libjpeg's "islow" transform computes them.

    Loeffler, Ligtenberg, Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (1989); jidctint.c.
    """
    if native.INSTRUCTION_SETS and coefficients.size:
        return native_jpeg.inverse(coefficients)
    columns = _inverse_of_columns(coefficients, _CONSTANT_BITS - _FIRST_PASS_BITS)
    rows = _inverse_of_columns(columns.swapaxes(2, 3), _CONSTANT_BITS + _FIRST_PASS_BITS + 3).swapaxes(2, 3)
    samples = (rows + CENTRE).clip(0, 255).astype(np.uint8)  # (R, C, 8, 8)
    num_rows, num_columns = samples.shape[:2]
    return samples.swapaxes(1, 2).reshape(SIDE * num_rows, SIDE * num_columns)


def _inverse_of_columns(inputs: Integers, shift: int) -> Integers:
    """Transform along the third axis of (R, C, 8, 8), and divide by 2^shift, rounded."""
    even, odd = (
        _even_part(*(inputs[:, :, row] for row in (0, 2, 4, 6))),
        _odd_part(*(inputs[:, :, row] for row in (7, 5, 3, 1))),
    )
    half = 1 << (shift - 1)
    sums = [one + other for one, other in zip(even, odd, strict=True)]
    differences = [one - other for one, other in zip(even, odd, strict=True)]
    return np.stack([(values + half) >> shift for values in (*sums, *differences[::-1])], axis=2)


def _even_part(first: Integers, second: Integers, third: Integers, fourth: Integers) -> tuple[Integers, ...]:
    turned = (second + fourth) * 4433
    low, high = turned - fourth * 15137, turned + second * 6270
    total, difference = (first + third) << _CONSTANT_BITS, (first - third) << _CONSTANT_BITS
    return total + high, difference + low, difference - low, total - high


def _odd_part(seventh: Integers, fifth: Integers, third: Integers, first: Integers) -> tuple[Integers, ...]:
    """Return what is added to the even part's values, in their order."""
    outer, inner = (seventh + first) * -7373, (fifth + third) * -20995
    both = (seventh + third + fifth + first) * 9633
    odd, even = (seventh + third) * -16069 + both, (fifth + first) * -3196 + both
    return (
        first * 12299 + outer + even,
        third * 25172 + inner + odd,
        fifth * 16819 + inner + even,
        seventh * 2446 + outer + odd,
    )
