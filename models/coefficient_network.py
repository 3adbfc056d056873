"""The trainable network for JPEG's coefficients, with optional fake quantisation of its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pixelzip.models.coefficients import CoefficientConfig
from pixelzip.models.features import FEATURE_STEPS
from pixelzip.models.pixelcnn import ConeLayer, activation, fake_quantised


class CoefficientNetwork(nn.Module):
    """The network of one configuration. With ``quantised`` it differs from its integers by float rounding only.

    Until ``fold`` is called what groups of frequencies have in common is kept, and learnt, apart.
    """

    def __init__(self, config: CoefficientConfig) -> None:
        super().__init__()
        self.config = config
        self.quantised = False
        self.layers = nn.ModuleList(ConeLayer(layer, dropout=0.0) for layer in config.plan())
        self.common = nn.ParameterList()
        for index, module in enumerate(self.layers):
            assert isinstance(module, ConeLayer)
            common = torch.zeros(config.num_outputs(index), *module.weight.shape[1:])
            if config.num_groups(index) > 1:
                common = module.weight.detach()[: len(common)].clone()
                nn.init.zeros_(module.weight)
            self.common.append(nn.Parameter(common, requires_grad=config.num_groups(index) > 1))

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        """Map (rows, n, num_features) int8 to the logits of tokens, (rows, n, num_tokens); a row is of one group."""
        values = features.float() / FEATURE_STEPS
        for index, module in enumerate(self.layers):
            assert isinstance(module, ConeLayer)
            num_groups = self.config.num_groups(index)
            weight = self._weight(index, module).view(num_groups, -1, values.shape[2]).transpose(1, 2)
            bias = module.bias.view(num_groups, 1, -1)
            if num_groups > 1:
                values = torch.baddbmm(bias[groups], values, weight[groups])
            else:
                values = values @ weight[0] + bias[0]
            if module.layer.output != "parameters":
                values = activation(values, is_rounded=True)
        return values

    def _weight(self, index: int, module: ConeLayer) -> Tensor:
        """Return (outputs of all groups, inputs)."""
        weight = self._whole(index, module)
        if self.quantised:
            weight = fake_quantised(weight, module.weight_step(weight))
        return weight[:, 0]

    def _whole(self, index: int, module: ConeLayer) -> Tensor:
        """Return weights of the shape of the layer's own."""
        return module.weight.add(self.common[index].repeat(self.config.num_groups(index), 1, 1))

    @torch.no_grad()
    def fold(self) -> None:
        """Put all that groups have in common into their own weights, which alone are exported."""
        for index, module in enumerate(self.layers):
            assert isinstance(module, ConeLayer)
            module.weight.copy_(self._whole(index, module))
            self.common[index].zero_()
