"""Pixels that may have come out of a JPEG -> planes in that JPEG's grid. The encoder's part, but for grey."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import lattice
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.models.conversion import JFIF, differ
from pixelzip.tiles import EXCHANGED, FLIPPED, MIRRORED

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Ends = Sequence[tuple[int, int]]

_STEP: Final = 16
"""Rows and columns between pixels that are looked at before all are."""


@dataclass(frozen=True, eq=False)
class Source:
    """Pixels (H, W, 3), planes (H, W, C), and where they are of account, (H, W).

    ``ends`` are the lowest and the highest level, (3,) or (1,), at which channels may have been clamped.
    """

    pixels: Pixels
    planes: Pixels
    is_inside: Mask
    ends: tuple[Pixels, Pixels]

    def part(self, rows: slice, columns: slice) -> Source:
        """Return what there is in some rows and columns."""
        parts = self.pixels[rows, columns], self.planes[rows, columns], self.is_inside[rows, columns]
        return Source(*parts, self.ends)

    @functools.cached_property
    def is_known(self) -> Mask:
        """Where no channel has been clamped, (H, W)."""
        lowest, highest = self.ends
        is_clamped = (self.pixels == lowest) | (self.pixels == highest)
        known: Mask = self.is_inside & ~(is_clamped[..., 0] | is_clamped[..., 1] | is_clamped[..., 2])
        return known

    def are_beyond(self, given: Pixels | Floats, margin: float = 0) -> Mask:
        """Return which channels (H, W, 3) are clamped if these are what was there before, with a margin."""
        return _are_beyond(self.pixels, given, self.ends, margin)

    def num_wrong(self, given: Pixels) -> int:
        """Return how many pixels are not what there should be, (H, W, 3)."""
        differing = differ(given, self.pixels) & self.is_inside
        wanted, given = self.pixels[differing], given[differing]  # (pixels, 3)
        return int(((wanted != given) & ~_are_beyond(wanted, given, self.ends)).any(axis=1).sum())


def _are_beyond(pixels: Pixels, given: Pixels | Floats, ends: tuple[Pixels, Pixels], margin: float = 0) -> Mask:
    lowest, highest = ends
    too_high: Mask = (pixels == highest) & (given > highest - margin)
    too_low: Mask = (pixels == lowest) & (given < lowest + margin)
    return too_high | too_low


def find(samples: Pixels, ends: Ends | None = None) -> tuple[Pixels | None, tuple[int, int]]:
    """Return the planes (H, W, C) of (H, W, C) samples on the lattice of JPEG, and where in its grid they start.

    Those of a grey image are known. What is at other ``ends`` than 0 and 255 may count as clamped.
    """
    if _is_grey(samples[::_STEP, ::_STEP]) and _is_grey(samples):
        grey = samples[..., :1]
        origin = (0, 0) if lattice.has_blocks(grey[..., 0]) else lattice.find_origin(grey)
        return grey if samples.shape[2] == 1 else full(grey), origin
    found = lattice.find(samples, (JFIF,))
    if ends and not found:
        lowest, highest = np.array(ends, dtype=np.uint8).T
        clamped = np.where(samples == highest, 255, np.where(samples == lowest, 0, samples))
        found = lattice.find(clamped.astype(np.uint8), (JFIF,))
    return (found[1], found[0].origin) if found else (None, (0, 0))


def _is_grey(samples: Pixels) -> bool:
    return bool((samples == samples[..., :1]).all())


def full(planes: Pixels) -> Pixels:
    """Give luma alone the chroma of greys."""
    if planes.shape[2] == 3:
        return planes
    return np.concatenate((planes, np.full((*planes.shape[:2], 2), 128, dtype=np.uint8)), axis=2)


def starts(origin: tuple[int, int]) -> list[tuple[int, int]]:
    """Return where in the grid an image may start, likeliest first: what chroma says of 8 or none is vague."""
    half = lattice.GRID // 2
    halves = [(down, right) for down in (0, half) for right in (0, half)]
    return [((origin[0] + down) % lattice.GRID, (origin[1] + right) % lattice.GRID) for down, right in halves]


def turned_origin(origin: tuple[int, int], size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return where in its grid an image of (height, width) starts another way round (``tiles.turned``)."""
    mirrored = [-(start + length) % lattice.GRID for start, length in zip(origin, size, strict=True)]
    row = mirrored[0] if orientation & FLIPPED else origin[0]
    column = mirrored[1] if orientation & MIRRORED else origin[1]
    return (column, row) if orientation & EXCHANGED else (row, column)


def source(samples: Pixels, planes: Pixels, cut: tuple[int, int], ends: Ends | None) -> Source:
    """Add the rows and columns that were cut off samples and planes; what is in them is of no account."""
    padding = [(cut[0], 0), (cut[1], 0), (0, 0)]
    pixels = np.broadcast_to(samples, (*samples.shape[:2], 3))
    is_inside = np.pad(np.full(samples.shape[:2], True), padding[:2])
    lowest, highest = np.array(ends or ((0, 255),), dtype=np.uint8).T
    if any(cut):
        pixels, planes = (np.pad(part, padding, mode="edge") for part in (pixels, planes))
    return Source(pixels, planes, is_inside, (lowest, highest))


def to_pixels(planes: Pixels) -> Pixels:
    """Return (H, W, 3) RGB of (H, W, 3) planes or of (H, W, 1) luma."""
    return JFIF.to_rgb(planes) if planes.shape[2] == 3 else np.repeat(planes, 3, axis=2)


def given(components: Sequence[Sequence[Component]], sampling: Sampling, size: tuple[int, int]) -> Pixels:
    """Return the planes (H, W, 3) of a JPEG of (width, height), each component given as its bands."""
    width, height = size
    parts = [
        sampling_of(sampling, kind).up(np.concatenate([band.samples() for band in bands]), height, width)
        for kind, bands in enumerate(components)
    ]
    return full(np.stack(parts, axis=2))


def sampling_of(chroma: Sampling, kind: int) -> Sampling:
    """Return the sampling of a component."""
    return chroma if kind else SAMPLINGS[0]
