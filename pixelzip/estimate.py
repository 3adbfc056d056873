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
    in the share of the pixels that differ: as if pixels whose colour occurs elsewhere in the image cost nothing.
    """
    height, width = images.shape[1:3]
    assert height * width <= MAX_PIXELS
    if min(height, width) < 2:
        return np.zeros(len(images))
    counted = native.estimates(images, _BITS_OF_COUNTS) if native.INSTRUCTION_SETS else _counted(images)
    bits, num_colours = counted.T  # (n,) each
    num_residuals = (height - 1) * (width - 1)
    scale = height * width / num_residuals / (8 << _LOG_BITS)
    result: NDArray[np.float64] = bits * scale * (num_colours / (height * width))
    return result


def _counted(images: Pixels) -> NDArray[np.int64]:
    """Return of n images (n, H, W, 3) the entropy of residuals, in 2^-16 bits, and the number of colours, (n, 2)."""
    size = max(1, _AT_ONCE // (images.shape[1] * images.shape[2]))
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    counted = [(_bits_of_residuals(part), _num_colours(part)) for part in parts]
    return np.concatenate([np.stack(pair, axis=1) for pair in counted])


def _bits_of_residuals(images: Pixels) -> NDArray[np.int64]:
    planes = np.ascontiguousarray(images.transpose(3, 0, 1, 2))  # (3, n, H, W)
    planes[[0, 2]] -= planes[1]
    above, left = planes[:, :, :-1, 1:], planes[:, :, 1:, :-1]
    mean = (above & left) + ((above ^ left) >> 1)
    residuals = (planes[:, :, 1:, 1:] - mean).reshape(3 * len(images), -1)
    rows = np.arange(len(residuals), dtype=np.int64)[:, None]
    counts = np.bincount((residuals + (rows << 8)).ravel(), minlength=len(residuals) << 8)
    bits = _BITS_OF_COUNTS[residuals.shape[1]] - _BITS_OF_COUNTS[counts].reshape(-1, 256).sum(axis=1)
    bits_of_all: NDArray[np.int64] = bits.reshape(3, -1).sum(axis=0)
    return bits_of_all


def _num_colours(images: Pixels) -> NDArray[np.int64]:
    red, green, blue = images.reshape(len(images), -1, 3).astype(np.uint32).transpose(2, 0, 1)
    colours = np.sort(red << 16 | green << 8 | blue, axis=1)
    num_colours: NDArray[np.int64] = 1 + (colours[:, 1:] != colours[:, :-1]).sum(axis=1, dtype=np.int64)
    return num_colours
