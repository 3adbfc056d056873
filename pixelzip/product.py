"""A part of stage 4: one layer of a network on one device, and the proof at start-up that the device is exact."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.errors import PixelzipError
from pixelzip.models.integer import SHORT_LIMIT, TABLE_CENTRE, IntegerLayer
from pixelzip.models.layers import ACTIVATION_STEPS, GATE_ONE, RAW_STEPS, SUM_STEPS

Tables = dict[str, Tensor]

_CUDA_ALIGNMENT: Final = 8
_CUDA_LEAST_ROWS: Final = 17
"""CUDA's int8 product wants more than 16 rows, and multiples of 8 everywhere."""

_GATE_SHIFT: Final = GATE_ONE.bit_length() - 1
_RAW_SHIFT: Final = (SUM_STEPS // RAW_STEPS).bit_length() - 1
_RAW_HALF: Final = SUM_STEPS // RAW_STEPS // 2
_ENTRY_SHIFT: Final = (SUM_STEPS // ACTIVATION_STEPS).bit_length() - 1
_ENTRY_HALF: Final = SUM_STEPS // ACTIVATION_STEPS // 2


class Product:
    """One layer on one device: integer matrix product, requantisation, clamp or gate."""

    def __init__(self, integers: IntegerLayer, tables: Tables, device: torch.device) -> None:
        self.layer = integers.layer
        self._tables = tables
        self.bias = torch.from_numpy(integers.bias.astype(np.float32)).to(device)  # exact, as are sums with it: < 2^24
        self.multiplier = torch.from_numpy(integers.multiplier).to(device)
        if self.layer.depthwise:
            self.weight = torch.from_numpy(integers.weight.T.astype(np.float32)).to(device)  # (taps, out)
            return
        self.exact_int8 = int8_products_are_exact(device)
        if not self.exact_int8:
            require_exact_float32(device)
        weight = torch.from_numpy(integers.weight.T.copy()).to(device)  # (taps * in, out)
        self.width = weight.shape[1]
        alignment = _CUDA_ALIGNMENT if device.type == "cuda" else 1
        padded = functional.pad(weight, (0, -weight.shape[1] % alignment, 0, -weight.shape[0] % alignment))
        self.padding = padded.shape[0] - weight.shape[0]
        self.weight = padded.t().contiguous().t() if self.exact_int8 else weight.float()

    def __call__(self, source: Tensor, residual: Tensor | None, classes: Tensor | None) -> Tensor:
        """Map (n, inputs) int8 to (n, out) int8, int16 for a sum or a gate, int32 for the head.

        ``residual`` is (n, out); ``classes`` is (n,) int64 for a network with classes.
        """
        bias = self.bias if self.bias.ndim == 1 or classes is None else self.bias.index_select(0, classes)
        scaled = self._sums(source).add_(bias).mul_(self.multiplier).round_()
        if self.layer.output == "gate":
            assert residual is not None
            return self._gated(scaled.clamp_(-SHORT_LIMIT, SHORT_LIMIT).int(), residual)
        if residual is not None:
            if self.layer.output == "parameters":
                scaled.clamp_(-SHORT_LIMIT, SHORT_LIMIT)
            scaled += residual
        if self.layer.output == "activation":
            return scaled.clamp_(-128, 127).to(torch.int8)
        return scaled.clamp_(-SHORT_LIMIT, SHORT_LIMIT).to(torch.int16 if self.layer.output == "sum" else torch.int32)

    def _gated(self, scaled: Tensor, residual: Tensor) -> Tensor:
        values, gates = scaled.chunk(2, dim=1)
        opened = values * _look_up(self._tables["sigmoid"], gates)  # below 2^29
        grown = residual + ((opened + GATE_ONE // 2) >> _GATE_SHIFT)
        return grown.clamp_(-SHORT_LIMIT, SHORT_LIMIT).to(torch.int16)

    def _sums(self, source: Tensor) -> Tensor:
        """Return (n, products) float32, whole numbers."""
        if self.layer.depthwise:
            return (source.view(len(source), *self.weight.shape) * self.weight).sum(dim=1)
        if not self.exact_int8:
            return source.float() @ self.weight
        num_rows = source.shape[0]
        missing_rows = max(0, _CUDA_LEAST_ROWS - num_rows) if source.is_cuda else 0
        if self.padding or missing_rows:
            source = functional.pad(source, (0, self.padding, 0, missing_rows))
        return torch._int_mm(source, self.weight)[:num_rows, : self.width].float()


def view(name: str, sums: Tensor, tables: Tables) -> Tensor:
    """Return a view, int8, of (n, out) int16 sums; ``name`` is one of ``models.layers.VIEWS``."""
    wide = sums.int()  # 16 bits would overflow
    if name == "raw":
        return ((wide + _RAW_HALF) >> _RAW_SHIFT).clamp_(-128, 127).to(torch.int8)
    entries = (wide + _ENTRY_HALF) >> _ENTRY_SHIFT
    if name == "concat_elu":
        entries = torch.cat((entries, -entries), dim=1)
    return _look_up(tables["elu"], entries).to(torch.int8)


def _look_up(table: Tensor, entries: Tensor) -> Tensor:
    """Look up (n, out) int32 entries of a table that is centred on zero."""
    places = entries.clamp(-TABLE_CENTRE, TABLE_CENTRE).add_(TABLE_CENTRE)
    return table.index_select(0, places.view(-1)).view(entries.shape)


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
