"""``pixelzip curve``: the loss curves of training runs, as one chart."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pixelzip.cli.batch import FAILURES, require
from pixelzip.cli.files import FileError, Job, check_target, read_input, reason, write_output

Curve = list[dict[str, Any]]
"""Lines of curve.jsonl: step, bits_per_subpixel, held_out_bits_per_subpixel."""


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="PNG to write.")
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")
def curve(runs: tuple[Path, ...], output: Path, force: bool) -> None:
    """Draw bits/sub-pixel against steps for folders of ``pixelzip train``, while they run or later."""
    require("matplotlib", "plot")
    subject = output
    try:
        check_target(Job(None, output), force)
        curves = {}
        for subject in runs:
            curves[str(subject)] = read_curve(subject)
        subject = output
        write_output(Job(None, output), draw(curves), preserve=False, force=force)
    except FAILURES as error:
        raise click.ClickException(f"{subject}: {reason(error)}") from error


def read_curve(run: Path) -> Curve:
    """Read what a run has written so far; raises FileError when that is no curve, or OSError."""
    data = read_input(Job(run / "curve.jsonl", None))
    try:
        rows = [json.loads(line) for line in data.splitlines()]
        return [{key: row[key] for key in ("step", "bits_per_subpixel", "held_out_bits_per_subpixel")} for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise FileError("its curve.jsonl is not one that pixelzip train wrote") from error


def draw(curves: dict[str, Curve]) -> bytes:
    """Return a PNG: for each run, training thin and held out thick, both in bits/sub-pixel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="bits/sub-pixel")
    for index, (name, rows) in enumerate(curves.items()):
        colour = f"C{index}"
        axes.plot(*_points(rows, "bits_per_subpixel"), color=colour, linewidth=0.8, alpha=0.6)
        held_out = _points(rows, "held_out_bits_per_subpixel")
        axes.plot(*held_out, color=colour, linewidth=2, label=f"{name}, held out (thin: training)")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()


def _points(rows: Sequence[dict[str, Any]], key: str) -> tuple[list[int], list[float]]:
    known = [row for row in rows if row[key] is not None]
    return [row["step"] for row in known], [row[key] for row in known]
