"""What the cone family sees of an image, in floats: pixels -> inputs of the first layer. Mirrors pixelzip/inputs.py."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.models.config import CONTEXT, POSITION_STEP

FEATURE_STEPS: Final = 16
"""One unit of the first layer's float input is 16 levels of difference."""

_PAD_LEFT, _PAD_RIGHT, _PAD_TOP = 4, 3, 3


def features(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Describe the causal surroundings of every pixel.

    Args:
        pixels: (batch, 3, H, W) float, whole numbers in 0..255.

    Returns:
        (batch, NUM_FEATURES, H, W) float, whole numbers in -128..127, and the median edge predictor's guess for each
        pixel, (batch, 3, H, W) float, 0..255. A tap outside the image repeats the reference pixel, which is west,
        else north, else 128.
    """
    present = torch.ones_like(pixels[:1, :1])  # (1, 1, H, W)
    reference = _reference(pixels)  # (batch, 3, H, W)

    def difference(row: int, column: int) -> Tensor:
        return (_shifted(pixels, row, column) - reference) * _shifted(present, row, column)

    north, northwest = difference(-1, 0), difference(-1, -1)
    edge = median_edge_offset(north, northwest)
    taps = [difference(row, column) for row, column in CONTEXT]
    stacked = torch.cat([*taps, edge, reference - 128], dim=1)  # (batch, NUM_FEATURES, H, W)
    return stacked.clamp(-127, 127), reference + edge


def positions(height: int, width: int, period: int) -> Tensor:
    """Return the position inputs, (2 * period, height, width) float: one-hot row, then one-hot column."""
    one_hot = POSITION_STEP * torch.eye(period)
    rows = one_hot[:, torch.arange(height) % period, None].expand(period, height, width)
    columns = one_hot[:, None, torch.arange(width) % period].expand(period, height, width)
    return torch.cat([rows, columns])


def median_edge_offset(north: Tensor, northwest: Tensor) -> Tensor:
    """Return the median edge prediction minus west, given north and north-west minus west.

    Weinberger, Seroussi, Sapiro, "The LOCO-I lossless image compression algorithm" (2000), section III-A.
    """
    low, high = north.clamp(max=0), north.clamp(min=0)
    return torch.minimum(torch.maximum(north - northwest, low), high)


def _reference(pixels: Tensor) -> Tensor:
    west = functional.pad(pixels[..., :-1], (1, 0))
    west[..., 0] = functional.pad(pixels[..., :-1, 0], (1, 0), value=128.0)
    return west


def _shifted(pixels: Tensor, row: int, column: int) -> Tensor:
    height, width = pixels.shape[-2:]
    padded = functional.pad(pixels, (_PAD_LEFT, _PAD_RIGHT, _PAD_TOP, 0))
    top, left = _PAD_TOP + row, _PAD_LEFT + column
    return padded[..., top : top + height, left : left + width]
