"""Stage 4 of 7: pixels so far -> mixture parameters, one step at a time. The one caller of a network.

All pixels of a step, in all tiles of a batch, are computed together ("lanes", see ``pixelzip.lanes``). Of every source
that layers look back on, only the positions that are still within reach are kept.

Every backend gives the same integers: see ``pixelzip.models.integer``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelzip.adaptation import Adaptation
from pixelzip.inputs import Pixels
from pixelzip.lanes import Grid, Index, Lanes, RasterGrid
from pixelzip.models.integer import IntegerNetwork
from pixelzip.models.layers import FEATURES, POINT, Layer, Tap, split_source, zero_point
from pixelzip.models.paper import PIXEL_CENTRE
from pixelzip.product import Product, view
from pixelzip.regression import Regression


class _Reach(NamedTuple):
    """Where positions read: layers that are alike in this share the computed slots of a step."""

    source_scale: int
    scale: int
    by_row: bool
    taps: tuple[Tap, ...] = POINT
    parities: tuple[Tap, ...] = ()


_Places = dict[_Reach, Tensor]


class Predictor:
    """Runs a network over a batch of tiles.

    ``shapes`` are (height, width); ``origins`` say at which (row, column) of the network's period each tile starts, by
    default all at (0, 0); ``classes`` are the tiles' classes, for a network with classes only.

    The caller walks the steps 0 to ``num_steps - 1``; the pixels of earlier steps must have been given to
    ``pixels.store`` (or all pixels to ``pixels.load``) by then.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        shapes: list[tuple[int, int]],
        device: torch.device,
        origins: list[tuple[int, int]] | None = None,
        classes: list[int] | None = None,
    ) -> None:
        self.device = device
        heights, widths = (np.array(sizes, dtype=np.int64) for sizes in zip(*shapes, strict=True))
        starts = np.array(origins or [(0, 0)] * len(shapes), dtype=np.int64)  # (tiles, 2)
        self._sizes = heights, widths
        self._is_adaptive, self._is_regressive = network.config.adaptive, network.config.regression
        self._band_rows = network.config.regression_rows
        self.pixels = Pixels(heights, widths, network.config.period, starts, device)
        self._in_raster_order = network.config.in_raster_order
        self.tables = {name: torch.from_numpy(table).to(device) for name, table in network.tables.items()}
        self._products = [Product(integers, self.tables, device) for integers in network.layers]
        self._classes = None if classes is None else np.array(classes, dtype=np.int64)
        layers = [integers.layer for integers in network.layers]
        grid = RasterGrid if self._in_raster_order else Grid
        self._grids = {scale: grid(heights, widths, scale) for scale in {layer.scale for layer in layers}}
        self._sets = {(layer.scale, layer.by_row) for layer in layers} | {(1, False)}
        self._by_row = {layer.name: layer.by_row for layer in layers}
        self._views = _views(layers)
        self._waves = self._make_waves(layers)
        self.num_steps = self._grids[1].num_steps

    def new_adaptation(self) -> Adaptation | None:
        """Return the adaptive stage at the start of these tiles; None: the network has none."""
        return Adaptation(*self._sizes, self.device) if self._is_adaptive else None

    def new_regression(self) -> Regression | None:
        """Return the regression of these tiles' means before it has learned; None: the network has none."""
        return Regression(*self._sizes, self._band_rows, self.device) if self._is_regressive else None

    def predict(self, step: int) -> tuple[Lanes, Tensor, Tensor] | None:
        """Return the pixels of a step, the head's outputs (n, 10 * mixtures) and the guesses (n, 3), both int32.

        None: the step has no pixels, as every other step of tiles one pixel wide.
        """
        at_step = {(scale, by_row): self._grids[scale].lanes(step, by_row) for scale, by_row in self._sets}
        lanes = at_step[1, False]
        if lanes is None:
            return None
        outputs: dict[str, Tensor] = {}
        if self._in_raster_order:
            guess = torch.full((len(lanes), 3), PIXEL_CENTRE, dtype=torch.int32, device=self.device)
        else:
            outputs[FEATURES], guess = self.pixels.features(lanes)
        places: _Places = {}
        for product in self._products:
            here = at_step[product.layer.scale, product.layer.by_row]
            if here is not None:
                self._compute(product, here, outputs, places)
        return lanes, outputs["head"], guess

    def _compute(self, product: Product, here: Lanes, outputs: dict[str, Tensor], places: _Places) -> None:
        """Compute one layer at the positions of one step: add it to ``outputs`` and store what is looked back on."""
        layer = product.layer
        source = self._gathered(layer, here, outputs, places)
        classes = None if self._classes is None else self._to_device(self._classes[here.tile])
        output = product(source, outputs[layer.residual] if layer.residual else None, classes)
        outputs[layer.name] = output
        for name in self._views[layer.name]:
            outputs[f"{layer.name}.{name}"] = view(name, output, self.tables)
        for written in (layer.name, *(f"{layer.name}.{name}" for name in self._views[layer.name])):
            if written in self._waves:
                slots = self._slots(_Reach(layer.scale, layer.scale, layer.by_row), here, places)
                _words(self._waves[written]).index_put_((slots,), _words(outputs[written]))

    def _gathered(self, layer: Layer, here: Lanes, outputs: dict[str, Tensor], places: _Places) -> Tensor:
        """Return a layer's inputs, (n, inputs) int8."""
        if layer.source == FEATURES and self._in_raster_order:
            return self.pixels.surroundings(here, layer.taps)
        if _looks_back(layer):
            reach = _Reach(layer.source_scale, layer.scale, layer.by_row, layer.taps, layer.parities)
            slots = self._slots(reach, here, places)
            source = self._waves[layer.source].index_select(0, slots).view(len(here), -1)
        else:
            source = outputs[layer.source]
        if not layer.auxiliary:
            return source
        slots = self._slots(_Reach(layer.scale, layer.scale, layer.by_row), here, places)
        others = [
            outputs[name]
            if self._by_row[split_source(name)[0]] == layer.by_row
            else self._waves[name].index_select(0, slots)
            for name in layer.auxiliary
        ]
        return torch.cat((source, *others), dim=1)

    def _slots(self, reach: _Reach, here: Lanes, places: _Places) -> Tensor:
        """Return (n * taps,) slots of a layer's inputs, taps fastest; computed once a step for all layers alike."""
        if reach not in places:
            grid, offsets = self._grids[reach.source_scale], np.array(reach.taps)  # (taps, 2)
            row, column = grid.positions(here, reach.scale)
            tile = np.broadcast_to(here.tile[:, None], (len(here), len(offsets)))
            slots = grid.slots(tile, row[:, None] + offsets[:, 0], column[:, None] + offsets[:, 1])
            if reach.parities:
                here_parity = np.stack((here.row, here.column), axis=1)[:, None] % 2  # (n, 1, 2)
                slots = np.where((here_parity == np.array(reach.parities)).all(axis=2), slots, grid.outside)
            places[reach] = self._to_device(slots.reshape(-1))
        return places[reach]

    def _make_waves(self, layers: list[Layer]) -> dict[str, Tensor]:
        """Make room for every source that is read at another position, scale or step than it is computed at."""
        by_name = {layer.name: layer for layer in layers}
        looked_back_on = {layer.source for layer in layers if _looks_back(layer)} | {
            name for layer in layers for name in layer.auxiliary if self._by_row[split_source(name)[0]] != layer.by_row
        }
        waves = {}
        for source in looked_back_on - {FEATURES}:
            name, kind = split_source(source)
            channels = by_name[name].out_channels * (2 if kind == "concat_elu" else 1)
            shape = (self._grids[by_name[name].scale].outside + 1, channels)
            waves[source] = torch.full(shape, zero_point(source), dtype=torch.int8, device=self.device)
        return waves

    def _to_device(self, index: Index) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(index)).to(self.device)


def _looks_back(layer: Layer) -> bool:
    return layer.taps != POINT or layer.scale != layer.source_scale


def _views(layers: list[Layer]) -> dict[str, list[str]]:
    """Return the views that are read of every layer, by its name."""
    sources = {split_source(source) for layer in layers for source in (layer.source, *layer.auxiliary)}
    return {layer.name: sorted(kind for name, kind in sources if name == layer.name and kind) for layer in layers}


def _words(rows: Tensor) -> Tensor:
    """View (n, channels) int8 as int64 where channels allow: copying rows is four times faster."""
    return rows.view(torch.int64) if rows.shape[1] % 8 == 0 else rows
