"""A JPEG file, or what is left of one without its scans, segment by segment (ITU-T T.81, annex B)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.jpeg.transform import SIDE

START: Final = b"\xff\xd8"
_END: Final = 0xD9
_HUFFMAN_TABLES, _SCAN, _STEPS, _RESTART_INTERVAL = 0xC4, 0xDA, 0xDB, 0xDD
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_REFUSED: Final = frozenset({0x00, 0x01, 0xC8, 0xCC, 0xDC, *range(0xC3, 0xD0), *range(0xD0, 0xD9)}) - {_HUFFMAN_TABLES}
"""Other processes, arithmetic codes, heights that come late, and markers that stand alone."""

ABRIDGED: Final = 0x80
"""Set in the number of a table of codes that stands for its contents."""

OPTIMAL: Final = b"optimal"
"""Stands for such a table: the one that is best for the next scan."""

_MOST_SCANS: Final = 64
_MOST_SEGMENTS: Final = 2**16
_MOST_FACTOR: Final = 4

Exchange = Callable[["Frame", "Scan", int], int]
"""What is done at a scan whose coded data begin, or should, at a place; returns the place to go on from."""


@dataclass(frozen=True)
class Part:
    """A component: its identifier, how often it is sampled across and down, relative to others, and its table."""

    identifier: int
    columns: int
    rows: int
    table: int


@dataclass(frozen=True)
class Frame:
    """What the coded image is. Blocks of all components are numbered, component by component, row by row."""

    height: int
    width: int
    parts: tuple[Part, ...]
    is_progressive: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def _most(self) -> tuple[int, int]:
        """The largest sampling factors, down and across."""
        return max(part.rows for part in self.parts), max(part.columns for part in self.parts)

    def shape(self, index: int) -> tuple[int, int]:
        """Return the rows and columns of a component's blocks that have pixels of the image."""
        part, (rows, columns) = self.parts[index], self._most
        height, width = -(-self.height * part.rows // rows), -(-self.width * part.columns // columns)
        return -(-height // SIDE), -(-width // SIDE)

    def full_shape(self, index: int) -> tuple[int, int]:
        """Return the rows and columns of a component's blocks in whole units, which have blocks of all components."""
        part, (rows, columns) = self.parts[index], self._most
        return -(-self.height // (SIDE * rows)) * part.rows, -(-self.width // (SIDE * columns)) * part.columns

    @property
    def num_blocks(self) -> int:
        """Blocks of all components in whole units."""
        return sum(rows * columns for rows, columns in map(self.full_shape, range(len(self.parts))))

    def blocks(self, index: int) -> slice:
        """Return which of all blocks are a component's."""
        sizes = [rows * columns for rows, columns in map(self.full_shape, range(index + 1))]
        return slice(sum(sizes[:-1]), sum(sizes))

    def numbers(self, index: int) -> NDArray[np.int32]:
        """Return the numbers of a component's blocks, (rows, columns) of ``full_shape``."""
        blocks = self.blocks(index)
        return np.arange(blocks.start, blocks.stop, dtype=np.int32).reshape(self.full_shape(index))


@dataclass(frozen=True)
class Scan:
    """A pass over components: frequencies ``first`` to ``last``, bits from ``low`` on, below ``high`` unless it is 0.

    ``tables`` are the Huffman tables for means and for other frequencies of each component, and ``numbers`` say which
    these are, by kind and number. A table is 16 counts of codes by length, then their symbols; empty, it is missing.
    """

    components: tuple[int, ...]
    numbers: tuple[tuple[int, int], ...]
    tables: tuple[bytes, ...]
    first: int
    last: int
    high: int
    low: int
    restart_interval: int
    longest_run: int
    """Blocks that one symbol may end."""

    def order(self, frame: Frame) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Return the numbers of blocks in their order, and for each block of a unit whose component's it is."""
        if len(self.components) == 1:
            rows, columns = frame.shape(self.components[0])
            numbers = np.ascontiguousarray(frame.numbers(self.components[0])[:rows, :columns])
            return numbers.reshape(-1), np.zeros(1, dtype=np.uint8)
        units, places = [], list[int]()
        for place, index in enumerate(self.components):
            part, numbers = frame.parts[index], frame.numbers(index)
            num_rows, num_columns = numbers.shape[0] // part.rows, numbers.shape[1] // part.columns
            cut = numbers.reshape(num_rows, part.rows, num_columns, part.columns).swapaxes(1, 2)
            units.append(cut.reshape(num_rows * num_columns, -1))
            places += [place] * (part.rows * part.columns)
        return np.concatenate(units, axis=1).reshape(-1), np.array(places, dtype=np.uint8)


@dataclass
class _State:
    frame: Frame | None = None
    steps: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    codes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    restart_interval: int = 0
    num_scans: int = 0
    num_segments: int = 0


def walk(data: bytes, exchange: Exchange) -> tuple[Frame, dict[int, NDArray[np.int32]]]:
    """Read all segments, up to the end of the image; return its frame and quantisation tables, (64,) each, in zigzag.

    Raises:
        CorruptFile: this is no JPEG, a damaged one, or of a kind that is not supported.
    """
    state, position = _State(), len(START)
    if not data.startswith(START):
        raise CorruptFile("not a JPEG")
    while position < len(data) or not state.num_scans:
        marker, position = _marker(data, position)
        if marker == _END:
            break
        length = int.from_bytes(data[position : position + 2])
        segment = data[position + 2 : position + length]
        if length < 2 or len(segment) != length - 2:
            raise CorruptFile("a segment of the JPEG is cut short")
        position, state.num_segments = position + length, state.num_segments + 1
        if state.num_segments > _MOST_SEGMENTS:
            raise CorruptFile(f"the JPEG has more than {_MOST_SEGMENTS} segments")
        if marker == _SCAN:
            position = exchange(*_read_scan(segment, state), position)
        else:
            _read_segment(marker, segment, state)
    if state.frame is None:
        raise CorruptFile("the JPEG has no image")
    return state.frame, state.steps


def _marker(data: bytes, position: int) -> tuple[int, int]:
    if data[position : position + 1] != b"\xff":
        raise CorruptFile("the JPEG has no marker where one should be")
    while data[position : position + 1] == b"\xff":
        position += 1
    marker = data[position] if position < len(data) else 0
    if marker in _REFUSED:
        raise CorruptFile(f"the JPEG has a marker, {marker:02X}, that is not supported")
    return marker, position + 1


def _read_segment(marker: int, segment: bytes, state: _State) -> None:
    try:
        if marker == _STEPS:
            _read_steps(segment, state)
        elif marker == _HUFFMAN_TABLES:
            _read_codes(segment, state)
        elif marker in (*_SEQUENTIAL, _PROGRESSIVE):
            _read_frame(segment, marker == _PROGRESSIVE, state)
        elif marker == _RESTART_INTERVAL:
            (state.restart_interval,) = struct.unpack(">H", segment)
    except (struct.error, IndexError, ValueError) as error:
        raise CorruptFile(f"the JPEG has a damaged segment {marker:02X}") from error


def _read_steps(segment: bytes, state: _State) -> None:
    while segment:
        if segment[0] > 3:
            raise CorruptFile("the JPEG has steps of 16 bits, which are not supported")
        state.steps[segment[0]] = np.array(struct.unpack("64B", segment[1:65]), dtype=np.int32)
        segment = segment[65:]


def _read_codes(segment: bytes, state: _State) -> None:
    while segment:
        num_symbols = sum(segment[1:17])
        end = 17 + num_symbols
        if segment[0] & ABRIDGED:
            state.codes[divmod(segment[0] ^ ABRIDGED, 16)] = OPTIMAL
            segment = segment[1:]
            continue
        if len(segment) < end or num_symbols > 256 or segment[0] & 0x6C:
            raise CorruptFile("the JPEG has a damaged table of codes")
        state.codes[divmod(segment[0], 16)] = segment[1:end]
        segment = segment[end:]


def _read_frame(segment: bytes, is_progressive: bool, state: _State) -> None:
    depth, height, width, count = struct.unpack(">BHHB", segment[:6])
    triples = struct.iter_unpack("3B", segment[6:])
    parts = [Part(identifier, both // 16, both % 16, table) for identifier, both, table in triples]
    factors = [factor for part in parts for factor in (part.columns, part.rows)]
    if state.frame or depth != 8 or not height or not width or not 1 <= count == len(parts) <= 4:
        raise CorruptFile("the JPEG has a frame that is not supported")
    if min(factors) < 1 or max(factors) > _MOST_FACTOR:
        raise CorruptFile("the JPEG has impossible sampling factors")
    state.frame = Frame(height, width, tuple(parts), is_progressive)


def _read_scan(segment: bytes, state: _State) -> tuple[Frame, Scan]:
    frame, count, state.num_scans = state.frame, segment[0] if segment else 0, state.num_scans + 1
    if frame is None or not 1 <= count <= len(frame.parts) or len(segment) != 4 + 2 * count:
        raise CorruptFile("the JPEG has a damaged scan")
    if state.num_scans > _MOST_SCANS:
        raise CorruptFile(f"the JPEG has more than {_MOST_SCANS} scans")
    identifiers = [part.identifier for part in frame.parts]
    components, numbers = list[int](), list[tuple[int, int]]()
    for identifier, chosen in struct.iter_unpack("2B", segment[1:-3]):
        if identifier not in identifiers or identifiers.index(identifier) in components:
            raise CorruptFile("the JPEG has a scan of a component that it has not")
        components.append(identifiers.index(identifier))
        numbers += enumerate(divmod(chosen, 16))
    (first, last), (high, low) = segment[-3:-1], divmod(segment[-1], 16)
    is_usual = (first, last, high, low) == (0, 63, 0, 0)
    is_pass = (last == 0 if first == 0 else first <= last <= 63 and count == 1) and low <= 13 and high in (0, low + 1)
    if not (is_pass if frame.is_progressive else is_usual):
        raise CorruptFile("the JPEG has an impossible scan")
    longest_run = 0x7FFF if frame.is_progressive else 1
    tables = tuple(state.codes.get(number, b"") for number in numbers)
    scan = Scan(tuple(components), tuple(numbers), tables, first, last, high, low, state.restart_interval, longest_run)
    return frame, scan
