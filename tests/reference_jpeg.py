"""Section 12.2 and 12.3 of docs/format.md, one number at a time: the order of levels, and what is told of each.

``components`` are (steps, levels) with 64 steps and levels[frequency][row][column], in the order of frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

Levels: TypeAlias = list[list[list[int]]]
ComponentLevels: TypeAlias = tuple[list[int], Levels]
Block: TypeAlias = tuple[int, int]

ABOVE, BELOW, LEFT, RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)


def zigzag() -> list[Block]:
    """Return (row, column) of each frequency, walking along the diagonals as T.81's figure A.6 does."""
    order = []
    for diagonal in range(15):
        places = [(row, diagonal - row) for row in range(8) if 0 <= diagonal - row < 8]
        order += places if diagonal % 2 else places[::-1]
    return order


ZIGZAG = zigzag()


def companded(value: int) -> int:
    magnitude = min(abs(value), 255)
    return int(math.copysign(min(127, math.floor(16 * math.log2(1 + magnitude) + 1e-9)), value)) if value else 0


class Reader:
    """Knows which levels of which components are known when one is coded."""

    def __init__(self, components: list[ComponentLevels], lasts: list[int]) -> None:
        self.components, self.lasts = components, lasts
        self.shapes = [(len(levels[0]), len(levels[0][0])) for _, levels in components]
        self.befores = [self._earlier(kind) for kind in range(len(components))]

    def steps(self, kind: int) -> Iterator[tuple[int, list[Block], bool]]:
        rows, columns = self.shape(kind)
        blocks = [(row, column) for row in range(rows) for column in range(columns)]
        for step in range(columns + 2 * (rows - 1)):
            yield 0, [block for block in blocks if block[1] + 2 * block[0] == step], False
        for frequency in range(1, self.lasts[kind] + 1):
            for odd in (0, 1):
                yield frequency, [block for block in blocks if sum(block) % 2 == odd], bool(odd)

    def shape(self, kind: int) -> Block:
        return self.shapes[kind]

    def is_inside(self, kind: int, block: Block) -> bool:
        rows, columns = self.shape(kind)
        return 0 <= block[0] < rows and 0 <= block[1] < columns

    def level(self, kind: int, frequency: int, block: Block) -> int:
        return self.components[kind][1][frequency][block[0]][block[1]] if self.is_inside(kind, block) else 0

    def expected(self, kind: int, block: Block) -> tuple[int, int, int, int]:
        """Return what is expected of a mean, and its neighbours W, N, NW."""
        row, column = block
        west, north = self.level(kind, 0, (row, column - 1)), self.level(kind, 0, (row - 1, column))
        northwest = self.level(kind, 0, (row - 1, column - 1))
        if row == 0:
            north = northwest = west
        elif column == 0:
            west = northwest = north
        return max(min(west, north), min(max(west, north), west + north - northwest)), west, north, northwest

    def error(self, kind: int, block: Block) -> int:
        if not self.is_inside(kind, block):
            return 0
        return self.level(kind, 0, block) - self.expected(kind, block)[0]

    def earlier(self, kind: int) -> int | None:
        return self.befores[kind]

    def _earlier(self, kind: int) -> int | None:
        same = [other for other in range(kind) if self.shape(other) == self.shape(kind)]
        return same[-1] if same else None

    def activity(self, kind: int, block: Block) -> int:
        if kind == 0:
            return 0
        (rows, columns), (luma_rows, luma_columns) = self.shape(kind), self.shape(0)
        down, across = -(-luma_rows // rows), -(-luma_columns // columns)
        total = 0
        for row in range(down * block[0], down * (block[0] + 1)):
            for column in range(across * block[1], across * (block[1] + 1)):
                total += sum(abs(self.level(0, other, (row, column))) for other in range(1, self.lasts[0] + 1))
        return total // (down * across)

    def mean_features(self, kind: int, block: Block) -> list[int]:
        row, column = block
        expected, west, north, northwest = self.expected(kind, block)
        northeast = self.level(kind, 0, (row - 1, column + 1)) if self.is_inside(kind, (row - 1, column + 1)) else north
        far = self.level(kind, 0, (row, column - 2)) if column >= 2 else west
        values = [4 * (value - expected) for value in (west, north, northwest, northeast, far)]
        around = (row, column - 1), (row - 1, column), (row - 1, column - 1), (row - 1, column + 1)
        values += [abs(self.error(kind, other)) for other in around]
        other, steps = self.earlier(kind), self.components[kind][0]
        values.append(0 if other is None else 4 * self.error(other, block) * self.components[other][0][0] // steps[0])
        return [companded(value) for value in [*values, self.activity(kind, block), *[0] * 16, steps[0]]]

    def features(self, kind: int, frequency: int, block: Block, is_second: bool) -> list[int]:
        if frequency == 0:
            return self.mean_features(kind, block)
        steps = self.components[kind][0]
        (row, column), (u, v), q = block, ZIGZAG[frequency], steps[frequency]

        def known_until(other: Block) -> int:
            """The last frequency that is known of a block."""
            return frequency if is_second and sum(other) % 2 == 0 else frequency - 1

        def busy(other: Block, width: int) -> int:
            last = known_until(other)
            return sum(abs(self.level(kind, index, other)) for index in range(max(1, last - width + 1), last + 1))

        values = []
        for down, right in ((-1, 0), (0, -1), (-1, -1), (-2, 0), (0, -2), (-1, 1), (1, -1)):
            place = u + down, v + right
            index = ZIGZAG.index(place) if place in ZIGZAG else 64
            values.append(4 * self.level(kind, index, block) * steps[index] // q if index < frequency else 0)
        values += [busy(block, 10), busy(block, 3), busy(block, 63)]
        around = [(row + down, column + right) for down, right in (ABOVE, BELOW, LEFT, RIGHT)]
        values += [4 * self.level(kind, frequency, other) if is_second else 0 for other in around]
        values += [busy(other, 3) for other in around]
        values.append(sum(busy((row + down, column + right), 3) for down in (-1, 1) for right in (-1, 1)))
        values.append(sum(busy(other, 63) for other in around))

        def edge(other: Block, side: int) -> int:
            """What a block has at an edge: 0 above, 1 below, 2 left, 3 right."""
            total = 0
            for index in range(known_until(other) + 1):
                along, across = ZIGZAG[index][::-1] if side < 2 else ZIGZAG[index]
                if along == (v if side < 2 else u):
                    sign = -1 if side % 2 and across % 2 else 1
                    total += sign * (181 if across else 128) * self.level(kind, index, other) * steps[index]
            return total

        for side, other in enumerate(around):
            across = u if side < 2 else v
            gap = edge(other, side ^ 1) - edge(block, side) if self.is_inside(kind, other) else 0
            gap *= -1 if side % 2 and across % 2 else 1
            values.append(4 * gap // ((181 if across else 128) * q))
        before = self.earlier(kind)
        if before is None:
            values += [0, 0]
        else:
            values.append(4 * self.level(before, frequency, block) * self.components[before][0][frequency] // q)
            ahead = range(frequency, min(64, frequency + 4))
            values.append(sum(abs(self.level(before, index, block)) for index in ahead))
        return [companded(value) for value in [*values, self.activity(kind, block), q]]
