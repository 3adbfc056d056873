"""``pixelzip decompress``: .pxz -> image files."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
from PIL import Image

import pixelzip
from pixelzip import models
from pixelzip.cli.batch import Decoding, Reporting, Row, num_threads, run_jobs, shared_options
from pixelzip.cli.files import FileError, Job, check_target, plan_jobs, read_input, write_output
from pixelzip.cli.pictures import save_image
from pixelzip.cli.verify import KEEPS_JPEG, check, restored_jpeg
from pixelzip.image import Samples, describe
from pixelzip.jpeg.file import JPEG_SUFFIXES


@dataclass(frozen=True)
class Options(Decoding):
    """How one file is decoded; ``is_named``: the user has chosen the output's name; ``resume``: an output
    that is there already and the same is left as it is.
    """

    crop: tuple[int, int, int, int] | None
    test_only: bool
    salvage: bool
    force: bool
    preserve: bool
    is_named: bool
    resume: bool


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
@click.option("--salvage", is_flag=True, help="Of a damaged file, write what is intact, the rest grey; exit code 1.")
def decompress(
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
    crop: tuple[int, int, int, int] | None,
    test_only: bool,
    salvage: bool,
) -> None:
    """Restore images; a.pxz becomes a.png (CMYK: a.tif), or what -o ends in (.png, .tif, .npy); 16 bits stay 16.

    A file that was made of a JPEG becomes that JPEG again, a.jpg.
    """
    if test_only and (remove or output is not None or output_dir is not None):
        raise click.UsageError("-t writes nothing: it excludes -o, --output-dir and --rm")
    if crop and (remove or test_only):
        raise click.UsageError("--crop looks at a part only: it excludes -t and --rm")
    if salvage and (crop or remove or test_only):
        raise click.UsageError("--salvage is for damaged files: it excludes --crop, -t and --rm")

    options = Options(
        crop=crop,
        model=model,
        device=device,
        num_threads=1 if dask else num_threads(threads),
        max_pixels=max_pixels,
        test_only=test_only,
        salvage=salvage,
        force=force,
        preserve=not no_preserve,
        is_named=output is not None,
        resume=dask is not None,
    )
    jobs = plan_jobs(inputs, frozenset({".pxz"}), ".png", output, output_dir, recursive)
    how = Reporting(quiet=quiet, verbose=verbose, as_json=as_json and not test_only, remove=remove)
    run_jobs(jobs, partial(decompress_file, options=options), dask, threads, model or models.DEFAULT_MODEL, how)


def decompress_file(job: Job, options: Options) -> Row:
    """Decode and check one file, and write the image unless it is only tested.

    Raises:
        FileError: the file is damaged, and what was salvaged has been written, or nothing was written.
        PixelzipError, OSError, MemoryError: nothing was written.
    """
    data = read_input(job)
    started = time.perf_counter()
    if options.test_only:
        check(data, options.decoding)
        return {"input_bytes": len(data), "seconds": round(time.perf_counter() - started, 3)}
    job = _named(data, job, options)
    if not options.resume:
        check_target(job, options.force)
    salvaged = pixelzip.salvage(data, **options.decoding) if options.salvage else None
    file = _file_of(salvaged, job) if salvaged else _file(data, job, options)
    row: Row = {"input_bytes": len(data), "seconds": round(time.perf_counter() - started, 3)}
    if options.resume:
        if job.target is not None and job.target.is_file() and job.target.read_bytes() == file:
            return {"output": str(job.target), "skipped": True}
        check_target(job, options.force)
    write_output(job, file, preserve=options.preserve, force=options.force)
    if salvaged:
        _report(salvaged, job)
    return {"output": str(job.target or "-"), **row}


def _named(data: bytes, job: Job, options: Options) -> Job:
    """Give an output whose name is not asked for the suffix that fits; a.png.pxz becomes a.png."""
    if options.is_named or job.target is None:
        return job
    suffixes, stem = _suffixes(data, options), job.target.with_suffix("")
    return replace(job, target=stem if stem.suffix.lower() in suffixes else job.target.with_suffix(suffixes[0]))


def _suffixes(data: bytes, options: Options) -> tuple[str, ...]:
    """Return what a name may end in, the usual first."""
    if _keeps_jpeg(data, options):
        return (".jpg", *JPEG_SUFFIXES)
    return (".tif", ".tiff") if pixelzip.info(data, options.max_pixels).mode == "CMYK" else (".png",)


def _keeps_jpeg(data: bytes, options: Options) -> bool:
    """Whether the JPEG file itself can be had, and all of it is wanted."""
    is_whole = not options.crop and not options.salvage
    return is_whole and pixelzip.info(data, options.max_pixels).body == KEEPS_JPEG


def _file(data: bytes, job: Job, options: Options) -> bytes:
    if _keeps_jpeg(data, options) and (job.target is None or job.target.suffix.lower() in JPEG_SUFFIXES):
        return restored_jpeg(data, options.decoding)
    return save_image(_decoded(data, job, options), job.target, pixelzip.info(data, options.max_pixels).metadata)


def _file_of(salvaged: pixelzip.Salvage, job: Job) -> bytes:
    return save_image(_salvaged(salvaged, job), job.target, describe(salvaged.picture.blocks))


def _decoded(data: bytes, job: Job, options: Options) -> Image.Image | Samples:
    header = pixelzip.info(data, options.max_pixels)
    decode = pixelzip.decompress_array if _wants_array(header.mode, job) else pixelzip.decompress
    left, top, width, height = options.crop or (0, 0, header.width, header.height)
    box = (left, top, left + width, top + height) if options.crop else None
    image: Image.Image | Samples = decode(data, crop=box, **options.decoding)
    return image


def _salvaged(salvaged: pixelzip.Salvage, job: Job) -> Image.Image | Samples:
    return salvaged.to_array() if _wants_array(salvaged.picture.mode.name, job) else salvaged.to_pillow()


def _wants_array(mode: str, job: Job) -> bool:
    """Whether Pillow has no mode for the image, or the target is an array."""
    return mode in ("LA;16", "RGB;16", "RGBA;16") or (job.target is not None and job.target.suffix == ".npy")


def _report(salvaged: pixelzip.Salvage, job: Job) -> None:
    """List what is damaged; raises FileError if anything is."""
    for note in salvaged.notes:
        click.echo(f"pixelzip: {job.name}: {note}", err=True)
    for tile in salvaged.tiles:
        left, top, right, bottom = tile.box
        box = f"X Y W H = {left} {top} {right - left} {bottom - top}"
        click.echo(f"pixelzip: {job.name}: tile {tile.number} at {box} is damaged: {tile.part} is plain", err=True)
    num_damaged = len({tile.number for tile in salvaged.tiles})
    if salvaged.tiles or salvaged.notes:
        written = job.target or "standard output"
        raise FileError(f"{num_damaged} of {salvaged.num_tiles} tiles are damaged; the rest was written to {written}")
