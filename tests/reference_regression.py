"""The regression of means in Python numbers, one tile at a time: the definition of ``pixelzip.regression``."""

from __future__ import annotations

from itertools import product
from math import floor

from reference_cdf import Lane

NEIGHBOURS = ((0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-1, -2), (-2, -1), (-2, 1))
Place = tuple[int, int]


class Regressions:
    """What one tile has taught so far."""

    def __init__(self, height: int, band_rows: int) -> None:
        self.band_rows = band_rows
        self.levels: dict[tuple[int, int, int], int] = {}
        self.errors: dict[tuple[int, int, int], int] = {}
        counts = [27 + 6 + 7 * channel for channel in range(3)]
        bands = range(-(-height // band_rows) if band_rows else 1)
        self.products = [[[[0] * count for _ in range(count)] for count in counts] for _ in bands]
        self.with_error = [[[0] * count for count in counts] for _ in bands]
        self.weights = [[[0] * count for count in counts] for _ in bands]
        self.regressors: dict[tuple[Place, int], list[int]] = {}
        self.mixture: dict[tuple[Place, int], tuple[int, int]] = {}

    def band(self, place: Place) -> int:
        return place[0] // self.band_rows if self.band_rows else 0

    def move(self, lane: Lane, place: Place, channel: int) -> None:
        """Move the means of a channel."""
        means = [min(max(mean, -4096), 8191) for mean in lane.means[channel]]
        mean = sum(w * m for w, m in zip(lane.weights, means, strict=True)) >> 14
        log_scale = sum(w * e for w, e in zip(lane.weights, lane.entries[channel], strict=True)) >> 14
        inverse = lane.tables["inverse_scale"][log_scale]
        self.mixture[place, channel] = mean, inverse
        regressors = self.regressors[place, channel] = self.describe(place, channel, mean, inverse)
        units = sum(w * x for w, x in zip(self.weights[self.band(place)][channel], regressors, strict=True))
        lane.means[channel] = [m + (units >> 1) // inverse for m in means]

    def describe(self, place: Place, channel: int, mean: int, inverse: int) -> list[int]:
        row, column = place
        around = [(row + r, column + c) for r, c in NEIGHBOURS]
        regressors = [self.errors.get((*there, other), 0) for there in around for other in range(3)]
        for other in range(channel, -1, -1):
            level = mean if other == channel else 16 * self.levels[*place, other]
            for there in around[:6]:
                inside = (*there, other) in self.levels
                regressors.append(scaled(16 * self.levels[*there, other] - level, inverse) if inside else 0)
            if other < channel:
                regressors.append(self.errors[*place, other])
        return regressors

    def see(self, place: Place, channel: int, level: int) -> None:
        mean, inverse = self.mixture[place, channel]
        self.levels[*place, channel] = level
        self.errors[*place, channel] = error = scaled(16 * level - mean, inverse)
        regressors, band = self.regressors[place, channel], self.band(place)
        for i, one in enumerate(regressors):
            self.with_error[band][channel][i] += one * error
            for j, other in enumerate(regressors):
                self.products[band][channel][i][j] += one * other

    def end_step(self, step: int) -> None:
        if step % 8 != 7:
            return
        for band, channel in product(range(len(self.weights)), range(3)):
            solution = solved(*self.evidence(band, channel))
            self.weights[band][channel] = [min(max(floor(w * 4096 + 0.5), -32767), 32767) for w in solution]
        for band, channel in product(range(len(self.weights)), range(3)):
            rows, errors = self.products[band][channel], self.with_error[band][channel]
            self.products[band][channel] = [[value - (value >> 3) for value in row] for row in rows]
            self.with_error[band][channel] = [value - (value >> 3) for value in errors]

    def evidence(self, band: int, channel: int) -> tuple[list[list[float]], list[float]]:
        """Return the sums of a band, and an eighth of those of the tile if it is cut into bands."""
        if not self.band_rows:
            return self.products[band][channel], self.with_error[band][channel]
        count = len(self.with_error[band][channel])
        products = [
            [
                self.products[band][channel][i][j] + sum(of_band[channel][i][j] for of_band in self.products) / 8
                for j in range(count)
            ]
            for i in range(count)
        ]
        errors = [sum(of_band[channel][i] for of_band in self.with_error) / 8 for i in range(count)]
        return products, [one + other for one, other in zip(self.with_error[band][channel], errors, strict=True)]


def scaled(difference: int, inverse: int) -> int:
    return min(max((difference * inverse + 1024) >> 11, -127), 127)


def solved(products: list[list[float]], with_error: list[float]) -> list[float]:
    count = len(with_error)
    matrix = [[float(value) for value in row] for row in products]
    solution = [float(value) for value in with_error]
    for k in range(count):
        matrix[k][k] += 2.0**18
    for k in range(count):
        for i in range(k + 1, count):
            factor = matrix[k][i] / matrix[k][k]
            for j in range(i, count):
                matrix[i][j] -= factor * matrix[k][j]
            solution[i] -= factor * solution[k]
    for k in reversed(range(count)):
        solution[k] /= matrix[k][k]
        for i in range(k):
            solution[i] -= matrix[i][k] * solution[k]
    return solution
