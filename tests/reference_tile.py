"""Stages 4 and 5 by their definitions, one tile at a time: the bits of every pixel."""

from __future__ import annotations

import numpy as np
from reference_adaptation import Histograms
from reference_cdf import Lane
from reference_network import reference_outputs
from reference_regression import Regressions

from pixelzip.models.integer import IntegerNetwork


def reference_bits(network: IntegerNetwork, pixels: np.ndarray) -> np.ndarray:
    """Return the bits of every pixel of an RGB tile, (h, w), in wavefront order."""
    head, guess = reference_outputs(network, pixels)
    height, width, _ = pixels.shape
    tables = {name: table.tolist() for name, table in network.tables.items()}
    histograms = Histograms(width) if network.config.adaptive else None
    regressions = Regressions(height, network.config.regression_rows) if network.config.regression else None
    bits = np.zeros((height, width))
    for step in range(width + 2 * (height - 1)):
        places = [(row, step - 2 * row) for row in range(height) if 0 <= step - 2 * row < width]
        lanes = {place: Lane(head[place].tolist(), guess[place].tolist(), tables) for place in places}
        for channel in range(3):
            levels = {place: int(pixels[place][channel]) for place in places}
            if regressions is not None:
                for place, lane in lanes.items():
                    regressions.move(lane, place, channel)
            costs = _costs(lanes, levels, channel, histograms)
            for place, lane in lanes.items():
                bits[place] += costs[place]
                if regressions is not None:
                    regressions.see(place, channel, levels[place])
                if channel < 2:
                    lane.observe(channel, levels[place])
        if regressions is not None:
            regressions.end_step(step)
    return bits


def _costs(
    lanes: dict[tuple[int, int], Lane],
    levels: dict[tuple[int, int], int],
    channel: int,
    histograms: Histograms | None,
) -> dict[tuple[int, int], float]:
    """Return the bits of one channel of a step, and let the histograms learn from it."""
    below = {
        place: [0, *(lane.counts_below(channel, boundary) for boundary in range(1, 256)), 2**24]
        for place, lane in lanes.items()
    }
    if histograms is None:
        return {place: _cost(below[place], levels[place]) for place in lanes}
    contexts = {place: histograms.context(lane, *place, channel) for place, lane in lanes.items()}
    costs = {place: _cost(histograms.adapt(contexts[place], below[place]), levels[place]) for place in lanes}
    for place, level in levels.items():
        left, right = below[place][level], below[place][level + 1]
        histograms.add(contexts[place], left, right)
        histograms.quantiles[*place, channel] = left + right >> 17
    histograms.forget(set(contexts.values()))
    return costs


def _cost(below: list[int], level: int) -> float:
    high, low = divmod(level, 16)
    first, last = below[16 * high], below[16 * high + 16]
    ends = [(below[16 * high + j] - first) * (2**24 - 16) // (last - first) + j for j in (low, low + 1)]
    return float(2 * 24 - np.log2(last - first) - np.log2(ends[1] - ends[0]))
