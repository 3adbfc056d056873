"""JPEG files <-> files that keep them, byte for byte: the body of levels, and the rest of each file with it."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from pixelzip import container
from pixelzip.container import BODY_JPEG, BODY_JPEG_FILE, Header
from pixelzip.errors import CorruptFile, UnsupportedImage
from pixelzip.image import MODES_BY_NAME, Picture
from pixelzip.jpeg import body, file, rest
from pixelzip.jpeg.fields import Fields, Kept
from pixelzip.jpeg.file import JpegFile
from pixelzip.jpeg.levels import Component, joined
from pixelzip.jpeg.usual import usual
from pixelzip.models.integer import IntegerCoefficientNetwork

MOST_FOLLOWING: Final = 8
"""JPEG files behind the first that become files of their own in its file."""

_OTHER_PIXELS: Final = "its pixels are not those of its coefficients"


def keep(
    picture: Picture, data: bytes, network: IntegerCoefficientNetwork, strip: bool, num_threads: int | None = None
) -> bytes:
    """Return a file that holds a JPEG file, ``data``, byte for byte, and its picture; with ``strip`` the picture alone.

    JPEG files that follow it, MOST_FOLLOWING at most, become files as well, each in that of the one before.

    Raises:
        UnsupportedImage: it is a JPEG file of a kind that cannot be kept.
    """
    try:
        taken = file.read(data)
        if len(taken.components) != picture.mode.num_channels or taken.frame.size != picture.size:
            raise CorruptFile(_OTHER_PIXELS)
        kept = None if strip else _kept(taken, picture, data, network, MOST_FOLLOWING, num_threads)
        return _coded(taken, picture, kept, network, num_threads)
    except CorruptFile as error:
        raise UnsupportedImage(f"the JPEG file cannot be kept: {error}") from error


def _kept(
    taken: JpegFile,
    picture: Picture,
    data: bytes,
    network: IntegerCoefficientNetwork,
    most_following: int,
    num_threads: int | None,
) -> Kept:
    known, left = usual(taken.components, taken.sampling, picture.size), taken.rest
    if following := _following(taken, network, most_following, num_threads):
        left, data = replace(left, following=following), data[: -len(taken.following)]
    else:
        left = replace(left, data=left.data + taken.following)
    return Kept(rest.pack(left, picture.blocks, known), struct.pack("<I", zlib.crc32(data)))


def _following(
    first: JpegFile, network: IntegerCoefficientNetwork, most_following: int, num_threads: int | None
) -> bytes:
    """Return a file with the JPEG file that follows, no bytes where it cannot be kept in fewer, or has more pixels.

    Its picture is what its levels make: nobody asks for that.
    """
    if not first.following or not most_following:
        return b""
    try:
        taken = file.read(first.following)
        if math.prod(taken.frame.size) > math.prod(first.frame.size):
            return b""
        bands = [(component,) for component in taken.components]
        samples = body.pixels_of(bands, taken.sampling, taken.frame.size, b"")
        picture = Picture(MODES_BY_NAME["L" if samples.shape[2] == 1 else "RGB"], samples)
        kept = _kept(taken, picture, first.following, network, most_following - 1, num_threads)
        coded = _coded(taken, picture, kept, network, num_threads)
    except CorruptFile:
        return b""
    return coded if len(coded) < len(first.following) else b""


def _coded(
    taken: JpegFile, picture: Picture, kept: Kept | None, network: IntegerCoefficientNetwork, num_threads: int | None
) -> bytes:
    """Return a file with the levels; raises CorruptFile where too many pixels are others."""
    kind = BODY_JPEG_FILE if kept else BODY_JPEG
    header = Header(picture.mode, *picture.size, kind, picture.blocks, network.identifier)
    coded = body.encode(header, picture, taken.sampling, taken.components, kept, network, num_threads)
    if coded is None:
        raise CorruptFile(_OTHER_PIXELS)
    return coded


def restore(
    data: bytes,
    find_network: Callable[[bytes], IntegerCoefficientNetwork],
    max_pixels: int,
    num_threads: int | None = None,
    *,
    checks_pixels: bool = False,
) -> bytes:
    """Undo ``keep``, given what finds a network by its identifier; ``checks_pixels``: the picture must come back, too.

    Raises:
        UnsupportedImage: the file holds pixels only.
        CorruptFile, UnsupportedVersion, UnknownModel, ImageTooLarge: see ``pixelzip.errors``.
    """
    restored, following = list[bytes](), data
    while following or not restored:
        header, streams = container.read(following, max_pixels)
        if header.body != BODY_JPEG_FILE and not restored:
            raise UnsupportedImage("the file holds pixels, not a JPEG file")
        if header.body != BODY_JPEG_FILE or len(restored) > MOST_FOLLOWING:
            raise CorruptFile("the JPEG file is followed by what cannot be there")
        fields, bands = body.decode(header, streams[0], find_network(header.model), num_threads)
        if checks_pixels and not restored:
            body.picture_of(header, fields, bands)
        part, following = _restored(header, fields, bands)
        restored.append(part)
    return b"".join(restored)


def _restored(header: Header, fields: Fields, bands: Sequence[tuple[Component, ...]]) -> tuple[bytes, bytes]:
    """Return a JPEG file, and the file with the one that follows, which may be no bytes; raises CorruptFile."""
    assert fields.kept is not None
    components = [joined(component) for component in bands]
    known = usual(components, fields.sampling, (header.width, header.height))
    left = rest.unpack(fields.kept.rest, header.blocks, known)
    restored = file.write(left, components)
    if struct.pack("<I", zlib.crc32(restored)) != fields.kept.checksum:
        raise CorruptFile("the checksum does not match the JPEG")
    return restored, left.following
