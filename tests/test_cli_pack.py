"""``pixelzip pack``, ``unpack`` and ``list``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image
from test_cli import pixels, run

from pixelzip import image as images
from pixelzip import pack_container
from pixelzip.pack import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(("b/one.png", "b/two.png", "a/one.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth_image(8, 9, seed=index)).save(path)
    np.save(tmp_path / "photos" / "deep.npy", smooth_image(4, 4).astype(np.uint16) * 257)
    return tmp_path / "photos"


def test_there_and_back(folder: Path, tmp_path: Path) -> None:
    result = run("pack", folder, "-r", "-o", tmp_path / "set.pxzp", "--labels", "folders")
    assert result.exit_code == 0, result.output
    assert run("unpack", tmp_path / "set.pxzp", "--output-dir", tmp_path / "out").exit_code == 0
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["a/one.png", "b/one.png", "b/two.png", "deep.png"]
    for name in written[:3]:
        assert np.array_equal(pixels(tmp_path / "out" / name), pixels(folder / name))
    with Image.open(tmp_path / "out" / "deep.png") as image:
        assert np.array_equal(images.read(image).samples, np.load(folder / "deep.npy"))
    lines = run("list", tmp_path / "set.pxzp").stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'set.pxzp'}: 4 images, ")
    assert lines[1].startswith("0  a/one.png  label 1  9x8 RGB, ")
    rows = [json.loads(line) for line in run("list", tmp_path / "set.pxzp", "--json").stdout.splitlines()]
    assert [(row["name"], row["label"]) for row in rows] == [
        ("a/one.png", 1), ("b/one.png", 2), ("b/two.png", 2), ("deep.npy", 0)
    ]  # fmt: skip


def test_some_images(folder: Path, tmp_path: Path) -> None:
    files = [folder / "b" / "one.png", folder / "b" / "two.png", folder / "deep.npy"]
    assert run("pack", *files, "-o", tmp_path / "set.pxzp").exit_code == 0
    options = ["--output-dir", tmp_path / "out", "--index", 1, "--name", "deep.npy", "--index", 1]
    assert run("unpack", tmp_path / "set.pxzp", *options).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["deep.png", "two.png"]
    again = run("unpack", tmp_path / "set.pxzp", *options)
    assert again.exit_code == 1
    assert again.stderr.count("exists; use -f") == 2
    assert run("unpack", tmp_path / "set.pxzp", *options, "-f").exit_code == 0


def test_damaged_images_are_reported_and_the_others_written(tmp_path: Path) -> None:
    images = [smooth_image(8, 9, seed=seed) for seed in range(4)]
    data = bytearray(pack(images))
    contents = pack_container.read(bytes(data), 2**20)
    for index in (1, 3):
        data[contents.offsets[index] + 4] ^= 16
    (tmp_path / "set.pxzp").write_bytes(data)
    result = run("unpack", tmp_path / "set.pxzp", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    path = tmp_path / "set.pxzp"
    assert result.stderr == f"pixelzip: {path}: image 1 is damaged\npixelzip: {path}: image 3 is damaged\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.png", "00002.png"]
    assert np.array_equal(pixels(tmp_path / "out" / "00002.png"), images[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "2"], "there is no image 2: the pack has 2"),
        (["--index", "-1"], "there is no image -1: the pack has 2"),
        (["--name", "three"], "there is no image with the name three"),
    ],
)
def test_images_that_do_not_exist(arguments: list[str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "set.pxzp"
    path.write_bytes(pack([smooth_image(3, 3)] * 2, names=["one", "two"]))
    result = run("unpack", path, "--output-dir", tmp_path / "out", *arguments)
    assert (result.exit_code, result.stderr) == (1, f"pixelzip: {path}: {message}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["../a", "b"], "leads out of the folder"),
        (["/a", "b"], "leads out of the folder"),
        (["c:a", "b"], "leads out of the folder"),
        ([".", "b"], "leads out of the folder"),
        (["a.png", "a.webp"], "images 0 and 1 would both be written to"),
    ],
)
def test_names_that_cannot_be_files(names: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "set.pxzp").write_bytes(pack([smooth_image(3, 3)] * 2, names=names))
    result = run("unpack", tmp_path / "set.pxzp", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["list"], ["unpack", "--output-dir", "out"]])
@pytest.mark.parametrize("content", [b"", b"GIF89a", pack([])[:-2], pack([])[:8] + b"a" + pack([])[9:], b"\x89PZ\r\n"])
def test_what_is_no_pack(command: list[str], content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "set.pxzp"
    path.write_bytes(content)
    result = run(*command, path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pixelzip: {path}: ")
    assert result.stderr.count("\n") == 1
    assert (
        run(*command, tmp_path / "missing").stderr == f"pixelzip: {tmp_path / 'missing'}: No such file or directory\n"
    )


def test_what_cannot_be_packed(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "set.pxzp"
    palette, text = tmp_path / "palette.png", tmp_path / "text.png"
    Image.new("P", (3, 3)).save(palette)
    text.write_text("no image")
    broken = tmp_path / "broken.png"
    broken.write_bytes((folder / "a" / "one.png").read_bytes()[:-60])
    for path, exit_code, message in [
        (palette, 1, f"{output}: image 0 (palette.png): packs do not hold mode P; convert it to L or RGB"),
        (text, 1, f"{text}: not an image that can be read"),
        (broken, 1, f"{broken}: the image is damaged"),
        (folder, 2, "is a folder; use -r"),
        ("-", 2, "not standard input"),
    ]:
        result = run("pack", path, "-o", output)
        assert result.exit_code == exit_code, result.output
        assert message in result.stderr
    twice = run("pack", folder / "a" / "one.png", folder / "b" / "one.png", "-o", output)
    assert (twice.exit_code, "2 images would have the name one.png" in twice.stderr) == (2, True)
    assert not output.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "\udcff.png"
    Image.fromarray(smooth_image(3, 3)).save(path)
    result = run("pack", path, "-o", tmp_path / "set.pxzp")
    assert (result.exit_code, "surrogates not allowed" in result.stderr) == (1, True)


def test_existing_pack_is_kept_and_verified(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "set.pxzp"
    output.write_bytes(b"precious")
    assert "exists; use -f" in run("pack", folder, "-r", "-o", output).stderr
    monkeypatch.setattr("pixelzip.pack.Pack.read", lambda pack, indices: [np.zeros((1, 1))] * len(indices))
    assert "verification failed" in run("pack", folder, "-r", "-f", "-o", output).stderr
    assert output.read_bytes() == b"precious"
    assert run("pack", folder, "-r", "-f", "-o", output, "--no-verify").exit_code == 0
