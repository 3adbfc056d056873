"""Stage 2: conversions are what decoders compute, planes give the pixels back, off-lattice pixels are corrected."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import make_network, smooth_image
from PIL import Image

import pixelzip
from pixelzip import container, lattice, models, streams
from pixelzip.errors import CorruptFile
from pixelzip.models.config import ConeConfig
from pixelzip.models.conversion import CONVERSIONS, JFIF, PHOTO_CD, Conversion
from pixelzip.models.data import find_images, load_rgb
from pixelzip.models.export import export_network
from pixelzip.models.planes import CHROMA_HALVED, jpeg_planes, scan_planes
from pixelzip.streams import CodedTiles, Tiles


@pytest.fixture(scope="session")
def planes_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "planes.safetensors"
    export_network(make_network(ConeConfig(channels=8, blocks=(1,), mixtures=2, period=16)), path, {})
    return str(path)


def photograph(height: int, width: int, conversion: Conversion = JFIF, seed: int = 0) -> np.ndarray:
    """Return an image on a lattice, with colours that are clamped."""
    pixels = smooth_image(height, width, seed=seed)
    pixels[: height // 4, : width // 4] = (250, 20, 30)
    if conversion is PHOTO_CD:
        return PHOTO_CD.to_rgb(scan_planes(pixels))
    decoded = JFIF.to_rgb(jpeg_planes(pixels, 90, CHROMA_HALVED))
    return conversion.to_rgb(conversion.estimate(decoded.astype(np.float32)).round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda conversion: conversion.name)
@pytest.mark.parametrize("num_wrong", [0, 1, 42])
def test_corrections(conversion: Conversion, num_wrong: int) -> None:
    pixels = photograph(60, 70, conversion)
    places = np.random.default_rng(num_wrong).permutation(60 * 70)[:num_wrong]
    pixels.reshape(-1, 3)[places] += np.arange(3 * num_wrong).reshape(-1, 3).astype(np.uint8)
    found = lattice.find(pixels)
    assert found is not None
    assert found[0].conversion is conversion
    assert np.array_equal(lattice.to_rgb(*found), pixels)
    clean = conversion.to_rgb(found[1])
    assert (clean != pixels).any(axis=2).sum() <= num_wrong + 4200 // 100


@pytest.mark.parametrize(
    "pixels",
    [
        smooth_image(60, 70),
        np.repeat(smooth_image(60, 70, 1), 3, axis=2),
        np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8),
        np.full((60, 70, 3), (200, 30, 40), dtype=np.uint8),
        photograph(60, 70)[:1, :1],
    ],
    ids=["smooth", "grey", "noise", "constant", "one pixel"],
)
def test_images_on_no_lattice(pixels: np.ndarray) -> None:
    assert lattice.find(pixels) is None


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda conversion: conversion.name)
@pytest.mark.parametrize("kind", ["mostly grey", "half clamped", "small"])
def test_unusual_images_on_a_lattice(conversion: Conversion, kind: str) -> None:
    planes, _ = conversion.find_planes(photograph(60, 70, conversion))
    if kind == "mostly grey":
        planes[:30, :, 1:] = (156, 137) if conversion is PHOTO_CD else 128
    elif kind == "half clamped":
        planes[::2, :, 0] = 255
    else:
        planes = np.random.default_rng(2).integers(80, 176, (12, 16, 3), dtype=np.uint8)
    pixels = conversion.to_rgb(planes)
    found = lattice.find(pixels)
    assert found is not None
    # Few and pale colours may lie on two lattices; either is right.
    assert found[0].conversion is conversion or kind == "mostly grey"
    assert np.array_equal(lattice.to_rgb(*found), pixels)


@pytest.mark.data
@pytest.mark.skipif(not Path("../shared/data/kodak").exists(), reason="the shared photographs are not here")
@pytest.mark.parametrize(("folder", "name"), [("photos", None), ("jpeg-origin", "JFIF"), ("kodak", "Photo CD")])
def test_lattices_of_photographs(folder: str, name: str | None) -> None:
    for path in find_images([Path("../shared/data") / folder])[::3]:
        found = lattice.find(load_rgb(path))
        assert (found[0].conversion.name if found else None) == name, path.name


@pytest.mark.parametrize("corner", [(0, 0), (3, 13), (8, 8), (15, 1)])
@pytest.mark.parametrize("quality", [75, 95])
def test_origin_of_cropped_images(corner: tuple[int, int], quality: int) -> None:
    pixels = np.kron(smooth_image(40, 40, seed=3), np.ones((6, 6, 1), dtype=np.uint8))
    blurred = np.asarray(Image.fromarray(pixels).resize((200, 200), Image.Resampling.BICUBIC))
    planes = jpeg_planes(blurred, quality, CHROMA_HALVED)[corner[0] :, corner[1] :]
    found = lattice.find(JFIF.to_rgb(planes))
    assert found is not None
    assert found[0].origin == corner


def test_a_tile_may_start_anywhere_in_the_period(planes_model: str) -> None:
    network, pixels = models.load(planes_model), smooth_image(32, 40)
    whole = streams.encode_tiles(network, [Tiles.one(pixels, 7, (3, 5)), Tiles.one(pixels, 7)], "cpu", None)
    assert whole[0] != whole[1]
    coded = [
        CodedTiles.one(stream, (32, 40, 3), 7, origin) for stream, origin in zip(whole, ((3, 5), (0, 0)), strict=True)
    ]
    assert all(np.array_equal(pixels, decoded) for decoded in streams.decode_tiles(network, coded, "cpu", None))
    with pytest.raises(CorruptFile):
        streams.decode_tiles(network, [CodedTiles.one(whole[0], (32, 40, 3), 7)], "cpu", None)


@pytest.mark.usefixtures("always_modelled")
@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda conversion: conversion.name)
def test_files_round_trip(conversion: Conversion, planes_model: str) -> None:
    pixels = photograph(300, 260, conversion)
    pixels[5, 5] ^= 77
    data = pixelzip.compress(pixels, planes_model)
    assert pixelzip.info(data).lattice == conversion.name
    assert np.array_equal(pixelzip.decompress_array(data, model=planes_model), pixels)
    opaque = np.concatenate((pixels, np.full((300, 260, 1), 255, np.uint8)), axis=2)
    data = pixelzip.compress(opaque, planes_model)
    assert pixelzip.info(data).lattice == conversion.name
    assert np.array_equal(pixelzip.decompress_array(data, model=planes_model), opaque)


def test_the_default_model_has_a_companion_for_planes() -> None:
    pixels = photograph(60, 70)
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).model == "photo-planes"
    for model in (None, "photo", "photo-planes"):
        assert np.array_equal(pixelzip.decompress_array(data, model=model), pixels)
    without = pixelzip.compress(pixels, str(models.find("photo").path))
    assert pixelzip.info(without).model == "photo"
    assert len(data) < len(without)
    assert pixelzip.compress(pixels, "photo-planes") == data


@pytest.mark.usefixtures("always_modelled")
def test_every_flipped_bit_of_the_header_is_reported(planes_model: str) -> None:
    pixels = photograph(18, 18)
    pixels[5, 5] ^= 77
    data = next(
        container.write(header, streams)
        for header, streams in [container.read(pixelzip.compress(pixels, planes_model))]
        if header.lattice
    )
    for position in range(0, 8 * 36, 3):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(pixelzip.PixelzipError):
            pixelzip.decompress(bytes(damaged), model=planes_model)


def corrections(*columns: list[int]) -> bytes:
    return zlib.compress(np.array(columns, dtype=np.uint8).tobytes())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xff\xff", "inflate"),
        (zlib.compress(b"123456"), "length"),
        (zlib.compress(bytes(10**6)), "length"),
        (corrections([1], [0], [0], [0], [1], [1], [1])[:-4], "length"),
        (corrections([1], [0], [0], [0], [1], [1], [1]) + b"more", "length"),
        (corrections([0], [0], [0], [0], [1], [1], [1]), "do not exist"),
        (corrections([255], [255], [255], [255], [1], [1], [1]), "do not exist"),
        (corrections([101], [0], [0], [0], [1], [1], [1]), "do not exist"),
    ],
)
def test_damaged_corrections(data: bytes, message: str) -> None:
    with pytest.raises(CorruptFile, match=message):
        lattice.to_rgb(lattice.Lattice(JFIF, (0, 0), data), np.zeros((10, 10, 3), dtype=np.uint8))


def test_what_is_off_the_lattice_is_seen_early(monkeypatch: pytest.MonkeyPatch) -> None:
    colours = np.random.default_rng(0).integers(40, 200, (99, 3), dtype=np.uint8)
    pixels = photograph(300, 300)
    pixels[100:] = next(colour for colour in colours if JFIF.share(colour[None]) == 0)
    looked_at = []
    find_planes = Conversion.find_planes

    def note(self: Conversion, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        looked_at.append(some.shape)
        return find_planes(self, some)

    monkeypatch.setattr(Conversion, "find_planes", note)
    assert lattice.find(pixels) is None
    assert looked_at == [(38, 38, 3)]
