"""Real bytes and speed of pixelzip and its peers on a folder of images, every image decoded and compared.

    python docs/benchmark.py FOLDER [JPEG-XL-EFFORT...]

Bits are the mean over images of 8 * bytes / sub-pixels; speeds are medians over images, after one warm-up.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray

import pixelzip
from pixelzip import models
from pixelzip.models.data import find_images, load_rgb

Pixels = NDArray[np.uint8]
Codec = tuple[Callable[[Pixels], bytes], Callable[[bytes], Pixels]]


def codecs(efforts: list[int]) -> dict[str, Codec]:
    """Return name -> (encode, decode)."""
    peers: dict[str, Codec] = {
        "PNG, level 9": (lambda image: imagecodecs.png_encode(image, level=9), imagecodecs.png_decode),
        "WebP lossless, -m 6": (
            lambda image: imagecodecs.webp_encode(image, lossless=True, level=100, method=6),
            imagecodecs.webp_decode,
        ),
    }
    for effort in efforts:
        peers[f"JPEG XL, -e {effort}"] = (
            lambda image, effort=effort: imagecodecs.jpegxl_encode(image, lossless=True, effort=effort, numthreads=2),
            lambda data: imagecodecs.jpegxl_decode(data, numthreads=2),
        )
    alone = str({entry.name: entry for entry in models.MODELS}["photo"].path)
    return {
        **peers,
        "pixelzip photo, without lattices": (lambda image: pixelzip.compress(image, alone), pixelzip.decompress_array),
        "pixelzip photo": (pixelzip.compress, pixelzip.decompress_array),
    }


def main(folder: Path, efforts: list[int]) -> None:
    """Print one row per codec."""
    images = [load_rgb(path) for path in find_images([folder])]
    versions = f"torch {torch.__version__}, {torch.get_num_threads()} threads, {imagecodecs.jpegxl_version()}"
    print(f"{len(images)} images, pixelzip {pixelzip.__version__}, {versions}\n")
    print("| codec | bits/sub-pixel | encode kpixel/s | decode kpixel/s |\n|---|---|---|---|")
    for name, (encode, decode) in codecs(efforts).items():
        decode(encode(images[0][:64, :64].copy()))
        rows = [measure(image, encode, decode) for image in images]
        bits, encoding, decoding = zip(*rows, strict=True)
        print(
            f"| {name} | {statistics.mean(bits):.3f} | {statistics.median(encoding):,.0f} "
            f"| {statistics.median(decoding):,.0f} |",
            flush=True,
        )


def measure(image: Pixels, encode: Callable[[Pixels], bytes], decode: Callable[[bytes], Pixels]) -> tuple[float, ...]:
    """Return bits/sub-pixel and the speed of both directions in kpixel/s; exit if a pixel differs."""
    started = time.perf_counter()
    data = encode(image)
    encoded = time.perf_counter()
    restored = decode(data)
    decoded = time.perf_counter()
    if not np.array_equal(restored, image):
        sys.exit("a decoded image differs")
    kpixels = image.shape[0] * image.shape[1] / 1e3
    return 8 * len(data) / image.size, kpixels / (encoded - started), kpixels / (decoded - encoded)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(effort) for effort in sys.argv[2:]] or [7])
