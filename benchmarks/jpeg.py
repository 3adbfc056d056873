"""JPEG files, and images that were JPEGs once: bits and speed beside JPEG XL, which recompresses JPEGs, too.

    python benchmarks/jpeg.py FOLDER

Every photograph of the folder is written as JPEG by Pillow, chroma halved, Huffman codes optimised. Every pixelzip file
is decoded and compared, with the JPEG file or with its pixels. Needs pip install pixelzip[bench].
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import imagecodecs
import numpy as np
from PIL import Image

import pixelzip
from pixelzip.models.data import find_images, load_rgb

Result = TypeVar("Result")

QUALITIES: Final = (60, 75, 85, 90, 95)
BITS: Final = (
    "JPEG",
    "JPEG XL of the file",
    "pixelzip of the file",
    "JPEG XL of the pixels, -e 7",
    "pixelzip of the pixels",
)
SPEEDS: Final = ("file in", "file out", "pixels in", "pixels out", "JPEG XL file in", "JPEG XL file out")


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return a result and the seconds it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def measure(path: Path, quality: int) -> Iterator[tuple[str, float]]:
    """Yield names and figures: bits/sub-pixel, whether the JPEG was found in its pixels, kpixel/s."""
    buffer = io.BytesIO()
    Image.fromarray(load_rgb(path)).save(buffer, "JPEG", quality=quality, optimize=True)
    jpeg = buffer.getvalue()
    with Image.open(buffer) as image:
        pixels = np.asarray(image)
    kept, file_in = timed(lambda: pixelzip.compress(jpeg))
    restored, file_out = timed(lambda: pixelzip.decompress_jpeg(kept))
    data, pixels_in = timed(lambda: pixelzip.compress(pixels))
    decoded, pixels_out = timed(lambda: pixelzip.decompress_array(data))
    peer, peer_in = timed(lambda: imagecodecs.jpegxl_encode_jpeg(jpeg))
    again, peer_out = timed(lambda: imagecodecs.jpegxl_decode_jpeg(peer))
    if restored != jpeg or again != jpeg or not np.array_equal(decoded, pixels):
        raise SystemExit(f"{path}: something else came back at quality {quality}")
    files = jpeg, peer, kept, imagecodecs.jpegxl_encode(pixels, lossless=True, effort=7), data
    yield from ((name, 8 * len(file) / pixels.size) for name, file in zip(BITS, files, strict=True))
    yield "found", pixelzip.info(data).body == "jpeg"
    seconds = file_in, file_out, pixels_in, pixels_out, peer_in, peer_out
    yield from ((name, pixels.size / 3e3 / each) for name, each in zip(SPEEDS, seconds, strict=True))


def main() -> None:
    """Print a table of bits, means, and one of speeds, medians."""
    files = find_images([Path(name) for name in sys.argv[1:]])
    bits, speeds = ([f"| quality | {' | '.join(names)} |"] for names in ((*BITS, "found"), SPEEDS))
    for quality in QUALITIES:
        rows = [dict(measure(path, quality)) for path in files]
        means = [f"{statistics.mean(row[name] for row in rows):.3f}" for name in BITS]
        medians = [f"{statistics.median(row[name] for row in rows):,.0f}" for name in SPEEDS]
        found = f"{sum(row['found'] for row in rows):.0f} of {len(rows)}"
        bits.append("| " + " | ".join([str(quality), *means, found]) + " |")
        speeds.append("| " + " | ".join([str(quality), *medians]) + " |")
        print(bits[-1], speeds[-1], file=sys.stderr, flush=True)
    for table in (bits, speeds):
        print("\n".join([table[0], table[0].count(" |") * "|---" + "|", *table[1:]]), end="\n\n")


if __name__ == "__main__":
    main()
