"""A part of stage 5: the adaptive stage equals its definition, helps where the network is wrong, and starts anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import exported, smooth_image
from reference_tile import reference_bits

from pixelzip import streams
from pixelzip.adaptation import COUNT_LIMIT, FIRST_COUNT, NUM_BINS, SYMBOL_MASS
from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import Tiles

CONFIG = ConeConfig(channels=16, blocks=(1,), mixtures=3, adaptive=True)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    return exported(CONFIG, tmp_path_factory.mktemp("model") / "adaptive.safetensors")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("kind", ["smooth", "noise", "constant"])
@pytest.mark.no_cover
def test_bits_equal_the_definition(network: IntegerNetwork, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = {
        "smooth": smooth_image(12, 11),
        "noise": np.random.default_rng(0).integers(0, 256, (9, 10, 3), dtype=np.uint8),
        "constant": np.full((30, 40, 3), 255, np.uint8),  # fills histograms until they forget
    }[kind]
    measured = streams.measure_tiles(network, [Tiles.one(pixels, 0)], "cpu", 1)[0]
    assert np.abs(measured - reference_bits(network, pixels)).max() < 1e-9


def test_constant_images_fill_histograms() -> None:
    assert NUM_BINS * FIRST_COUNT + SYMBOL_MASS * 30 * 40 > COUNT_LIMIT


@pytest.mark.usefixtures("engine")
def test_a_wrong_network_is_corrected(network: IntegerNetwork, tmp_path: Path) -> None:
    pixels = smooth_image(64, 96)
    plain = exported(ConeConfig(channels=16, blocks=(1,), mixtures=3), tmp_path / "plain.safetensors")
    adapted_bits, plain_bits = (
        streams.measure_tiles(one, [Tiles.one(pixels, 0)], "cpu", 1)[0].sum() for one in (network, plain)
    )
    assert adapted_bits < 0.95 * plain_bits


@pytest.mark.usefixtures("engine")
def test_every_tile_starts_anew(network: IntegerNetwork) -> None:
    tiles = [Tiles.one(smooth_image(20, 30, seed=seed), 0) for seed in range(3)]
    together = streams.encode_tiles(network, tiles, "cpu", 1)
    assert together == [streams.encode_tiles(network, [tile], "cpu", 1)[0] for tile in tiles]
