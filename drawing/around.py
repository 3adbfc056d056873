"""What is known around a pixel: pixels above it and to its left, and hashes of more and more of them."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.drawing.mixer import mixed

PLACES: Final = (
    (-1, 0), (0, -1), (-1, -1), (1, -1), (-2, 0), (0, -2), (1, -2), (2, -1),
    (-2, -1), (-1, -2), (-3, 0), (2, -2), (-2, -2), (0, -3), (3, -1), (-3, -1),
    (1, -3), (-1, -3), (-4, 0), (-5, 0), (4, -1), (-4, -1), (3, -2), (-3, -2),
)  # fmt: skip
"""Columns and rows from a pixel, in the order in which they are looked at."""

(
    WEST, NORTH, NORTH_WEST, NORTH_EAST, WEST_2, NORTH_2, NORTH_2_EAST, NORTH_EAST_2,
    _, _, WEST_3, _, _, NORTH_3, NORTH_EAST_3, _, _, _, WEST_4, _, NORTH_EAST_4,
) = range(21)  # fmt: skip

LENGTHS: Final = (24, 16, 9, 6, 4, 2)
"""How many of the places are hashed together."""

_COLUMNS, _ROWS = np.array(PLACES).T

_NUM_FLAT: Final = 10
"""If so many are one colour, a pixel lies in a plain area."""

MARGIN: Final = 8
"""Columns beside an image: on the left they are as the first pixel above, on the right as the last of the row."""

ROWS_ABOVE: Final = 3
"""Rows above an image, all zeros."""


@dataclass(frozen=True)
class Around:
    """The pixels of PLACES."""

    pixels: tuple[int, ...]

    @property
    def is_flat(self) -> bool:
        """Whether a pixel lies in a plain area."""
        return len(set(self.pixels[:_NUM_FLAT])) == 1

    @functools.cached_property
    def hashes(self) -> tuple[int, ...]:
        """Hashes of LENGTHS of the pixels."""
        chain = list(itertools.accumulate(self.pixels, mixed))
        return tuple(chain[length - 1] for length in LENGTHS)

    def levels(self, channel: int) -> tuple[int, ...]:
        """Return one channel of all places."""
        return tuple(level(pixel, channel) for pixel in self.pixels)


def level(pixel: int, channel: int) -> int:
    """Return one channel of a pixel."""
    return pixel >> 8 * channel & 0xFF


def look(image: NDArray[np.uint32], row: int, column: int) -> Around:
    """Look around a pixel of an image with its margins."""
    return Around(tuple(image[row + _ROWS, column + _COLUMNS].tolist()))
