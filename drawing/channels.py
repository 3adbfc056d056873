"""A colour that was no candidate: each channel predicted from those around, and from what the channels before did."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pixelzip.drawing.around import LENGTHS, NORTH, NORTH_EAST, NORTH_WEST, WEST, Around, level
from pixelzip.drawing.mixer import mixed

_ACTIVITIES: Final = (1, 4, 10, 24, 60, 120, 240)
_DISTANCES: Final = (*range(1, 10), 12, 16, 24, 32, 48, 64, 96, 128)
NUM_ACTIVITIES: Final = len(_ACTIVITIES) + 1
NUM_DISTANCES: Final = 2 * (len(_DISTANCES) + 1)
NUM_BUCKETS: Final = 4 * 8 * NUM_DISTANCES * NUM_ACTIVITIES
"""Of each prediction: channel, bit, distance, activity."""


@dataclass(frozen=True)
class Channel:
    """What is known of the channel at a place in the order of coding.

    ``predictions`` are eight levels, ``activity`` says how much levels around differ, ``contexts`` are eight hashes.
    """

    place: int
    predictions: tuple[int, ...]
    activity: int
    contexts: tuple[int, ...]

    def buckets(self, node: int, bit: int) -> list[int]:
        """Return where each prediction lies from the middle of what is left: ``node`` is a one and the bits known."""
        middle = (2 * node + 1 << bit) & 0xFF
        first = (8 * self.place + bit) * NUM_DISTANCES
        return [(first + _distance(level - middle)) * NUM_ACTIVITIES + self.activity for level in self.predictions]


def in_order(num_channels: int) -> list[int]:
    """Return channels in the order of coding: green first, alpha last."""
    return [1, 0, *range(2, num_channels)] if num_channels > 2 else list(range(num_channels))


def describe(
    around: Around, colours: Sequence[int], order: Sequence[int], place: int, known: int, so_far: int
) -> Channel:
    """Describe the next channel.

    Args:
        around: the pixels around.
        colours: the candidates, none of which it is.
        order: channels in the order of coding.
        place: of the channel in it.
        known: the pixel's colour as far as it is known.
        so_far: a number of the channels that are known.
    """
    channel, before = order[place], order[max(0, place - 1)]
    levels = around.levels(channel)
    west, north = levels[WEST], levels[NORTH]
    gradient = _clamped(west + north - levels[NORTH_WEST])
    turn = west + levels[NORTH_EAST] - north
    if place > 1:
        turn = west + level(known, order[0]) - level(around.pixels[WEST], order[0])
    first = gradient, gradient, west, gradient, _clamped(turn), levels[NORTH_EAST], gradient, north
    others = around.levels(before), level(known, before)
    predictions = _from_channel(levels, *others, _clamped(turn), colours, channel, before) if place else first
    differences = abs(west - north) + abs(west - levels[NORTH_WEST]) + abs(north - levels[NORTH_EAST])
    activity = bisect.bisect_right(_ACTIVITIES, differences)
    return Channel(place, predictions, activity, _contexts(around, levels, place, predictions, gradient, so_far))


def _from_channel(
    levels: Sequence[int],
    others: Sequence[int],
    known: int,
    turn: int,
    colours: Sequence[int],
    channel: int,
    before: int,
) -> tuple[int, ...]:
    """Predict from another channel's level: as much more as there, or as far between two colours."""
    as_west, as_north, as_north_east = (
        _clamped(levels[place] + known - others[place]) for place in (WEST, NORTH, NORTH_EAST)
    )
    low = min(colours, key=lambda colour: level(colour, before), default=0)
    high = max(colours, key=lambda colour: level(colour, before), default=0)
    near = _between(others[NORTH], others[WEST], levels[NORTH], levels[WEST], known, as_west)
    start, end = level(low, before), level(high, before)
    far = _between(start, end, level(low, channel), level(high, channel), known, as_west)
    return as_west, as_north, known, near, turn, as_north_east, far, levels[NORTH]


def _between(start: int, end: int, low: int, high: int, value: int, otherwise: int) -> int:
    """Return the level that is as far from low to high as value is from start to end, rounded towards low."""
    if start == end:
        return otherwise
    product, span = (high - low) * (value - start), end - start
    quotient = abs(product) // abs(span)
    return _clamped(low + (quotient if product * span >= 0 else -quotient))


def _contexts(
    around: Around, levels: Sequence[int], place: int, predictions: Sequence[int], gradient: int, so_far: int
) -> tuple[int, ...]:
    coarse = sum(value >> 5 << 3 * number for number, value in enumerate(levels[:6]))
    coarser = sum(value >> 6 << 2 * number for number, value in enumerate(levels[:10]))
    return (
        0,
        mixed(so_far, 0),
        mixed(so_far, around.pixels[WEST]),
        mixed(so_far, around.pixels[NORTH]),
        mixed(so_far, around.hashes[len(LENGTHS) - 1]),
        mixed(predictions[0], gradient),
        mixed(coarse, int(place > 0)),
        mixed(coarser, 1 + (predictions[2] >> 6) if place else 0),
    )


def _distance(difference: int) -> int:
    number = bisect.bisect_right(_DISTANCES, abs(difference))
    return number + (NUM_DISTANCES // 2 if difference < 0 else 0)


def _clamped(value: int) -> int:
    return min(max(value, 0), 255)
