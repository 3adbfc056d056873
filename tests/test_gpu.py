"""Kernels give what the extension and torch give: on the GPU, or interpreted on the CPU where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from conftest import exported, loud, smooth_image

from pixelzip import models, streams
from pixelzip.errors import CorruptFile
from pixelzip.gpu import proof
from pixelzip.gpu.batch import LANES, lanes_for
from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import IntegerNetwork
from pixelzip.models.paper import PaperConfig
from pixelzip.streams import CodedTiles, Pixels, Tiles
from pixelzip.threads import in_threads

tl = pytest.importorskip("triton.language")
core, interpreter = tl.core, pytest.importorskip("triton.runtime.interpreter")
kernels = pytest.importorskip("pixelzip.gpu.tiles")

interpreted = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are compiled where there is a GPU")
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

LEARNING = ConeConfig(
    channels=9, blocks=(1,), mixtures=2, depthwise=True, adaptive=True, regression=True, regression_rows=8
)
PLAIN = ConeConfig(channels=70, blocks=(2,), mixtures=5, depthwise=True, period=4, members=(9, 65))
SMALL = ConeConfig(channels=9, blocks=(1,), mixtures=2, depthwise=True, members=(5,))
PAPER = PaperConfig(channels=5, blocks=1, mixtures=2)
OTHERS = (ConeConfig(channels=8, blocks=(1,), mixtures=2), PaperConfig(channels=8, blocks=1, mixtures=2, num_classes=3))


@pytest.fixture(autouse=True)
def quick_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the interpreter replace Triton's functions once, not at every call inside of a kernel: four times as fast."""
    if torch.cuda.is_available():
        yield
        return
    scope = interpreter._patch_lang(_names_both)
    monkeypatch.setattr(interpreter.InterpretedFunction, "__call__", _called)
    yield
    scope.restore()


def _called(function: Any, *args: Any, **keywords: Any) -> Any:
    return function.rewrite()(*args, **keywords)


def _names_both() -> tuple[ModuleType, ModuleType]:
    return tl, core


def network_of(config: ConeConfig | PaperConfig, folder: Path) -> IntegerNetwork:
    return exported(config, folder / "random.safetensors")


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def coded(tile: Tiles, stream: bytes) -> CodedTiles:
    return tile.coded([stream])


def check(network: IntegerNetwork, tiles: list[Tiles], device: str) -> None:
    expected = streams.encode_tiles(network, tiles, "cpu", None)
    assert kernels.encode_tiles(network, tiles, device, None) == expected
    decoded = kernels.decode_tiles(network, list(map(coded, tiles, expected)), device, None)
    assert all(map(np.array_equal, decoded, [tile.pixels[0] for tile in tiles]))


@interpreted
@pytest.mark.no_cover
def test_tiles_that_learn(tmp_path: Path) -> None:
    check(network_of(LEARNING, tmp_path), [Tiles.one(smooth_image(9, 3), 5)], "cpu")


@interpreted
@pytest.mark.no_cover
def test_short_streams_of_grey_tiles_of_several_sizes(tmp_path: Path) -> None:
    tiles = [Tiles.one(noise(*shape, 1), 7, (3, 2), is_short=True) for shape in ((3, 4), (1, 1), (2, 1))]
    check(network_of(PLAIN, tmp_path), tiles, "cpu")


@interpreted
@pytest.mark.no_cover
def test_heads_that_are_clamped(tmp_path: Path) -> None:
    check(loud(network_of(PLAIN, tmp_path)), [Tiles.one(noise(2, 3, 3), 7)], "cpu")


@interpreted
@pytest.mark.no_cover
def test_raster_order_of_tiles_of_several_sizes(tmp_path: Path) -> None:
    grey, colour = Tiles.one(noise(1, 2, 1), 9, is_short=True), Tiles.one(noise(3, 2, 3), 8, is_short=True)
    check(network_of(PAPER, tmp_path), [grey, Tiles.one(smooth_image(3, 2), 7), colour], "cpu")


@interpreted
@pytest.mark.no_cover
def test_raster_order_at_one_resolution(tmp_path: Path) -> None:
    config = PaperConfig(channels=33, blocks=1, mixtures=3, downsampling=False, shortcuts=False)
    check(network_of(config, tmp_path), [Tiles.one(noise(1, 2, 3), 7)], "cpu")


@interpreted
@pytest.mark.parametrize("config", [SMALL, PAPER], ids=str)
@pytest.mark.parametrize("is_short", [False, True])
def test_damaged_streams_are_refused(tmp_path: Path, is_short: bool, config: ConeConfig | PaperConfig) -> None:
    network, tile = network_of(config, tmp_path), Tiles.one(noise(1, 2, 3), 7, is_short=is_short)
    stream = streams.encode_tiles(network, [tile], "cpu", 1)[0]
    damaged = [bytes([stream[0] ^ 1]) + stream[1:], stream[:-1], b"\x80" * 40, b"\x05", b"", stream]
    tiles = [coded(tile, data) for data in damaged]
    *wrong, right = kernels.decode_tiles(network, tiles, "cpu", None)
    expected = streams.salvage_tiles(network, tiles[:-1], "cpu", 1)
    assert [(type(one), str(one)) for one in wrong] == [(CorruptFile, str(other)) for other in expected]
    assert np.array_equal(right, tile.pixels[0])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("config", OTHERS, ids=str)
def test_other_networks_are_left_to_torch(config: ConeConfig | PaperConfig, device: str, tmp_path: Path) -> None:
    assert not proof.runs(network_of(config, tmp_path), device, [(8, 8, 3)])


@pytest.mark.parametrize("config", [PLAIN, PAPER], ids=str)
def test_other_devices_are_left_to_torch(config: ConeConfig | PaperConfig, tmp_path: Path) -> None:
    assert not proof.runs(network_of(config, tmp_path), "cpu", [(8, 8, 3)])


@interpreted
@pytest.mark.parametrize("fault", ["other bytes", "other pixels", "no compiler", "nothing"])
@pytest.mark.parametrize("lanes", LANES)
def test_kernels_are_used_only_where_they_are_proved(
    tmp_path: Path, lanes: int, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = network_of(PLAIN, tmp_path)

    def encode(network: IntegerNetwork, tiles: list[Tiles], device: str, num_threads: int | None) -> list[bytes]:
        if fault == "no compiler":
            raise RuntimeError("no compiler")
        assert lanes_for([tile.shape for tile in tiles]) == lanes
        written = streams.encode_tiles(network, tiles, device, num_threads)
        return written[::-1] if fault == "other bytes" else written

    def decode(network: IntegerNetwork, tiles: list[CodedTiles], device: str, num_threads: int | None) -> list[Pixels]:
        decoded = streams.decode_tiles(network, tiles, device, num_threads)
        return [255 - pixels for pixels in decoded] if fault == "other pixels" else decoded

    monkeypatch.setattr(kernels, "encode_tiles", encode)
    monkeypatch.setattr(kernels, "decode_tiles", decode)
    assert proof._is_exact.__wrapped__(network, "cpu", proof._SHAPES[lanes]) == (fault == "nothing")
    assert len(caplog.records) == (fault != "nothing")


def test_threads_wait_for_one_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, proofs = network_of(SMALL, tmp_path), []

    def prove(network: IntegerNetwork, device: str, shapes: proof.Shapes) -> bool:
        proofs.append(shapes)
        time.sleep(0.1)
        return True

    monkeypatch.setattr(proof, "_does_as_the_cpu", prove)
    assert all(in_threads(lambda _: proof.runs(network, "cuda", [(8, 8, 3)]), range(4), 4))
    assert proofs == [proof._SHAPES[16]]


def test_batches_of_wide_networks_have_fewer_tiles() -> None:
    shapes = [(32, 32, 3), (256, 512, 1)]
    assert kernels._sizes(models.load("photo"), shapes) == [(32, 3), (256, 1)]
    assert kernels._sizes(models.load("cifar10"), shapes) == [(6 * 32, 3), (6 * 256, 1)]


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("model", ["photo", "photo-max", "photo-planes", "cifar10"])
def test_shipped_networks_on_a_gpu(model: str) -> None:
    network = models.load(model)
    assert all(proof.runs(network, "cuda", [shape]) for shape in ((32, 32, 3), (512, 256, 3), (1024, 1024, 3)))
    shapes = ((256, 512, 3), (300, 260, 3), (255, 31, 1), (32, 32, 3), (1, 1, 3), (7, 600, 3))
    tiles = [Tiles.one(smooth_image(*shape), 7, (3, 2)) for shape in shapes]
    check(network, tiles, "cuda")
    check(network, [Tiles.one(noise(32, 32, 3), index, is_short=True) for index in range(300)], "cuda")


@pytest.mark.gpu
@on_gpu
def test_a_network_of_the_paper_on_a_gpu(tmp_path: Path) -> None:
    network = network_of(PaperConfig(channels=128, blocks=1), tmp_path)
    assert proof.runs(network, "cuda", [(32, 32, 3)])
    shapes = ((32, 32, 3), (9, 13, 1), (1, 1, 3), (20, 7, 3))
    check(network, [Tiles.one(smooth_image(*shape), 7, is_short=True) for shape in shapes * 3], "cuda")


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("is_short", [False, True])
def test_damaged_streams_on_a_gpu(is_short: bool) -> None:
    network, generator = models.load("photo-fast"), np.random.default_rng(2)
    tile = Tiles.one(smooth_image(40, 30), 7, is_short=is_short)
    stream = streams.encode_tiles(network, [tile], "cpu", 1)[0]
    tiles = [coded(tile, generator.bytes(int(length))) for length in generator.integers(0, 2 * len(stream), 200)]
    decoded = kernels.decode_tiles(network, [*tiles, coded(tile, stream)], "cuda", None)
    assert all(isinstance(pixels, CorruptFile) for pixels in decoded[:-1])
    assert np.array_equal(decoded[-1], tile.pixels[0])


@pytest.mark.gpu
@on_gpu
def test_many_batches_in_several_threads_of_a_gpu() -> None:
    network = models.load("photo-fast")
    tiles = [Tiles.one(noise(9, 13, 3), index, is_short=True) for index in range(20)]
    expected = streams.encode_tiles(network, tiles, "cpu", None)
    coded_tiles = list(map(coded, tiles, expected))

    def both_ways(_: int) -> bool:
        decoded = kernels.decode_tiles(network, coded_tiles, "cuda", None)
        is_exact = all(map(np.array_equal, decoded, [tile.pixels[0] for tile in tiles]))
        return is_exact and kernels.encode_tiles(network, tiles, "cuda", None) == expected

    assert all(in_threads(both_ways, range(60), 3))  # more batches than a process has streams
