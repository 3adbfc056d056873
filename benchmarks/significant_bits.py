"""Images of more than 8 bits against JPEG XL and PNG: every file is decoded and compared.

    python benchmarks/significant_bits.py FOLDER

The images, 8-bit RGB, are reduced by half in linear light, which gives them more bits, and rounded to each of DEPTHS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pixelzip

DEPTHS = (
    ("RGB", 10, "sRGB"),
    ("RGB", 12, "linear"),
    ("RGB", 14, "linear"),
    ("RGB", 16, "sRGB"),
    ("grey", 12, "linear"),
)
LUMINANCE = (0.2126, 0.7152, 0.0722)

Light = NDArray[np.float64]
Samples = NDArray[np.uint16]


def reduced(path: Path) -> Light:
    """Return an image at half its size, (H, W, 3) in linear light, 0..1 (IEC 61966-2-1 undone)."""
    values = np.asarray(Image.open(path).convert("RGB")) / 255
    light: Light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    height, width = light.shape[0] // 2, light.shape[1] // 2
    means: Light = light[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    return means


def rounded(light: Light, colours: str, num_bits: int, curve: str) -> Samples:
    """Return samples (H, W, 3) or (H, W) of so many bits."""
    values = light @ np.array(LUMINANCE) if colours == "grey" else light
    if curve == "sRGB":
        values = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    samples: Samples = np.rint(values * (2**num_bits - 1)).astype(np.uint16)
    return samples


def sizes(samples: Samples) -> Iterator[int]:
    """Yield the bytes of pixelzip, JPEG XL -e 7 and -e 9, and PNG."""
    data = pixelzip.compress(samples)
    assert np.array_equal(pixelzip.decompress_array(data), samples)
    yield len(data)
    for effort in (7, 9):
        yield len(imagecodecs.jpegxl_encode(samples, effort=effort, lossless=True))
    yield len(imagecodecs.png_encode(samples, 9))


def main(folder: Path) -> None:
    """Print a table of bits/sub-pixel, means of the images."""
    images = [reduced(path) for path in sorted(folder.glob("*.png"))]
    print("| | pixelzip | JPEG XL -e 7 | -e 9 | PNG |\n|---|---|---|---|---|")
    for depth in DEPTHS:
        every = [rounded(light, *depth) for light in images]
        bits = np.mean([[8 * size / samples.size for size in sizes(samples)] for samples in every], axis=0)
        print(
            f"| {depth[0]}, {depth[1]} bits, {depth[2]} | " + " | ".join(f"{value:.3f}" for value in bits) + " |",
            flush=True,
        )


main(Path(sys.argv[1]))
