"""Pictures that came out of a JPEG, or JPEG files themselves <-> the body of a file: fields, then levels in bands."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans_integer, derived, lattice
from pixelzip.container import BODY_JPEG, Header, read_streams, write
from pixelzip.derived import Derivation
from pixelzip.errors import CorruptFile
from pixelzip.fields import Reader, write_varint
from pixelzip.image import Picture
from pixelzip.jpeg import coder, planes, recovered
from pixelzip.jpeg import fields as body_fields
from pixelzip.jpeg.fields import Fields, Kept
from pixelzip.jpeg.levels import Component, empty
from pixelzip.jpeg.planes import Ends
from pixelzip.jpeg.sampling import Sampling
from pixelzip.jpeg.transform import SIDE
from pixelzip.lattice import Lattice
from pixelzip.models.conversion import JFIF
from pixelzip.models.integer import IntegerCoefficientNetwork
from pixelzip.threads import in_threads

Pixels = NDArray[np.uint8]

_MODES: Final = frozenset({"L", "RGB"})

_BAND_ROWS: Final = 256
"""Rows of pixels whose levels are one stream."""

_NUM_TELLING: Final = 6
"""Frequencies of luma whose steps tell whether much has been rounded: at quality 92 none of them is 1."""


@dataclass(frozen=True)
class Coded:
    """A file; it ``is_sure`` to be smaller than that of the network for pixels where coarse steps have left little."""

    file: bytes
    is_sure: bool


def compress(
    picture: Picture, network: IntegerCoefficientNetwork, ends: Ends | None = None, num_threads: int | None = None
) -> Coded | None:
    """Return a picture's file with the levels of the JPEG that it came from; None: it came from none that is found.

    ``ends`` are the lowest and highest levels of each channel if these may stand for what lies beyond them, too: then
    the file's image may have that there.
    """
    if picture.mode.name not in _MODES:
        return None
    samples = picture.samples.astype(np.uint8, copy=False)
    known, origin = planes.find(samples, ends)
    if known is None or not lattice.has_blocks(known[..., 0], origin):
        return None
    found = recovered.find(samples, known, origin, ends, num_threads)
    if found is None:
        return None
    derivation, whole = Derivation(found.cut, found.orientation), picture
    if ends or derivation.is_placed:
        whole = Picture(picture.mode, found.whole(picture.mode), () if derivation.is_placed else picture.blocks)
    header = Header(picture.mode, *whole.size, BODY_JPEG, whole.blocks, network.identifier)
    coded = encode(header, whole, found.sampling, found.components, None, network, num_threads)
    if coded is None:
        return None
    file = derived.write(picture, derivation, coded) if derivation.is_placed else coded
    return Coded(file, bool(found.components[0].steps[:_NUM_TELLING].min() > 1))


def decompress(
    header: Header, body: bytes, network: IntegerCoefficientNetwork, num_threads: int | None = None
) -> Picture:
    """Undo ``compress``; raises CorruptFile or UnsupportedVersion."""
    return picture_of(header, *decode(header, body, network, num_threads))


def picture_of(header: Header, fields: Fields, bands: Sequence[tuple[Component, ...]]) -> Picture:
    """Return the picture of what ``decode`` returns; raises CorruptFile."""
    samples = pixels_of(bands, fields.sampling, (header.width, header.height), fields.corrections)
    if _checksum(samples) != fields.checksum:
        raise CorruptFile("the checksum does not match the pixels")
    return Picture(header.mode, samples, header.blocks)


def pixels_of(
    bands: Sequence[tuple[Component, ...]], sampling: Sampling, size: tuple[int, int], corrections: bytes
) -> Pixels:
    """Return (H, W, C) of an image of (width, height), each component given as its bands."""
    given = planes.given(bands, sampling, size)
    pixels = lattice.to_rgb(Lattice(JFIF, corrections=corrections), given)
    return np.ascontiguousarray(pixels[..., : len(bands)])


def encode(
    header: Header,
    picture: Picture,
    sampling: Sampling,
    components: Sequence[Component],
    kept: Kept | None,
    network: IntegerCoefficientNetwork,
    num_threads: int | None,
) -> bytes | None:
    """Code levels; None: too many pixels are not those of the levels."""
    samples = np.ascontiguousarray(picture.samples, dtype=np.uint8)
    bands = [
        [component.rows(*_block_rows(sampling, component.kind, number)) for component in components]
        for number in range(_num_bands(header))
    ]
    given = planes.given(list(zip(*bands, strict=True)), sampling, picture.size)
    corrections = lattice.corrections(JFIF, np.broadcast_to(samples, (*samples.shape[:2], 3)), given)
    if corrections is None:
        return None
    are_alike = len(components) == 3 and np.array_equal(components[1].steps, components[2].steps)
    tables = tuple(component.steps for component in components[: 2 if are_alike else 3])
    lasts = bytes(component.last for component in components)
    fields = body_fields.write(Fields(sampling, tables, lasts, corrections, _checksum(samples), kept))

    def encode_band(number: int) -> bytes:
        return coder.encode(network, bands[number], _seal(header, fields, number, bands[number]))

    streams = in_threads(encode_band, range(len(bands)), num_threads)
    lengths = [write_varint(len(stream)) for stream in streams[:-1]]
    return write(header, [fields, *lengths, *streams])


def decode(
    header: Header, body: bytes, network: IntegerCoefficientNetwork, num_threads: int | None
) -> tuple[Fields, list[tuple[Component, ...]]]:
    """Undo ``encode``: fields, and each component as its bands."""
    if header.mode.name not in _MODES:
        raise CorruptFile(f"an image of mode {header.mode.name} is no JPEG's")
    reader = Reader(body)
    fields = body_fields.read(reader, header)
    done = reader.done
    streams = read_streams(reader, _num_bands(header))

    def decode_band(number: int) -> list[Component]:
        top = number * _BAND_ROWS
        band = []
        for kind, last in enumerate(fields.lasts):
            size = planes.sampling_of(fields.sampling, kind).size(min(_BAND_ROWS, header.height - top), header.width)
            band.append(empty(kind, fields.steps(kind), size, last))
        left = coder.decode(network, band, streams[number])
        ans_integer.check(left, _seal(header, done, number, band))
        return band

    return fields, list(zip(*in_threads(decode_band, range(len(streams)), num_threads), strict=True))


def _num_bands(header: Header) -> int:
    return -(-header.height // _BAND_ROWS)


def _block_rows(sampling: Sampling, kind: int, number: int) -> tuple[int, int]:
    """Return the first row of a component's blocks in a band, and the one after its last."""
    num_rows = _BAND_ROWS // SIDE // planes.sampling_of(sampling, kind).rows
    return number * num_rows, (number + 1) * num_rows


def _checksum(samples: Pixels) -> bytes:
    return struct.pack("<I", zlib.crc32(samples.data))


def _seal(header: Header, fields: bytes, number: int, band: list[Component]) -> int:
    """Return the CRC32 of a band's levels, chained to all that stands before the streams and to its place."""
    checksum = zlib.crc32(fields, header.seal(number))
    for component in band:
        checksum = zlib.crc32(np.ascontiguousarray(component.inner, dtype="<i2").data, checksum)
    return checksum
