"""Frames: small PNG or TIFF files with all metadata, written by Pillow -> the same around pixels that it cannot write.

Those are 16-bit colour, and any compressed pixels in a TIFF file with EXIF data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.cli.files import FileError
from pixelzip.image import Samples

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES: Final = {2: 4, 3: 2, 4: 6}
"""What a PNG calls so many channels."""

_BLOCK_BYTES: Final = 2**20
"""Samples that are filtered together, and those of a strip of a TIFF file."""

_SHORT, _LONG = (3, "H"), (4, "I")
_WIDTH, _HEIGHT, _OFFSETS, _ROWS, _BYTE_COUNTS = 256, 257, 273, 278, 279
_BITS, _COMPRESSION, _FILL_ORDER, _CHANNELS, _PLANES, _PREDICTOR = 258, 259, 266, 277, 284, 317
_SAMPLE_FORMAT: Final = 339
_FIXED: Final = {_COMPRESSION: [8], _FILL_ORDER: [1], _PLANES: [1], _PREDICTOR: [2]}
"""Deflate, the highest bit first, channels together, differences."""

_TIFF_LIMIT: Final = 2**32


def with_pixels(file: bytes, samples: Samples) -> bytes:
    """Put samples in place of the pixels of a file that has as many channels.

    Args:
        file: PNG of mode LA, RGB or RGBA, or TIFF of a mode without palette.
        samples: (H, W, C) uint16, C in 2, 3, 4; or in TIFF files also uint8, and C of 1.

    Raises:
        FileError: they do not fit in a TIFF file.
    """
    return _png(file, samples) if file.startswith(_PNG) else _tiff(file, samples)


def _png(file: bytes, samples: Samples) -> bytes:
    height, width, channels = samples.shape
    parts, offset = [_PNG], len(_PNG)
    while offset < len(file):
        length, kind = struct.unpack_from(">I4s", file, offset)
        if kind == b"IHDR":
            header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
            parts.append(_chunk(kind, header))
        elif kind == b"IDAT":  # there is one: the pixel is small
            parts += [_chunk(kind, data) for data in _deflated(samples) if data]
        else:
            parts.append(file[offset : offset + length + 12])
        offset += length + 12
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflated(samples: Samples) -> Iterator[bytes]:
    """Filter and deflate rows, in parts that are short enough for a chunk."""
    deflate, above = zlib.compressobj(), np.zeros_like(samples[:1])
    for block in _row_blocks(samples):
        yield deflate.compress(_filtered(block, np.concatenate((above, block[:-1]))))
        above = block[-1:]
    yield deflate.flush()


def _filtered(block: Samples, above: NDArray[Any]) -> bytes:
    """Apply to each row the PNG filter whose differences are smallest, with its number before it, as libpng does."""
    here, up = (_bytes_of(rows) for rows in (block, above))  # (rows, W, 2 C) int16
    left, corner = (np.pad(rows, ((0, 0), (1, 0), (0, 0)))[:, :-1] for rows in (here, up))
    from_left, from_up, from_corner = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
    paeth = np.where(from_up <= from_corner, up, corner)
    paeth = np.where((from_left <= from_up) & (from_left <= from_corner), left, paeth)
    predictions = (left, up, (left + up) // 2, paeth)
    errors = np.stack([(here - prediction).astype(np.uint8) for prediction in predictions])
    costs = np.abs(errors.view(np.int8).astype(np.int16)).sum(axis=(2, 3), dtype=np.int64)
    best = costs.argmin(axis=0)
    chosen = errors[best, np.arange(len(best))].reshape(len(best), -1)
    return np.concatenate((best[:, None].astype(np.uint8) + np.uint8(1), chosen), axis=1).tobytes()


def _bytes_of(rows: NDArray[Any]) -> NDArray[np.int16]:
    return np.ascontiguousarray(rows, dtype=">u2").view(np.uint8).astype(np.int16)


def _tiff(file: bytes, samples: Samples) -> bytes:
    """Leave the file as it is, with all that its directory points to, and append strips and another directory."""
    order = "<" if file.startswith(b"II") else ">"
    height, width, channels = samples.shape
    strips = [_strip(block, order) for block in _row_blocks(samples)]
    ends = np.cumsum([len(file), *map(len, strips)]).tolist()
    if ends[-1] + _BLOCK_BYTES + 8 * len(strips) > _TIFF_LIMIT:
        raise FileError("a TIFF file has at most 4 GiB: use .png or .npy")
    shorts = _FIXED | {_BITS: [8 * samples.itemsize] * channels, _CHANNELS: [channels], _SAMPLE_FORMAT: [1] * channels}
    longs = {_WIDTH: [width], _HEIGHT: [height], _ROWS: [len(next(_row_blocks(samples)))]}
    longs |= {_OFFSETS: ends[:-1], _BYTE_COUNTS: [len(strip) for strip in strips]}
    entries, tail = _entries(file, order), bytearray(ends[-1] % 2)
    for (kind, letter), values in ((_SHORT, shorts), (_LONG, longs)):
        for tag, numbers in values.items():
            packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
            if len(packed) > 4:
                place = ends[-1] + len(tail)
                tail += packed + bytes(len(packed) % 4)
                packed = struct.pack(f"{order}I", place)
            entries[tag] = struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    head = file[:4] + struct.pack(f"{order}I", ends[-1] + len(tail)) + file[8:]
    return b"".join([head, *strips, tail, directory])


def _entries(file: bytes, order: str) -> dict[int, bytes]:
    """Return the 12 bytes of each entry of the first directory, by tag."""
    start = struct.unpack_from(f"{order}I", file, 4)[0]
    count = struct.unpack_from(f"{order}H", file, start)[0]
    entries = [file[place : place + 12] for place in range(start + 2, start + 2 + 12 * count, 12)]
    return {struct.unpack_from(f"{order}H", entry)[0]: entry for entry in entries}


def _strip(block: Samples, order: str) -> bytes:
    differences: NDArray[Any] = block.copy()
    differences[:, 1:] -= block[:, :-1]
    return zlib.compress(differences.astype(f"{order}u{block.itemsize}").tobytes())


def _row_blocks(samples: Samples) -> Iterator[Samples]:
    rows = max(1, _BLOCK_BYTES // samples[:1].nbytes)
    return (samples[top : top + rows] for top in range(0, len(samples), rows))
