"""``pixelzip test``: whether files and packs decode, without writing anything."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pixelzip import models
from pixelzip.cli.batch import Decoding, Reporting, Row, num_threads, run_jobs
from pixelzip.cli.files import STANDARD, FileError, Job, expand, read_input
from pixelzip.cli.verify import check
from pixelzip.container import PACK_SIGNATURE
from pixelzip.errors import PixelzipError
from pixelzip.pack_container import BLOCK_IMAGES
from pixelzip.pack_reader import Pack

_SUFFIXES = frozenset({".pxz", ".pxzp"})
_MOST_LISTED = 10


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="PATH...")
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps.")
@click.option("--model", help="Name of a model, or path of a .safetensors file.")
@click.option("--max-pixels", type=click.IntRange(min=1), default=2**28, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each file on standard output.")
def test(
    inputs: tuple[str, ...],
    threads: int,
    device: str,
    model: str | None,
    max_pixels: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Decode and check .pxz and .pxzp files, folders with all that is below them; exit code 1 if any is bad."""
    options = Decoding(model, device, num_threads(threads), max_pixels).decoding

    def work(job: Job) -> Row:
        data = read_input(job)
        started = time.perf_counter()
        num_images = _check_pack(data, options) if data.startswith(PACK_SIGNATURE) else _check_image(data, options)
        seconds = round(time.perf_counter() - started, 3)
        return {"result": "ok", "images": num_images, "seconds": seconds}

    found = [pair for name in inputs for pair in expand(name, _SUFFIXES, recursive=True)]
    jobs = [Job(source, source or Path(STANDARD)) for source, _ in found]  # nothing is written
    how = Reporting(quiet=quiet, verbose=not quiet, as_json=as_json, remove=False)
    run_jobs(jobs, work, None, threads, model or models.DEFAULT_MODEL, how)


def _check_image(data: bytes, options: dict[str, Any]) -> int:
    check(data, options)
    return 1


def _check_pack(data: bytes, options: dict[str, Any]) -> int:
    pack = Pack(data, **options)
    damaged = []
    for start in range(0, len(pack), BLOCK_IMAGES):
        places = range(start, min(start + BLOCK_IMAGES, len(pack)))
        results = pack.salvage(places)
        damaged += [place for place, result in zip(places, results, strict=True) if isinstance(result, PixelzipError)]
    if damaged:
        listed = ", ".join(map(str, damaged[:_MOST_LISTED])) + (", ..." if len(damaged) > _MOST_LISTED else "")
        raise FileError(f"{len(damaged)} of {len(pack)} images are damaged: {listed}")
    return len(pack)
