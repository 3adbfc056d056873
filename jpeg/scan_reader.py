"""Bits of a part of a scan, between restarts -> levels, block by block (ITU-T T.81, annexes F and G)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.jpeg.codes import ZEROS, codes
from pixelzip.jpeg.segments import Scan

Levels = NDArray[np.int16]


class ScanReader:
    """Reads the bits of one part of a scan between restarts."""

    def __init__(self, data: bytes, scan: Scan) -> None:
        self._bits, self._place, self._scan = f"{int.from_bytes(data):0{8 * len(data)}b}" if data else "", 0, scan
        self._symbols = [{code: symbol for symbol, code in codes(table).items()} for table in scan.tables]
        self._means = [0] * len(scan.components)
        self._run = 0

    def block(self, levels: Levels, place: int) -> None:
        """Add to the (64,) levels of the next block; ``place`` is that of its component in the scan."""
        scan = self._scan
        if scan.first == 0 and scan.high:
            levels[0] |= self._take(1) << scan.low
        elif scan.first == 0:
            self._means[place] += self._signed(self._symbol(2 * place))
            levels[0] = _as_short(self._means[place] << scan.low)
        if scan.last and scan.high:
            self._refine(levels)
        elif scan.last:
            self._read_waves(levels, 2 * place + 1)

    def _read_waves(self, levels: Levels, table: int) -> None:
        frequency = max(1, self._scan.first)
        while self._run == 0 and frequency <= self._scan.last:
            zeros, num_bits = divmod(self._symbol(table), 16)
            if num_bits:
                frequency += zeros
                self._set(levels, frequency, self._signed(num_bits) << self._scan.low)
                frequency += 1
            elif zeros == ZEROS:
                frequency += zeros + 1
            else:
                self._run = (1 << zeros) + self._take(zeros)
        self._run = max(0, self._run - 1)

    def _refine(self, levels: Levels) -> None:
        frequency = self._scan.first
        while self._run == 0 and frequency <= self._scan.last:
            zeros, num_bits = divmod(self._symbol(1), 16)
            if num_bits == 0 and zeros != ZEROS:
                self._run = (1 << zeros) + self._take(zeros)
                break
            sign = 2 * self._take(1) - 1 if num_bits else 0
            while frequency <= self._scan.last and (levels[frequency] or zeros):
                zeros -= not levels[frequency]
                self._correct(levels, frequency)
                frequency += 1
            if sign:
                self._set(levels, frequency, sign << self._scan.low)
            frequency += 1
        if self._run:
            for rest in range(frequency, self._scan.last + 1):
                self._correct(levels, rest)
            self._run -= 1

    def _correct(self, levels: Levels, frequency: int) -> None:
        """Read the next bit of a level that is not zero."""
        if levels[frequency] and self._take(1):
            level = int(levels[frequency])
            self._set(levels, frequency, level + (1 if level > 0 else -1) * (1 << self._scan.low))

    def _set(self, levels: Levels, frequency: int, level: int) -> None:
        if frequency > self._scan.last:
            raise CorruptFile("the JPEG has a block of too many levels")
        levels[frequency] = _as_short(level)

    def _symbol(self, table: int) -> int:
        symbols = self._symbols[table]
        for length in range(1, 17):
            symbol = symbols.get(self._bits[self._place : self._place + length])
            if symbol is not None:
                self._place += length
                return symbol
        raise CorruptFile("the JPEG has a code that is none")

    def _take(self, num_bits: int) -> int:
        bits = self._bits[self._place : self._place + num_bits]
        if len(bits) < num_bits:
            raise CorruptFile("the JPEG has a scan that is cut short")
        self._place += num_bits
        return int(bits, 2) if bits else 0

    def _signed(self, num_bits: int) -> int:
        if num_bits > 15:
            raise CorruptFile("the JPEG has a level that is impossible")
        value = self._take(num_bits)
        return value if num_bits == 0 or value >> num_bits - 1 else value - (1 << num_bits) + 1


def _as_short(level: int) -> int:
    if not -(2**15) <= level < 2**15:
        raise CorruptFile("the JPEG has a level that is impossible")
    return level
