"""Tiles that are coded another way round: the same image, in fewer bytes, from every entry point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import smooth_image
from hypothesis import given
from hypothesis import strategies as st

import pixelzip
from pixelzip import components, container, models
from pixelzip import image as images
from pixelzip.components import Networks, Prepared
from pixelzip.errors import CorruptFile, UnsupportedVersion
from pixelzip.models.conversion import JFIF
from pixelzip.models.planes import CHROMA_HALVED, jpeg_planes
from pixelzip.networks import find_networks, load_model
from pixelzip.tiles import ORIENTATIONS, Box, turned, turned_back, turned_size

HEIGHT, WIDTH, NUM_TILES = 130, 520, 27
"""Tiles of at most 64 x 64 pixels, nine in a row."""


@pytest.fixture(scope="session")
def networks(model_path: str) -> Networks:
    """Return a network that is its own guide."""
    network = find_networks(model_path).pixels
    return Networks(network, guide=network)


def prepared(pixels: np.ndarray, networks: Networks, orientations: bytes) -> Prepared:
    picture = components.prepare(images.read(pixels), networks)
    return replace(picture, header=replace(picture.header, orientations=orientations))


def coded(pixels: np.ndarray, networks: Networks, orientations: bytes) -> bytes:
    [file] = components.encode(networks, [prepared(pixels, networks, orientations)], "cpu", None)
    assert file is not None
    return file


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (0, [[1, 2, 3], [4, 5, 6]]),
        (1, [[3, 2, 1], [6, 5, 4]]),
        (2, [[4, 5, 6], [1, 2, 3]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (4, [[1, 4], [2, 5], [3, 6]]),
        (5, [[3, 6], [2, 5], [1, 4]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (7, [[6, 3], [5, 2], [4, 1]]),
    ],
)
def test_every_way_round(orientation: int, expected: list[list[int]]) -> None:
    pixels = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)[..., None]
    tile = turned(pixels, orientation)
    assert tile[..., 0].tolist() == expected
    assert tile.shape[:2] == turned_size(Box(9, 9, 2, 3), orientation)
    assert np.array_equal(turned_back(tile, orientation), pixels)


@given(height=st.integers(1, 9), width=st.integers(1, 9), orientation=st.sampled_from(ORIENTATIONS))
def test_tiles_come_back(height: int, width: int, orientation: int) -> None:
    pixels = np.arange(3 * height * width, dtype=np.uint8).reshape(height, width, 3)
    assert np.array_equal(turned_back(turned(pixels, orientation), orientation), pixels)


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    channels=st.sampled_from([1, 3, 4]),
    orientation=st.sampled_from(ORIENTATIONS),
)
def test_files_come_back(
    networks: Networks, model_path: str, height: int, width: int, channels: int, orientation: int
) -> None:
    pixels = smooth_image(height, width, channels).squeeze(2 if channels == 1 else ())
    data = coded(pixels, networks, bytes([orientation]))
    assert container.read(data)[0].orientations == bytes([orientation])
    assert np.array_equal(pixelzip.decompress_array(data, model=model_path), pixels)


@pytest.mark.usefixtures("small_tiles")
def test_no_other_way_round_is_shorter(networks: Networks) -> None:
    pixels = smooth_image(HEIGHT, WIDTH)
    [chosen] = components.compress(networks, [images.read(pixels)], "cpu", None)
    ways = [container.read(coded(pixels, networks, bytes([way] * NUM_TILES)))[1] for way in ORIENTATIONS]
    lengths = [[len(stream) for stream in streams] for streams in zip(*ways, strict=True)]
    assert chosen is not None
    header, streams = container.read(chosen)
    assert len(set(header.orientations)) > 1
    for stream, row in zip(streams, lengths, strict=True):
        assert len(stream) <= min(row) + 2  # with other checksums streams are a byte longer or shorter


@pytest.mark.usefixtures("small_tiles")
def test_crops_and_what_is_salvaged(networks: Networks, model_path: str) -> None:
    pixels = smooth_image(HEIGHT, WIDTH)
    data = coded(pixels, networks, bytes(tile % 8 for tile in range(NUM_TILES)))
    for left, top, right, bottom in ((0, 0, 1, 1), (60, 60, 70, 70), (500, 3, 520, 130)):
        part = pixelzip.decompress_array(data, crop=(left, top, right, bottom), model=model_path)
        assert np.array_equal(part, pixels[top:bottom, left:right])
    header, streams = container.read(data)
    streams[1] = streams[1][:4] + bytes([streams[1][4] ^ 8]) + streams[1][5:]
    salvaged = pixelzip.salvage(container.write(header, streams), model=model_path)
    expected = pixels.copy()
    expected[:64, 64:128] = 128
    assert np.array_equal(salvaged.to_array(), expected)
    assert [tile.number for tile in salvaged.tiles] == [1]


def test_alpha_stays_as_it_is(networks: Networks, model_path: str) -> None:
    pixels = smooth_image(20, 30, 4)
    plain, turned_file = coded(pixels, networks, b""), coded(pixels, networks, b"\x05")
    assert container.read(plain)[0].orientation(1, 0) == container.read(turned_file)[0].orientation(1, 0) == 0
    assert np.array_equal(pixelzip.decompress_array(turned_file, model=model_path), pixels)


def test_nothing_turned_costs_nothing(networks: Networks) -> None:
    pixels = np.full((9, 9, 3), 7, dtype=np.uint8)
    [file] = components.compress(networks, [images.read(pixels)], "cpu", None)
    assert file == coded(pixels, networks, b"")


def test_planes_of_a_lattice_stay() -> None:
    networks = find_networks("photo-max")
    pixels = JFIF.to_rgb(jpeg_planes(smooth_image(64, 64), 90, CHROMA_HALVED))
    [file] = components.compress(networks, [images.read(pixels)], "cpu", None)
    assert file is not None
    assert container.read(file)[0].lattice is not None


def test_a_model_where_bytes_count_more_than_time_has_a_guide() -> None:
    guided = {entry.name for entry in models.MODELS if models.guide(entry.name)}
    assert guided == {"photo-max"}
    networks = find_networks("photo-max")
    assert networks.guide is load_model("photo-fast")
    assert find_networks(str(models.find("photo-max").path)).guide is networks.guide
    assert find_networks("photo").guide is None


def test_the_same_bytes_in_batches_and_threads(networks: Networks) -> None:
    pictures = [images.read(smooth_image(40 + seed, 50, seed=seed)) for seed in range(3)]
    together = components.compress(networks, pictures, "cpu", 2)
    assert together == [components.compress(networks, [picture], "cpu", 1)[0] for picture in pictures]


def test_an_orientation_that_there_is_not(networks: Networks, model_path: str) -> None:
    pixels = smooth_image(20, 30)
    header, streams = container.read(coded(pixels, networks, b"\x07"))
    with pytest.raises(UnsupportedVersion, match=r"^the file was written by a newer version of pixelzip$"):
        container.read(container.write(replace(header, orientations=b"\x08"), streams))
    data = container.write(replace(header, orientations=b"\x06"), streams)
    with pytest.raises(CorruptFile, match=r"^a tile's checksum does not match its pixels$"):
        pixelzip.decompress_array(data, model=model_path)
    with pytest.raises(CorruptFile, match=r"^orientations at byte 11: 1 bytes expected, 0 left$"):
        container.read(data[:11])
