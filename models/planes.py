"""Training data for plane networks: luma and chroma as JPEG decoders and photo scans hand them to a conversion."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip.models.config import PLANES_PERIOD
from pixelzip.models.conversion import JFIF, PHOTO_CD
from pixelzip.models.data import Crops

Pixels = NDArray[np.uint8]

CHROMA_FULL, CHROMA_HALVED_ACROSS, CHROMA_HALVED = range(3)
"""Chroma resolutions of JPEG, as Pillow numbers them: 4:4:4, 4:2:2, 4:2:0."""

_CHROMA_SHARES: Final = (0.25, 0.15, 0.6)
_SCAN_SHARE: Final = 0.4
_REPLICATED_SHARE: Final = 0.15


class PlaneCrops(Crops):
    """Endless batches of crops of planes (luma, first chroma, second chroma), each crop at the origin of its grid.

    Images that lie on the JFIF lattice as they are give their own planes. All others are degraded as ``Crops`` does,
    then taken through a JPEG file or through what a Photo CD scan goes through.
    """

    def __init__(self, files: Sequence[Path], crop_size: int, batch_size: int, seed: int, skip: int = 0) -> None:
        super().__init__(files, crop_size, batch_size, seed, skip)
        self.on_lattice = [_is_on_lattice(image) for image in self.images]
        self.images = [
            JFIF.find_planes(image)[0] if on_lattice else image
            for image, on_lattice in zip(self.images, self.on_lattice, strict=True)
        ]

    def _draw(self, index: int, generator: np.random.Generator) -> Pixels:
        if self.on_lattice[index]:
            return self._aligned(self.images[index], generator)
        crop = self._photograph(self.images[index], generator)
        if generator.random() < _SCAN_SHARE:
            return scan_planes(crop, interpolated=generator.random() >= _REPLICATED_SHARE)
        subsampling = int(generator.choice(len(_CHROMA_SHARES), p=_CHROMA_SHARES))
        return jpeg_planes(crop, int(generator.integers(60, 99)), subsampling)

    def _aligned(self, planes: Pixels, generator: np.random.Generator) -> Pixels:
        """Cut a crop whose origin is a multiple of the period."""
        num_rows, num_columns = ((side - self.crop_size) // PLANES_PERIOD + 1 for side in planes.shape[:2])
        top, left = PLANES_PERIOD * generator.integers(num_rows), PLANES_PERIOD * generator.integers(num_columns)
        return planes[top : top + self.crop_size, left : left + self.crop_size]


def _is_on_lattice(pixels: Pixels) -> bool:
    some = pixels[::8, ::8]
    return len(JFIF.find_planes(some)[1]) < 0.01 * some.size / 3


def jpeg_planes(pixels: Pixels, quality: int, subsampling: int) -> Pixels:
    """Return the planes that a decoder gets from pixels stored as JPEG, chroma interpolated: (H, W, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(buffer) as image:
        image.draft("YCbCr", image.size)
        return np.asarray(image)


def scan_planes(pixels: Pixels, interpolated: bool) -> Pixels:
    """Return the Photo CD planes of pixels with even sides, chroma halved, then interpolated or repeated: (H, W, 3).

    Interpolation puts the samples at even positions and rounded means of their neighbours between them.
    """
    planes = PHOTO_CD.estimate(pixels.astype(np.float32)).round().clip(0, 255)
    height, width = pixels.shape[:2]
    halved = planes[..., 1:].reshape(height // 2, 2, width // 2, 2, 2).mean(axis=(1, 3)).round().astype(np.int32)
    next_row = np.concatenate((halved[1:], halved[-1:])) if interpolated else halved
    columns = [
        np.concatenate((rows[:, 1:], rows[:, -1:]), axis=1) if interpolated else rows for rows in (halved, next_row)
    ]
    chroma = np.empty((height, width, 2), dtype=np.int32)
    chroma[::2, ::2] = halved
    chroma[::2, 1::2] = (halved + columns[0] + 1) >> 1
    chroma[1::2, ::2] = (halved + next_row + 1) >> 1
    chroma[1::2, 1::2] = (halved + columns[0] + next_row + columns[1] + 2) >> 2
    return np.concatenate((planes[..., :1], chroma), axis=2).astype(np.uint8)
