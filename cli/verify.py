"""Whether a .pxz file holds an image: asked before it is written, and of outputs that are there already."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import pixelzip
from pixelzip import image as images
from pixelzip.image import Picture
from pixelzip.jpeg import keeping
from pixelzip.networks import find_coefficients

KEEPS_JPEG: Final = "jpeg-file"
"""The body of files that keep a JPEG file."""


def check(data: bytes, decoding: dict[str, Any]) -> None:
    """Decode all that a file holds: pixels, metadata, and the JPEG file if it keeps one; raises PixelzipError."""
    if pixelzip.info(data, decoding["max_pixels"]).body == KEEPS_JPEG:
        keeping.restore(data, find_coefficients, decoding["max_pixels"], decoding["num_threads"], checks_pixels=True)
    else:
        pixelzip.decompress_array(data, **decoding)


def restored_jpeg(data: bytes, decoding: dict[str, Any]) -> bytes:
    """Return the JPEG file that ``data`` keep; raises PixelzipError."""
    return pixelzip.decompress_jpeg(data, num_threads=decoding["num_threads"], max_pixels=decoding["max_pixels"])


def holds(data: bytes, picture: Picture, strip: bool, decoding: dict[str, Any]) -> bool:
    """Decode ``data`` and compare the JPEG file, unless ``strip`` left it out, or every sample.

    Raises:
        PixelzipError: the file cannot be decoded.
    """
    if picture.jpeg is not None and not strip:
        return restored_jpeg(data, decoding) == picture.jpeg
    return holds_pixels(data, picture, decoding)


def holds_pixels(data: bytes, picture: Picture, decoding: dict[str, Any]) -> bool:
    """Decode ``data``, with arguments of ``pixelzip.decompress_array``, and compare every sample.

    Raises:
        PixelzipError: the file cannot be decoded.
    """
    return np.array_equal(pixelzip.decompress_array(data, **decoding), images.to_array(picture))


def holds_image(data: bytes, picture: Picture, strip: bool, decoding: dict[str, Any]) -> bool:
    """Compare the JPEG file if one is kept, else mode, metadata (but what ``strip`` leaves out), palette and samples.

    Raises:
        PixelzipError: the file cannot be decoded.
    """
    held = pixelzip.info(data, decoding["max_pixels"])
    if held.body == KEEPS_JPEG and not strip:
        return restored_jpeg(data, decoding) == picture.jpeg
    if not holds_pixels(data, picture, decoding):
        return False
    kept = [block for block in picture.blocks if not strip or block[0] not in images.STRIPPABLE]
    if (held.mode, held.metadata) != (picture.mode.name, images.describe(kept)):
        return False
    if picture.mode.name != "P":
        return True
    original = images.to_pillow(picture)
    return pixelzip.decompress(data, **decoding).convert("RGBA").tobytes() == original.convert("RGBA").tobytes()
