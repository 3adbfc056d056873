"""Pixels -> the JPEG that they came out of, also if something was cut off it. The encoder's part."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pixelzip.image import Mode
from pixelzip.jpeg import planes, search
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.planes import Ends, Pixels, Source
from pixelzip.jpeg.sampling import Sampling

_FEW_WRONG: Final = 64
"""Where no more than one pixel in so many comes out wrong, nothing better is looked for."""


@dataclass(frozen=True, eq=False)
class Recovered:
    """What a source came out of, if so many rows and columns were cut off, and the RGB (H, W, 3) that this gives."""

    source: Source
    cut: tuple[int, int]
    sampling: Sampling
    components: list[Component]
    given: Pixels

    @functools.cached_property
    def num_wrong(self) -> int:
        """How many pixels come out wrong."""
        return self.source.num_wrong(self.given)

    def whole(self, mode: Mode) -> Pixels:
        """Return samples of a mode with what was cut off and what was clamped as the levels have it."""
        is_free = self.source.are_beyond(self.given) | ~self.source.is_inside[..., None]
        return np.ascontiguousarray(np.where(is_free, self.given, self.source.pixels)[..., : mode.num_channels])


def find(
    samples: Pixels, known: Pixels, cuts: Sequence[tuple[int, int]], ends: Ends | None, num_threads: int | None
) -> Recovered | None:
    """Return what leaves the fewest pixels wrong, or the first that leaves few."""
    best: Recovered | None = None
    for cut in cuts:
        source = planes.source(samples, known, cut, ends)
        found = search.find(source, cut, num_threads)
        if found is None:
            continue
        height, width = source.is_inside.shape
        given = planes.to_pixels(planes.given([[component] for component in found[1]], found[0], (width, height)))
        one = Recovered(source, cut, *found, given)
        best = one if best is None or one.num_wrong < best.num_wrong else best
        if _FEW_WRONG * best.num_wrong < height * width:
            break
    return best
