"""Pixels of an image that may have come out of a JPEG -> planes in that JPEG's grid. The encoder's part, but for grey."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import lattice
from pixelzip.models.conversion import JFIF, differ

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_STEP: Final = 16
"""Rows and columns between pixels that are looked at before all are."""


@dataclass(frozen=True, eq=False)
class Source:
    """Pixels (H, W, 3), planes (H, W, C), and where they are of account, (H, W)."""

    pixels: Pixels
    planes: Pixels
    is_inside: Mask

    def part(self, rows: slice, columns: slice) -> Source:
        """Return what there is in some rows and columns."""
        return Source(self.pixels[rows, columns], self.planes[rows, columns], self.is_inside[rows, columns])

    @functools.cached_property
    def is_known(self) -> Mask:
        """Where no channel has been clamped, (H, W)."""
        is_clamped = (self.pixels == 0) | (self.pixels == 255)
        known: Mask = self.is_inside & ~(is_clamped[..., 0] | is_clamped[..., 1] | is_clamped[..., 2])
        return known

    def num_wrong(self, planes: Pixels) -> int:
        """Return how many pixels are not what planes give."""
        return int(np.count_nonzero(differ(_to_pixels(planes), self.pixels) & self.is_inside))


def find(samples: Pixels) -> tuple[Pixels | None, tuple[int, int]]:
    """Return the planes (H, W, C) of (H, W, C) samples on the lattice of JPEG, and where in its grid they start.

    Those of a grey image are known.
    """
    if _is_grey(samples[::_STEP, ::_STEP]) and _is_grey(samples):
        grey = samples[..., :1]
        origin = (0, 0) if lattice.has_blocks(grey[..., 0]) else lattice.find_origin(grey)
        return grey if samples.shape[2] == 1 else full(grey), origin
    found = lattice.find(samples, (JFIF,))
    return (found[1], found[0].origin) if found else (None, (0, 0))


def _is_grey(samples: Pixels) -> bool:
    return bool((samples == samples[..., :1]).all())


def full(planes: Pixels) -> Pixels:
    """Give luma alone the chroma of greys."""
    if planes.shape[2] == 3:
        return planes
    return np.concatenate((planes, np.full((*planes.shape[:2], 2), 128, dtype=np.uint8)), axis=2)


def cuts(origin: tuple[int, int]) -> list[tuple[int, int]]:
    """Return how many rows and columns may have been cut off, likeliest first: only chroma tells 8 from none."""
    half = lattice.GRID // 2
    halves = [(down, right) for down in (0, half) for right in (0, half)]
    return [((origin[0] + down) % lattice.GRID, (origin[1] + right) % lattice.GRID) for down, right in halves]


def before(samples: Pixels, cut: tuple[int, int]) -> Pixels:
    """Add the rows and columns that were cut off (H, W, C) samples; what is in them is of no account."""
    return np.pad(samples, [(cut[0], 0), (cut[1], 0), (0, 0)], mode="edge") if any(cut) else samples


def _to_pixels(planes: Pixels) -> Pixels:
    """Return (H, W, 3) RGB of (H, W, 3) planes or of (H, W, 1) luma."""
    return JFIF.to_rgb(planes) if planes.shape[2] == 3 else np.repeat(planes, 3, axis=2)
