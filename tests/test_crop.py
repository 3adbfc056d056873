"""Parts of images: the same pixels as in the whole, from no more tiles than needed."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_network, smooth_image
from PIL import Image
from test_codec import MODES, make_image

import pixelzip
from pixelzip import cli, components, container, lattice
from pixelzip.models.config import ConeConfig
from pixelzip.models.conversion import JFIF
from pixelzip.models.export import export_network
from pixelzip.models.planes import CHROMA_HALVED, jpeg_planes
from pixelzip.tiles import Box, from_crop

HEIGHT, WIDTH = 130, 520
CROPS = ((0, 0, 520, 130), (63, 63, 65, 65), (100, 10, 101, 11), (0, 64, 520, 65), (519, 0, 520, 130))
TILES = (27, 4, 1, 9, 3)
"""Of 64 x 64 pixels in an image of WIDTH x HEIGHT."""


@pytest.fixture
def decoded_tiles(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of tiles with every call of the decoder."""
    counts, decode = list[int](), components.decode_tiles

    def counting(network: object, tiles: list[object], *arguments: object) -> object:
        counts.append(len(tiles))
        return decode(network, tiles, *arguments)

    monkeypatch.setattr(components, "decode_tiles", counting)
    return counts


def part(samples: np.ndarray, crop: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = crop
    return samples[top:bottom, left:right]


def with_corrections(pixels: np.ndarray) -> np.ndarray:
    """Return pixels of a JPEG, some of them off the lattice: in the crops' corners, beside them, and anywhere."""
    pixels = JFIF.to_rgb(jpeg_planes(pixels, 90, CHROMA_HALVED))
    rows, columns = np.random.default_rng(0).integers(0, (HEIGHT, WIDTH), (400, 2)).T
    pixels[rows, columns] += 77
    pixels[[62, 63, 64, 65, 10, 10, 64], [62, 63, 64, 65, 99, 100, 0]] += 99
    return pixels


@pytest.mark.usefixtures("small_tiles")
def test_only_the_tiles_that_a_crop_touches(model_path: str, decoded_tiles: list[int]) -> None:
    pixels = smooth_image(HEIGHT, WIDTH)
    image = pixelzip.LazyImage(pixelzip.compress(pixels, model_path), model=model_path, num_threads=1)
    for crop in CROPS:
        assert np.array_equal(image.crop_array(crop), part(pixels, crop))
    assert decoded_tiles == list(TILES)


@pytest.mark.usefixtures("small_tiles")
def test_several_components(model_path: str, decoded_tiles: list[int]) -> None:
    pixels = np.concatenate((smooth_image(HEIGHT, WIDTH, 3), smooth_image(HEIGHT, WIDTH, 1, seed=1)), axis=2)
    deep = pixels[..., :1].astype(np.uint16) * 256 + np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 1))
    for samples in (pixels, deep.astype(np.uint16)[..., 0]):
        data = pixelzip.compress(samples, model_path)
        assert np.array_equal(pixelzip.decompress_array(data, crop=CROPS[1], model=model_path), part(samples, CROPS[1]))
    assert decoded_tiles == [8, 4]  # coded alpha has tiles, too; low bytes that are noise are stored


@pytest.mark.usefixtures("small_tiles")
def test_corrections_of_a_lattice(tmp_path: Path, decoded_tiles: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.components._MANY_CLAMPED", 1.0)
    model = str(tmp_path / "planes.safetensors")
    export_network(make_network(ConeConfig(channels=8, blocks=(1,), mixtures=2, period=16)), Path(model), {})
    pixels = with_corrections(smooth_image(HEIGHT, WIDTH))
    data = pixelzip.compress(pixels, model)
    header = container.read(data)[0]
    assert header.lattice is not None
    assert header.lattice.corrections
    for crop in CROPS:
        assert np.array_equal(pixelzip.decompress_array(data, crop=crop, model=model), part(pixels, crop))
    assert decoded_tiles == list(TILES)


def test_damaged_corrections_outside_a_crop_are_reported() -> None:
    columns = bytes([200, 0, 0, 0, 1, 1, 1])
    damaged = lattice.Lattice(JFIF, (0, 0), zlib.compress(columns))
    planes, frame = np.zeros((10, 10, 3), dtype=np.uint8), Box(0, 0, 10, 10)
    with pytest.raises(pixelzip.CorruptFile, match="do not exist"):
        lattice.to_rgb(damaged, planes[:2, :2], frame)
    assert lattice.to_rgb(damaged, planes[:2, :2], replace(frame, height=100)).shape == (2, 2, 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["noise", "constant", "smooth"])
def test_every_mode(mode: str, kind: str, model_path: str) -> None:
    image = make_image(mode, 20, 30, kind)
    image.info["Title"] = "hills"
    opened = pixelzip.LazyImage(pixelzip.compress(image, model_path), model=model_path)
    assert (opened.mode, opened.size) == (mode, (30, 20))
    cropped, wanted = opened.crop((3, 4, 20, 9)), image.crop((3, 4, 20, 9))
    assert (cropped.mode, cropped.size, cropped.info["Title"]) == (mode, (17, 5), "hills")
    assert cropped.tobytes() == wanted.tobytes()
    assert cropped.getpalette() == wanted.getpalette()


def test_a_list_of_files(model_path: str) -> None:
    images = [smooth_image(20, 30), smooth_image(9, 8, 1)]
    files = pixelzip.compress(images, model_path)
    first, second = pixelzip.decompress_array(files, crop=(1, 2, 8, 9), model=model_path)
    assert np.array_equal(first, images[0][2:9, 1:8])
    assert np.array_equal(second, images[1][2:9, 1:8, 0])


@pytest.mark.parametrize(
    "crop", [(0, 0, 31, 20), (0, 0, 30, 21), (-1, 0, 3, 3), (0, -1, 3, 3), (3, 0, 3, 9), (0, 9, 3, 8), (40, 0, 50, 9)]
)
def test_a_crop_outside_the_image(crop: tuple[int, int, int, int], model_path: str) -> None:
    image = pixelzip.LazyImage(pixelzip.compress(smooth_image(20, 30), model_path), model=model_path)
    with pytest.raises(ValueError, match=r"the crop .* is not inside 30x20 pixels") as caught:
        image.crop(crop)
    assert isinstance(caught.value, pixelzip.OutsideImage)


def test_boxes() -> None:
    box = from_crop((3, 1, 9, 5), 9, 5)
    assert box == Box(1, 3, 4, 6)
    assert box.meet(Box(0, 0, 2, 4)) == Box(1, 3, 1, 1)
    assert box.meet(Box(0, 0, 1, 9)) is box.meet(Box(5, 0, 9, 9)) is box.meet(Box(0, 9, 9, 9)) is None
    assert Box(2, 2, 1, 1).seen_from(box) == Box(1, -1, 1, 1)


def test_open_reads_the_header_only(tmp_path: Path, decoded_tiles: list[int]) -> None:
    path = tmp_path / "a.pxz"
    path.write_bytes(pixelzip.compress(smooth_image(40, 50)))
    opened = pixelzip.open(path)
    assert (opened.size, opened.mode, opened.info.model) == ((50, 40), "RGB", "photo")
    assert not decoded_tiles
    with pytest.raises(pixelzip.ImageTooLarge):
        pixelzip.open(path, max_pixels=100)
    path.write_bytes(struct.pack("<I", 7))
    with pytest.raises(pixelzip.CorruptFile):
        pixelzip.open(path)


def test_command(tmp_path: Path) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(cli.main, ["decompress", *map(str, arguments)])
        return result.exit_code, result.stderr

    path, target = tmp_path / "a.pxz", tmp_path / "part.png"
    pixels = smooth_image(40, 50)
    path.write_bytes(pixelzip.compress(pixels))
    assert run(path, "--crop", 7, 5, 30, 20, "-o", target) == (0, "")
    with Image.open(target) as image:
        assert np.array_equal(np.asarray(image), pixels[5:25, 7:37])
    code, message = run(path, "--crop", 30, 5, 30, 20, "-o", tmp_path / "b.png")
    assert (code, message.count("\n")) == (1, 1)
    assert message.endswith("the crop (left, top, right, bottom) = (30, 5, 60, 25) is not inside 50x40 pixels\n")
    assert not (tmp_path / "b.png").exists()
    assert run(path, "--crop", 0, 0, 0, 5)[0] == 2
    assert run(path, "--crop", 0, 0, 5, 5, "--rm")[0] == 2
    assert path.exists()
