"""Stages 4 to 6 as one: tiles (h, w, C) <-> streams, in C, with kernels on a GPU, or with torch. The same bytes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans, ans_integer, native, short_stream
from pixelzip.errors import CorruptFile
from pixelzip.models.integer import IntegerNetwork
from pixelzip.short_stream import Symbols, checksum_of
from pixelzip.threads import in_threads, num_processors

Pixels = NDArray[np.uint8]
Intervals = NDArray[np.int32]
Decoder = ans.Decoder | ans_integer.Decoder | short_stream.Decoder

_MOST_TOGETHER: Final = 8
"""Small tiles that a thread works on side by side."""

_SMALL_PIXELS: Final = 64 * 64


@dataclass(frozen=True, eq=False)
class Tile:
    """One tile's pixels (h, w, 1) or (h, w, 3), the checksum they are chained to, and where in a period they start.

    With ``is_short`` the stream is one of ``pixelzip.short_stream``.
    """

    pixels: Pixels
    seal: int
    origin: tuple[int, int] = (0, 0)
    is_short: bool = False


@dataclass(frozen=True, eq=False)
class CodedTile:
    """One tile's stream and shape (h, w, channels); the rest as in ``Tile``."""

    stream: bytes
    shape: tuple[int, int, int]
    seal: int
    origin: tuple[int, int] = (0, 0)
    is_short: bool = False

    def open(self) -> Decoder:
        """Start reading the stream; raises CorruptFile when it cannot be one."""
        height, width, num_channels = self.shape
        if not self.is_short:
            return ans.open_stream(self.stream)
        return short_stream.Decoder(self.stream, 2 * height * width * num_channels, 2 * num_channels)

    def words(self) -> bytes:
        """Return the stream as whole words; raises CorruptFile when it cannot be one."""
        return short_stream.words(self.stream) if self.is_short else ans.words(self.stream)

    def check(self, pixels: Pixels, rest: int | None) -> None:
        """Raise CorruptFile unless what is left of the stream, None for too much, is the checksum of the pixels."""
        check = short_stream.check if self.is_short else ans_integer.check
        check(rest or 0, checksum_of(pixels, self.seal))

    def checked(self, pixels: Pixels, rest: int | None) -> Pixels | CorruptFile:
        """Return the pixels if what is left of the stream is their checksum, as ``check`` says, else the error."""
        try:
            self.check(pixels, rest)
        except CorruptFile as error:
            return error
        return pixels


Item = TypeVar("Item", Tile, CodedTile)
Result = TypeVar("Result")


def encode(tiles: Sequence[Tile], intervals: Sequence[Intervals]) -> list[bytes]:
    """Code left cumulatives and counts, of each tile (2, n), as streams; other threads run meanwhile."""
    both = list(zip(tiles, intervals, strict=True))
    small = [Symbols(found[0], found[1], tile.pixels, tile.seal) for tile, found in both if tile.is_short]
    short = iter(short_stream.encode(small))
    return [
        next(short) if tile.is_short else ans.encode(found[0], found[1], checksum_of(tile.pixels, tile.seal))
        for tile, found in both
    ]


def encode_tiles(network: IntegerNetwork, tiles: Sequence[Tile], device: str, num_threads: int | None) -> list[bytes]:
    """Code tiles into one stream each."""
    if native.runs(network, device):
        return _in_groups(
            functools.partial(_encode, network), tiles, [tile.pixels.shape for tile in tiles], num_threads
        )
    from pixelzip import wavefront  # torch takes seconds to import
    from pixelzip.gpu import proof

    if proof.runs(network, device, [tile.pixels.shape for tile in tiles]):
        from pixelzip.gpu import tiles as kernels

        return kernels.encode_tiles(network, tiles, device, num_threads)
    return wavefront.encode_tiles(network, tiles, device, num_threads)


def decode_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTile], device: str, num_threads: int | None
) -> list[Pixels]:
    """Undo ``encode_tiles``; raises CorruptFile when a checksum does not match."""
    return _intact(salvage_tiles(network, tiles, device, num_threads))


def salvage_tiles(
    network: IntegerNetwork, tiles: Sequence[CodedTile], device: str, num_threads: int | None
) -> list[Pixels | CorruptFile]:
    """Undo ``encode_tiles``; a tile whose checksum does not match gives the error in its place."""
    if native.runs(network, device):
        return _in_groups(functools.partial(_decode, network), tiles, [tile.shape for tile in tiles], num_threads)
    from pixelzip import wavefront  # as in encode_tiles
    from pixelzip.gpu import proof

    if proof.runs(network, device, [tile.shape for tile in tiles]):
        from pixelzip.gpu import tiles as kernels

        return kernels.decode_tiles(network, tiles, device, num_threads)
    return wavefront.decode_tiles(network, tiles, device, num_threads)


def measure_tiles(
    network: IntegerNetwork, tiles: Sequence[Tile], device: str, num_threads: int | None
) -> list[NDArray[np.float64]]:
    """Return the bits that each pixel of every tile costs by its integer counts, (h, w) float64; nothing is coded."""
    if native.runs(network, device):
        return in_threads(functools.partial(_measure, network), tiles, num_threads)
    from pixelzip import wavefront  # as in encode_tiles

    return wavefront.measure_tiles(network, tiles, device, num_threads)


def _in_groups(
    work: Callable[[Sequence[Item]], list[Result]],
    tiles: Sequence[Item],
    shapes: Sequence[tuple[int, ...]],
    num_threads: int | None,
) -> list[Result]:
    """Apply ``work`` to the tiles, those together that are small, alike and side by side, each group in one thread."""
    groups: list[list[Item]] = []
    most = min(_MOST_TOGETHER, len(tiles) // (num_threads or num_processors()))
    for tile, shape, before in zip(tiles, shapes, (None, *shapes), strict=False):
        is_alike = shape == before and groups[-1][0].origin == tile.origin and groups[-1][0].is_short == tile.is_short
        if is_alike and len(groups[-1]) < most and shape[0] * shape[1] <= _SMALL_PIXELS:
            groups[-1].append(tile)
        else:
            groups.append([tile])
    return list(itertools.chain(*in_threads(work, groups, num_threads)))


def _encode(network: IntegerNetwork, tiles: Sequence[Tile]) -> list[bytes]:
    found = native.intervals(network, [tile.pixels for tile in tiles], tiles[0].origin)
    return encode(tiles, list(found))


def _decode(network: IntegerNetwork, tiles: Sequence[CodedTile]) -> list[Pixels | CorruptFile]:
    streams = [words_of(tile) for tile in tiles]
    whole = [words for words in streams if isinstance(words, bytes)]
    first = tiles[0]
    decoded = iter(native.decode(network, whole, first.shape, first.origin, first.is_short) if whole else [])
    return [
        tile.checked(*next(decoded)) if isinstance(words, bytes) else words
        for tile, words in zip(tiles, streams, strict=True)
    ]


def words_of(tile: CodedTile) -> bytes | CorruptFile:
    """Return a stream as whole words, the error where it cannot be one."""
    try:
        return tile.words()
    except CorruptFile as error:
        return error


def _measure(network: IntegerNetwork, tile: Tile) -> NDArray[np.float64]:
    """Undo the order of symbols: wavefronts, in each the nibbles of all channels, and of each all rows."""
    height, width, num_channels = tile.pixels.shape
    _, counts = native.intervals(network, [tile.pixels], tile.origin)[0]
    row, column = np.indices((height, width)).reshape(2, -1)
    order = np.lexsort((row, column + 2 * row))
    lanes = np.bincount(column + 2 * row)
    ends = np.cumsum(lanes)
    costs = np.split(np.log2(ans.COUNT_TOTAL) - np.log2(counts), 2 * num_channels * ends[:-1])
    bits = np.empty(height * width)
    for places, wave in zip(np.split(order, ends[:-1]), costs, strict=True):
        bits[places] = wave.reshape(2 * num_channels, -1).sum(axis=0)
    return bits.reshape(height, width)


def _intact(results: Iterable[Pixels | CorruptFile]) -> list[Pixels]:
    intact = []
    for result in results:
        if isinstance(result, CorruptFile):
            raise result
        intact.append(result)
    return intact
