"""Stage 7 of 7: header, metadata and streams <-> bytes. ``docs/format.md`` is the normative description."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pixelzip import metadata
from pixelzip.errors import CorruptFile, ImageTooLarge, UnsupportedVersion
from pixelzip.fields import Reader, write_varint
from pixelzip.image import MODES, Block, Mode
from pixelzip.lattice import GRID, Lattice
from pixelzip.models.conversion import CONVERSIONS
from pixelzip.samples import SIGNIFICANT_BITS
from pixelzip.tiles import ORIENTATIONS, Box, Tiling, from_code

SIGNATURE: Final = b"\x89PZ\r\n"
PACK_SIGNATURE: Final = b"\x89PZP\r\n"
DEFAULT_MAX_PIXELS: Final = 2**28

BODY_MODEL, BODY_PNG, BODY_WEBP, _CHANGED, BODY_JPEG, BODY_JPEG_FILE, BODY_MIXED, BODY_DRAWING, BODY_DERIVED = range(9)
"""_CHANGED stands in files for the last five, and for BODY_MODEL with a lattice, turned tiles or few bits."""
BODY_NAMES: Final = ("model", "png", "webp", "", "jpeg", "jpeg-file", "mixed", "drawing", "derived")
LATTICE_MODES: Final = frozenset({"RGB", "RGBA"})

CODED, CONSTANT, STORED = range(3)
"""Codings of a component after the first, which is always CODED."""

LEAST_STREAM_BYTES: Final = 5
"""A sealed stream has its checksum word and a part of the next."""

MAX_DIMENSION: Final = 2**31 - 1

_MODE_BITS: Final = 0x0F
_BODY_SHIFT: Final = 4
_TURNED: Final = 255
_FEW_BITS: Final = 254
_FEW_BITS_AND_TURNED: Final = 253
_OTHERS: Final = {252: BODY_JPEG, 251: BODY_JPEG_FILE, 250: BODY_MIXED, 249: BODY_DRAWING, 248: BODY_DERIVED}
"""What stands for a lattice's conversion where there is none; the last for bodies that are not the network's."""
_METADATA_BIT: Final = 0x40
_NEWER_VERSION_BIT: Final = 0x80


@dataclass(frozen=True)
class Component:
    """How one component is coded; ``constant`` holds one byte per channel when ``coding`` is CONSTANT."""

    coding: int = CODED
    constant: bytes = b""


@dataclass(frozen=True)
class Header:
    """Everything before the streams. ``model``, ``tiling`` and ``components`` matter for BODY_MODEL only.

    With a ``lattice`` the first component is coded as planes; without one ``orientations`` may say, one byte for each
    of its tiles, which way round they are coded. ``significant_bits`` are those of colour or grey in 16-bit modes.
    """

    mode: Mode
    width: int
    height: int
    body: int
    blocks: tuple[Block, ...] = ()
    model: bytes = b""
    tiling: Tiling | None = None
    components: tuple[Component, ...] = ()
    lattice: Lattice | None = None
    orientations: bytes = b""
    significant_bits: int = SIGNIFICANT_BITS[-1]

    @property
    def has_few_bits(self) -> bool:
        """Whether samples of a 16-bit mode have fewer significant bits."""
        return self.significant_bits < SIGNIFICANT_BITS[-1]

    @property
    def box(self) -> Box:
        """The whole image."""
        return Box(0, 0, self.height, self.width)

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the network's period at which every tile starts: tiles are multiples of the period."""
        return self.lattice.origin if self.lattice else (0, 0)

    @property
    def num_subpixels(self) -> int:
        """Samples in the image."""
        return self.width * self.height * self.mode.num_channels

    @property
    def num_streams(self) -> int:
        """Streams of a BODY_MODEL file: one for each tile of a coded component, one for a stored component."""
        assert self.tiling is not None
        per_coding = {CODED: self.tiling.num_tiles, CONSTANT: 0, STORED: 1}
        return sum(per_coding[component.coding] for component in self.components)

    def stored_bits(self, component: int) -> int:
        """Return how many bits of each sample a component has if it is stored."""
        return self.significant_bits - 8 if component == len(self.components) // 2 else 8

    def orientation(self, component: int, number: int) -> int:
        """Return which way round a tile of a component is coded, tiles numbered row by row from 0."""
        return self.orientations[number] if self.orientations and component == 0 else 0

    def seal(self, index: int) -> int:
        """Return the CRC32 that a stream's pixels are chained to: it binds them to this header and to their place."""
        return zlib.crc32(struct.pack("<I", index), self.checksum)

    @functools.cached_property
    def checksum(self) -> int:
        """The CRC32 that seals are chained to."""
        fields = bytes([self.mode.identifier]) + write_varint(self.width) + write_varint(self.height)
        return zlib.crc32(fields + (_model_fields(self) if self.body == BODY_MODEL else b""))


def write(header: Header, streams: Sequence[bytes]) -> bytes:
    """Assemble a file. But for BODY_MODEL ``streams`` are what follows one after another: see ``read``."""
    change = _conversion_fields(header)
    body = _CHANGED if change and header.body in (BODY_MODEL, *_OTHERS.values()) else header.body
    first = header.mode.identifier | body << _BODY_SHIFT | (_METADATA_BIT if header.blocks else 0)
    parts = [SIGNATURE, bytes([first]), write_varint(header.width), write_varint(header.height)]
    if header.blocks:
        parts.append(metadata.write(header.blocks))
    if header.body in _OTHERS.values():
        parts += [header.model, change]
    if header.body == BODY_MODEL:
        parts += [_model_fields(header), *(write_varint(len(stream)) for stream in streams[:-1])]
    return b"".join([*parts, *streams])


def read(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, *, is_damaged: bool = False) -> tuple[Header, list[bytes]]:
    """Take a file apart, checking every length against the bytes that exist.

    After the header come the streams of BODY_MODEL, checksum and file of PNG and WebP, or all that is left.
    Of a file that ``is_damaged`` metadata that are not intact are left out, and streams that are cut off may be empty.

    Raises:
        CorruptFile: not a pixelzip file, truncated or inconsistent; the message names field and offset.
        UnsupportedVersion: written by a newer version.
        ImageTooLarge: more than ``max_pixels`` pixels.
    """
    reader = Reader(data)
    if data.startswith(PACK_SIGNATURE):
        raise CorruptFile("a pack of images, not one image: see pixelzip list and pixelzip unpack")
    if reader.take(len(SIGNATURE), "signature") != SIGNATURE:
        raise CorruptFile("not a pixelzip file: the signature does not match")
    first = reader.take(1, "mode")[0]
    body = first >> _BODY_SHIFT & 3
    if first & _NEWER_VERSION_BIT or first & _MODE_BITS >= len(MODES):
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    mode = MODES[first & _MODE_BITS]
    width, height = reader.varint("width"), reader.varint("height")
    if not (1 <= width <= MAX_DIMENSION and 1 <= height <= MAX_DIMENSION):
        raise CorruptFile(f"an image of {width}x{height} pixels is impossible")
    if width * height > max_pixels:
        raise ImageTooLarge(f"the image has {width}x{height} pixels, more than the limit of {max_pixels}")
    blocks = metadata.read(reader, is_damaged) if first & _METADATA_BIT else ()
    if body in (BODY_PNG, BODY_WEBP):
        return Header(mode, width, height, body, blocks), [reader.take(4, "checksum"), reader.rest()]
    model = reader.take(2, "model identifier")
    change = reader.take(1, "conversion")[0] if body == _CHANGED else None
    if change in _OTHERS:
        return Header(mode, width, height, _OTHERS[change], blocks, model), [reader.rest()]
    lattice = None if change is None or change >= _FEW_BITS_AND_TURNED else _read_lattice(reader, mode, change)
    num_bits = _read_bits(reader, mode) if change in (_FEW_BITS, _FEW_BITS_AND_TURNED) else SIGNIFICANT_BITS[-1]
    tiling, components = _read_tiling(reader, width, height), _read_components(reader, mode)
    is_turned = change in (_TURNED, _FEW_BITS_AND_TURNED)
    turns = _read_orientations(reader, tiling.num_tiles) if is_turned else b""
    header = Header(mode, width, height, BODY_MODEL, blocks, model, tiling, components, lattice, turns, num_bits)
    return header, read_streams(reader, header.num_streams, is_damaged)


def _read_lattice(reader: Reader, mode: Mode, identifier: int) -> Lattice:
    if identifier >= len(CONVERSIONS):
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    if mode.name not in LATTICE_MODES:
        raise CorruptFile(f"an image of mode {mode.name} has no planes")
    row, column = divmod(reader.take(1, "origin of the grid")[0], GRID)
    corrections = reader.take(reader.varint("length of the corrections"), "corrections")
    return Lattice(CONVERSIONS[identifier], (row, column), corrections)


def _read_bits(reader: Reader, mode: Mode) -> int:
    num_bits = reader.take(1, "significant bits")[0]
    if mode.bit_depth != SIGNIFICANT_BITS[-1] or num_bits not in SIGNIFICANT_BITS[:-1]:
        raise CorruptFile(f"{num_bits} significant bits are impossible in an image of mode {mode.name}")
    return num_bits


def _read_tiling(reader: Reader, width: int, height: int) -> Tiling:
    tiling = Tiling(width, height)
    if tiling.is_single:
        return tiling
    try:
        return from_code(width, height, reader.take(1, "tile size")[0])
    except ValueError as error:
        raise CorruptFile(str(error)) from error


def _read_components(reader: Reader, mode: Mode) -> tuple[Component, ...]:
    components = [Component()]
    for num_channels in mode.component_channels[1:]:
        coding = reader.take(1, "component coding")[0]
        if coding > STORED:
            raise UnsupportedVersion("the file was written by a newer version of pixelzip")
        constant = reader.take(num_channels, "constant") if coding == CONSTANT else b""
        components.append(Component(coding, constant))
    return tuple(components)


def _read_orientations(reader: Reader, num_tiles: int) -> bytes:
    orientations = reader.take(num_tiles, "orientations")
    if max(orientations) not in ORIENTATIONS:
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    return orientations


def read_streams(reader: Reader, num_streams: int, is_damaged: bool = False) -> list[bytes]:
    """Read the lengths of all streams but the last, and the streams; raises CorruptFile."""
    if num_streams * LEAST_STREAM_BYTES > reader.num_left and not is_damaged:
        raise CorruptFile(f"the file is too short for its {num_streams} streams")
    lengths = [reader.varint("stream length") for _ in range(num_streams - 1)]
    streams = [reader.take(min(length, reader.num_left) if is_damaged else length, "stream") for length in lengths]
    return [*streams, reader.rest()]


def _model_fields(header: Header) -> bytes:
    assert header.tiling is not None
    tile_code = b"" if header.tiling.is_single else bytes([header.tiling.code])
    codings = [bytes([component.coding]) + component.constant for component in header.components[1:]]
    return b"".join([header.model, _conversion_fields(header), tile_code, *codings, header.orientations])


def _conversion_fields(header: Header) -> bytes:
    lattice = header.lattice
    if header.body in _OTHERS.values():
        return bytes(code for code, body in _OTHERS.items() if body == header.body)
    if lattice is None and header.has_few_bits:
        return bytes([_FEW_BITS_AND_TURNED if header.orientations else _FEW_BITS, header.significant_bits])
    if lattice is None:
        return bytes([_TURNED]) if header.orientations else b""
    fields = bytes([lattice.conversion.identifier, GRID * lattice.origin[0] + lattice.origin[1]])
    return fields + write_varint(len(lattice.corrections)) + lattice.corrections
