"""A band of rows <-> a stream, pixel by pixel. native/drawing.c does the same, a hundred times as fast.

In a plain area one decision says whether it goes on. Elsewhere each colour that is likely is asked for in turn; one
that is none of them is coded channel by channel, bit by bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import native_drawing
from pixelzip.drawing import channels
from pixelzip.drawing.around import (
    MARGIN,
    NORTH,
    NORTH_2,
    NORTH_2_EAST,
    NORTH_3,
    NORTH_EAST,
    NORTH_EAST_2,
    NORTH_EAST_3,
    NORTH_EAST_4,
    NORTH_WEST,
    ROWS_ABOVE,
    WEST,
    WEST_2,
    WEST_3,
    WEST_4,
    Around,
    look,
)
from pixelzip.drawing.bits import BitCoder, BitReader, BitWriter, TooLong, is_whole
from pixelzip.drawing.candidates import Candidates, Followers
from pixelzip.drawing.channels import NUM_BUCKETS
from pixelzip.drawing.mixer import Mixer, mixed
from pixelzip.drawing.tables import curves

Packed = NDArray[np.uint32]
"""Pixels (H, W), their channels in the bytes, the first in the lowest."""

_LEAST_SLOT_BITS, _MOST_SLOT_BITS, _LEVEL_SLOT_BITS = 12, 18, 2
_FIRST_WEIGHT, _LEVEL_WEIGHT = 1966, 1475
_CHOICE_RATE, _LEVEL_RATE = 26, 22
_MISSED: Final = 4
"""The rank of a pixel that was no candidate; those of others are at most 3."""
_MOST_ROWS: Final = 20
_FLAT_SETS, _CHOICE_SETS, _LEVEL_SETS = (1, 256), (512, 256, 648, 1024), (32, 8, 32, 28)
_EQUAL: Final = (
    (WEST, NORTH), (NORTH, NORTH_WEST), (NORTH, NORTH_EAST), (WEST, NORTH_WEST),
    (WEST_2, WEST), (NORTH_2, NORTH), (NORTH_EAST_2, NORTH_EAST), (NORTH_2_EAST, NORTH_EAST),
)  # fmt: skip


def encode(pixels: Packed, num_channels: int, limit: int) -> bytes | None:
    """Return the stream of a band, None if it would take more than ``limit`` bytes."""
    if native_drawing.is_there():
        return native_drawing.encode(pixels, num_channels, curves(), limit)
    writer = BitWriter(limit)
    try:
        _Walk(writer, pixels.copy(), num_channels).run()
        return writer.end()
    except TooLong:
        return None


def decode(stream: bytes, height: int, width: int, num_channels: int) -> Packed | None:
    """Return a band's pixels, None if a stream is none that ``encode`` writes."""
    pixels = np.zeros((height, width), dtype=np.uint32)
    if native_drawing.is_there():
        is_right = is_whole(stream, *native_drawing.decode(stream, pixels, num_channels, curves()))
    else:
        reader = BitReader(stream)
        _Walk(reader, pixels, num_channels).run()
        is_right = reader.is_at_end()
    return pixels if is_right else None


class _Walk:
    """A walk through pixels, which are written where the coder reads."""

    def __init__(self, coder: BitCoder, pixels: Packed, num_channels: int) -> None:
        height, width = pixels.shape
        num_bits = min(max((2 * height * width - 1).bit_length(), _LEAST_SLOT_BITS), _MOST_SLOT_BITS)
        num_slots, num_level_slots = 2**num_bits, 2 ** (num_bits + _LEVEL_SLOT_BITS)
        self._flat = Mixer(coder, (6, num_slots), (0, 0), _FLAT_SETS, _FIRST_WEIGHT, _CHOICE_RATE)
        self._choice = Mixer(coder, (8, num_slots), (0, 0), _CHOICE_SETS, _FIRST_WEIGHT, _CHOICE_RATE)
        self._level = Mixer(coder, (8, num_level_slots), (8, NUM_BUCKETS), _LEVEL_SETS, _LEVEL_WEIGHT, _LEVEL_RATE)
        self._followers = Followers(num_slots)
        self._pixels, self._order = pixels, channels.in_order(num_channels)
        self._image = np.zeros((height + ROWS_ABOVE, width + 2 * MARGIN), dtype=np.uint32)
        self._ranks = np.zeros(self._image.shape, dtype=np.uint8)
        self._unchanged = [0] * (width + 2)
        """Rows since a column's pixels last changed,"""
        self._since_change = 0
        """pixels since this row's did; both at most 255."""

    def run(self) -> None:
        """Code all rows."""
        for number, pixels in enumerate(self._pixels, ROWS_ABOVE):
            row = self._image[number]
            row[:MARGIN] = self._image[number - 1, MARGIN]
            self._since_change = 0
            for column in range(len(pixels)):
                row[MARGIN + column] = self._code(number, column, int(pixels[column]))
            row[-MARGIN:] = row[-MARGIN - 1]
            pixels[:] = row[MARGIN:-MARGIN]

    def _code(self, row: int, column: int, colour: int) -> int:
        around = look(self._image, row, MARGIN + column)
        west, rank = around.pixels[WEST], 0
        if around.is_flat and self._code_flat(around, column, colour == west):
            colour = west
        else:
            candidates = self._followers.candidates(around)
            history = self._history(row, MARGIN + column)
            colour, rank = self._code_choice(around, candidates, history, colour)
            self._followers.learn(around, colour)
        self._ranks[row, MARGIN + column] = rank
        rows = self._unchanged[column]
        self._unchanged[column] = min(rows + 1, 255) if colour == around.pixels[NORTH] else 0
        self._since_change = min(self._since_change + 1, 255) if colour == west else 0
        return colour

    def _code_flat(self, around: Around, column: int, is_same: bool) -> bool:
        """Code whether a plain area goes on."""
        west, rows, columns = around.pixels[WEST], self._unchanged[column], self._since_change
        ahead = (around.pixels[NORTH_EAST_3] != west) + 2 * (around.pixels[NORTH_EAST_4] != west)
        shape = mixed(west, ahead)
        contexts = [
            shape,
            mixed(shape, rows),
            mixed(shape, columns),
            mixed(mixed(west, rows), columns),
            mixed(column, min(rows, _MOST_ROWS)),
            mixed(self._unchanged[column + 2] << 8 | rows, ahead),
        ]
        selected = 0, min(rows, 15) * 16 + min(columns, 15)
        return bool(self._flat.decide(np.array(contexts), (), selected, int(is_same)))

    def _history(self, row: int, column: int) -> int:
        """Return how well four neighbours were guessed."""
        ranks = self._ranks
        near = ranks[row, column - 1], ranks[row - 1, column], ranks[row - 1, column + 1], ranks[row - 1, column - 1]
        return sum(min(int(rank), 2) * 3**place for rank, place in zip(near, (3, 2, 1, 0), strict=True))

    def _code_choice(self, around: Around, candidates: Candidates, history: int, colour: int) -> tuple[int, int]:
        """Code which candidate a colour is, or the colour itself; return it and its rank."""
        pixels = around.pixels
        west, order, run = pixels[WEST], candidates.order, candidates.run
        equal = sum((pixels[one] == pixels[other]) << number for number, (one, other) in enumerate(_EQUAL))
        row = mixed(mixed(west, pixels[WEST_2]), mixed(pixels[WEST_3], pixels[WEST_4]))
        column = mixed(mixed(pixels[NORTH], pixels[NORTH_2]), pixels[NORTH_3])
        above = mixed(pixels[NORTH_EAST], pixels[NORTH])
        for number, (candidate, source) in enumerate(candidates.sources.items()):
            rank = min(number, 7)
            contexts = [
                mixed(source, rank),
                mixed(order << 4 | min(run, 15), rank),
                mixed(equal | rank << 8, source),
                mixed(mixed(west, candidate), rank),
                mixed(history, rank | source << 4),
                mixed(candidate, above),
                mixed(row, candidate),
                mixed(column, candidate),
            ]
            selected = rank << 6 | order << 3 | min(run, 7), equal, rank * 81 + history, source & 1023
            if self._choice.decide(np.array(contexts), (), selected, int(candidate == colour)):
                return candidate, min(number, _MISSED - 1)
        return self._code_colour(around, candidates, colour), _MISSED

    def _code_colour(self, around: Around, candidates: Candidates, colour: int) -> int:
        """Code a colour that was no candidate, channel by channel."""
        known, so_far = 0, 0
        for place, channel in enumerate(self._order):
            described = channels.describe(around, list(candidates.sources), self._order, place, known, so_far)
            level = self._code_level(around, candidates.order, described, colour >> 8 * channel & 0xFF)
            known |= level << 8 * channel
            so_far = (so_far << 8) + level + 1
        return known

    def _code_level(self, around: Around, order: int, channel: channels.Channel, level: int) -> int:
        """Code a channel's eight bits, from the highest."""
        contexts, place, node = np.array(channel.contexts), channel.place, 1
        for bit in range(7, -1, -1):
            salt = (node | place << 8) * 0x9E3779B1 & 0xFFFFFFFF
            selected = 8 * place + bit, around.is_flat << 2 | place, channel.activity << 2 | place, order << 2 | place
            buckets = channel.buckets(node, bit)
            node = 2 * node + self._level.decide(contexts ^ salt, buckets, selected, level >> bit & 1)
        return node & 0xFF
