"""The bytes of a pack: header, index and payloads. ``docs/format.md``, section 11, is the normative description."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.container import MAX_DIMENSION, PACK_SIGNATURE, SIGNATURE
from pixelzip.errors import CorruptFile, ImageTooLarge, UnsupportedVersion
from pixelzip.fields import Reader, inflate, write_varint
from pixelzip.image import MODES, Mode
from pixelzip.tiles import Tiling

STREAM, FILE = range(2)
"""Codings of an image: a short stream, or a whole .pxz file."""

BLOCK_IMAGES: Final = 256
"""Images that share a CRC32 and a width of their lengths in the index."""

STREAM_MODES: Final = frozenset({"L", "RGB"})
FILE_MODES: Final = frozenset({"L", "LA", "RGB", "RGBA", "I;16", "LA;16", "RGB;16", "RGBA;16"})

MAX_LABEL: Final = 2**31 - 1
MAX_DESCRIPTION_BYTES: Final = 2**26
"""Names and labels together."""

_NAMES_BIT: Final = 1
_LABELS_BIT: Final = 2
_MIRRORS_BIT: Final = 4
_CODING_SHIFT: Final = 4
_MAX_LENGTH_BITS: Final = 32
_LEAST_GROUP_BYTES: Final = 4
_NEWER: Final = "the pack was written by a newer version of pixelzip"


@dataclass(frozen=True)
class Shape:
    """What the index says of one image besides its length; consecutive images with one shape form a group."""

    mode: Mode
    width: int
    height: int
    coding: int

    @property
    def num_subpixels(self) -> int:
        """Samples in one image."""
        return self.width * self.height * self.mode.num_channels


@dataclass(frozen=True, eq=False)
class Contents:
    """A pack taken apart.

    ``offsets`` (n + 1,) int64 are the payloads' bounds, ``checksums`` one CRC32 a block, ``are_mirrored`` (n,) which
    streams are of mirror images.
    """

    data: bytes
    model: bytes
    shapes: tuple[Shape, ...]
    names: tuple[str, ...] | None
    labels: tuple[int, ...] | None
    offsets: NDArray[np.int64]
    checksums: tuple[int, ...]
    are_mirrored: NDArray[np.bool_]

    def payload(self, index: int) -> bytes:
        """Return the bytes of one image."""
        return self.data[self.offsets[index] : self.offsets[index + 1]]

    def is_intact(self, block: int) -> bool:
        """Whether the CRC32 of a block's bytes is the index's."""
        first, last = block * BLOCK_IMAGES, min((block + 1) * BLOCK_IMAGES, len(self.shapes))
        return zlib.crc32(memoryview(self.data)[self.offsets[first] : self.offsets[last]]) == self.checksums[block]


def write(
    model: bytes,
    shapes: Sequence[Shape],
    payloads: Sequence[bytes],
    names: Sequence[str] | None,
    labels: Sequence[int] | None,
    are_mirrored: Sequence[bool] = (),
) -> bytes:
    """Assemble a pack; ``names`` and ``labels`` must be as ``pixelzip.pack.pack`` demands.

    ``are_mirrored`` says which payloads are streams of mirror images, left and right exchanged: by default none.
    """
    is_described, has_mirrors = names is not None or labels is not None, any(are_mirrored)
    flags = (_NAMES_BIT if names is not None else 0) | (_LABELS_BIT if labels is not None else 0)
    flags |= _MIRRORS_BIT if has_mirrors else 0
    groups = [(shape, len(list(run))) for shape, run in itertools.groupby(shapes)]
    parts = [PACK_SIGNATURE, bytes([flags]), model, write_varint(len(groups))]
    for shape, count in groups:
        parts.append(bytes([shape.mode.identifier | shape.coding << _CODING_SHIFT]))
        parts += map(write_varint, (shape.width, shape.height, count))
    for start in range(0, len(payloads), BLOCK_IMAGES):
        block = slice(start, start + BLOCK_IMAGES)
        parts += _block_fields(payloads[block])
        parts += [_packed(np.array(are_mirrored[block]))] if has_mirrors else []
    if is_described:
        description = b"".join(name.encode() + b"\0" for name in names or ())
        deflated = zlib.compress(description + b"".join(map(write_varint, labels or ())), 9)
        parts += [write_varint(len(deflated)), deflated]
    header = b"".join(parts)
    return b"".join([header, struct.pack("<I", zlib.crc32(header)), *payloads])


def read(data: bytes, max_pixels: int) -> Contents:
    """Take a pack apart, checking every length against the bytes that exist.

    Raises:
        CorruptFile: not a pack, or header or index are truncated or damaged.
        UnsupportedVersion: written by a newer version.
        ImageTooLarge: an image has more than ``max_pixels`` pixels.
    """
    reader = Reader(data)
    if reader.take(len(PACK_SIGNATURE), "signature") != PACK_SIGNATURE:
        is_image = data.startswith(SIGNATURE)
        raise CorruptFile("one image, not a pack" if is_image else "not a pack: the signature does not match")
    flags = reader.take(1, "flags")[0]
    if flags & ~(_NAMES_BIT | _LABELS_BIT | _MIRRORS_BIT):
        raise UnsupportedVersion(_NEWER)
    model = reader.take(2, "model identifier")
    groups = list(_read_groups(reader))
    num_images = sum(count for _, count in groups)
    lengths, checksums, are_mirrored = _read_blocks(reader, num_images, bool(flags & _MIRRORS_BIT))
    kinds = flags & (_NAMES_BIT | _LABELS_BIT)
    description = reader.take(reader.varint("description length"), "names and labels") if kinds else b""
    if struct.pack("<I", zlib.crc32(reader.done)) != reader.take(4, "checksum"):
        raise CorruptFile("the index does not match its checksum")
    for shape, _ in groups:
        if shape.width * shape.height > max_pixels:
            raise ImageTooLarge(f"an image has {shape.width}x{shape.height} pixels, more than {max_pixels}")
    names, labels = _read_description(description, kinds, num_images)
    offsets = np.concatenate(([0], np.cumsum(lengths))) + len(reader.done)
    if offsets[-1] != len(data):
        raise CorruptFile(f"the pack has {len(data)} bytes, its index says {offsets[-1]}")
    shapes = tuple(shape for shape, count in groups for _ in range(count))
    if any(shapes[index].coding == FILE for index in np.flatnonzero(are_mirrored)):
        raise CorruptFile("a whole file is said to be a mirror image")
    return Contents(data, model, shapes, names, labels, offsets, tuple(checksums), are_mirrored)


def _read_groups(reader: Reader) -> Iterator[tuple[Shape, int]]:
    num_groups = reader.varint("number of groups")
    if num_groups * _LEAST_GROUP_BYTES > reader.num_left:
        raise CorruptFile(f"the pack is too short for its {num_groups} groups")
    num_images = 0
    for _ in range(num_groups):
        first = reader.take(1, "mode")[0]
        coding, identifier = first >> _CODING_SHIFT, first & 15
        if coding > FILE or identifier >= len(MODES):
            raise UnsupportedVersion(_NEWER)
        width, height, count = (reader.varint(field) for field in ("width", "height", "number of images"))
        shape = Shape(MODES[identifier], width, height, coding)
        is_valid = 1 <= width <= MAX_DIMENSION and 1 <= height <= MAX_DIMENSION and count >= 1
        allowed = FILE_MODES if coding == FILE else STREAM_MODES
        if not is_valid or shape.mode.name not in allowed or not (coding == FILE or Tiling(width, height).is_single):
            raise CorruptFile(f"{count} images of mode {shape.mode.name} with {width}x{height} pixels are impossible")
        num_images += count
        if num_images > reader.num_left:
            raise CorruptFile(f"the pack is too short for its {num_images} images")
        yield shape, count


def _block_fields(payloads: Sequence[bytes]) -> list[bytes]:
    lengths = np.array([len(payload) for payload in payloads])
    least, num_bits = int(lengths.min()), int(np.ptp(lengths)).bit_length()
    bits = (lengths[:, None] - least >> np.arange(num_bits)) & 1  # (n, num_bits)
    checksum = zlib.crc32(b"".join(payloads))
    return [write_varint(least), bytes([num_bits]), _packed(bits), struct.pack("<I", checksum)]


def _packed(bits: NDArray[Any]) -> bytes:
    return np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes()


def _read_blocks(
    reader: Reader, num_images: int, has_mirrors: bool
) -> tuple[NDArray[np.int64], list[int], NDArray[np.bool_]]:
    """Return the payloads' lengths, the blocks' CRC32 and which payloads are of mirror images."""
    blocks, checksums = [np.empty(0, dtype=np.int64)], []
    are_mirrored = np.zeros(num_images, dtype=np.bool_)
    for start in range(0, num_images, BLOCK_IMAGES):
        count = min(BLOCK_IMAGES, num_images - start)
        least, num_bits = reader.varint("least length"), reader.take(1, "bits of a length")[0]
        if not 1 <= least <= len(reader.done) + reader.num_left or num_bits > _MAX_LENGTH_BITS:
            raise CorruptFile(f"lengths of {num_bits} bits from {least} on are impossible")
        bits = _read_bits(reader, count * num_bits, "lengths").reshape(count, num_bits)
        blocks.append(least + bits @ (np.int64(1) << np.arange(num_bits)))
        checksums.append(struct.unpack("<I", reader.take(4, "checksum of a block"))[0])
        if has_mirrors:
            are_mirrored[start : start + count] = _read_bits(reader, count, "mirror images")
    return np.concatenate(blocks), checksums, are_mirrored


def _read_bits(reader: Reader, count: int, field: str) -> NDArray[np.uint8]:
    packed = np.frombuffer(reader.take(-(-count // 8), field), dtype=np.uint8)
    return np.unpackbits(packed, count=count, bitorder="little")


def _read_description(
    deflated: bytes, flags: int, num_images: int
) -> tuple[tuple[str, ...] | None, tuple[int, ...] | None]:
    if not flags:
        return None, None
    description = inflate(deflated, MAX_DESCRIPTION_BYTES, "the block of names and labels")
    if len(description) > MAX_DESCRIPTION_BYTES:
        raise CorruptFile(f"names and labels exceed {MAX_DESCRIPTION_BYTES} bytes")
    names, labels = None, None
    if flags & _NAMES_BIT:
        *encoded, description = description.split(b"\0", num_images)
        names = tuple(_decoded(name) for name in encoded)
        if len(names) != num_images or len(set(names)) != num_images or "" in names:
            raise CorruptFile(f"the pack has not {num_images} different names")
    reader = Reader(description)
    if flags & _LABELS_BIT:
        labels = tuple(reader.varint("label") for _ in range(num_images))
    if not reader.is_at_end or max(labels or (0,)) > MAX_LABEL:
        raise CorruptFile("the labels are damaged")
    return names, labels


def _decoded(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise CorruptFile("a name is not UTF-8") from error
