"""Trained weights -> the same function, whose activations use more of the 256 integers that they will be rounded to.

Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), section 4.1: a channel before ReLU may be scaled if all that read it undo it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from pixelzip.models.layers import ACTIVATION_STEPS
from pixelzip.models.pixelcnn import ConeLayer, ConePixelCNN

_LARGEST: Final = 255 / ACTIVATION_STEPS
"""Activations are clamped to [0, 255/32]."""

_LARGEST_SCALE: Final = 8.0


@torch.no_grad()
def balance(network: ConePixelCNN, batches: Sequence[Tensor]) -> None:
    """Scale channels in place so that no activation that ``batches`` lead to is clamped that was not.

    ``batches`` are (batch, 3, H, W) levels. Channels of residuals stay: all blocks add to them. Half the
    way is gone, in logarithms: larger activations have smaller weights, which are rounded, too.
    """
    modules = [module for module in network.layers if isinstance(module, ConeLayer)]
    are_added = {module.layer.residual for module in modules}
    peaks = _peaks(network, modules, batches)
    for module in modules[:-1]:
        name = module.layer.name
        if module.layer.residual or name in are_added:
            continue
        scale = (_LARGEST / peaks[name]).sqrt().clamp(max=_LARGEST_SCALE)  # (out,)
        module.weight.mul_(scale[:, None, None])
        module.bias.mul_(scale)
        for reader in modules:
            if reader.layer.source == name:
                reader.weight.div_(scale)


def _peaks(network: ConePixelCNN, modules: Sequence[ConeLayer], batches: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the largest activation of every channel, (out,), for each layer's name."""
    peaks = {module.layer.name: torch.zeros_like(module.bias) for module in modules}

    def remember(module: Any, _: Any, activations: Tensor) -> None:
        peak = peaks[module.layer.name]
        torch.maximum(peak, activations.amax(dim=(0, 2, 3)), out=peak)

    handles = [module.register_forward_hook(remember) for module in modules]
    for pixels in batches:
        network(pixels)
    for handle in handles:
        handle.remove()
    return peaks
