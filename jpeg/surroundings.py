"""What networks of the second kind are told of a coefficient: more of its block than those of the first, eight blocks
around it, luma at chroma's resolution, and means over the component. Section 12.6 of docs/format.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg import descriptions
from pixelzip.jpeg.contexts import LARGEST, ONE_HOT, SIGNED, Integers, Places
from pixelzip.jpeg.descriptions import UNIT, Row
from pixelzip.jpeg.frequencies import NONE, Weighted, frequency, reduced
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.tokens import FINE_MEANS, FINE_WAVES, Bins
from pixelzip.models.coefficients import NUM_FREQUENCIES, NUM_SHARED

_PHASES: Final = ((0, 0), (1, 1), (0, 1), (1, 0))
"""Row and column of a block, modulo 2, in the order of coding."""

_WINDOW: Final = 10
_RECENT: Final = 3
_LARGEST_GUESS: Final = 1000


class Surroundings:
    """What is known of a component while it is coded. Blocks are given by their places in the flattened border.

    ``planes`` are (Row.COUNT, size) int32, a number for each block; zero in the border.
    """

    def __init__(self, component: Component, earlier: Surroundings | None, luma: Surroundings | None) -> None:
        """Start with nothing known; ``earlier`` is the component of the same shape before, ``luma`` the first one."""
        rows, columns = component.shape
        self.component, self.earlier = component, earlier
        self.steps_of = component.steps.astype(np.int32)
        self.grid = rows + 2, columns + 2
        size = self.grid[0] * self.grid[1]
        self.levels = component.levels.reshape(NUM_FREQUENCIES, size)
        self.planes = np.zeros((Row.COUNT, size), dtype=np.int32)
        self._flat(np.ones(component.shape, dtype=np.int32), Row.INSIDE)
        self.sums = np.zeros(NUM_FREQUENCIES, dtype=np.int64)  # of magnitudes
        self.num_known = 0
        self.luma: Integers | None = None
        self.num_covered = 1
        if luma is not None:
            same = earlier.luma if earlier else None  # second chroma has the first's
            self.luma = luma.reduced(component.shape) if same is None else same
            self.num_covered = self._cover(luma)
            self.planes[Row.LUMA_MEANS] = self.luma[0]
        if earlier is not None:
            self.planes[Row.EARLIER_MEANS] = earlier.coefficients(0)
            self.planes[Row.EARLIER_ERRORS] = (
                UNIT * earlier.planes[Row.ERRORS] * earlier.steps_of[0] // self.steps_of[0]
            )
            self.planes[Row.EARLIER_TOTAL] = earlier.planes[Row.TOTAL]
        self.products = np.zeros((2, 2, size), dtype=np.int64)  # with earlier and luma: products, squares
        self.frequency = 0
        self.known = descriptions.Levels(self.grid[1], self.levels, self.planes, self.steps_of)

    def _flat(self, inner: Integers, row: int) -> None:
        self.planes[row].reshape(self.grid)[1:-1, 1:-1] = inner

    def _cover(self, luma: Surroundings) -> int:
        """Take the mean of luma's totals over the blocks that each block covers; return how many these are."""
        rows, columns = self.component.shape
        totals = luma.planes[Row.TOTAL].reshape(luma.grid)[1:-1, 1:-1]
        down, across = (-(-length // count) for length, count in zip(totals.shape, (rows, columns), strict=True))
        padded = np.pad(totals, ((0, rows * down - totals.shape[0]), (0, columns * across - totals.shape[1])))
        sums = padded.reshape(rows, down, columns, across).sum(axis=(1, 3), dtype=np.int32)
        self._flat(sums // (down * across), Row.ACTIVITY)
        return int(down * across)

    def reduced(self, shape: tuple[int, int]) -> Integers:
        """Return coefficients as they would be with the blocks of another shape, (64, size of that with a border)."""
        inner = self.component.inner.astype(np.int32) * self.steps_of[:, None, None]
        return np.pad(reduced(inner, shape), ((0, 0), (1, 1), (1, 1))).reshape(NUM_FREQUENCIES, -1)

    def coefficients(self, number: int) -> Integers:
        """Return the coefficients of a frequency, (size,)."""
        result: Integers = self.levels[number].astype(np.int32) * self.steps_of[number]
        return result

    def steps(self) -> Iterator[tuple[int, Places, int]]:
        """Yield what is coded together: a frequency, places, and a phase.

        Means go in wavefronts; other frequencies in four phases, each of every second block of every second row.
        """
        rows, columns = self.component.shape
        for step in range(columns + 2 * (rows - 1)):
            row = np.arange(max(0, (step - columns + 2) // 2), min(rows, step // 2 + 1))
            yield 0, (row + 1) * self.grid[1] + step - 2 * row + 1, 0
        places = np.arange(self.planes.shape[1]).reshape(self.grid)[1:-1, 1:-1]
        phases = [places[down::2, across::2].flatten() for down, across in _PHASES]
        for number in range(1, self.component.last + 1):
            for phase, some in enumerate(phases):
                if len(some):
                    yield number, some, phase

    def describe(self, number: int, places: Places, phase: int) -> tuple[NDArray[np.int8], Integers]:
        """Return (n, NUM_VALUES) features of levels and what each of them is expected to be, (n,)."""
        if number not in (0, self.frequency):
            self._begin(number)
        return descriptions.describe(number, self.known, places)

    def group(self, number: int) -> int:
        """Return whose weights are used: those of each of luma's frequencies, and of chroma's diagonals."""
        around = frequency(number)
        return NUM_FREQUENCIES + around.row + around.column if self.component.kind else number

    def bins(self, number: int) -> Bins:
        """Return how levels of a frequency become tokens."""
        return FINE_WAVES if number else FINE_MEANS

    def _begin(self, number: int) -> None:
        """Take note of all that the levels of earlier frequencies say about those of one."""
        self.frequency, self.num_known = number, 0
        planes, around = self.planes, frequency(number)
        planes[Row.KNOWN] = 0
        planes[Row.BUSY] = self._busy(self, around.before)
        wide = np.pad(planes[Row.BUSY].reshape(self.grid), 2)
        planes[Row.FAR] = (wide[:-4, 2:-2] + wide[4:, 2:-2] + wide[2:-2, :-4] + wide[2:-2, 4:]).reshape(-1)
        if number > _WINDOW + 1:
            planes[Row.WINDOW] -= np.abs(self.levels[number - _WINDOW - 1])
        planes[Row.RECENT] = np.abs(self.levels[max(1, number - _RECENT) : number]).sum(axis=0, dtype=np.int32)
        if self.earlier is not None:
            self._compare(self.earlier.coefficients(number), self._busy(self.earlier, around.around), 0)
        if self.luma is not None:
            self._compare(self.luma[number], self._busy(self.luma, around.around), 1)

    def _busy(self, other: Surroundings | Integers, weights: Weighted) -> Integers:
        """Return eight times the weighted mean of magnitudes of coefficients, in steps of the present frequency."""
        sums = np.zeros(self.planes.shape[1], dtype=np.int32)
        for number, weight in weights:
            values = other.coefficients(number) if isinstance(other, Surroundings) else other[number]
            sums += weight * np.abs(values)
        total = max(1, sum(weight for _, weight in weights))
        result: Integers = 8 * sums // (total * self.steps_of[self.frequency])
        return result

    def _compare(self, values: Integers, busy: Integers, which: int) -> None:
        """Take note of another component's coefficients and, by what they and these were until now, of a guess."""
        step, first = int(self.steps_of[self.frequency]), (Row.EARLIER, Row.LUMA)[which]
        self.planes[first] = UNIT * values // step
        self.planes[first + 1] = busy
        products, squares = (_blurred(one.reshape(self.grid)) for one in self.products[which])
        guesses = UNIT * products * values // ((squares + 4 * step**2) * step)
        self.planes[first + 2] = guesses.clip(-_LARGEST_GUESS, _LARGEST_GUESS)

    def shared(self, number: int, phase: int) -> NDArray[np.int8]:
        """Return (NUM_SHARED,) features of all that is coded together."""
        result, steps = np.zeros(NUM_SHARED, dtype=np.int8), self.steps_of
        result[[self.component.kind, 3 + phase]] = ONE_HOT
        result[7:10] = SIGNED[LARGEST + steps[[number, 0, 5]]]  # companded, but steps go no further
        result[10] = ONE_HOT * (self.num_covered - 1) // 3
        if number == 0:
            return result
        around, count = frequency(number), self.component.shape[0] * self.component.shape[1]
        for index, other in enumerate((around.above, around.left, number - 1)):
            if 0 < other < NONE:
                result[11 + index] = _mean(int(self.sums[other] * steps[other] // steps[number]), count)
        if self.num_known:
            result[14] = _mean(int(self.sums[number]), self.num_known)
        if self.earlier is not None:
            scaled = self.earlier.sums[number] * self.earlier.steps_of[number] // steps[number]
            result[15] = _mean(int(scaled), count)
        result[16] = _mean(int(self.sums[:number].sum()), count)
        return result

    def learn(self, number: int, places: Places, expected: Integers) -> None:
        """Take note of levels that are in the component now."""
        descriptions.learn(number, self.known, places)
        levels = self.levels[number][places].astype(np.int32)
        if number == 0:
            self.planes[Row.ERRORS, places] = levels - expected
            return
        self.sums[number] += np.abs(levels).sum()
        self.num_known += len(places)
        coefficients = levels * self.steps_of[number]
        if self.earlier is not None:
            self._multiply(0, coefficients, self.earlier.coefficients(number)[places], places)
        if self.luma is not None:
            self._multiply(1, coefficients, self.luma[number][places], places)

    def _multiply(self, which: int, ours: Integers, theirs: Integers, places: Places) -> None:
        wide = theirs.astype(np.int64)
        self.products[which, 0, places] += ours * wide
        self.products[which, 1, places] += wide * wide


def _blurred(grid: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return twice each block's number and those of the four around, flattened."""
    wide = np.pad(grid, 1)
    centre, beside = 2 * grid, wide[1:-1, :-2] + wide[1:-1, 2:]
    result: NDArray[np.int64] = (centre + beside + wide[:-2, 1:-1] + wide[2:, 1:-1]).reshape(-1)
    return result


def _mean(total: int, count: int) -> int:
    """Return four times the binary logarithm of one more than 4096 times a mean, rounded down: at most 127."""
    return min(127, ((1 + 4096 * total // count) ** 4).bit_length() - 1)
