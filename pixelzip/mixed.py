"""Photographs among drawings <-> the body of a file: parts that lie on one another, each of them a file by itself.

The first part is the whole image with plain rectangles where photographs are; these are the others.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from pixelzip import container
from pixelzip.components import CodedFile
from pixelzip.container import BODY_JPEG_FILE, BODY_MIXED, MAX_DIMENSION, Header
from pixelzip.errors import CorruptFile
from pixelzip.fields import Reader, write_varint
from pixelzip.image import Picture, Samples
from pixelzip.tiles import Box

Decode = Callable[[Sequence[CodedFile]], Sequence[Picture]]
"""Decodes files that are parts."""

WRONG_CHECKSUM: Final = "the checksum does not match the parts of the image"
MODES: Final = frozenset({"L", "LA", "RGB", "RGBA"})
MOST_PARTS: Final = 256


def split(picture: Picture, boxes: Sequence[Box]) -> list[Picture]:
    """Return a picture with plain rectangles in it, then what was in these; without metadata."""
    rest = picture.samples.astype(np.uint8)
    for box in boxes:  # as what is next to it: costs least
        rest[box.slices] = picture.samples[max(0, box.top - 1), max(0, box.left - 1)]
    others = (picture.samples[box.slices].astype(np.uint8) for box in boxes)
    return [Picture(picture.mode, samples) for samples in (rest, *others)]


def write(picture: Picture, boxes: Sequence[Box], files: Sequence[bytes], model: bytes) -> bytes:
    """Put the files of what ``split`` returned together; ``model`` identifies the network for pixels."""
    header = Header(picture.mode, *picture.size, BODY_MIXED, picture.blocks, model)
    places = [write_varint(side) for box in boxes for side in (box.left, box.top, box.width, box.height)]
    lengths = [write_varint(len(file)) for file in files[:-1]]
    return container.write(
        header, [checksum_of(header, picture.samples), write_varint(len(boxes)), *places, *lengths, *files]
    )


def take_apart(header: Header, body: bytes, is_damaged: bool = False) -> tuple[bytes, list[tuple[Box, bytes]]]:
    """Undo ``write``: a checksum, and where each part's file lies, of which none but the first lies on another.

    Of a file that ``is_damaged`` parts that are cut off may be empty.

    Raises:
        CorruptFile: parts overlap, or leave the image.
    """
    if header.mode.name not in MODES:
        raise CorruptFile(f"an image of mode {header.mode.name} has no parts")
    reader = Reader(body)
    checksum, count = reader.take(4, "checksum"), reader.varint("number of parts")
    if count >= MOST_PARTS:
        raise CorruptFile(f"an image of {count + 1} parts is impossible")
    boxes = [_read_box(reader) for _ in range(count)]
    if any(box.meet(header.box) != box for box in boxes) or any(
        one.meet(other) for one, other in combinations(boxes, 2)
    ):
        raise CorruptFile("the parts of the image overlap or leave it")
    files = container.read_streams(reader, count + 1, is_damaged)
    return checksum, list(zip((header.box, *boxes), files, strict=True))


def _read_box(reader: Reader) -> Box:
    left, top, width, height = (reader.varint(name) for name in ("left", "top", "width", "height"))
    return Box(top, left, height, width)


def decompress(header: Header, body: bytes, decode: Decode) -> Picture:
    """Return the picture, its parts decoded by ``decode``; raises CorruptFile, UnsupportedVersion, and as that does."""
    checksum, parts = take_apart(header, body)
    files = [read_part(header, box, file) for box, file in parts]
    samples = joined([box for box, _ in parts], [picture.samples for picture in decode(files)])
    if checksum_of(header, samples) != checksum:
        raise CorruptFile(WRONG_CHECKSUM)
    return Picture(header.mode, samples, header.blocks)


def read_part(header: Header, box: Box, file: bytes, is_damaged: bool = False) -> CodedFile:
    """Read a part's file as ``container.read`` does; raises CorruptFile, too, if it can be no part of the image."""
    part, streams = container.read(file, MAX_DIMENSION**2, is_damaged=is_damaged)  # its size is looked at here
    if (part.mode, part.box) != (header.mode, Box(0, 0, box.height, box.width)):
        raise CorruptFile("a part of the image has another mode or size than its place")
    if part.blocks or part.body in (BODY_MIXED, BODY_JPEG_FILE):
        raise CorruptFile("a part of the image is of a kind that no part can be of")
    return part, streams


def joined(boxes: Sequence[Box], samples: Sequence[Samples]) -> Samples:
    """Return the first part's samples with the others' in them."""
    result = samples[0].copy()
    for box, part in zip(boxes[1:], samples[1:], strict=True):
        result[box.slices] = part
    return result


def checksum_of(header: Header, samples: Samples) -> bytes:
    """Return the CRC32 of samples, 4 bytes, chained to the header."""
    return struct.pack("<I", zlib.crc32(np.ascontiguousarray(samples, dtype=np.uint8).tobytes(), header.seal(0)))
