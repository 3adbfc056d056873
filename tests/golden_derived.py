"""What golden files there are of images made of others: curves of every kind, cuts, and ones broken in each field."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
from conftest import smooth_image
from golden_files import GOLDEN
from golden_parts import in_parts
from numpy.typing import NDArray
from PIL import Image
from test_jpeg import as_jpeg, decoded, texture

import pixelzip
from pixelzip import container, derived, image, tone_search
from pixelzip.container import Header
from pixelzip.fields import write_varint
from pixelzip.image import MODES_BY_NAME
from pixelzip.tiles import Box

STRETCHED = (np.arange(256) * 1.3 - 40).clip(0, 255).round().astype(np.uint8)
SEPIA = np.stack([np.arange(256), np.arange(256) * 0.85, np.arange(256) * 0.6], axis=1).astype(np.uint8)


def curved(channels: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a smooth image of 80 x 70 whose levels have been spread apart, as all colours alike."""
    return STRETCHED[smooth_image(80, 70, channels, seed)]


def files_of_derived() -> dict[str, bytes]:
    """Return files of each mode that there may be, of each kind of table and of cuts."""
    jpeg = decoded(as_jpeg(texture(160, 184), 80))
    palette = Image.fromarray(smooth_image(80, 70, 1)[..., 0]).convert("P")
    palette.putpalette(SEPIA.tobytes())
    described = Image.fromarray(curved(3))
    described.info |= {"transparency": (250, 250, 250), "Title": "a curve"}
    page = np.full((120, 150, 3), 255, dtype=np.uint8)
    page[20:100, 40:110] = curved(3)
    deep = smooth_image(80, 70, 3).astype(np.uint16)
    slopes = np.array([1.5, 1.9, 1.2])
    own = (smooth_image(80, 70) * slopes - 60).clip(0, 255).astype(np.uint8)
    pictures = {
        "L": curved(1),
        "LA": Image.fromarray(curved(2)),
        "P": palette,
        "RGB": described,
        "RGB-own": own,
        "RGB-sepia": SEPIA[smooth_image(80, 70, 1)[..., 0]],
        "RGBA": curved(4),
        "I16": deep[..., :1] * 257,
        "RGB16": deep * 257,
        "RGB16-10bits": (deep * 4 + np.random.default_rng(0).integers(0, 4, deep.shape).astype(np.uint16)) * 64,
        "RGBA16": smooth_image(80, 70, 4).astype(np.uint16) * 256,
        "cut": np.ascontiguousarray(jpeg[3:, 13:]),
        "turned": np.ascontiguousarray(np.rot90(jpeg)),
        "turned-L": np.ascontiguousarray(np.rot90(decoded(as_jpeg(texture(100, 118)[..., 0], 80)))),
        "cut-L": np.ascontiguousarray(decoded(as_jpeg(texture(96, 110)[..., 0], 80))[5:, 2:]),
        "cut-RGB16": jpeg[3:, 13:].astype(np.uint16) * 257,
        "enlarged-1": Image.fromarray(smooth_image(70, 64, 1)[..., 0].repeat(5, axis=0) > 99),
        "enlarged-P": palette.resize((560, 900), Image.Resampling.NEAREST, (0, 0, 70, 75)),
        "enlarged-LA": smooth_image(150, 140, 2).repeat(2, axis=0).repeat(3, axis=1)[:-1, 2:],
        "enlarged-RGB-own": own.repeat(8, axis=0).repeat(2, axis=1),
        "enlarged-cut": np.ascontiguousarray(jpeg[3:, 13:]).repeat(2, axis=0).repeat(2, axis=1),
        "enlarged-RGB16": deep.repeat(4, axis=0).repeat(4, axis=1) * 257,
    }
    files = {name: pixelzip.compress(picture) for name, picture in pictures.items()}
    files["in-parts"] = in_parts(page, [Box(20, 40, 80, 70)])
    return {f"derived-{name}.pxz": file for name, file in files.items()}


def written(header: Header, fields: bytes, file: bytes) -> bytes:
    """Write fields that need not be possible, with their checksum."""
    checksum = struct.pack("<I", zlib.crc32(fields, header.seal(0)))
    return container.write(header, [checksum, fields, file])


def deflated(data: bytes) -> bytes:
    """Deflate without header and checksum, behind the length."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    result = deflater.compress(data) + deflater.flush()
    return write_varint(len(result)) + result


def broken_derived(prefix: str, of_jpeg: str) -> dict[str, bytes]:
    """Return files that are broken in each of their fields."""
    good = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.pxz")}
    header, (body,) = container.read(good["derived-L"])
    _, file, (other, streams) = derived.read(header, body)
    found = tone_search.find(image.read(curved(1)))
    assert found is not None
    table = found[1].tables[0]
    of_cut, (cut_body,) = container.read(good["derived-cut-L"])
    cut_file = derived.read(of_cut, cut_body)[1]
    size = bytes((0, 0, 0, 1)) + write_varint(table.first) + write_varint(len(table.entries))
    entries = np.diff(table.entries[:, 0], prepend=np.uint8(0)).tobytes()
    grey = GOLDEN / f"{prefix}-parts-L.pxz"
    flipped = bytearray(good["derived-L"])
    flipped[12] ^= 4
    files = {
        "flipped": bytes(flipped),
        "cut-short": good["derived-L"][:-9],
        "appended": good["derived-L"] + b"\0",
        "empty": container.write(header, []),
        "checksum": container.write(header, [bytes(4), body[4:]]),
        "orientation": written(of_cut, bytes((8, 5, 2, 0)), cut_file),
        "orientation-16": written(of_cut, bytes((16, 5, 2, 0)), cut_file),
        "turned": written(of_cut, bytes((4, 5, 2, 0)), cut_file),
        "nothing": written(header, bytes(4), pixelzip.compress(curved(1)[..., 0] // 3)),
        "rows": written(of_cut, bytes((0, 16, 2, 0)), cut_file),
        "columns": written(of_cut, bytes((0, 5, 16, 0)), cut_file),
        "size": written(of_cut, bytes((0, 4, 2, 0)), cut_file),
        "count": written(header, bytes((0, 0, 0, 2)) + size[4:] + size[4:] + deflated(2 * entries), file),
        "bits": written(replace(header, mode=MODES_BY_NAME["1"]), size + deflated(entries), file),
        "no-levels": written(header, bytes((0, 0, 0, 1, 0, 0)) + deflated(b""), file),
        "many-levels": written(header, bytes((0, 0, 0, 1, 1)) + write_varint(2**16) + deflated(bytes(2**16)), file),
        "long": written(header, size + deflated(entries + b"\0"), file),
        "short": written(header, size + deflated(entries[:-1]), file),
        "unused": written(header, size + write_varint(len(deflated(entries))) + deflated(entries)[1:] + b"\0", file),
        "not-deflated": written(header, size + bytes((2, 7, 7)), file),
        "levels": written(header, size[:-1] + bytes([len(entries) - 9]) + deflated(entries[:-9]), file),
        "mode": written(header, size + deflated(entries), pixelzip.compress(smooth_image(80, 70, 3))),
        "model": written(replace(header, model=b"\1\2"), size + deflated(entries), file),
        "metadata": written(
            header, size + deflated(entries), container.write(replace(other, blocks=((4, b"a\0b"),)), streams)
        ),
        "of-derived": written(header, size + deflated(entries), good["derived-L"]),
        "of-parts": _of(grey.read_bytes()),
        "of-file": _of(good[f"{of_jpeg}-file-L-progressive"]),
        "cut-of-model": _of(file, bytes((0, 1, 0, 0))),
        "turned-of-model": _of(file, bytes((3, 0, 0, 0))),
    }
    files |= _broken_enlarged(header, size + deflated(entries), file, good["derived-P"])
    return {f"CorruptFile-derived-{name}.pxz": data for name, data in files.items()}


def _broken_enlarged(header: Header, tables: bytes, file: bytes, palette: bytes) -> dict[str, bytes]:
    """Return files that are broken in the fields of enlarged images."""
    small = pixelzip.compress(np.ascontiguousarray(curved(1)[:, ::2, 0] // 3))
    bits = replace(header, mode=MODES_BY_NAME["1"])
    return {
        "factors": written(header, bytes((8, 1, 0, 1, 0, 0, 0, 0)), small),
        "factor-0": written(header, bytes((8, 2, 0, 0, 0, 0, 0, 0)), small),
        "large-factor": written(header, b"\x08" + write_varint(2**16) + bytes((0, 2, 0, 0, 0, 0)), small),
        "missing": written(header, bytes((8, 2, 0, 2, 2, 0, 0, 0)), small),
        "enlarged": written(replace(header, width=71), bytes((8, 1, 0, 2, 0, 0, 0, 0)), small),
        "enlarged-palette": written(header, bytes((8, 1, 0, 2, 0, 0, 0, 0)), palette),
        "enlarged-bits": written(bits, b"\x08\x02\0\x01\0" + tables[1:], file),
    }


def _of(file: bytes, fields: bytes = bytes((0, 0, 1, 0))) -> bytes:
    """Return an image that is made of a file of any kind."""
    header, _ = container.read(file)
    size = header.width - fields[2], header.height - fields[1]
    return written(Header(header.mode, *size, container.BODY_DERIVED, model=header.model or bytes(2)), fields, file)
