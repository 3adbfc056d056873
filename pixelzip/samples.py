"""A part of stage 1: samples (H, W, C) <-> components, each (H, W, 1) or (H, W, 3) uint8. 16 bits are two components.

The first has the eight highest of the bits that colour or grey has in the image, so that it looks like the image
whether its samples have 10, 12 or 16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.image import Mode, Picture, Samples

SIGNIFICANT_BITS: Final = range(8, 17)
"""Bits that colour or grey may have in a 16-bit mode; bits above are zero. Alpha always has 16."""


def significant_bits(picture: Picture) -> int:
    """Return how many bits the largest colour or grey sample of a 16-bit mode has, one of SIGNIFICANT_BITS; else 16."""
    if picture.mode.bit_depth == 8:
        return SIGNIFICANT_BITS[-1]
    colours = picture.samples[..., : picture.mode.component_channels[0]]
    return max(SIGNIFICANT_BITS[0], int(colours.max()).bit_length())


def split(picture: Picture, num_bits: int) -> list[NDArray[np.uint8]]:
    """Split samples into components, in the order of ``Mode.component_channels``; ``num_bits`` are significant."""
    samples, channels = picture.samples, picture.mode.component_channels
    if picture.mode.bit_depth == 8:
        return _parts(samples.astype(np.uint8, copy=False), channels)
    shifts = _shifts(picture.mode, num_bits)
    high, low = samples >> shifts, samples & ((np.uint16(1) << shifts) - np.uint16(1))
    half = channels[: len(channels) // 2]
    return _parts(high.astype(np.uint8), half) + _parts(low.astype(np.uint8), half)


def join(mode: Mode, components: Sequence[NDArray[np.uint8]], num_bits: int) -> Samples:
    """Undo ``split``."""
    if mode.bit_depth == 8:
        return components[0] if len(components) == 1 else np.concatenate(components, axis=2)
    half, shifts = len(components) // 2, _shifts(mode, num_bits)
    high, low = (np.concatenate(part, axis=2).astype(np.uint16) for part in (components[:half], components[half:]))
    return (high << shifts) | (low & ((np.uint16(1) << shifts) - np.uint16(1)))


def _parts(samples: NDArray[np.uint8], channels: Sequence[int]) -> list[NDArray[np.uint8]]:
    if len(channels) == 1:
        return [np.ascontiguousarray(samples)]
    bounds = np.cumsum(channels)[:-1].tolist()
    return [np.ascontiguousarray(part) for part in np.split(samples, bounds, axis=2)]


def _shifts(mode: Mode, num_bits: int) -> NDArray[np.uint16]:
    """Return how many low bits of each channel are in its second component, (channels,)."""
    num_colours = mode.component_channels[0]
    low_bits = [num_bits - 8] * num_colours + [8] * (mode.num_channels - num_colours)
    return np.array(low_bits, dtype=np.uint16)
