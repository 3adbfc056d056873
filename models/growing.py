"""Trained weights -> first weights of another network: deeper, wider, an ensemble, with or without places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.models.config import NUM_FEATURES, POSITION_STEP
from pixelzip.models.features import FEATURE_STEPS
from pixelzip.models.pixelcnn import ConePixelCNN

Weights = dict[str, Tensor]
"""``layers.N.weight`` (out, taps, in) and ``layers.N.bias`` (out,) for every layer of a cone network."""

_STEM = "layers.0"


def grown(weights: Weights, network: ConePixelCNN) -> Weights:
    """Fit trained weights to a network that has other inputs, more blocks or more channels.

    Inputs that only the network has, those of its places, start at zero; those that it lacks become their mean. Blocks
    that only it has add nothing at first, and channels that only it has read all, but are read by none of the others.

    Raises:
        ValueError: networks of several resolutions cannot have more blocks, and none can become narrower or have other
            components.
    """
    weights = with_places(weights, network.config.num_features)
    result = network.state_dict()
    last, new_last = num_layers(weights) - 1, num_layers(result) - 1
    if last != new_last and len(network.config.blocks) > 1:
        raise ValueError("only networks of one resolution can grow")
    if len(weights[f"layers.{last}.bias"]) != network.config.num_parameters_per_pixel:
        raise ValueError("a network cannot change the number of its components")
    for name in result:
        _, number, kind = name.split(".")
        index = int(number)
        if index == new_last:
            result[name] = _widened(weights[f"layers.{last}.{kind}"], result[name])
        elif index < last:
            result[name] = _widened(weights[name], result[name])
        elif network.layers[index].layer.residual:  # type: ignore[union-attr]
            result[name].zero_()
    return result


def _widened(trained: Tensor, untrained: Tensor) -> Tensor:
    """Return (out, taps, in) weights or (out,) biases: the trained rows, then untrained ones for outputs that are new.

    Trained rows weigh the inputs that they did not have with zero.
    """
    if trained.dim() == 1:
        return torch.cat([trained, untrained[len(trained) :]])
    missing = untrained.shape[2] - trained.shape[2]
    is_same_kind = (trained.shape[2] == 1) == (untrained.shape[2] == 1)  # depthwise, or not
    if missing < 0 or len(trained) > len(untrained) or not is_same_kind:
        raise ValueError("a network can become wider, not narrower nor of another kind")
    return torch.cat([functional.pad(trained, (0, missing)), untrained[len(trained) :]])


def with_places(weights: Weights, num_inputs: int) -> Weights:
    """Give the stem ``num_inputs``: new places weigh nothing; without places every pixel is in the mean one."""
    stem, bias = weights[f"{_STEM}.weight"], weights[f"{_STEM}.bias"]
    missing = num_inputs - stem.shape[2]
    if missing < 0:
        places = stem[:, 0, NUM_FEATURES:].reshape(len(stem), 2, -1)  # (out, 2, period)
        bias = bias + places.mean(dim=2).sum(dim=1) * POSITION_STEP / FEATURE_STEPS
        stem, missing = stem[:, :, :NUM_FEATURES], num_inputs - NUM_FEATURES
    return {**weights, f"{_STEM}.weight": functional.pad(stem, (0, missing)), f"{_STEM}.bias": bias}


def joined(parts: Sequence[Weights], network: ConePixelCNN) -> Weights:
    """Make trained networks the members of an ensemble: of what they say the mean counts. The main one comes first.

    Raises:
        ValueError: their sizes are not those of the members.
    """
    result: Weights = {}
    for part in (*parts[1:], parts[0]):  # as ``ConeConfig.plan`` lists them
        first, last = num_layers(result), num_layers(part) - 1
        for name, tensor in with_places(part, network.config.num_features).items():
            _, number, kind = name.split(".")
            share = 1 / len(parts) if int(number) == last else 1.0
            result[f"layers.{first + int(number)}.{kind}"] = share * tensor
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in result.items()} != wanted:
        raise ValueError("these are not the members of such an ensemble")
    return result


def num_layers(weights: Weights) -> int:
    """Count the layers that weights are of."""
    return 1 + max((int(name.split(".")[1]) for name in weights), default=-1)
