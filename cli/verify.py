"""Whether a .pxz file holds an image: asked before it is written, and of outputs that are there already."""

from __future__ import annotations

from typing import Any

import numpy as np

import pixelzip
from pixelzip import image as images
from pixelzip.image import Picture


def holds_pixels(data: bytes, picture: Picture, decoding: dict[str, Any]) -> bool:
    """Decode ``data``, with arguments of ``pixelzip.decompress_array``, and compare every sample.

    Raises:
        PixelzipError: the file cannot be decoded.
    """
    return np.array_equal(pixelzip.decompress_array(data, **decoding), images.to_array(picture))


def holds_image(data: bytes, picture: Picture, strip: bool, decoding: dict[str, Any]) -> bool:
    """Compare mode, metadata (those that ``strip`` leaves), palette and every sample; errors as ``holds_pixels``."""
    if not holds_pixels(data, picture, decoding):
        return False
    held = pixelzip.info(data, decoding["max_pixels"])
    kept = [block for block in picture.blocks if not strip or block[0] not in images.STRIPPABLE]
    if (held.mode, held.metadata) != (picture.mode.name, images.describe(kept)):
        return False
    if picture.mode.name != "P":
        return True
    original = images.to_pillow(picture)
    return pixelzip.decompress(data, **decoding).convert("RGBA").tobytes() == original.convert("RGBA").tobytes()
