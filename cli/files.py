"""Inputs -> outputs: which files, under which names, written so that nothing is lost or half-written."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

STANDARD: Final = "-"
"""Stands for standard input or output."""


class FileError(Exception):
    """A file cannot be used; the message is one line without the file's name."""


@dataclass(frozen=True)
class Job:
    """One input and where its output goes; None is standard input or output."""

    source: Path | None
    target: Path | None

    @property
    def name(self) -> str:
        """The input as the user knows it."""
        return "standard input" if self.source is None else str(self.source)


def plan_jobs(
    inputs: Sequence[str],
    suffixes: frozenset[str],
    target_suffix: str,
    output: str | None,
    output_dir: Path | None,
    recursive: bool,
) -> list[Job]:
    """Pair inputs with outputs. Folders are searched for ``suffixes`` and keep their tree below ``output_dir``.

    Raises:
        click.UsageError: options that contradict each other, two inputs with one output, or the outputs' folder
            is searched for inputs.
    """
    if output is not None and output_dir is not None:
        raise click.UsageError("-o and --output-dir exclude each other")
    if output_dir is not None and any(Path(name).is_dir() and _is_same(Path(name), output_dir) for name in inputs):
        raise click.UsageError(f"{output_dir} is the input folder, too; without --output-dir outputs lie beside inputs")
    found = [pair for name in inputs for pair in expand(name, suffixes, recursive)]
    if output is not None and len(found) != 1:
        raise click.UsageError(f"-o takes one input, not {len(found)}; use --output-dir")
    jobs = [Job(source, _target(source, root, target_suffix, output, output_dir)) for source, root in found]
    jobs = _kept_apart(jobs, target_suffix)
    targets = [job.target.absolute() for job in jobs if job.target is not None]
    twice = {target for target in targets if targets.count(target) > 1} if len(set(targets)) < len(targets) else set()
    if twice:
        raise click.UsageError(f"several inputs would be written to {sorted(twice)[0]}")
    return jobs


def read_input(job: Job) -> bytes:
    """Read all of an input; raises OSError, or FileError when it is empty."""
    if job.source is None and sys.stdin is None:
        raise FileError("it is closed")
    data = sys.stdin.buffer.read() if job.source is None else job.source.read_bytes()
    if not data:
        raise FileError("the file is empty")
    return data


def check_target(job: Job, force: bool) -> None:
    """Raise FileError when the output exists (and is not to be overwritten) or is the input itself."""
    if job.target is None:
        if sys.stdout is None:
            raise FileError("standard output is closed")
        if sys.stdout.isatty() and not force:
            raise FileError("refusing to write binary data to a terminal; use -o or -f")
        return
    if job.source is not None and job.target.exists() and job.target.samefile(job.source):
        raise FileError("input and output are the same file")
    if job.target.is_dir():
        raise FileError(f"{job.target} is a folder")
    if job.target.exists() and not force:
        raise FileError(_exists(job.target))


def write_output(job: Job, data: bytes, *, preserve: bool, force: bool) -> None:
    """Write an output so that it appears complete or not at all, with the mode and time of the input.

    Raises FileError when another process has made the output meanwhile (and it is not to be overwritten).
    """
    if job.target is None:
        _write_standard(data)
        return
    job.target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=job.target.parent, prefix=f".{job.target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _set_attributes(Path(name), job.source if preserve else None)
        _move(Path(name), job.target, force)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _move(source: Path, target: Path, force: bool) -> None:
    if not force:
        try:
            os.link(source, target)  # unlike a renaming it fails when there is a target
        except FileExistsError as error:
            raise FileError(_exists(target)) from error
        except OSError:  # a file system without links
            os.replace(source, target)
        source.unlink(missing_ok=True)
    else:
        os.replace(source, target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk before an input may be removed; where folders cannot be opened, hope."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(descriptor)
        os.close(descriptor)


def _write_standard(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        # What is left in the buffer would be written again, and fail again, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise FileError("whoever reads standard output has closed it") from error


def _exists(target: Path) -> str:
    return f"{target} exists; use -f to overwrite it"


def reason(error: BaseException) -> str:
    """One line that says what went wrong, without the file's name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def expand(name: str, suffixes: frozenset[str], recursive: bool) -> list[tuple[Path | None, Path | None]]:
    """Return the files that an argument stands for, each with the folder that was searched (None: it is a file).

    Raises:
        click.UsageError: a folder without ``recursive``, or with no file of ``suffixes``.
    """
    if name == STANDARD:
        return [(None, None)]
    path = Path(name)
    if not path.is_dir():
        return [(path, None)]
    if not recursive:
        raise click.UsageError(f"{name} is a folder; use -r")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file())
    if not files:
        raise click.UsageError(f"no files to work on ({', '.join(sorted(suffixes))}) in {name}")
    return [(file, path) for file in files]


def _target(
    source: Path | None, root: Path | None, suffix: str, output: str | None, output_dir: Path | None
) -> Path | None:
    if output is not None:
        return None if output == STANDARD else Path(output)
    if source is None:
        return None
    renamed = source.with_suffix(suffix)
    if output_dir is None:
        return renamed
    return output_dir / (renamed.relative_to(root) if root else renamed.name)


def _kept_apart(jobs: Sequence[Job], suffix: str) -> list[Job]:
    """Name outputs that several inputs would have after all of their names: a.jpg.pxz beside a.png.pxz."""
    counts = Counter(job.target for job in jobs)
    return [
        replace(job, target=job.target.with_name(job.source.name + suffix))
        if job.target and job.source and counts[job.target] > 1
        else job
        for job in jobs
    ]


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def _set_attributes(path: Path, source: Path | None) -> None:
    try:
        status = source.stat() if source else None
    except FileNotFoundError:  # gone meanwhile: all the more is the output needed
        status = None
    if status is None:
        mask = os.umask(0)
        os.umask(mask)
        path.chmod(0o666 & ~mask)
        return
    path.chmod(status.st_mode & 0o777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
