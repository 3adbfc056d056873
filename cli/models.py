"""``pixelzip models``: the models that are installed, without loading them."""

from __future__ import annotations

import json
from typing import Any

import click

from pixelzip.models import MODELS, Model


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each model.")
def models(as_json: bool) -> None:
    """Show the installed models: what they are called, what they cost, where they lie."""
    rows = [_described(entry) for entry in MODELS]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    columns = [[str(cell) for cell in (key, *(row[key] for row in rows))] for key in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _described(entry: Model) -> dict[str, Any]:
    card = entry.card
    return {
        "name": entry.name,
        "file": entry.file_name,
        "licence": card["licence"],
        "bytes": entry.path.stat().st_size,
        "mac_per_pixel": int(card["multiply-accumulates per pixel"].replace(",", "")),
        "sha256": entry.sha256,
        "path": str(entry.path),
    }
