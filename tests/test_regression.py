"""A part of stage 5: the regression of means equals its definition, helps where errors are alike, and starts anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import exported, smooth_image
from hypothesis import given
from hypothesis import strategies as st
from reference_regression import solved
from reference_tile import reference_bits

from pixelzip import regression, streams
from pixelzip.lanes import SLOPE
from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import Tiles


@pytest.fixture(scope="module", params=[(False, 0), (True, 0), (True, 8)], ids=["alone", "adaptive", "in bands"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    adaptive, rows = request.param
    config = ConeConfig(channels=16, blocks=(1,), mixtures=3, adaptive=adaptive, regression=True, regression_rows=rows)
    return exported(config, tmp_path_factory.mktemp("model") / "regression.safetensors")


def image(kind: str, height: int, width: int) -> np.ndarray:
    if kind == "noise":
        return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return smooth_image(height, width) if kind == "smooth" else np.full((height, width, 3), 255, np.uint8)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("kind", "height", "width"),
    [("smooth", 12, 11), ("noise", 9, 10), ("white", 9, 10), ("smooth", 1, 20), ("noise", 9, 1), ("smooth", 27, 9)],
)
@pytest.mark.no_cover
def test_bits_equal_the_definition(network: IntegerNetwork, kind: str, height: int, width: int) -> None:
    pixels = image(kind, height, width)
    measured = streams.measure_tiles(network, [Tiles.one(pixels, 0)], "cpu", 1)[0]
    assert np.abs(measured - reference_bits(network, pixels)).max() < 1e-9


@pytest.mark.usefixtures("engine")
def test_a_network_whose_errors_are_alike_is_corrected(tmp_path: Path) -> None:
    pixels = smooth_image(64, 96)
    bits = []
    for is_regressive in (False, True):
        config = ConeConfig(channels=16, blocks=(1,), mixtures=3, regression=is_regressive)
        one = exported(config, tmp_path / f"{is_regressive}.safetensors")
        bits.append(streams.measure_tiles(one, [Tiles.one(pixels, 0)], "cpu", 1)[0].sum())
    assert bits[1] < 0.93 * bits[0]


@pytest.mark.usefixtures("engine")
def test_every_tile_starts_anew(network: IntegerNetwork) -> None:
    tiles = [Tiles.one(smooth_image(20 + seed, 30 - 9 * seed, seed=seed), 0) for seed in range(3)]
    together = streams.encode_tiles(network, tiles, "cpu", 1)
    assert together == [streams.encode_tiles(network, [tile], "cpu", 1)[0] for tile in tiles]


@pytest.mark.usefixtures("engine")
def test_rows_that_differ_learn_better_by_themselves(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-8, 9, (64, 256, 3))
    pairs = [noise.repeat(2, axis=axis)[:64, :256] for axis in (1, 0)]  # columns that are alike, then rows
    pixels = (128 + np.concatenate(pairs)).astype(np.uint8)
    bits = []
    for rows in (0, 64):
        config = ConeConfig(channels=16, blocks=(1,), mixtures=3, regression=True, regression_rows=rows)
        one = exported(config, tmp_path / f"{rows}.safetensors")
        bits.append(streams.measure_tiles(one, [Tiles.one(pixels, 0)], "cpu", 1)[0].sum())
    assert bits[1] < 0.97 * bits[0]


@pytest.mark.parametrize("rows", [-1, 1, 7, 2**14 + 1])
def test_bands_of_no_size(rows: int) -> None:
    with pytest.raises(ValueError, match=r"^regression_rows must be 0 or from 8 to 16384: "):
        ConeConfig(regression=True, regression_rows=rows)


def test_bands_of_nothing() -> None:
    with pytest.raises(ValueError, match=r"^regression_rows without regression: "):
        ConeConfig(regression_rows=64)


def test_neighbours_are_of_earlier_steps() -> None:
    assert all(column + SLOPE * row < 0 for row, column in regression.NEIGHBOURS)


@given(st.integers(1, 9), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_solutions_equal_the_definition_to_the_last_bit(count: int, num_pixels: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-127, 128, (num_pixels, count + 1))
    sums = values.T @ values
    products, with_error = sums[:-1, :-1], sums[:-1, -1]
    equations = torch.from_numpy(products[None]).double(), torch.from_numpy(with_error[None]).double()
    found = regression._solution(*equations)
    assert found[0].tolist() == solved(products.tolist(), with_error.tolist())


def test_without_evidence_weights_are_zero() -> None:
    found = regression._solution(torch.zeros(2, 5, 5).double(), torch.zeros(2, 5).double())
    assert found.tolist() == [[0.0] * 5] * 2
