"""The bytes that most JPEG files have before their scans: not stored with those that have them.

They are a dictionary for deflate; no file has to have them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.sampling import Sampling
from pixelzip.jpeg.segments import ABRIDGED

_LUMA_MEANS: Final = bytes.fromhex("00010501010101010100000000000000000102030405060708090a0b")
_LUMA_WAVES: Final = bytes.fromhex(
    "0002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
    "2433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a63646566676869"
    "6a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5"
    "c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
_CHROMA_MEANS: Final = bytes.fromhex("00030101010101010101010000000000000102030405060708090a0b")
_CHROMA_WAVES: Final = bytes.fromhex(
    "00020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0"
    "156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768"
    "696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
    "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)
"""The tables of ITU-T T.81, K.3: 16 counts of codes by length, then symbols."""

USUAL: Final = frozenset({_LUMA_MEANS, _LUMA_WAVES, _CHROMA_MEANS, _CHROMA_WAVES})

_START: Final = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
"""The start of an image and of JFIF, version 1.1, without a resolution."""

_END: Final = b"\xff\xd9"
_STEPS, _FRAME, _CODES, _SCAN = 0xDB, 0xC0, 0xC4, 0xDA

_SCRIPT: Final = (
    (None, (0, 0, 0x01)),
    (0, (1, 5, 0x02)),
    (2, (1, 63, 0x01)),
    (1, (1, 63, 0x01)),
    (0, (6, 63, 0x02)),
    (0, (1, 63, 0x21)),
    (None, (0, 0, 0x10)),
    (2, (1, 63, 0x10)),
    (1, (1, 63, 0x10)),
    (0, (1, 63, 0x10)),
)
"""Components (None: all), then first and last frequency, and bits."""


def usual(components: Sequence[Component], sampling: Sampling, size: tuple[int, int]) -> bytes:
    """Return what libjpeg writes around the scans of JPEGs of (width, height) pixels, at most 65,535.

    That is, as a rest that leaves out the best tables of codes: a progressive JPEG, then one with the usual codes.
    """
    width, height = (min(length, 0xFFFF) for length in size)
    steps = [bytes([index, *component.steps.tolist()]) for index, component in enumerate(components[:2])]
    factors = [16 * sampling.columns + sampling.rows, 0x11, 0x11]
    parts = [bytes([index + 1, factors[index], min(index, 1)]) for index in range(len(components))]
    frame = struct.pack(">BHHB", 8, height, width, len(parts)) + b"".join(parts)
    segments = [(_STEPS, table) for table in steps] + [(_FRAME, frame)]
    start = _START + b"".join(_segment(*segment) for segment in segments)
    return _passes(len(parts)) + start + _single(len(parts)) + _END


def _single(num_parts: int) -> bytes:
    codes = [b"\x00" + _LUMA_MEANS, b"\x10" + _LUMA_WAVES, b"\x01" + _CHROMA_MEANS, b"\x11" + _CHROMA_WAVES]
    chosen = b"".join(bytes([index + 1, 0x11 * min(index, 1)]) for index in range(num_parts))
    scan = _segment(_SCAN, bytes([num_parts]) + chosen + b"\x00\x3f\x00")
    return b"".join(_segment(_CODES, table) for table in codes[: 2 * min(num_parts, 2)]) + scan


def _passes(num_parts: int) -> bytes:
    """Return the segments before each scan of libjpeg's usual script for progressive JPEGs (jcparam.c)."""
    segments = list[bytes]()
    for index, spectrum in _SCRIPT:
        is_chroma = index is not None and index > 0
        if is_chroma and num_parts == 1:
            continue
        first, bits = spectrum[0], spectrum[2]
        chosen = [(part + 1, 0x10 * min(part, 1)) for part in range(num_parts)] if index is None else []
        chosen = chosen or [((index or 0) + 1, int(is_chroma))]
        numbers = [0, 1][: min(num_parts, 2)] if index is None else [0x10 + is_chroma]
        needs_codes = first > 0 or bits < 0x10
        segments += [_segment(_CODES, bytes([ABRIDGED | number])) for number in numbers if needs_codes]
        pairs = b"".join(bytes([part, codes if needs_codes else 0]) for part, codes in chosen)
        segments.append(_segment(_SCAN, bytes([len(chosen)]) + pairs + bytes(spectrum)))
    return b"".join(segments)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
