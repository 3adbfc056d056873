"""Residual blocks in training on a GPU: activations -> activations, with gradients. Mirrors ``ConeLayer.forward``.

A block reads and writes each activation a few times only, which is what its time goes by: some hundred channels are
multiplied faster than they are moved.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from pixelzip.models import residual_kernels as kernels
from pixelzip.models.layers import ACTIVATION_STEPS
from pixelzip.models.pixelcnn import KERNEL_CHANNELS, KERNEL_PIXELS

_CHANNEL_BLOCK: Final = 64
"""Channels that a program of a depthwise layer works on."""

_NUM_PIXELS: Final = 32
"""Pixels that it works on at a time."""

_NUM_ROUNDS: Final = KERNEL_PIXELS // _NUM_PIXELS
"""How often it does so when it sums gradients."""

_PRODUCT: Final = {"ROWS": 128, "COLUMNS": KERNEL_CHANNELS, "DEPTH": 64, "num_warps": 8, "num_stages": 3}
_NUM_SUMS: Final = 7
"""Gradients that a channel of a depthwise layer sums: of five taps, of its bias, of the bias of the product before."""


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: Tensor, dropout: float, *parameters: Tensor) -> Tensor:  # source: as in ``blocks``
        blocks = [parameters[first : first + 4] for first in range(0, len(parameters), 4)]
        activations, mixed = [source], []
        for taps, mix_bias, weight, bias in blocks:
            mixed.append(_mixed(activations[-1], taps, mix_bias, dropout))
            activations.append(_added(mixed[-1], activations[-1], weight, bias))
        ctx.save_for_backward(*activations, *mixed, *parameters)
        ctx.dropout = dropout
        return activations[-1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        num_blocks = (len(ctx.saved_tensors) - 1) // 6
        activations, mixed = ctx.saved_tensors[: num_blocks + 1], ctx.saved_tensors[num_blocks + 1 : 2 * num_blocks + 1]
        parameters, last = ctx.saved_tensors[2 * num_blocks + 1 :], activations[-1]
        gradient = gradients[0].to(last.dtype) * ((last > 0) & (last < 255 / ACTIVATION_STEPS))
        bias_gradient, found = gradient.flatten(0, 2).sum(dim=0, dtype=torch.float32), list[Tensor]()
        for index in reversed(range(num_blocks)):
            taps, _, weight, _ = parameters[4 * index : 4 * index + 4]
            flat = gradient.flatten(0, 2)  # (pixels, channels)
            weight_gradient = (flat.t() @ mixed[index].flatten(0, 2)).float()
            of_mixed = _unadded(gradient, mixed[index], weight, ctx.dropout)
            before, sums = _unmixed(of_mixed, gradient, activations[index], taps)
            found = [sums[:5].t(), sums[5], weight_gradient, bias_gradient, *found]
            gradient, bias_gradient = before, sums[6]
        return gradient, None, *found


def _mixed(source: Tensor, taps: Tensor, bias: Tensor, dropout: float) -> Tensor:
    outputs = torch.empty_like(source)
    seed = int(torch.randint(2**31, ())) if dropout else 0
    kernels.mix[_grid(source, 1)](
        outputs, source, taps.t().contiguous(), bias, seed, DROPOUT=dropout, **_constants(source), num_warps=4
    )
    return outputs


def _unmixed(gradient: Tensor, residual: Tensor, source: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    before = torch.empty_like(source)
    sums = torch.zeros((_NUM_SUMS, source.shape[-1]), device=source.device)
    kernels.unmix[_grid(source, _NUM_ROUNDS)](
        before, sums, gradient, residual, source, taps.t().contiguous(),
        **_constants(source), ROUNDS=_NUM_ROUNDS, num_warps=4,
    )  # fmt: skip
    return before, sums


def _added(mixed: Tensor, source: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    outputs = torch.empty_like(source)
    kernels.add[_product_grid(source)](
        outputs, mixed, source, weight.to(source.dtype), bias, CHANNELS=source.shape[-1], **_PRODUCT
    )
    return outputs


def _unadded(gradient: Tensor, mixed: Tensor, weight: Tensor, dropout: float) -> Tensor:
    outputs = torch.empty_like(mixed)
    kernels.unadd[_product_grid(mixed)](
        outputs, gradient, mixed, weight.to(mixed.dtype), DROPOUT=dropout, CHANNELS=mixed.shape[-1], **_PRODUCT
    )
    return outputs


def _product_grid(source: Tensor) -> tuple[int]:
    return (source.numel() // (_PRODUCT["ROWS"] * _PRODUCT["COLUMNS"]),)


def _grid(source: Tensor, num_rounds: int) -> tuple[int, int]:
    num_pixels, channels = source.numel() // source.shape[-1], source.shape[-1]
    return num_pixels // (_NUM_PIXELS * num_rounds), channels // _CHANNEL_BLOCK


def _constants(source: Tensor) -> dict[str, int]:
    _, height, width, channels = source.shape
    return {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "PIXELS": _NUM_PIXELS, "BLOCK": _CHANNEL_BLOCK}


@torch.compiler.disable  # type: ignore[untyped-decorator]
def blocks(source: Tensor, *parameters: Tensor, dropout: float = 0.0) -> Tensor:
    """Compute residual blocks, activations rounded, and later their gradients.

    Args:
        source: (images, height, width, channels) bfloat16, multiples of 1/32 in [0, 255/32]; the channels are a
            multiple of KERNEL_CHANNELS, the pixels of all images one of KERNEL_PIXELS.
        parameters: for each block the depthwise weights (channels, 5) and bias, the weights (channels, channels) and
            bias of the product; float32.
        dropout: share of the depthwise layers' results that become zero, others by torch's generator each time; the
            rest are as much larger.
    """
    return _Blocks.apply(source, dropout, *parameters)  # type: ignore[no-any-return, no-untyped-call]
