"""The adaptive stage in Python integers, one tile at a time: the definition of ``pixelzip.adaptation``."""

from __future__ import annotations

from itertools import accumulate

from reference_cdf import Lane

TOTAL = 2**24
LARGEST = TOTAL - 4 * 256


class Histograms:
    """What one tile has taught so far."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.quantiles: dict[tuple[int, int, int], int] = {}
        self.counts: dict[tuple[int, ...], list[int]] = {}

    def quantile(self, row: int, column: int, channel: int) -> int:
        return self.quantiles.get((row, column, channel), 128)

    def context(self, lane: Lane, row: int, column: int, channel: int) -> tuple[int, ...]:
        log_scale = sum(w * e for w, e in zip(lane.weights, lane.entries[channel], strict=True)) >> 14
        spread = min(max((log_scale - 32) >> 3, 0), 15)
        weights = {(0, -1): 2, (-1, 0): 2, (-1, 1): 1, (-1, -1): 1}
        error = sum(w * self.quantile(row + r, column + c, channel) for (r, c), w in weights.items()) - 6 * 128
        direction = 0 if error < -120 else 2 if error > 120 else 1
        previous = 2
        if channel:
            previous = sum(self.quantile(row, column, channel - 1) >= limit for limit in (48, 104, 152, 208))
        return channel, spread, direction, previous

    def adapt(self, context: tuple[int, ...], below: list[int]) -> list[int]:
        """Map the counts below the boundaries 0 to 256."""
        counts = self.counts.setdefault(context, [256] * 16)
        shares = [count + (sum(counts) >> 10) for count in counts]
        ends = [cumulative * LARGEST // sum(shares) for cumulative in (0, *accumulate(shares))]
        mapped = []
        for boundary, count in enumerate(below[:-1]):
            place, within = divmod(count, 2**20)
            mapped.append(ends[place] + ((ends[place + 1] - ends[place]) * within >> 20) + 4 * boundary)
        return [*mapped, TOTAL]

    def add(self, context: tuple[int, ...], left: int, right: int) -> None:
        for place in range(16):
            overlap = min(right, place + 1 << 20) - max(left, place << 20)
            self.counts[context][place] += 64 * max(overlap, 0) // (right - left)

    def forget(self, contexts: set[tuple[int, ...]]) -> None:
        for context in contexts:
            if sum(self.counts[context]) >= 2**16:
                self.counts[context] = [count >> 1 for count in self.counts[context]]
