"""Many small images -> about how many bytes WebP would take for each at best, without asking it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import native

Pixels = NDArray[np.uint8]

MAX_PIXELS: Final = 64 * 64
"""In larger images WebP gains more by changing predictors and codes from place to place."""

_AT_ONCE: Final = 2**15
"""Pixels, about, of the images that are estimated together: what is made of them stays in a cache."""

_LOG_BITS: Final = 16
_BITS_OF_COUNTS: Final = np.array(
    [0, *np.rint(np.arange(1, MAX_PIXELS + 1) * np.log2(np.arange(1, MAX_PIXELS + 1)) * 2**_LOG_BITS)], dtype=np.int64
)
"""n * log2(n), in 2^-16 bits, of counts n from 0 on."""


def webp_bytes(images: Pixels) -> NDArray[np.float64]:
    """Return (n,) bytes, seldom more than WebP takes at full effort, of images (n, H, W, 3).

    It is the entropy of what the mean of the left and the upper neighbour leaves, green subtracted from red and blue,
    of new pixels, which differ from both, in the share of these that have different colours: as if those whose colour
    occurs elsewhere cost nothing. To it comes what tells which pixels are new.
    """
    height, width = images.shape[1:3]
    assert height * width <= MAX_PIXELS
    if min(height, width) < 2:
        return np.zeros(len(images))
    counted = native.estimates(images, _BITS_OF_COUNTS) if native.INSTRUCTION_SETS else _counted(images)
    residual_bits, place_bits, num_new, num_colours = counted.T  # (n,) each
    num_residuals = (height - 1) * (width - 1)
    scale = height * width / num_residuals / (8 << _LOG_BITS)
    result: NDArray[np.float64] = (residual_bits * (num_colours / num_new) + place_bits) * scale
    return result


def _counted(images: Pixels) -> NDArray[np.int64]:
    """Return (n, 4) of n images (n, H, W, 3): entropies of new pixels' residuals and of where they are, both in 2^-16
    bits, how many there are, and how many colours they have.
    """
    size = max(1, _AT_ONCE // (images.shape[1] * images.shape[2]))
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([_counted_at_once(part) for part in parts])


def _counted_at_once(images: Pixels) -> NDArray[np.int64]:
    are_new = np.ones(images.shape[:3], dtype=np.bool_)
    left, above = images[:, 1:, :-1], images[:, :-1, 1:]
    are_new[:, 1:, 1:] = (images[:, 1:, 1:] != left).any(axis=3) & (images[:, 1:, 1:] != above).any(axis=3)
    inside = are_new[:, 1:, 1:].reshape(len(images), -1)
    num_new, num_inside = inside.sum(axis=1), inside.shape[1]
    place_bits = _BITS_OF_COUNTS[num_inside] - _BITS_OF_COUNTS[num_new] - _BITS_OF_COUNTS[num_inside - num_new]
    fields = _bits_of_residuals(images, inside), place_bits, are_new.sum(axis=(1, 2)), _num_colours(images, are_new)
    return np.stack(fields, axis=1)


def _bits_of_residuals(images: Pixels, are_new: NDArray[np.bool_]) -> NDArray[np.int64]:
    planes = np.ascontiguousarray(images.transpose(3, 0, 1, 2))  # (3, n, H, W)
    planes[[0, 2]] -= planes[1]
    above, left = planes[:, :, :-1, 1:], planes[:, :, 1:, :-1]
    mean = (above & left) + ((above ^ left) >> 1)
    residuals = (planes[:, :, 1:, 1:] - mean).reshape(3, len(images), -1)
    rows = np.arange(3 * len(images), dtype=np.int64).reshape(3, -1, 1)
    counts = np.bincount((residuals + (rows << 8))[:, are_new].ravel(), minlength=rows.size << 8)
    of_levels = _BITS_OF_COUNTS[counts].reshape(3, len(images), 256).sum(axis=(0, 2))
    bits: NDArray[np.int64] = 3 * _BITS_OF_COUNTS[are_new.sum(axis=1)] - of_levels
    return bits


def _num_colours(images: Pixels, are_new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (n,) how many different colours new pixels have; the first pixel is one."""
    red, green, blue = images.reshape(len(images), -1, 3).astype(np.uint32).transpose(2, 0, 1)
    colours = red << 16 | green << 8 | blue  # (n, pixels)
    colours = np.sort(np.where(are_new.reshape(colours.shape), colours, colours[:, :1]), axis=1)
    num_colours: NDArray[np.int64] = 1 + (colours[:, 1:] != colours[:, :-1]).sum(axis=1, dtype=np.int64)
    return num_colours
