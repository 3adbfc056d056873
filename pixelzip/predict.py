"""Stage 4 of 7: pixels so far -> mixture parameters, one wavefront at a time. The one caller of a network.

All pixels of a step, in all tiles of a batch, are computed together ("lanes", see ``pixelzip.lanes``). Of every layer
that others look back on, only the last four of its own wavefronts are kept.

Every backend gives the same integers: see ``pixelzip.models.integer``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelzip.lanes import SLOPE, Grid, Index, Lanes
from pixelzip.models.config import CONTEXT, POINT, POSITION_STEP, ZERO_POINT, Layer
from pixelzip.models.integer import IntegerNetwork
from pixelzip.product import Product

_TOP: Final = 3
_LEFT: Final = 4
_RIGHT: Final = 3


class Predictor:
    """Runs a network over a batch of tiles.

    ``shapes`` are (height, width); ``origins`` say at which (row, column) of the network's period each tile starts, by
    default all at (0, 0).

    The caller walks the steps 0 to ``num_steps - 1``; the pixels of earlier steps must have been given to ``store`` (or
    all pixels to ``load``) by then.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        shapes: list[tuple[int, int]],
        device: torch.device,
        origins: list[tuple[int, int]] | None = None,
    ) -> None:
        self.device = device
        heights, widths = (np.array(sizes, dtype=np.int64) for sizes in zip(*shapes, strict=True))
        self._products = [Product(integers, device) for integers in network.layers]
        scales = sorted({integers.layer.scale for integers in network.layers})
        self._grids = {scale: Grid(heights, widths, scale) for scale in scales}
        self._waves = self._make_waves(network)
        self._period = network.config.period
        self._origins = np.array(origins or [(0, 0)] * len(shapes), dtype=np.int64)  # (tiles, 2)
        one_hot = POSITION_STEP * torch.eye(self._period, dtype=torch.int16, device=device)
        by_row, by_column = one_hot.repeat_interleave(self._period, dim=0), one_hot.repeat(self._period, 1)
        self._positions = torch.cat((by_row, by_column), dim=1)  # (period^2, 2 * period)
        self._pitch = widths + _LEFT + _RIGHT
        areas = self._pitch * (heights + _TOP)
        self._first_pixel = np.concatenate(([0], np.cumsum(areas)))[:-1]
        self._pixels = torch.zeros((int(areas.sum()), 4), dtype=torch.int16, device=device)  # R, G, B, present
        self._set_margin(np.arange(len(shapes)), np.zeros(len(shapes), dtype=np.int64), 128)
        self.num_steps = int((widths + SLOPE * (heights - 1)).max())

    def load(self, tiles: list[NDArray[np.uint8]]) -> None:
        """Give all pixels of all tiles, each (h, w, 3) uint8."""
        for index, tile in enumerate(tiles):
            height, width = tile.shape[:2]
            start, pitch = int(self._first_pixel[index]), int(self._pitch[index])
            stored = self._pixels[start : start + pitch * (height + _TOP)].view(height + _TOP, pitch, 4)
            inner = stored[_TOP:, _LEFT : _LEFT + width]
            inner[..., :3] = torch.from_numpy(np.array(tile)).to(self.device)
            inner[..., 3] = 1
            stored[_TOP + 1 :, _LEFT - 1, :3] = inner[:-1, 0, :3]

    def store(self, lanes: Lanes, levels: Tensor) -> None:
        """Give the (n, 3) levels of the pixels of one step."""
        pixels = torch.cat((levels.short(), levels.new_ones((len(lanes), 1), dtype=torch.int16)), dim=1)
        self._pixels.index_copy_(0, self._pixel_places(lanes), pixels)
        starts = np.flatnonzero((lanes.column == 0) & (lanes.row + 1 < self._grids[1].heights[lanes.tile]))
        if len(starts):
            self._set_margin(lanes.tile[starts], lanes.row[starts] + 1, levels[self._to_device(starts)].short())

    def levels(self, lanes: Lanes) -> Tensor:
        """Return the (3, n) int32 levels of pixels that have been given."""
        return self._pixels.index_select(0, self._pixel_places(lanes))[:, :3].t().int()

    def predict(self, step: int) -> tuple[Lanes, Tensor, Tensor] | None:
        """Return the pixels of a step, the head's outputs (n, 10 * mixtures) and the guesses (n, 3), both int32.

        None: the step has no pixels, as every other step of tiles one pixel wide.
        """
        at_step = {scale: grid.lanes(step) for scale, grid in self._grids.items()}
        lanes = at_step[1]
        if lanes is None:
            return None
        inputs, guess = self._features(lanes)
        outputs = {"features": inputs}
        places: dict[tuple[int, int, object], Tensor] = {}
        for product in self._products:
            layer = product.layer
            here = at_step[layer.scale]
            if here is None:
                continue
            if layer.taps == POINT and layer.scale == layer.source_scale:
                source = outputs[layer.source]
            else:
                key = (layer.source_scale, layer.scale, layer.taps)
                if key not in places:
                    places[key] = self._source_places(layer, here)
                source = self._waves[layer.source].index_select(0, places[key]).view(len(here), -1)
            output = product(source, outputs[layer.residual] if layer.residual else None)
            outputs[layer.name] = output
            if layer.name in self._waves:
                own = (layer.scale, layer.scale, POINT)
                if own not in places:
                    places[own] = self._to_device(self._grids[layer.scale].slots(here.tile, here.row, here.column))
                _words(self._waves[layer.name]).index_put_((places[own],), _words(output))
        return lanes, outputs["head"], guess

    def _source_places(self, layer: Layer, here: Lanes) -> Tensor:
        """Return (n * taps,) slots of the layer's inputs, taps fastest."""
        row, column = here.row, here.column
        if layer.scale > layer.source_scale:
            row, column = 2 * row + 1, 2 * column + 1
        elif layer.scale < layer.source_scale:
            row, column = (row - 1) // 2, (column - 1) // 2
        offsets = np.array(layer.taps)  # (taps, 2)
        tile = np.broadcast_to(here.tile[:, None], (len(here), len(offsets)))
        slots = self._grids[layer.source_scale].slots(
            tile, row[:, None] + offsets[:, 0], column[:, None] + offsets[:, 1]
        )
        return self._to_device(slots.reshape(-1))

    def _features(self, lanes: Lanes) -> tuple[Tensor, Tensor]:
        """Mirror ``pixelzip.models.pixelcnn.features`` in integers."""
        pitch = self._pitch[lanes.tile]
        here = self._first_pixel[lanes.tile] + (lanes.row + _TOP) * pitch + lanes.column + _LEFT
        places = here[:, None] + _TAP_ROWS * pitch[:, None] + _TAP_COLUMNS  # (n, 1 + taps)
        gathered = self._pixels.index_select(0, self._to_device(places.reshape(-1))).view(len(lanes), -1, 4)
        reference = gathered[:, 0, :3]  # (n, 3)
        differences = (gathered[:, 1:, :3] - reference[:, None]).mul_(gathered[:, 1:, 3:])  # (n, taps, 3)
        north, northwest = differences[:, _NORTH], differences[:, _NORTHWEST]
        edge = torch.minimum(torch.maximum(north - northwest, north.clamp(max=0)), north.clamp(min=0))
        inputs = [differences.view(len(lanes), -1), edge, reference - 128]
        if self._period:
            inputs.append(self._positions.index_select(0, self._period_places(lanes)))
        return torch.cat(inputs, dim=1).clamp_(-127, 127).to(torch.int8), (reference + edge).int()

    def _period_places(self, lanes: Lanes) -> Tensor:
        first = self._origins[lanes.tile]  # (n, 2)
        row, column = (first[:, 0] + lanes.row) % self._period, (first[:, 1] + lanes.column) % self._period
        return self._to_device(row * self._period + column)

    def _pixel_places(self, lanes: Lanes) -> Tensor:
        rows = (lanes.row + _TOP) * self._pitch[lanes.tile]
        return self._to_device(self._first_pixel[lanes.tile] + rows + lanes.column + _LEFT)

    def _make_waves(self, network: IntegerNetwork) -> dict[str, Tensor]:
        looked_back_on = {
            integers.layer.source
            for integers in network.layers
            if integers.layer.taps != POINT or integers.layer.scale != integers.layer.source_scale
        }
        waves = {}
        for layer in (integers.layer for integers in network.layers):
            if layer.name in looked_back_on:
                shape = (self._grids[layer.scale].outside + 1, layer.out_channels)
                waves[layer.name] = torch.full(shape, ZERO_POINT, dtype=torch.int8, device=self.device)
        return waves

    def _set_margin(self, tile: Index, row: Index, levels: Tensor | int) -> None:
        """Store the reference of a row's first pixel to the left of it: the pixel above, or 128."""
        places = self._first_pixel[tile] + (row + _TOP) * self._pitch[tile] + _LEFT - 1
        self._pixels[self._to_device(places), :3] = levels

    def _to_device(self, index: Index) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(index)).to(self.device)


def _words(rows: Tensor) -> Tensor:
    """View (n, channels) int8 as int64 where channels allow: copying rows is four times faster."""
    return rows.view(torch.int64) if rows.shape[1] % 8 == 0 else rows


_TAPS: Final = np.array([(0, -1), *CONTEXT])
_TAP_ROWS: Final = _TAPS[:, 0]
_TAP_COLUMNS: Final = _TAPS[:, 1]
_NORTH: Final = CONTEXT.index((-1, 0))
_NORTHWEST: Final = CONTEXT.index((-1, -1))
