"""``pixelzip unpack``: images of a .pxzp -> image files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import click

from pixelzip.cli.batch import FAILURES, num_threads
from pixelzip.cli.files import FileError, Job, check_target, read_input, reason, write_output
from pixelzip.cli.pictures import save_image
from pixelzip.errors import PixelzipError
from pixelzip.image import Samples
from pixelzip.pack_container import BLOCK_IMAGES
from pixelzip.pack_reader import Entry, Pack
from pixelzip.threads import in_threads


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="PACK")
@click.option("--output-dir", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--index", "indices", type=int, multiple=True, help="Only this image, counted from 0; may be repeated.")
@click.option("--name", "names", multiple=True, help="Only the image of this name; may be repeated.")
@click.option("-f", "--force", is_flag=True, help="Overwrite existing outputs.")
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps; the pixels are the same.")
@click.option("--model", help="Name of a model, or path of a .safetensors file.")
@click.option("--max-pixels", type=click.IntRange(min=1), default=2**28, show_default=True)
def unpack(
    source: Path,
    output_dir: Path,
    indices: tuple[int, ...],
    names: tuple[str, ...],
    force: bool,
    threads: int,
    device: str,
    model: str | None,
    max_pixels: int,
) -> None:
    """Write the images of a pack as PNG, under the names it keeps or as 00000.png; the damaged ones are reported.

    Images that were packed as JPEG files become these again.
    """
    failures = 0
    try:
        data = read_input(Job(source, None))
        pack = Pack(data, model=model, device=device, num_threads=num_threads(threads), max_pixels=max_pixels)
        jobs = _plan(source, output_dir, _chosen(pack, indices, names), pack)
        for start in range(0, len(jobs), BLOCK_IMAGES):
            part = jobs[start : start + BLOCK_IMAGES]
            for (_, job), result in zip(part, _files(pack, part, num_threads(threads)), strict=True):
                failures += not _written(job, result, force)
    except FAILURES as error:
        click.echo(f"pixelzip: {source}: {reason(error)}", err=True)
        sys.exit(1)
    if failures:
        sys.exit(1)


def _chosen(pack: Pack, indices: Sequence[int], names: Sequence[str]) -> list[Entry]:
    entries = list(pack.entries())
    by_name = {entry.name: entry for entry in entries}
    for index in indices:
        if not 0 <= index < len(entries):
            raise FileError(f"there is no image {index}: the pack has {len(entries)}")
    for name in names:
        if name not in by_name:
            raise FileError(f"there is no image with the name {name}")
    chosen = [*(entries[index] for index in indices), *(by_name[name] for name in names)]
    return list(dict.fromkeys(chosen)) if indices or names else entries


def _files(pack: Pack, part: Sequence[tuple[Entry, Job]], num_threads: int) -> list[bytes | Samples | PixelzipError]:
    """Return the JPEG file or the samples of each image, or why there are none."""
    are_jpegs = [_keeps_jpeg(pack, entry) for entry, _ in part]
    kept = [entry for (entry, _), is_jpeg in zip(part, are_jpegs, strict=True) if is_jpeg]
    jpegs = iter(in_threads(partial(_jpeg, pack), kept, num_threads))
    others = [entry.index for (entry, _), is_jpeg in zip(part, are_jpegs, strict=True) if not is_jpeg]
    samples = iter(pack.salvage(others))
    return [next(jpegs) if is_jpeg else next(samples) for is_jpeg in are_jpegs]


def _keeps_jpeg(pack: Pack, entry: Entry) -> bool:
    try:
        return pack.keeps_jpeg(entry.index)
    except PixelzipError:
        return False  # damaged, as will be seen


def _jpeg(pack: Pack, entry: Entry) -> bytes | PixelzipError:
    try:
        return pack.jpeg(entry.index) or b""
    except PixelzipError as error:
        return type(error)(f"image {entry.index}: {error}")


def _plan(source: Path, folder: Path, entries: Sequence[Entry], pack: Pack) -> list[tuple[Entry, Job]]:
    """Pair images with outputs; raises FileError when two have the same one, or one lies outside the folder."""
    jobs: dict[Path, tuple[Entry, Job]] = {}
    for entry in entries:
        name = PurePosixPath(entry.name or f"{entry.index:05d}")
        if name.is_absolute() or not name.name or ".." in name.parts or set(str(name)) & {"\\", ":"}:
            raise FileError(
                f"image {entry.index}: its name {entry.name!r} leads out of the folder; use --index or list"
            )
        target = folder / name.with_suffix(".jpg" if _keeps_jpeg(pack, entry) else ".png")
        if target in jobs:
            raise FileError(f"images {jobs[target][0].index} and {entry.index} would both be written to {target}")
        jobs[target] = entry, Job(source, target)
    return list(jobs.values())


def _written(job: Job, result: bytes | Samples | PixelzipError, force: bool) -> bool:
    """Write one image, or report why not."""
    try:
        if isinstance(result, PixelzipError):
            raise result
        check_target(job, force)
        file = result if isinstance(result, bytes) else save_image(result, job.target)
        write_output(job, file, preserve=False, force=force)
    except FAILURES as error:
        click.echo(f"pixelzip: {job.name}: {reason(error)}", err=True)
        return False
    return True
