"""The trainable cone PixelCNN++: float modules that follow the plan, with optional fake quantisation.

Salimans, Karpathy, Chen, Kingma, "PixelCNN++" (2017), section 2, with the changes that design section 5 lists:
difference inputs, means relative to a predictor, ReLU, and a 2x3 cone of taps so that wavefronts decode in parallel.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelzip.models import mixture
from pixelzip.models.config import CONE, ConeConfig
from pixelzip.models.features import FEATURE_STEPS, features, positions
from pixelzip.models.layers import ACTIVATION_STEPS, FEATURES, WEIGHT_LIMIT, ZERO_POINT, Layer

_BIAS_LIMIT = 2**22
"""Sums must stay below 2^24, and a bias alone below this."""

KERNEL_CHANNELS: Final = 128
"""Networks with a multiple of so many channels are trained in kernels on a GPU."""

KERNEL_PIXELS: Final = 2048
"""As KERNEL_CHANNELS: pixels of a batch."""

_HAS_TRITON: Final = importlib.util.find_spec("triton") is not None


class ConeLayer(nn.Module):
    """One layer of the plan. ``weight`` is (out_channels, taps, channels_read), ``bias`` (out_channels,)."""

    def __init__(self, layer: Layer, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        self.dropout = dropout if layer.residual and layer.output == "activation" else 0.0
        gain = 0.05 if layer.output == "parameters" else 0.3 if layer.residual else 1.0
        weight = torch.randn(layer.out_channels, len(layer.taps), layer.channels_read)
        self.weight = nn.Parameter(weight * gain * (2 / layer.num_inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(layer.out_channels))

    def dense(self) -> tuple[Tensor, Tensor]:
        """Return the weights (out, taps, in) and the bias (out,)."""
        return self.weight, self.bias

    def weight_step(self, weight: Tensor | None = None) -> Tensor:
        """Return the size of one integer step for each output channel, (out, 1, 1); the weights may be others.

        Channels of tiny weights have larger steps than these need, so that their bias stays below 2^22 in integers.
        """
        bias = self.bias.detach().abs() + -ZERO_POINT / ACTIVATION_STEPS
        return torch.maximum(
            weight_step(self.weight if weight is None else weight), ACTIVATION_STEPS * bias[:, None, None] / _BIAS_LIMIT
        )

    def arguments(self, outputs: dict[str, Tensor]) -> tuple[Tensor, Tensor | None, tuple[int, int]]:
        """Find the source, the residual and the shape (H, W) of this layer's outputs among those of earlier ones."""
        layer, (height, width) = self.layer, outputs[FEATURES].shape[-2:]
        residual = outputs[layer.residual] if layer.residual else None
        return outputs[layer.source], residual, (height // layer.scale, width // layer.scale)

    def forward(self, source: Tensor, residual: Tensor | None, shape: tuple[int, int], quantised: bool) -> Tensor:
        """Map (batch, in_channels, H', W') to (batch, out_channels, *shape)."""
        weight = self.weight_of(quantised)
        if self.dropout and self.training:
            source = functional.dropout(source, self.dropout)
        output = self.product(source, weight, shape)
        if residual is not None:
            output = residual + output
        if self.layer.output == "parameters":
            return output
        return activation(output, quantised or self.training)

    def weight_of(self, quantised: bool) -> Tensor:
        """Return the weights, rounded if ``quantised``."""
        return fake_quantised(self.weight, self.weight_step()) if quantised else self.weight

    def product(self, source: Tensor, weight: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return products and bias, (batch, out_channels, *shape), of (batch, in_channels, H', W')."""
        layer = self.layer
        if layer.depthwise and source.is_cuda:
            return sum_of_shifts(source, weight, self.bias)
        if layer.taps == CONE:
            six = functional.pad(weight, (0, 0, 0, 1))  # (out, 6, in): the sixth tap lies in the future
            kernel = six.view(layer.out_channels, 2, 3, layer.channels_read).permute(0, 3, 1, 2)
            groups = layer.in_channels if layer.depthwise else 1
            return functional.conv2d(functional.pad(source, (1, 1, 1, 0)), kernel, self.bias, groups=groups)
        if layer.scale > layer.source_scale:
            kernel = weight.view(layer.out_channels, 2, 2, layer.in_channels).permute(0, 3, 1, 2)
            return functional.conv2d(source, kernel, self.bias, stride=2)
        if layer.scale < layer.source_scale:
            source = upsampled(source, shape)
        return functional.conv2d(source, weight.permute(0, 2, 1)[..., None], self.bias)


def sum_of_shifts(source: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve (batch, C, H, W) depthwise at CONE with (C, taps, 1) weights, and add the (C,) bias; the same shape.

    Compiled, it is one kernel on a GPU, and much faster than cuDNN's convolution.
    """
    height, width = source.shape[-2:]
    padded = functional.pad(source, (1, 1, 1, 0))
    products = bias[:, None, None]
    for tap, (row, column) in enumerate(CONE):
        shifted = padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width]
        products = products + shifted * weight[:, tap, :, None]
    return products.to(source.dtype)


def activation(values: Tensor, is_rounded: bool) -> Tensor:
    """Clamp to [0, 255/32]; perhaps round to multiples of 1/32 with a straight-through gradient."""
    clamped = functional.hardtanh(values, 0, 255 / ACTIVATION_STEPS)
    if not is_rounded:
        return clamped
    return clamped + ((clamped * ACTIVATION_STEPS).round() / ACTIVATION_STEPS - clamped).detach()


def fake_quantised(weight: Tensor, step: Tensor) -> Tensor:
    """Round each output channel to whole steps, with a straight-through gradient."""
    return weight + ((weight / step).round() * step - weight).detach()


def weight_step(weight: Tensor) -> Tensor:
    """Return 1/64 of the largest weight of each output channel, shape (out_channels, 1, 1)."""
    largest: Tensor = weight.detach().abs().amax(dim=(1, 2), keepdim=True)
    return (largest / WEIGHT_LIMIT).clamp(min=1e-8)


def upsampled(source: Tensor, shape: tuple[int, int]) -> Tensor:
    """Give pixel (r, c) the coarse position ((r - 1) // 2, (c - 1) // 2), or zero outside."""
    height, width = shape
    repeated = source.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return functional.pad(repeated, (1, 1, 1, 1))[..., :height, :width]


class ConePixelCNN(nn.Module):
    """The network of one configuration.

    Activations are rounded in training, and lose less then when the network becomes integers (docs/log.md).
    ``quantised`` switches fake quantisation of weights and activations on, after which the float network differs
    from the exported integers only by float rounding.
    """

    def __init__(self, config: ConeConfig) -> None:
        super().__init__()
        self.config = config
        self.quantised = False
        self.layers = nn.ModuleList(ConeLayer(layer, config.dropout) for layer in config.plan())
        self._spread_head()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, 3, H, W) levels to (batch, 10 * mixtures, H, W) raw head outputs and (batch, 3, H, W) guesses."""
        inputs, guess = self.inputs(pixels)
        outputs = {FEATURES: inputs}
        for stem, *blocks, head in self._members():
            for module in (stem, *([] if self._has_kernels(stem, inputs) else blocks)):
                outputs[module.layer.name] = module(*module.arguments(outputs), self.quantised)
            if head.layer.source not in outputs:
                outputs[head.layer.source] = self._in_kernels(outputs[stem.layer.name], blocks)
            source, residual, shape = head.arguments(outputs)
            with torch.autocast(pixels.device.type, enabled=False):
                outputs[head.layer.name] = head(source.float(), residual, shape, self.quantised)
        return outputs[head.layer.name], guess

    def _members(self) -> Iterator[list[ConeLayer]]:
        """Yield the layers of each member of the ensemble, from its stem to its head."""
        modules = [module for module in self.layers if isinstance(module, ConeLayer)]
        size = len(modules) // (1 + len(self.config.members))
        return (modules[first : first + size] for first in range(0, len(modules), size))

    def _has_kernels(self, stem: ConeLayer, inputs: Tensor) -> bool:
        """Whether all blocks of a member are computed, and trained, in kernels."""
        config, num_pixels = self.config, inputs[:, 0].numel()
        is_like_them = config.depthwise and len(config.blocks) == 1
        fits = stem.layer.out_channels % KERNEL_CHANNELS == 0 and num_pixels % KERNEL_PIXELS == 0
        return inputs.is_cuda and (self.training or self.quantised) and is_like_them and fits and _HAS_TRITON

    def _in_kernels(self, source: Tensor, blocks: Sequence[ConeLayer]) -> Tensor:
        """Compute all blocks of (batch, channels, H, W)."""
        from pixelzip.models.residual_blocks import blocks as in_kernels  # imports Triton

        parameters = list[Tensor]()
        for mix, add in zip(blocks[::2], blocks[1::2], strict=True):
            parameters += [mix.weight_of(self.quantised)[:, :, 0], mix.bias]  # (channels, taps)
            parameters += [add.weight_of(self.quantised)[:, 0], add.bias]  # (channels, channels)
        pixels_first = source.permute(0, 2, 3, 1).to(torch.bfloat16).contiguous()
        last: Tensor = in_kernels(pixels_first, *parameters, dropout=self.config.dropout if self.training else 0.0)
        return last.permute(0, 3, 1, 2)

    def inputs(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the first layer reads, (batch, num_features, H, W), and (batch, 3, H, W) guesses."""
        inputs, guess = features(pixels)
        if self.config.period:
            height, width = pixels.shape[-2:]
            places = positions(height, width, self.config.period).to(inputs)
            inputs = torch.cat([inputs, places.expand(len(inputs), -1, -1, -1)], dim=1)
        return (inputs / FEATURE_STEPS).contiguous(memory_format=torch.channels_last), guess

    def bits(self, raw: Tensor, guess: Tensor, pixels: Tensor) -> Tensor:
        """Return the bits of every pixel, (batch, H, W)."""
        return mixture.bits(raw, guess, pixels)

    def _spread_head(self) -> None:
        """Start the components apart: offsets around zero, scales from half a level to thirty levels."""
        head = self.layers[-1]
        assert isinstance(head, ConeLayer)
        mixtures = self.config.mixtures
        spread = torch.linspace(-0.7, 3.4, mixtures)
        with torch.no_grad():
            bias = head.bias.view(10, mixtures)
            bias[4:7] = spread
            bias[7:9] = 0.5
