"""The distribution in Python integers, one lane at a time: the definition of ``pixelzip.cdf``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

TOTAL = 2**24


class Lane:
    """One pixel. ``head`` is 10 * mixtures integers, ``guess`` three levels, ``tables`` sequences of integers."""

    def __init__(self, head: Sequence[int], guess: Sequence[int], tables: Mapping[str, Sequence[int]]) -> None:
        self.tables, self.guess = tables, guess
        mixtures = len(head) // 10
        rows = [list(head[start : start + mixtures]) for start in range(0, len(head), mixtures)]
        best = max(rows[0])
        self.weights = normalised([tables["exponential"][min(best - logit, 384)] for logit in rows[0]])
        self.means = [[16 * guess[c] + offset for offset in rows[1 + c]] for c in range(3)]
        self.entries = [[min(max(s, -48), 80) + 48 for s in rows[4 + c]] for c in range(3)]
        self.inverse = [[tables["inverse_scale"][entry] for entry in self.entries[c]] for c in range(3)]
        self.coupling = [[min(max(c, -768), 768) for c in rows[7 + i]] for i in range(3)]

    def component_below(self, channel: int, boundary: int) -> list[int]:
        if boundary in (0, 256):
            return [0 if boundary == 0 else 2**16] * len(self.weights)
        below = []
        for mean, inverse in zip(self.means[channel], self.inverse[channel], strict=True):
            distance = 16 * boundary - 8 - min(max(mean, -4096), 8191)
            entry = (distance * inverse + (2**14 << 6)) >> 6
            below.append(self.tables["logistic"][min(max(entry, 0), 2**15 - 1)])
        return below

    def counts_below(self, channel: int, boundary: int) -> int:
        mixed = sum(w * c for w, c in zip(self.weights, self.component_below(channel, boundary), strict=True))
        return (mixed >> 6) - (mixed >> 20) + 4 * boundary

    def high_counts(self, channel: int) -> list[int]:
        return [b - a for a, b in pairwise(self.counts_below(channel, 16 * j) for j in range(17))]

    def low_counts(self, channel: int, high: int) -> list[int]:
        below = [self.counts_below(channel, 16 * high + j) for j in range(17)]
        width = below[16] - below[0]
        ends = [(b - below[0]) * (TOTAL - 16) // width + j for j, b in enumerate(below)]
        return [b - a for a, b in pairwise(ends)]

    def observe(self, channel: int, level: int) -> None:
        left, right = self.component_below(channel, level), self.component_below(channel, level + 1)
        self.weights = normalised([w * (b - a + 1) for w, a, b in zip(self.weights, left, right, strict=True)])
        residual = level - self.guess[channel]
        for later, row in ((1, 0), (2, 1)) if channel == 0 else ((2, 2),):
            self.means[later] = [
                m + (c * residual >> 4) for m, c in zip(self.means[later], self.coupling[row], strict=True)
            ]


def normalised(shares: list[int]) -> list[int]:
    cumulative = [0, *accumulate(shares)]
    return [b - a for a, b in pairwise(c * 2**14 // cumulative[-1] for c in cumulative)]
