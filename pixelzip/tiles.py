"""Stage 3 of 7: component (H, W, C) <-> tiles (h, w, C) in row-major order. Geometry only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import OutsideImage

SINGLE_TILE_PIXELS: Final = 2**16
"""Images of at most so many pixels are one tile, and their files do not say so."""

MAX_TILE_PIXELS: Final = 2**20
"""Bounds what a decoder must hold for one stream."""

_LEAST_LOG2: Final = 6

ORIENTATIONS: Final = range(8)
"""Ways round of a tile. Bits: mirrored left to right, then top to bottom, then rows and columns exchanged."""

MIRRORED, FLIPPED, EXCHANGED = 1, 2, 4


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels: a tile, or a part of an image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the rectangle in its image."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, the last two exclusive."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    def meet(self, other: Box) -> Box | None:
        """Return what both rectangles have in common, None when that is nothing."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - top
        width = min(self.left + self.width, other.left + other.width) - left
        return Box(top, left, height, width) if height > 0 and width > 0 else None

    def join(self, other: Box) -> Box:
        """Return the smallest rectangle that holds both."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom = max(self.top + self.height, other.top + other.height)
        return Box(top, left, bottom - top, max(self.left + self.width, other.left + other.width) - left)

    def seen_from(self, other: Box) -> Box:
        """Return the same rectangle, counted from the first pixel of another; ``top`` and ``left`` may be negative."""
        return Box(self.top - other.top, self.left - other.left, self.height, self.width)


@dataclass(frozen=True)
class Tiling:
    """How an image of ``width`` x ``height`` pixels is cut; both tile sides are powers of two from 64 on.

    A tile is what one thread decodes and what a region of an image costs at least; smaller ones cost more bits
    (docs/log.md).
    """

    width: int
    height: int
    tile_width: int = 512
    tile_height: int = 256

    @property
    def is_single(self) -> bool:
        """Whether the image is one tile by rule."""
        return self.width * self.height <= SINGLE_TILE_PIXELS

    @property
    def code(self) -> int:
        """One byte: logarithms of the tile's width (high nibble) and height (low nibble), less six."""
        return (self.tile_width.bit_length() - 1 - _LEAST_LOG2) << 4 | self.tile_height.bit_length() - 1 - _LEAST_LOG2

    @property
    def num_tiles(self) -> int:
        """Tiles of one component."""
        return 1 if self.is_single else -(-self.width // self.tile_width) * -(-self.height // self.tile_height)

    def boxes(self) -> Iterator[Box]:
        """Yield the tiles, row by row."""
        if self.is_single:
            yield Box(0, 0, self.height, self.width)
            return
        for top in range(0, self.height, self.tile_height):
            for left in range(0, self.width, self.tile_width):
                height, width = min(self.tile_height, self.height - top), min(self.tile_width, self.width - left)
                yield Box(top, left, height, width)


def from_crop(crop: tuple[int, int, int, int], width: int, height: int) -> Box:
    """Return the part (left, top, right, bottom) of an image; raises OutsideImage unless it has pixels, all inside."""
    left, top, right, bottom = crop
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        asked = f"({left}, {top}, {right}, {bottom})"
        raise OutsideImage(f"the crop (left, top, right, bottom) = {asked} is not inside {width}x{height} pixels")
    return Box(top, left, bottom - top, right - left)


def from_code(width: int, height: int, code: int) -> Tiling:
    """Undo ``Tiling.code``; raises ValueError when tiles are larger than MAX_TILE_PIXELS."""
    tile_width, tile_height = 1 << (code >> 4) + _LEAST_LOG2, 1 << (code & 15) + _LEAST_LOG2
    if tile_width * tile_height > MAX_TILE_PIXELS:
        raise ValueError(f"tiles of {tile_width}x{tile_height} pixels exceed {MAX_TILE_PIXELS} pixels")
    return Tiling(width, height, tile_width, tile_height)


def turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return a tile (h, w, C) another way round, (w, h, C) where rows and columns are exchanged."""
    if orientation & MIRRORED:
        pixels = pixels[:, ::-1]
    if orientation & FLIPPED:
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if orientation & EXCHANGED else pixels


def turned_back(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo ``turned``."""
    pixels = pixels.swapaxes(0, 1) if orientation & EXCHANGED else pixels
    return turned(pixels, orientation & (MIRRORED | FLIPPED))


def turned_size(box: Box, orientation: int) -> tuple[int, int]:
    """Return height and width of a tile another way round."""
    return (box.width, box.height) if orientation & EXCHANGED else (box.height, box.width)
