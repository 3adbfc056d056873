"""Time and memory of pixelzip against the number of pixels and threads, each measured in processes of their own.

    python benchmarks/scaling.py PHOTOGRAPH

Images are made of the photograph and its mirror images, so that all sizes are alike. Speeds are those of the functions,
after imports; memory is the most that a process held in all, with Python, libraries, the image and its file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import pixelzip

SIZES = ((32, 32), (128, 128), (768, 512), (2000, 1500), (6000, 4000), (10000, 10000))
"""Width and height."""

THREADS = (1, 2)


def main(photograph: str) -> None:
    """Print a table in Markdown."""
    print("| size | threads | compress kpixel/s | decompress kpixel/s | compress MB | decompress MB |")
    print("|---|---|---|---|---|---|")
    for size in SIZES:
        for threads in THREADS:
            with tempfile.TemporaryDirectory() as folder:
                file = f"{folder}/image.pxz"
                packed, unpacked = (run(way, photograph, file, *size, threads) for way in ("compress", "decompress"))
            cells = [packed["speed"], unpacked["speed"], packed["memory"], unpacked["memory"]]
            print(
                f"| {size[0]} x {size[1]} | {threads} |", " | ".join(f"{cell:,.0f}" for cell in cells), "|", flush=True
            )


def run(way: str, *arguments: object) -> dict[str, float]:
    """Measure one direction in a new process."""
    command = [sys.executable, __file__, way, *map(str, arguments)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return result


def measure(way: str, photograph: str, file: str, width: int, height: int, threads: int) -> dict[str, float]:
    """Return kpixel/s of one direction, small images repeated, and the most megabytes that this process held."""
    repeats = max(1, 2 * 10**6 // (width * height))
    if way == "compress":
        image = mirrored(np.asarray(Image.open(photograph).convert("RGB")), width, height)
        pixelzip.compress(image[:8, :8])
        started = time.perf_counter()
        for _ in range(repeats):
            data = pixelzip.compress(image, num_threads=threads)
        seconds = time.perf_counter() - started
        Path(file).write_bytes(data)
    else:
        data = Path(file).read_bytes()
        pixelzip.decompress_array(data, crop=(0, 0, 1, 1))
        started = time.perf_counter()
        for _ in range(repeats):
            pixelzip.decompress_array(data, num_threads=threads)
        seconds = time.perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"speed": repeats * width * height / seconds / 1e3, "memory": most}


def mirrored(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Cut an image to a size, or enlarge it by its mirror images."""
    missing = (max(0, height - image.shape[0]), max(0, width - image.shape[1]))
    return np.pad(image[:height, :width], ((0, missing[0]), (0, missing[1]), (0, 0)), "symmetric")


if __name__ == "__main__":
    if sys.argv[1] in ("compress", "decompress"):
        print(json.dumps(measure(*sys.argv[1:4], *map(int, sys.argv[4:]))))
    else:
        main(sys.argv[1])
