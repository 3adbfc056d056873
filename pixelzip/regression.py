"""A part of stage 5: what neighbours say of a sub-pixel's mean beyond the network -> how far to move it, in integers.

The network's errors are not white: in a tile, those of neighbours predict a part of the next one, and so do the levels
of neighbours. For each channel a linear regression learns how, from all pixels of the tile so far, those of late steps
more than those of early ones. In a tile that is cut into bands of rows each band learns by itself, and a little from
the others. Regressors are the errors of nine neighbours in all channels and of the pixel in earlier
channels, and the levels of six neighbours less the mixture's mean, or in earlier channels less the pixel's level; all
in units of a distribution's scale.

Li and Orchard, "Edge-directed prediction for lossless compression of natural images" (2001), section III, find the
weights of neighbours' levels in this way; here a network has predicted before. Sums are of integers and exact; the
equations are solved in IEEE doubles in an order that is fixed, so that every machine finds the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pixelzip.lanes import Index, Lanes
from pixelzip.models.layers import Tap
from pixelzip.models.tables import MEAN_STEPS

NEIGHBOURS: Final[tuple[Tap, ...]] = (
    *((0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0)),
    *((-1, -2), (-2, -1), (-2, 1)),
)
NUM_NEAREST: Final = 6
"""The first of them, whose levels count and not only their errors."""

MARGIN: Final = 2
"""Columns on either side of a tile, and rows above it, that neighbours may lie in."""

LARGEST: Final = 127
"""Of regressors and errors."""

UNIT_SHIFT: Final = 11
"""2^11 of what the table of inverse scales makes of sixteenths of a level are one unit: 1/43 of a scale."""

WEIGHT_BITS: Final = 12
"""Fractional bits of a weight."""

LARGEST_WEIGHT: Final = 2**15 - 1

RIDGE: Final = 2.0**18
"""Added to the sums of squares: without evidence weights are zero."""

STEPS_BETWEEN_SOLUTIONS: Final = 8
FORGET_SHIFT: Final = 3
"""2^-3 of the sums is forgotten at each solution."""

SHARE_OF_ALL: Final = 0.125
"""Of the sums of all bands of a tile, in the equations of each."""

_ABSENT: Final = -1


@dataclass
class _Equations:
    """Of a channel: products (bands, k, k) and with_error (bands, k), whole numbers in float64; weights (bands, k)."""

    products: Tensor
    with_error: Tensor
    weights: Tensor


class Regression:
    """The regressions of a batch of tiles. ``heights`` and ``widths`` are (tiles,).

    Tiles are cut into bands of ``band_rows`` rows; 0: each is one band. All tiles have as many bands as the highest.
    """

    def __init__(self, heights: Index, widths: Index, band_rows: int, device: torch.device) -> None:
        self.device = device
        self._has_bands, self._band_rows = band_rows > 0, band_rows or int(heights.max())
        self._bands_per_tile = -(-int(heights.max()) // self._band_rows)
        self._num_bands = len(heights) * self._bands_per_tile
        self._pitch = widths + 2 * MARGIN
        areas = self._pitch * (heights + MARGIN)
        self._first = np.concatenate(([0], np.cumsum(areas)))[:-1]
        self._errors = torch.zeros((3, int(areas.sum())), dtype=torch.int32, device=device)
        self._levels = torch.full_like(self._errors, _ABSENT)
        self._equations = [self._no_evidence(num_regressors(channel)) for channel in range(3)]

    def _no_evidence(self, count: int) -> _Equations:
        products = torch.zeros((self._num_bands, count, count), dtype=torch.float64, device=self.device)
        return _Equations(products, products[..., 0].clone(), products[..., 0].int())

    def begin(self, lanes: Lanes) -> None:
        """Go on to the pixels of a step."""
        pitch = self._pitch[lanes.tile]
        here = self._first[lanes.tile] + (lanes.row + MARGIN) * pitch + lanes.column + MARGIN
        around = np.stack([here + row * pitch + column for row, column in NEIGHBOURS])
        band = lanes.tile * self._bands_per_tile + lanes.row // self._band_rows  # ascending
        starts = np.searchsorted(band, np.arange(self._num_bands))
        lane = np.arange(len(lanes)) - starts[band]  # within its band
        self._most_lanes = int(lane.max()) + 1
        self._lane = self._to_device(lane)
        self._band, self._here, self._around = (self._to_device(index) for index in (band, here, around))
        errors = self._errors[:, self._around]  # (3, neighbours, n)
        self._shared = errors.transpose(0, 1).flatten(end_dim=1)  # (3 * neighbours, n)

    def shift(self, channel: int, mean: Tensor, inverse_scale: Tensor) -> Tensor:
        """Return what to add to the means of a channel, (n,) int32 in sixteenths of a level.

        ``mean`` is the mixture's, ``inverse_scale`` the entry of the table at its mean log-scale, both (n,) int32.
        """
        self._mean, self._inverse_scale = mean, inverse_scale
        self._regressors = torch.cat((self._shared, *self._levels_around(channel)))  # (k, n)
        weights = self._equations[channel].weights.index_select(0, self._band).t()  # (k, n)
        units = (weights * self._regressors).sum(dim=0, dtype=torch.int32)
        return (units >> (WEIGHT_BITS - UNIT_SHIFT)).div_(inverse_scale, rounding_mode="floor")

    def learn(self, channel: int, levels: Tensor) -> None:
        """Add the (n,) int32 levels of the channel asked for last."""
        error = _scaled(MEAN_STEPS * levels - self._mean, self._inverse_scale)
        self._errors[channel].index_copy_(0, self._here, error)
        self._levels[channel].index_copy_(0, self._here, levels)
        columns = torch.cat((self._regressors, error[None])).t().double()  # (n, k + 1)
        padded = columns.new_zeros((self._num_bands, self._most_lanes, columns.shape[1]))  # (bands, most lanes, k + 1)
        padded[self._band, self._lane] = columns
        sums = padded.mT @ padded  # exact: whole numbers below 2^53
        self._equations[channel].products += sums[:, :-1, :-1]
        self._equations[channel].with_error += sums[:, :-1, -1]

    def end_step(self, step: int) -> None:
        """Find new weights, and forget, when it is time to."""
        if step % STEPS_BETWEEN_SOLUTIONS != STEPS_BETWEEN_SOLUTIONS - 1:
            return
        for equations in self._equations:
            products, with_error = (self._shared_evidence(sums) for sums in (equations.products, equations.with_error))
            equations.weights = _rounded(_solution(products, with_error))
            for sums in (equations.products, equations.with_error):
                sums -= (sums * 2.0**-FORGET_SHIFT).floor_()

    def _shared_evidence(self, sums: Tensor) -> Tensor:
        """Add to the sums of each band, (bands, ...), a share of those of its tile; exact, for the share is 2^-3."""
        if not self._has_bands:
            return sums
        of_bands = sums.view(-1, self._bands_per_tile, *sums.shape[1:])  # (tiles, bands, ...)
        return (of_bands + SHARE_OF_ALL * of_bands.sum(dim=1, keepdim=True)).view_as(sums)

    def _levels_around(self, channel: int) -> list[Tensor]:
        """Return the regressors that are the channel's own, each (some, n)."""
        nearest = self._around[:NUM_NEAREST]
        own = []
        for other in range(channel, -1, -1):
            level = self._mean if other == channel else MEAN_STEPS * self._levels[other][self._here]
            around = self._levels[other][nearest]  # (nearest, n)
            difference = (MEAN_STEPS * around - level) * (around != _ABSENT)
            own.append(_scaled(difference, self._inverse_scale))
            if other < channel:
                own.append(self._errors[other][self._here][None])
        return own

    def _to_device(self, index: Index) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(index)).to(self.device)


def num_regressors(channel: int) -> int:
    """Return how many regressors a channel has."""
    return 3 * len(NEIGHBOURS) + NUM_NEAREST + channel * (1 + NUM_NEAREST)


def _scaled(difference: Tensor, inverse_scale: Tensor) -> Tensor:
    """Return differences, in sixteenths of a level, in units of their distributions' scales."""
    units = (difference * inverse_scale + (1 << (UNIT_SHIFT - 1))) >> UNIT_SHIFT
    return units.clamp_(-LARGEST, LARGEST)


def _solution(products: Tensor, with_error: Tensor) -> Tensor:
    """Solve (bands, k, k) equations for (bands, k) weights, float64, by elimination without exchanges.

    Only the upper triangle is read. Every operation is rounded by itself, a product before it is subtracted. No pivot
    is below the ridge, but for rounding.
    """
    matrix, solution = products.clone(), with_error.clone()
    matrix.diagonal(dim1=1, dim2=2).add_(RIDGE)
    count = matrix.shape[1]
    for k in range(count):
        factor = matrix[:, k, k + 1 :] / matrix[:, k, k, None]  # (bands, k left)
        matrix[:, k + 1 :, k + 1 :] -= factor[:, :, None] * matrix[:, k, None, k + 1 :]
        solution[:, k + 1 :] -= factor * solution[:, k, None]
    for k in reversed(range(count)):
        solution[:, k] /= matrix[:, k, k]
        solution[:, :k] -= matrix[:, :k, k] * solution[:, k, None]
    return solution


def _rounded(weights: Tensor) -> Tensor:
    units = (weights * 2**WEIGHT_BITS + 0.5).floor_()
    return units.clamp_(-LARGEST_WEIGHT, LARGEST_WEIGHT).int()
