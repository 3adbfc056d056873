"""Faults of the world around: kills, full disks, closed pipes, closed folders, others at the same work."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import faults
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import smooth_image
from PIL import Image

import pixelzip
from pixelzip import cli
from pixelzip.cli import files

COMMAND = [sys.executable, "-m", "pixelzip"]
TINY_RUN = [
    *("--channels", "4", "--blocks", "1", "--mixtures", "1", "--batch-size", "1", "--crop-size", "16"),
    *("--steps", "2", "--held-out", "1", "-T", "1"),
]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(smooth_image(30, 40)).save(path)
    return path


def test_killed_commands_leave_nothing_half_written(tmp_path: Path) -> None:
    results = faults.run(2, tmp_path)
    assert sorted(results) == ["compress", "decompress", "pack", "train", "unpack"]


@pytest.mark.parametrize("command", ["compress", "decompress", "pack", "unpack", "sample", "heatmap"])
def test_a_full_disk(command: str, photo: Path, model_path: str) -> None:
    """A limit on the size of files is what a full disk is to a program: a write that fails."""
    folder = photo.parent
    setup = {"decompress": ["compress", photo], "unpack": ["pack", photo, "-o", folder / "a.pxzp"]}
    if command in setup:
        prepared = [str(argument) for argument in setup[command]]
        assert CliRunner().invoke(cli.main, [*prepared, "--model", model_path]).exit_code == 0
        photo.unlink()
    arguments: dict[str, list[str | Path]] = {
        "compress": [photo],
        "decompress": [folder / "photo.pxz"],
        "pack": [photo, "-o", folder / "a.pxzp"],
        "unpack": [folder / "a.pxzp", "--output-dir", folder],
        "sample": ["-n", "1", "--size", "8", "8", "-o", folder / "a.png"],
        "heatmap": [photo, "-o", folder / "a.png"],
    }
    before = sorted(os.listdir(folder))
    result = _limited([command, *map(str, arguments[command]), "--model", model_path], 20)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "File too large" in result.stderr
    assert sorted(os.listdir(folder)) == before


def test_a_full_disk_in_training(photo: Path) -> None:
    for index in range(4):
        Image.fromarray(smooth_image(24, 24, seed=index)).save(photo.parent / f"{index}.png")
    run = photo.parent / "run"
    result = _limited(["train", str(photo.parent), "--output", str(run), *TINY_RUN], 2000)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert not (run / "checkpoint.pt").exists()
    assert not list(run.glob("*.tmp"))


def _limited(arguments: list[str], num_bytes: int) -> Result:
    """Run a command that may not write files larger than that; Python ignores the signal, so writing fails."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        return CliRunner().invoke(cli.main, arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize(("name", "arguments"), [("info", ["--json"]), ("compress", ["-o", "-"]), ("list", [])])
def test_closed_pipes(name: str, arguments: list[str], photo: Path) -> None:
    source = photo
    if name != "compress":
        kind = ["compress"] if name == "info" else ["pack", "-o", str(photo.with_suffix(".pxzp"))]
        assert CliRunner().invoke(cli.main, [*kind, str(photo)]).exit_code == 0
        source = photo.with_suffix(".pxz" if name == "info" else ".pxzp")
    process = subprocess.Popen(
        [*COMMAND, name, str(source), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert message in ("", f"pixelzip: {photo}: whoever reads standard output has closed it\n")


def test_standard_streams_that_do_not_exist(photo: Path) -> None:
    for redirection, message in (
        (f"compress {photo} -o - >&-", f"pixelzip: {photo}: standard output is closed\n"),
        (f"compress - -o {photo}.pxz <&-", "pixelzip: standard input: it is closed\n"),
    ):
        shell = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m pixelzip {redirection}"], capture_output=True, text=True, check=False
        )
        assert (shell.returncode, shell.stderr) == (1, message)


def test_ctrl_c(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(smooth_image(3000, 3000)).save(source)
    process = subprocess.Popen(
        [*COMMAND, "compress", "-T", "2", str(source)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs are started deaf to it
    )
    time.sleep(3)  # it has begun by then, and is not done
    process.send_signal(signal.SIGINT)
    _, message = process.communicate()
    assert (process.returncode, message) == (130, "pixelzip: interrupted\n")
    assert os.listdir(tmp_path) == ["a.png"]


def test_vanished_inputs(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = photo.with_name("other.png")
    Image.fromarray(smooth_image(9, 9)).save(other)
    plan = files.expand

    def then_remove(*arguments: object) -> object:
        found = plan(*arguments)  # type: ignore[arg-type]
        other.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(files, "expand", then_remove)
    result = CliRunner().invoke(cli.main, ["compress", "-r", str(photo.parent)])
    assert result.exit_code == 1
    assert f"pixelzip: {other}: No such file or directory\n" in result.stderr
    assert photo.with_suffix(".pxz").exists()


def test_an_input_that_vanishes_later_loses_nothing(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output's time is copied from the input last of all."""
    compress = pixelzip.compress

    def then_remove(*arguments: object, **options: object) -> object:
        data = compress(*arguments, **options)  # type: ignore[call-overload]
        photo.unlink()
        return data

    monkeypatch.setattr(pixelzip, "compress", then_remove)
    result = CliRunner().invoke(cli.main, ["compress", str(photo)])
    assert result.exit_code == 0
    assert np.array_equal(pixelzip.decompress_array(photo.with_suffix(".pxz").read_bytes()), smooth_image(30, 40))


def test_folders_that_cannot_be_written_to(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    result = CliRunner().invoke(cli.main, ["compress", str(photo)])
    assert (result.exit_code, result.stderr) == (1, f"pixelzip: {photo}: Permission denied\n")
    monkeypatch.undo()
    result = CliRunner().invoke(cli.main, ["compress", str(photo), "-o", "/proc/a.pxz"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    result = CliRunner().invoke(cli.main, ["compress", str(photo), "-o", f"{photo}/a.pxz"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_odd_clocks_and_permissions(photo: Path) -> None:
    packed = photo.with_suffix(".pxz")
    for moment, mode in ((0, 0o400), (2**33, 0o666), (-(2**31), 0o604)):
        os.utime(photo, (moment, moment))
        photo.chmod(mode)
        assert CliRunner().invoke(cli.main, ["compress", "-f", str(photo)]).exit_code == 0
        assert (packed.stat().st_mtime, packed.stat().st_mode & 0o777) == (photo.stat().st_mtime, mode)


def test_two_at_the_same_output(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without -f the first keeps its output; with -f the last one's is there, whole."""
    packed, compress = photo.with_suffix(".pxz"), pixelzip.compress

    def meanwhile(*arguments: object, **options: object) -> object:
        packed.write_bytes(b"another's")
        return compress(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(pixelzip, "compress", meanwhile)
    result = CliRunner().invoke(cli.main, ["compress", str(photo)])
    assert (result.exit_code, result.stderr) == (1, f"pixelzip: {photo}: {packed} exists; use -f to overwrite it\n")
    assert packed.read_bytes() == b"another's"
    assert CliRunner().invoke(cli.main, ["compress", "-f", str(photo)]).exit_code == 0
    assert np.array_equal(pixelzip.decompress_array(packed.read_bytes()), smooth_image(30, 40))
    assert sorted(os.listdir(photo.parent)) == ["photo.png", "photo.pxz"]


def test_file_systems_without_links(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.os, "link", refuse)
    assert CliRunner().invoke(cli.main, ["compress", str(photo)]).exit_code == 0
    assert sorted(os.listdir(photo.parent)) == ["photo.png", "photo.pxz"]


def test_processes_that_race(photo: Path, model_path: str) -> None:
    command = [*COMMAND, "compress", str(photo), "--model", model_path, "--json"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    rows = [json.loads(process.communicate()[0]) for process in processes]
    assert sorted("error" in row for row in rows) == [False, True]
    assert sorted(os.listdir(photo.parent)) == ["photo.png", "photo.pxz"]
    data = photo.with_suffix(".pxz").read_bytes()
    assert np.array_equal(pixelzip.decompress_array(data, model=model_path), smooth_image(30, 40))


def test_a_damaged_checkpoint_is_one_line(photo: Path) -> None:
    for index in range(4):
        Image.fromarray(smooth_image(24, 24, seed=index)).save(photo.parent / f"{index}.png")
    run = photo.parent / "run"
    run.mkdir()
    for damage in (b"", b"PK\x03\x04" + bytes(50), b"words"):
        (run / "checkpoint.pt").write_bytes(damage)
        result = CliRunner().invoke(cli.main, ["train", str(photo.parent), "--output", str(run), *TINY_RUN])
        assert result.exit_code == 1
        assert result.stderr == f"Error: {run / 'checkpoint.pt'}: damaged, or of another network\n"
        assert (run / "checkpoint.pt").read_bytes() == damage
