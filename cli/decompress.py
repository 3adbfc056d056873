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
from pixelzip.cli.files import FileError, Job, check_target, plan_jobs, read_input, write_output
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
    """Restore images; a.pxz becomes a.png, or what the suffix of -o says (.png, .tif, .npy)."""
    if test_only and (remove or output is not None or output_dir is not None):
        raise click.UsageError("-t writes nothing: it excludes -o, --output-dir and --rm")
    if crop and (remove or test_only):
        raise click.UsageError("--crop looks at a part only: it excludes -t and --rm")
    if salvage and (crop or remove or test_only):
        raise click.UsageError("--salvage is for damaged files: it excludes --crop, -t and --rm")
    options: dict[str, Any] = {
        "model": model, "device": device, "num_threads": num_threads(threads), "max_pixels": max_pixels
    }  # fmt: skip

    def work(job: Job) -> dict[str, Any]:
        if not test_only:
            check_target(job, force)
        data = read_input(job)
        started = time.perf_counter()
        salvaged = pixelzip.salvage(data, **options) if salvage else None
        image = _salvaged(salvaged, job) if salvaged else _decoded(data, job, crop, options)
        seconds = time.perf_counter() - started
        if not test_only:
            write_output(job, save_image(image, job.target), preserve=not no_preserve, force=force)
            if remove:
                remove_source(job)
        if salvaged:
            _report(salvaged, job)
        target = None if test_only else str(job.target or "-")
        return {"input": job.name, "output": target, "input_bytes": len(data), "seconds": round(seconds, 3)}

    jobs = plan_jobs(inputs, frozenset({".pxz"}), ".png", output, output_dir, recursive)
    run_jobs(jobs, work, quiet=quiet, verbose=verbose, as_json=as_json and not test_only)


def _decoded(
    data: bytes, job: Job, crop: tuple[int, int, int, int] | None, options: dict[str, Any]
) -> Image.Image | NDArray[Any]:
    header = pixelzip.info(data, options["max_pixels"])
    decode = pixelzip.decompress_array if _wants_array(header.mode, job) else pixelzip.decompress
    box = None if crop is None else (crop[0], crop[1], crop[0] + crop[2], crop[1] + crop[3])
    image: Image.Image | NDArray[Any] = decode(data, crop=box, **options)
    return image


def _salvaged(salvaged: pixelzip.Salvage, job: Job) -> Image.Image | NDArray[Any]:
    return salvaged.to_array() if _wants_array(salvaged.picture.mode.name, job) else salvaged.to_pillow()


def _wants_array(mode: str, job: Job) -> bool:
    """Whether Pillow has no mode for the image, or the target is an array."""
    return mode in ("RGB;16", "RGBA;16") or (job.target is not None and job.target.suffix == ".npy")


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
