"""``pixelzip info``: what a file says about itself, without decoding it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

import pixelzip
from pixelzip.cli.batch import FAILURES
from pixelzip.cli.files import STANDARD, Job, read_input, reason
from pixelzip.errors import printable


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each file.")
def info(inputs: tuple[str, ...], as_json: bool) -> None:
    """Show size, mode, model, bits and metadata."""
    failed = False
    for name in inputs:
        job = Job(None if name == STANDARD else Path(name), None)
        try:
            row = {"file": job.name, **_described(pixelzip.info(read_input(job)))}
        except FAILURES as error:
            click.echo(f"pixelzip: {job.name}: {reason(error)}", err=True)
            failed = True
            continue
        click.echo(json.dumps(row) if as_json else _line(row))
    if failed:
        sys.exit(1)


_KINDS: Final = {
    "jpeg": ", levels of a JPEG",
    "jpeg-file": ", a JPEG file",
    "mixed": ", in parts of different kinds",
    "derived": ", made of another image",
}


def _described(description: pixelzip.Info) -> dict[str, Any]:
    metadata = {
        key: f"{len(value)} bytes" if isinstance(value, bytes) else value for key, value in description.metadata.items()
    }
    rounded = round(description.bits_per_subpixel, 4)
    return {**asdict(description), "metadata": metadata, "bits_per_subpixel": rounded}


def _line(row: dict[str, Any]) -> str:
    withouts = {"drawing": "a drawing", "derived": "no model"}
    without = withouts.get(row["body"], f"embedded {row['body'].upper()}")
    coded_by = f"model {row['model']}" if row["model"] else without
    coded_by += f" on the {row['lattice']} lattice" if row["lattice"] else ""
    coded_by += _KINDS.get(row["body"], "")
    metadata = ", ".join(printable(f"{key}: {value}") for key, value in row["metadata"].items())
    text = (
        f"{row['file']}: {row['width']}x{row['height']} {row['mode']}, {row['num_bytes']} bytes, "
        f"{row['bits_per_subpixel']} bits/sub-pixel, {coded_by}, {row['num_tiles']} tile(s)"
    )
    return f"{text}, {metadata}" if metadata else text
