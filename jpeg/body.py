"""Pictures that came out of a JPEG <-> the body of a file: sampling, tables, corrections, levels in bands."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans_integer, lattice
from pixelzip.container import BODY_JPEG, Header, read_streams, write
from pixelzip.errors import CorruptFile, UnsupportedVersion
from pixelzip.fields import Reader, write_varint
from pixelzip.image import Picture
from pixelzip.jpeg import coder, search
from pixelzip.jpeg.levels import Component, empty
from pixelzip.jpeg.quantisation import QUALITIES, Steps, standard
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.jpeg.transform import SIDE
from pixelzip.lattice import Lattice
from pixelzip.models.coefficients import NUM_FREQUENCIES
from pixelzip.models.conversion import JFIF
from pixelzip.models.integer import IntegerCoefficientNetwork
from pixelzip.threads import in_threads

Pixels = NDArray[np.uint8]

_MODES: Final = frozenset({"L", "RGB"})

_BAND_ROWS: Final = 256
"""Rows of pixels whose levels are one stream."""

_NUM_TELLING: Final = 6
"""Frequencies of luma whose steps tell whether much has been rounded: at quality 92 none of them is 1."""

_STEP: Final = 16
"""Rows and columns between pixels that are looked at before all are."""

_NO_QUALITY: Final = 0
"""Stands before a table that is not a standard one."""


@dataclass(frozen=True)
class Coded:
    """A file; it ``is_sure`` to be smaller than that of the network for pixels where coarse steps have left little."""

    file: bytes
    is_sure: bool


def compress(picture: Picture, network: IntegerCoefficientNetwork, num_threads: int | None = None) -> Coded | None:
    """Return a picture's file with the levels of the JPEG that it came from; None: it came from none that is found."""
    if picture.mode.name not in _MODES:
        return None
    samples = picture.samples.astype(np.uint8, copy=False)
    planes = _find_planes(samples)
    if planes is None or not lattice.has_blocks(planes[..., 0]):
        return None
    pixels = np.broadcast_to(samples, (*samples.shape[:2], 3))
    found = search.find(pixels, planes)
    if found is None:
        return None
    sampling, components = found
    header = Header(picture.mode, *picture.size, BODY_JPEG, picture.blocks, network.identifier)
    bands = [
        [component.rows(*_block_rows(sampling, component.kind, number)) for component in components]
        for number in range(_num_bands(header))
    ]
    given = _given(list(zip(*bands, strict=True)), sampling, picture.size)
    corrections = lattice.corrections(JFIF, pixels, given)
    if corrections is None:
        return None
    fields = _write_fields(sampling, components, corrections) + struct.pack(
        "<I", zlib.crc32(np.ascontiguousarray(samples).data)
    )

    def encode(number: int) -> bytes:
        return coder.encode(network, bands[number], _seal(header, fields, number, bands[number]))

    streams = in_threads(encode, range(len(bands)), num_threads)
    lengths = [write_varint(len(stream)) for stream in streams[:-1]]
    is_sure = bool(components[0].steps[:_NUM_TELLING].min() > 1)
    return Coded(write(header, [fields, *lengths, *streams]), is_sure)


def decompress(
    header: Header, body: bytes, network: IntegerCoefficientNetwork, num_threads: int | None = None
) -> Picture:
    """Undo ``compress``; raises CorruptFile or UnsupportedVersion."""
    if header.mode.name not in _MODES:
        raise CorruptFile(f"an image of mode {header.mode.name} is no JPEG's")
    reader = Reader(body)
    sampling, tables, lasts, corrections = _read_fields(reader, header)
    checksum = reader.take(4, "checksum")
    fields = reader.done
    streams = read_streams(reader, _num_bands(header))

    def decode(number: int) -> list[Component]:
        top = number * _BAND_ROWS
        band = []
        for kind, last in enumerate(lasts):
            size = _sampling(sampling, kind).size(min(_BAND_ROWS, header.height - top), header.width)
            band.append(empty(kind, tables[min(kind, 1)], size, last))
        rest = coder.decode(network, band, streams[number])
        ans_integer.check(rest, _seal(header, fields, number, band))
        return band

    bands = in_threads(decode, range(len(streams)), num_threads)
    given = _given(list(zip(*bands, strict=True)), sampling, (header.width, header.height))
    pixels = lattice.to_rgb(Lattice(JFIF, corrections=corrections), given)
    samples = np.ascontiguousarray(pixels[..., : header.mode.num_channels])
    if struct.pack("<I", zlib.crc32(samples.data)) != checksum:
        raise CorruptFile("the checksum does not match the pixels")
    return Picture(header.mode, samples, header.blocks)


def _given(components: Sequence[Sequence[Component]], sampling: Sampling, size: tuple[int, int]) -> Pixels:
    """Return the planes (H, W, 3) of a JPEG of (width, height), each component given as its bands."""
    width, height = size
    planes = [
        _sampling(sampling, kind).up(np.concatenate([band.samples() for band in bands]), height, width)
        for kind, bands in enumerate(components)
    ]
    return _full(np.stack(planes, axis=2))


def _sampling(chroma: Sampling, kind: int) -> Sampling:
    return chroma if kind else SAMPLINGS[0]


def _num_bands(header: Header) -> int:
    return -(-header.height // _BAND_ROWS)


def _block_rows(sampling: Sampling, kind: int, number: int) -> tuple[int, int]:
    """Return the first row of a component's blocks in a band, and the one after its last."""
    num_rows = _BAND_ROWS // SIDE // _sampling(sampling, kind).rows
    return number * num_rows, (number + 1) * num_rows


def _seal(header: Header, fields: bytes, number: int, band: list[Component]) -> int:
    """Return the CRC32 of a band's levels, chained to all that stands before the streams and to its place."""
    checksum = zlib.crc32(fields, header.seal(number))
    for component in band:
        checksum = zlib.crc32(np.ascontiguousarray(component.inner, dtype="<i2").data, checksum)
    return checksum


def _find_planes(samples: Pixels) -> Pixels | None:
    """Return the planes (H, W, C) of (H, W, C) samples on the lattice of JPEG; those of a grey image are known."""
    if samples.shape[2] == 1:
        return samples
    if _is_grey(samples[::_STEP, ::_STEP]) and _is_grey(samples):
        return _full(samples[..., :1])
    found = lattice.find(samples, (JFIF,))
    return found[1] if found else None


def _is_grey(samples: Pixels) -> bool:
    return bool((samples == samples[..., :1]).all())


def _full(planes: Pixels) -> Pixels:
    """Give luma alone the chroma of greys."""
    if planes.shape[2] == 3:
        return planes
    return np.concatenate((planes, np.full((*planes.shape[:2], 2), 128, dtype=np.uint8)), axis=2)


def _write_fields(sampling: Sampling, components: list[Component], corrections: bytes) -> bytes:
    tables = [_write_table(component.steps, component.kind == 0) for component in components[:2]]
    lasts = bytes(component.last for component in components)
    return b"".join([bytes([SAMPLINGS.index(sampling)]), *tables, lasts, write_varint(len(corrections)), corrections])


def _write_table(steps: Steps, is_luma: bool) -> bytes:
    for quality in QUALITIES:
        if np.array_equal(steps, standard(is_luma, quality)):
            return bytes([quality])
    return bytes([_NO_QUALITY, *steps.tolist()])


def _read_fields(reader: Reader, header: Header) -> tuple[Sampling, list[Steps], bytes, bytes]:
    code = reader.take(1, "sampling")[0]
    if code >= len(SAMPLINGS):
        raise UnsupportedVersion("the file was written by a newer version of pixelzip")
    num_components = header.mode.num_channels
    tables = [_read_table(reader, is_luma) for is_luma in (True, False)[:num_components]]
    lasts = reader.take(num_components, "last frequencies")
    if max(lasts) >= NUM_FREQUENCIES:
        raise CorruptFile(f"a block has no frequency {max(lasts)}")
    corrections = reader.take(reader.varint("length of the corrections"), "corrections")
    return SAMPLINGS[code], tables, lasts, corrections


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
