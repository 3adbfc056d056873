"""Levels, block by block -> bits of a part of a scan, between restarts. Mirrors ``scan_reader``.

Where the standard leaves a choice this does what libjpeg does, so that most files come back as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.jpeg.codes import ZEROS, codes
from pixelzip.jpeg.segments import Scan

_MOST_CORRECTIONS: Final = 937
"""Bits that libjpeg keeps back while it waits for a level that a block ends after."""


class ScanWriter:
    """Writes the bits of a part of a scan, or adds the symbols that it needs to ``counts``, (tables, 256)."""

    def __init__(self, scan: Scan, counts: NDArray[np.int64] | None = None) -> None:
        self._scan, self._bits, self._means = scan, list[str](), [0] * len(scan.components)
        self._codes = [codes(table) for table in scan.tables] if counts is None else []
        self._counts = counts
        self._run, self._kept = 0, list[str]()
        """Blocks that have ended and are not written, and the bits that belong to them."""

    def block(self, levels: Sequence[int], place: int) -> None:
        """Write the next block, 64 levels; ``place`` is that of its component in the scan."""
        scan, mean = self._scan, levels[0] >> self._scan.low
        if scan.first == 0 and scan.high:
            self._bits.append(str(mean & 1))
        elif scan.first == 0:
            self._put_value(2 * place, 0, mean - self._means[place])
            self._means[place] = mean
        if scan.last and scan.high:
            self._refine(levels)
        elif scan.last:
            self._write_waves(levels, 2 * place + 1)

    def _write_waves(self, levels: Sequence[int], table: int) -> None:
        zeros = 0
        for level in levels[max(1, self._scan.first) : self._scan.last + 1]:
            value = _shifted(level, self._scan.low)
            if value == 0:
                zeros += 1
                continue
            self._end_run(table)
            while zeros > ZEROS:
                self._put(table, ZEROS << 4)
                zeros -= 16
            self._put_value(table, zeros, value)
            zeros = 0
        if zeros:
            self._run += 1
            if self._run == self._scan.longest_run:
                self._end_run(table)

    def _refine(self, levels: Sequence[int]) -> None:
        values = [_shifted(level, self._scan.low) for level in levels[: self._scan.last + 1]]
        last = max((place for place, value in enumerate(values) if abs(value) == 1), default=0)
        zeros, bits = 0, list[str]()
        for frequency in range(self._scan.first, self._scan.last + 1):
            value = values[frequency]
            if value == 0:
                zeros += 1
                continue
            while zeros > ZEROS and frequency <= last:
                self._end_run(1)
                self._put(1, ZEROS << 4)
                self._bits += bits
                zeros, bits = zeros - 16, []
            if abs(value) > 1:
                bits.append(str(abs(value) & 1))
                continue
            self._end_run(1)
            self._put(1, zeros << 4 | 1)
            self._bits += ["1" if value > 0 else "0", *bits]
            zeros, bits = 0, []
        if zeros or bits:
            self._run += 1
            self._kept += bits
            if self._run == self._scan.longest_run or len(self._kept) > _MOST_CORRECTIONS:
                self._end_run(1)

    def _end_run(self, table: int) -> None:
        """Write that blocks have ended."""
        if self._run:
            num_bits = self._run.bit_length() - 1
            self._put(table, num_bits << 4)
            self._bits += [f"{self._run:b}"[1:], *self._kept]
            self._run, self._kept = 0, []

    def _put_value(self, table: int, zeros: int, value: int) -> None:
        num_bits = abs(value).bit_length()
        self._put(table, zeros << 4 | num_bits)
        if num_bits:
            self._bits.append(f"{value if value > 0 else value - 1 + (1 << num_bits):0{num_bits}b}")

    def _put(self, table: int, symbol: int) -> None:
        if self._counts is not None:
            self._counts[table, symbol] += 1
            return
        code = self._codes[table].get(symbol)
        if code is None:
            raise CorruptFile("the JPEG has no code for a symbol that it needs")
        self._bits.append(code)

    def finish(self, filling: int) -> bytes:
        """Return the part, its last byte filled with ones or zeros."""
        self._end_run(1)
        bits = "".join(self._bits)
        bits += str(filling) * (-len(bits) % 8)
        return int(bits or "0", 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\x00")


def _shifted(level: int, num_bits: int) -> int:
    """Divide by 2^num_bits, rounding towards zero."""
    return level >> num_bits if level >= 0 else -(-level >> num_bits)
