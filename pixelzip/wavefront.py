"""Stages 4 to 6 joined, with torch: tiles (h, w, C) <-> streams, one wavefront of all tiles of a batch at a time.

Encoder and decoder walk the same steps and ask the same ``Distribution``; only what they ask for differs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelzip import ans
from pixelzip.batching import in_batches
from pixelzip.cdf import NIBBLE, Distribution
from pixelzip.errors import CorruptFile
from pixelzip.lanes import Lanes, StreamOrder
from pixelzip.models.integer import IntegerNetwork
from pixelzip.predict import Predictor
from pixelzip.streams import CodedTile, Decoder, Pixels, Tile, encode


class Symbols(Protocol):
    """Where symbols come from: a stream, or chance."""

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return one symbol for each of n rows of (n, 16) counts, less one, that sum to 2^24 with it."""


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tile], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    encode = functools.partial(_encode_batch, network, torch.device(device))
    return in_batches(encode, tiles, _sizes(tile.pixels.shape for tile in tiles), device, num_threads)


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTile], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    decode = functools.partial(_decode_batch, network, torch.device(device))
    return in_batches(decode, tiles, _sizes(tile.shape for tile in tiles), device, num_threads)


def measure_tiles(
    network: IntegerNetwork, tiles: Sequence[Tile], device: str, num_threads: int | None
) -> list[NDArray[np.float64]]:
    """Return the bits that each pixel of every tile costs by its integer counts, (h, w) float64; nothing is coded."""
    measure = functools.partial(_measure_batch, network, torch.device(device))
    return in_batches(measure, tiles, _sizes(tile.pixels.shape for tile in tiles), device, num_threads)


def _sizes(shapes: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Return rows and channels of tiles (h, w, channels)."""
    return [(height, num_channels) for height, _, num_channels in shapes]


@torch.inference_mode()
def _measure_batch(network: IntegerNetwork, device: torch.device, tiles: Sequence[Tile]) -> list[NDArray[np.float64]]:
    bits = [np.zeros(tile.pixels.shape[:2]) for tile in tiles]
    for lanes, _, counts in _intervals(network, tiles, device):
        costs = (np.log2(ans.COUNT_TOTAL) - np.log2(counts.cpu().numpy())).sum(axis=0)  # (n,)
        for index, span in _spans(lanes):
            bits[index][lanes.row[span], lanes.column[span]] = costs[span]
    return bits


@torch.inference_mode()
def _encode_batch(network: IntegerNetwork, device: torch.device, tiles: Sequence[Tile]) -> list[bytes]:
    order = StreamOrder([tile.pixels.shape for tile in tiles])
    intervals = torch.empty((2, order.num_symbols), dtype=torch.int32, device=device)  # left cumulatives, counts
    for lanes, left, counts in _intervals(network, tiles, device):
        places = torch.from_numpy(order.next_places(lanes).ravel()).to(device)
        intervals.index_copy_(1, places, torch.stack((left, counts)).flatten(1))
    return encode(tiles, np.split(intervals.cpu().numpy(), order.first[1:], axis=1))


def _decode_batch(
    network: IntegerNetwork, device: torch.device, tiles: Sequence[CodedTile]
) -> list[Pixels | CorruptFile]:
    opened = [_opened(tile) for tile in tiles]
    decoders = [decoder for decoder in opened if not isinstance(decoder, CorruptFile)]
    whole = [tile for tile, decoder in zip(tiles, opened, strict=True) if not isinstance(decoder, CorruptFile)]
    decoded = iter(_decode_opened(network, device, whole, decoders))
    return [decoder if isinstance(decoder, CorruptFile) else next(decoded) for decoder in opened]


def _opened(tile: CodedTile) -> Decoder | CorruptFile:
    try:
        return tile.open()
    except CorruptFile as error:
        return error


def _decode_opened(
    network: IntegerNetwork, device: torch.device, tiles: Sequence[CodedTile], decoders: Sequence[Decoder]
) -> list[Pixels | CorruptFile]:
    if not tiles:
        return []
    shapes, origins = [tile.shape for tile in tiles], [tile.origin for tile in tiles]
    predictor = Predictor(network, [shape[:2] for shape in shapes], device, origins)
    decoded = fill(predictor, decoders, shapes)
    parts = zip(tiles, decoders, decoded, strict=True)
    return [tile.checked(pixels, decoder.rest()) for tile, decoder, pixels in parts]


@torch.inference_mode()
def fill(
    predictor: Predictor, sources: Sequence[Symbols], shapes: Sequence[tuple[int, int, int]]
) -> list[NDArray[np.uint8]]:
    """Return tiles of the given shapes, all with as many channels, whose symbols come from ``sources``."""
    num_channels = shapes[0][2]
    for lanes, distribution in _walk(predictor):
        spans = [(sources[index], span) for index, span in _spans(lanes)]
        predictor.pixels.store(lanes, _decode_step(distribution, num_channels, spans).t())
    return [np.ascontiguousarray(tile[..., :num_channels]) for tile in predictor.pixels.tiles()]


def _decode_step(distribution: Distribution, num_channels: int, spans: Sequence[tuple[Symbols, slice]]) -> Tensor:
    """Decode the levels of one step: (3, n) int32, a grey level repeated."""
    levels = []
    for channel in range(num_channels):
        high = _decode_nibble(distribution.high_counts(), spans)
        low = _decode_nibble(distribution.low_counts(high), spans)
        levels.append(high * NIBBLE + low)
        distribution.observe(levels[-1], is_last=channel == num_channels - 1)
    return torch.stack(levels).expand(3, -1)


def _decode_nibble(counts: Tensor, spans: Sequence[tuple[Symbols, slice]]) -> Tensor:
    """Decode one nibble of every lane from (16, n) counts: (n,) int32."""
    weights = (counts - 1).t().to(torch.float32, memory_format=torch.contiguous_format).cpu().numpy()
    symbols = [source.decode(weights[span]) for source, span in spans]
    return torch.from_numpy(np.concatenate(symbols)).to(counts.device)


def _intervals(
    network: IntegerNetwork, tiles: Sequence[Tile], device: torch.device
) -> Iterator[tuple[Lanes, Tensor, Tensor]]:
    """Yield each step's left cumulatives and counts, (2 * channels, n) int32: high and low nibble of each channel."""
    shapes = [(tile.pixels.shape[0], tile.pixels.shape[1]) for tile in tiles]
    predictor = Predictor(network, shapes, device, [tile.origin for tile in tiles])
    predictor.pixels.load(
        [np.broadcast_to(tile.pixels, (*shape, 3)) for tile, shape in zip(tiles, shapes, strict=True)]
    )
    num_channels = tiles[0].pixels.shape[2]
    for lanes, distribution in _walk(predictor):
        levels = predictor.pixels.levels(lanes)  # (3, n)
        pairs = []
        for channel in range(num_channels):
            pairs.append(distribution.intervals(levels[channel]))
            distribution.observe(levels[channel], is_last=channel == num_channels - 1)
        left, counts = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        yield lanes, left, counts


def _walk(predictor: Predictor) -> Iterator[tuple[Lanes, Distribution]]:
    """Yield the lanes of every step and their distribution: the one path from pixels so far to counts."""
    adaptation, regression = predictor.new_adaptation(), predictor.new_regression()
    for step in range(predictor.num_steps):
        if (predicted := predictor.predict(step)) is not None:
            lanes, head, guess = predicted
            if adaptation is not None:
                adaptation.begin(lanes)
            if regression is not None:
                regression.begin(lanes)
            yield lanes, Distribution(head, guess, predictor.tables, adaptation, regression)
        if regression is not None:
            regression.end_step(step)


def _spans(lanes: Lanes) -> list[tuple[int, slice]]:
    """Return the tiles that have lanes in a step, and which lanes those are."""
    starts = np.flatnonzero(np.diff(lanes.tile, prepend=-1))
    ends = [*starts[1:].tolist(), len(lanes)]
    return [(int(lanes.tile[start]), slice(start, end)) for start, end in zip(starts.tolist(), ends, strict=True)]
