"""Muon: orthogonal steps, which parameters take them, a state that can be saved."""

from __future__ import annotations

import pytest
import torch
from conftest import CONFIGS, PAPER_CONFIGS, make_network
from torch import nn

from pixelzip.models.config import ConeConfig
from pixelzip.models.muon import MUON_FACTOR, Muon, Optimizers, orthogonal
from pixelzip.models.paper import PaperConfig


@pytest.mark.parametrize("shape", [(20, 20), (30, 10), (10, 80)])
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator)
    values = torch.linalg.svdvals(orthogonal(matrix * 1e-3))
    assert values.shape == (min(shape),)
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.25
    assert torch.allclose(orthogonal(matrix), orthogonal(5 * matrix), atol=1e-4)


def test_a_step_is_as_long_as_its_learning_rate_says() -> None:
    weight = nn.Parameter(torch.zeros(40, 2, 5))
    weight.grad = torch.randn(40, 2, 5, generator=torch.Generator().manual_seed(0))
    Muon([weight], 0.5, 0.0).step()
    values = torch.linalg.svdvals(weight.detach().flatten(1)) / (0.5 * 2)  # four times as many rows as columns
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.25


def test_weights_decay() -> None:
    weight = nn.Parameter(torch.ones(3, 1, 3))
    weight.grad = torch.zeros(3, 1, 3)
    Muon([weight], 0.5, 0.1).step()
    assert torch.allclose(weight, torch.full((3, 1, 3), 0.95))


@pytest.mark.parametrize("config", [*CONFIGS, *PAPER_CONFIGS], ids=str)
def test_matrices_and_all_else_are_stepped(config: ConeConfig | PaperConfig) -> None:
    network = make_network(config)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers = Optimizers(network, 0.0)
    optimizers.step(1e-3)
    for name, parameter in network.named_parameters():
        change = (parameter.detach() - before[name]).abs()
        if parameter.ndim != 3 or parameter.shape[-1] == 1:
            assert torch.allclose(change, torch.full_like(change, 1e-3), rtol=1e-2), name  # AdamW's first step
        else:
            rows, columns = len(change), change[0].numel()
            expected = 1e-3 * MUON_FACTOR * max(1, rows / columns) ** 0.5  # all ones: of rank one
            assert 0.6 < float(change.norm()) / expected < 1.3, name
        assert parameter.grad is None


def test_a_state_goes_on_where_it_was_saved() -> None:
    results = []
    for is_interrupted in (False, True):
        network = make_network(CONFIGS[-1])
        optimizers = Optimizers(network, 1e-2)
        for step in range(4):
            if is_interrupted and step == 2:
                state = optimizers.state_dict()
                optimizers = Optimizers(network, 1e-2)
                optimizers.load_state_dict(state)
            generator = torch.Generator().manual_seed(step)
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizers.step(1e-2)
        results.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert torch.equal(*results)
