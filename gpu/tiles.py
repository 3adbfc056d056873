"""Stages 4 to 6 on a GPU as one: tiles (h, w, C) <-> streams."""

from __future__ import annotations

import functools
import itertools
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
from pixelzip.streams import CodedTile, Pixels, Tile, encode, words_of
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

    def intervals(self, tiles: Sequence[Tile], device: torch.device) -> Tensor:
        """Return left cumulatives and counts, (2, symbols or more) int32, of one tile after another."""

    def decode(self, tiles: Sequence[CodedTile], streams: Streams) -> list[Pixels]:
        """Read the streams on their device, as far as symbols go."""


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tile], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    shapes = [tile.pixels.shape for tile in tiles]
    encode_batch = functools.partial(_encode_batch, _order(network, shapes), torch.device(device), num_threads)
    return in_batches(encode_batch, tiles, _sizes(network, shapes), device, None, _num_at_once(device))


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTile], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    shapes = [tile.shape for tile in tiles]
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


def _encode_batch(order: Order, device: torch.device, num_threads: int | None, tiles: Sequence[Tile]) -> list[bytes]:
    ends = np.cumsum([0, *(2 * tile.pixels.size for tile in tiles)]).tolist()
    with _on_a_stream(device):
        intervals = order.intervals(tiles, device)

    def encode_group(group: range) -> list[bytes]:
        first, last = ends[group.start], ends[group.stop]
        fetched = _fetched(intervals[:, first:last])
        parts = [fetched[:, ends[index] - first : ends[index + 1] - first] for index in group]
        return encode(tiles[group.start : group.stop], parts)

    return list(itertools.chain(*in_threads(encode_group, _groups(ends, _GROUP_SYMBOLS), num_threads)))


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


def _groups(ends: Sequence[int], num_symbols: int) -> list[range]:
    """Return consecutive tiles, about so many symbols in each group; ``ends`` (tiles + 1,) bound their symbols."""
    numbers = np.array(ends[:-1]) // num_symbols
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    return list(map(range, starts, [*starts[1:], len(numbers)]))


def _fetched(intervals: Tensor) -> NDArray[np.int32]:
    """Copy (2, symbols) from a GPU to memory that it writes to by itself, several times as fast as to any other."""
    fetched = torch.empty(intervals.shape, dtype=intervals.dtype, pin_memory=intervals.is_cuda)
    for row, source in zip(fetched, intervals, strict=True):  # rows are contiguous
        row.copy_(source)
    return fetched.numpy()


def _decode_batch(
    order: Order, device: torch.device, num_threads: int | None, tiles: Sequence[CodedTile]
) -> list[Pixels | CorruptFile]:
    stacks = [words_of(tile) for tile in tiles]
    whole = [(tile, words) for tile, words in zip(tiles, stacks, strict=True) if isinstance(words, bytes)]
    decoded = iter(_decode_opened(order, device, num_threads, whole))
    return [next(decoded) if isinstance(words, bytes) else words for words in stacks]


def _decode_opened(
    order: Order, device: torch.device, num_threads: int | None, opened: Sequence[tuple[CodedTile, bytes]]
) -> list[Pixels | CorruptFile]:
    if not opened:
        return []
    tiles, stacks = zip(*opened, strict=True)
    words = np.frombuffer(b"".join(stacks), dtype="<u4").astype(np.uint32)
    with _on_a_stream(device):
        streams = Streams(torch.from_numpy(words.view(np.int32)).to(device), _states(stacks, device))
        decoded, states = order.decode(tiles, streams), streams.states.cpu().tolist()
    ends = np.cumsum([0, *(2 * pixels.size for pixels in decoded)]).tolist()

    def check_group(group: range) -> list[Pixels | CorruptFile]:
        return [tiles[index].checked(decoded[index], _rest(states[index], words)) for index in group]

    return list(itertools.chain(*in_threads(check_group, _groups(ends, _CHECKED_SYMBOLS), num_threads)))


def _states(streams: Sequence[bytes], device: torch.device) -> Tensor:
    """Return what ``Streams.states`` says of streams of whole words that have not been read: (streams, 4) int64."""
    num_words = np.array([len(stream) // 4 for stream in streams], dtype=np.int64)
    firsts = [int.from_bytes(stream[:-9:-1], "big") for stream in streams]
    states = np.zeros((len(streams), 4), dtype=np.int64)
    states[:, 0] = np.array(firsts, dtype=np.uint64).view(np.int64)
    states[:, 2] = np.maximum(num_words - 2, 0)
    states[:, 3] = np.cumsum(num_words) - num_words
    return torch.from_numpy(states).to(device)


def _rest(state: Sequence[int], words: NDArray[np.uint32]) -> int | None:
    """Return what is left of a stream as one number, None where that is too much: a state and more than two words."""
    low, high, num_words, first = state
    if not (high or num_words):
        return low % 2**64
    if num_words > 2:
        return None
    rest = (high % 2**64) << 64 | low % 2**64
    for word in words[first : first + num_words][::-1].tolist():
        rest = rest << 32 | word
    return rest
