"""Pictures that came out of a JPEG <-> the body of a file: sampling, tables, corrections, one stream of levels."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans_integer, lattice
from pixelzip.container import BODY_JPEG, JPEG_MODES, Header, write
from pixelzip.errors import CorruptFile, UnsupportedVersion
from pixelzip.fields import Reader, write_varint
from pixelzip.image import Picture
from pixelzip.jpeg import coder, search
from pixelzip.jpeg.levels import Component, empty
from pixelzip.jpeg.quantisation import QUALITIES, Steps, standard
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.jpeg.transform import NUM_FREQUENCIES
from pixelzip.lattice import Lattice
from pixelzip.models.conversion import JFIF
from pixelzip.models.integer import IntegerCoefficientNetwork

Pixels = NDArray[np.uint8]

_NO_QUALITY: Final = 0
"""Stands before a table that is not a standard one."""


def compress(picture: Picture, network: IntegerCoefficientNetwork) -> bytes | None:
    """Return a picture's file with the levels of the JPEG that it came from; None: it came from none that is found."""
    if picture.mode.name not in JPEG_MODES:
        return None
    samples = picture.samples.astype(np.uint8, copy=False)
    on_lattice = lattice.find(samples) if picture.mode.name == "RGB" else (Lattice(JFIF), samples)
    if on_lattice is None or on_lattice[0].conversion is not JFIF or not lattice.has_blocks(on_lattice[1][..., 0]):
        return None
    pixels = np.broadcast_to(samples, (*samples.shape[:2], 3))
    found = search.find(pixels, on_lattice[1])
    if found is None:
        return None
    sampling, components, planes = found
    corrections = lattice.corrections(JFIF, pixels, _full(planes))
    if corrections is None:
        return None
    header = Header(picture.mode, *picture.size, BODY_JPEG, picture.blocks, network.identifier)
    fields = _write_fields(sampling, components, corrections)
    stream = coder.encode(network, components, _checksum(header, fields, samples))
    return write(header, [fields, stream])


def decompress(header: Header, body: bytes, network: IntegerCoefficientNetwork) -> Picture:
    """Undo ``compress``; raises CorruptFile or UnsupportedVersion."""
    reader = Reader(body)
    sampling, components, corrections = _read_fields(reader, header)
    fields = reader.done
    rest = coder.decode(network, components, reader.rest())
    planes = np.stack(list(_planes(sampling, components, header)), axis=2)
    pixels = lattice.to_rgb(Lattice(JFIF, corrections=corrections), _full(planes))
    samples = np.ascontiguousarray(pixels[..., : header.mode.num_channels])
    ans_integer.check(rest, _checksum(header, fields, samples))
    return Picture(header.mode, samples, header.blocks)


def _full(planes: Pixels) -> Pixels:
    """Give luma alone the chroma of greys."""
    if planes.shape[2] == 3:
        return planes
    return np.concatenate((planes, np.full((*planes.shape[:2], 2), 128, dtype=np.uint8)), axis=2)


def _planes(sampling: Sampling, components: list[Component], header: Header) -> Iterator[Pixels]:
    for component in components:
        samples = component.samples()
        yield (SAMPLINGS[0] if component.kind == 0 else sampling).up(samples, header.height, header.width)


def _checksum(header: Header, fields: bytes, samples: Pixels) -> int:
    return zlib.crc32(np.ascontiguousarray(samples).data, zlib.crc32(fields, header.seal(0)))


def _write_fields(sampling: Sampling, components: list[Component], corrections: bytes) -> bytes:
    tables = [_write_table(component.steps, component.kind == 0) for component in components[:2]]
    lasts = bytes(component.last for component in components)
    return b"".join([bytes([SAMPLINGS.index(sampling)]), *tables, lasts, write_varint(len(corrections)), corrections])


def _write_table(steps: Steps, is_luma: bool) -> bytes:
    for quality in QUALITIES:
        if np.array_equal(steps, standard(is_luma, quality)):
            return bytes([quality])
    return bytes([_NO_QUALITY, *steps.tolist()])


def _read_fields(reader: Reader, header: Header) -> tuple[Sampling, list[Component], bytes]:
    code = reader.take(1, "sampling")[0]
    if code >= len(SAMPLINGS):
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    num_components = header.mode.num_channels
    tables = [_read_table(reader, is_luma) for is_luma in (True, False)[:num_components]]
    lasts = reader.take(num_components, "last frequencies")
    if max(lasts) >= NUM_FREQUENCIES:
        raise CorruptFile(f"a block has no frequency {max(lasts)}")
    corrections = reader.take(reader.varint("length of the corrections"), "corrections")
    components = [
        empty(kind, tables[min(kind, 1)], SAMPLINGS[code if kind else 0].size(header.height, header.width), last)
        for kind, last in enumerate(lasts)
    ]
    return SAMPLINGS[code], components, corrections


def _read_table(reader: Reader, is_luma: bool) -> Steps:
    quality = reader.take(1, "quality")[0]
    if quality in QUALITIES:
        return standard(is_luma, quality)
    if quality != _NO_QUALITY:
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    steps = np.frombuffer(reader.take(NUM_FREQUENCIES, "quantisation table"), dtype=np.uint8).astype(np.int32)
    if not steps.all():
        raise CorruptFile("a quantisation table has a step of zero")
    return steps
