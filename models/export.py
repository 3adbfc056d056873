"""Export: a trained float network -> the integers of a model file, and back for training on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from pixelzip.models.integer import METADATA_KEY, IntegerLayer, IntegerNetwork, config_to_json
from pixelzip.models.layers import ACTIVATION_STEPS, PARAMETERS_PER_COMPONENT, ZERO_POINT, Layer
from pixelzip.models.mixture import MEAN_GAIN
from pixelzip.models.pixelcnn import FEATURE_STEPS, ConeLayer, ConePixelCNN, weight_step
from pixelzip.models.tables import COUPLING_STEPS, LOG_SCALE_STEPS, LOGIT_STEPS, MEAN_STEPS, make_tables


def export_network(network: ConePixelCNN, path: Path, metadata: dict[str, str]) -> None:
    """Write a model file; ``metadata`` is added to the configuration and the exactness proof.

    Raises:
        ValueError: a layer's sums could reach 2^24; the message names the layer.
    """
    layers = [_integer_layer(module) for module in network.layers if isinstance(module, ConeLayer)]
    tensors: dict[str, NDArray[np.generic]] = {f"table.{name}": table for name, table in make_tables().items()}
    for integers in layers:
        name = integers.layer.name
        tensors[f"{name}.weight"] = integers.weight
        tensors[f"{name}.bias"] = integers.bias
        tensors[f"{name}.multiplier"] = integers.multiplier
    largest_sum = max(integers.largest_sum for integers in layers)
    proof = {"config": config_to_json(network.config), "largest_sum": str(largest_sum)}
    # One entry only: the library writes several in random order, and the file's hash is its identity.
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps({**metadata, **proof}, sort_keys=True)})


def float_network(network: IntegerNetwork) -> ConePixelCNN:
    """Undo ``export_network``: exporting the result gives the same integers again."""
    floats = ConePixelCNN(network.config)
    for module, integers in zip(floats.layers, network.layers, strict=True):
        assert isinstance(module, ConeLayer)
        layer, steps = integers.layer, _output_steps(integers.layer)
        multiplier = integers.multiplier.astype(np.float64)
        weight = integers.weight * (multiplier * _input_steps(layer) / steps)[:, None]  # (out, taps * in)
        sums = integers.bias.astype(np.float64)
        if layer.source != "features":
            sums += ZERO_POINT * integers.weight.sum(axis=1, dtype=np.int64)
        bias = sums * multiplier
        if layer.output == "activation" and layer.residual is None:
            bias -= ZERO_POINT
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(weight).view_as(module.weight))
            module.bias.copy_(torch.from_numpy(bias / steps))
    return floats


def _integer_layer(module: ConeLayer) -> IntegerLayer:
    layer = module.layer
    step = weight_step(module.weight).double()  # (out, 1, 1)
    weight = (module.weight.detach().double() / step).round().flatten(1).cpu().numpy()  # (out, taps * in)
    multiplier = (step.flatten().cpu().numpy() * _output_steps(layer) / _input_steps(layer)).astype(np.float32)
    bias = module.bias.detach().double().cpu().numpy() * _output_steps(layer)
    if layer.output == "activation" and layer.residual is None:
        bias = bias + ZERO_POINT
    bias = bias / multiplier
    if layer.source != "features":
        bias = bias - ZERO_POINT * weight.sum(axis=1)
    if np.abs(bias).max() >= 2**31:
        raise ValueError(f"layer {layer.name}: a bias of {np.abs(bias).max():.0f} does not fit 32 bits")
    return IntegerLayer(layer, weight.astype(np.int8), np.rint(bias).astype(np.int32), multiplier)


def _input_steps(layer: Layer) -> int:
    return FEATURE_STEPS if layer.source == "features" else ACTIVATION_STEPS


def _output_steps(layer: Layer) -> NDArray[np.float64]:
    """Integer steps of one unit of float output, per output channel."""
    if layer.output == "activation":
        return np.full(layer.out_channels, float(ACTIVATION_STEPS))
    mixtures = layer.out_channels // PARAMETERS_PER_COMPONENT
    mean, log_scale, coupling = MEAN_GAIN * MEAN_STEPS, float(LOG_SCALE_STEPS), float(COUPLING_STEPS)
    return np.repeat([float(LOGIT_STEPS), *[mean] * 3, *[log_scale] * 3, *[coupling] * 3], mixtures)
