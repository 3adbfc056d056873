"""Recorded JPEG files -> the network that predicts their levels."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from pixelzip.jpeg.recording import Pool, read_jpeg, record
from pixelzip.models.card import write_card
from pixelzip.models.coefficient_network import CoefficientNetwork
from pixelzip.models.data import load_rgb
from pixelzip.models.export import export_network, replacing
from pixelzip.models.integer import load_model
from pixelzip.models.train import moving_average

_STEPS_PER_FILE: Final = 10
_NUM_WARMUP_STEPS: Final = 100
_QUANTISE_FROM: Final = 0.75
"""Share of the steps before fake quantisation of weights."""


@dataclass(frozen=True)
class CoefficientTraining:
    """Everything a run depends on besides the network."""

    num_steps: int = 6000
    learning_rate: float = 3e-3
    averaging: float = 0.998
    seed: int = 0


def train(
    network: CoefficientNetwork,
    files: Sequence[Path],
    config: CoefficientTraining,
    report: Callable[[int, float], None],
) -> CoefficientNetwork:
    """Train to the end of the schedule and return the averaged network, quantised; ``report`` gets each step's bits."""
    average = AveragedModel(network, multi_avg_fn=moving_average(config.averaging))
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=1e-4)
    pool = Pool(files, network.config, config.seed)
    groups, shares = torch.from_numpy(pool.groups), torch.from_numpy(pool.shares)
    for step in range(config.num_steps):
        if step % _STEPS_PER_FILE == 0:
            pool.change()
        network.quantised = step >= _QUANTISE_FROM * config.num_steps
        cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * step / config.num_steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1, (step + 1) / _NUM_WARMUP_STEPS) * cosine
        features, tokens = pool.batch()
        bits = (_bits(network, features, tokens, groups).mean(dim=1) * shares).sum()
        optimizer.zero_grad()
        bits.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.update_parameters(network)
        report(step + 1, float(bits.detach()))
    result = average.module
    assert isinstance(result, CoefficientNetwork)
    result.quantised = True
    result.fold()
    return result


def _bits(network: CoefficientNetwork, features: Tensor, tokens: Tensor, groups: Tensor) -> Tensor:
    """Return the bits of (rows, n) tokens."""
    nats = functional.cross_entropy(network(features, groups).flatten(0, 1), tokens.flatten(), reduction="none")
    return nats.view(tokens.shape) / math.log(2)


def finish(network: CoefficientNetwork, held_out: Sequence[Path], path: Path, command: str) -> float:
    """Write a model file and its card; return what held-out images cost at quality 90, in bits/sub-pixel."""
    bits = _held_out_bits(network, held_out)
    export_network(network, path, {"command": command})
    integers = load_model(path)
    with replacing(path.with_suffix(".md")) as temporary:
        temporary.write_text(write_card(integers, command, {"held-out bits/sub-pixel": f"{bits:.4f}"}))
    return bits


@torch.no_grad()
def _held_out_bits(network: CoefficientNetwork, files: Sequence[Path]) -> float:
    """Return the mean over images of what tokens and the bits that they leave cost."""
    costs = []
    for file in files:
        pixels, buffer = load_rgb(file), io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        samples, bits = record(read_jpeg(buffer.getvalue()), network.config), 0.0
        for group, some in samples.tokens.items():
            features, tokens = torch.from_numpy(samples.features[group]), torch.from_numpy(some.astype(np.int64))
            bits += float(_bits(network, features[None], tokens[None], torch.tensor([group])).sum())
        costs.append((bits + samples.num_bits_left) / pixels.size)
    return float(np.mean(costs))
