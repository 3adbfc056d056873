"""Residual blocks in kernels give what PyTorch gives, both ways: on the GPU, or interpreted where there is none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.models import pixelcnn
from pixelzip.models.config import ConeConfig
from pixelzip.models.layers import ACTIVATION_STEPS
from pixelzip.models.pixelcnn import ConePixelCNN, activation, sum_of_shifts

kernels = pytest.importorskip("pixelzip.models.residual_blocks")

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICE, DTYPE = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)


def rounded(values: Tensor) -> Tensor:
    """Pass gradients where the result is neither zero nor the largest, as kernels do, which know the result only."""
    result = activation(values.detach(), True)
    is_inner = (result > 0) & (result < 255 / ACTIVATION_STEPS)
    return result + (values - values.detach()) * is_inner


def kept(shape: torch.Size, seed: int, dropout: float) -> Tensor:
    """Return what the hash leaves of (images, channels, height, width), 1 or 0."""
    images, channels, height, width = shape
    place = torch.arange(shape.numel()).view(images, height, width, channels).permute(0, 3, 1, 2)
    hashed = (place ^ seed) * 0x85EBCA6B % 2**32
    hashed = (hashed ^ hashed >> 15) * 0xC2B2AE35 % 2**32
    return ((hashed ^ hashed >> 13) >> 8 >= dropout * 2**24).to(DEVICE)


def expected(source: Tensor, dropout: float, *parameters: Tensor) -> Tensor:
    outputs = source.permute(0, 3, 1, 2)
    for taps, mix_bias, weight, bias in zip(*(parameters[start::4] for start in range(4)), strict=True):
        mixed = rounded(sum_of_shifts(outputs, taps[:, :, None], mix_bias))
        if dropout:
            mixed = mixed * kept(mixed.shape, int(torch.randint(2**31, ())), dropout) / (1 - dropout)
        matrix = weight.to(DTYPE).float()
        outputs = rounded(outputs + functional.conv2d(mixed, matrix[:, :, None, None], bias))
    return outputs.permute(0, 2, 3, 1)


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found.float() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("num_blocks", [1, pytest.param(3, marks=[pytest.mark.gpu, on_gpu])])
def test_outputs_and_gradients(num_blocks: int, dropout: float) -> None:
    torch.manual_seed(0)
    channels = pixelcnn.KERNEL_CHANNELS
    source = ((torch.rand(2, 32, 32, channels) * 128).round() / 32).to(DEVICE).requires_grad_()
    shapes = [((channels, 5), 0.4), ((channels,), 0.3), ((channels, channels), 0.03), ((channels,), 0.3)] * num_blocks
    parameters = [(torch.randn(shape) * size).to(DEVICE).requires_grad_() for shape, size in shapes]
    weights = torch.randn_like(source)
    torch.manual_seed(1)
    wanted = expected(source, dropout, *parameters)
    torch.manual_seed(1)
    found = kernels.blocks(source.to(DTYPE), *parameters, dropout=dropout)
    assert float((found.float() != wanted).float().mean()) <= (1e-3 if DEVICE == "cuda" else 0)
    inputs = (source, *parameters)
    is_inner = (source > 0) & (source < 255 / ACTIVATION_STEPS)
    wanted_gradients = list(torch.autograd.grad((wanted * weights).sum(), inputs))
    wanted_gradients[0] = wanted_gradients[0] * is_inner  # what made the source is clamped, too
    found_gradients = torch.autograd.grad((found.float() * weights).sum(), inputs)
    limit = 2e-2 if DEVICE == "cuda" else 1e-6
    assert max(map(distance, found_gradients, wanted_gradients)) < limit


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("quantised", [False, True])
def test_a_network_is_trained_in_kernels(quantised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = ConePixelCNN(ConeConfig(channels=128, blocks=(3,), mixtures=2, depthwise=True)).cuda().train()
    network.quantised = quantised
    pixels = torch.randint(0, 256, (2, 3, 32, 32), device="cuda").float()

    def gradients() -> list[Tensor]:
        with torch.autocast("cuda", torch.bfloat16):
            raw, guess = network(pixels)
        return list(torch.autograd.grad(network.bits(raw, guess, pixels).mean(), list(network.parameters())))

    found = gradients()
    monkeypatch.setattr(pixelcnn, "_HAS_TRITON", False)
    assert max(map(distance, found, [one.float() for one in gradients()])) < 0.2
