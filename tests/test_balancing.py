"""Scaling of channels: the same function, larger activations, none clamped that was not."""

from __future__ import annotations

import pytest
import torch
from conftest import CONFIGS, make_network, smooth_image
from torch import Tensor

from pixelzip.models.balancing import balance
from pixelzip.models.config import ConeConfig
from pixelzip.models.pixelcnn import ConePixelCNN

LARGEST = 255 / 32


def peaks(network: ConePixelCNN, pixels: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    handles = []
    for module in network.layers:
        name = str(module.layer.name)  # type: ignore[union-attr]
        handle = module.register_forward_hook(
            lambda _, __, output, name=name: found.update({name: output.amax(dim=(0, 2, 3))})
        )
        handles.append(handle)
    with torch.no_grad():
        network(pixels)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_function_stays_and_activations_grow(config: ConeConfig) -> None:
    network = make_network(config)
    assert isinstance(network, ConePixelCNN)
    pixels = torch.from_numpy(smooth_image(24, 32)).permute(2, 0, 1)[None].float()
    before = peaks(network, pixels)
    balance(network, [pixels])
    after = peaks(network, pixels)
    assert torch.allclose(before.pop("head"), after.pop("head"), rtol=1e-4, atol=1e-4)
    for name, peak in before.items():
        grown = (LARGEST / peak).sqrt().clamp(max=8) if ".mix" in name else 1
        assert torch.allclose(after[name], peak * grown, rtol=1e-4, atol=1e-4)
