"""A report -> text: tables for the terminal or in Markdown, JSON; or a chart."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixelzip.bench import Report, Row
    from pixelzip.profile import Profile

PUBLISHED: Final = "published, likelihood of the official test set, not measured here"

_MARKERS: Final = "os^DvPX"
"""Seven shapes beside ten colours: seventy points before a pair of them comes again."""

Table = list[list[str]]
"""Cells by row; the first row is the header, the first column names, all others numbers."""


def render_table(report: Report) -> str:
    """Align columns for a terminal."""
    parts = ["\n".join(_head(report)), _aligned(_measured(report))]
    if published := _published(report):
        parts += [f"{PUBLISHED}:\n{_aligned(published)}"]
    return "\n\n".join(parts)


def render_markdown(report: Report) -> str:
    """Write GitHub's Markdown."""
    parts = ["\n".join(f"- {line}" for line in _head(report)), _piped(_measured(report))]
    if published := _published(report):
        parts += [f"{PUBLISHED.capitalize()}:", _piped(published)]
    return "\n\n".join(parts)


def render_json(report: Report) -> str:
    """Write one line of JSON with the fields of a report; the kind of a row says whether it was measured here."""
    return json.dumps(asdict(report))


def render_profiles(profiles: Sequence[Profile], ceiling: float, import_seconds: float) -> str:
    """Show each direction's stages as shares and times, beside the most that the machine can multiply."""
    parts = [f"starting Python and importing what compression needs: {import_seconds:.2f} s"]
    for profile in profiles:
        rows = [["stage", "share", "ns/pixel"]]
        for stage, seconds in profile.seconds_by_stage.items():
            rows.append([stage, f"{seconds / profile.seconds:.1%}", f"{1e9 * seconds / profile.num_pixels:,.0f}"])
        speed = profile.num_pixels / profile.seconds / 1e3
        rate = profile.giga_products_per_second
        parts.append(
            f"{profile.direction}: {speed:,.0f} kpixel/s; products at {rate:,.0f} of {ceiling:,.0f} G/s "
            f"({rate / ceiling:.0%})\n{_aligned(rows)}"
        )
    return "\n\n".join(parts)


def draw_plot(report: Report, path: Path) -> None:
    """Draw bits against the speed of decoding, a point for each codec, a line for each published figure.

    Raises:
        ValueError: matplotlib cannot write such a file.
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot(xlabel="decoding, kpixel/s", ylabel="bits/sub-pixel", xscale="log")
    axes.margins(x=0.1)
    published = [row for row in report.rows if row.kind == "published"]
    for index, row in enumerate(published):
        place = (0.99 - 0.15 * (index % 2), row.bits_per_subpixel)  # lines as close as 0.03 bits: names take turns
        axes.axhline(row.bits_per_subpixel, color="#bbbbbb", linewidth=0.8)
        axes.annotate(row.codec, place, xycoords=("axes fraction", "data"), ha="right", fontsize=7, color="#777777")
    markers = itertools.cycle(_MARKERS)
    for row in report.rows:
        if row.decode_kpixels_per_second is not None:
            name = f"{row.codec}: {row.bits_per_subpixel:.3f}"
            axes.plot(row.decode_kpixels_per_second, row.bits_per_subpixel, next(markers), label=name)
    axes.legend(fontsize=7, loc="upper left")
    axes.set_title("\n".join([_head(report)[0], *([f"grey: {PUBLISHED}"] if published else [])]), fontsize=8)
    figure.savefig(path, dpi=150)


def _head(report: Report) -> list[str]:
    counts = f"{_count(report.num_images, 'image')}, {_count(report.num_pixels, 'pixel')}"
    notes = "; ".join((report.image_set, counts, *report.notes))
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    machine = f"{report.processor}, device {report.device}, {_count(report.num_threads, 'thread')}"
    subject = "file was restored" if report.are_jpegs else "image was decoded"
    files = f"bits/sub-pixel of files count every byte; every {subject} and compared"
    return [notes, machine, versions, files]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _measured(report: Report) -> Table:
    rows = [row for row in report.rows if row.kind != "published"]
    if report.are_jpegs:
        return _with_shares(_speeds(rows, report), [row.num_bytes or 0 for row in rows])
    return _speeds(rows, report)


def _with_shares(table: Table, num_bytes: Sequence[int]) -> Table:
    """Add a column after the first numbers: bytes as shares of the first row's."""
    column = ["of the bytes", *(f"{number / num_bytes[0]:.1%}" for number in num_bytes)]
    return [[*row[:2], share, *row[2:]] for row, share in zip(table, column, strict=True)]


def _speeds(rows: Sequence[Row], report: Report) -> Table:
    units = ["kpixel/s", "images/s"] if report.are_small else ["kpixel/s"]
    header = ["codec", "bits/sub-pixel", *(f"{way} {unit}" for unit in units for way in ("encode", "decode"))]
    return [header, *(_cells(row, report.are_small) for row in rows)]


def _cells(row: Row, in_images: bool) -> list[str]:
    speeds = [row.encode_kpixels_per_second, row.decode_kpixels_per_second]
    if in_images:
        speeds += [row.encode_images_per_second, row.decode_images_per_second]
    return [row.codec, f"{row.bits_per_subpixel:.3f}", *map(_speed, speeds)]


def _speed(speed: float | None) -> str:
    if speed is None:
        return "-"
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2f}"


def _published(report: Report) -> Table:
    rows = [[row.codec, f"{row.bits_per_subpixel:.2f}"] for row in report.rows if row.kind == "published"]
    return [["model", "bits/sub-pixel"], *rows] if rows else []


def _aligned(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for name, *numbers in table:
        cells = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def _piped(table: Sequence[Sequence[str]]) -> str:
    header, *rows = table
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
