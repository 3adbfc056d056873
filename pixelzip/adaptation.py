"""A part of stage 5: what a tile's symbols so far say about the network's distributions -> corrected ones, in integers.

A distribution is right when the quantiles of what is coded, where in it each symbol lay, are spread evenly. For each
channel and context their histogram is kept, 16 bins, and a cumulative count is mapped through the histogram's. Contexts
are how wide the distribution is, whether the neighbours were lower or higher than predicted, and the quantile of
the previous channel. Everything is learned wavefront by wavefront, in each tile anew.

Wu and Memon, "Context-based, adaptive, lossless image coding" (1997), correct a predictor's mean by context in this
way; here the whole distribution is corrected.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from pixelzip.lanes import Index, Lanes

NUM_BINS: Final = 16
BIN_BITS: Final = 20
"""Cumulative counts lie in 16 bins of 2^20."""

NUM_SPREADS: Final = 16
NUM_ERRORS: Final = 3
NUM_PREVIOUS: Final = 5
NUM_CONTEXTS: Final = NUM_SPREADS * NUM_ERRORS * NUM_PREVIOUS

SYMBOL_MASS: Final = 64
"""What one symbol adds, spread over the bins that its interval covers."""

FIRST_COUNT: Final = 256
COUNT_LIMIT: Final = 2**16
"""Where a histogram's total reaches it, all its counts are halved."""

UNIFORM_SHIFT: Final = 10
"""Every bin is given 2^-10 of the total more than it has."""

ERROR_LIMIT: Final = 120
MIDDLE: Final = 128
"""The quantile, in 1/256, of a pixel outside the tile."""

PREVIOUS_LIMITS: Final = (48, 104, 152, 208)
NO_PREVIOUS: Final = 2

SPREAD_LOW: Final = 32
SPREAD_SHIFT: Final = 3


class Adaptation:
    """The histograms of a batch of tiles. ``heights`` and ``widths`` are (tiles,)."""

    def __init__(self, heights: Index, widths: Index, device: torch.device) -> None:
        self.device = device
        self._pitch = widths + 2  # a margin on the left, right and top
        areas = self._pitch * (heights + 1)
        self._first = np.concatenate(([0], np.cumsum(areas)))[:-1]
        self._quantiles = torch.full((3, int(areas.sum())), MIDDLE, dtype=torch.int32, device=device)
        shape = (3 * len(heights) * NUM_CONTEXTS, NUM_BINS)
        self._counts = torch.full(shape, FIRST_COUNT, dtype=torch.int32, device=device)
        self._limits = torch.tensor(PREVIOUS_LIMITS, dtype=torch.int32, device=device)

    def begin(self, lanes: Lanes) -> None:
        """Go on to the pixels of a step."""
        pitch = self._pitch[lanes.tile]
        here = self._first[lanes.tile] + (lanes.row + 1) * pitch + lanes.column + 1
        self._here = self._to_device(here)
        self._around = self._to_device(np.stack((here - 1, here - pitch, here - pitch + 1, here - pitch - 1)))
        self._tile = self._to_device(lanes.tile)

    def ends(self, channel: int, log_scale: Tensor, total: int) -> Tensor:
        """Return where the ends of the bins are mapped to, 0 to ``total``, (17, n) int32.

        ``log_scale`` is (n,) int32, an entry of the table of inverse scales.
        """
        self._rows = self._contexts(channel, log_scale)
        counts = self._counts.index_select(0, self._rows)  # (n, bins)
        shares = counts + (counts.sum(dim=1, keepdim=True) >> UNIFORM_SHIFT)
        cumulative = shares.t().cumsum(dim=0, dtype=torch.float64)  # (bins, n), whole numbers
        ends = (cumulative * total).div_(cumulative[-1]).floor_().int()  # exact: dividends below 2^53
        return torch.cat((torch.zeros_like(ends[:1]), ends))

    def learn(self, channel: int, left: Tensor, right: Tensor) -> None:
        """Add symbols with the (n,) int32 intervals that the network gave them in the contexts asked for last."""
        self._quantiles[channel].index_copy_(0, self._here, (left + right) >> 17)
        first = torch.arange(NUM_BINS, device=self.device, dtype=torch.int32)[:, None] << BIN_BITS  # (bins, 1)
        overlap = (torch.minimum(right, first + (1 << BIN_BITS)) - torch.maximum(left, first)).clamp_(min=0)
        mass = (overlap.double() * SYMBOL_MASS).div_(right - left).floor_().int()  # (bins, n)
        self._counts.index_add_(0, self._rows, mass.t().contiguous())
        counts = self._counts.index_select(0, self._rows)
        is_full = counts.sum(dim=1, keepdim=True) >= COUNT_LIMIT
        self._counts.index_copy_(0, self._rows, torch.where(is_full, counts >> 1, counts))

    def _contexts(self, channel: int, log_scale: Tensor) -> Tensor:
        spread = ((log_scale - SPREAD_LOW) >> SPREAD_SHIFT).clamp_(0, NUM_SPREADS - 1)
        west, north, northeast, northwest = self._quantiles[channel][self._around]
        error = 2 * west + 2 * north + northeast + northwest - 6 * MIDDLE
        direction = 1 + (error > ERROR_LIMIT).int() - (error < -ERROR_LIMIT).int()
        previous = torch.full_like(spread, NO_PREVIOUS)
        if channel:
            quantile = self._quantiles[channel - 1].index_select(0, self._here)
            previous = torch.bucketize(quantile, self._limits, out_int32=True, right=True)
        context = (spread * NUM_ERRORS + direction) * NUM_PREVIOUS + previous
        rows: Tensor = (self._tile * 3 + channel) * NUM_CONTEXTS + context
        return rows

    def _to_device(self, index: Index) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(index)).to(self.device)


def adapted(ends: Tensor, below: Tensor) -> Tensor:
    """Map (m, n) int32 cumulative counts below 2^24 through (17, n) ends of bins."""
    bins = (below >> BIN_BITS).long()
    first, last = ends.gather(0, bins), ends.gather(0, bins + 1)
    within = (below & ((1 << BIN_BITS) - 1)).long()
    return first + (((last - first) * within) >> BIN_BITS).int()
