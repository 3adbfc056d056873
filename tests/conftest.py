"""Fixtures: small networks with random weights, small images."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

from pixelzip import components, native
from pixelzip.models.config import ConeConfig
from pixelzip.models.export import export_network
from pixelzip.models.integer import IntegerNetwork, load_network
from pixelzip.models.paper import PaperConfig
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.two_stream import PaperPixelCNN
from pixelzip.tiles import Tiling

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton's kernels

settings.register_profile("any machine", deadline=None)  # other work may run beside the tests
settings.load_profile("any machine")

CONFIGS = (
    ConeConfig(channels=16, blocks=(2,), mixtures=3),
    ConeConfig(channels=8, blocks=(1, 2), mixtures=2),
    ConeConfig(channels=8, blocks=(1, 1, 1), mixtures=5),
    ConeConfig(channels=8, blocks=(1,), mixtures=2, period=4),
    ConeConfig(channels=9, blocks=(2,), mixtures=2, depthwise=True),
    ConeConfig(channels=8, blocks=(1,), mixtures=2, depthwise=True, members=(5, 9)),
    ConeConfig(channels=6, blocks=(1, 1), mixtures=2, members=(4,)),
)


PAPER_CONFIGS = (
    PaperConfig(channels=8, blocks=1, mixtures=2),
    PaperConfig(channels=6, blocks=2, mixtures=1, downsampling=False),
    PaperConfig(channels=8, blocks=1, mixtures=3, shortcuts=False),
)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Trace nothing in tests marked ``no_cover``: of two tracers that a worker has pytest-cov pauses one."""
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        return (yield)
    finally:
        threading.settrace(of_threads)  # type: ignore[arg-type]
        sys.settrace(tracer)


def make_network(config: ConeConfig | PaperConfig, seed: int = 0) -> ConePixelCNN | PaperPixelCNN:
    torch.manual_seed(seed)
    if isinstance(config, PaperConfig):
        network: ConePixelCNN | PaperPixelCNN = PaperPixelCNN(config)
        network.initialise(torch.from_numpy(smooth_image(16, 16)).permute(2, 0, 1)[None].float())
    else:
        network = ConePixelCNN(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return network.eval()


def exported(config: ConeConfig | PaperConfig, path: Path) -> IntegerNetwork:
    """Write a random network's model file and read it again."""
    export_network(make_network(config), path, {})
    return load_network(path)


def loud(network: IntegerNetwork) -> IntegerNetwork:
    """Return a network whose heads say more than 16 bits hold, to either side."""
    layers = [
        replace(layer, multiplier=layer.multiplier * np.float32(3000)) if layer.layer.output == "parameters" else layer
        for layer in network.layers
    ]
    return replace(network, layers=tuple(layers), sha256=f"loud{network.sha256}")


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Commands that train set the threads of their process, in which other tests run after them here."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", params=(*CONFIGS, *PAPER_CONFIGS), ids=str)
def integer_network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    return exported(request.param, tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    export_network(make_network(CONFIGS[0]), path, {})
    return str(path)


@pytest.fixture(params=["native", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the extension in C, and without."""
    if request.param == "torch":
        monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    elif not native.INSTRUCTION_SETS:
        pytest.skip("the extension is not built")
    return str(request.param)


@pytest.fixture
def engine_of_network(engine: str, integer_network: IntegerNetwork) -> str:
    """The same with ``integer_network``, once where the extension does not run it."""
    if engine == "native" and not native.runs(integer_network, "cpu"):
        pytest.skip("torch runs this network in either case")
    return engine


@pytest.fixture
def always_modelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the network's file even where PNG, WebP, parts or other levels would be smaller, as with random weights."""
    monkeypatch.setattr("pixelzip.fallback._may_lose", lambda *arguments: False)
    monkeypatch.setattr("pixelzip.fallback.is_drawing", lambda picture: False)
    monkeypatch.setattr("pixelzip.layout.find", lambda samples: [])
    monkeypatch.setattr("pixelzip.tone_search.find", lambda picture: None)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch, always_modelled: None) -> None:
    """Write the network's files in the smallest tiles, which are the quickest to test."""
    monkeypatch.setattr(components, "Tiling", functools.partial(Tiling, tile_width=64, tile_height=64))


def write_images(folder: Path, height: int, width: int) -> Path:
    """Make a folder of six images, RGB, (height, width) pixels, and return it."""
    folder.mkdir()
    for index in range(6):
        Image.fromarray(smooth_image(height, width, seed=index)).save(folder / f"{index}.png")
    return folder


def smooth_image(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Return a noisy gradient, (height, width, channels) uint8."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    base = 60 + 40 * np.sin(rows / 9)[..., None] + (columns / 2)[..., None] + 9 * np.arange(channels)
    noisy: NDArray[np.uint8] = (base + generator.normal(0, 2, (height, width, channels))).clip(0, 255).astype(np.uint8)
    return noisy
