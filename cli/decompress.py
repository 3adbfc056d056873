"""``pixelzip decompress``: .pxz -> image files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from numpy.typing import NDArray
from PIL import Image

import pixelzip
from pixelzip.cli.batch import num_threads, remove_source, run_jobs, shared_options
from pixelzip.cli.files import Job, check_target, plan_jobs, read_input, write_output
from pixelzip.cli.pictures import save_image


@click.command()
@shared_options
@click.option(
    "--crop",
    nargs=4,
    type=(click.IntRange(min=0), click.IntRange(min=0), click.IntRange(min=1), click.IntRange(min=1)),
    metavar="X Y W H",
    help="Only this part, in pixels; tiles that it does not touch are not decoded.",
)
@click.option("-t", "--test", "test_only", is_flag=True, help="Decode and check only; write nothing.")
def decompress(
    inputs: tuple[str, ...],
    output: str | None,
    output_dir: Path | None,
    recursive: bool,
    force: bool,
    remove: bool,
    no_preserve: bool,
    threads: int,
    device: str,
    model: str | None,
    max_pixels: int,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    crop: tuple[int, int, int, int] | None,
    test_only: bool,
) -> None:
    """Restore images; a.pxz becomes a.png, or what the suffix of -o says (.png, .tif, .npy)."""
    if test_only and (remove or output is not None or output_dir is not None):
        raise click.UsageError("-t writes nothing: it excludes -o, --output-dir and --rm")
    if crop and (remove or test_only):
        raise click.UsageError("--crop looks at a part only: it excludes -t and --rm")

    def work(job: Job) -> dict[str, Any]:
        if not test_only:
            check_target(job, force)
        data = read_input(job)
        started = time.perf_counter()
        image = _decoded(data, job, crop, model, device, num_threads(threads), max_pixels)
        seconds = time.perf_counter() - started
        if not test_only:
            write_output(job, save_image(image, job.target), not no_preserve)
            if remove:
                remove_source(job)
        target = None if test_only else str(job.target or "-")
        return {"input": job.name, "output": target, "input_bytes": len(data), "seconds": round(seconds, 3)}

    jobs = plan_jobs(inputs, frozenset({".pxz"}), ".png", output, output_dir, recursive)
    run_jobs(jobs, work, quiet=quiet, verbose=verbose, as_json=as_json and not test_only)


def _decoded(
    data: bytes,
    job: Job,
    crop: tuple[int, int, int, int] | None,
    model: str | None,
    device: str,
    threads: int,
    max_pixels: int,
) -> Image.Image | NDArray[Any]:
    """Decode to a Pillow image, or to an array where Pillow has no mode or the target is an array."""
    header = pixelzip.info(data, max_pixels)
    wants_array = header.mode in ("RGB;16", "RGBA;16") or (job.target is not None and job.target.suffix == ".npy")
    decode = pixelzip.decompress_array if wants_array else pixelzip.decompress
    box = None if crop is None else (crop[0], crop[1], crop[0] + crop[2], crop[1] + crop[3])
    image: Image.Image | NDArray[Any] = decode(
        data, crop=box, model=model, device=device, num_threads=threads, max_pixels=max_pixels
    )
    return image
