"""The network in NumPy int64, position by position: the slow, obvious definition that everything fast must equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixelzip.models.config import CONTEXT, POSITION_STEP
from pixelzip.models.integer import SHORT_LIMIT, IntegerLayer, IntegerNetwork
from pixelzip.models.layers import zero_point

Array = NDArray[np.int64]


def reference_outputs(
    network: IntegerNetwork, pixels: NDArray[np.uint8], label: int | None = None
) -> tuple[Array, Array]:
    """Map (h, w, 3) levels to the head's outputs (h, w, 10 * mixtures) and the predictor's guesses (h, w, 3)."""
    height, width = pixels.shape[:2]
    is_paper = network.config.in_raster_order
    if is_paper:
        outputs = {"features": np.dstack((pixels.astype(np.int64) - 128, np.full((height, width), 127)))}
        guesses = np.full((height, width, 3), 128)
    else:
        outputs = {}
        outputs["features"], guesses = reference_features(pixels.astype(np.int64), network.config.period)
    for integers in network.layers:
        layer = integers.layer
        shape = tuple(-(-side // layer.scale) if is_paper else side // layer.scale for side in (height, width))
        output = np.zeros((*shape, layer.out_channels), dtype=np.int64)
        for row, column in np.ndindex(shape):
            gathered = _gathered(integers, outputs, row, column, is_paper)
            scaled = _scaled(integers, gathered, label)
            residual = outputs[layer.residual][row, column] if layer.residual else 0
            if layer.output == "gate":
                values, gates = scaled.clip(-SHORT_LIMIT, SHORT_LIMIT).reshape(2, -1)
                scaled = (values * _looked_up(network.tables["sigmoid"], gates) + 2**13) >> 14
            elif layer.output == "parameters":
                scaled = scaled.clip(-SHORT_LIMIT, SHORT_LIMIT)
            output[row, column] = scaled + residual
        limits = (-128, 127) if layer.output == "activation" else (-SHORT_LIMIT, SHORT_LIMIT)
        outputs[layer.name] = output = output.clip(*limits)
        if layer.output in ("sum", "gate"):
            entries, elu = (output + 4) >> 3, network.tables["elu"]
            outputs[f"{layer.name}.elu"] = _looked_up(elu, entries)
            outputs[f"{layer.name}.concat_elu"] = np.dstack((_looked_up(elu, entries), _looked_up(elu, -entries)))
            outputs[f"{layer.name}.raw"] = ((output + 8) >> 4).clip(-128, 127)
    return outputs["head"], guesses


def _looked_up(table: NDArray[np.int32], entries: Array) -> Array:
    return table[entries.clip(-256, 256) + 256].astype(np.int64)


def reference_features(pixels: Array, period: int) -> tuple[Array, Array]:
    """Map (h, w, 3) levels to the first layer's inputs (h, w, features) and the guesses (h, w, 3)."""
    height, width = pixels.shape[:2]
    features, guesses = [], np.zeros_like(pixels)
    for row, column in np.ndindex(height, width):
        if column > 0:
            reference = pixels[row, column - 1]
        elif row > 0:
            reference = pixels[row - 1, column]
        else:
            reference = np.full(3, 128)

        def level(tap: tuple[int, int], row: int = row, column: int = column, default: Array = reference) -> Array:
            there = row + tap[0], column + tap[1]
            inside = there[0] >= 0 and 0 <= there[1] < width
            return pixels[there] if inside else default

        north, northwest = level((-1, 0)), level((-1, -1))
        low, high = np.minimum(reference, north), np.maximum(reference, north)
        guesses[row, column] = (reference + north - northwest).clip(low, high)
        differences = [level(tap) - reference for tap in CONTEXT]
        places = [POSITION_STEP * (np.arange(period) == at % period) for at in (row, column) if period]
        features.append(np.concatenate([*differences, guesses[row, column] - reference, reference - 128, *places]))
    return np.array(features).clip(-127, 127).reshape(height, width, -1), guesses


def _gathered(integers: IntegerLayer, outputs: dict[str, Array], row: int, column: int, is_paper: bool) -> Array:
    layer, at = integers.layer, (row, column)
    if layer.scale > layer.source_scale:
        row, column = (2 * row, 2 * column) if is_paper else (2 * row + 1, 2 * column + 1)
    elif layer.scale < layer.source_scale:
        row, column = (row // 2, column // 2) if is_paper else ((row - 1) // 2, (column - 1) // 2)
    source, values = outputs[layer.source], []
    for index, (tap_row, tap_column) in enumerate(layer.taps):
        there = row + tap_row, column + tap_column
        inside = 0 <= there[0] < source.shape[0] and 0 <= there[1] < source.shape[1]
        if layer.parities and layer.parities[index] != (at[0] % 2, at[1] % 2):
            inside = False
        values.append(source[there] if inside else np.full(layer.in_channels, zero_point(layer.source)))
    return np.concatenate([*values, *(outputs[name][at] for name in layer.auxiliary)])


def _scaled(integers: IntegerLayer, gathered: Array, label: int | None) -> Array:
    bias = integers.bias if integers.bias.ndim == 1 else integers.bias[label]
    weight = integers.weight.astype(np.int64)
    if integers.layer.depthwise:
        products = (weight * gathered.reshape(-1, len(weight)).T).sum(axis=1)
    else:
        products = weight @ gathered
    sums = products + bias
    return np.rint(sums.astype(np.float32) * integers.multiplier).astype(np.int64)
