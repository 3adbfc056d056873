"""Chroma at its own resolution <-> chroma of every pixel, interpolated as libjpeg does ("fancy upsampling")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import native, native_jpeg

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_DECAY: Final = np.float32(8**0.5 - 3)
_REACH: Final = 6
"""The inverse of (1/8, 3/4, 1/8) is the root of 2 times powers of _DECAY; from here on they are below 10^-5."""

_NUM_GUESSES: Final = 12
"""Of a column that is not there: each is three fifths as far off as the one before."""


@dataclass(frozen=True)
class Sampling:
    """How many rows and columns of pixels share a sample of chroma; ``is_plain`` if it is theirs as it is."""

    name: str
    rows: int
    columns: int
    is_plain: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of samples of an image."""
        return -(-height // self.rows), -(-width // self.columns)

    def up(self, samples: Pixels, height: int, width: int) -> Pixels:
        """Interpolate samples of any size that covers (height, width) pixels; others are not looked at. jdsample.c."""
        num_rows, num_columns = self.size(height, width)
        if self.rows == self.columns == 1:
            return samples[:height, :width]
        if self.is_plain:
            return samples[:num_rows, :num_columns].repeat(self.rows, 0).repeat(self.columns, 1)[:height, :width]
        if native.INSTRUCTION_SETS:
            return native_jpeg.upsample(samples, (self.rows, self.columns), (height, width))
        values = samples[:num_rows, :num_columns].astype(np.int16)
        if self.rows == 1:
            return _interleaved(values, 2, (1, 2))[:, :width].astype(np.uint8)
        if self.columns == 1:
            return _interleaved(values.T, 2, (1, 2)).T[:height].astype(np.uint8)
        vertical = _interleaved(values.T, 0, (0, 0)).T  # in quarters
        return _interleaved(vertical, 4, (8, 7))[:height, :width].astype(np.uint8)

    def down(self, plane: Floats) -> Floats:
        """Return the samples that ``up`` would make (height, width) values of, but for rounding."""
        if plane.shape[0] % self.rows:
            plane = _lengthened(plane.T).T
        means = self._means(_lengthened(plane) if plane.shape[1] % self.columns else plane)
        rows = _sharpened(means.T).T if self.rows == 2 else means
        return _sharpened(rows) if self.columns == 2 else rows

    def all_in(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for every sample whether all of its pixels are set."""
        missing = (0, -mask.shape[0] % self.rows), (0, -mask.shape[1] % self.columns)
        are_set: NDArray[np.bool_] = self._means(np.pad(mask, missing, constant_values=True).astype(np.float32)) == 1
        return are_set

    def _means(self, plane: Floats) -> Floats:
        """Average the pixels of every sample."""
        parts = [
            plane[row :: self.rows, column :: self.columns]
            for row in range(self.rows)
            for column in range(self.columns)
        ]
        means: Floats = sum(parts[1:], parts[0]) / np.float32(len(parts))
        return means


def _lengthened(plane: Floats) -> Floats:
    """Add a column to (m, 2 n - 1) values: what ``up`` would make of the last sample, which it leaves as it is."""
    some, last = plane[:, 1 - 2 * _REACH :] if plane.shape[1] >= 2 * _REACH else plane, plane[:, -1:]
    for _ in range(_NUM_GUESSES):
        pairs = np.concatenate((some, last), axis=1).reshape(len(some), -1, 2)
        last = _sharpened(pairs.mean(axis=2))[:, -1:]
    return np.concatenate((plane, last), axis=1)


def _sharpened(means: Floats) -> Floats:
    """Undo, along rows, that a sample's two pixels average to three quarters of it and an eighth of each neighbour."""
    padded = np.pad(means, ((0, 0), (_REACH, _REACH)), mode="symmetric")
    width = means.shape[1]
    taps = (_DECAY ** abs(offset - _REACH) * padded[:, offset : offset + width] for offset in range(2 * _REACH + 1))
    return np.float32(2**0.5) * sum(taps, np.zeros_like(means))


def _weighted(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return, for (m, n) values, (m, 2 n): three times each and once its left, then its right neighbour."""
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    both = np.stack((3 * values + padded[:, :-2], 3 * values + padded[:, 2:]), axis=2)
    return both.reshape(len(values), -1)


def _interleaved(values: NDArray[np.int16], shift: int, offsets: tuple[int, int]) -> NDArray[np.int16]:
    """Return ``_weighted`` and round: an offset for even and for odd places, then a shift."""
    weighted = _weighted(values)
    rounded: NDArray[np.int16] = (weighted + np.tile(np.array(offsets, dtype=np.int16), values.shape[1])) >> shift
    return rounded


SAMPLINGS: Final = (
    Sampling("4:4:4", 1, 1),
    Sampling("4:2:2", 1, 2),
    Sampling("4:2:0", 2, 2),
    Sampling("4:4:0", 2, 1),
    Sampling("4:2:2 plain", 1, 2, is_plain=True),
    Sampling("4:2:0 plain", 2, 2, is_plain=True),
)
"""Append-only: the place in this list stands in files."""

_LEAST_INTERPOLATED: Final = 3
"""Columns of halved chroma: libjpeg interpolates no fewer."""


def of_factors(rows: float, columns: float, width: int) -> Sampling | None:
    """Return how libjpeg gives so many rows and columns of pixels their chroma, in images of a width, if supported."""
    is_plain = columns == 2 and -(-width // columns) < _LEAST_INTERPOLATED
    wanted = rows, columns, is_plain
    return next((one for one in SAMPLINGS if (one.rows, one.columns, one.is_plain) == wanted), None)
