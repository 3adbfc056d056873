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

CHROMA_HALVED: Final = 2
"""Pillow's number for 4:2:0; 4:4:4 is 0 and 4:2:2 is 1."""

_CHROMA_SHARES: Final = (0.25, 0.15, 0.6)
"""Shares of 4:4:4, 4:2:2 and 4:2:0 among the JPEGs."""

_JPEG, _SCAN, _FRAME = range(3)
_SOURCE_SHARES: Final = (0.5, 0.35, 0.15)
"""Shares of JPEGs, scans and frames."""

_HELD_OUT_QUALITY: Final = 90
_LEAST_SHARE: Final = 0.93
"""Share of an image's pixels on the JFIF lattice from which it is taken to have been a JPEG."""


class PlaneCrops(Crops):
    """Endless batches of crops of planes (luma, first chroma, second chroma), each crop at the origin of its grid.

    Images that lie on the JFIF lattice as they are give their own planes. All others are degraded as ``Crops`` does,
    then taken through a JPEG file, a Photo CD scan or what stands for a frame of video.
    """

    def __init__(self, files: Sequence[Path], crop_size: int, batch_size: int, seed: int, skip: int = 0) -> None:
        super().__init__(files, crop_size, batch_size, seed, skip)
        self.on_lattice = [_is_on_lattice(image) for image in self.images]
        self.images = [
            JFIF.find_planes(image)[0] if on_lattice else image
            for image, on_lattice in zip(self.images, self.on_lattice, strict=True)
        ]

    @staticmethod
    def held_out(path: Path) -> Pixels:
        """Read what bits are measured on: ``Crops.held_out`` after JPEG of quality 90, 4:2:0."""
        return jpeg_planes(Crops.held_out(path)[0], _HELD_OUT_QUALITY, CHROMA_HALVED)[None]

    def _draw(self, index: int, generator: np.random.Generator) -> Pixels:
        if self.on_lattice[index]:
            return self._aligned(self.images[index], generator)
        crop = self._photograph(self.images[index], generator)
        source = generator.choice(len(_SOURCE_SHARES), p=_SOURCE_SHARES)
        if source == _SCAN:
            return scan_planes(crop)
        if source == _FRAME:
            return frame_planes(crop, int(generator.integers(40, 95)), is_full_range=bool(generator.integers(2)))
        subsampling = int(generator.choice(len(_CHROMA_SHARES), p=_CHROMA_SHARES))
        return jpeg_planes(crop, int(generator.integers(60, 99)), subsampling)

    def _aligned(self, planes: Pixels, generator: np.random.Generator) -> Pixels:
        """Cut a crop whose origin is a multiple of the period."""
        num_rows, num_columns = ((side - self.crop_size) // PLANES_PERIOD + 1 for side in planes.shape[:2])
        top, left = PLANES_PERIOD * generator.integers(num_rows), PLANES_PERIOD * generator.integers(num_columns)
        return planes[top : top + self.crop_size, left : left + self.crop_size]


def _is_on_lattice(pixels: Pixels) -> bool:
    return JFIF.share(pixels[::8, ::8].reshape(-1, 3)) > _LEAST_SHARE


def jpeg_planes(pixels: Pixels, quality: int, subsampling: int) -> Pixels:
    """Return the planes that a decoder gets from pixels stored as JPEG, chroma interpolated: (H, W, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(buffer) as image:
        image.draft("YCbCr", image.size)
        return np.asarray(image)


def scan_planes(pixels: Pixels) -> Pixels:
    """Return the Photo CD planes of pixels with even sides, chroma halved and interpolated: (H, W, 3).

    The halved samples stand at even positions, rounded means of their neighbours between them.
    """
    planes = PHOTO_CD.estimate(pixels.astype(np.float32)).round().clip(0, 255)
    halved = _halved(planes[..., 1:])
    below = np.concatenate((halved[1:], halved[-1:]))
    right, below_right = (np.concatenate((rows[:, 1:], rows[:, -1:]), axis=1) for rows in (halved, below))
    chroma = np.empty((*pixels.shape[:2], 2), dtype=np.int32)
    chroma[::2, ::2] = halved
    chroma[::2, 1::2] = (halved + right + 1) >> 1
    chroma[1::2, ::2] = (halved + below + 1) >> 1
    chroma[1::2, 1::2] = (halved + right + below + below_right + 2) >> 2
    return np.concatenate((planes[..., :1], chroma), axis=2).astype(np.uint8)


def frame_planes(pixels: Pixels, quality: int, is_full_range: bool) -> Pixels:
    """Return planes like those of video, for pixels with even sides: (H, W, 3).

    JPEG stands in for the video codec; chroma is halved and repeated; luma has 256 levels or those from 16 to 235.
    """
    planes = jpeg_planes(pixels, quality, CHROMA_HALVED).astype(np.float32)
    if not is_full_range:
        planes[..., 0] = 16 + planes[..., 0] * (219 / 255)
        planes[..., 1:] = 128 + (planes[..., 1:] - 128) * (224 / 255)
    planes[..., 1:] = _halved(planes[..., 1:]).repeat(2, axis=0).repeat(2, axis=1)
    return planes.round().astype(np.uint8)


def _halved(chroma: NDArray[np.float32]) -> NDArray[np.int32]:
    height, width = chroma.shape[:2]
    means: NDArray[np.float32] = chroma.reshape(height // 2, 2, width // 2, 2, 2).mean(axis=(1, 3))
    return means.round().astype(np.int32)
