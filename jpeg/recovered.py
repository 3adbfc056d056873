"""Pixels -> the JPEG that they came out of, also if something was cut off it, or it was turned. The encoder's part."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np

from pixelzip import lattice
from pixelzip.image import Mode
from pixelzip.jpeg import planes, search
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.planes import Ends, Pixels, Source
from pixelzip.jpeg.sampling import Sampling
from pixelzip.jpeg.search import Tables
from pixelzip.jpeg.transform import SIDE
from pixelzip.tiles import turned

_FEW_WRONG: Final = 32
"""Where no more than one pixel in so many comes out wrong, nothing better is looked for;"""

_FEW_WRONG_GREYS: Final = 128
"""of greys a fiftieth does with rows and columns exchanged."""

_MOST_WRONG: Final = 16
"""Where more than one in so many does, nothing has been found."""

_WINDOW: Final = 256
"""Rows and columns, at most, that tell which way round an image is, and what was cut off."""

_LEAST_WINDOW: Final = 4 * lattice.GRID

_WAYS: Final = ((0, 2), (1, 3), (4, 5), (6, 7))
"""Orientations, and what is the same upside down: decoders compute that alike, but not rows as columns, nor, where
chroma is halved, the mirror image."""

_NO_CHROMA: Final = 128

Place = tuple[int, tuple[int, int]]
"""An orientation, and the rows and columns that were cut off then."""

_AS_IT_IS: Final[Place] = (0, (0, 0))


@dataclass(frozen=True, eq=False)
class Recovered:
    """What a source, turned, came out of, if so many rows and columns were cut off, and the RGB (H, W, 3) of that."""

    source: Source
    cut: tuple[int, int]
    orientation: int
    sampling: Sampling
    components: list[Component]
    given: Pixels

    @functools.cached_property
    def num_wrong(self) -> int:
        """How many pixels come out wrong."""
        return self.source.num_wrong(self.given)

    @property
    def has_few_wrong(self) -> bool:
        """Whether nothing better need be looked for."""
        few = _FEW_WRONG if (self.source.planes[..., 1:] != _NO_CHROMA).any() else _FEW_WRONG_GREYS
        return few * self.num_wrong < self.source.is_inside.size

    @property
    def tables(self) -> Tables:
        """What the JPEG's header says."""
        return Tables(self.sampling, tuple(component.steps for component in self.components[:2]))

    @property
    def wrong_inside(self) -> float:
        """The share of pixels that come out wrong, without those at the edges, where neighbours may be missing."""
        inside = slice(lattice.GRID, -lattice.GRID)
        part = self.source.part(inside, inside)
        return part.num_wrong(self.given[inside, inside]) / part.is_inside.size

    def whole(self, mode: Mode) -> Pixels:
        """Return samples of a mode with what was cut off and what was clamped as the levels have it."""
        is_free = self.source.are_beyond(self.given) | ~self.source.is_inside[..., None]
        return np.ascontiguousarray(np.where(is_free, self.given, self.source.pixels)[..., : mode.num_channels])


def find(
    samples: Pixels, known: Pixels, origin: tuple[int, int], ends: Ends | None, num_threads: int | None
) -> Recovered | None:
    """Return what samples came out of, given their planes and where in the grid of JPEG they start."""
    places = sorted((0, cut) for cut in planes.starts(origin))
    best = _find(samples, known, _AS_IT_IS, ends, num_threads) if _AS_IT_IS in places else None
    if best and best.has_few_wrong:
        return best
    place, tables = _find_place(samples, known, origin, ends, num_threads)
    for one, some in [(place, tables), (place, None)] if place else [(one, None) for one in places]:
        found = _find(samples, known, one, ends, num_threads, some)
        best = min(filter(None, (best, found)), key=lambda one: one.num_wrong, default=None)
        if best and best.has_few_wrong:
            break
    return best


def _find_place(
    samples: Pixels, known: Pixels, origin: tuple[int, int], ends: Ends | None, num_threads: int | None
) -> tuple[Place, Tables] | tuple[None, None]:
    """Find out which way round an image is, what was cut off, and the tables, in a window of whole blocks."""
    for start in planes.starts(origin):
        rows, columns = _window(samples, start)
        if min(rows.stop - rows.start, columns.stop - columns.start) < _LEAST_WINDOW:
            break
        tried = list[Recovered]()
        for orientation, _ in _WAYS:
            found = _find(samples[rows, columns], known[rows, columns], (orientation, (0, 0)), ends, num_threads)
            tried += [found] if found else []
            if found and _FEW_WRONG_GREYS * found.wrong_inside < 1:
                break
        best = min(tried, key=lambda one: one.wrong_inside, default=None)
        if best and _MOST_WRONG * best.wrong_inside < 1:
            return _least_cut(best, start, samples.shape[0], samples.shape[1]), best.tables
    return None, None


def _window(samples: Pixels, start: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of whole blocks, of some, in which the fewest samples are at the ends of 8 bits."""
    rows, columns = (_spread(*both) for both in zip(start, samples.shape[:2], strict=True))

    def num_clamped(window: tuple[slice, slice]) -> int:
        return int(np.count_nonzero((samples[window] == 0) | (samples[window] == 255)))

    return min(itertools.product(rows, columns), key=num_clamped)


def _spread(start: int, length: int) -> list[slice]:
    """Return where windows may be along one side, the middle first, given where in the grid the image starts."""
    grid = lattice.GRID
    first = -start % grid
    size = min(_WINDOW, max(0, length - first) // grid * grid)
    rest = max(0, length - first - size)
    return [slice(first + part, first + part + size) for part in (rest // 2 // grid * grid, 0, rest // grid * grid)]


def _least_cut(found: Recovered, start: tuple[int, int], height: int, width: int) -> Place:
    """Return the whole image's place, upside down if fewer rows and columns are missing then."""
    rows, columns = SIDE * found.sampling.rows, SIDE * found.sampling.columns

    def cut(orientation: int) -> tuple[int, int]:
        top, left = planes.turned_origin(start, (height, width), orientation)
        return top % rows, left % columns

    alike = next(some for some in _WAYS if found.orientation in some)
    best = min(alike, key=lambda orientation: sum(cut(orientation)))
    return best, cut(best)


def _find(
    samples: Pixels,
    known: Pixels,
    place: Place,
    ends: Ends | None,
    num_threads: int | None,
    tables: Tables | None = None,
) -> Recovered | None:
    """Return what samples came out of in a place, with tables that are known, if they are."""
    orientation, cut = place
    samples, known = (np.ascontiguousarray(turned(part, orientation)) for part in (samples, known))
    source = planes.source(samples, known, cut, ends)
    found = search.find(source, cut, num_threads, tables)
    if found is None:
        return None
    height, width = source.is_inside.shape
    given = planes.to_pixels(planes.given([[component] for component in found[1]], found[0], (width, height)))
    return Recovered(source, cut, orientation, *found, given)
