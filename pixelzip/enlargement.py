"""Images whose every pixel was repeated, as when they were enlarged without interpolation <-> what they were before."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip.image import MODES_BY_NAME, Mode, Picture, Samples
from pixelzip.tiles import Box

_LINES_AT_ONCE: Final = 64
"""Rows or columns that are looked at before it is asked whether more must be."""

MOST_FACTOR: Final = 2**16 - 1


class Repeats(NamedTuple):
    """How often each row or column of an image occurs, and by how much less the first; the last may occur less, too."""

    factor: int = 1
    missing: int = 0

    def before(self, line: int) -> int:
        """Return which row or column was repeated to make one of the image."""
        return (line + self.missing) // self.factor


Factors = tuple[Repeats, Repeats]
"""Those of rows and columns."""

NONE: Final = Repeats(), Repeats()


def find(samples: Samples) -> Factors:
    """Return by what (H, W, C) samples were enlarged; NONE for those of one colour, which cost nothing."""
    rows, columns = _changes(samples), _changes(samples.swapaxes(0, 1))
    if not (rows or columns):
        return NONE
    found = _repeats(rows, len(samples)), _repeats(columns, samples.shape[1])
    return found if max(repeats.factor for repeats in found) <= MOST_FACTOR else NONE


def _changes(samples: Samples) -> list[int]:
    """Return the rows that differ from the one before, as far as they can have been repeated."""
    changes = list[int]()
    for first in range(0, len(samples) - 1, _LINES_AT_ONCE):
        some = samples[first : first + _LINES_AT_ONCE + 1]
        differ = (some[1:] != some[:-1]).reshape(len(some) - 1, -1).any(axis=1)
        changes += (first + 1 + np.flatnonzero(differ)).tolist()
        if _greatest_factor(changes) == 1:
            break
    return changes


def _greatest_factor(changes: list[int]) -> int:
    return math.gcd(*(change - changes[0] for change in changes))


def _repeats(changes: list[int], number: int) -> Repeats:
    if not changes:
        return Repeats(number)
    first = changes[0]
    factor = _greatest_factor(changes) or max(first, number - first)
    return Repeats(factor, -first % factor)


def mode_before(mode: Mode) -> Mode:
    """Return the mode of what an image was enlarged from: indices into a palette are grey there."""
    return MODES_BY_NAME["L"] if mode.name == "P" else mode


def shrunk(picture: Picture, factors: Factors) -> Picture:
    """Return what a picture was enlarged from, without metadata."""
    width, height = picture.size
    before = box_before(Box(0, 0, height, width), factors)
    sides = zip((before.height, before.width), factors, strict=True)
    rows, columns = (np.maximum(np.arange(side) * one.factor - one.missing, 0) for side, one in sides)
    samples: Any = picture.samples[rows[:, None], columns]
    return Picture(mode_before(picture.mode), samples)


def box_before(region: Box, factors: Factors) -> Box:
    """Return the part of the image before that a region shows."""
    rows, columns = factors
    top, left = rows.before(region.top), columns.before(region.left)
    bottom, right = rows.before(region.top + region.height - 1), columns.before(region.left + region.width - 1)
    return Box(top, left, bottom + 1 - top, right + 1 - left)


def enlarged(samples: Samples, region: Box, factors: Factors) -> Samples:
    """Return a region's samples, given those of ``box_before``."""
    rows, columns = _places(region.top, region.height, factors[0]), _places(region.left, region.width, factors[1])
    result: Samples = samples[rows[:, None], columns]
    return result


def _places(first: int, number: int, repeats: Repeats) -> NDArray[np.int64]:
    """Return for each of some rows of an image the row of ``box_before``."""
    return (np.arange(first, first + number) + repeats.missing) // repeats.factor - repeats.before(first)
