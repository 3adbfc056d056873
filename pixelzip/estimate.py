"""Many small images -> about how many bytes WebP would take for each at best, without asking it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

MAX_PIXELS: Final = 64 * 64
"""In larger images WebP gains more by changing predictors and codes from place to place."""

_AT_ONCE: Final = 2**15
"""Pixels, about, of the images that are estimated together: what is made of them stays in a cache."""

_LOG_BITS: Final = 16
_BITS_OF_COUNTS: Final = np.array(
    [0, *np.rint(np.arange(1, MAX_PIXELS + 1) * np.log2(np.arange(1, MAX_PIXELS + 1)) * 2**_LOG_BITS)], dtype=np.int64
)
"""n * log2(n), in 2^-16."""


def webp_bytes(images: Sequence[Pixels]) -> NDArray[np.float64]:
    """Return (n,) bytes, seldom more than WebP takes at full effort, of n images (H, W, 3) of one shape.

    It is the entropy of what the mean of the left and the upper neighbour leaves, green subtracted from red and blue,
    in the share of the pixels that differ: as if pixels whose colour occurs elsewhere in the image cost nothing.
    """
    height, width = images[0].shape[:2]
    assert height * width <= MAX_PIXELS
    if min(height, width) < 2:
        return np.zeros(len(images))
    size = max(1, _AT_ONCE // (height * width))
    parts = (np.stack(images[start : start + size]) for start in range(0, len(images), size))
    return np.concatenate([_residual_bytes(part) * _share_of_colours(part) for part in parts])


def _residual_bytes(images: Pixels) -> NDArray[np.float64]:
    planes = np.ascontiguousarray(images.transpose(3, 0, 1, 2))  # (3, n, H, W)
    planes[[0, 2]] -= planes[1]
    above, left = planes[:, :, :-1, 1:], planes[:, :, 1:, :-1]
    mean = (above & left) + ((above ^ left) >> 1)
    residuals = (planes[:, :, 1:, 1:] - mean).reshape(3 * len(images), -1)
    rows = np.arange(len(residuals), dtype=np.int64)[:, None]
    counts = np.bincount((residuals + (rows << 8)).ravel(), minlength=len(residuals) << 8)
    bits = _BITS_OF_COUNTS[residuals.shape[1]] - _BITS_OF_COUNTS[counts].reshape(-1, 256).sum(axis=1)
    scale = images.shape[1] * images.shape[2] / residuals.shape[1] / (8 << _LOG_BITS)
    bytes_of_all: NDArray[np.float64] = bits.reshape(3, -1).sum(axis=0) * scale
    return bytes_of_all


def _share_of_colours(images: Pixels) -> NDArray[np.float64]:
    red, green, blue = images.reshape(len(images), -1, 3).astype(np.uint32).transpose(2, 0, 1)
    colours = np.sort(red << 16 | green << 8 | blue, axis=1)
    num_colours = 1 + (colours[:, 1:] != colours[:, :-1]).sum(axis=1)
    share: NDArray[np.float64] = num_colours / colours.shape[1]
    return share
