"""Many files, one command: options that commands share, progress, and what happens when a file fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pixelzip.cli.files import FileError, Job, reason
from pixelzip.errors import PixelzipError
from pixelzip.threads import num_processors

Command = TypeVar("Command", bound=Callable[..., Any])

FAILURES = (FileError, PixelzipError, OSError, MemoryError, RuntimeError)
"""What may go wrong with one file while the others go on; torch raises RuntimeError for devices and lack of memory."""


def shared_options(command: Command) -> Command:
    """Add the options of every command that turns files into files."""
    options = [
        click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
        click.option("-o", "--output", metavar="FILE", help="Output of the one input; - is standard output."),
        click.option("--output-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for all outputs."),
        click.option("-r", "--recursive", is_flag=True, help="Search folders; --output-dir keeps their tree."),
        click.option("-f", "--force", is_flag=True, help="Overwrite existing outputs."),
        click.option(
            "--rm", "remove", is_flag=True, help="Remove each input after its output is verified and written."
        ),
        click.option("--no-preserve", is_flag=True, help="Do not copy permissions and times."),
        click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps; the bytes are the same."),
        click.option("--model", help="Name of a model, or path of a .safetensors file."),
        click.option("--max-pixels", type=click.IntRange(min=1), default=2**28, show_default=True),
        click.option("-q", "--quiet", is_flag=True, help="Errors only."),
        click.option("-v", "--verbose", is_flag=True, help="One line for each file."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object for each file on standard output."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_jobs(
    jobs: Sequence[Job], work: Callable[[Job], dict[str, Any]], *, quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Apply ``work`` to every job; a failure is reported and the rest go on, then the exit code is 1."""
    if as_json and any(job.target is None for job in jobs):
        raise click.UsageError("--json and an image cannot both go to standard output")
    hidden = quiet or verbose or len(jobs) < 2 or not sys.stderr.isatty()
    num_failed = 0
    with click.progressbar(jobs, file=sys.stderr, hidden=hidden, label="pixelzip") as progress:
        for job in progress:
            try:
                row = work(job)
            except FAILURES as error:
                num_failed += 1
                click.echo(f"pixelzip: {job.name}: {reason(error)}", err=True)
                row = {"input": job.name, "error": reason(error)}
            if as_json:
                click.echo(json.dumps(row))
            elif verbose and "error" not in row:
                click.echo("  ".join(f"{key}={value}" for key, value in row.items()), err=True)
    if num_failed:
        if num_failed < len(jobs) and not quiet:
            click.echo(f"pixelzip: {num_failed} of {len(jobs)} files failed", err=True)
        sys.exit(1)


def num_threads(threads: int) -> int:
    """Resolve 0 to the processors this process may use."""
    return threads or num_processors()


def remove_source(job: Job) -> None:
    """Remove an input whose output is safe; standard input is left alone."""
    if job.source is not None and job.target is not None:
        job.source.unlink()
