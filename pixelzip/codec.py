"""compress() and decompress(): every stage, in order.

image -> lattice -> tiles -> predict (network) -> integer CDF -> ANS -> container
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip import components, container, fallback, models
from pixelzip import image as images
from pixelzip.components import Networks
from pixelzip.container import BODY_JPEG, BODY_MODEL, Header
from pixelzip.errors import UnknownModel
from pixelzip.image import Picture, Samples
from pixelzip.jpeg import body as jpeg
from pixelzip.models.integer import IntegerCoefficientNetwork, IntegerNetwork
from pixelzip.samples import join
from pixelzip.threads import in_threads
from pixelzip.tiles import Box, from_crop

ImageOrArray = Image.Image | NDArray[Any] | Picture  # the last: what has been read already

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
        model: name of a shipped model, or path of a model file.
        device: "cpu" or a torch device; the bytes do not depend on it.
        num_threads: CPU threads; None: as many as torch uses. The bytes do not depend on it.
        strip: leave out ICC, EXIF, XMP, text, resolution and gamma.

    Raises:
        UnsupportedImage: the image's mode, shape or dtype is none of the above.
        UnknownModel: there is no such model.
    """
    if isinstance(image, Image.Image | Picture) or (isinstance(image, np.ndarray) and image.ndim < 4):
        return compress([image], model, device=device, num_threads=num_threads, strip=strip)[0]
    pictures = [_stripped(images.read(item), strip) for item in image]
    networks = find_networks(model)
    each = 1 if len(pictures) > 1 else num_threads
    found = in_threads(functools.partial(_from_jpeg, networks.coefficients, each), pictures, num_threads)
    coded = [one.file if one else None for one in found]
    left = [index for index, one in enumerate(found) if one is None or not one.is_sure]
    files = components.compress(networks, [pictures[index] for index in left], device, num_threads)
    for index, file in zip(left, files, strict=True):
        coded[index] = min(filter(None, (coded[index], file)), key=len, default=None)
    return in_threads(lambda both: fallback.smallest(*both, each), list(zip(pictures, coded, strict=True)), num_threads)


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
    identifiers = dict.fromkeys(header.model for header, _ in parsed if header.body == BODY_MODEL)  # in their order
    networks = [find_network(identifier, model) for identifier in identifiers]
    decoded = components.decode(networks, parsed, regions, device, num_threads)
    return [
        _cut(read_whole(header, streams, num_threads), region)
        if parts is None
        else Picture(header.mode, join(header.mode, parts, header.significant_bits), header.blocks)
        for (header, streams), region, parts in zip(parsed, regions, decoded, strict=True)
    ]


def read_whole(header: Header, streams: Sequence[bytes], num_threads: int | None) -> Picture:
    """Decode a file that has no tiles; errors as for ``decompress``."""
    if header.body == BODY_JPEG:
        return jpeg.decompress(header, streams[0], find_coefficients(header.model), num_threads)
    return fallback.read_embedded(header, streams[0], streams[1])


def _from_jpeg(
    network: IntegerCoefficientNetwork | None, num_threads: int | None, picture: Picture
) -> jpeg.Coded | None:
    return None if network is None else jpeg.compress(picture, network, num_threads)


def _cut(picture: Picture, region: Box) -> Picture:
    samples: Samples = picture.samples[region.slices]
    return replace(picture, samples=samples)


def _stripped(picture: Picture, strip: bool) -> Picture:
    if not strip:
        return picture
    return replace(picture, blocks=tuple(block for block in picture.blocks if block[0] not in images.STRIPPABLE))


def find_networks(model: str) -> Networks:
    """Load a model, its companions for planes and for coefficients, and its guide; raises UnknownModel.

    A model file for planes goes with the default model, one for pixels goes alone.
    """
    network = load_model(model)
    if network.config.num_classes:
        raise UnknownModel(f"the model {model} needs to be told an image's class, which files do not hold")
    if network.config.is_for_planes:
        return Networks(load_model(models.DEFAULT_MODEL), network)
    names = models.companion(model, models.PLANES), models.guide(model)
    planes, guide = (load_model(name) if name else None for name in names)
    from_jpeg = models.companion(model, models.JPEG)
    coefficients = find_coefficients(models.find(from_jpeg).identifier) if from_jpeg else None
    return Networks(network, planes, coefficients, guide)


def load_model(model: str) -> IntegerNetwork:
    """Load one model for pixels; raises UnknownModel."""
    with _loading():
        try:
            return models.load(model)
        except KeyError as error:
            known = ", ".join(sorted({entry.name for entry in models.MODELS}))
            raise UnknownModel(f"there is no model {model!r} (known: {known})") from error


def find_network(identifier: bytes, model: str | None) -> IntegerNetwork:
    """Return the network for pixels that a file needs: the caller's, if it is that, or a shipped one.

    Raises:
        UnknownModel: there is none, or it is for coefficients.
    """
    if model and (network := find_networks(model).find(identifier)):
        return network
    with _loading(identifier):
        return models.load_identified(identifier)


def find_coefficients(identifier: bytes) -> IntegerCoefficientNetwork:
    """Return the network for coefficients that a file needs; raises UnknownModel."""
    with _loading(identifier):
        return models.load_coefficients(identifier)


@contextmanager
def _loading(identifier: bytes = b"") -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise UnknownModel(f"the file needs the model {identifier.hex()}, which is not installed") from error
    except (ValueError, OSError) as error:
        raise UnknownModel(f"the model cannot be loaded: {error}") from error
