"""``pixelzip pack``: many small images -> one .pxzp."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from pixelzip import models
from pixelzip.cli.batch import FAILURES, num_threads
from pixelzip.cli.files import STANDARD, FileError, Job, check_target, expand, read_input, reason, write_output
from pixelzip.cli.pictures import IMAGE_SUFFIXES, load, open_image
from pixelzip.image import Picture, to_array
from pixelzip.jpeg.file import JPEG_SUFFIXES
from pixelzip.pack_container import BLOCK_IMAGES
from pixelzip.threads import in_threads

if TYPE_CHECKING:
    from pixelzip.pack import Pack


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The pack; - is standard output.")
@click.option("-r", "--recursive", is_flag=True, help="Search folders; the names kept are paths below them.")
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")
@click.option("--labels", type=click.Choice(["folders"]), help="Number the images' folders, in order of their names.")
@click.option("--no-verify", is_flag=True, help="Do not decode and compare before writing.")
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps; the bytes are the same.")
@click.option("--model", default=models.DEFAULT_MODEL, show_default=True, help="Name of a model, or path of a file.")
@click.option("--max-pixels", type=click.IntRange(min=1), default=2**28, show_default=True)
def pack(
    inputs: tuple[str, ...],
    output: str,
    recursive: bool,
    force: bool,
    labels: str | None,
    no_verify: bool,
    threads: int,
    device: str,
    model: str,
    max_pixels: int,
) -> None:
    """Compress many images into one file, without their metadata; each can be read alone.

    JPEG files are kept as they are.
    """
    found = [pair for name in inputs for pair in expand(name, IMAGE_SUFFIXES | JPEG_SUFFIXES, recursive)]
    sources = [(path, root) for path, root in found if path is not None]
    if len(sources) < len(found):
        raise click.UsageError("a pack takes files and folders, not standard input")
    names = [path.relative_to(root).as_posix() if root else path.name for path, root in sources]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise click.UsageError(f"{count} images would have the name {name}")
    job = Job(None, None if output == STANDARD else Path(output))
    options = {"device": device, "num_threads": num_threads(threads), "model": model}
    subject: object = output
    try:
        check_target(job, force)
        pictures = []
        for subject, _ in sources:
            pictures.append(_read(subject, max_pixels))
        subject = output
        data = _packed(pictures, names, _folders(names) if labels else None, options, max_pixels, not no_verify)
        write_output(job, data, preserve=False, force=force)
    except FAILURES as error:
        click.echo(f"pixelzip: {subject}: {reason(error)}", err=True)
        sys.exit(1)


def _read(path: Path, max_pixels: int) -> Picture:
    source = read_input(Job(path, None))
    image, is_jpeg = open_image(source, max_pixels, as_file=True)
    return replace(load(image), jpeg=source if is_jpeg else None)


def _folders(names: Sequence[str]) -> list[int]:
    parents = [name.rpartition("/")[0] for name in names]
    numbers = {parent: number for number, parent in enumerate(sorted(set(parents)))}
    return [numbers[parent] for parent in parents]


def _packed(
    pictures: Sequence[Picture],
    names: Sequence[str],
    labels: Sequence[int] | None,
    options: dict[str, Any],
    max_pixels: int,
    verify: bool,
) -> bytes:
    from pixelzip import pack as packs  # after the files have been read

    try:
        data = packs.pack(pictures, names=names, labels=labels, **options)
    except ValueError as error:
        raise FileError(str(error)) from error
    packed = packs.Pack(data, **options)
    kept = [index for index, picture in enumerate(pictures) if picture.jpeg is not None and packed.keeps_jpeg(index)]
    for index in set(range(len(pictures))).difference(kept):
        if (jpeg := pictures[index].jpeg) is not None:
            open_image(jpeg, max_pixels)  # refuses those with more images behind the first
            click.echo(f"pixelzip: {names[index]}: warning: pixels are kept, not the JPEG file", err=True)
    if verify and not _holds(packed, pictures, kept, options["num_threads"]):
        raise FileError("verification failed: what was decoded differs; nothing was written")
    return data


def _holds(packed: Pack, pictures: Sequence[Picture], kept: Sequence[int], num_threads: int) -> bool:
    """Decode all images, and compare the JPEG file of those ``kept``, every sample of the others."""
    each = in_threads(lambda index: packed.jpeg(index) == pictures[index].jpeg, kept, num_threads)
    others = sorted(set(range(len(pictures))).difference(kept))
    for start in range(0, len(others), BLOCK_IMAGES):
        part = others[start : start + BLOCK_IMAGES]
        each += [
            np.array_equal(decoded, to_array(pictures[index]))
            for index, decoded in zip(part, packed.read(part), strict=True)
        ]
    return all(each)
