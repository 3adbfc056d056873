"""A part of stage 1: image files of 16 bits that Pillow would cut to 8 -> samples (H, W, 2, 3 or 4) uint16.

Pillow has no mode for them and keeps one byte of each sample: the high one, if it is told in which order the file has
the two. So a file is decoded twice, in its own order and in the other one, which gives both bytes, in every layout and
compression that Pillow knows. Grey with alpha it reads as RGBA, in one order only; so its four bytes are read as those.
"""

from __future__ import annotations

import io
import re
import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from pixelzip.errors import UnsupportedImage

_CUT: Final = re.compile(r"(\w+);16([BLN])")
"""Pillow's names for samples of 16 bits in a file: big-endian, little-endian, as this processor has them."""

_OTHER_ORDER: Final = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_SUPPORTED: Final = ("RGB", "RGBA")
_GREY_WITH_ALPHA: Final = "LA;16B"
_FORMATS: Final = ("PNG", "TIFF", "PPM")
_REASONS: Final = {
    "RGBa": "it is multiplied by alpha",
    "RGBX": "the fourth channel is not alpha",
}
_OTHERWISE: Final = "this version of Pillow reads 16-bit colour otherwise: load it as a uint16 array"
_BITS_PER_SAMPLE, _PLANAR_CONFIGURATION, _IN_PLANES = 258, 284, 2
_JPEG_2000_SIZE: Final = re.compile(rb"\xff\x4f\xff\x51.{38}(.)", re.DOTALL)
"""The start of a codestream up to the first component's number of bits, less one, with a flag."""


def is_cut(image: Image.Image) -> bool:
    """Whether loading the image, which is of a mode of 8 bits, would lose bits of the file's samples."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return False
    if image.format == "TIFF" and _is_in_planes(image):
        return bool(max(_tags(image).get(_BITS_PER_SAMPLE, (1,))) > 8)
    if image.format == "JPEG2000":
        size = _JPEG_2000_SIZE.search(_contents(image))
        return size is not None and size[1][0] & 127 > 7
    named = _CUT.fullmatch(_raw_mode(image)) or image.tile[0].codec_name == "SGI16"
    return bool(named) or _largest_ppm(image) > 255


def is_grey(image: Image.Image) -> bool:
    """Whether loading the image, which is of a mode of 32 bits, gives the file's samples of 16: PGM files."""
    return isinstance(image, ImageFile.ImageFile) and bool(image.tile) and _raw_mode(image) == "I;16B"


def read(image: Image.Image) -> tuple[NDArray[np.uint16], Image.Image]:
    """Return all bits of an image that ``is_cut``, and the image as Pillow loads it; ``image`` is not loaded.

    Raises:
        UnsupportedImage: a layout of which Pillow does not give both bytes.
    """
    assert isinstance(image, ImageFile.ImageFile)
    if reason := _obstacle(image):
        raise UnsupportedImage(
            f"Pillow would cut the file's 16-bit colour to 8 bits ({reason}): load it as a uint16 array"
        )
    file = _contents(image)
    high, low = (type(image)(io.BytesIO(file)) for _ in range(2))
    if _raw_mode(image) == _GREY_WITH_ALPHA:
        high.load()
        return _as_four_channels(low), high
    _check_orders()
    high.tile = [_decoded_as(tile, _raw_mode(image)) for tile in high.tile]
    low.tile = [_decoded_as(tile, _in_other_order(_raw_mode(image))) for tile in low.tile]
    samples = np.asarray(high).astype(np.uint16)
    samples <<= 8
    samples |= np.asarray(low)
    return samples, high


def _as_four_channels(image: ImageFile.ImageFile) -> NDArray[np.uint16]:
    """Read grey with alpha, two bytes each, high ones first."""
    image.tile = [_decoded_as(tile, "RGBA") for tile in image.tile]
    bytes_of_pixels = np.asarray(image)  # (H, W, 4)
    if bytes_of_pixels.shape != (image.height, image.width, 4):
        raise UnsupportedImage(_OTHERWISE)
    return bytes_of_pixels.view(">u2").astype(np.uint16)


def _obstacle(image: ImageFile.ImageFile) -> str:
    """Say why only the high bytes can be had; empty if both can."""
    if image.format not in _FORMATS:
        return f"in {image.format} files"
    if getattr(image, "n_frames", 1) > 1:
        return "there are several frames"
    if image.format == "TIFF" and _is_in_planes(image):
        return "its channels lie in separate planes"
    if image.format == "PPM" and (image.tile[0].codec_name, _largest_ppm(image)) != ("ppm", 65535):
        return "in PPM files of text and such whose largest value is not 65535"
    name = _raw_mode(image).partition(";")[0]
    is_supported = name in _SUPPORTED or _raw_mode(image) == _GREY_WITH_ALPHA
    return "" if is_supported else _REASONS.get(name, f"its raw mode is {name}")


def _raw_mode(image: ImageFile.ImageFile) -> str:
    if image.tile[0].codec_name == "ppm" and _largest_ppm(image) > 255:
        return "RGB;16B"
    args = image.tile[0].args
    return str(args[0]) if isinstance(args, tuple) and args else str(args)


def _decoded_as(tile: Any, raw_mode: str) -> Any:
    """Change the order of bytes in what tells Pillow how to decode a part of the image."""
    if tile.codec_name == "ppm":  # which rounds; the bytes themselves lie there as they are
        return tile._replace(codec_name="raw", args=(raw_mode, 0, 1))
    return tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)


def _in_other_order(raw_mode: str) -> str:
    return raw_mode[:-1] + _OTHER_ORDER[raw_mode[-1]]


def _largest_ppm(image: ImageFile.ImageFile) -> int:
    """Return the largest value in a PPM file, 0 for other formats and where Pillow does not scale values."""
    args = image.tile[0].args
    return int(args[1]) if image.format == "PPM" and isinstance(args, tuple) and args[0] == "RGB" else 0


def _is_in_planes(image: ImageFile.ImageFile) -> bool:
    return bool(_tags(image).get(_PLANAR_CONFIGURATION) == _IN_PLANES)


def _tags(image: ImageFile.ImageFile) -> Any:
    return getattr(image, "tag_v2")  # noqa: B009 - no attribute of ImageFile


def _contents(image: ImageFile.ImageFile) -> bytes:
    """Read the whole file, and leave it where Pillow expects it."""
    assert image.fp is not None
    position = image.fp.tell()
    image.fp.seek(0)
    file = image.fp.read()
    image.fp.seek(position)
    return file


def _check_orders() -> None:
    """Raise UnsupportedImage unless this Pillow keeps the byte that each of its raw modes names."""
    for name in _SUPPORTED:
        samples = bytes(range(2 * len(name)))
        for order, kept in (("B", samples[::2]), ("L", samples[1::2])):
            pixel = Image.frombytes(name, (1, 1), samples, "raw", f"{name};16{order}")
            if pixel.tobytes() != kept:
                raise UnsupportedImage(_OTHERWISE)
