"""The trainable network of the paper: float modules that follow the plan, with optional fake quantisation.

Salimans, Karpathy, Chen, Kingma, "PixelCNN++" (2017), sections 2.3 to 2.5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelzip.models import mixture
from pixelzip.models.layers import FEATURES, split_source
from pixelzip.models.paper import LEVELS, PIXEL_CENTRE, PIXEL_STEPS, PRESENT, PaperConfig
from pixelzip.models.stream_layer import Run, StreamLayer, look

LOG_SCALE_FLOOR = -7.0
"""Least log-scale of a component, in units of PIXEL_STEPS levels."""


def pixel_inputs(pixels: Tensor) -> Tensor:
    """Scale (batch, 3, H, W) levels to [-1, 1] and add the constant channel: (batch, 4, H, W)."""
    constant = torch.full_like(pixels[:, :1], float(PRESENT))
    return torch.cat((pixels - PIXEL_CENTRE, constant), dim=1) / PIXEL_STEPS


class PaperPixelCNN(nn.Module):
    """The network of one configuration; ``quantised`` as for ``ConePixelCNN``.

    Call ``initialise`` on a first batch before training.
    """

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.quantised = False
        self.layers = nn.ModuleList(StreamLayer(layer, config) for layer in config.plan())
        if config.likelihood == "softmax":
            self.coupling = nn.ModuleList(nn.Embedding(LEVELS, LEVELS) for _ in range(3))
            for table in self.coupling:
                nn.init.zeros_(table.weight)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (batch, 3, H, W) levels to (batch, parameters, H, W) and the constant guess (batch, 3, H, W).

        Parameters of the mixture are in the units that ``mixture.bits`` expects.
        """
        raw = self._run(pixels, Run(self.quantised, False, classes))
        guess = torch.full_like(pixels, float(PIXEL_CENTRE))
        return (raw if self.config.likelihood == "softmax" else parameters(raw)), guess

    def bits(self, raw: Tensor, guess: Tensor, pixels: Tensor) -> Tensor:
        """Return the bits of every pixel, (batch, H, W)."""
        if self.config.likelihood == "mixture":
            return mixture.bits(raw, guess, pixels)
        batch, _, height, width = raw.shape
        levels = pixels.long()
        red, green, blue = raw.view(batch, 3, LEVELS, height, width).unbind(dim=1)
        first, second, third = (
            table(levels[:, index]).movedim(-1, 1) for table, index in zip(self.coupling, (0, 0, 1), strict=True)
        )
        logits = (red, green + first, blue + second + third)  # each (batch, 256, H, W)
        losses = [
            functional.cross_entropy(values, levels[:, index], reduction="none") for index, values in enumerate(logits)
        ]
        return torch.stack(losses).sum(dim=0) / math.log(2)

    @torch.no_grad()
    def initialise(self, pixels: Tensor) -> None:
        """Set lengths and biases from a batch (batch, 3, H, W) of levels, without classes."""
        training = self.training
        self.eval()._run(pixels, Run(False, True, None))
        self.train(training)

    def _run(self, pixels: Tensor, run: Run) -> Tensor:
        height, width = pixels.shape[-2:]
        outputs = {FEATURES: pixel_inputs(pixels).contiguous(memory_format=torch.channels_last)}
        for module in self.layers:
            assert isinstance(module, StreamLayer)
            layer = module.layer
            shape = (-(-height // layer.scale), -(-width // layer.scale))
            source, *others = (self._seen(name, outputs, run) for name in (layer.source, *layer.auxiliary))
            residual = outputs[layer.residual] if layer.residual else None
            if layer.output == "parameters":
                with torch.autocast(pixels.device.type, enabled=False):
                    head: Tensor = module(source.float(), others, residual, shape, run)
                    return head
            outputs[layer.name] = module(source, others, residual, shape, run)
        raise AssertionError("a plan ends in its head")

    @staticmethod
    def _seen(source: str, outputs: dict[str, Tensor], run: Run) -> Tensor:
        if source not in outputs:
            name, view = split_source(source)
            outputs[source] = look(outputs[name], view, run.quantised)
        return outputs[source]


def parameters(raw: Tensor) -> Tensor:
    """Turn the paper's (batch, 10 * mixtures, H, W) parameters, in PIXEL_STEPS levels, into those of ``mixture``."""
    split = raw.view(raw.shape[0], 10, -1, *raw.shape[2:])
    logits, means, log_scales, coefficients = torch.split(split, [1, 3, 3, 3], dim=1)
    offsets = means * (PIXEL_STEPS / mixture.MEAN_GAIN)
    log_scales = log_scales.clamp(min=LOG_SCALE_FLOOR) + math.log(PIXEL_STEPS)
    return torch.cat((logits, offsets, log_scales, torch.tanh(coefficients)), dim=1).view_as(raw)
