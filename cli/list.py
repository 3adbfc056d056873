"""``pixelzip list``: what a .pxzp holds, without decoding it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from pixelzip.cli.batch import FAILURES
from pixelzip.cli.files import Job, read_input, reason
from pixelzip.errors import printable
from pixelzip.pack_reader import Entry, Pack


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="PACK")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each image.")
def list(source: Path, as_json: bool) -> None:  # noqa: A001
    """Show the images of a pack: index, name, label, size, mode, bytes."""
    try:
        pack = Pack(read_input(Job(source, None)))
    except FAILURES as error:
        click.echo(f"pixelzip: {source}: {reason(error)}", err=True)
        sys.exit(1)
    if not as_json:
        about = pack.info()
        bits = f"{about.bits_per_subpixel:.4f} bits/sub-pixel"
        click.echo(f"{source}: {about.num_images} images, {about.num_bytes} bytes, {bits}, model {about.model}")
    for entry in pack.entries():
        click.echo(json.dumps(asdict(entry)) if as_json else _line(entry))


def _line(entry: Entry) -> str:
    name = "" if entry.name is None else f"  {printable(entry.name)}"
    label = "" if entry.label is None else f"  label {entry.label}"
    return f"{entry.index}{name}{label}  {entry.width}x{entry.height} {entry.mode}, {entry.num_bytes} bytes"
