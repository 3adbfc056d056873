"""compress() and decompress(): every stage, in order.

image -> lattice -> tiles -> predict (network) -> integer CDF -> ANS -> container
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip import choice, components, container, derived, fallback, mixed, models
from pixelzip import image as images
from pixelzip.components import CodedFile
from pixelzip.container import BODY_DERIVED, BODY_DRAWING, BODY_JPEG, BODY_JPEG_FILE, BODY_MIXED, BODY_MODEL, Header
from pixelzip.drawing import body as drawing
from pixelzip.image import Picture, Samples
from pixelzip.jpeg import body as jpeg
from pixelzip.jpeg import keeping
from pixelzip.networks import find_coefficients, find_network
from pixelzip.samples import join
from pixelzip.tiles import Box, from_crop

ImageOrArray = Image.Image | NDArray[Any] | bytes | Picture  # the last: what has been read already

Crop = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of an image in pixels, the last two exclusive, as Pillow counts them."""


@overload
def compress(
    image: ImageOrArray, model: str = ..., *, device: str = ..., num_threads: int | None = ..., strip: bool = ...
) -> bytes: ...
@overload
def compress(
    image: Sequence[ImageOrArray],
    model: str = ...,
    *,
    device: str = ...,
    num_threads: int | None = ...,
    strip: bool = ...,
) -> list[bytes]: ...
def compress(
    image: ImageOrArray | Sequence[ImageOrArray],
    model: str = models.DEFAULT_MODEL,
    *,
    device: str = "cpu",
    num_threads: int | None = None,
    strip: bool = False,
) -> bytes | list[bytes]:
    """Compress one image, or many in one batch, which is faster for small ones: a list of images gives a list of files.

    Args:
        image: a Pillow image of mode 1, L, LA, P, RGB, RGBA or I;16 (or a file of 16-bit colour, not yet loaded), or
            an array (H, W) or (H, W, C) of uint8, C in 1..4, or uint16, C in 1, 3, 4. (n, H, W, C) is n images.
            Or the bytes of a JPEG file, which is kept itself: see ``decompress_jpeg``.
        model: name of a shipped model, or path of a model file.
        device: "cpu" or a torch device; the bytes do not depend on it.
        num_threads: CPU threads; None: as many as torch uses. The bytes do not depend on it.
        strip: leave out ICC, EXIF, XMP, text, resolution and gamma; of a JPEG file the pixels alone are kept then.

    Raises:
        UnsupportedImage: the image's mode, shape or dtype is none of the above, or the JPEG file cannot be kept.
        UnknownModel: there is no such model.
    """
    if isinstance(image, Image.Image | bytes | Picture) or (isinstance(image, np.ndarray) and image.ndim < 4):
        return compress([image], model, device=device, num_threads=num_threads, strip=strip)[0]
    pictures = [_stripped(images.read(item), strip) for item in image]
    return choice.compress_pictures(pictures, model, device, num_threads, strip, or_pixels=strip)


def decompress(
    data: bytes,
    *,
    crop: Crop | None = None,
    model: str | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
    max_pixels: int = container.DEFAULT_MAX_PIXELS,
) -> Image.Image:
    """Return the image with its mode, palette and metadata.

    Args:
        data: a whole file.
        crop: return this part only, and decode only the tiles that it touches; the others are not checked either.
        model: name or path of the model if it is not a shipped one.
        device: as for ``compress``.
        num_threads: as for ``compress``.
        max_pixels: refuse larger images.

    Raises:
        CorruptFile, UnsupportedVersion, UnknownModel, ImageTooLarge: see ``pixelzip.errors``.
        UnsupportedImage: 16-bit colour; use ``decompress_array``.
        OutsideImage, which is a ValueError: the crop is empty or not inside the image.
    """
    return images.to_pillow(_decompress([data], crop, model, device, num_threads, max_pixels)[0])


def decompress_jpeg(
    data: bytes, *, num_threads: int | None = None, max_pixels: int = container.DEFAULT_MAX_PIXELS
) -> bytes:
    """Return the JPEG file that a .pxz file was made of, byte for byte; ``pixelzip.info`` says "jpeg-file" of those.

    Args:
        data: a whole file.
        num_threads: as for ``compress``.
        max_pixels: refuse larger images.

    Raises:
        UnsupportedImage: the file holds pixels only.
        CorruptFile, UnsupportedVersion, UnknownModel, ImageTooLarge: see ``pixelzip.errors``.
    """
    return keeping.restore(data, find_coefficients, max_pixels, num_threads)


@overload
def decompress_array(
    data: bytes,
    *,
    crop: Crop | None = ...,
    model: str | None = ...,
    device: str = ...,
    num_threads: int | None = ...,
    max_pixels: int = ...,
) -> Samples: ...
@overload
def decompress_array(
    data: Sequence[bytes],
    *,
    crop: Crop | None = ...,
    model: str | None = ...,
    device: str = ...,
    num_threads: int | None = ...,
    max_pixels: int = ...,
) -> list[Samples]: ...
def decompress_array(
    data: bytes | Sequence[bytes],
    *,
    crop: Crop | None = None,
    model: str | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
    max_pixels: int = container.DEFAULT_MAX_PIXELS,
) -> Samples | list[Samples]:
    """Return the samples of one file, or of a list of files in one batch, which is faster for small images.

    Samples are (H, W) or (H, W, C), uint8 or uint16; ``crop`` and ``max_pixels`` hold for each image. Arguments and
    errors are otherwise as for ``decompress``.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return decompress_array(
            [bytes(data)], crop=crop, model=model, device=device, num_threads=num_threads, max_pixels=max_pixels
        )[0]
    return [images.to_array(picture) for picture in _decompress(data, crop, model, device, num_threads, max_pixels)]


def _decompress(
    files: Sequence[bytes],
    crop: Crop | None,
    model: str | None,
    device: str,
    num_threads: int | None,
    max_pixels: int,
) -> list[Picture]:
    parsed = [container.read(data, max_pixels) for data in files]
    regions = [from_crop(crop, header.width, header.height) if crop else header.box for header, _ in parsed]
    return decode(parsed, model, device, num_threads, regions)


def decode(
    parsed: Sequence[CodedFile],
    model: str | None,
    device: str,
    num_threads: int | None,
    regions: Sequence[Box] | None = None,
) -> list[Picture]:
    """Decode a region of each file, or all of it; errors as for ``decompress``."""
    regions = regions or [header.box for header, _ in parsed]
    opened = [derived.read(header, streams[0]) if header.body == BODY_DERIVED else None for header, streams in parsed]
    others = [one[-1] if one else file for one, file in zip(opened, parsed, strict=True)]
    parts = [
        one[0].before(region, header.box) if one else region
        for one, region, (header, _) in zip(opened, regions, parsed, strict=True)
    ]
    pictures = _decode(others, model, device, num_threads, parts)
    return [
        Picture(header.mode, one[0].apply(picture.samples, region), header.blocks) if one else picture
        for one, (header, _), region, picture in zip(opened, parsed, regions, pictures, strict=True)
    ]


def _decode(
    parsed: Sequence[CodedFile], model: str | None, device: str, num_threads: int | None, regions: Sequence[Box]
) -> list[Picture]:
    """Decode a region of each file, none of which is made of another."""
    identifiers = dict.fromkeys(header.model for header, _ in parsed if header.body == BODY_MODEL)  # in their order
    networks = [find_network(identifier, model) for identifier in identifiers]
    decoded = components.decode(networks, parsed, regions, device, num_threads)
    decode_parts = functools.partial(decode, model=model, device=device, num_threads=num_threads)
    return [
        _cut(_read_whole(header, streams, decode_parts, num_threads), region)
        if parts is None
        else Picture(header.mode, join(header.mode, parts, header.significant_bits), header.blocks)
        for (header, streams), region, parts in zip(parsed, regions, decoded, strict=True)
    ]


def _read_whole(
    header: Header, streams: Sequence[bytes], decode_parts: mixed.Decode, num_threads: int | None
) -> Picture:
    """Decode a file that has no tiles."""
    if header.body == BODY_MIXED:
        return mixed.decompress(header, streams[0], decode_parts)
    if header.body == BODY_DRAWING:
        return drawing.decompress(header, streams[0], num_threads)
    if header.body in (BODY_JPEG, BODY_JPEG_FILE):
        return jpeg.decompress(header, streams[0], find_coefficients(header.model), num_threads)
    return fallback.read_embedded(header, streams[0], streams[1])


def _cut(picture: Picture, region: Box) -> Picture:
    samples: Samples = picture.samples[region.slices]
    return replace(picture, samples=samples)


def _stripped(picture: Picture, strip: bool) -> Picture:
    if not strip:
        return picture
    return replace(picture, blocks=tuple(block for block in picture.blocks if block[0] not in images.STRIPPABLE))
