"""``pixelzip compress``: image files -> .pxz."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click

import pixelzip
from pixelzip import models
from pixelzip.cli.batch import Decoding, Reporting, Row, num_threads, run_jobs, shared_options
from pixelzip.cli.files import FileError, Job, check_target, plan_jobs, read_input, write_output
from pixelzip.cli.pictures import IMAGE_SUFFIXES, load, open_image
from pixelzip.cli.verify import KEEPS_JPEG, holds, holds_image
from pixelzip.errors import PixelzipError, UnsupportedImage
from pixelzip.image import Picture
from pixelzip.jpeg.file import JPEG_SUFFIXES


@dataclass(frozen=True)
class Options(Decoding):
    """How one image is compressed; ``resume``: an output that holds the image already is left as it is."""

    model: str
    strip: bool
    verify: bool
    force: bool
    preserve: bool
    remove: bool
    resume: bool


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
    dask: str | None,
    device: str,
    model: str | None,
    max_pixels: int,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    strip: bool,
    no_verify: bool,
) -> None:
    """Compress images without loss; a.png becomes a.pxz. A JPEG file is kept itself, byte for byte."""
    if remove and no_verify:
        raise click.UsageError("--rm needs verification")
    options = Options(
        model=model or models.DEFAULT_MODEL,
        device=device,
        num_threads=1 if dask else num_threads(threads),
        max_pixels=max_pixels,
        strip=strip,
        verify=not no_verify,
        force=force,
        preserve=not no_preserve,
        remove=remove,
        resume=dask is not None,
    )
    jobs = plan_jobs(inputs, IMAGE_SUFFIXES | JPEG_SUFFIXES, ".pxz", output, output_dir, recursive)
    how = Reporting(quiet=quiet, verbose=verbose, as_json=as_json, remove=remove)
    run_jobs(jobs, partial(compress_file, options=options), dask, threads, options.model, how)


def compress_file(job: Job, options: Options) -> Row:
    """Compress one file, and decode and compare it before it is written.

    Raises:
        FileError, PixelzipError, OSError, MemoryError: nothing was written.
    """
    if not options.resume:
        check_target(job, options.force)
    source = read_input(job)
    image, is_jpeg = open_image(source, options.max_pixels, as_file=not options.strip)
    picture = replace(load(image), jpeg=source if is_jpeg else None)
    del image  # which would stay in memory beside it
    if options.resume and _is_done(picture, job, options):
        return {"output": str(job.target), "skipped": True}
    started = time.perf_counter()
    try:
        data = _compressed(picture, options)
        warning = "pixels are kept, not the JPEG file" if is_jpeg and options.strip else None
    except UnsupportedImage as error:
        if picture.jpeg is None:
            raise
        picture, warning = _pixels_alone(picture, options, error), f"pixels are kept: {error}"
        data = _compressed(picture, options)
    seconds = time.perf_counter() - started
    if options.verify and not holds(data, picture, options.strip, options.decoding):
        raise FileError("verification failed: what was decoded differs; nothing was written")
    write_output(job, data, preserve=options.preserve, force=options.force)
    row = {
        "output": str(job.target or "-"),
        "input_bytes": len(source),
        "output_bytes": len(data),
        "bits_per_subpixel": round(pixelzip.info(data, options.max_pixels).bits_per_subpixel, 4),
        "seconds": round(seconds, 3),
    }
    if warning and len(data) >= len(source):
        warning += ", which take more bytes than it does"
    return row | ({"warning": warning} if warning else {})


def _compressed(picture: Picture, options: Options) -> bytes:
    return pixelzip.compress(
        picture, options.model, device=options.device, num_threads=options.num_threads, strip=options.strip
    )


def _pixels_alone(picture: Picture, options: Options, error: UnsupportedImage) -> Picture:
    """Return a picture whose JPEG file cannot be kept without it; raises FileError where something would be lost."""
    assert picture.jpeg is not None
    if options.remove:
        raise FileError(f"--rm would lose the file: {error}")
    open_image(picture.jpeg, options.max_pixels)
    return replace(picture, jpeg=None)


def _is_done(picture: Picture, job: Job, options: Options) -> bool:
    """Whether the output holds the image already; raises FileError when it holds something else and may not go."""
    if job.target is not None and job.target.is_file() and not options.force:
        try:
            data = job.target.read_bytes()
            if holds_image(data, picture, options.strip, options.decoding) and not _would_lose(data, picture, options):
                return True
        except PixelzipError:
            pass  # a damaged file, or none of ours: refused below as any other that is there
    check_target(job, options.force)
    return False


def _would_lose(data: bytes, picture: Picture, options: Options) -> bool:
    """Whether the input will be removed, is a JPEG file, and the output holds its pixels alone."""
    is_wanted = options.remove and picture.jpeg is not None and not options.strip
    return is_wanted and pixelzip.info(data, options.max_pixels).body != KEEPS_JPEG
