"""What carries a component that looks like noise: its bits, packed and deflated, after their checksum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile

Pixels = NDArray[np.uint8]

_CHUNK: Final = 2**20
"""Samples whose bits are in memory at once, one to a byte; so many fill whole bytes, whatever their bits."""


def write(pixels: Pixels, seal: int, num_bits: int) -> bytes:
    """Pack the low ``num_bits`` bits of (H, W, C) samples, 0..8, and deflate them; the rest of each must be zero.

    The checksum, of the samples, is chained to ``seal``.
    """
    samples = np.ascontiguousarray(pixels).reshape(-1)
    packed = b"".join(
        np.packbits(np.unpackbits(chunk[:, None], axis=1)[:, 8 - num_bits :]).tobytes() for chunk in _chunks(samples)
    )
    return struct.pack("<I", zlib.crc32(samples.data, seal)) + zlib.compress(packed, 9)


def read(stream: bytes, seal: int, shape: tuple[int, ...], num_bits: int) -> Pixels:
    """Undo ``write``; raises CorruptFile unless exactly the expected bytes come out."""
    num_samples = int(np.prod(shape))
    num_bytes = -(-num_samples * num_bits // 8)
    try:
        inflated = zlib.decompressobj().decompress(stream[4:], num_bytes + 1)
    except zlib.error as error:
        raise CorruptFile("a stored component does not inflate") from error
    if len(inflated) != num_bytes:
        raise CorruptFile("a stored component has another length")
    packed, samples, first = np.frombuffer(inflated, dtype=np.uint8), np.zeros(num_samples, dtype=np.uint8), 0
    for chunk in _chunks(samples):
        count = chunk.size * num_bits
        bits = np.unpackbits(packed[first : first + -(-count // 8)], count=count).reshape(chunk.size, num_bits)
        chunk[:] = np.packbits(np.pad(bits, ((0, 0), (8 - num_bits, 0))), axis=1)[:, 0]
        first += count // 8
    if struct.pack("<I", zlib.crc32(samples.data, seal)) != stream[:4]:
        raise CorruptFile("the checksum does not match a stored component")
    return samples.reshape(shape)


def _chunks(samples: Pixels) -> Iterator[Pixels]:
    return (samples[first : first + _CHUNK] for first in range(0, samples.size, _CHUNK))
