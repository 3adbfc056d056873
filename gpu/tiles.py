"""Stages 4 to 6 on a GPU as one: tiles (h, w, C) <-> streams."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pixelzip.batching import in_batches
from pixelzip.errors import CorruptFile
from pixelzip.gpu.batch import Batch, lanes_for
from pixelzip.gpu.coder import Streams
from pixelzip.gpu.network import port
from pixelzip.gpu.walk import walk
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import CodedTile, Pixels, Tile
from pixelzip.threads import in_threads


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tile], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    shapes = [tile.pixels.shape for tile in tiles]
    encode = functools.partial(_encode_batch, network, torch.device(device), num_threads, lanes_for(shapes))
    return in_batches(encode, tiles, shapes, device, num_threads)


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTile], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    shapes = [tile.shape for tile in tiles]
    decode = functools.partial(_decode_batch, network, torch.device(device), lanes_for(shapes))
    return in_batches(decode, tiles, shapes, device, num_threads)


def _encode_batch(
    network: IntegerNetwork, device: torch.device, num_threads: int | None, lanes: int, tiles: Sequence[Tile]
) -> list[bytes]:
    never = [False] * len(tiles)  # how the last pixel is coded is for the coder on the CPU
    batch = Batch([tile.pixels.shape for tile in tiles], [tile.origin for tile in tiles], never, device)
    batch.load([tile.pixels for tile in tiles])
    intervals, no_words = batch.integers(2, batch.num_symbols), batch.integers(1)
    streams = Streams(no_words, _states([b""] * len(tiles), device))
    walk(port(network, device), batch, intervals, streams, lanes, is_decoding=False)
    pairs = list(zip(tiles, np.split(intervals.cpu().numpy(), batch.first_symbols[1:], axis=1), strict=True))
    return in_threads(lambda pair: pair[0].encode(*pair[1]), pairs, num_threads)


def _decode_batch(
    network: IntegerNetwork, device: torch.device, lanes: int, tiles: Sequence[CodedTile]
) -> list[Pixels | CorruptFile]:
    opened = [_opened(tile) for tile in tiles]
    whole = [(tile, words) for tile, words in zip(tiles, opened, strict=True) if isinstance(words, bytes)]
    decoded = iter(_decode_opened(network, device, lanes, whole))
    return [next(decoded) if isinstance(words, bytes) else words for words in opened]


def _opened(tile: CodedTile) -> bytes | CorruptFile:
    try:
        return tile.words()
    except CorruptFile as error:
        return error


def _decode_opened(
    network: IntegerNetwork, device: torch.device, lanes: int, opened: Sequence[tuple[CodedTile, bytes]]
) -> list[Pixels | CorruptFile]:
    if not opened:
        return []
    tiles, stacks = zip(*opened, strict=True)
    origins, is_short = [tile.origin for tile in tiles], [tile.is_short for tile in tiles]
    batch = Batch([tile.shape for tile in tiles], origins, is_short, device)
    words = np.frombuffer(b"".join(stacks), dtype="<u4").astype(np.uint32)
    streams = Streams(torch.from_numpy(words.view(np.int32)).to(device), _states(stacks, device))
    walk(port(network, device), batch, batch.integers(1), streams, lanes, is_decoding=True)
    rests = [_rest(low, high, words[first : first + left]) for low, high, left, first in streams.states.cpu().tolist()]
    return [tile.checked(*parts) for tile, *parts in zip(tiles, batch.tiles(), rests, strict=True)]


def _states(streams: Sequence[bytes], device: torch.device) -> torch.Tensor:
    """Return what ``Streams.states`` says of streams of whole words that have not been read: (streams, 4) int64."""
    num_words = np.array([len(stream) // 4 for stream in streams], dtype=np.int64)
    firsts = [int.from_bytes(stream[:-9:-1], "big") for stream in streams]
    states = np.zeros((len(streams), 4), dtype=np.int64)
    states[:, 0] = np.array(firsts, dtype=np.uint64).view(np.int64)
    states[:, 2] = np.maximum(num_words - 2, 0)
    states[:, 3] = np.cumsum(num_words) - num_words
    return torch.from_numpy(states).to(device)


def _rest(low: int, high: int, words: NDArray[np.uint32]) -> int | None:
    """Return what is left of a stream as one number, None where that is too much: a state and more than two words."""
    if len(words) > 2:
        return None
    rest = (high % 2**64) << 64 | low % 2**64
    for word in words[::-1].tolist():
        rest = rest << 32 | word
    return rest
