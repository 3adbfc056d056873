"""Stage 5 of 7: mixture parameters -> integer counts, (16, lanes) per nibble, each >= 1, summing to 2^24.

The discretised logistic mixture of PixelCNN++ (Salimans et al. 2017, sections 2.1 and 2.2), joint over R, G and B, in
int32. Encoder and decoder evaluate it with the same function, ``Distribution._component_cumulative``; the encoder asks
for the ends of one symbol's interval, the decoder for the whole table of a nibble.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from pixelzip.adaptation import Adaptation, adapted
from pixelzip.models.layers import PARAMETERS_PER_COMPONENT
from pixelzip.models.tables import (
    COUPLING_HIGH,
    COUPLING_STEPS,
    INVERSE_SCALE_BITS,
    LOG_SCALE_HIGH,
    LOG_SCALE_LOW,
    LOGISTIC_LENGTH,
    MEAN_STEPS,
    PROBABILITY_ONE,
)
from pixelzip.regression import Regression

COUNT_TOTAL: Final = 2**24
"""Counts of one nibble sum to this, the coder's precision."""

LEVELS: Final = 256
NIBBLE: Final = 16

WEIGHT_BITS: Final = 14
WEIGHT_ONE: Final = 1 << WEIGHT_BITS
MEAN_LOW: Final = -(2**12)
MEAN_HIGH: Final = 2**13 - 1
TABLE_ORIGIN: Final = LOGISTIC_LENGTH // 2 << INVERSE_SCALE_BITS
COUPLING_SHIFT: Final = (COUPLING_STEPS // MEAN_STEPS).bit_length() - 1
COUNT_SHIFT: Final = 6
FLOOR_SHIFT: Final = 20
FLOOR: Final = COUNT_TOTAL >> (FLOOR_SHIFT - COUNT_SHIFT + 8)
"""Least count of a level: the levels share the 2^-14 of the total that ``_counts_below`` sets aside."""


class Distribution:
    """The distribution of one sub-pixel after another, R, G, B, in n pixels (lanes).

    Lanes are the last, contiguous dimension of every tensor inside.

    Args:
        head: (n, 10 * mixtures) int32, the network's outputs.
        guess: (n, 3) int32, the predictor's levels, 0..255.
        tables: the model's int32 tables on the same device.
        adaptation: what the tiles have taught so far, at the same pixels; None: the model has no adaptive stage.
        regression: the same of the means.
    """

    def __init__(
        self,
        head: Tensor,
        guess: Tensor,
        tables: dict[str, Tensor],
        adaptation: Adaptation | None = None,
        regression: Regression | None = None,
    ) -> None:
        self._adaptation, self._regression = adaptation, regression
        self._logistic, self._inverse_scale = tables["logistic"], tables["inverse_scale"]
        split = head.t().contiguous().view(PARAMETERS_PER_COMPONENT, -1, head.shape[0])  # (10, mixtures, n) int32
        logits, offsets, log_scales, coupling = torch.split(split, [1, 3, 3, 3])
        below_best = (logits[0].amax(dim=0) - logits[0]).clamp_(max=len(tables["exponential"]) - 1)
        self._weights = _normalised(_look_up(tables["exponential"], below_best))  # (mixtures, n)
        self._log_scales = log_scales.clamp(LOG_SCALE_LOW, LOG_SCALE_HIGH).sub_(LOG_SCALE_LOW)  # (3, mixtures, n)
        self._inverse_scales = _look_up(tables["inverse_scale"], self._log_scales)  # (3, mixtures, n)
        self._coupling = _squashed(coupling, tables)  # (3, mixtures, n)
        self._guess = guess.t().contiguous()  # (3, n)
        self._slopes = self._inverse_scales * MEAN_STEPS  # (3, mixtures, n)
        self._means = offsets + MEAN_STEPS * self._guess[:, None]  # (3, mixtures, n)
        self._steps = torch.arange(1, NIBBLE, dtype=torch.int32, device=head.device)[:, None]  # (15, 1)
        self._high_ends = head.new_zeros((NIBBLE + 1, head.shape[0]))
        self._high_ends[NIBBLE] = COUNT_TOTAL
        self._low_ends = self._high_ends.clone()
        self._start(0)

    def high_counts(self) -> Tensor:
        """Return (16, n) int32 counts of the high nibble of the sub-pixel."""
        boundaries = (NIBBLE * self._steps).expand(-1, self._high_ends.shape[1])  # (15, n)
        self._high_ends[1:-1] = self._counts_below(boundaries)
        return self._high_ends[1:] - self._high_ends[:-1]

    def low_counts(self, high: Tensor) -> Tensor:
        """Return (16, n) int32 counts of the low nibble, given the (n,) int32 high nibble.

        ``high_counts`` of the same sub-pixel must have been called before.
        """
        ends = high[None].long()
        first, last = self._high_ends.gather(0, ends), self._high_ends.gather(0, ends + 1)  # (1, n)
        boundaries = NIBBLE * high + self._steps  # (15, n)
        below = self._counts_below(boundaries)
        torch.add(_conditional(below, first, last), self._steps, out=self._low_ends[1:-1])
        return self._low_ends[1:] - self._low_ends[:-1]

    def intervals(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return left cumulative and count of the high and the low nibble of (n,) int32 levels: two (2, n) int32."""
        high = levels >> 4
        low = levels - NIBBLE * high
        boundaries = torch.stack((NIBBLE * high, levels, levels + 1, NIBBLE * high + NIBBLE))  # (4, n)
        below = self._counts_below(boundaries)
        below = below.masked_fill_(boundaries == 0, 0).masked_fill_(boundaries == LEVELS, COUNT_TOTAL)
        first, left, right, last = below.unbind()
        ends = _conditional(torch.stack((left, right)), first, last).add_(torch.stack((low, low + 1)))  # (2, n)
        return torch.stack((first, ends[0])), torch.stack((last - first, ends[1] - ends[0]))

    def observe(self, levels: Tensor, is_last: bool) -> None:
        """Learn from the (n,) int32 levels of a channel, and go on to the next unless it is the last.

        Component weights become posterior weights, and the means of later channels move with the residual.
        """
        if self._regression is not None:
            self._regression.learn(self._channel, levels)
        if is_last and self._adaptation is None:
            return
        boundaries = torch.stack((levels, levels + 1))  # (2, n)
        below = self._component_cumulative(boundaries)  # (2, mixtures, n)
        below[0].masked_fill_(levels == 0, 0)
        below[1].masked_fill_(levels == LEVELS - 1, PROBABILITY_ONE)
        if self._adaptation is not None:
            self._adaptation.learn(self._channel, *self._mixed(below, boundaries))
        if is_last:
            return
        self._weights = _normalised(self._weights * (below[1] - below[0] + 1))
        residual = levels - self._guess[self._channel]
        if self._channel == 0:
            self._means[1:] += (self._coupling[:2] * residual) >> COUPLING_SHIFT
        else:
            self._means[2] += (self._coupling[2] * residual) >> COUPLING_SHIFT
        self._start(self._channel + 1)

    def _start(self, channel: int) -> None:
        """Prepare the table entry of boundary zero, (mixtures, n) int32, and what has been learned, for one channel."""
        self._channel = channel
        log_scale = self._weighted_mean(self._log_scales[channel])
        if self._regression is not None:
            means = self._means[channel].clamp_(MEAN_LOW, MEAN_HIGH)
            inverse_scale = _look_up(self._inverse_scale, log_scale)
            means += self._regression.shift(channel, self._weighted_mean(means), inverse_scale)
        means = self._means[channel].clamp(MEAN_LOW, MEAN_HIGH).add_(MEAN_STEPS // 2)
        self._origins = means.mul_(self._inverse_scales[channel]).neg_().add_(TABLE_ORIGIN)
        if self._adaptation is not None:
            self._bin_ends = self._adaptation.ends(channel, log_scale, COUNT_TOTAL - FLOOR * LEVELS)  # (17, n)

    def _weighted_mean(self, values: Tensor) -> Tensor:
        """Return the components' mean of (mixtures, n) int32 values, (n,) int32."""
        return (self._weights * values).sum(dim=0, dtype=torch.int32) >> WEIGHT_BITS

    def _counts_below(self, boundaries: Tensor) -> Tensor:
        """Return (m, n) int32 counts of the levels below (m, n) int32 boundaries in 1..255, after adaptation."""
        below = self._mixed(self._component_cumulative(boundaries), boundaries)
        if self._adaptation is None:
            return below
        return adapted(self._bin_ends, below.clamp_(max=COUNT_TOTAL - 1)).add_(boundaries, alpha=FLOOR)

    def _mixed(self, below: Tensor, boundaries: Tensor) -> Tensor:
        """Return (m, n) int32 counts that the mixture gives, from (m, mixtures, n) cumulatives of its components.

        With C the mixture's cumulative in 0..2^30, ``(C >> 6) - (C >> 20)`` is monotone in C and leaves 2^10 of 2^24
        to give every level a count of at least 4.
        """
        mixed = (below * self._weights).sum(dim=1, dtype=torch.int32)  # (m, n), 0..2^30
        return (mixed >> COUNT_SHIFT).sub_(mixed >> FLOOR_SHIFT).add_(boundaries, alpha=FLOOR)

    def _component_cumulative(self, boundaries: Tensor) -> Tensor:
        """Return (m, mixtures, n) int32: each logistic below each boundary (less half a level), 0..2^16.

        Entry of the table = (boundary - 1/2 - mean) / scale, in fixed point; every term stays below 2^30.
        """
        entries = torch.addcmul(self._origins, boundaries[:, None], self._slopes[self._channel])
        entries = entries.bitwise_right_shift_(INVERSE_SCALE_BITS).clamp_(0, LOGISTIC_LENGTH - 1)
        return _look_up(self._logistic, entries)


def _conditional(below: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Rescale counts in first..last to 0..2^24 - 16, which leaves one count for each of 16 symbols; int32.

    Dividend < 2^48, so the float64 quotient differs from an integer by at least 2^-24 or not at all: floor is exact.
    """
    scaled = (below - first).double().mul_(COUNT_TOTAL - NIBBLE)
    return scaled.div_(last - first).floor_().int()


def _normalised(shares: Tensor) -> Tensor:
    """Scale (mixtures, n) int32 shares >= 0 with sums in 1..2^31 to int32 weights that sum to 2^14 exactly.

    As above, floor is exact: dividend < 2^45, divisor < 2^31.
    """
    cumulative = shares.cumsum(dim=0, dtype=torch.float64)  # (mixtures, n), whole numbers below 2^31
    scaled = (cumulative * WEIGHT_ONE).div_(cumulative[-1]).floor_().int()
    scaled[1:] -= scaled[:-1].clone()
    return scaled


def _squashed(coupling: Tensor, tables: dict[str, Tensor]) -> Tensor:
    """Bound coupling coefficients: by the paper's tanh where the model has a table of it, else by a clamp."""
    if "tanh" not in tables:
        return coupling.clamp(-COUPLING_HIGH, COUPLING_HIGH)
    centre = len(tables["tanh"]) // 2
    return _look_up(tables["tanh"], coupling.clamp(-centre, centre).add_(centre))


def _look_up(table: Tensor, entries: Tensor) -> Tensor:
    return table.index_select(0, entries.view(-1)).view(entries.shape)
