"""Image files the user names <-> what the codec takes and gives."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from pixelzip import image as images
from pixelzip import tiff_exif
from pixelzip.cli import frames
from pixelzip.cli.files import FileError
from pixelzip.errors import ImageTooLarge

IMAGE_SUFFIXES: Final = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".npy"})
"""What -r looks for: formats without loss."""

OUTPUT_SUFFIXES: Final = (".png", ".tif", ".tiff", ".npy")
"""Formats that hold every mode, but for CMYK in a PNG."""

_NUMPY_MAGIC: Final = b"\x93NUMPY"
_TIFF_XMP: Final = 700
_FRAMED_MODES: Final = ("L", "LA", "RGB", "RGBA", "I;16", "CMYK")
_MODES_OF_CHANNELS: Final = {2: "LA", 3: "RGB", 4: "RGBA"}
Image.MAX_IMAGE_PIXELS = None
"""--max-pixels is the limit here, checked as soon as the header is read."""

BROKEN: Final = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, RuntimeError),
    *(LookupError, TypeError, AttributeError, ArithmeticError),
)
"""What Pillow raises, in one format or another, for images and metadata that are damaged."""


def open_image(data: bytes, max_pixels: int, *, as_file: bool = False) -> tuple[Image.Image | NDArray[Any], bool]:
    """Read an image file or a .npy array, and say whether it was a JPEG, which ``as_file`` may have more images.

    Raises:
        FileError: not an image, a damaged one, or one with several frames.
        ImageTooLarge: more than ``max_pixels`` pixels.
    """
    try:
        if data.startswith(_NUMPY_MAGIC):
            array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
            return array, False
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > max_pixels:
            raise ImageTooLarge(f"{image.width}x{image.height} pixels exceed --max-pixels {max_pixels}")
        is_jpeg = image.format in ("JPEG", "MPO")
        if getattr(image, "n_frames", 1) > 1 and not (is_jpeg and as_file):
            raise FileError(f"the image has {getattr(image, 'n_frames', 1)} frames; only single images are supported")
        return image, is_jpeg
    except UnidentifiedImageError as error:
        raise FileError("not an image that can be read") from error
    except BROKEN as error:
        raise FileError(f"the image is damaged: {error}") from error


def load(image: Image.Image | NDArray[Any]) -> images.Picture:
    """Decode an image that has been opened; raises FileError when it is damaged, UnsupportedImage."""
    try:
        return images.read(image)
    except BROKEN as error:
        raise FileError(f"the image is damaged: {error}") from error


def save_image(
    image: Image.Image | NDArray[Any], target: Path | None, metadata: Mapping[str, Any] = MappingProxyType({})
) -> bytes:
    """Write a decoded image as the format that the target's name asks for; standard output gets PNG, or TIFF for CMYK.

    ``metadata``, under the keys of Pillow's ``info``, go with an array of 16-bit colour; images have their own.
    """
    is_cmyk = isinstance(image, Image.Image) and image.mode == "CMYK"
    suffix = target.suffix.lower() if target else ".tif" if is_cmyk else ".png"
    if suffix not in OUTPUT_SUFFIXES:
        raise FileError(f"cannot write {suffix or 'a file without suffix'}: use {', '.join(OUTPUT_SUFFIXES)}")
    if suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(image), allow_pickle=False)
        return buffer.getvalue()
    if isinstance(image, np.ndarray) and (image.dtype != np.uint16 or image.ndim < 3):
        image = Image.fromarray(image)
    if isinstance(image, np.ndarray):
        return _framed(image, _MODES_OF_CHANNELS[image.shape[2]], metadata, suffix)
    if suffix == ".png" and is_cmyk:
        raise FileError("PNG files have no CMYK: use .tif, or .npy for the pixels alone")
    if suffix != ".png" and "exif" in image.info and image.mode in _FRAMED_MODES:
        samples = np.asarray(image)
        return _framed(samples[..., None] if samples.ndim == 2 else samples, image.mode, image.info, suffix)
    return _with_metadata(image, suffix)


def _framed(samples: images.Samples, mode: str, metadata: Mapping[Any, Any], suffix: str) -> bytes:
    """Have Pillow write all but the pixels."""
    small = Image.new(mode, (1, 1))
    small.info.update(metadata)
    return frames.with_pixels(_with_metadata(small, suffix), samples)


def _with_metadata(image: Image.Image, suffix: str) -> bytes:
    buffer = io.BytesIO()
    texts = {key: value for key, value in image.info.items() if isinstance(value, str)}
    image.info = {key: value for key, value in image.info.items() if key not in texts}
    options = {key: image.info[key] for key in ("exif", "dpi", "icc_profile") if key in image.info}
    try:
        if suffix == ".png":
            image.save(buffer, "PNG", pnginfo=_png_chunks(image.info, texts), **options)
        else:
            # libtiff, which compresses, does not take the directories that EXIF data consist of.
            compression = "raw" if "exif" in options else "tiff_adobe_deflate"
            image.save(buffer, "TIFF", compression=compression, **options | {"exif": _tiff_tags(image.info)})
    except BROKEN as error:
        raise FileError(f"{suffix} cannot hold the metadata: {error}; .npy holds the pixels alone") from error
    return buffer.getvalue()


def _tiff_tags(info: dict[Any, Any]) -> Image.Exif:
    tags = Image.Exif()
    if "exif" in info:
        tags.load(info["exif"])
    for tag in tiff_exif.LAYOUT.intersection(tags):
        del tags[tag]
    if "xmp" in info:
        tags[_TIFF_XMP] = info["xmp"]
    return tags


def _png_chunks(info: dict[Any, Any], texts: dict[Any, str]) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    if "xmp" in info:
        chunks.add_itxt("XML:com.adobe.xmp", info["xmp"].decode("utf-8", "replace"))
    if "gamma" in info:
        chunks.add(b"gAMA", struct.pack(">I", round(info["gamma"] * 100000)))
    for key, value in texts.items():
        chunks.add_itxt(str(key), value)
    return chunks
