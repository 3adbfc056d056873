"""CRC-32 of many rows of bytes, each chained to what it belongs to."""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import native
from pixelzip.native import Seals

_SHORT_BYTES: Final = 2**14
"""Of rows, so short that zlib, called for each, takes longer than the extension or keeps other threads waiting."""


def checksums(rows: NDArray[np.uint8], seals: Seals) -> Seals:
    """Return the CRC32 of each of n rows (n, ...), which follow what the seals, (n,), are the CRC32 of."""
    if native.INSTRUCTION_SETS and rows[:1].size <= _SHORT_BYTES:
        return native.checksums(rows, seals)
    pairs = zip(np.ascontiguousarray(rows), seals.tolist(), strict=True)
    return np.array([zlib.crc32(row, seal) for row, seal in pairs], dtype=np.uint32)
