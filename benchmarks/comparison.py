"""What the benchmarks of drawings and pages share: other codecs, and measuring them beside pixelzip."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pixelzip

Pixels = NDArray[np.uint8]
Encode = Callable[[Pixels], bytes | bytearray]


def webp(pixels: Pixels) -> bytes:
    """Return a WebP, -m 6."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, exact=True, method=6, quality=100)
    return buffer.getvalue()


PEERS: dict[str, Encode] = {
    "PNG": lambda pixels: imagecodecs.png_encode(pixels, 9),
    "WebP": webp,
    "JPEG XL -e 7": lambda pixels: imagecodecs.jpegxl_encode(pixels, effort=7, lossless=True),
    "JPEG XL -e 9": lambda pixels: imagecodecs.jpegxl_encode(pixels, effort=9, lossless=True),
}


def measure(codecs: Mapping[str, Encode], pixels: Pixels) -> tuple[list[int], list[float]]:
    """Return the bytes of each codec, of which pixelzip is the last, and seconds, the last those of its decoder."""
    sizes, seconds, data = list[int](), list[float](), b""
    for encode in codecs.values():
        start = time.perf_counter()
        data = bytes(encode(pixels))
        seconds.append(time.perf_counter() - start)
        sizes.append(len(data))
    start = time.perf_counter()
    restored = pixelzip.decompress_array(data)
    seconds.append(time.perf_counter() - start)
    assert np.array_equal(restored, pixels)
    return sizes, seconds
