"""Images that were JPEGs once: bits of the JPEG, of JPEG XL's recompression of that file, of lossless codecs on pixels.

    python benchmarks/jpeg.py FOLDER

Every photograph of the folder is written as JPEG by Pillow, chroma halved, Huffman codes optimised. Every pixelzip file
is decoded and compared. Needs pip install pixelzip[bench].
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
from PIL import Image

import pixelzip
from pixelzip.models.data import find_images, load_rgb

QUALITIES: Final = (60, 75, 85, 90, 95)


def measure(path: Path, quality: int) -> Iterator[tuple[str, float]]:
    """Yield names and figures: bits/sub-pixel, whether the JPEG was found, kpixel/s in and out."""
    buffer = io.BytesIO()
    Image.fromarray(load_rgb(path)).save(buffer, "JPEG", quality=quality, optimize=True)
    jpeg = buffer.getvalue()
    with Image.open(buffer) as image:
        pixels = np.asarray(image)
    started = time.perf_counter()
    data = pixelzip.compress(pixels)
    compressed = time.perf_counter()
    restored = pixelzip.decompress_array(data)
    finished = time.perf_counter()
    if not np.array_equal(restored, pixels):
        raise SystemExit(f"{path}: other pixels at quality {quality}")
    sizes = {
        "JPEG": jpeg,
        "JPEG XL of the file": imagecodecs.jpegxl_encode_jpeg(jpeg),
        "JPEG XL, -e 7": imagecodecs.jpegxl_encode(pixels, lossless=True, effort=7),
        "pixelzip": data,
    }
    yield from ((name, 8 * len(file) / pixels.size) for name, file in sizes.items())
    yield "found", pixelzip.info(data).body == "jpeg"
    yield "in", pixels.size / 3e3 / (compressed - started)
    yield "out", pixels.size / 3e3 / (finished - compressed)


def main() -> None:
    """Print a table: means of bits, medians of speeds."""
    files = find_images([Path(name) for name in sys.argv[1:]])
    print(
        "| quality | JPEG | JPEG XL of the file | JPEG XL, -e 7 | pixelzip | found | kpixel/s in | out |\n"
        + 8 * "|---"
        + "|"
    )
    for quality in QUALITIES:
        rows = [dict(measure(path, quality)) for path in files]
        bits = [statistics.mean(row[name] for row in rows) for name in list(rows[0])[:4]]
        speeds = [statistics.median(row[name] for row in rows) for name in ("in", "out")]
        found = sum(row["found"] for row in rows)
        cells = [str(quality), *(f"{value:.3f}" for value in bits), f"{found:.0f} of {len(rows)}"]
        print("| " + " | ".join([*cells, *(f"{speed:,.0f}" for speed in speeds)]) + " |", flush=True)


if __name__ == "__main__":
    main()
