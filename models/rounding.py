"""Weights -> weights on the integer grid, where what one rounding loses the weights that are not yet rounded make good.

Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ" (2023), section 3, one layer after the other, each on the inputs that the
layers rounded before give it. A layer aims at the sums that it has in the floats, not at those that its weights make of
such inputs, so that it makes good what the layers before it lost as well: by least squares its weights move there
before they are rounded, and its bias after that. Where the layers that are left are trained on after each, these make
it good instead (Zhou, Yao, Guo, Xu, Chen, "Incremental Network Quantization", 2017, section 3.2), and a layer aims at
its own sums.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.models.balancing import balance
from pixelzip.models.config import BLOCK, CONE
from pixelzip.models.layers import FEATURES, WEIGHT_LIMIT
from pixelzip.models.pixelcnn import ConeLayer, ConePixelCNN, upsampled

DAMPING: Final = 0.003
"""Share of the mean variance of the inputs that is added to each, so that the equations can be solved."""

_LEAST_DAMPING: Final = 1e-9
"""As DAMPING where no input varies, those of a depthwise channel that has died."""


_Arguments: TypeAlias = tuple[Tensor, Tensor | None, tuple[int, int]]
"""What a layer reads, (batch, in, H', W'), its residual, and the shape (H, W) of its outputs."""


@torch.no_grad()
def round_weights(network: ConePixelCNN, batches: Sequence[Tensor], train_on: Callable[[], None] | None = None) -> None:
    """Round all weights in place; exporting the network then rounds nothing any more.

    ``batches`` are (batch, 3, H, W) levels from the training data, of any sizes: some 10^5 pixels are enough. The
    network becomes ``quantised``. ``train_on`` is called after every layer but the last and may change all parameters
    that still require a gradient: weights of layers that are not rounded yet, and all biases.
    """
    network.quantised = False
    balance(network, batches)
    given, wanted = _Outputs(network, batches), _Outputs(copy.deepcopy(network), batches)
    for index in range(len(network.layers)):
        _round_layer(given.layer(index), *_inputs_and_products(index, given, wanted))
        if train_on is None:
            given.add(index, is_rounded=True)
            wanted.add(index)
        elif index + 1 < len(network.layers):
            given.layer(index).weight.requires_grad_(False)
            train_on()
            given = wanted = _Outputs(network, batches)
            for earlier in range(index + 1):
                given.add(earlier, is_rounded=True)
    network.quantised = True


class _Outputs:
    """What a network's layers have made of the batches so far, as far as later ones read it."""

    def __init__(self, network: ConePixelCNN, batches: Sequence[Tensor]) -> None:
        self._network = network
        self._outputs = [{FEATURES: network.inputs(pixels)[0]} for pixels in batches]
        layers = [self.layer(index).layer for index in range(len(network.layers))]
        self._last_read = {name: layer for layer in layers for name in (layer.source, layer.residual)}

    def layer(self, index: int) -> ConeLayer:
        module = self._network.layers[index]
        assert isinstance(module, ConeLayer)
        return module

    def arguments(self, index: int) -> list[_Arguments]:
        return [self.layer(index).arguments(outputs) for outputs in self._outputs]

    def add(self, index: int, is_rounded: bool = False) -> None:
        module = self.layer(index)
        for outputs in self._outputs:
            outputs[module.layer.name] = module(*module.arguments(outputs), is_rounded)
            for name in (module.layer.source, module.layer.residual):
                if name and name != FEATURES and self._last_read[name] == module.layer:
                    del outputs[name]


def _inputs_and_products(index: int, given: _Outputs, wanted: _Outputs) -> tuple[Tensor, Tensor]:
    """Return what a layer reads in one network, (n, taps * in), and the products that give it the sums that it has in
    the other, (n, out)."""
    inputs, products = [], []
    for arguments, aims in zip(given.arguments(index), wanted.arguments(index), strict=True):
        (source, residual, shape), sums = arguments, _sums(wanted.layer(index), *aims)
        inputs.append(_gathered(given.layer(index), source, shape))
        products.append(_flat(sums if residual is None else sums - residual))
    return torch.cat(inputs), torch.cat(products)


def _round_layer(module: ConeLayer, inputs: Tensor, products: Tensor) -> None:
    """Round a layer that reads (n, taps * in) inputs and should make (n, out) of them.

    The channels of a depthwise one are rounded by themselves.
    """
    if not module.layer.depthwise:
        _round_rows(module, slice(None), inputs, products)
        return
    inputs = inputs.view(len(inputs), len(module.layer.taps), -1)  # (n, taps, channels)
    by_channel, products = inputs.permute(2, 0, 1).contiguous(), products.t().contiguous()
    for channel in range(len(module.weight)):
        _round_rows(module, slice(channel, channel + 1), by_channel[channel], products[channel, :, None])


def _round_rows(module: ConeLayer, rows: slice, inputs: Tensor, products: Tensor) -> None:
    """Round the weights of some outputs, which read (n, inputs) and should make (n, rows) of them, bias included."""
    inputs, products = inputs.double(), products.double()
    means, wanted = inputs.mean(dim=0), products.mean(dim=0)
    inputs -= means
    moments = _damped(inputs.t() @ inputs / len(inputs))  # (inputs, inputs)
    weight = module.weight[rows].flatten(1).double()  # (rows, inputs)
    missing = products - wanted - inputs @ weight.t()  # (n, rows)
    weight += torch.linalg.solve(moments, inputs.t() @ missing / len(inputs)).t()

    def write(weight: Tensor) -> None:
        module.weight[rows] = weight.view_as(module.weight[rows]).to(module.weight.dtype)
        module.bias[rows] = (wanted - weight @ means).to(module.bias.dtype)

    write(weight)
    step = module.weight_step()[rows].flatten(1).double()  # (rows, 1)
    write(rounded(weight, step, moments))


def _damped(moments: Tensor) -> Tensor:
    damping = (DAMPING * moments.diagonal().mean()).clamp(min=_LEAST_DAMPING)
    return moments + damping * torch.eye(len(moments)).to(moments)


def rounded(weight: Tensor, step: Tensor, moments: Tensor) -> Tensor:
    """Return (out, in) weights, each row in whole steps, that change the products with the inputs least.

    ``step`` is (out, 1), ``moments`` are the inputs' mean products, (in, in), positive definite; all are float64. A
    row's largest weight stays, and its step.
    """
    order = moments.diagonal().argsort(descending=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments[order][:, order]))
    update = torch.linalg.cholesky(inverse, upper=True)
    left = weight[:, order]
    kept = (left / step).round() * step
    is_largest = (left / step).abs().round() >= WEIGHT_LIMIT
    for index in range(len(order)):
        on_grid = (left[:, index] / step[:, 0]).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) * step[:, 0]
        on_grid = torch.where(is_largest[:, index], kept[:, index], on_grid)
        lost = (left[:, index] - on_grid) / update[index, index]
        left[:, index] = on_grid
        left[:, index + 1 :] -= lost[:, None] * update[index, index + 1 :]
    return left[:, order.argsort()]


def _sums(module: ConeLayer, source: Tensor, residual: Tensor | None, shape: tuple[int, int]) -> Tensor:
    sums = module.product(source, module.weight, shape)
    return sums if residual is None else residual + sums


def _flat(values: Tensor) -> Tensor:
    """Return (batch, channels, H, W) as (n, channels)."""
    return values.permute(0, 2, 3, 1).flatten(0, 2)


def _gathered(module: ConeLayer, source: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the inputs of every output, (n, taps * in), taps before channels."""
    layer = module.layer
    stride = 2 if layer.taps == BLOCK else 1
    if layer.scale < layer.source_scale:
        source = upsampled(source, shape)
    padded = functional.pad(source, (1, 1, 1, 0)) if layer.taps == CONE else source
    parts = []
    for row, column in layer.taps:
        top, start = (row + 1, column + 1) if len(layer.taps) > 1 else (0, 0)
        part = padded[:, :, top::stride, start::stride][:, :, : shape[0], : shape[1]]
        parts.append(_flat(part))
    return torch.cat(parts, dim=1)
