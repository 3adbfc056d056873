"""``pixelzip compress``: image files -> .pxz."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pixelzip
from pixelzip import models
from pixelzip.cli.batch import num_threads, remove_source, run_jobs, shared_options
from pixelzip.cli.files import FileError, Job, check_target, plan_jobs, read_input, write_output
from pixelzip.cli.pictures import IMAGE_SUFFIXES, load, open_image


@click.command()
@shared_options
@click.option("--strip", is_flag=True, help="Leave out ICC, EXIF, XMP, text, resolution and gamma.")
@click.option("--no-verify", is_flag=True, help="Do not decode and compare before writing.")
def compress(
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
    strip: bool,
    no_verify: bool,
) -> None:
    """Compress images without loss; a.png becomes a.pxz."""
    if remove and no_verify:
        raise click.UsageError("--rm needs verification")

    def work(job: Job) -> dict[str, Any]:
        check_target(job, force)
        source = read_input(job)
        image, is_jpeg = open_image(source, max_pixels)
        load(image)
        started = time.perf_counter()
        name, num = model or models.DEFAULT_MODEL, num_threads(threads)
        data = pixelzip.compress(image, name, device=device, num_threads=num, strip=strip)
        seconds = time.perf_counter() - started
        if not no_verify:
            _verify(image, data, model, device, num_threads(threads), max_pixels)
        write_output(job, data, preserve=not no_preserve, force=force)
        if remove:
            remove_source(job)
        if is_jpeg and not quiet:
            click.echo(f"pixelzip: {job.name}: warning: the JPEG itself is smaller than any lossless copy", err=True)
        return {
            "input": job.name,
            "output": str(job.target or "-"),
            "input_bytes": len(source),
            "output_bytes": len(data),
            "bits_per_subpixel": round(pixelzip.info(data, max_pixels).bits_per_subpixel, 4),
            "seconds": round(seconds, 3),
        }

    jobs = plan_jobs(inputs, IMAGE_SUFFIXES, ".pxz", output, output_dir, recursive)
    run_jobs(jobs, work, quiet=quiet, verbose=verbose, as_json=as_json)


def _verify(
    image: Image.Image | NDArray[Any], data: bytes, model: str | None, device: str, threads: int, max_pixels: int
) -> None:
    decoded = pixelzip.decompress_array(data, model=model, device=device, num_threads=threads, max_pixels=max_pixels)
    original = np.asarray(image)
    if not np.array_equal(decoded, original[..., 0] if original.shape[2:] == (1,) else original):
        raise FileError("verification failed: the decoded pixels differ; nothing was written")
