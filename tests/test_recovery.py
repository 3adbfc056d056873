"""Damaged files: what is intact comes back, what is not is listed; a test of folders says which files are bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import smooth_image
from PIL import Image

import pixelzip
from pixelzip import cli, container
from pixelzip.models.conversion import JFIF
from pixelzip.models.planes import CHROMA_HALVED, jpeg_planes
from pixelzip.pack import pack

HEIGHT, WIDTH = 130, 520
NUM_TILES, ACROSS, SIDE = 27, 9, 64


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def box(number: int) -> tuple[int, int, int, int]:
    top, left = number // ACROSS * SIDE, number % ACROSS * SIDE
    return left, top, min(left + SIDE, WIDTH), min(top + SIDE, HEIGHT)


def filled(samples: np.ndarray, tiles: tuple[int, ...], level: int, channels: slice) -> np.ndarray:
    expected = samples.copy()
    for left, top, right, bottom in map(box, tiles):
        expected[top:bottom, left:right, channels] = level
    return expected


def damaged(data: bytes, *streams: int) -> bytes:
    """Flip a bit in each of some streams."""
    header, parts = container.read(data)
    for index in streams:
        parts[index] = parts[index][:3] + bytes([parts[index][3] ^ 8]) + parts[index][4:]
    return container.write(header, parts)


@pytest.mark.usefixtures("small_tiles")
def test_an_intact_file(model_path: str) -> None:
    image = Image.fromarray(smooth_image(HEIGHT, WIDTH))
    image.info["Title"] = "hills"
    salvaged = pixelzip.salvage(pixelzip.compress(image, model_path), model=model_path)
    assert (salvaged.num_tiles, salvaged.tiles, salvaged.notes) == (NUM_TILES, (), ())
    assert salvaged.to_pillow().tobytes() == image.tobytes()
    assert salvaged.to_pillow().info == image.info


@pytest.mark.usefixtures("small_tiles")
def test_damaged_tiles_are_filled_and_listed(model_path: str) -> None:
    pixels = smooth_image(HEIGHT, WIDTH)
    data = damaged(pixelzip.compress(pixels, model_path), 0, 12, 26)
    with pytest.raises(pixelzip.CorruptFile, match="checksum"):
        pixelzip.decompress(data, model=model_path)
    salvaged = pixelzip.salvage(data, model=model_path)
    assert salvaged.tiles == tuple(pixelzip.DamagedTile(number, box(number), "colour") for number in (0, 12, 26))
    assert np.array_equal(salvaged.to_array(), filled(pixels, (0, 12, 26), 128, slice(None)))


@pytest.mark.usefixtures("small_tiles")
def test_alpha_is_lost_alone(model_path: str) -> None:
    pixels = np.concatenate((smooth_image(HEIGHT, WIDTH, 3), smooth_image(HEIGHT, WIDTH, 1, seed=1)), axis=2)
    data = damaged(pixelzip.compress(pixels, model_path), NUM_TILES + 5, 7)
    salvaged = pixelzip.salvage(data, model=model_path)
    assert [(tile.number, tile.part) for tile in salvaged.tiles] == [(5, "alpha"), (7, "colour")]
    expected = filled(filled(pixels, (5,), 255, slice(3, 4)), (7,), 128, slice(0, 3))
    assert np.array_equal(salvaged.to_array(), expected)


@pytest.mark.usefixtures("small_tiles")
def test_stored_low_bytes_are_lost_whole(model_path: str) -> None:
    low = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint16)
    samples = smooth_image(HEIGHT, WIDTH, 1)[..., 0].astype(np.uint16) * 256 + low
    data = damaged(pixelzip.compress(samples, model_path), NUM_TILES)
    salvaged = pixelzip.salvage(data, model=model_path)
    assert len(salvaged.tiles) == NUM_TILES
    assert {tile.part for tile in salvaged.tiles} == {"low bytes of grey"}
    assert np.array_equal(salvaged.to_array(), samples & 0xFF00)


@pytest.mark.usefixtures("small_tiles")
def test_lattices_are_filled_in_rgb() -> None:
    pixels = JFIF.to_rgb(jpeg_planes(smooth_image(HEIGHT, WIDTH), 90, CHROMA_HALVED))
    pixels[100, 100] ^= 1
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).lattice == "JFIF"
    salvaged = pixelzip.salvage(damaged(data, 10))
    assert np.array_equal(salvaged.to_array(), filled(pixels, (10,), 128, slice(None)))


@pytest.mark.usefixtures("small_tiles")
def test_a_file_that_was_cut_off(model_path: str) -> None:
    pixels = smooth_image(HEIGHT, WIDTH)
    data = pixelzip.compress(pixels, model_path)
    streams = container.read(data)[1]
    salvaged = pixelzip.salvage(data[: -len(streams[26]) - len(streams[25])], model=model_path)
    assert [tile.number for tile in salvaged.tiles] == [25, 26]
    assert "bytes expected, 0 left" in salvaged.notes[0]
    assert np.array_equal(salvaged.to_array(), filled(pixels, (25, 26), 128, slice(None)))
    start = data.index(streams[0])
    with pytest.raises(pixelzip.CorruptFile, match="no tile matches"):
        pixelzip.salvage(data[: start + 9], model=model_path)
    with pytest.raises(pixelzip.CorruptFile, match="stream length at byte"):
        pixelzip.salvage(data[: start - 9], model=model_path)


@pytest.mark.usefixtures("always_modelled")
def test_damaged_metadata_are_left_out(model_path: str) -> None:
    image = Image.fromarray(smooth_image(20, 30))
    image.info["Title"] = "hills"
    data = pixelzip.compress(image, model_path).replace(b"hills", b"hXlls")
    salvaged = pixelzip.salvage(data, model=model_path)
    assert salvaged.notes == ("the metadata does not match its checksum",)
    assert salvaged.to_pillow().tobytes() == image.tobytes()
    assert salvaged.to_pillow().info == {}


def test_embedded_files_and_broken_headers(model_path: str) -> None:
    icon = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    data = pixelzip.compress(icon)
    assert pixelzip.info(data).body != "model"
    assert np.array_equal(pixelzip.salvage(data).to_array(), icon)
    for bad in (data[:-9], b"", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(pixelzip.CorruptFile):
            pixelzip.salvage(bad)


@pytest.mark.usefixtures("small_tiles")
def test_the_command_writes_and_lists(model_path: str, tmp_path: Path) -> None:
    pixels = smooth_image(HEIGHT, WIDTH)
    source, target = tmp_path / "a.pxz", tmp_path / "a.png"
    source.write_bytes(damaged(pixelzip.compress(pixels, model_path), 3))
    assert run("decompress", source, "--model", model_path).exit_code == 1
    assert not target.exists()
    result = run("decompress", source, "--model", model_path, "--salvage")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"pixelzip: {source}: tile 3 at X Y W H = 192 0 64 64 is damaged: colour is plain",
        f"pixelzip: {source}: 1 of 27 tiles are damaged; the rest was written to {target}",
    ]
    assert np.array_equal(np.asarray(Image.open(target)), filled(pixels, (3,), 128, slice(None)))
    source.write_bytes(pixelzip.compress(pixels, model_path))
    assert run("decompress", source, "--model", model_path, "--salvage", "-f").exit_code == 0
    for option in (("--crop", 0, 0, 5, 5), ("-t",), ("--rm",)):
        assert run("decompress", source, "--salvage", *option).exit_code == 2


def test_testing_a_folder(model_path: str, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "deep").mkdir(parents=True)
    good, images = pixelzip.compress(smooth_image(20, 30), model_path), [smooth_image(6, 6, seed=i) for i in range(4)]
    packed = pack(images, model=model_path)
    (folder / "a.pxz").write_bytes(good)
    (folder / "deep" / "b.pxz").write_bytes(good[:-1])
    (folder / "c.pxzp").write_bytes(packed)
    (folder / "d.pxzp").write_bytes(packed[:-2] + bytes([packed[-2] ^ 1]) + packed[-1:])
    (folder / "notes.txt").write_text("not looked at")
    result = run("test", folder, "--model", model_path, "--json", "-q")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(row["input"]).name for row in rows] == ["a.pxz", "c.pxzp", "d.pxzp", "b.pxz"]
    assert [row.get("images") for row in rows] == [1, 4, None, None]
    assert rows[2]["error"] == "1 of 4 images are damaged: 3"
    assert result.stderr.splitlines()[0] == f"pixelzip: {folder / 'd.pxzp'}: 1 of 4 images are damaged: 3"
    alone = run("test", folder / "a.pxz", folder / "c.pxzp", "--model", model_path)
    assert alone.exit_code == 0
    assert alone.stderr.startswith(f"input={folder / 'a.pxz'}  result=ok  images=1")
    names = ["a.pxz", "b.pxz", "c.pxzp", "d.pxzp", "deep", "notes.txt"]
    assert sorted(path.name for path in folder.rglob("*")) == names


def test_testing_nothing_and_what_has_gone(tmp_path: Path) -> None:
    assert run("test", tmp_path).exit_code == 2
    result = run("test", tmp_path / "gone.pxz")
    assert result.exit_code == 1
    assert result.stderr == f"pixelzip: {tmp_path / 'gone.pxz'}: No such file or directory\n"
