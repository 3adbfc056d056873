"""JPEG files on the command line: kept as they are, or a word about it."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import pixels, run
from test_jpeg import as_jpeg, decoded, texture

import pixelzip
from pixelzip.jpeg import body, scan


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(as_jpeg(texture(60, 90), dpi=(300, 300)))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def test_there_and_back(photo: Path) -> None:
    result = run("compress", photo)
    assert (result.exit_code, result.output) == (0, "")
    packed, jpeg = photo.with_suffix(".pxz"), photo.read_bytes()
    assert packed.stat().st_size < len(jpeg)
    assert "model photo-jpeg, a JPEG file" in run("info", packed).output
    photo.unlink()
    assert run("decompress", packed).exit_code == 0
    assert photo.read_bytes() == jpeg
    assert photo.stat().st_mtime == 1_000_000_000
    assert sorted(os.listdir(photo.parent)) == ["photo.jpg", "photo.pxz"]
    result = run("decompress", packed)
    assert result.exit_code == 1
    assert result.stderr == f"pixelzip: {packed}: {photo} exists; use -f to overwrite it\n"
    assert run("decompress", packed, "-f").exit_code == 0


@pytest.mark.parametrize("name", ["a.jpeg", "a.JPG", "a.jpe", "a.jfif", "-"])
def test_the_file_under_other_names(photo: Path, name: str) -> None:
    packed = run("compress", photo, "-o", "-").stdout_bytes
    target = name if name == "-" else photo.parent / name
    result = run("decompress", "-", "-o", target, stdin=packed)
    assert result.exit_code == 0
    assert (result.stdout_bytes if name == "-" else Path(target).read_bytes()) == photo.read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_its_pixels(photo: Path, suffix: str) -> None:
    run("compress", photo)
    target = photo.with_suffix(suffix)
    assert run("decompress", photo.with_suffix(".pxz"), "-o", target).exit_code == 0
    found = np.load(target) if suffix == ".npy" else pixels(target)
    assert np.array_equal(found, decoded(photo.read_bytes()))


def test_parts_are_pixels(photo: Path) -> None:
    run("compress", photo)
    assert run("decompress", photo.with_suffix(".pxz"), "--crop", 10, 20, 30, 25).exit_code == 0
    assert np.array_equal(pixels(photo.with_suffix(".png")), decoded(photo.read_bytes())[20:45, 10:40])


def test_what_is_salvaged_are_pixels(photo: Path) -> None:
    run("compress", photo)
    assert run("decompress", photo.with_suffix(".pxz"), "--salvage").exit_code == 0
    assert np.array_equal(pixels(photo.with_suffix(".png")), decoded(photo.read_bytes()))


def test_pixels_cannot_become_a_jpeg(photo: Path) -> None:
    Image.fromarray(decoded(photo.read_bytes())).save(photo.with_suffix(".png"))
    run("compress", photo.with_suffix(".png"))
    result = run("decompress", photo.with_suffix(".pxz"), "-o", photo.parent / "b.jpg")
    assert result.exit_code == 1
    assert "cannot write .jpg" in result.stderr


def test_stripped(photo: Path) -> None:
    result = run("compress", photo, "--strip")
    assert result.exit_code == 0
    assert result.stderr == f"pixelzip: {photo}: warning: pixels are kept, not the JPEG file\n"
    info = pixelzip.info(photo.with_suffix(".pxz").read_bytes())
    assert (info.body, info.metadata) == ("jpeg", {})


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_damage_is_found(photo: Path, place: float) -> None:
    run("compress", photo)
    packed = photo.with_suffix(".pxz")
    assert run("test", packed).exit_code == 0
    assert run("decompress", "-t", packed).exit_code == 0
    data = bytearray(packed.read_bytes())
    data[int(place * len(data))] ^= 4
    packed.write_bytes(data)
    for arguments in (("test", packed), ("decompress", "-t", packed), ("decompress", packed, "-f")):
        result = run(*arguments)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1


def unusual(path: Path, jpeg: bytes = b"") -> Path:
    """Make a JPEG file one that cannot be kept: its scan ends in a byte that is no part of it."""
    jpeg = jpeg or path.read_bytes()
    end = scan.end(jpeg, jpeg.index(b"\xff\xda") + 14)
    path.write_bytes(jpeg[:end] + b"\x55" + jpeg[end:])
    return path


def test_levels_are_decoded_once_and_pixels_checked(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(body, "_checksum", lambda samples: bytes(4))
        wrong = pixelzip.compress(photo.read_bytes())
    run("compress", photo)
    decode, calls = body.decode, list[int]()
    monkeypatch.setattr(body, "decode", lambda *given: calls.append(1) or decode(*given))
    assert run("test", photo.with_suffix(".pxz")).exit_code == 0
    assert len(calls) == 1
    assert pixelzip.decompress_jpeg(wrong) == photo.read_bytes()
    result = run("test", "-", stdin=wrong)
    assert (result.exit_code, result.stderr) == (
        1,
        "pixelzip: standard input: the checksum does not match the pixels\n",
    )


def test_a_file_that_cannot_be_kept(photo: Path) -> None:
    reason = "the JPEG file cannot be kept: the JPEG was written in a way that is not supported"
    result = run("compress", unusual(photo), "--rm")
    assert result.exit_code == 1
    assert result.stderr == f"pixelzip: {photo}: --rm would lose the file: {reason}\n"
    assert os.listdir(photo.parent) == ["photo.jpg"]
    result = run("compress", photo)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"pixelzip: {photo}: warning: pixels are kept: {reason}")
    assert run("decompress", photo.with_suffix(".pxz")).exit_code == 0
    assert np.array_equal(pixels(photo.with_suffix(".png")), decoded(photo.read_bytes()))


def test_more_images_behind_the_first(photo: Path) -> None:
    buffer = io.BytesIO()
    first, second = Image.fromarray(texture(40, 48)), Image.fromarray(texture(20, 24))
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    photo.write_bytes(buffer.getvalue())
    assert run("compress", photo).exit_code == 0
    jpeg, packed = photo.read_bytes(), photo.with_suffix(".pxz")
    photo.unlink()
    assert run("decompress", packed).exit_code == 0
    assert photo.read_bytes() == jpeg
    pack = photo.parent / "a.pxzp"
    assert run("pack", photo, "-o", pack).exit_code == 0
    assert run("unpack", pack, "--output-dir", photo.parent / "out").exit_code == 0
    assert (photo.parent / "out" / "photo.jpg").read_bytes() == jpeg
    photo.write_bytes(jpeg + b"?")
    unusual(photo)
    for arguments in (("compress", photo, "-f", "--strip"), ("pack", photo, "-fo", pack)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "the image has 2 frames" in result.stderr


def test_packs(photo: Path) -> None:
    folder = photo.parent
    Image.fromarray(texture(9, 8)).save(folder / "b.png")
    odd = unusual(folder / "odd.jpg", photo.read_bytes())
    pack, out = folder / "set.pxzp", folder / "out"
    result = run("pack", "-r", folder, "-o", pack)
    assert result.exit_code == 0
    assert result.stderr == "pixelzip: odd.jpg: warning: pixels are kept, not the JPEG file\n"
    assert run("unpack", pack, "--output-dir", out).exit_code == 0
    assert sorted(os.listdir(out)) == ["b.png", "odd.png", "photo.jpg"]
    assert (out / "photo.jpg").read_bytes() == photo.read_bytes()
    assert np.array_equal(pixels(out / "odd.png"), decoded(odd.read_bytes()))
    data = bytearray(pack.read_bytes())
    data[-40] ^= 1
    pack.write_bytes(data)
    result = run("unpack", pack, "--output-dir", out, "-f")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_folders(photo: Path) -> None:
    Image.fromarray(texture(9, 8)).save(photo.parent / "b.png")
    assert run("compress", "-r", photo.parent, "--rm").exit_code == 0
    assert sorted(os.listdir(photo.parent)) == ["b.pxz", "photo.pxz"]
    result = run("decompress", "-r", photo.parent, "--json")
    assert [Path(json.loads(line)["output"]).name for line in result.stdout.splitlines()] == ["b.png", "photo.jpg"]


def test_a_jpeg_beside_a_png_of_its_name(photo: Path) -> None:
    Image.fromarray(texture(9, 8)).save(photo.with_suffix(".png"))
    (photo.parent / "b.jpeg").write_bytes(photo.read_bytes())
    assert run("compress", "-r", photo.parent, "--rm").exit_code == 0
    assert sorted(os.listdir(photo.parent)) == ["b.pxz", "photo.jpg.pxz", "photo.png.pxz"]
    assert run("decompress", "-r", photo.parent, "--rm").exit_code == 0
    assert sorted(os.listdir(photo.parent)) == ["b.jpg", "photo.jpg", "photo.png"]


@pytest.mark.parametrize("is_usual", [True, False])
def test_a_second_run_on_a_cluster_skips_what_is_there(photo: Path, is_usual: bool) -> None:
    pytest.importorskip("dask.distributed")
    if not is_usual:
        unusual(photo)
    for skipped in (None, True):
        rows = [json.loads(line) for line in run("compress", photo, "--dask", "local", "--json").stdout.splitlines()]
        assert [row.get("skipped") for row in rows] == [skipped]
    assert run("compress", photo, "--dask", "local", "--rm").exit_code == (0 if is_usual else 1)
    assert photo.exists() == (not is_usual)
