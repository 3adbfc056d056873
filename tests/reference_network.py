"""The network in NumPy int64, position by position: the slow, obvious definition that everything fast must equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixelzip.models.config import CONTEXT, POSITION_STEP
from pixelzip.models.integer import SHORT_LIMIT, IntegerLayer, IntegerNetwork
from pixelzip.models.layers import ZERO_POINT

Array = NDArray[np.int64]


def reference_outputs(network: IntegerNetwork, pixels: NDArray[np.uint8]) -> tuple[Array, Array]:
    """Map (h, w, 3) levels to the head's outputs (h, w, 10 * mixtures) and the predictor's guesses (h, w, 3)."""
    height, width = pixels.shape[:2]
    inputs, guesses = reference_features(pixels.astype(np.int64), network.config.period)
    outputs = {"features": inputs}
    for integers in network.layers:
        layer = integers.layer
        shape = (height // layer.scale, width // layer.scale, layer.out_channels)
        output = np.zeros(shape, dtype=np.int64)
        for row, column in np.ndindex(shape[:2]):
            gathered = _gathered(integers, outputs[layer.source], row, column)
            output[row, column] = _scaled(integers, gathered)
        if layer.residual:
            output += outputs[layer.residual]
        limits = (-SHORT_LIMIT, SHORT_LIMIT) if layer.output == "parameters" else (-128, 127)
        outputs[layer.name] = output.clip(*limits)
    return outputs["head"], guesses


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


def _gathered(integers: IntegerLayer, source: Array, row: int, column: int) -> Array:
    layer = integers.layer
    if layer.scale > layer.source_scale:
        row, column = 2 * row + 1, 2 * column + 1
    elif layer.scale < layer.source_scale:
        row, column = (row - 1) // 2, (column - 1) // 2
    values = []
    for tap_row, tap_column in layer.taps:
        there = row + tap_row, column + tap_column
        inside = 0 <= there[0] < source.shape[0] and 0 <= there[1] < source.shape[1]
        values.append(source[there] if inside else np.full(layer.in_channels, ZERO_POINT))
    return np.concatenate(values)


def _scaled(integers: IntegerLayer, gathered: Array) -> Array:
    sums = integers.weight.astype(np.int64) @ gathered + integers.bias
    return np.rint(sums.astype(np.float32) * integers.multiplier).astype(np.int64)
