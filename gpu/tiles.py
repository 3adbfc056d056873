"""Stages 4 to 6 on a GPU as one: tiles (h, w, C) <-> streams."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelzip.batching import in_batches
from pixelzip.errors import CorruptFile
from pixelzip.gpu.batch import lanes_for
from pixelzip.gpu.coder import Streams
from pixelzip.gpu.layers import NUM_WAVES
from pixelzip.gpu.raster import RasterOrder
from pixelzip.gpu.walk import Wavefronts
from pixelzip.models.integer import IntegerNetwork
from pixelzip.models.paper import PaperConfig
from pixelzip.streams import MORE, CodedTiles, Pixels, Tiles
from pixelzip.threads import in_threads

_GROUP_SYMBOLS: Final = 2**20
"""Symbols that a thread fetches and codes at a time: a tile's, or those of many small images."""

_CHECKED_SYMBOLS: Final = 2**21
"""Symbols whose checks a thread makes at a time: threads wait for one another where images are small."""

_PIXELS_PER_ROW: Final = 64
"""Pixels of a tile in raster order that take about as much memory as what is kept of one column in all layers."""

_KEPT_BYTES: Final = 2**14
"""Activations of a row that count as one row of a batch: batches of wide networks have fewer, and take 2^30 bytes."""


class Order(Protocol):
    """The order in which a network codes pixels."""

    def intervals(self, tiles: Sequence[Tiles], device: torch.device) -> Tensor:
        """Return left cumulatives and counts, (2, symbols or more) int32, of one tile after another."""

    def decode(self, tiles: Sequence[CodedTiles], streams: Streams) -> list[Pixels]:
        """Read the streams on their device, as far as symbols go; return (n, h, w, C) for each of ``tiles``."""


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tiles], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    shapes = [some.shape for some in tiles]
    encode_batch = functools.partial(_encode_batch, _order(network, shapes), torch.device(device), num_threads)
    return in_batches(encode_batch, tiles, _sizes(network, shapes), device, None, _num_at_once(device))


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTiles], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    shapes = [some.shape for some in tiles]
    decode_batch = functools.partial(_decode_batch, _order(network, shapes), torch.device(device), num_threads)
    return in_batches(decode_batch, tiles, _sizes(network, shapes), device, None, _num_at_once(device))


def _num_at_once(device: str) -> int:
    """Return how many batches are worked on: while one is coded or checked on the CPU, a GPU computes another."""
    return 2 if device.startswith("cuda") else 1


def _order(network: IntegerNetwork, shapes: Sequence[tuple[int, ...]]) -> Order:
    return RasterOrder(network) if network.config.in_raster_order else Wavefronts(network, lanes_for(shapes))


def _sizes(network: IntegerNetwork, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, Any]]:
    """Return rows and kinds of tiles (h, w, channels). In raster order memory grows with columns, or with the area."""
    config = network.config
    if isinstance(config, PaperConfig):
        sizes: dict[tuple[int, ...], tuple[int, Any]] = {
            (h, w, c): (max(w, h * w // _PIXELS_PER_ROW), (h, w, c)) for h, w, c in set(shapes)
        }
    else:
        kept_bytes = (1 + sum(config.blocks)) * NUM_WAVES.value * (config.channels + sum(config.members))
        sizes = {(h, w, c): (h * max(1, kept_bytes // _KEPT_BYTES), c) for h, w, c in set(shapes)}
    return [sizes[shape] for shape in shapes]


def _encode_batch(order: Order, device: torch.device, num_threads: int | None, tiles: Sequence[Tiles]) -> list[bytes]:
    with _on_a_stream(device):
        intervals = order.intervals(tiles, device)

    def encode_group(group: tuple[Tiles, slice]) -> list[bytes]:
        some, symbols = group
        left, counts = _fetched(intervals[:, symbols]).reshape(2, len(some), -1)
        return some.encoded(left, counts)

    return list(itertools.chain(*in_threads(encode_group, list(_groups(tiles)), num_threads)))


@contextmanager
def _on_a_stream(device: torch.device) -> Iterator[None]:
    """Let a GPU work on this batch beside one other, and wait until it has."""
    if device.type != "cuda":
        yield
        return
    free = _streams(device)
    stream = free.get()
    try:
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            yield
        stream.synchronize()
    finally:
        free.put(stream)


@functools.lru_cache(maxsize=8)
def _streams(device: torch.device) -> SimpleQueue[torch.cuda.Stream]:
    """Return the two streams that batches are computed on, each with memory of its own, which it keeps."""
    free = SimpleQueue[torch.cuda.Stream]()
    for _ in range(2):
        free.put(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
    return free


def _groups(tiles: Sequence[Tiles]) -> Iterator[tuple[Tiles, slice]]:
    """Yield tiles of one shape, about _GROUP_SYMBOLS at a time, and where their symbols lie."""
    start = 0
    for some in tiles:
        num_symbols = 2 * math.prod(some.shape)
        num_together = max(1, _GROUP_SYMBOLS // num_symbols)
        for first in range(0, len(some), num_together):
            part = some[first : first + num_together]
            end = start + num_symbols * len(part)
            yield part, slice(start, end)
            start = end


def _fetched(intervals: Tensor) -> NDArray[np.int32]:
    """Copy (2, symbols) from a GPU to memory that it writes to by itself, several times as fast as to any other."""
    fetched = torch.empty(intervals.shape, dtype=intervals.dtype, pin_memory=intervals.is_cuda)
    for row, source in zip(fetched, intervals, strict=True):  # rows are contiguous
        row.copy_(source)
    return fetched.numpy()


def _decode_batch(
    order: Order, device: torch.device, num_threads: int | None, tiles: Sequence[CodedTiles]
) -> list[Pixels | CorruptFile]:
    stacks = [words for some in tiles for words in some.words()]
    words = np.frombuffer(b"".join(stacks), dtype="<u4").astype(np.uint32)
    num_words = np.array(list(map(len, stacks)), dtype=np.int64) // 4
    with _on_a_stream(device):
        states = _states(words, num_words, device)
        streams = Streams(torch.from_numpy(words.view(np.int32)).to(device), states)
        decoded, left = order.decode(tiles, streams), states.cpu().numpy()
    rests = _rests(left, words)

    def check(group: tuple[CodedTiles, Pixels, NDArray[np.uint64]]) -> list[Pixels | CorruptFile]:
        some, pixels, rests = group
        return some.checked(pixels, rests)

    return list(itertools.chain(*in_threads(check, list(_checks(tiles, decoded, rests)), num_threads)))


def _checks(
    tiles: Sequence[CodedTiles], decoded: Sequence[Pixels], rests: NDArray[np.uint64]
) -> Iterator[tuple[CodedTiles, Pixels, NDArray[np.uint64]]]:
    """Yield what is to be checked together, about _CHECKED_SYMBOLS at a time."""
    start = 0
    for some, pixels in zip(tiles, decoded, strict=True):
        num_together = max(1, _CHECKED_SYMBOLS // (2 * math.prod(some.shape)))
        for first in range(0, len(some), num_together):
            part = slice(first, min(first + num_together, len(some)))
            yield some[part], pixels[part], rests[start + part.start : start + part.stop]
        start += len(some)


def _states(words: NDArray[np.uint32], num_words: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return what ``Streams.states`` says of streams that have not been read: (streams, 4) int64.

    ``words`` are those of one after the other, ``num_words`` (streams,) how many each has, at least 1.
    """
    ends = np.cumsum(num_words)
    states = np.zeros((len(num_words), 4), dtype=np.int64)
    last, before = words[ends - 1].astype(np.uint64), words[np.maximum(ends - 2, 0)].astype(np.uint64)
    states[:, 0] = np.where(num_words > 1, last << np.uint64(32) | before, last).view(np.int64)
    states[:, 2] = np.maximum(num_words - 2, 0)
    states[:, 3] = ends - num_words
    return torch.from_numpy(states).to(device)


def _rests(states: NDArray[np.int64], words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return what is left of each stream, a state and perhaps words, as one number, or MORE."""
    low, high, num_words, firsts = states.T
    rests = np.where(high == 0, low.astype(np.uint64), np.uint64(MORE))
    for index in np.flatnonzero(num_words).tolist():  # of undamaged streams hardly any
        below = words[firsts[index] : firsts[index] + num_words[index]].astype("<u4").tobytes()
        rests[index] = min(int(rests[index]) << 8 * len(below) | int.from_bytes(below, "little"), MORE)
    return rests
