"""Huffman tables that are the best for their scan: left out of the rest of a JPEG, and computed again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.jpeg.segments import ABRIDGED, OPTIMAL, START, Scan

Tables = Mapping[tuple[int, int], bytes]
"""Tables by kind and number."""

_LONGEST_CODE: Final = 16
_DEFINE: Final = 0xC4
_RESERVED: Final = 256
"""A symbol that nobody writes: no code may consist of ones alone."""


def best(scan: Scan, counts: NDArray[np.int64]) -> dict[tuple[int, int], bytes]:
    """Return the best tables of a scan that needs symbols so often, (tables, 256), but for those that need none."""
    sums = dict[tuple[int, int], NDArray[np.int64]]()
    for number, some in zip(scan.numbers, counts, strict=True):
        sums[number] = sums.get(number, np.zeros(_RESERVED, dtype=np.int64)) + some
    return {number: optimal(some) for number, some in sums.items() if some.any()}


def filled(scan: Scan, tables: Tables) -> Scan:
    """Return a scan with its OPTIMAL tables found among these."""
    found = [
        tables.get(number, b"") if table == OPTIMAL else table
        for number, table in zip(scan.numbers, scan.tables, strict=True)
    ]
    return replace(scan, tables=tuple(found))


def optimal(counts: NDArray[np.int64]) -> bytes:
    """Return the table that libjpeg makes for symbols of (256,) counts (ITU-T T.81, K.2; jpeg_gen_optimal_table)."""
    weights = {symbol: int(count) for symbol, count in enumerate([*counts.tolist(), 1]) if count}
    lengths, members = dict.fromkeys(weights, 0), {symbol: [symbol] for symbol in weights}
    while len(weights) > 1:
        # Of equal weights the larger symbol goes first, as in libjpeg.
        least, other = sorted(weights, key=lambda symbol: (weights[symbol], -symbol))[:2]
        weights[least] += weights.pop(other)
        members[least] += members.pop(other)
        for symbol in members[least]:
            lengths[symbol] += 1
    per_length = np.bincount([*lengths.values()], minlength=_LONGEST_CODE + 1)
    _shorten(per_length)
    symbols = sorted((length, symbol) for symbol, length in lengths.items() if symbol != _RESERVED)
    longest = int(np.flatnonzero(per_length)[-1])
    per_length[longest] -= 1  # the reserved symbol's
    return bytes(per_length[1 : _LONGEST_CODE + 1].tolist()) + bytes(symbol for _, symbol in symbols)


def _shorten(per_length: NDArray[np.int64]) -> None:
    """Change how many codes there are of each length so that none has more than 16 bits (ITU-T T.81, figure K.3)."""
    for length in range(len(per_length) - 1, _LONGEST_CODE, -1):
        while per_length[length] > 0:
            shorter = length - 2
            while per_length[shorter] == 0:
                shorter -= 1
            per_length[length] -= 2
            per_length[length - 1] += 1
            per_length[shorter + 1] += 2
            per_length[shorter] -= 1


def abridged(segments: bytes, tables: Tables) -> bytes:
    """Leave the contents of tables out of segments where they are these."""

    def change(number: tuple[int, int], table: bytes) -> bytes:
        return OPTIMAL if tables.get(number) == table else table

    return _changed(segments, change)


def expanded(segments: bytes, tables: Tables) -> bytes:
    """Undo ``abridged``; raises CorruptFile: a table is left out that is none of these."""

    def change(number: tuple[int, int], table: bytes) -> bytes:
        if table == OPTIMAL and number not in tables:
            raise CorruptFile("the JPEG leaves out a table that its scan does not need")
        return tables[number] if table == OPTIMAL else table

    return _changed(segments, change)


def _changed(segments: bytes, change: Callable[[tuple[int, int], bytes], bytes]) -> bytes:
    """Replace tables in segments that ``walk`` has read already."""
    parts, position = list[bytes](), len(START) if segments.startswith(START) else 0
    parts.append(segments[:position])
    while position < len(segments):
        start = position
        while segments[position] == 0xFF:
            position += 1
        marker, end = segments[position], position + 1 + int.from_bytes(segments[position + 1 : position + 3])
        if marker == _DEFINE:
            data = b"".join(
                _written(number, change(number, table)) for number, table in _read(segments[position + 3 : end])
            )
            parts.append(segments[start : position + 1] + struct.pack(">H", len(data) + 2) + data)
        else:
            parts.append(segments[start:end])
        position = end
    return b"".join(parts)


def _read(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    while data:
        is_abridged = data[0] & ABRIDGED
        end = 1 if is_abridged else 17 + sum(data[1:17])
        yield divmod(data[0] & ~ABRIDGED, 16), OPTIMAL if is_abridged else data[1:end]
        data = data[end:]


def _written(number: tuple[int, int], table: bytes) -> bytes:
    code = 16 * number[0] + number[1]
    return bytes([code | ABRIDGED]) if table == OPTIMAL else bytes([code]) + table
