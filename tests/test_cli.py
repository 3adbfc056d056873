"""The command line: what a user types, what must never be lost."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import smooth_image
from PIL import Image

from pixelzip import cli
from pixelzip.cli import files


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(smooth_image(30, 40)).save(path, pnginfo=None, dpi=(72, 72))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    path.chmod(0o640)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_there_and_back(photo: Path) -> None:
    result = run("compress", photo)
    assert result.exit_code == 0, result.output
    packed = photo.with_suffix(".pxz")
    assert packed.stat().st_mtime == 1_000_000_000
    assert packed.stat().st_mode & 0o777 == 0o640
    original = photo.rename(photo.with_name("original.png"))
    assert run("decompress", packed).exit_code == 0
    assert np.array_equal(pixels(photo), pixels(original))
    assert sorted(os.listdir(photo.parent)) == ["original.png", "photo.png", "photo.pxz"]


def test_existing_output_is_kept_unless_forced(photo: Path) -> None:
    packed = photo.with_suffix(".pxz")
    packed.write_bytes(b"precious")
    result = run("compress", photo)
    assert result.exit_code == 1
    assert result.stderr == f"pixelzip: {photo}: {packed} exists; use -f to overwrite it\n"
    assert packed.read_bytes() == b"precious"
    assert run("compress", photo, "-f").exit_code == 0
    assert packed.read_bytes() != b"precious"


def test_output_is_never_the_input(photo: Path) -> None:
    before = photo.read_bytes()
    result = run("compress", photo, "-o", photo, "-f")
    assert result.exit_code == 1
    assert "same file" in result.stderr
    assert photo.read_bytes() == before


def test_rm_removes_only_after_verification(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.decompress_array", lambda data, **options: np.zeros((30, 40, 3), np.uint8))
    result = run("compress", photo, "--rm")
    assert result.exit_code == 1
    assert "verification failed" in result.stderr
    assert os.listdir(photo.parent) == ["photo.png"]
    monkeypatch.undo()
    assert run("compress", photo, "--rm").exit_code == 0
    assert os.listdir(photo.parent) == ["photo.pxz"]
    assert run("compress", photo, "--rm", "--no-verify").exit_code == 2


def test_a_bad_file_among_good_ones(photo: Path) -> None:
    bad, empty, missing = (photo.with_name(name) for name in ("bad.png", "empty.png", "missing.png"))
    bad.write_bytes(photo.read_bytes()[:100])
    empty.write_bytes(b"")
    result = run("compress", bad, photo, empty, missing, "--json")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in row for row in rows] == [True, False, True, True]
    assert rows[2]["error"] == "the file is empty"
    assert rows[3]["error"] == "No such file or directory"
    assert "3 of 4 files failed" in result.stderr
    assert "Traceback" not in result.output
    assert photo.with_suffix(".pxz").exists()
    assert not bad.with_suffix(".pxz").exists()


def test_folders_keep_their_tree(photo: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    photo.rename(source / "deep" / "a.png")
    Image.fromarray(smooth_image(5, 5)).save(source / "b.png")
    packed, back = tmp_path / "packed", tmp_path / "back"
    assert run("compress", source, "--output-dir", packed).exit_code == 2
    assert run("compress", "-r", source, "--output-dir", packed).exit_code == 0
    assert run("decompress", "-r", packed, "--output-dir", back).exit_code == 0
    for name in ("deep/a.png", "b.png"):
        assert np.array_equal(pixels(source / name), pixels(back / name))


def test_standard_streams(photo: Path) -> None:
    packed = run("compress", "-", "-o", "-", stdin=photo.read_bytes())
    assert packed.exit_code == 0
    restored = run("decompress", "-", stdin=packed.stdout_bytes)
    assert restored.exit_code == 0
    with Image.open(io.BytesIO(restored.stdout_bytes)) as image:
        assert np.array_equal(np.asarray(image), pixels(photo))


def test_test_writes_nothing(photo: Path) -> None:
    run("compress", photo)
    packed = photo.with_suffix(".pxz")
    before = sorted(os.listdir(photo.parent))
    assert run("decompress", "-t", packed).exit_code == 0
    damaged = bytearray(packed.read_bytes())
    damaged[-9] ^= 4
    packed.write_bytes(damaged)
    result = run("decompress", "-t", packed)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pixelzip: {packed}: ")
    assert sorted(os.listdir(photo.parent)) == before


def test_info(photo: Path) -> None:
    run("compress", photo)
    result = run("info", photo.with_suffix(".pxz"), "--json")
    row = json.loads(result.stdout)
    assert (row["width"], row["height"], row["mode"]) == (40, 30, "RGB")
    assert row["metadata"]["dpi"] == [pytest.approx(72, abs=0.1)] * 2
    assert "40x30 RGB" in run("info", photo.with_suffix(".pxz")).stdout
    assert run("info", photo).exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [("compress",), ("compress", "a.png", "b.png", "-o", "c"), ("compress", "x/a.png", "y/a.png", "--output-dir", "z"),
     ("compress", "a.png", "-o", "b", "--output-dir", "c"), ("decompress", "-t", "a.pxz", "-o", "b"), ("nonsense",),
     ("compress", "a.png", "-o", "-", "--json"), ("compress", "a.png", "--threads", "-1")],
)  # fmt: skip
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_16_bit_arrays(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 65536, (9, 8, 3)).astype(np.uint16)
    np.save(tmp_path / "a.npy", array)
    assert run("compress", tmp_path / "a.npy").exit_code == 0
    assert run("decompress", tmp_path / "a.pxz", "-o", tmp_path / "b.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "b.npy"), array)


def test_animations_and_other_formats_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(smooth_image(9, 9, seed=i)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert "3 frames" in run("compress", tmp_path / "a.gif").stderr
    (tmp_path / "a.txt").write_text("words")
    assert "not an image" in run("compress", tmp_path / "a.txt").stderr
    (tmp_path / "evil.npy").write_bytes(b"\x93NUMPY\x01\0garbage")
    assert run("compress", tmp_path / "evil.npy").exit_code == 1


def test_max_pixels(photo: Path) -> None:
    result = run("compress", photo, "--max-pixels", "1000")
    assert result.exit_code == 1
    assert "40x30 pixels exceed" in result.stderr
    run("compress", photo)
    assert (
        "more than the limit of 1000"
        in run("decompress", "-t", photo.with_suffix(".pxz"), "--max-pixels", "1000").stderr
    )


def test_a_failed_write_leaves_nothing(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    result = run("compress", photo)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert os.listdir(photo.parent) == ["photo.png"]


def test_ctrl_c_leaves_nothing(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    result = run("compress", photo)
    assert result.exit_code == 130
    assert result.stderr == "pixelzip: interrupted\n"
    assert os.listdir(photo.parent) == ["photo.png"]


def test_heatmap(photo: Path) -> None:
    target = photo.with_name("bits.png")
    result = run("heatmap", photo, "-o", target)
    assert result.exit_code == 0, result.output
    assert pixels(target).shape == (38, 40, 3)
    assert run("heatmap", photo, "-o", target).exit_code == 1


def test_the_package_is_the_command() -> None:
    command = [sys.executable, "-m", "pixelzip", "--version"]
    assert subprocess.check_output(command, text=True) == run("--version").stdout


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["compress", "--help"], ["info", "a.pxz"], ["list", "a.pxzp"], ["models"]],
)
def test_quick_commands_do_not_import_torch(arguments: list[str], tmp_path: Path) -> None:
    Image.fromarray(smooth_image(4, 4)).save(tmp_path / "a.png")
    run("compress", tmp_path / "a.png")
    run("pack", tmp_path / "a.png", "-o", tmp_path / "a.pxzp")
    code = (
        "import sys; from pixelzip.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, check=True, capture_output=True)
