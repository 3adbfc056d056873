"""Huffman tables of a JPEG <-> the codes of symbols, as zeros and ones (ITU-T T.81, annex C)."""

from __future__ import annotations

import functools
from typing import Final

from pixelzip.errors import CorruptFile

ZEROS: Final = 15
"""The run of 16 zeros that no level follows; other symbols without a level end blocks."""


@functools.lru_cache(maxsize=16)
def codes(table: bytes) -> dict[int, str]:
    """Return the code of each symbol of a table: 16 counts of codes by length, then their symbols."""
    found, symbols, code = dict[int, str](), iter(table[16:]), 0
    for length, count in enumerate(table[:16], start=1):
        for _ in range(count):
            found[next(symbols)] = f"{code:0{length}b}"
            code += 1
        if code > 1 << length:
            raise CorruptFile("the JPEG has too many codes")
        code <<= 1
    return found
