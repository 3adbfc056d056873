"""Images whose every pixel was repeated, as when they were enlarged without interpolation <-> what they were before."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.image import MODES_BY_NAME, Mode, Picture, Samples
from pixelzip.tiles import Box

_COLUMNS_AT_ONCE: Final = 64
"""Columns or rows that are looked at before it is asked whether more must be."""

Factors = tuple[int, int]
"""How often each row and each column of an image occurs; the last may occur less often."""

NONE: Final = 1, 1
MOST_FACTOR: Final = 2**16 - 1


def find(samples: Samples) -> Factors:
    """Return by what (H, W, C) samples were enlarged; NONE for those of one colour, which cost nothing."""
    rows, columns = _factor(samples), _factor(samples.swapaxes(0, 1))
    if not (rows or columns):
        return NONE
    factors = rows or len(samples), columns or samples.shape[1]
    return factors if max(factors) <= MOST_FACTOR else NONE


def _factor(samples: Samples) -> int:
    """Return the largest factor of the numbers of all rows that differ from the one before: 0 where none does."""
    factor = 0
    for first in range(0, len(samples) - 1, _COLUMNS_AT_ONCE):
        some = samples[first : first + _COLUMNS_AT_ONCE + 1]
        changes = (some[1:] != some[:-1]).reshape(len(some) - 1, -1).any(axis=1)
        factor = math.gcd(factor, *(first + 1 + np.flatnonzero(changes)).tolist())
        if factor == 1:
            break
    return factor


def mode_before(mode: Mode) -> Mode:
    """Return the mode of what an image was enlarged from: indices into a palette are grey there."""
    return MODES_BY_NAME["L"] if mode.name == "P" else mode


def shrunk(picture: Picture, factors: Factors) -> Picture:
    """Return what a picture was enlarged from, without metadata."""
    samples: Any = picture.samples[:: factors[0], :: factors[1]]
    return Picture(mode_before(picture.mode), np.ascontiguousarray(samples))


def box_before(region: Box, factors: Factors) -> Box:
    """Return the part of the image before that a region shows."""
    rows, columns = factors
    top, left = region.top // rows, region.left // columns
    bottom, right = -(-(region.top + region.height) // rows), -(-(region.left + region.width) // columns)
    return Box(top, left, bottom - top, right - left)


def enlarged(samples: Samples, region: Box, factors: Factors) -> Samples:
    """Return a region's samples, given those of ``box_before``."""
    before = box_before(region, factors)
    rows = _places(region.top, region.height, factors[0]) - before.top
    columns = _places(region.left, region.width, factors[1]) - before.left
    result: Samples = samples[rows[:, None], columns]
    return result


def _places(first: int, number: int, factor: int) -> NDArray[np.int64]:
    return np.arange(first, first + number) // factor
