"""A part of stage 4: the pixels so far of a batch of tiles, and a network's inputs made from them.

Mirrors ``pixelzip.models.features`` and ``pixelzip.models.two_stream.pixel_inputs`` in integers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelzip.lanes import Index, Lanes
from pixelzip.models.config import CONTEXT, POSITION_STEP
from pixelzip.models.layers import Tap
from pixelzip.models.paper import PIXEL_CENTRE, PRESENT

_TOP: Final = 3
_LEFT: Final = 4
_RIGHT: Final = 3
"""Margins around every tile, as wide as taps on pixels reach."""


class Pixels:
    """The pixels of a batch of tiles, with margins.

    ``heights`` and ``widths`` are (tiles,); ``origins`` (tiles, 2) say at which row and column of ``period`` each tile
    starts.
    """

    def __init__(self, heights: Index, widths: Index, period: int, origins: Index, device: torch.device) -> None:
        self.device = device
        self._heights, self._period, self._origins = heights, period, origins
        one_hot = POSITION_STEP * torch.eye(period, dtype=torch.int16, device=device)
        by_row, by_column = one_hot.repeat_interleave(period, dim=0), one_hot.repeat(period, 1)
        self._positions = torch.cat((by_row, by_column), dim=1)  # (period^2, 2 * period)
        self._pitch = widths + _LEFT + _RIGHT
        areas = self._pitch * (heights + _TOP)
        self._first_pixel = np.concatenate(([0], np.cumsum(areas)))[:-1]
        self._pixels = torch.zeros((int(areas.sum()), 4), dtype=torch.int16, device=device)  # R, G, B, present
        self._set_margin(np.arange(len(heights)), np.zeros(len(heights), dtype=np.int64), 128)

    def load(self, tiles: list[NDArray[np.uint8]]) -> None:
        """Give all pixels of all tiles, each (h, w, 3) uint8."""
        stored = self._pixels.cpu()
        for view, tile in zip(self._views(stored), tiles, strict=True):
            inner = view[_TOP:, _LEFT:-_RIGHT]
            inner[..., :3] = torch.from_numpy(np.array(tile))
            inner[..., 3] = 1
            view[_TOP + 1 :, _LEFT - 1, :3] = inner[:-1, 0, :3]
        self._pixels.copy_(stored)

    def tiles(self) -> list[NDArray[np.uint8]]:
        """Return all tiles, each (h, w, 3) uint8, when all pixels have been given."""
        levels = self._pixels[:, :3].to(torch.uint8).cpu()
        return [view[_TOP:, _LEFT:-_RIGHT].numpy() for view in self._views(levels)]

    def _views(self, stored: Tensor) -> list[Tensor]:
        """View what is stored of each tile, with margins: (h + _TOP, w + _LEFT + _RIGHT, values)."""
        shapes = list(zip((self._heights + _TOP).tolist(), self._pitch.tolist(), strict=True))
        parts = torch.split(stored, [height * pitch for height, pitch in shapes])
        return [part.view(*shape, -1) for part, shape in zip(parts, shapes, strict=True)]

    def store(self, lanes: Lanes, levels: Tensor) -> None:
        """Give the (n, 3) levels of the pixels of one step."""
        pixels = torch.cat((levels.short(), levels.new_ones((len(lanes), 1), dtype=torch.int16)), dim=1)
        self._pixels.index_copy_(0, self._places(lanes), pixels)
        starts = np.flatnonzero((lanes.column == 0) & (lanes.row + 1 < self._heights[lanes.tile]))
        if len(starts):
            self._set_margin(lanes.tile[starts], lanes.row[starts] + 1, levels[self._to_device(starts)].short())

    def levels(self, lanes: Lanes) -> Tensor:
        """Return the (3, n) int32 levels of pixels that have been given."""
        return self._pixels.index_select(0, self._places(lanes))[:, :3].t().int()

    def features(self, lanes: Lanes) -> tuple[Tensor, Tensor]:
        """Return the cone family's inputs (n, features) int8 and the guesses (n, 3) int32."""
        gathered = self._gathered(lanes, _TAP_ROWS, _TAP_COLUMNS)  # (n, 1 + taps, 4)
        reference = gathered[:, 0, :3]  # (n, 3)
        differences = (gathered[:, 1:, :3] - reference[:, None]).mul_(gathered[:, 1:, 3:])  # (n, taps, 3)
        north, northwest = differences[:, _NORTH], differences[:, _NORTHWEST]
        edge = torch.minimum(torch.maximum(north - northwest, north.clamp(max=0)), north.clamp(min=0))
        inputs = [differences.view(len(lanes), -1), edge, reference - 128]
        if self._period:
            inputs.append(self._positions.index_select(0, self._period_places(lanes)))
        return torch.cat(inputs, dim=1).clamp_(-127, 127).to(torch.int8), (reference + edge).int()

    def surroundings(self, lanes: Lanes, taps: tuple[Tap, ...]) -> Tensor:
        """Return the paper's inputs at taps, (n, 4 * taps) int8: centred R, G, B, and a constant; zero outside."""
        rows, columns = np.array(taps).T
        gathered = self._gathered(lanes, rows, columns)  # (n, taps, 4)
        inputs = (gathered - _CENTRES.to(self.device)).mul_(gathered[..., 3:])
        return inputs.view(len(lanes), -1).to(torch.int8)

    def _period_places(self, lanes: Lanes) -> Tensor:
        first = self._origins[lanes.tile]  # (n, 2)
        row, column = (first[:, 0] + lanes.row) % self._period, (first[:, 1] + lanes.column) % self._period
        return self._to_device(row * self._period + column)

    def _gathered(self, lanes: Lanes, rows: Index, columns: Index) -> Tensor:
        """Return (n, taps, 4) int16: R, G, B and whether the pixel has been given."""
        pitch = self._pitch[lanes.tile]
        here = self._first_pixel[lanes.tile] + (lanes.row + _TOP) * pitch + lanes.column + _LEFT
        places = here[:, None] + rows * pitch[:, None] + columns  # (n, taps)
        return self._pixels.index_select(0, self._to_device(places.reshape(-1))).view(len(lanes), -1, 4)

    def _places(self, lanes: Lanes) -> Tensor:
        rows = (lanes.row + _TOP) * self._pitch[lanes.tile]
        return self._to_device(self._first_pixel[lanes.tile] + rows + lanes.column + _LEFT)

    def _set_margin(self, tile: Index, row: Index, levels: Tensor | int) -> None:
        """Store the reference of a row's first pixel to the left of it: the pixel above, or 128."""
        places = self._first_pixel[tile] + (row + _TOP) * self._pitch[tile] + _LEFT - 1
        self._pixels[self._to_device(places), :3] = levels

    def _to_device(self, index: Index) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(index)).to(self.device)


_TAPS: Final = np.array([(0, -1), *CONTEXT])
_TAP_ROWS: Final = _TAPS[:, 0]
_TAP_COLUMNS: Final = _TAPS[:, 1]
_NORTH: Final = CONTEXT.index((-1, 0))
_NORTHWEST: Final = CONTEXT.index((-1, -1))
_CENTRES: Final = torch.tensor([PIXEL_CENTRE] * 3 + [1 - PRESENT], dtype=torch.int16)
"""Subtracted from R, G, B and 1."""
