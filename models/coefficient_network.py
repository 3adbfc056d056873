"""The trainable network for JPEG's coefficients, with optional fake quantisation of its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelzip.models.coefficients import CoefficientConfig
from pixelzip.models.features import FEATURE_STEPS
from pixelzip.models.pixelcnn import ConeLayer, activation, fake_quantised


class CoefficientNetwork(nn.Module):
    """The network of one configuration. With ``quantised`` it differs from its integers by float rounding only."""

    def __init__(self, config: CoefficientConfig) -> None:
        super().__init__()
        self.config = config
        self.quantised = False
        self.layers = nn.ModuleList(ConeLayer(layer, dropout=0.0) for layer in config.plan())

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, NUM_FEATURES) int8 to the logits of tokens, (n, NUM_TOKENS)."""
        values = features.float() / FEATURE_STEPS
        for module in self.layers:
            assert isinstance(module, ConeLayer)
            weight = fake_quantised(module.weight, module.weight_step()) if self.quantised else module.weight
            values = functional.linear(values, weight[:, 0], module.bias)
            if module.layer.output != "parameters":
                values = activation(values, is_rounded=True)
        return values

    def bits(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Return the mean bits of (n,) tokens."""
        nats = functional.cross_entropy(self(features), tokens)
        return nats / torch.log(torch.tensor(2.0))
