"""Weights -> weights on the integer grid, where what one rounding loses the weights that are not yet rounded make good.

Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ" (2023), section 3, one layer after the other, each on the inputs that
the layers rounded before give it. Rounding each weight by itself cost the model ``cifar10`` 1.2 % of its bits, most of
it in the first layer; this costs 0.2 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.models.config import BLOCK, CONE
from pixelzip.models.layers import WEIGHT_LIMIT
from pixelzip.models.pixelcnn import ConeLayer, ConePixelCNN

DAMPING: Final = 0.003
"""Share of the mean square of the inputs that is added to each, so that the equations can be solved."""

_LEAST_DAMPING: Final = 1e-9
"""As DAMPING where all inputs are zero, those of a depthwise channel that has died."""


@torch.no_grad()
def round_weights(network: ConePixelCNN, batches: Sequence[Tensor]) -> None:
    """Round all weights in place; exporting the network then rounds nothing any more.

    ``batches`` are (batch, 3, H, W) levels from the training data, of any sizes: some 10^5 pixels are enough.
    """
    for module in network.layers:
        assert isinstance(module, ConeLayer)
        inputs = torch.cat([_gathered(module, _source(network, module, pixels)) for pixels in batches])
        module.weight.copy_(_rounded_layer(module, inputs))


def _rounded_layer(module: ConeLayer, inputs: Tensor) -> Tensor:
    """Round a layer that reads (n, taps * in) inputs; the channels of a depthwise one by themselves."""
    weight, step = module.weight, module.weight_step()
    if not module.layer.depthwise:
        return rounded(weight, step, inputs)
    inputs = inputs.view(len(inputs), len(module.layer.taps), -1)  # (n, taps, channels)
    rows = [slice(channel, channel + 1) for channel in range(len(weight))]
    return torch.cat([rounded(weight[row], step[row], inputs[:, :, row.start]) for row in rows])


def rounded(weight: Tensor, step: Tensor, inputs: Tensor) -> Tensor:
    """Return (out, taps, in) weights, each row in whole steps, that change the products with the inputs least.

    ``step`` is (out, 1, 1), ``inputs`` are (n, taps * in). A row's largest weight stays, and its step.
    """
    moments = inputs.double().t() @ inputs.double() / len(inputs)  # (inputs, inputs)
    damping = (DAMPING * moments.diagonal().mean()).clamp(min=_LEAST_DAMPING)
    moments += damping * torch.eye(len(moments)).to(moments)
    order = moments.diagonal().argsort(descending=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments[order][:, order]))
    update = torch.linalg.cholesky(inverse, upper=True)
    step = step.flatten(1).double()  # (out, 1)
    left = weight.flatten(1).double()[:, order]
    kept = (left / step).round() * step
    is_largest = (left / step).abs().round() >= WEIGHT_LIMIT
    for index in range(len(order)):
        on_grid = (left[:, index] / step[:, 0]).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) * step[:, 0]
        on_grid = torch.where(is_largest[:, index], kept[:, index], on_grid)
        lost = (left[:, index] - on_grid) / update[index, index]
        left[:, index] = on_grid
        left[:, index + 1 :] -= lost[:, None] * update[index, index + 1 :]
    return left[:, order.argsort()].view_as(weight).to(weight.dtype)


def _source(network: ConePixelCNN, module: ConeLayer, pixels: Tensor) -> Tensor:
    """Return what the layer reads, (batch, in, H', W')."""
    sources: list[Tensor] = []

    def remember(_: Any, arguments: tuple[Any, ...]) -> None:
        sources.append(arguments[0])

    handle = module.register_forward_pre_hook(remember)
    network(pixels)
    handle.remove()
    return sources[0]


def _gathered(module: ConeLayer, source: Tensor) -> Tensor:
    """Return the inputs of every output, (n, taps * in), taps before channels."""
    taps = module.layer.taps
    stride = 2 if taps == BLOCK else 1
    padded = functional.pad(source, (1, 1, 1, 0)) if taps == CONE else source
    height, width = (source.shape[2] // stride, source.shape[3] // stride)
    parts = []
    for row, column in taps:
        top, start = (row + 1, column + 1) if len(taps) > 1 else (0, 0)
        part = padded[:, :, top::stride, start::stride][:, :, :height, :width]
        parts.append(part.permute(0, 2, 3, 1))
    return torch.cat(parts, dim=3).flatten(0, 2)
