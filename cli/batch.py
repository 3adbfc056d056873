"""Many files, one command: options that commands share, progress, and what happens when a file fails."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pixelzip.cli.files import FileError, Job, reason
from pixelzip.errors import PixelzipError
from pixelzip.threads import num_processors

Command = TypeVar("Command", bound=Callable[..., Any])

Row = dict[str, Any]
"""What became of one file: measurements, or "error"; "warning" is for people."""

FAILURES = (FileError, PixelzipError, OSError, MemoryError, RuntimeError)
"""What may go wrong with one file while the others go on; torch raises RuntimeError for devices and lack of memory."""


@dataclass(frozen=True)
class Decoding:
    """With what files are decoded."""

    model: str | None
    device: str
    num_threads: int
    max_pixels: int

    @property
    def decoding(self) -> dict[str, Any]:
        """Arguments of every function that decodes."""
        names = ("model", "device", "num_threads", "max_pixels")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Reporting:
    """How rows are shown, and whether the input of a good one is removed."""

    quiet: bool
    verbose: bool
    as_json: bool
    remove: bool


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
        click.option(
            "--dask",
            metavar="ADDRESS",
            help="Work on the Dask cluster of this scheduler, or, if local, on one process a thread; good outputs "
            "that exist are skipped.",
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps; the bytes are the same."),
        click.option("--model", callback=_absolute, help="Name of a model, or path of a .safetensors file."),
        click.option("--max-pixels", type=click.IntRange(min=1), default=2**28, show_default=True),
        click.option("-q", "--quiet", is_flag=True, help="Errors only."),
        click.option("-v", "--verbose", is_flag=True, help="One line for each file."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object for each file on standard output."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def attempt(work: Callable[[Job], Row], job: Job) -> Row:
    """Apply ``work`` to one job; a failure becomes the row's error."""
    try:
        return work(job)
    except FAILURES as error:
        return {"error": reason(error)}


def run_jobs(
    jobs: Sequence[Job], work: Callable[[Job], Row], dask: str | None, threads: int, model: str, how: Reporting
) -> None:
    """Apply ``work`` to every job, here or on a cluster; failures are reported, the rest go on, the exit code is 1.

    Raises:
        click.UsageError: JSON or files of a cluster would go to standard output.
        click.ClickException: as ``cluster.connect`` and ``cluster.check_workers``.
    """
    if how.as_json and any(job.target is None for job in jobs):
        raise click.UsageError("--json and an image cannot both go to standard output")
    if dask is None:
        _report(((job, attempt(work, job)) for job in jobs), len(jobs), how)
        return
    from pixelzip.cli import cluster

    jobs = cluster.absolute(jobs)
    with cluster.connect(dask, threads) as client:
        cluster.check_workers(client, model)
        _report(cluster.attempt_on(client, work, jobs), len(jobs), how)


def _report(outcomes: Iterable[tuple[Job, Row]], num_jobs: int, how: Reporting) -> None:
    """Show jobs as they are done; exits with 1 at the end if any failed."""
    hidden = how.quiet or how.verbose or num_jobs < 2 or not sys.stderr.isatty()
    num_failed = 0
    with click.progressbar(outcomes, num_jobs, file=sys.stderr, hidden=hidden, label="pixelzip") as progress:
        for job, row in progress:
            if how.remove and "error" not in row:
                row = row | attempt(_remove_source, job)
            num_failed += "error" in row
            _show(job, row, how)
    if num_failed:
        if num_failed < num_jobs and not how.quiet:
            click.echo(f"pixelzip: {num_failed} of {num_jobs} files failed", err=True)
        sys.exit(1)


def num_threads(threads: int) -> int:
    """Resolve 0 to the processors this process may use."""
    return threads or num_processors()


def require(module: str, extra: str) -> None:
    """Raise click.ClickException, which names the extra, when a module is not installed."""
    if importlib.util.find_spec(module) is None:
        raise click.ClickException(f"this needs {module}: pip install pixelzip[{extra}]")


def _absolute(context: click.Context, parameter: click.Parameter, model: str | None) -> str | None:
    """Name a model file as other processes find it."""
    return str(Path(model).absolute()) if model and model.endswith(".safetensors") else model


def _show(job: Job, row: Row, how: Reporting) -> None:
    warning = row.pop("warning", None)
    if "error" in row:
        row = {"error": row["error"]}
        click.echo(f"pixelzip: {job.name}: {row['error']}", err=True)
    elif warning and not how.quiet:
        click.echo(f"pixelzip: {job.name}: warning: {warning}", err=True)
    row = {"input": job.name, **row}
    if how.as_json:
        click.echo(json.dumps(row))
    elif how.verbose and "error" not in row:
        click.echo("  ".join(f"{key}={value}" for key, value in row.items()), err=True)


def _remove_source(job: Job) -> Row:
    """Remove an input whose output is safe; standard input is left alone."""
    if job.source is not None and job.target is not None:
        job.source.unlink()
    return {}
