"""Stages 4 to 6 on a GPU in raster order: the pixels of tiles of one size, one after another.

Mirrors pixelzip/wavefront.py. Nothing is decided on the CPU: the launches of all steps follow one another
without waiting for a result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pixelzip.gpu import raster_layers as kernels
from pixelzip.gpu import raster_symbols as symbols
from pixelzip.gpu.coder import Streams, no_streams
from pixelzip.gpu.mixture import Parameters
from pixelzip.gpu.symbols import Sources
from pixelzip.gpu.walk import launching_on
from pixelzip.models.integer import IntegerLayer, IntegerNetwork
from pixelzip.models.layers import FEATURES, VIEWS, Layer, split_source, zero_point
from pixelzip.models.paper import NUM_PIXEL_INPUTS, PIXEL_CENTRE, PRESENT, PaperConfig
from pixelzip.streams import CodedTiles, Pixels, Tiles

_BLOCK: Final[int] = kernels.CHANNEL_BLOCK.value
_LANES: Final[int] = kernels.LANES.value


def padded(channels: int) -> int:
    """Return how many channels the kernels compute."""
    return -(-channels // _BLOCK) * _BLOCK


class PortedLayer:
    """One layer's integers on a device, with channels padded, and what does not change from step to step."""

    def __init__(self, integers: IntegerLayer, mixtures: int, device: torch.device) -> None:
        layer = self.layer = integers.layer
        halves = layer.num_products // layer.out_channels
        parts = 2 if layer.source.endswith(".concat_elu") else 1
        inputs = layer.in_channels // parts
        missing = (0, padded(layer.out_channels) - layer.out_channels)
        weight = integers.weight.reshape(halves, layer.out_channels, -1, inputs)  # (halves, out, places * parts, in)
        weight = np.pad(weight, ((0, 0), missing, (0, 0), (0, padded(inputs) - inputs)))
        each = (np.pad(part.reshape(halves, -1), ((0, 0), missing)) for part in (integers.bias, integers.multiplier))
        flat: tuple[NDArray[Any], ...] = (
            weight.reshape(halves * weight.shape[1], -1),
            *(part.ravel() for part in each),
        )
        self.integers = kernels.Integers(*(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in flat))
        parities = [(*parity, 2) for parity in layer.parities] or [(0, 0, 1)] * len(layer.taps)
        taps = [(*tap, *parity) for tap, parity in zip(layer.taps, parities, strict=True)]
        self.taps = torch.tensor(taps, dtype=torch.int32, device=device)
        self.channels = weight.shape[1]
        self.constants = {
            "SOURCE_CHANNELS": parts * padded(inputs),
            "CHANNELS": self.channels,
            "NUM_INPUTS": int(self.integers.weight.shape[1]),
            "ZERO": zero_point(layer.source),
            "STRIDE": {2: 2, 1: 0, 0.5: -2}[layer.scale / layer.source_scale],
            "GATE_PLACE": self.integers.weight.numel() // 2 if layer.output == "gate" else 0,
            "FIRST_COUPLING": 7 * mixtures,
            "END_COUPLING": 10 * mixtures,
            "enable_fp_fusion": False,
        }


@functools.lru_cache(maxsize=8)
def port(network: IntegerNetwork, device: torch.device) -> tuple[tuple[PortedLayer, ...], dict[str, Tensor]]:
    """Copy a network to a device: its layers and its tables."""
    mixtures = network.config.mixtures
    tables = {name: torch.from_numpy(table).to(device) for name, table in network.tables.items()}
    return tuple(PortedLayer(integers, mixtures, device) for integers in network.layers), tables


class RasterBatch:
    """Tiles of one shape (h, w, channels), as many as are asked for and some more that mean nothing."""

    def __init__(self, network: IntegerNetwork, shape: tuple[int, ...], num_tiles: int, device: torch.device) -> None:
        assert isinstance(network.config, PaperConfig)
        self.config, self.device = network.config, device
        self.height, self.width, self.num_channels = shape
        self._num_asked, self.num_tiles = num_tiles, -(-num_tiles // _LANES) * _LANES
        self.num_symbols = 2 * self.height * self.width * self.num_channels
        self._layers, self.tables = port(network, device)
        sources = {source for ported in self._layers for source in (ported.layer.source, *ported.layer.auxiliary)}
        residuals = {ported.layer.residual for ported in self._layers}
        self.parameters = torch.zeros((self.num_tiles, self._layers[-1].channels), dtype=torch.int32, device=device)
        self.pixels = self._kept(self.height, self.width, padded(NUM_PIXEL_INPUTS), 0)
        self.pixels[..., NUM_PIXEL_INPUTS - 1] = PRESENT
        self._read = {FEATURES: self.pixels}
        self._sums: dict[str, Tensor] = {}
        for ported in self._layers:
            self._make_room(ported, sources, is_residual=ported.layer.name in residuals)
        self._launches = [self._launch(ported) for ported in self._layers]

    def load(self, tiles: Pixels) -> None:
        """Give all pixels, (n, h, w, C)."""
        levels = np.broadcast_to(tiles, (*tiles.shape[:3], 3)).astype(np.int16)
        stored = torch.from_numpy((levels - PIXEL_CENTRE).astype(np.int8).transpose(1, 0, 2, 3).copy())
        self.pixels[:, : len(tiles), :, :3] = stored.to(self.device)

    def tiles(self) -> Pixels:
        """Return all pixels, (n, h, w, C)."""
        stored = self.pixels[:, : self._num_asked, :, : self.num_channels].cpu().numpy().transpose(1, 0, 2, 3)
        return np.ascontiguousarray(stored.astype(np.int16) + PIXEL_CENTRE).astype(np.uint8)

    def compute(self, row: int, column: int) -> None:
        """Compute all layers that have a position at a pixel."""
        for layer, launch in self._launches:
            if row % layer.scale == 0 and column % layer.scale == 0 and not (layer.by_row and column):
                launch(row=row // layer.scale, first_column=column // layer.scale)

    def _launch(self, ported: PortedLayer) -> tuple[Layer, Callable[..., Any]]:
        """Return a layer and its launch, which wants the row and the first column at the layer's resolution."""
        layer, source = ported.layer, self._read[ported.layer.source]  # source: (rows, tiles, width, channels)
        width = -(-self.width // layer.scale)
        num_columns = width if layer.by_row else 1
        others = [self._read[name] for name in layer.auxiliary] + [None, None]
        views = (self._read.get(f"{layer.name}.{view}") for view in VIEWS)
        parameters = self.parameters if layer.output == "parameters" else None
        grid = (self.num_tiles * num_columns // _LANES, ported.channels // _BLOCK)
        return layer, functools.partial(
            kernels.layer[grid],
            kernels.Results(self._sums.get(layer.name), parameters, *views),
            source, *others[:2], self._sums[layer.residual] if layer.residual else None,
            ported.integers, kernels.Tables(*(self.tables[name] for name in ("elu", "sigmoid", "tanh"))),
            ported.taps, len(layer.taps), source.shape[0], -(-self.height // layer.source_scale), source.shape[2],
            num_columns=num_columns, width=width, num_tiles=self.num_tiles, **ported.constants,
        )  # fmt: skip

    def _make_room(self, ported: PortedLayer, sources: set[str], is_residual: bool) -> None:
        name, width = ported.layer.name, -(-self.width // ported.layer.scale)
        for source in sources:
            of, view = split_source(source)
            if of == name:
                channels = ported.channels * (2 if view == "concat_elu" else 1)
                self._read[source] = self._kept(kernels.NUM_ROWS.value, width, channels, zero_point(source))
        if is_residual:
            shape = (self.num_tiles, width, ported.channels)
            self._sums[name] = torch.zeros(shape, dtype=torch.int16, device=self.device)

    def _kept(self, rows: int, width: int, channels: int, value: int) -> Tensor:
        shape = (rows, self.num_tiles, width, channels)
        return torch.full(shape, value, dtype=torch.int8, device=self.device)


@dataclass(frozen=True)
class RasterOrder:
    """The order of networks of the paper's family, for tiles of one size."""

    network: IntegerNetwork

    def intervals(self, tiles: Sequence[Tiles], device: torch.device) -> Tensor:
        """Return left cumulatives and counts, (2, symbols) int32, of one tile after another, and some more."""
        batch = RasterBatch(self.network, tiles[0].shape, sum(map(len, tiles)), device)
        batch.load(np.concatenate([some.pixels for some in tiles]))
        intervals = torch.empty((2, batch.num_tiles * batch.num_symbols), dtype=torch.int32, device=device)
        none_is_short = torch.zeros(batch.num_tiles, dtype=torch.int32, device=device)
        _walk(batch, intervals, no_streams(batch.num_tiles, device), none_is_short, False)
        return intervals

    def decode(self, tiles: Sequence[CodedTiles], streams: Streams) -> list[Pixels]:
        """Read the streams on their device, as far as symbols go; return (n, h, w, C) for each of ``tiles``."""
        device, counts = streams.words.device, [len(some) for some in tiles]
        batch = RasterBatch(self.network, tiles[0].shape, sum(counts), device)
        missing = (0, batch.num_tiles - sum(counts))
        states = functional.pad(streams.states, (0, 0, *missing))
        short = np.repeat([some.is_short for some in tiles], counts).astype(np.int32)
        is_short = functional.pad(torch.from_numpy(short).to(device), missing)
        no_intervals = torch.empty(1, dtype=torch.int32, device=device)
        _walk(batch, no_intervals, Streams(streams.words, states), is_short, True)
        streams.states.copy_(states[: sum(counts)])
        return np.split(batch.tiles(), np.cumsum(counts)[:-1])


def _walk(batch: RasterBatch, intervals: Tensor, streams: Streams, is_short: Tensor, is_decoding: bool) -> None:
    """Turn pixels into ``intervals`` (2, tiles * symbols) int32, or ``streams`` into pixels.

    Intervals are left cumulatives and counts. ``is_short`` (tiles,) int32 says whose stream is one
    of ``pixelzip.short_stream``.
    """
    guesses = torch.full((batch.num_tiles, 3), PIXEL_CENTRE, dtype=torch.int32, device=batch.device)
    tables = (batch.tables[name] for name in ("exponential", "inverse_scale", "logistic"))
    sources = Sources(Parameters(batch.parameters, guesses, *tables), None, None)
    mixtures, never, last = batch.config.mixtures, torch.zeros_like(is_short), (batch.height - 1, batch.width - 1)
    with launching_on(batch.device):
        for row, column in np.ndindex(batch.height, batch.width):
            batch.compute(row, column)
            symbols.code[batch.num_tiles // symbols.LANES.value,](
                sources, batch.pixels, intervals, batch.num_tiles * batch.num_symbols, streams,
                is_short if (row, column) == last else never,
                batch.num_channels, row, column, batch.height, batch.width, batch.num_tiles,
                DECODES=is_decoding, MIXTURES=mixtures, SLOTS=1 << (mixtures - 1).bit_length(),
                NUM_PARAMETERS=batch.parameters.shape[1], PIXEL_CHANNELS=batch.pixels.shape[3], enable_fp_fusion=False,
            )  # fmt: skip
