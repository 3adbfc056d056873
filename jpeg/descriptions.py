"""Features of coefficients for networks of the second kind. Mirrored by native/waves.c, means.c and component.c."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.contexts import Integers, Places, companded
from pixelzip.jpeg.frequencies import NONE, frequency
from pixelzip.jpeg.transform import SIDE
from pixelzip.models.coefficients import NUM_VALUES_MORE

Features = NDArray[np.int8]

UNIT: Final = 4
"""Signed features are in quarters of the coefficient's step."""

EDGE: Final = np.array([128] + [181] * (SIDE - 1), dtype=np.int32)
"""The cosines at the edge of a block, times 128, relative to the mean."""

SLOPE: Final = np.array([0, 27, 98, 186, 256, 278, 236, 136], dtype=np.int32)
"""What the cosines change by from the first sample to the second, times 181."""

SIGNS: Final = np.array([1, -1] * (SIDE // 2), dtype=np.int32)
"""The cosines at the far edge over those at the near one."""


class Row(IntEnum):
    """What each of a component's planes holds; those before KNOWN are features as they are."""

    BUSY = 0
    FAR = 1
    WINDOW = 2
    RECENT = 3
    TOTAL = 4
    EARLIER = 5  # then its magnitudes around, and the guess
    LUMA = 8  # the same
    ACTIVITY = 11
    EARLIER_TOTAL = 12
    KNOWN = 13
    INSIDE = 14
    ERRORS = 15
    EARLIER_ERRORS = 16
    EARLIER_MEANS = 17
    LUMA_MEANS = 18
    EDGES = 19  # above, below, left, right: SIDE rows each
    SLOPES = 51
    COUNT = 83


class Levels(NamedTuple):
    """A component's levels and what is known of them: (64, size), (Row.COUNT, size), and 64 steps.

    Blocks are in rows of ``width``, with a border around them.
    """

    width: int
    levels: NDArray[np.int16]
    planes: Integers
    steps: Integers


def describe(number: int, component: Levels, places: Places) -> tuple[Features, Integers]:
    """Return (n, NUM_VALUES_MORE) features of a frequency at (n,) places, and the levels that are expected, (n,)."""
    if number == 0:
        return _of_means(component, places)
    return _of_waves(number, component, places), np.zeros(len(places), dtype=np.int32)


def learn(number: int, component: Levels, places: Places) -> None:
    """Take note, in a component's planes, of levels that are known now."""
    planes, around = component.planes, frequency(number)
    levels = component.levels[number][places].astype(np.int32)
    coefficients = levels * component.steps[number]
    for side in range(4):
        along, across = (around.column, around.row) if side < 2 else (around.row, around.column)
        sign = SIGNS[across] if side % 2 else 1
        planes[Row.EDGES + SIDE * side + along, places] += coefficients * (EDGE[across] * sign)
        planes[Row.SLOPES + SIDE * side + along, places] += coefficients * (SLOPE[across] * sign)
    if number:
        planes[Row.TOTAL, places] += np.abs(levels)
        planes[Row.WINDOW, places] += np.abs(levels)
        planes[Row.KNOWN, places] = 1


def _of_waves(number: int, component: Levels, places: Places) -> Features:
    width, levels, planes, steps = component
    around, step = frequency(number), steps[number]
    near = np.stack([places + offset for offset in _offsets(width)])  # (8, n)

    def scaled(other: int, at: Places) -> Integers:
        result: Integers = UNIT * levels[other][at].astype(np.int32) * steps[other] // step
        return result

    values = np.zeros((NUM_VALUES_MORE, len(places)), dtype=np.int32)
    for index, other in enumerate(around.own):
        if other != NONE:
            values[index] = scaled(other, places)
    same = values[11:19]
    same[:] = UNIT * levels[number][near] * planes[Row.KNOWN][near]
    for side in range(4):
        row, column = around.row, around.column
        along, across, before = (column, row, around.above) if side < 2 else (row, column, around.left)
        sign, first = SIGNS[across] if side % 2 else 1, SIDE * (side ^ 1) + along
        gap = planes[Row.EDGES + first, near[side]] - planes[Row.EDGES + SIDE * side + along, places]
        values[19 + side] = UNIT * sign * gap * planes[Row.INSIDE, near[side]] // (EDGE[across] * step)
        values[26 + side] = UNIT * sign * planes[Row.SLOPES + first, near[side]] // (256 * step)
        if before != NONE:
            values[30 + side] = scaled(before, near[side]) - (scaled(0, places) if before == 0 else 0)
    values[23], values[24] = (values[19] + values[20]) // 2, (values[21] + values[22]) // 2
    values[25] = (values[23] + values[24]) // 2
    values[34], values[35] = np.abs(same).sum(axis=0), same[:4].sum(axis=0) // 2
    values[36:40] = planes[Row.BUSY, near[:4]]
    values[40:44] = planes[Row.RECENT, near[:4]]
    values[44] = planes[Row.BUSY, near[4:]].sum(axis=0)
    values[45] = planes[Row.RECENT, near[4:]].sum(axis=0)
    for index, row in enumerate((Row.TOTAL, Row.EARLIER + 1, Row.LUMA + 1)):
        values[46 + index] = planes[row, near[:4]].sum(axis=0)
    values[49:] = planes[: Row.KNOWN, places]
    return np.ascontiguousarray(companded(values).T)


def _of_means(component: Levels, places: Places) -> tuple[Features, Integers]:
    means, planes, step = component.levels[0], component.planes, component.steps[0]
    up, left = -component.width, -1
    inside = planes[Row.INSIDE]
    is_top, is_left = inside[places + up] == 0, inside[places + left] == 0

    def level(offset: int, otherwise: Integers) -> Integers:
        """Return levels where there are such blocks; places two rows above may be before the first."""
        there = np.maximum(places + offset, 0)
        return np.where(inside[there], means[there].astype(np.int32), otherwise)

    nothing = np.zeros(len(places), dtype=np.int32)
    west = level(left, level(up, nothing))
    north = level(up, west)
    northwest = np.where(is_top, west, np.where(is_left, north, level(up + left, nothing)))
    northeast = level(up + 1, north)
    expected = np.clip(west + north - northwest, np.minimum(west, north), np.maximum(west, north))
    far_west = np.where(is_left, west, level(2 * left, west))
    far_north, far_northeast = level(2 * up, north), level(2 * up + 1, northeast)
    values = np.zeros((NUM_VALUES_MORE, len(places)), dtype=np.int32)
    for index, value in enumerate((west, north, northwest, northeast, far_west, far_north, far_northeast)):
        values[index] = UNIT * (value - expected)
    errors = planes[Row.ERRORS, np.stack([places + offset for offset in (left, up, up + left, up + 1)])]
    values[7:11], values[11:15] = np.abs(errors), UNIT * errors
    values[15] = planes[Row.EARLIER_ERRORS, places]
    near = np.stack([places + offset for offset in _offsets(component.width)])
    for first, row in ((16, Row.EARLIER_MEANS), (24, Row.LUMA_MEANS)):
        values[first : first + 8] = UNIT * (planes[row, places] - planes[row, near]) * inside[near] // step
    values[32], values[33] = planes[Row.ACTIVITY, places], planes[Row.EARLIER_TOTAL, places]
    return np.ascontiguousarray(companded(values).T), expected.astype(np.int32)


def _offsets(width: int) -> tuple[int, ...]:
    """Return where the eight blocks around are: above, below, left, right, then the corners row by row."""
    return -width, width, -1, 1, -width - 1, -width + 1, width - 1, width + 1
