"""What the network is told of a coefficient before it is coded: coefficients of its own block, of blocks around it and
of other components.

All numbers are companded to int8. Signed ones are in quarters of the coefficient's step, so that they mean the same
whatever the quality of the JPEG.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.tokens import MEANS, WAVES, Bins
from pixelzip.jpeg.transform import SIDE, ZIGZAG
from pixelzip.models.coefficients import NUM_COMPONENTS, NUM_FREQUENCIES, NUM_VALUES

Integers = NDArray[np.int32]
Places = NDArray[np.intp]

ONE_HOT: Final = 64
"""What a feature that holds has; the others have 0."""

_UNIT: Final = 4
_EDGE: Final = np.array([128] + [181] * (SIDE - 1), dtype=np.int32)
"""The cosines at the edge of a block, times 128, relative to the mean."""

_SIGNS: Final = np.array([1, -1] * (SIDE // 2), dtype=np.int32)
"""The cosines at the far edge over those at the near one."""

_OWN: Final = ((-1, 0), (0, -1), (-1, -1), (-2, 0), (0, -2), (-1, 1), (1, -1))
"""Frequencies around the coded one, as differences of row and column."""

LARGEST: Final = 255
_COMPANDED: Final = np.array([((1 + value) ** 16).bit_length() - 1 for value in range(LARGEST)] + [127], dtype=np.int8)
"""Sixteen times the binary logarithm of one more, rounded down: at most 127."""

SIGNED: Final = np.concatenate((-_COMPANDED[:0:-1], _COMPANDED))
"""(511,) int8: ``companded`` of -255 to 255."""

ORDER: Final = np.argsort(ZIGZAG)
"""(64,): when each frequency, given by its place in a block, is coded."""


def companded(values: Integers) -> NDArray[np.int8]:
    """Map whole numbers to -127..127, small ones finely."""
    result: NDArray[np.int8] = SIGNED[np.minimum(np.maximum(values, -LARGEST), LARGEST) + LARGEST]
    return result


def place(frequency: int, kind: int, are_around: bool) -> NDArray[np.int8]:
    """Return the features that all lanes share: frequency, component, whether the four blocks around are known."""
    shared = np.zeros(NUM_FREQUENCIES + NUM_COMPONENTS + 1, dtype=np.int8)
    shared[[frequency, NUM_FREQUENCIES + kind]] = ONE_HOT
    shared[-1] = ONE_HOT * are_around
    return shared


class Known:
    """What is known of a component while it is coded. Blocks are given by their places in the flattened border."""

    def __init__(self, component: Component, earlier: Known | None, luma: Known | None) -> None:
        """Start with nothing known; ``earlier`` is the component of the same shape before, ``luma`` the first one."""
        rows, columns = component.shape
        self.component = component
        self.width = columns + 2
        size = (rows + 2) * self.width
        self.levels = component.levels.reshape(NUM_FREQUENCIES, size)
        self.recent, self.total = np.zeros((2, size), dtype=np.int32)
        self.errors = np.zeros(size, dtype=np.int32)
        self.edges = np.zeros((4, SIDE, size), dtype=np.int32)  # above, below, left, right
        inside = np.zeros((rows + 2, self.width), dtype=np.bool_)
        inside[1:-1, 1:-1] = True
        self.inside = inside.reshape(-1)
        self.earlier = earlier
        self.activity = np.zeros(size, dtype=np.int32) if luma is None else luma.pooled(component.shape)
        self.around = (-self.width, self.width, -1, 1)

    def pooled(self, shape: tuple[int, int]) -> Integers:
        """Return the mean of ``total`` over the blocks that each block of a component of another shape covers."""
        rows, columns = self.component.shape
        totals = self.total.reshape(rows + 2, -1)[1:-1, 1:-1]
        down, across = -(-rows // shape[0]), -(-columns // shape[1])
        padded = np.pad(totals, ((0, shape[0] * down - rows), (0, shape[1] * across - columns)))
        means = padded.reshape(shape[0], down, shape[1], across).sum(axis=(1, 3), dtype=np.int32) // (down * across)
        return np.pad(means, 1).reshape(-1)

    def steps(self) -> Iterator[tuple[int, Places, bool]]:
        """Yield what is coded together: a frequency, places, and whether the four blocks around them are known in it.

        Means go in wavefronts, so that those to the left and above are known; of other frequencies first every other
        block, as on a chessboard, then the rest.
        """
        rows, columns = self.component.shape
        for step in range(columns + 2 * (rows - 1)):
            row = np.arange(max(0, (step - columns + 2) // 2), min(rows, step // 2 + 1))
            yield 0, (row + 1) * self.width + step - 2 * row + 1, False
        row, column = np.indices((rows, columns))
        places = (row + 1) * self.width + column + 1
        halves = [places[(row + column) % 2 == half] for half in range(2)]
        for frequency in range(1, self.component.last + 1):
            for half in range(2):
                yield frequency, halves[half], bool(half)

    def describe(self, frequency: int, places: Places, are_around: bool) -> tuple[NDArray[np.int8], Integers]:
        """Return (n, NUM_VALUES) features of levels and what each of them is expected to be, (n,)."""
        if frequency == 0:
            return self._describe_means(places)
        values = [*self._own(frequency, places), *self._near(frequency, places, are_around)]
        values += [*self._gaps(frequency, places), *self._others(frequency, places)]
        return self._features(frequency, values), np.zeros(len(places), dtype=np.int32)

    def shared(self, frequency: int, are_around: bool) -> NDArray[np.int8]:
        """Return the features of all that is coded together."""
        return place(frequency, self.component.kind, are_around)

    def group(self, frequency: int) -> int:
        """Return whose weights are used: there is one group."""
        return 0

    def bins(self, frequency: int) -> Bins:
        """Return how levels of a frequency become tokens."""
        return WAVES if frequency else MEANS

    def _features(self, frequency: int, values: list[Integers]) -> NDArray[np.int8]:
        step = np.full_like(values[0], self.component.steps[frequency])
        return companded(np.stack([*values, *[np.zeros_like(step)] * (NUM_VALUES - 1 - len(values)), step], axis=1))

    def _scaled(self, frequency: int, places: Places, step: np.int32) -> Integers:
        """Return coefficients of a frequency in quarters of a step."""
        scaled: Integers = _UNIT * self.levels[frequency][places] * self.component.steps[frequency] // step
        return scaled

    def _own(self, frequency: int, places: Places) -> Iterator[Integers]:
        row, column = divmod(int(ZIGZAG[frequency]), SIDE)
        for down, right in _OWN:
            place = row + down, column + right
            is_known = min(place) >= 0 and max(place) < SIDE and ORDER[SIDE * place[0] + place[1]] < frequency
            if is_known:
                yield self._scaled(ORDER[SIDE * place[0] + place[1]], places, self.component.steps[frequency])
            else:
                yield np.zeros(len(places), dtype=np.int32)
        window = self.levels[max(1, frequency - 10) : frequency, places]
        yield np.abs(window).sum(axis=0, dtype=np.int32)
        yield self.recent[places]
        yield self.total[places]

    def _near(self, frequency: int, places: Places, are_around: bool) -> Iterator[Integers]:
        for offset in self.around:
            yield _UNIT * self.levels[frequency][places + offset] * np.int32(are_around)
        for offset in self.around:
            yield self.recent[places + offset]
        up, down, left, right = self.around
        diagonals = [up + left, up + right, down + left, down + right]
        yield np.stack([self.recent[places + offset] for offset in diagonals]).sum(axis=0, dtype=np.int32)
        yield np.stack([self.total[places + offset] for offset in self.around]).sum(axis=0, dtype=np.int32)

    def _gaps(self, frequency: int, places: Places) -> Iterator[Integers]:
        """Yield what the coefficient would have to be for the block to go on smoothly, at each of its edges."""
        row, column = divmod(int(ZIGZAG[frequency]), SIDE)
        for side, offset in enumerate(self.around):
            along, across = (column, row) if side < 2 else (row, column)
            gap = self.edges[side ^ 1, along, places + offset] - self.edges[side, along, places]
            gap *= self.inside[places + offset] * (_SIGNS[across] if side % 2 else 1)
            yield _UNIT * gap // (_EDGE[across] * self.component.steps[frequency])

    def _others(self, frequency: int, places: Places) -> Iterator[Integers]:
        if self.earlier is None:
            yield from np.zeros((2, len(places)), dtype=np.int32)
        else:
            yield self.earlier._scaled(frequency, places, self.component.steps[frequency])
            ahead = self.earlier.levels[frequency : frequency + 4, places]
            yield np.abs(ahead).sum(axis=0, dtype=np.int32)
        yield self.activity[places]

    def _describe_means(self, places: Places) -> tuple[NDArray[np.int8], Integers]:
        means, up, left = self.levels[0].astype(np.int32), -self.width, -1
        is_top, is_left = ~self.inside[places + up], ~self.inside[places + left]
        west = np.where(is_left, means[places + up], means[places + left])
        north = np.where(is_top, west, means[places + up])
        northwest = np.where(is_top, west, np.where(is_left, north, means[places + up + left]))
        northeast = np.where(self.inside[places + up + 1], means[places + up + 1], north)
        expected = np.clip(west + north - northwest, np.minimum(west, north), np.maximum(west, north))
        far_west = np.where(self.inside[places - 2] & ~is_left, means[places - 2], west)
        values = [_UNIT * (value - expected) for value in (west, north, northwest, northeast, far_west)]
        values += [np.abs(self.errors[places + offset]) for offset in (left, up, up + left, up + 1)]
        if self.earlier is not None:
            values.append(
                _UNIT * self.earlier.errors[places] * self.earlier.component.steps[0] // self.component.steps[0]
            )
        else:
            values.append(np.zeros_like(expected))
        return self._features(0, [*values, self.activity[places]]), expected

    def learn(self, frequency: int, places: Places, expected: Integers) -> None:
        """Take note of levels that are in the component now."""
        levels = self.levels[frequency][places].astype(np.int32)
        coefficients = levels * self.component.steps[frequency]
        row, column = divmod(int(ZIGZAG[frequency]), SIDE)
        for side in range(4):
            along, across = (column, row) if side < 2 else (row, column)
            self.edges[side, along, places] += coefficients * (_EDGE[across] * (_SIGNS[across] if side % 2 else 1))
        if frequency == 0:
            self.errors[places] = levels - expected
            return
        self.total[places] += np.abs(levels)
        window = self.levels[max(1, frequency - 2) : frequency + 1, places]
        self.recent[places] = np.abs(window).sum(axis=0, dtype=np.int32)
