"""A picture <-> the body of a file: bands of rows, each of which has learned by itself and is sealed by itself."""

from __future__ import annotations

import functools
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import container
from pixelzip.container import BODY_DRAWING, Header
from pixelzip.drawing import band
from pixelzip.drawing.band import Packed
from pixelzip.errors import CorruptFile, UnsupportedVersion
from pixelzip.fields import Reader, write_varint
from pixelzip.image import Mode, Picture, Samples
from pixelzip.threads import in_threads
from pixelzip.tiles import Box

Pixels = NDArray[np.uint8]

_BAND_PIXELS: Final = 2**22
_MOST_COLUMNS: Final = 2**16
"""A band of few rows would take far more memory than its pixels: it has three rows above it."""

_CHECKSUM_BYTES: Final = 4
_NO_MODEL: Final = b"\0\0"
_MOST_OVERHEAD: Final = 64
_EMPTY: Final = b"\0"
"""What stands for a stream without bytes: behind its end a reader finds zeros anyway."""


def can_hold(mode: Mode, width: int) -> bool:
    """Return whether an image of a mode and so many columns can be a drawing."""
    return mode.bit_depth == 8 and width <= _MOST_COLUMNS


def compress(picture: Picture, limit: int, num_threads: int | None = 1) -> bytes | None:
    """Return a file of less than ``limit`` bytes; None if it takes more, or it is none of what drawings can be."""
    header = Header(picture.mode, *picture.size, BODY_DRAWING, picture.blocks, _NO_MODEL)
    if not can_hold(header.mode, header.width):
        return None
    encode = functools.partial(_encode, header, picture.samples, limit)
    found = in_threads(encode, list(enumerate(_bands(header))), num_threads)
    streams = [stream for stream in found if stream is not None]
    if len(streams) < len(found):
        return None
    file = container.write(header, [*(write_varint(len(stream)) for stream in streams[:-1]), *streams])
    return file if len(file) < limit else None


def decompress(header: Header, body: bytes, num_threads: int | None) -> Picture:
    """Return the picture; raises CorruptFile, UnsupportedVersion."""
    bands = list[Pixels]()
    for _, found in decode_bands(header, body, num_threads):
        if isinstance(found, CorruptFile):
            raise found
        bands.append(found)
    return Picture(header.mode, np.concatenate(bands), header.blocks)


def decode_bands(
    header: Header, body: bytes, num_threads: int | None, is_damaged: bool = False
) -> list[tuple[Box, Pixels | CorruptFile]]:
    """Return where each band lies, and its samples or why it has none.

    Of a file that ``is_damaged`` bands that are cut off may be empty.

    Raises:
        CorruptFile: bands cannot be told apart.
        UnsupportedVersion: the file names a model.
    """
    if not can_hold(header.mode, header.width):
        raise CorruptFile(f"a drawing of {header.width} columns in mode {header.mode.name} is impossible")
    if header.model != _NO_MODEL:
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    bands = _bands(header)
    streams = container.read_streams(Reader(body), len(bands), is_damaged)
    decode = functools.partial(_decode, header)
    return list(
        zip(bands, in_threads(decode, list(enumerate(zip(bands, streams, strict=True))), num_threads), strict=True)
    )


def _bands(header: Header) -> list[Box]:
    rows = _BAND_PIXELS // header.width
    return [Box(top, 0, min(rows, header.height - top), header.width) for top in range(0, header.height, rows)]


def _encode(header: Header, samples: Samples, limit: int, numbered: tuple[int, Box]) -> bytes | None:
    number, box = numbered
    pixels = np.ascontiguousarray(samples[box.slices], dtype=np.uint8)
    most = min(limit, 2 * pixels.nbytes + _MOST_OVERHEAD)
    stream = band.encode(_packed(pixels), header.mode.num_channels, most)
    return None if stream is None else _checksum(header, number, pixels) + (stream or _EMPTY)


def _decode(header: Header, numbered: tuple[int, tuple[Box, bytes]]) -> Pixels | CorruptFile:
    number, (box, stream) = numbered
    checksum, stream = stream[:_CHECKSUM_BYTES], stream[_CHECKSUM_BYTES:]
    if not stream:
        return CorruptFile(f"band {number} of the drawing is cut off")
    packed = band.decode(b"" if stream == _EMPTY else stream, box.height, box.width, header.mode.num_channels)
    if packed is None:
        return CorruptFile(f"band {number} of the drawing is not what an encoder writes")
    pixels = _unpacked(packed, header.mode.num_channels)
    if _checksum(header, number, pixels) != checksum:
        return CorruptFile(f"the checksum does not match the pixels of band {number} of the drawing")
    return pixels


def _packed(samples: Pixels) -> Packed:
    packed = np.zeros((*samples.shape[:2], 4), dtype=np.uint8)
    packed[..., : samples.shape[2]] = samples
    return packed.view("<u4")[..., 0].astype(np.uint32)


def _unpacked(packed: Packed, num_channels: int) -> Pixels:
    return np.ascontiguousarray(packed.astype("<u4")[..., None].view(np.uint8)[..., :num_channels])


def _checksum(header: Header, number: int, samples: Pixels) -> bytes:
    return struct.pack("<I", zlib.crc32(samples.tobytes(), header.seal(number)))
