"""Export: a trained float network -> the integers of a model file, and back for training on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from pixelzip.models.coefficient_network import CoefficientNetwork
from pixelzip.models.coefficients import CoefficientConfig
from pixelzip.models.features import FEATURE_STEPS
from pixelzip.models.integer import METADATA_KEY, Config, IntegerLayer, IntegerNetwork, config_to_json
from pixelzip.models.layers import (
    ACTIVATION_STEPS,
    FEATURES,
    RAW_STEPS,
    SUM_STEPS,
    ZERO_POINT,
    Layer,
    split_source,
    zero_point,
)
from pixelzip.models.mixture import MEAN_GAIN
from pixelzip.models.paper import PIXEL_STEPS, PaperConfig
from pixelzip.models.pixelcnn import ConeLayer, ConePixelCNN, weight_step
from pixelzip.models.stream_layer import StreamLayer
from pixelzip.models.tables import COUPLING_STEPS, LOG_SCALE_STEPS, LOGIT_STEPS, MEAN_STEPS, TANH_STEPS, make_tables
from pixelzip.models.two_stream import PaperPixelCNN

Network = ConePixelCNN | PaperPixelCNN


def export_network(network: Network | CoefficientNetwork, path: Path, metadata: dict[str, str]) -> None:
    """Write a model file; ``metadata`` is added to the configuration and the exactness proof.

    Raises:
        ValueError: a layer's sums could reach 2^24, the message names the layer; or the likelihood is not the mixture.
    """
    config = network.config
    if isinstance(config, PaperConfig) and config.likelihood != "mixture":
        raise ValueError(f"a network with the {config.likelihood} likelihood cannot be exported")
    layers = [
        _integer_layer(module, config) for module in network.layers if isinstance(module, ConeLayer | StreamLayer)
    ]
    tables = make_tables(config.table_names)
    tensors: dict[str, NDArray[np.generic]] = {f"table.{name}": table for name, table in tables.items()}
    for integers in layers:
        name = integers.layer.name
        tensors[f"{name}.weight"] = integers.weight
        tensors[f"{name}.bias"] = integers.bias
        tensors[f"{name}.multiplier"] = integers.multiplier
    largest_sum = max(integers.largest_sum for integers in layers)
    proof = {"config": config_to_json(config), "largest_sum": str(largest_sum)}
    # One entry only: the library writes several in random order, and the file's hash is its identity.
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, {METADATA_KEY: json.dumps({**metadata, **proof}, sort_keys=True)}))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give another path to write to, which then takes the place of ``path``: what has this name is whole."""
    temporary = path.with_suffix(f"{path.suffix}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def float_network(network: IntegerNetwork) -> ConePixelCNN:
    """Undo ``export_network``: exporting the result gives the same integers again; raises ValueError.

    Weights of the paper's family do not come back: their lengths and directions are not in the file.
    """
    if isinstance(network.config, PaperConfig):
        raise ValueError("only models of the cone family can be trained on from their files")
    floats = ConePixelCNN(network.config)
    for module, integers in zip(floats.layers, network.layers, strict=True):
        assert isinstance(module, ConeLayer)
        layer = integers.layer
        steps, shifts = _output_steps(layer, network.config)
        multiplier = integers.multiplier.astype(np.float64)
        weight = integers.weight * (multiplier * _input_steps(layer, network.config) / steps)[:, None]  # (out, inputs)
        sums = integers.bias + zero_point(layer.source) * integers.weight.sum(axis=1, dtype=np.int64)
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(weight).view_as(module.weight))
            module.bias.copy_(torch.from_numpy((sums * multiplier - shifts) / steps))
    return floats


def _integer_layer(module: ConeLayer | StreamLayer, config: Config | CoefficientConfig) -> IntegerLayer:
    layer = module.layer
    dense, bias = (
        values.detach() for values in module.dense()
    )  # (products, taps + auxiliary, in), ([classes,] products)
    step = module.weight_step() if isinstance(module, ConeLayer) else weight_step(dense)  # (products, 1, 1)
    step = step.detach().double()
    weight = (dense.double() / step).round().flatten(1).cpu().numpy()  # (products, inputs)
    steps, shifts = _output_steps(layer, config)
    multiplier = (step.flatten().cpu().numpy() * steps / _input_steps(layer, config)).astype(np.float32)
    sums = (bias.double().cpu().numpy() * steps + shifts) / multiplier - zero_point(layer.source) * weight.sum(axis=1)
    if np.abs(sums).max() >= 2**31:
        raise ValueError(f"layer {layer.name}: a bias of {np.abs(sums).max():.0f} does not fit 32 bits")
    return IntegerLayer(layer, weight.astype(np.int8), np.rint(sums).astype(np.int32), multiplier)


def _input_steps(layer: Layer, config: Config | CoefficientConfig) -> float:
    """Return the integer steps of one unit of float input."""
    if layer.source == FEATURES:
        return PIXEL_STEPS if isinstance(config, PaperConfig) else FEATURE_STEPS
    return RAW_STEPS if split_source(layer.source)[1] == "raw" else ACTIVATION_STEPS


def _output_steps(layer: Layer, config: Config | CoefficientConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the integer steps of one unit of float output, and the integer of zero, (products,) each."""
    if layer.output == "activation":
        zero = 0.0 if layer.residual else float(ZERO_POINT)
        return np.full(layer.num_products, float(ACTIVATION_STEPS)), np.full(layer.num_products, zero)
    if layer.output == "parameters":
        return _parameter_steps(config)
    halves = [SUM_STEPS, ACTIVATION_STEPS] if layer.output == "gate" else [SUM_STEPS]
    return np.repeat(np.array(halves, dtype=np.float64), layer.out_channels), np.zeros(layer.num_products)


def _parameter_steps(config: Config | CoefficientConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As ``_output_steps``; the paper's log-scales count from PIXEL_STEPS levels."""
    if isinstance(config, CoefficientConfig):
        num_logits = config.plan()[-1].out_channels
        return np.full(num_logits, float(LOGIT_STEPS)), np.zeros(num_logits)
    mean, coupling, log_unit = MEAN_GAIN * MEAN_STEPS, float(COUPLING_STEPS), 0.0
    if isinstance(config, PaperConfig):
        mean, coupling, log_unit = PIXEL_STEPS * MEAN_STEPS, float(TANH_STEPS), math.log(PIXEL_STEPS)
    steps = [float(LOGIT_STEPS), *[mean] * 3, *[float(LOG_SCALE_STEPS)] * 3, *[coupling] * 3]
    shifts = [0.0] * 4 + [LOG_SCALE_STEPS * log_unit] * 3 + [0.0] * 3
    return np.repeat(steps, config.mixtures), np.repeat(shifts, config.mixtures)
