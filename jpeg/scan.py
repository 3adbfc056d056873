"""Levels <-> the coded data of a scan: the definition, bit by bit (ITU-T T.81, annexes F and G).

``native/jpeg_reader.c`` and ``native/jpeg_writer.c`` do the same, much faster. Where the standard leaves a choice the
writer does what libjpeg does, so that most files come back as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import native, native_jpeg
from pixelzip.errors import CorruptFile
from pixelzip.jpeg.scan_reader import ScanReader
from pixelzip.jpeg.scan_writer import ScanWriter
from pixelzip.jpeg.segments import Frame, Scan

Levels = NDArray[np.int16]
"""(blocks, 64) in zigzag, in the order of ``Frame.numbers``."""

_RESTARTS: Final = re.compile(rb"\xff[\xd0-\xd7]")
_END: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_FIRST_RESTART: Final = 0xD0


def end(data: bytes, start: int) -> int:
    """Return where the coded data that start at a place end: before a marker that restarts nothing."""
    found = _END.search(data, start)
    return found.start() if found else len(data)


def read(data: bytes, frame: Frame, scan: Scan, levels: Levels) -> None:
    """Add what a scan says of the levels; raises CorruptFile."""
    order, places = scan.order(frame)
    if native.INSTRUCTION_SETS:
        if not native_jpeg.read_scan(data, _ported(scan, levels, order, places)):
            raise CorruptFile("the JPEG has a damaged scan")
        return
    units = order.reshape(-1, len(places))
    per_part = scan.restart_interval or len(units)
    parts = _RESTARTS.split(data)
    if len(parts) != -(-len(units) // per_part):
        raise CorruptFile("the JPEG restarts where it should not")
    for number, part in enumerate(parts):
        reader = ScanReader(part.replace(b"\xff\x00", b"\xff"), scan)
        for unit in units[number * per_part : (number + 1) * per_part]:
            for place, block in zip(places.tolist(), unit.tolist(), strict=True):
                reader.block(levels[block], place)


def write(frame: Frame, scan: Scan, levels: Levels, filling: int) -> bytes:
    """Undo ``read``; the last byte is filled with ones or with zeros. Raises CorruptFile: a code is missing."""
    if native.INSTRUCTION_SETS:
        written = native_jpeg.write_scan(_ported(scan, levels, *scan.order(frame)), filling)
        if written is None:
            raise CorruptFile("the JPEG has no code for a symbol that it needs")
        return written
    data = bytearray()
    for number, writer in enumerate(_written(frame, scan, levels, None)):
        if number:
            data += bytes([0xFF, _FIRST_RESTART + (number - 1) % 8])
        data += writer.finish(filling)
    return bytes(data)


def count(frame: Frame, scan: Scan, levels: Levels) -> NDArray[np.int64]:
    """Return how often ``write`` needs each symbol of each table, whatever codes these have, (tables, 256)."""
    scan = replace(scan, tables=(b"",) * len(scan.tables))
    if native.INSTRUCTION_SETS:
        found = native_jpeg.count_scan(_ported(scan, levels, *scan.order(frame)))
        if found is None:
            raise CorruptFile("the JPEG has a level that is impossible")
        return found
    counts = np.zeros((len(scan.tables), 256), dtype=np.int64)
    for writer in _written(frame, scan, levels, counts):
        writer.finish(0)
    return counts


def _written(frame: Frame, scan: Scan, levels: Levels, counts: NDArray[np.int64] | None) -> Iterator[ScanWriter]:
    """Write the parts of a scan between restarts."""
    order, places = scan.order(frame)
    units = order.reshape(-1, len(places))
    per_part = scan.restart_interval or len(units)
    for start in range(0, len(units), per_part):
        writer = ScanWriter(scan, counts)
        for unit in units[start : start + per_part]:
            for place, block in zip(places.tolist(), unit.tolist(), strict=True):
                writer.block(levels[block].tolist(), place)
        yield writer


def _ported(scan: Scan, levels: Levels, order: NDArray[np.int32], places: NDArray[np.uint8]) -> native_jpeg.Scan:
    fields = scan.first, scan.last, scan.high, scan.low, scan.restart_interval, scan.longest_run
    return native_jpeg.Scan(levels, order, places, list(scan.tables), fields)
