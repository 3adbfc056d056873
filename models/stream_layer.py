"""One trainable layer of the paper's network, and what layers see of each other.

Weight normalisation with data-dependent initialisation: Salimans, Kingma, "Weight normalization" (2016), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelzip.models.integer import SHORT_LIMIT, TABLE_CENTRE
from pixelzip.models.layers import ACTIVATION_STEPS, RAW_STEPS, SUM_STEPS, Layer
from pixelzip.models.paper import PaperConfig
from pixelzip.models.pixelcnn import fake_quantised, weight_step

_GATE_GAIN = 0.1
"""Standard deviation that initialisation gives to what a block adds."""


def look(sums: Tensor, view: str, quantised: bool) -> Tensor:
    """Return a view of (batch, channels, H, W) sums; when quantised, rounded with a straight-through gradient."""
    if view == "raw":
        return _rounded(sums, RAW_STEPS, -8, 127 / RAW_STEPS) if quantised else sums
    if quantised:
        sums = _rounded(sums, ACTIVATION_STEPS, -_ENTRY_LIMIT, _ENTRY_LIMIT)
    seen = functional.elu(torch.cat((sums, -sums), dim=1) if view == "concat_elu" else sums)
    return _rounded(seen, ACTIVATION_STEPS, -1, 223 / ACTIVATION_STEPS) if quantised else seen


_ENTRY_LIMIT = TABLE_CENTRE / ACTIVATION_STEPS
_SUM_LIMIT = SHORT_LIMIT / SUM_STEPS


def _rounded(values: Tensor, steps: int, low: float, high: float) -> Tensor:
    clamped = values.clamp(low, high)
    return clamped + ((clamped * steps + 0.5).floor() / steps - clamped).detach()


class NormalisedProduct(nn.Module):
    """Weights (out, taps, in) of fixed direction ``v`` and length ``g`` for each output, and a bias ``b``."""

    def __init__(self, num_outputs: int, num_taps: int, num_inputs: int) -> None:
        super().__init__()
        self.v = nn.Parameter(0.05 * torch.randn(num_outputs, num_taps, num_inputs))
        self.g = nn.Parameter(torch.ones(num_outputs))
        self.b = nn.Parameter(torch.zeros(num_outputs))

    def weight(self) -> Tensor:
        """Return the (out, taps, in) weights."""
        lengths: Tensor = self.v.square().sum(dim=(1, 2), keepdim=True).sqrt()
        weight: Tensor = self.v * (self.g[:, None, None] / lengths)
        return weight

    @torch.no_grad()
    def initialise(self, products: Tensor, gain: float) -> Tensor:
        """Set length and bias so that (batch, out, H, W) ``products`` get mean zero and deviation ``gain``."""
        mean, deviation = products.mean(dim=(0, 2, 3)), products.std(dim=(0, 2, 3)) + 1e-6
        self.g.mul_(gain / deviation)
        self.b.copy_(-mean * gain / deviation)
        return (products - mean[:, None, None]) * (gain / deviation)[:, None, None]


class StreamLayer(nn.Module):
    """One layer of the plan: one weight-normalised product at the taps, another for the auxiliary sources."""

    def __init__(self, layer: Layer, config: PaperConfig) -> None:
        super().__init__()
        self.layer = layer
        self.dropout = config.dropout if layer.output == "gate" else 0.0
        self.gain = _GATE_GAIN if layer.output == "gate" else 1.0
        self.main = NormalisedProduct(layer.num_products, len(layer.taps), layer.in_channels)
        if layer.auxiliary:
            self.side = NormalisedProduct(layer.num_products, 1, len(layer.auxiliary) * layer.in_channels)
        if config.num_classes and layer.output == "gate":
            self.class_bias = nn.Parameter(0.05 * torch.randn(config.num_classes, layer.num_products))

    def dense(self) -> tuple[Tensor, Tensor]:
        """Return the weights of all inputs, (products, taps + auxiliary, in), and the bias, (products,) or by class."""
        weight: Tensor = self.main.weight()
        bias: Tensor = self.main.b
        if self.layer.auxiliary:
            side = self.side.weight().view(len(weight), -1, self.layer.in_channels)
            weight, bias = torch.cat((weight, side), dim=1), bias + self.side.b
        return weight, bias + self.class_bias if hasattr(self, "class_bias") else bias

    def forward(
        self, source: Tensor, others: list[Tensor], residual: Tensor | None, shape: tuple[int, int], run: Run
    ) -> Tensor:
        """Map sources to sums, a gate's sums or parameters, all (batch, out, *shape)."""
        if self.dropout and self.training:
            source = functional.dropout(source, self.dropout)
        products = self._products(source, others, shape, run)
        if run.classes is not None and hasattr(self, "class_bias"):
            products = products + self.class_bias[run.classes][:, :, None, None]
        if self.layer.output == "gate":
            values, gates = products.chunk(2, dim=1)
            if run.quantised:
                gates = _rounded(gates, ACTIVATION_STEPS, -_ENTRY_LIMIT, _ENTRY_LIMIT)
            products = values * torch.sigmoid(gates)
        sums = products if residual is None else residual + products
        if run.quantised and self.layer.output != "parameters":
            return _rounded(sums, SUM_STEPS, -_SUM_LIMIT, _SUM_LIMIT)
        return sums

    def _products(self, source: Tensor, others: list[Tensor], shape: tuple[int, int], run: Run) -> Tensor:
        weight = torch.cat([part.weight().flatten(1) for part in self._parts()], dim=1)  # (products, inputs)
        if run.quantised:
            weight = fake_quantised(weight[:, None], weight_step(weight[:, None]))[:, 0]
        sources, products = [source, *([torch.cat(others, dim=1)] if others else [])], []
        for part, tensor in zip(self._parts(), sources, strict=True):
            num_weights = part.v.shape[1] * part.v.shape[2]
            own, weight = weight[:, :num_weights].view(part.v.shape), weight[:, num_weights:]
            product = convolve(self.layer, tensor, own, shape) if part is self.main else _pointwise(tensor, own)
            added = part.initialise(product, self.gain) if run.initialising else product + part.b[:, None, None]
            products.append(added)
        return torch.stack(products).sum(dim=0) if len(products) > 1 else products[0]

    def _parts(self) -> list[NormalisedProduct]:
        return [self.main, self.side] if self.layer.auxiliary else [self.main]


class Run:
    """What one pass through the network is for; ``classes`` is (batch,) int64."""

    def __init__(self, quantised: bool, initialising: bool, classes: Tensor | None) -> None:
        self.quantised, self.initialising, self.classes = quantised, initialising, classes


def _pointwise(source: Tensor, weight: Tensor) -> Tensor:
    return functional.conv2d(source, weight[:, 0, :, None, None])


def convolve(layer: Layer, source: Tensor, weight: Tensor, shape: tuple[int, int]) -> Tensor:
    """Apply (products, taps, in) weights at a layer's taps: (batch, products, *shape).

    Taps lie in rows -2..0 and columns -1..1. A finer source is read with stride 2; a coarser one through a transposed
    convolution with stride 2, whose kernel's place for a tap follows from its parity.
    """
    if layer.parities:
        return _transposed(layer, source, weight, shape)
    rows, columns = zip(*layer.taps, strict=True)
    top, left, right = -min(rows), -min(columns), max(columns)
    below = -max(rows)
    kernel = weight.new_zeros(weight.shape[0], weight.shape[2], top - below + 1, left + right + 1)
    kernel[:, :, [row + top for row in rows], [column + left for column in columns]] = weight.transpose(1, 2)
    padded = functional.pad(source, (left, right, top, 0))
    stride = 2 if layer.scale > layer.source_scale else 1
    output = functional.conv2d(padded, kernel, stride=stride)
    return output[..., : shape[0], : shape[1]]


def _transposed(layer: Layer, source: Tensor, weight: Tensor, shape: tuple[int, int]) -> Tensor:
    """Output (r, c) reads coarse (r // 2, c // 2 + tap column) where (r, c) has the tap's parity."""
    left = max(column for _, column in layer.taps)  # one column of the transposed output lies outside
    kernel = weight.new_zeros(weight.shape[2], weight.shape[0], 2, 2 + left)
    for index, ((_, tap), (row, column)) in enumerate(zip(layer.taps, layer.parities, strict=True)):
        kernel[:, :, row, column - 2 * tap + left] = weight[:, index].t()
    output = functional.conv_transpose2d(source, kernel, stride=2)
    return output[..., : shape[0], left : left + shape[1]]
