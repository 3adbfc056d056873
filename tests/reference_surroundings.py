"""Section 12.6 of docs/format.md, one number at a time: order and features of networks with surroundings."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reference_jpeg import ZIGZAG, Block, ComponentLevels, Levels, Reader, companded

NEAR = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
OWN = ((-1, 0), (0, -1), (-1, -1), (-2, 0), (0, -2), (-1, 1), (1, -1), (-3, 0), (0, -3), (-2, -1), (-1, -2))
BEFORE = {
    **dict.fromkeys(((-1, 0), (0, -1)), 3),
    **dict.fromkeys(((-1, -1), (-1, 1), (1, -1)), 2),
    **dict.fromkeys(((-2, 0), (0, -2), (-2, 1), (1, -2), (2, -1), (-1, 2)), 1),
}
AROUND = {(down, right): 4 >> abs(down) + abs(right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
SLOPES = [round(181 * (math.cos(math.pi * k / 16) - math.cos(3 * math.pi * k / 16))) for k in range(8)]
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))


def number_at(row: int, column: int) -> int | None:
    return ZIGZAG.index((row, column)) if (row, column) in ZIGZAG else None


def halving() -> list[list[list[int]]]:
    """Return M_half[u][x]: 1024 times what frequency x of a half gives to frequency u of the halved samples."""

    def wave(frequency: int, place: int) -> float:
        scale = math.sqrt((2 if frequency else 1) / 8)
        return scale * math.cos(math.pi * (2 * place + 1) * frequency / 16)

    def entry(half: int, u: int, x: int) -> int:
        pairs = ((wave(x, 2 * i) + wave(x, 2 * i + 1)) / 2 for i in range(4))
        return round(1024 * sum(wave(u, 4 * half + i) * pair for i, pair in enumerate(pairs)))

    return [[[entry(half, u, x) for x in range(8)] for u in range(8)] for half in range(2)]


WHOLE = [[[1024 * (u == x) for x in range(8)] for u in range(8)]]
HALVES = halving()


def mean(total: int, count: int) -> int:
    return min(127, math.floor(4 * math.log2(1 + 4096 * total // count) + 1e-9))


class SurroundingsReader(Reader):
    """Knows which levels of which components are known when one is coded."""

    def __init__(self, components: list[ComponentLevels], lasts: list[int]) -> None:
        super().__init__(components, lasts)
        self.found: dict[tuple[object, ...], int] = {}  # what ``busy`` has found already, and ``products``
        self.reduced = [self._reduced(kind) if kind else [] for kind in range(len(components))]

    def covered(self, kind: int) -> Block:
        (rows, columns), (luma_rows, luma_columns) = self.shape(kind), self.shape(0)
        return -(-luma_rows // rows), -(-luma_columns // columns)

    def _reduced(self, kind: int) -> Levels:
        """Return luma's coefficients at the resolution of another component."""
        (rows, columns), (down, across) = self.shape(kind), self.covered(kind)
        first, second = (HALVES if count == 2 else WHOLE for count in (down, across))
        result = [[[0] * columns for _ in range(rows)] for _ in range(64)]
        for row in range(rows):
            for column in range(columns):
                sums = [[0] * 8 for _ in range(8)]
                for p in range(down):
                    for r in range(across):
                        block = down * row + p, across * column + r
                        for k, (x, y) in enumerate(ZIGZAG):
                            value = self.coefficient(0, k, block)
                            for u in range(8) if value else ():
                                for v in range(8):
                                    sums[u][v] += first[p][u][x] * second[r][v][y] * value
                for k, (u, v) in enumerate(ZIGZAG):
                    result[k][row][column] = (sums[u][v] + 2**19) >> 20
        return result

    def phases(self, kind: int) -> Iterator[tuple[int, list[Block], int]]:
        rows, columns = self.shape(kind)
        blocks = [(row, column) for row in range(rows) for column in range(columns)]
        for step in range(columns + 2 * (rows - 1)):
            yield 0, [block for block in blocks if block[1] + 2 * block[0] == step], 0
        for frequency in range(1, self.lasts[kind] + 1):
            for phase, place in enumerate(PHASES):
                some = [block for block in blocks if (block[0] % 2, block[1] % 2) == place]
                if some:
                    yield frequency, some, phase

    def step(self, kind: int, frequency: int) -> int:
        return self.components[kind][0][frequency]

    def coefficient(self, kind: int, frequency: int, block: Block) -> int:
        return self.level(kind, frequency, block) * self.step(kind, frequency)

    def other(self, kind: int, which: int, frequency: int, block: Block) -> int | None:
        """Return a coefficient of the component before of the same shape, or of luma at this one's resolution."""
        before = self.earlier(kind)
        if which == 0:
            return None if before is None else self.coefficient(before, frequency, block)
        if kind == 0:
            return None
        return self.reduced[kind][frequency][block[0]][block[1]] if self.is_inside(kind, block) else 0

    def total(self, kind: int, frequency: int, width: int, block: Block) -> int:
        """Sum magnitudes of the ``width`` frequencies before one."""
        return sum(abs(self.level(kind, k, block)) for k in range(max(1, frequency - width), frequency))

    def busy(self, kind: int, frequency: int, block: Block, which: int | None) -> int:
        """Return eight times a mean of magnitudes, of the block itself or (``which``) of another component's."""
        key = kind, frequency, block, which
        if key not in self.found:
            self.found[key] = self._busy(*key)
        return self.found[key]

    def _busy(self, kind: int, frequency: int, block: Block, which: int | None) -> int:
        u, v = ZIGZAG[frequency]
        total = weights = 0
        for (down, right), weight in (BEFORE if which is None else AROUND).items():
            k = number_at(u + down, v + right)
            if k and (k < frequency or which is not None):
                value = self.coefficient(kind, k, block) if which is None else self.other(kind, which, k, block)
                total += weight * abs(value or 0)
                weights += weight
        return 8 * total // (max(1, weights) * self.step(kind, frequency))

    def guess(self, kind: int, frequency: int, block: Block, which: int) -> int:
        places = [block, block, *((block[0] + down, block[1] + right) for down, right in NEAR[:4])]
        products = sum(self.products(kind, frequency, place, which, False) for place in places)
        squares = sum(self.products(kind, frequency, place, which, True) for place in places)
        step, value = self.step(kind, frequency), self.other(kind, which, frequency, block) or 0
        return max(-1000, min(1000, 4 * products * value // ((squares + 4 * step * step) * step)))

    def products(self, kind: int, frequency: int, block: Block, which: int, are_squares: bool) -> int:
        """Sum products of our coefficients and theirs, or theirs and theirs, over the frequencies before one."""
        key = kind, frequency, block, which, are_squares
        if frequency == 1:
            return 0
        if key not in self.found:
            theirs = self.other(kind, which, frequency - 1, block) or 0
            ours = theirs if are_squares else self.coefficient(kind, frequency - 1, block)
            self.found[key] = self.products(kind, frequency - 1, block, which, are_squares) + ours * theirs
        return self.found[key]

    def mean_features(self, kind: int, block: Block) -> list[int]:
        expected, west, north, northwest = self.expected(kind, block)
        (row, column), step = block, self.step(kind, 0)

        def level(down: int, right: int, otherwise: int) -> int:
            place = row + down, column + right
            return self.level(kind, 0, place) if self.is_inside(kind, place) else otherwise

        northeast = level(-1, 1, north)
        others = level(0, -2, west), level(-2, 0, north), level(-2, 1, northeast)
        values = [4 * (value - expected) for value in (west, north, northwest, northeast, *others)]
        errors = [self.error(kind, (row + y, column + x)) for y, x in ((0, -1), (-1, 0), (-1, -1), (-1, 1))]
        values += [abs(error) for error in errors] + [4 * error for error in errors]
        before = self.earlier(kind)
        values.append(0 if before is None else 4 * self.error(before, block) * self.step(before, 0) // step)
        for which in range(2):
            for down, right in NEAR:
                place = row + down, column + right
                here, there = self.other(kind, which, 0, block), self.other(kind, which, 0, place)
                is_there = here is not None and there is not None and self.is_inside(kind, place)
                values.append(4 * (here - there) // step if is_there else 0)
        values.append(self.activity(kind, block))
        values.append(0 if before is None else self.total(before, 64, 64, block))
        return [companded(value) for value in [*values, *[0] * (62 - len(values))]]

    def edge(self, kind: int, block: Block, side: int, last: int, target: int, weights: list[int]) -> int:
        """Sum over known frequencies of what a block has at an edge: above, below, left, right."""
        total = 0
        for k in range(last + 1):
            along, across = ZIGZAG[k][::-1] if side < 2 else ZIGZAG[k]
            if along == target:
                total += (-1 if side % 2 and across % 2 else 1) * weights[across] * self.coefficient(kind, k, block)
        return total

    def told(self, kind: int, frequency: int, block: Block, phase: int) -> list[int]:
        if frequency == 0:
            return self.mean_features(kind, block)
        (row, column), (u, v), q = block, ZIGZAG[frequency], self.step(kind, frequency)
        near = [(row + down, column + right) for down, right in NEAR]

        def is_known(place: Block) -> bool:
            return self.is_inside(kind, place) and PHASES.index((place[0] % 2, place[1] % 2)) < phase

        def scaled(k: int, place: Block) -> int:
            return 4 * self.coefficient(kind, k, place) // q

        own = [number_at(u + down, v + right) for down, right in OWN]
        values = [scaled(k, block) if k is not None and k < frequency else 0 for k in own]
        same = [4 * self.level(kind, frequency, place) if is_known(place) else 0 for place in near]
        gaps, slopes, next_to = [], [], []
        edges = [128] + [181] * 7
        for side, place in enumerate(near[:4]):
            along, across = (v, u) if side < 2 else (u, v)
            sign = -1 if side % 2 and across % 2 else 1
            last = frequency - (not is_known(place))
            gap = self.edge(kind, place, side ^ 1, last, along, edges)
            gap -= self.edge(kind, block, side, frequency - 1, along, edges)
            gaps.append(4 * sign * gap * self.is_inside(kind, place) // (edges[across] * q))
            slopes.append(4 * sign * self.edge(kind, place, side ^ 1, last, along, SLOPES) // (256 * q))
            k = number_at(u - 1, v) if side < 2 else number_at(u, v - 1)
            next_to.append(0 if k is None else scaled(k, place) - (scaled(0, block) if k == 0 else 0))
        down, across = (gaps[0] + gaps[1]) // 2, (gaps[2] + gaps[3]) // 2
        values += [*same, *gaps, down, across, (down + across) // 2, *slopes, *next_to]
        values += [sum(map(abs, same)), sum(same[:4]) // 2]
        values += [self.busy(kind, frequency, place, None) for place in near[:4]]
        values += [self.total(kind, frequency, 3, place) for place in near[:4]]
        values.append(sum(self.busy(kind, frequency, place, None) for place in near[4:]))
        values.append(sum(self.total(kind, frequency, 3, place) for place in near[4:]))
        values.append(sum(self.total(kind, frequency + is_known(place), 64, place) for place in near[:4]))
        inside = [place for place in near[:4] if self.is_inside(kind, place)]
        values += [sum(self.busy(kind, frequency, place, which) for place in inside) for which in range(2)]
        far = [(row + 2 * y, column + 2 * x) for y, x in NEAR[:4]]
        values.append(self.busy(kind, frequency, block, None))
        values.append(sum(self.busy(kind, frequency, place, None) for place in far))
        values += [self.total(kind, frequency, width, block) for width in (10, 3, 64)]
        for which in range(2):
            value = self.other(kind, which, frequency, block)
            values += [0 if value is None else 4 * value // q, self.busy(kind, frequency, block, which)]
            values.append(self.guess(kind, frequency, block, which))
        before = self.earlier(kind)
        values += [self.activity(kind, block), 0 if before is None else self.total(before, 64, 64, block)]
        return [companded(value) for value in values]

    def shared(self, kind: int, frequency: int, phase: int) -> list[int]:
        rows, columns = self.shape(kind)
        blocks = [(row, column) for row in range(rows) for column in range(columns)]
        result = [64 * (kind == other) for other in range(3)] + [64 * (phase == other) for other in range(4)]
        result += [companded(self.step(kind, k)) for k in (frequency, 0, 5)]
        down, across = self.covered(kind) if kind else (1, 1)
        result.append(64 * (down * across - 1) // 3)
        if frequency == 0:
            return [*result, *[0] * 6]

        def scaled(other: int, k: int | None) -> int:
            if not k:
                return 0
            total = sum(abs(self.level(other, k, block)) for block in blocks)
            return mean(total * self.step(other, k) // self.step(kind, frequency), len(blocks))

        (u, v), before = ZIGZAG[frequency], self.earlier(kind)
        result += [scaled(kind, k) for k in (number_at(u - 1, v), number_at(u, v - 1), frequency - 1)]
        known = [block for block in blocks if PHASES.index((block[0] % 2, block[1] % 2)) < phase]
        total = sum(abs(self.level(kind, frequency, block)) for block in known)
        result.append(mean(total, len(known)) if known else 0)
        result.append(0 if before is None else scaled(before, frequency))
        result.append(mean(sum(self.total(kind, frequency, 64, block) for block in blocks), len(blocks)))
        return result

    def group(self, kind: int, frequency: int) -> int:
        return 64 + sum(ZIGZAG[frequency]) if kind else frequency
