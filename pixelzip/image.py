"""Stage 1 of 7: Pillow image or array <-> samples (H, W, C) with the metadata that goes with them.

``pixelzip.samples`` splits samples into components, which is what the following stages code.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip import deep_colour, tiff_exif
from pixelzip.errors import CorruptFile, UnsupportedImage

Samples = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Mode:
    """A kind of image: its identifier in files, channels per pixel and bits per channel."""

    identifier: int
    name: str
    num_channels: int
    bit_depth: int = 8

    @property
    def component_channels(self) -> tuple[int, ...]:
        """Channels of each component: colour or grey, then alpha or black; high bits before low bits."""
        colour = (3,) if self.num_channels >= 3 else (1,)
        one_byte = colour + ((1,) if self.num_channels in (2, 4) else ())
        return one_byte * (self.bit_depth // 8)


MODES: Final = (
    Mode(0, "1", 1),
    Mode(1, "L", 1),
    Mode(2, "LA", 2),
    Mode(3, "P", 1),
    Mode(4, "RGB", 3),
    Mode(5, "RGBA", 4),
    Mode(6, "I;16", 1, 16),
    Mode(7, "RGB;16", 3, 16),
    Mode(8, "RGBA;16", 4, 16),
    Mode(9, "LA;16", 2, 16),
    Mode(10, "CMYK", 4),
)
"""Append-only: an identifier, once released, never changes its meaning."""

MODES_BY_NAME: Final = {mode.name: mode for mode in MODES}
_ARRAY_MODES: Final = {
    (mode.bit_depth, mode.num_channels): mode.name for mode in MODES if mode.name not in ("1", "P", "CMYK")
}

ICC, EXIF, XMP, TEXT, DPI, GAMMA, TRANSPARENCY, PALETTE = range(1, 9)
"""Kinds of metadata blocks, append-only."""

STRIPPABLE: Final = frozenset({ICC, EXIF, XMP, TEXT, DPI, GAMMA})
"""Blocks that do not change what the pixels are."""

Block = tuple[int, bytes]
_RAW_KEYS: Final = {ICC: "icc_profile", EXIF: "exif", XMP: "xmp"}


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as the codec sees it: ``samples`` is (H, W, C) uint8, or uint16 for 16-bit modes.

    ``jpeg`` is the JPEG file that it was read from, if it is that.
    """

    mode: Mode
    samples: Samples
    blocks: tuple[Block, ...] = field(default=())
    jpeg: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.samples.shape[1], self.samples.shape[0]

    @property
    def num_subpixels(self) -> int:
        """Samples in the image."""
        return self.samples.size


def read(image: Image.Image | NDArray[Any] | bytes | Picture) -> Picture:
    """Take a Pillow image, an array (H, W) or (H, W, C), uint8 or uint16, or the bytes of a JPEG file.

    A Pillow image of 16-bit colour that is not loaded yet is read from its file again.

    Raises:
        UnsupportedImage: mode, dtype or shape is none of MODES, there are no pixels, or the bytes are no JPEG.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, bytes):
        return _from_jpeg(image)
    picture = _from_array(image) if isinstance(image, np.ndarray) else _from_pillow(image)
    if 0 in picture.samples.shape:
        raise UnsupportedImage("the image has no pixels")
    return picture


def to_array(picture: Picture) -> Samples:
    """Return (H, W) or (H, W, C), uint8 or uint16; palette images give indices."""
    return picture.samples[..., 0] if picture.mode.num_channels == 1 else picture.samples


def to_pillow(picture: Picture) -> Image.Image:
    """Return the image in its own mode with its metadata in ``info``.

    Raises:
        UnsupportedImage: 16-bit colour or alpha, which Pillow has no mode for.
    """
    array = to_array(picture)
    if picture.mode.bit_depth == 16 and picture.mode.num_channels > 1:
        raise UnsupportedImage("Pillow has no mode for 16-bit colour or alpha: use decompress_array")
    if picture.mode.name == "1":
        image = Image.fromarray(array * np.uint8(255)).convert("1", dither=Image.Dither.NONE)
    else:
        image = Image.fromarray(array)
        if picture.mode.name == "CMYK":
            image = Image.frombytes("CMYK", picture.size, image.tobytes())
        if picture.mode.name == "P":
            image = image.convert("L")
            image.putpalette(b"")
    _restore(image, picture.blocks)
    return image


def describe(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return metadata under the keys that Pillow's ``info`` uses, as it stands in the file."""
    info: dict[str, Any] = {}
    for kind, data in blocks:
        if kind in _RAW_KEYS:
            info[_RAW_KEYS[kind]] = data
        elif kind == DPI:
            info["dpi"] = _unpacked("<dd", data)
        elif kind == GAMMA:
            info["gamma"] = _unpacked("<d", data)[0]
        elif kind == TRANSPARENCY:
            info["transparency"] = _parse_transparency(data)
    return dict(_parse_text(data) for kind, data in blocks if kind == TEXT) | info


def _from_array(array: NDArray[Any]) -> Picture:
    if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3):
        raise UnsupportedImage(f"array of {array.dtype} with shape {array.shape}: need uint8 or uint16, (H, W[, C])")
    samples = array[..., None] if array.ndim == 2 else array
    name = _ARRAY_MODES.get((8 * array.dtype.itemsize, samples.shape[2]))
    if name is None:
        raise UnsupportedImage(f"array of {array.dtype} with {samples.shape[2]} channels is not supported")
    return Picture(MODES_BY_NAME[name], np.ascontiguousarray(samples))


def _from_pillow(image: Image.Image) -> Picture:
    is_grey = image.mode in ("I;16B", "I;16L") or (image.mode == "I" and deep_colour.is_grey(image))
    name = "I;16" if is_grey else image.mode
    if name not in MODES_BY_NAME:
        supported = ", ".join(mode.name for mode in MODES if mode.bit_depth == 8 or mode.num_channels == 1)
        raise UnsupportedImage(f"mode {image.mode} is not supported (supported: {supported})")
    mode = MODES_BY_NAME[name]
    if mode.bit_depth == 8 and deep_colour.is_cut(image):
        deep, loaded = deep_colour.read(image)
        return Picture(MODES_BY_NAME[_ARRAY_MODES[16, deep.shape[2]]], deep, tuple(_collect(loaded)))
    array = np.asarray(image)
    array = array.astype(np.uint16) if mode.bit_depth == 16 else array.astype(np.uint8)
    samples = array[..., None] if array.ndim == 2 else array
    return Picture(mode, np.ascontiguousarray(samples), tuple(_collect(image)))


def _from_jpeg(data: bytes) -> Picture:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return replace(_from_pillow(image), jpeg=data)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnsupportedImage(f"bytes must be those of a JPEG file: {error}") from error


def _collect(image: Image.Image) -> list[Block]:
    info = image.info
    blocks = [(kind, bytes(info[key])) for kind, key in _RAW_KEYS.items() if isinstance(info.get(key), bytes)]
    if image.format == "TIFF" and "exif" not in info and (exif := tiff_exif.read(image)):
        blocks.append((EXIF, exif))
    for key, value in info.items():
        is_xmp_again = key == "XML:com.adobe.xmp" and "xmp" in info
        if isinstance(key, str) and isinstance(value, str) and key != "compression" and not is_xmp_again:
            blocks.append((TEXT, f"{key}\0{value}".encode("utf-8", "surrogatepass")))
    if isinstance(info.get("dpi"), tuple) and len(info["dpi"]) == 2:
        blocks.append((DPI, struct.pack("<dd", *map(float, info["dpi"]))))
    if isinstance(info.get("gamma"), float | int):
        blocks.append((GAMMA, struct.pack("<d", info["gamma"])))
    if isinstance(info.get("transparency"), int | bytes | tuple):
        blocks.append((TRANSPARENCY, _pack_transparency(info["transparency"])))
    if image.mode == "P" and image.palette is not None:
        raw_mode, colours = image.palette.getdata()
        blocks.append((PALETTE, raw_mode.split(";")[0].encode() + b"\0" + bytes(colours)))
    return blocks


def _restore(image: Image.Image, blocks: Sequence[Block]) -> None:
    for kind, data in blocks:
        if kind == PALETTE:
            raw_mode, _, colours = data.partition(b"\0")
            if raw_mode not in (b"RGB", b"RGBA") or len(colours) > 1024 or image.mode != "P":
                raise CorruptFile("the palette is not one")
            image.putpalette(colours, raw_mode.decode())
    image.info.update(describe(blocks))


def _pack_transparency(value: int | bytes | tuple[int, ...]) -> bytes:
    if isinstance(value, bytes):
        return b"\0" + value
    values = value if isinstance(value, tuple) else (value,)
    return struct.pack(f"<B{len(values)}H", len(values), *values)


def _parse_transparency(data: bytes) -> int | bytes | tuple[int, ...]:
    if data[:1] == b"\0":
        return data[1:]
    count = data[0] if data else 0
    if count not in (1, 3):
        raise CorruptFile("the transparency block is damaged")
    values = _unpacked(f"<{count}H", data[1:])
    return int(values[0]) if count == 1 else tuple(int(value) for value in values)


def _parse_text(data: bytes) -> tuple[str, str]:
    try:
        key, _, value = data.decode("utf-8", "surrogatepass").partition("\0")
    except UnicodeDecodeError as error:
        raise CorruptFile("a text block is not UTF-8") from error
    return key, value


def _unpacked(layout: str, data: bytes) -> tuple[float, ...]:
    if len(data) != struct.calcsize(layout):
        raise CorruptFile(f"a metadata block has {len(data)} bytes, expected {struct.calcsize(layout)}")
    return struct.unpack(layout, data)
