"""Time and memory of pixelzip against the number of pixels, threads and images of a batch: Markdown tables, a chart.

    python benchmarks/scaling.py PHOTOGRAPH --plot scaling.png
    python benchmarks/scaling.py PHOTOGRAPH --device cuda

Every figure comes from a process of its own. Images are made of the photograph and its mirror images, so that all sizes
are alike; a batch holds different parts of it. Speeds are those of the functions, after imports; memory is the most
that a process held in all, with Python, libraries, the images and their files.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pixelzip
from pixelzip import container
from pixelzip.pack import Pack, pack

SIZES = ((32, 32), (128, 128), (768, 512), (2000, 1500), (6000, 4000), (10000, 10000))
"""Width and height."""

LARGE = (6000, 4000)
"""What is measured on one thread, too."""

BATCHES = (1, 10, 100, 1000)
"""Images of SIDE x SIDE pixels: one is a file, more are a pack."""

SIDE = 32

ENOUGH_SECONDS = 2.0
"""Smaller work is repeated until this time has passed."""


class Measured(NamedTuple):
    """One size of work on so many threads: kpixel/s and megabytes of each direction."""

    width: int
    height: int
    num_images: int
    num_threads: int
    compress_speed: float
    decompress_speed: float
    compress_memory: float
    decompress_memory: float


class Source(NamedTuple):
    """The photograph that images are made of, and the device that works on them."""

    photograph: str
    device: str


def main() -> None:
    """Measure everything, print the tables, draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photograph")
    parser.add_argument("--plot", help="draw a chart into this file")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; memory is the CPU's")
    parser.add_argument("--measure", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = Source(options.photograph, options.device)
    if options.measure:
        way, file, *numbers = options.measure
        print(json.dumps(measure(way, source, file, *map(int, numbers))))
        return
    num_threads = os.cpu_count() or 1
    sizes = table(source, [(*size, 1, num_threads) for size in SIZES])
    batches = table(source, [(SIDE, SIDE, num_images, num_threads) for num_images in BATCHES])
    table(source, [(*LARGE, 1, count) for count in range(1, num_threads + 1)])
    if options.plot:
        draw(sizes, batches, options.plot)


def table(source: Source, work: list[tuple[int, int, int, int]]) -> list[Measured]:
    """Measure work of some widths, heights, numbers of images and of threads, and print it."""
    print("\n| image | images | threads | compress kpixel/s | decompress kpixel/s | compress MB | decompress MB |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for width, height, num_images, num_threads in work:
        rows.append(measure_both(source, width, height, num_images, num_threads))
        figures = " | ".join(f"{figure:,.0f}" for figure in rows[-1][4:])
        print(f"| {width} x {height} | {num_images:,} | {num_threads} | {figures} |", flush=True)
    return rows


def measure_both(source: Source, *numbers: int) -> Measured:
    """Measure both directions, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/file"
        packed, unpacked = (run(way, source, file, numbers) for way in ("compress", "decompress"))
    return Measured(*numbers, packed["speed"], unpacked["speed"], packed["memory"], unpacked["memory"])


def run(way: str, source: Source, file: str, numbers: tuple[int, ...]) -> dict[str, float]:
    """Measure one direction in a new process."""
    options = ["--device", source.device, "--measure", way, file, *map(str, numbers)]
    command = [sys.executable, __file__, source.photograph, *options]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return result


def measure(
    way: str, source: Source, file: str, width: int, height: int, num_images: int, num_threads: int
) -> dict[str, float]:
    """Return kpixel/s of one direction, small work repeated, and the most megabytes that this process held."""
    if way == "compress":
        images = cut(np.asarray(Image.open(source.photograph).convert("RGB")), width, height, num_images)
        compress([images[0][:8, :8]], num_threads, source.device)
        seconds = repeated(lambda: Path(file).write_bytes(compress(images, num_threads, source.device)))
    else:
        data = Path(file).read_bytes()
        decompress(compress([np.zeros((8, 8, 3), dtype=np.uint8)], num_threads, "cpu"), num_threads, source.device)
        seconds = repeated(lambda: decompress(data, num_threads, source.device))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"speed": num_images * width * height / seconds / 1e3, "memory": most}


def repeated(work: Callable[[], object]) -> float:
    """Return the mean seconds of some work."""
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < ENOUGH_SECONDS:
        work()
        count += 1
    return (time.perf_counter() - started) / count


def compress(images: list[NDArray[np.uint8]], num_threads: int, device: str) -> bytes:
    """Return the file of one image, the pack of several."""
    if len(images) == 1:
        return pixelzip.compress(images[0], num_threads=num_threads, device=device)
    return pack(images, num_threads=num_threads, device=device)


def decompress(data: bytes, num_threads: int, device: str) -> None:
    """Decode what ``compress`` has made."""
    if data.startswith(container.PACK_SIGNATURE):
        images = Pack(data, num_threads=num_threads, device=device)
        images.read(range(len(images)))
    else:
        pixelzip.decompress_array(data, num_threads=num_threads, device=device)


def cut(photograph: NDArray[np.uint8], width: int, height: int, num_images: int) -> list[NDArray[np.uint8]]:
    """Cut images out of a photograph, side by side in rows, or one enlarged by the photograph's mirror images.

    The lowest bits are noise: a WebP that refers to the copies would be smaller than what is to be measured.
    """
    missing = (max(0, height - photograph.shape[0]), max(0, width - photograph.shape[1]))
    large = np.pad(photograph, ((0, missing[0]), (0, missing[1]), (0, 0)), "symmetric")
    generator = np.random.default_rng(0)
    for row in large:
        row ^= generator.integers(0, 2, row.shape, dtype=np.uint8)
    places = itertools.product(
        range(0, large.shape[0] - height + 1, height), range(0, large.shape[1] - width + 1, width)
    )
    corners = itertools.islice(itertools.cycle(list(places)), num_images)
    return [large[top : top + height, left : left + width] for top, left in corners]


def draw(sizes: list[Measured], batches: list[Measured], file: str) -> None:
    """Draw speed against pixels and against images of a batch, and memory against pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    speed = figure.add_subplot(1, 3, 1, xscale="log", xlabel="pixels of one image", ylabel="kpixel/s")
    small = figure.add_subplot(1, 3, 2, xscale="log", xlabel="images of 32 x 32 in a pack", ylabel="images/s")
    memory = figure.add_subplot(1, 3, 3, xscale="log", yscale="log", xlabel="pixels of one image", ylabel="MB")
    pixels = [row.width * row.height for row in sizes]
    for way in ("compress", "decompress"):
        speed.plot(pixels, [getattr(row, f"{way}_speed") for row in sizes], ".-", label=way)
        memory.plot(pixels, [getattr(row, f"{way}_memory") for row in sizes], ".-", label=way)
        rates = [getattr(row, f"{way}_speed") * 1e3 / SIDE**2 for row in batches]
        small.plot([row.num_images for row in batches], rates, ".-", label=way)
    memory.plot(pixels, [3 * count / 1e6 for count in pixels], color="black", linewidth=0.8, label="the image")
    memory.legend(fontsize="small")
    for axes in (speed, small):
        axes.set_ylim(bottom=0)
    figure.savefig(file, dpi=100)


if __name__ == "__main__":
    main()
