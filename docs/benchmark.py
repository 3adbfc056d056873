"""Real bytes and speed of pixelzip and its peers on a folder of images, every image decoded and compared.

    python docs/benchmark.py FOLDER --effort 7
    python docs/benchmark.py FOLDER --effort 9 --held-out 40 --jpeg 90

The second takes the 40 images that training holds out, each through a JPEG file of quality 90, 4:2:0, first.

Bits are the mean over images of 8 * bytes / sub-pixels; speeds are medians over images, after one warm-up.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray

import pixelzip
from pixelzip import models
from pixelzip.models.conversion import JFIF
from pixelzip.models.data import find_images, load_rgb, split_held_out
from pixelzip.models.planes import CHROMA_HALVED, jpeg_planes

Pixels = NDArray[np.uint8]
Codec = tuple[Callable[[Pixels], bytes], Callable[[bytes], Pixels]]


def codecs(efforts: Sequence[int]) -> dict[str, Codec]:
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
    alone = str(models.find("photo").path)
    return {
        **peers,
        "pixelzip photo, without lattices": (lambda image: pixelzip.compress(image, alone), pixelzip.decompress_array),
        "pixelzip photo": (pixelzip.compress, pixelzip.decompress_array),
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--effort", "efforts", multiple=True, type=int, default=[7], show_default=True, help="Of JPEG XL.")
@click.option("--held-out", "num_held_out", type=int, help="Only the images that training holds out.")
@click.option("--jpeg", "quality", type=int, help="Take every image through JPEG first.")
def main(folder: Path, efforts: tuple[int, ...], num_held_out: int | None, quality: int | None) -> None:
    """Print one row per codec for the images in FOLDER."""
    files = find_images([folder])
    if num_held_out is not None:
        files = split_held_out(files, num_held_out)[1]
    images = [load_rgb(path) for path in files]
    if quality is not None:
        images = [JFIF.to_rgb(jpeg_planes(image, quality, CHROMA_HALVED)) for image in images]
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
    main()
