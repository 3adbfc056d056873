"""Whether a .pxz file holds an image: asked before it is written, and of outputs that are there already."""

from __future__ import annotations

from typing import Any

import numpy as np

import pixelzip
from pixelzip import image as images
from pixelzip.cli.files import FileError
from pixelzip.codec import ImageOrArray


def holds_pixels(data: bytes, image: ImageOrArray, decoding: dict[str, Any]) -> bool:
    """Decode ``data``, with arguments of ``pixelzip.decompress_array``, and compare every sample.

    Raises:
        PixelzipError: the file cannot be decoded.
        FileError: the image is damaged.
    """
    decoded = pixelzip.decompress_array(data, **decoding)
    try:
        original = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise FileError(f"the image is damaged: {error}") from error
    return np.array_equal(decoded, original[..., 0] if original.shape[2:] == (1,) else original)


def holds_image(data: bytes, image: ImageOrArray, strip: bool, decoding: dict[str, Any]) -> bool:
    """Compare mode, metadata (those that ``strip`` leaves), palette and every sample; errors as ``holds_pixels``."""
    if not holds_pixels(data, image, decoding):
        return False
    held, wanted = pixelzip.info(data, decoding["max_pixels"]), images.read(image)
    kept = [block for block in wanted.blocks if not strip or block[0] not in images.STRIPPABLE]
    if (held.mode, held.metadata) != (wanted.mode.name, images.describe(kept)):
        return False
    if isinstance(image, np.ndarray) or image.mode != "P":
        return True
    return pixelzip.decompress(data, **decoding).convert("RGBA").tobytes() == image.convert("RGBA").tobytes()
