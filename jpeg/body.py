"""Pictures that came out of a JPEG, or JPEG files themselves <-> the body of a file: fields, then levels in bands."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from pixelzip import ans_integer, derived, image, lattice
from pixelzip.container import BODY_JPEG, BODY_JPEG_FILE, Header, read_streams, write
from pixelzip.derived import Derivation
from pixelzip.errors import CorruptFile, UnsupportedImage
from pixelzip.fields import Reader, write_varint
from pixelzip.image import Picture
from pixelzip.jpeg import coder, file, planes, recovered, rest
from pixelzip.jpeg import fields as body_fields
from pixelzip.jpeg.fields import Fields, Kept
from pixelzip.jpeg.file import JpegFile
from pixelzip.jpeg.levels import Component, empty, joined
from pixelzip.jpeg.planes import Ends
from pixelzip.jpeg.sampling import Sampling
from pixelzip.jpeg.transform import SIDE
from pixelzip.jpeg.usual import usual
from pixelzip.lattice import Lattice
from pixelzip.models.conversion import JFIF
from pixelzip.models.integer import IntegerCoefficientNetwork
from pixelzip.threads import in_threads

Pixels = NDArray[np.uint8]

_MODES: Final = frozenset({"L", "RGB"})

MOST_FOLLOWING: Final = 8
"""JPEG files behind the first that become files of their own in its file."""

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
    coded = _encode(header, whole, found.sampling, found.components, None, network, num_threads)
    if coded is None:
        return None
    file = derived.write(picture, derivation, coded) if derivation.is_placed else coded
    return Coded(file, bool(found.components[0].steps[:_NUM_TELLING].min() > 1))


def keep(
    picture: Picture,
    data: bytes,
    network: IntegerCoefficientNetwork,
    strip: bool,
    num_threads: int | None = None,
    most_following: int = MOST_FOLLOWING,
) -> bytes:
    """Return a file that holds a JPEG file, ``data``, byte for byte, and its picture; with ``strip`` the picture alone.

    JPEG files that follow it, ``most_following`` of them, become files as well, in this one.

    Raises:
        UnsupportedImage: it is a JPEG file of a kind that cannot be kept.
    """
    try:
        taken = file.read(data)
        if len(taken.components) != picture.mode.num_channels or taken.frame.size != picture.size:
            raise CorruptFile("its pixels are not those of its coefficients")
        following = b"" if strip else _following(picture, taken.following, network, num_threads, most_following)
        kept, body = (None, BODY_JPEG) if strip else (_kept(taken, picture, data, following), BODY_JPEG_FILE)
        header = Header(picture.mode, *picture.size, body, picture.blocks, network.identifier)
        coded = _encode(header, picture, taken.sampling, taken.components, kept, network, num_threads)
        if coded is None:
            raise CorruptFile("its pixels are not those of its coefficients")
    except CorruptFile as error:
        raise UnsupportedImage(f"the JPEG file cannot be kept: {error}") from error
    return coded


def _following(
    first: Picture, data: bytes, network: IntegerCoefficientNetwork, num_threads: int | None, most_following: int
) -> bytes:
    """Return a file with the JPEG file that follows, no bytes where it cannot be kept in fewer, or has more pixels."""
    if not data or not most_following:
        return b""
    try:
        with JpegImageFile(io.BytesIO(data)) as opened:  # not Image.open, whose limit is not the caller's
            if opened.width * opened.height > first.size[0] * first.size[1]:
                return b""
            picture = image.read(opened)
        coded = keep(picture, data, network, False, num_threads, most_following - 1)
    except (OSError, SyntaxError, ValueError, EOFError, UnsupportedImage):
        return b""
    return coded if len(coded) < len(data) else b""


def _kept(taken: JpegFile, picture: Picture, data: bytes, following: bytes) -> Kept:
    known, left = usual(taken.components, taken.sampling, picture.size), taken.rest
    if following:
        left, data = replace(left, following=following), data[: -len(taken.following)]
    else:
        left = replace(left, data=left.data + taken.following)
    return Kept(rest.pack(left, picture.blocks, known), struct.pack("<I", zlib.crc32(data)))


def decompress(
    header: Header, body: bytes, network: IntegerCoefficientNetwork, num_threads: int | None = None
) -> Picture:
    """Undo ``compress``; raises CorruptFile or UnsupportedVersion."""
    fields, bands = _decode(header, body, network, num_threads)
    given = planes.given(bands, fields.sampling, (header.width, header.height))
    pixels = lattice.to_rgb(Lattice(JFIF, corrections=fields.corrections), given)
    samples = np.ascontiguousarray(pixels[..., : header.mode.num_channels])
    if _checksum(samples) != fields.checksum:
        raise CorruptFile("the checksum does not match the pixels")
    return Picture(header.mode, samples, header.blocks)


def restore(
    header: Header, body: bytes, network: IntegerCoefficientNetwork, num_threads: int | None = None
) -> tuple[bytes, bytes]:
    """Undo ``keep``: the JPEG file, and the file with the one that follows, which may be no bytes.

    Raises CorruptFile or UnsupportedVersion.
    """
    fields, bands = _decode(header, body, network, num_threads)
    assert fields.kept is not None
    components = [joined(component) for component in bands]
    known = usual(components, fields.sampling, (header.width, header.height))
    left = rest.unpack(fields.kept.rest, header.blocks, known)
    restored = file.write(left, components)
    if struct.pack("<I", zlib.crc32(restored)) != fields.kept.checksum:
        raise CorruptFile("the checksum does not match the JPEG")
    return restored, left.following


def _encode(
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

    def encode(number: int) -> bytes:
        return coder.encode(network, bands[number], _seal(header, fields, number, bands[number]))

    streams = in_threads(encode, range(len(bands)), num_threads)
    lengths = [write_varint(len(stream)) for stream in streams[:-1]]
    return write(header, [fields, *lengths, *streams])


def _decode(
    header: Header, body: bytes, network: IntegerCoefficientNetwork, num_threads: int | None
) -> tuple[Fields, list[tuple[Component, ...]]]:
    """Undo ``_encode``: fields, and each component as its bands."""
    if header.mode.name not in _MODES:
        raise CorruptFile(f"an image of mode {header.mode.name} is no JPEG's")
    reader = Reader(body)
    fields = body_fields.read(reader, header)
    done = reader.done
    streams = read_streams(reader, _num_bands(header))

    def decode(number: int) -> list[Component]:
        top = number * _BAND_ROWS
        band = []
        for kind, last in enumerate(fields.lasts):
            size = planes.sampling_of(fields.sampling, kind).size(min(_BAND_ROWS, header.height - top), header.width)
            band.append(empty(kind, fields.steps(kind), size, last))
        left = coder.decode(network, band, streams[number])
        ans_integer.check(left, _seal(header, done, number, band))
        return band

    return fields, list(zip(*in_threads(decode, range(len(streams)), num_threads), strict=True))


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
