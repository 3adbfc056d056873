"""What the extension does for drawings: bands of rows."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelzip import native

with contextlib.suppress(ImportError):  # then there are no instruction sets
    from pixelzip import _native


def is_there() -> bool:
    """Return whether the extension is."""
    return bool(native.INSTRUCTION_SETS)


def encode(pixels: NDArray[np.uint32], num_channels: int, curves: tuple[Any, ...], limit: int) -> bytes | None:
    """Return the stream of packed pixels (H, W), None if it would take more than ``limit`` bytes."""
    shape = *pixels.shape, num_channels
    return _native.encode_drawing(np.ascontiguousarray(pixels), shape, tuple(curves), limit)


def decode(
    stream: bytes, pixels: NDArray[np.uint32], num_channels: int, curves: tuple[Any, ...]
) -> tuple[int, int, int]:
    """Write packed pixels (H, W), which are contiguous; return what ``pixelzip.drawing.bits.is_whole`` asks for."""
    return _native.decode_drawing(pixels, (*pixels.shape, num_channels), tuple(curves), stream)
