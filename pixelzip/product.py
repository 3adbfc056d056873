"""A part of stage 4: one layer of a network on one device, and the proof at start-up that the device is exact."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.errors import PixelzipError
from pixelzip.models.integer import HEAD_LIMIT, IntegerLayer

_CUDA_ALIGNMENT: Final = 8
_CUDA_LEAST_ROWS: Final = 17
"""CUDA's int8 product wants more than 16 rows, and multiples of 8 everywhere."""


class Product:
    """One layer on one device: integer matrix product, requantisation, clamp."""

    def __init__(self, integers: IntegerLayer, device: torch.device) -> None:
        self.layer = integers.layer
        self.exact_int8 = int8_products_are_exact(device)
        if not self.exact_int8:
            require_exact_float32(device)
        weight = torch.from_numpy(integers.weight.T.copy()).to(device)  # (taps * in, out)
        self.width = weight.shape[1]
        alignment = _CUDA_ALIGNMENT if device.type == "cuda" else 1
        padded = functional.pad(weight, (0, -weight.shape[1] % alignment, 0, -weight.shape[0] % alignment))
        self.padding = padded.shape[0] - weight.shape[0]
        self.weight = padded.t().contiguous().t() if self.exact_int8 else weight.float()
        self.bias = torch.from_numpy(integers.bias).to(device)
        self.multiplier = torch.from_numpy(integers.multiplier).to(device)

    def __call__(self, source: Tensor, residual: Tensor | None) -> Tensor:
        """Map (n, taps * in) int8 to (n, out) int8, or int32 for the head."""
        scaled = self._sums(source).add_(self.bias).float().mul_(self.multiplier).round_()
        if self.layer.output == "parameters":
            return scaled.clamp_(-HEAD_LIMIT, HEAD_LIMIT).int()
        if residual is not None:
            scaled += residual
        return scaled.clamp_(-128, 127).to(torch.int8)

    def _sums(self, source: Tensor) -> Tensor:
        if not self.exact_int8:
            return (source.float() @ self.weight).int()
        num_rows = source.shape[0]
        missing_rows = max(0, _CUDA_LEAST_ROWS - num_rows) if source.is_cuda else 0
        if self.padding or missing_rows:
            source = functional.pad(source, (0, self.padding, 0, missing_rows))
        return torch._int_mm(source, self.weight)[:num_rows, : self.width]


@functools.cache
def int8_products_are_exact(device: torch.device) -> bool:
    """Try ``torch._int_mm`` at the extremes of its range; False means: use float32."""
    try:
        return _is_exact(lambda inputs, weight: torch._int_mm(inputs, weight.t().contiguous().t()), device)
    except RuntimeError:
        return False


@functools.cache
def require_exact_float32(device: torch.device) -> None:
    """Raise PixelzipError if float32 products are not exact below 2^24, as when TF32 is switched on."""
    if not _is_exact(lambda inputs, weight: (inputs.float() @ weight.float()).long(), device):
        raise PixelzipError(f"matrix products on {device} are not exact: switch TF32 and reduced precision off")


def _is_exact(product: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> bool:
    """Compare int8 products, the largest sums among them, with int64 ones."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-64, 65, (512, 64), generator=generator, dtype=torch.int8)
    inputs = torch.randint(-128, 128, (40, 512), generator=generator, dtype=torch.int8)
    weight[:, :2], inputs[0], inputs[1] = torch.tensor([64, -64], dtype=torch.int8), -128, 127
    sums = product(inputs.to(device), weight.to(device))
    return bool((sums.cpu() == inputs.long() @ weight.long()).all())
