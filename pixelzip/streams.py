"""Stages 4 to 6 as one: tiles (h, w, C) <-> streams, in C, with kernels on a GPU, or with torch. The same bytes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans, ans_integer, native, short_stream
from pixelzip.checksum import checksums
from pixelzip.errors import CorruptFile
from pixelzip.models.integer import IntegerNetwork
from pixelzip.native import Seals
from pixelzip.threads import in_threads, num_processors

Pixels = NDArray[np.uint8]
Intervals = NDArray[np.int32]
Decoder = ans.Decoder | ans_integer.Decoder | short_stream.Decoder

_MOST_TOGETHER: Final = 8
"""Small tiles that a thread works on side by side."""

_SMALL_PIXELS: Final = 64 * 64

MORE: Final = 2**64 - 1
"""Stands for what is left of a stream where that is more: it is no checksum's state."""

_NO_STREAM: Final = b"\x01\0\0\0"
"""Words that are read in place of bytes that can be no stream; ``CodedTiles.checked`` refuses those."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Tiles of one shape, ``pixels`` (n, h, w, 1) or (n, h, w, 3).

    ``seals`` (n,) are what their checksums are chained to, ``origin`` is where in a network's period they start. With
    ``is_short`` their streams are those of ``pixelzip.short_stream``.
    """

    pixels: Pixels
    seals: Seals
    origin: tuple[int, int] = (0, 0)
    is_short: bool = False

    @classmethod
    def one(cls, pixels: Pixels, seal: int, origin: tuple[int, int] = (0, 0), is_short: bool = False) -> Tiles:
        """Return one tile, (h, w, C)."""
        return cls(pixels[None], np.array([seal], dtype=np.uint32), origin, is_short)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, part: slice) -> Tiles:
        return Tiles(self.pixels[part], self.seals[part], self.origin, self.is_short)

    def __add__(self, other: Tiles) -> Tiles:
        pixels, seals = np.concatenate((self.pixels, other.pixels)), np.concatenate((self.seals, other.seals))
        return Tiles(pixels, seals, self.origin, self.is_short)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of each tile."""
        height, width, num_channels = self.pixels.shape[1:]
        return height, width, num_channels

    def encoded(self, left: Intervals, counts: Intervals) -> list[bytes]:
        """Code left cumulatives and counts, (n, symbols) each, as streams; other threads run meanwhile."""
        if self.is_short:
            return short_stream.encode(left, counts, self.pixels, self.seals)
        return list(map(ans.encode, left, counts, checksums(self.pixels, self.seals).tolist()))

    def coded(self, streams: Sequence[bytes]) -> CodedTiles:
        """Return what these tiles can be decoded from."""
        return CodedTiles(streams, self.shape, self.seals, self.origin, self.is_short)


@dataclass(frozen=True, eq=False)
class CodedTiles:
    """The streams of n tiles, all of one shape (h, w, channels); the rest as in ``Tiles``."""

    streams: Sequence[bytes]
    shape: tuple[int, int, int]
    seals: Seals
    origin: tuple[int, int] = (0, 0)
    is_short: bool = False

    @classmethod
    def one(cls, stream: bytes, shape: tuple[int, int, int], seal: int, origin: tuple[int, int] = (0, 0)) -> CodedTiles:
        """Return one tile's."""
        return cls([stream], shape, np.array([seal], dtype=np.uint32), origin)

    def __len__(self) -> int:
        return len(self.streams)

    def __getitem__(self, part: slice) -> CodedTiles:
        return CodedTiles(self.streams[part], self.shape, self.seals[part], self.origin, self.is_short)

    def __add__(self, other: CodedTiles) -> CodedTiles:
        streams, seals = [*self.streams, *other.streams], np.concatenate((self.seals, other.seals))
        return CodedTiles(streams, self.shape, seals, self.origin, self.is_short)

    def words(self) -> list[bytes]:
        """Return streams as whole words."""
        if self.is_short:
            return list(map(short_stream.words, self.streams))
        return [ans.words(stream) if ans.is_stream(stream) else _NO_STREAM for stream in self.streams]

    def open(self) -> list[Decoder]:
        """Start reading the streams."""
        if not self.is_short:
            return [ans.open_stream(words.rstrip(b"\0")) for words in self.words()]
        height, width, num_channels = self.shape
        num_symbols, num_last = 2 * height * width * num_channels, 2 * num_channels
        return [short_stream.Decoder(stream, num_symbols, num_last) for stream in self.streams]

    def checked(self, pixels: Pixels, rests: NDArray[np.uint64]) -> list[Pixels | CorruptFile]:
        """Return the pixels of each tile, out of (n, h, w, C), the error where something is wrong.

        What is left of each stream, ``rests`` (n,), or MORE, must be the checksum of the pixels.
        """
        found = checksums(pixels, self.seals)
        if self.is_short:
            are_intact = short_stream.are_intact(rests, found)
        else:
            are_intact = rests == found.astype(np.uint64) | np.uint64(ans_integer.sealed(0))
            are_intact &= [ans.is_stream(stream) for stream in self.streams]
        results = list[Pixels | CorruptFile](pixels)
        for index in np.flatnonzero(~are_intact).tolist():
            can_be_one = self.is_short or ans.is_stream(self.streams[index])
            results[index] = CorruptFile(ans_integer.WRONG_CHECKSUM if can_be_one else ans.NO_STREAM)
        return results


Item = TypeVar("Item", Tiles, CodedTiles)
Result = TypeVar("Result")


def shapes_of(tiles: Sequence[Tiles] | Sequence[CodedTiles]) -> list[tuple[int, int, int]]:
    """Return height, width and channels of each single tile."""
    return [shape for some in tiles for shape in [some.shape] * len(some)]


def origins_of(tiles: Sequence[Tiles] | Sequence[CodedTiles]) -> list[tuple[int, int]]:
    """Return where each single tile starts."""
    return [origin for some in tiles for origin in [some.origin] * len(some)]


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tiles], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    if native.runs(network, device):
        return _in_groups(functools.partial(_encode, network), tiles, num_threads)
    from pixelzip import wavefront  # torch takes seconds to import
    from pixelzip.gpu import proof

    if proof.runs(network, device, [some.shape for some in tiles]):
        from pixelzip.gpu import tiles as kernels

        return kernels.encode_tiles(network, tiles, device, num_threads)
    return wavefront.encode_tiles(network, tiles, device, num_threads)


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTiles], device: str, num_threads: int | None
) -> list[Pixels]:
    """Undo ``encode_tiles``; raises CorruptFile when a checksum does not match."""
    intact = list[Pixels]()
    for result in salvage_tiles(network, tiles, device, num_threads):
        if isinstance(result, CorruptFile):
            raise result
        intact.append(result)
    return intact


def salvage_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTiles], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    if native.runs(network, device):
        return _in_groups(functools.partial(_decode, network), tiles, num_threads)
    from pixelzip import wavefront  # as in encode_tiles
    from pixelzip.gpu import proof

    if proof.runs(network, device, [some.shape for some in tiles]):
        from pixelzip.gpu import tiles as kernels

        return kernels.decode_tiles(network, tiles, device, num_threads)
    return wavefront.decode_tiles(network, tiles, device, num_threads)


def measure_tiles(
    network: IntegerNetwork, tiles: Sequence[Tiles], device: str, num_threads: int | None
) -> list[NDArray[np.float64]]:
    """Return the bits that each pixel of every tile costs by its integer counts, (h, w) float64; nothing is coded."""
    if native.runs(network, device):
        return _in_groups(functools.partial(_measure, network), tiles, num_threads)
    from pixelzip import wavefront  # as in encode_tiles

    return wavefront.measure_tiles(network, tiles, device, num_threads)


def _in_groups(work: Callable[[Item], list[Result]], tiles: Sequence[Item], num_threads: int | None) -> list[Result]:
    """Apply ``work`` to the tiles, some together that are small, alike and side by side, each group in one thread."""
    most = min(_MOST_TOGETHER, sum(map(len, tiles)) // (num_threads or num_processors()))
    groups = list[Item]()
    for some in tiles:
        height, width, _ = some.shape
        num_together = max(1, most) if height * width <= _SMALL_PIXELS else 1
        for first in range(0, len(some), num_together):
            part = some[first : first + num_together]
            if groups and len(groups[-1]) + len(part) <= num_together and _are_alike(groups[-1], part):
                groups[-1] = groups[-1] + part
            else:
                groups.append(part)
    return list(itertools.chain(*in_threads(work, groups, num_threads)))


def _are_alike(one: Item, other: Item) -> bool:
    return (one.shape, one.origin, one.is_short) == (other.shape, other.origin, other.is_short)


def _encode(network: IntegerNetwork, tiles: Tiles) -> list[bytes]:
    left, counts = native.intervals(network, tiles.pixels, tiles.origin).swapaxes(0, 1)
    return tiles.encoded(left, counts)


def _decode(network: IntegerNetwork, tiles: CodedTiles) -> list[Pixels | CorruptFile]:
    return tiles.checked(*native.decode(network, tiles.words(), tiles.shape, tiles.origin, tiles.is_short))


def _measure(network: IntegerNetwork, tiles: Tiles) -> list[NDArray[np.float64]]:
    return [_bits(tiles.shape, counts) for _, counts in native.intervals(network, tiles.pixels, tiles.origin)]


def _bits(shape: tuple[int, int, int], counts: Intervals) -> NDArray[np.float64]:
    """Undo the order of symbols: wavefronts, in each the nibbles of all channels, and of each all rows."""
    height, width, num_channels = shape
    row, column = np.indices((height, width)).reshape(2, -1)
    order = np.lexsort((row, column + 2 * row))
    lanes = np.bincount(column + 2 * row)
    ends = np.cumsum(lanes)
    costs = np.split(np.log2(ans.COUNT_TOTAL) - np.log2(counts), 2 * num_channels * ends[:-1])
    bits = np.empty(height * width)
    for places, wave in zip(np.split(order, ends[:-1]), costs, strict=True):
        bits[places] = wave.reshape(2 * num_channels, -1).sum(axis=0)
    return bits.reshape(height, width)
