"""Rounding of weights: on the grid, better than each by itself, and export changes nothing any more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import CONFIGS, make_network, smooth_image

from pixelzip.models.config import ConeConfig
from pixelzip.models.export import export_network, float_network
from pixelzip.models.integer import load_network
from pixelzip.models.pixelcnn import ConePixelCNN, fake_quantised, weight_step
from pixelzip.models.rounding import round_weights, rounded


def test_products_change_less_than_with_plain_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(2000, 1, generator=generator)
    inputs = common + 0.3 * torch.randn(2000, 30, generator=generator)
    weight = torch.randn(8, 3, 10, generator=generator)
    weight[:, 0, 0] *= 20
    step = weight_step(weight)
    moments = inputs.t() @ inputs / len(inputs)
    flat = rounded(weight.flatten(1).double(), step.flatten(1).double(), moments.double())
    better = flat.view_as(weight).float()
    assert torch.equal(weight_step(better), weight_step(weight))
    steps = better / weight_step(weight)
    assert float((steps - steps.round()).abs().max()) < 1e-4
    errors = [
        float((inputs @ (other - weight).flatten(1).t()).square().mean())
        for other in (better, fake_quantised(weight, weight_step(weight)))
    ]
    assert errors[0] < errors[1] / 5


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_rounded_network_is_exported_as_it_is(config: ConeConfig, tmp_path: Path) -> None:
    network = make_network(config)
    assert isinstance(network, ConePixelCNN)
    pixels = torch.from_numpy(smooth_image(24, 32)).permute(2, 0, 1)[None].float()
    round_weights(network, [pixels[..., :20], pixels])
    export_network(network, tmp_path / "x.safetensors", {})
    again = float_network(load_network(tmp_path / "x.safetensors"))
    for module, other in zip(network.layers, again.layers, strict=True):
        assert torch.allclose(module.weight, other.weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_all_of_it_loses_less_than_plain_rounding(config: ConeConfig) -> None:
    network = make_network(config)
    assert isinstance(network, ConePixelCNN)
    pixels = torch.from_numpy(smooth_image(48, 64)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        floats, _ = network(pixels)
        network.quantised = True
        plain, _ = network(pixels)
        round_weights(network, [pixels])
        better, _ = network(pixels)
    assert float((better - floats).square().mean()) < float((plain - floats).square().mean()) / 1.5


def test_dead_channels_can_be_rounded() -> None:
    network = make_network(ConeConfig(channels=9, blocks=(2,), mixtures=2, depthwise=True))
    assert isinstance(network, ConePixelCNN)
    with torch.no_grad():
        network.layers[0].bias[2] = -1000  # type: ignore[operator,union-attr]
    round_weights(network, [torch.from_numpy(smooth_image(24, 32)).permute(2, 0, 1)[None].float()])
    step = network.layers[1].weight_step()  # type: ignore[operator,union-attr]
    steps = network.layers[1].weight / step  # type: ignore[operator,union-attr]
    assert torch.allclose(steps, steps.round(), atol=1e-3)


def test_channels_of_tiny_weights_can_be_exported(tmp_path: Path) -> None:
    """Steps of 1/64 of such a weight would make integers of the bias that sums may not reach."""
    network = make_network(CONFIGS[0])
    assert isinstance(network, ConePixelCNN)
    with torch.no_grad():
        for module in network.layers:
            module.weight[1] *= 1e-7
            module.weight[2] = 0
    round_weights(network, [torch.from_numpy(smooth_image(24, 32)).permute(2, 0, 1)[None].float()])
    export_network(network, tmp_path / "x.safetensors", {})
    assert load_network(tmp_path / "x.safetensors").largest_sum < 2**23


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_what_is_rounded_stays_where_the_rest_is_trained_on(config: ConeConfig) -> None:
    network = make_network(config)
    assert isinstance(network, ConePixelCNN)
    pixels = torch.from_numpy(smooth_image(24, 32)).permute(2, 0, 1)[None].float()
    rounded_so_far = list[torch.Tensor]()

    def train_on() -> None:
        free = [layer.weight for layer in network.layers if layer.weight.requires_grad]
        assert len(free) == len(network.layers) - len(rounded_so_far) - 1
        rounded_so_far.append(network.layers[len(rounded_so_far)].weight.clone())  # type: ignore[operator]
        for weight in free:
            weight *= 1.01

    round_weights(network, [pixels], train_on)
    assert len(rounded_so_far) == len(network.layers) - 1
    assert network.quantised
    for layer, weight in zip(network.layers, rounded_so_far, strict=False):
        assert torch.equal(layer.weight, weight)  # type: ignore[arg-type]
    for layer in network.layers:
        steps = layer.weight / layer.weight_step()  # type: ignore[operator]
        assert torch.allclose(steps, steps.round(), atol=1e-3)
