"""Trained weights -> the same function, whose activations use more of the 256 integers that they will be rounded to.

Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), section 4.1: a channel before ReLU may be scaled if all that read it undo it. Rounded activations cost
``cifar10-4`` 0.15 % of its bits; with this 0.05 %.
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
    for module in modules[:-1]:
        name = module.layer.name
        if module.layer.residual or name in are_added:
            continue
        scale = (_LARGEST / _peaks(network, module, batches)).sqrt().clamp(max=_LARGEST_SCALE)  # (out,)
        module.weight.mul_(scale[:, None, None])
        module.bias.mul_(scale)
        for reader in modules:
            if reader.layer.source == name:
                reader.weight.div_(scale)


def _peaks(network: ConePixelCNN, module: ConeLayer, batches: Sequence[Tensor]) -> Tensor:
    """Return the largest activation of every channel, (out,)."""
    peaks = torch.zeros(module.layer.out_channels, device=module.weight.device)

    def remember(_: Any, __: Any, activations: Tensor) -> None:
        torch.maximum(peaks, activations.amax(dim=(0, 2, 3)), out=peaks)

    handle = module.register_forward_hook(remember)
    for pixels in batches:
        network(pixels)
    handle.remove()
    return peaks
