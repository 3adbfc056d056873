"""Stages 4 to 6 joined, with torch: tiles (h, w, C) <-> streams, one wavefront of all tiles of a batch at a time.

Encoder and decoder walk the same steps and ask the same ``Distribution``; only what they ask for differs.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
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
from pixelzip.streams import MORE, CodedTiles, Pixels, Tiles, origins_of, shapes_of


class Symbols(Protocol):
    """Where symbols come from: a stream, or chance."""

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return one symbol for each of n rows of (n, 16) counts, less one, that sum to 2^24 with it."""


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tiles], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    encode = functools.partial(_encode_batch, network, torch.device(device))
    return in_batches(encode, tiles, _sizes(tiles), device, num_threads)


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTiles], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    decode = functools.partial(_decode_batch, network, torch.device(device))
    return in_batches(decode, tiles, _sizes(tiles), device, num_threads)


def measure_tiles(
    network: IntegerNetwork, tiles: Sequence[Tiles], device: str, num_threads: int | None
) -> list[NDArray[np.float64]]:
    """Return the bits that each pixel of every tile costs by its integer counts, (h, w) float64; nothing is coded."""
    measure = functools.partial(_measure_batch, network, torch.device(device))
    return in_batches(measure, tiles, _sizes(tiles), device, num_threads)


def _sizes(tiles: Sequence[Tiles] | Sequence[CodedTiles]) -> list[tuple[int, int]]:
    """Return rows and channels of tiles."""
    return [(some.shape[0], some.shape[2]) for some in tiles]


@torch.inference_mode()
def _measure_batch(network: IntegerNetwork, device: torch.device, tiles: Sequence[Tiles]) -> list[NDArray[np.float64]]:
    bits = [np.zeros(shape[:2]) for shape in shapes_of(tiles)]
    for lanes, _, counts in _intervals(network, tiles, device):
        costs = (np.log2(ans.COUNT_TOTAL) - np.log2(counts.cpu().numpy())).sum(axis=0)  # (n,)
        for index, span in _spans(lanes):
            bits[index][lanes.row[span], lanes.column[span]] = costs[span]
    return bits


@torch.inference_mode()
def _encode_batch(network: IntegerNetwork, device: torch.device, tiles: Sequence[Tiles]) -> list[bytes]:
    order = StreamOrder(shapes_of(tiles))
    intervals = torch.empty((2, order.num_symbols), dtype=torch.int32, device=device)  # left cumulatives, counts
    for lanes, left, counts in _intervals(network, tiles, device):
        places = torch.from_numpy(order.next_places(lanes).ravel()).to(device)
        intervals.index_copy_(1, places, torch.stack((left, counts)).flatten(1))
    ends, streams = np.cumsum([2 * some.pixels.size for some in tiles]), list[bytes]()
    for some, part in zip(tiles, np.split(intervals.cpu().numpy(), ends[:-1], axis=1), strict=True):
        streams += some.encoded(*part.reshape(2, len(some), -1))
    return streams


def _decode_batch(
    network: IntegerNetwork, device: torch.device, tiles: Sequence[CodedTiles]
) -> list[Pixels | CorruptFile]:
    shapes, decoders = shapes_of(tiles), [decoder for some in tiles for decoder in some.open()]
    predictor = Predictor(network, [shape[:2] for shape in shapes], device, origins_of(tiles))
    decoded, results = iter(fill(predictor, decoders, shapes)), list[Pixels | CorruptFile]()
    rests = np.array([min(decoder.rest(), MORE) for decoder in decoders], dtype=np.uint64)
    for some in tiles:
        pixels = np.stack(list(itertools.islice(decoded, len(some))))
        results += some.checked(pixels, rests[len(results) : len(results) + len(some)])
    return results


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
    network: IntegerNetwork, tiles: Sequence[Tiles], device: torch.device
) -> Iterator[tuple[Lanes, Tensor, Tensor]]:
    """Yield each step's left cumulatives and counts, (2 * channels, n) int32: high and low nibble of each channel."""
    predictor = Predictor(network, [shape[:2] for shape in shapes_of(tiles)], device, origins_of(tiles))
    predictor.pixels.load([np.broadcast_to(tile, (*tile.shape[:2], 3)) for some in tiles for tile in some.pixels])
    num_channels = tiles[0].shape[2]
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
