"""Gradients -> steps: Muon for the matrices of a network, AdamW for all that is no matrix.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024): momentum, then the nearest matrix whose
singular values are all about one, so that rare directions learn as fast as common ones. PyTorch has it since 2.9, for
tensors of two dimensions only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

MUON_FACTOR: Final = 10.0
"""The learning rate of matrices over that of all else."""

_MOMENTUM: Final = 0.95
_NUM_ITERATIONS: Final = 5
_QUINTIC: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration: they bring singular values into 0.7 to 1.2 fast, not to one exactly."""


class Muon(Optimizer):
    """Steps of ``learning_rate`` times sqrt(max(1, rows / columns)) along orthogonal matrices.

    A parameter's first dimension are the rows, all others together the columns.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step; ``closure`` is not used."""
        for group in self.param_groups:
            by_shape = defaultdict[tuple[int, ...], list[Tensor]](list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._step(parameters, group["lr"], group["weight_decay"])

    def _step(self, parameters: list[Tensor], learning_rate: float, weight_decay: float) -> None:
        """Take the step of parameters of one shape: all at once, since a GPU would wait for so many small products."""
        gradients = [parameter.grad.flatten(1) for parameter in parameters if parameter.grad is not None]
        states = [self.state[parameter] for parameter in parameters]
        momenta = [
            state.setdefault("momentum", torch.zeros_like(gradient))
            for state, gradient in zip(states, gradients, strict=True)
        ]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        rows, columns = gradients[0].shape
        mean = torch.stack(gradients).lerp(torch.stack(momenta), _MOMENTUM)  # (parameters, rows, columns)
        directions = orthogonal(mean) * max(1.0, rows / columns) ** 0.5
        torch._foreach_mul_(parameters, 1 - learning_rate * weight_decay)
        torch._foreach_add_(parameters, list(directions.view(-1, *parameters[0].shape)), alpha=-learning_rate)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about the orthogonal matrices nearest to (..., rows, columns), by Newton-Schulz iterations.

    They are in bfloat16 on a GPU, which multiplies that many times as fast; the singular values do not mind.
    """
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    result: Tensor = (matrices.mT if is_tall else matrices) / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if result.is_cuda:
        result = result.bfloat16()
    linear, cubic, quintic = _QUINTIC
    for _ in range(_NUM_ITERATIONS):
        square = result @ result.mT
        result = linear * result + (cubic * square + quintic * square @ square) @ result
    return (result.mT if is_tall else result).to(matrices.dtype)


class Optimizers:
    """Muon and AdamW as one: a learning rate for both, a state to save."""

    def __init__(self, network: nn.Module, weight_decay: float) -> None:
        parameters = list(network.parameters())
        matrices = [parameter for parameter in parameters if _is_matrix(parameter)]
        others = [parameter for parameter in parameters if not _is_matrix(parameter)]
        self._muon = Muon(matrices, 0.0, weight_decay / MUON_FACTOR)
        self._adam = AdamW(others, 0.0, betas=(0.9, 0.98), weight_decay=weight_decay)

    def step(self, learning_rate: float) -> None:
        """Take one step along the gradients, and forget them."""
        for optimizer, factor in ((self._muon, MUON_FACTOR), (self._adam, 1.0)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return what a run needs to go on."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo ``state_dict``; raises ValueError or LookupError for another network's."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


def _is_matrix(parameter: Tensor) -> bool:
    """Whether every row reads several channels: those of a depthwise layer read one, at each of its taps."""
    return parameter.ndim == 3 and parameter.shape[-1] > 1
