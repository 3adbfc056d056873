"""Many small images -> one file, each of which can be read alone. ``Pack`` is the way back.

A small image of mode L or RGB becomes one short stream; every other image, and a JPEG file, becomes a whole .pxz file
inside the pack.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import choice, estimate, fallback, models, pack_container
from pixelzip.codec import ImageOrArray
from pixelzip.container import Header
from pixelzip.errors import UnsupportedImage
from pixelzip.image import MODES_BY_NAME, TRANSPARENCY, Picture
from pixelzip.image import read as read_picture
from pixelzip.models.integer import IntegerNetwork
from pixelzip.networks import find_networks
from pixelzip.pack_container import FILE, FILE_MODES, MAX_DESCRIPTION_BYTES, MAX_LABEL, STREAM, STREAM_MODES, Shape
from pixelzip.pack_reader import Entry, Pack, PackInfo
from pixelzip.streams import Tile, encode_tiles
from pixelzip.threads import beside_a_gpu, in_parts
from pixelzip.tiles import MIRRORED, Tiling, turned

__all__ = ["Entry", "Pack", "PackInfo", "pack"]

_GROUP_BYTES: Final = 10
"""What one image of another coding costs in the index among small images of one shape."""

_NOISE_BITS, _CLOSE = 6, 1.1
"""Of independent noise, which takes so many bits a sample, WebP may take a tenth less than the estimate."""

_FEW_BITS: Final = 1
"""Photographs take more a sample; drawings that do not may be smaller than the estimate."""


def pack(
    images: Sequence[ImageOrArray],
    *,
    model: str = models.DEFAULT_MODEL,
    names: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
) -> bytes:
    """Compress images into one pack. Metadata, as ICC profiles and EXIF, is not kept, but with JPEG files.

    Args:
        images: Pillow images of mode L, LA, RGB, RGBA or I;16, or arrays as for ``pixelzip.compress``; sizes and
            modes may differ. The bytes of a JPEG file are kept, if ``pixelzip.compress`` can: see ``Pack.jpeg``.
        model: name of a shipped model, or path of a model file.
        names: one for each image, all different, not empty and without zero characters; 2^26 bytes at most.
        labels: one for each image, 0..2^31 - 1.
        device: as for ``pixelzip.compress``.
        num_threads: as for ``pixelzip.compress``.

    Raises:
        UnsupportedImage: an image has another mode, shape or dtype, or a transparent colour; the message has its
            index.
        UnknownModel: there is no such model.
        ValueError: names or labels are not as above.
    """
    _check_names(names, len(images))
    _check_labels(labels, len(images))
    titles = [f"image {index} ({names[index]})" if names else f"image {index}" for index in range(len(images))]
    pictures = [_picture(title, image) for title, image in zip(titles, images, strict=True)]
    network = find_networks(model).pixels
    coded = _coded(network, pictures, models.tries_mirrors(model), device, num_threads)
    others = [picture for index, picture in enumerate(pictures) if index not in coded]
    files = iter(choice.compress_pictures(others, model, device, num_threads, strip=False, or_pixels=True))
    shapes, payloads, are_mirrored = [], [], []
    for index, picture in enumerate(pictures):
        coding, payload, is_mirrored = coded[index] if index in coded else (FILE, next(files), False)
        shapes.append(_shape(picture.mode.name, *picture.size, coding))
        payloads.append(payload)
        are_mirrored.append(is_mirrored)
    return pack_container.write(network.identifier, shapes, payloads, names, labels, are_mirrored)


_Coded = tuple[int, bytes, bool]
"""The coding, the payload, and whether it is that of the mirror image."""


def _coded(
    network: IntegerNetwork,
    pictures: Sequence[Picture],
    tries_mirrors: bool,
    device: str,
    num_threads: int | None,
) -> dict[int, _Coded]:
    """Code all images that a short stream can hold, by index; perhaps the shorter of each and its mirror image."""
    small = [
        index
        for index, picture in enumerate(pictures)
        if picture.jpeg is None and picture.mode.name in STREAM_MODES and _is_small(*picture.size)
    ]
    are_tried = (False, True) if tries_mirrors else (False,)

    def code(part: Sequence[int], num_threads: int | None) -> list[_Coded]:
        some = [pictures[index] for index in part]
        ways = [_streams(network, part, some, mirrored, device, num_threads) for mirrored in are_tried]
        shortest = [min(streams, key=_num_bytes) for streams in zip(*ways, strict=True)]
        for at, file in _smaller_files(some, list(map(_num_bytes, shortest)), num_threads).items():
            shortest[at] = (FILE, file, False)
        return shortest

    return dict(zip(small, beside_a_gpu(code, small, device, num_threads), strict=True))


@functools.lru_cache(maxsize=1024)
def _shape(mode: str, width: int, height: int, coding: int) -> Shape:
    return Shape(MODES_BY_NAME[mode], width, height, coding)


@functools.lru_cache(maxsize=1024)
def _is_small(width: int, height: int) -> bool:
    return Tiling(width, height).is_single


def _num_bytes(coded: _Coded) -> int:
    return len(coded[1])


def _streams(
    network: IntegerNetwork,
    indices: Sequence[int],
    pictures: Sequence[Picture],
    mirrored: bool,
    device: str,
    num_threads: int | None,
) -> list[_Coded]:
    tiles, headers = [], dict[tuple[int, ...], Header]()
    for index, picture in zip(indices, pictures, strict=True):
        pixels = picture.samples.astype(np.uint8, copy=False)
        if pixels.shape not in headers:  # which has as many channels as the mode
            shape = _shape(picture.mode.name, *picture.size, STREAM)
            headers[pixels.shape] = shape.header(network.identifier, mirrored)
        as_coded = np.ascontiguousarray(turned(pixels, MIRRORED)) if mirrored else pixels
        tiles.append(Tile(as_coded, headers[pixels.shape].seal(index), is_short=True))
    streams = encode_tiles(network, tiles, device, num_threads)
    return [(STREAM, stream, mirrored) for stream in streams]


def _smaller_files(
    pictures: Sequence[Picture], stream_bytes: Sequence[int], num_threads: int | None
) -> dict[int, bytes]:
    """Return a file for each image whose stream is larger than that, by index."""
    limits = [num_bytes - _GROUP_BYTES for num_bytes in stream_bytes]
    are_tried = map(_is_worth_trying, pictures, limits, _estimates(pictures, num_threads).tolist())
    tried = list(itertools.compress(range(len(pictures)), are_tried))
    files = in_parts(
        lambda part: [fallback.smaller_than(pictures[index], limits[index]) for index in part], tried, num_threads
    )
    return {index: file for index, file in zip(tried, files, strict=True) if file is not None}


def _is_worth_trying(picture: Picture, num_bytes: int, estimate: float) -> bool:
    """Return whether another coding may take less than a stream of so many bytes; ``estimate`` is WebP's, in bytes."""
    bits = 8 * num_bytes / picture.num_subpixels
    return bits < _FEW_BITS or estimate < (_CLOSE if bits > _NOISE_BITS else 1) * num_bytes


def _estimates(pictures: Sequence[Picture], num_threads: int | None) -> NDArray[np.float64]:
    """Return (n,) about how many bytes a file takes at best for small colour images, 0 for others."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        by_shape.setdefault(picture.samples.shape, []).append(index)
    estimates = np.zeros(len(pictures))
    for (height, width, num_channels), alike in by_shape.items():
        if num_channels == 3 and height * width <= estimate.MAX_PIXELS:
            samples = [pictures[index].samples.astype(np.uint8, copy=False) for index in alike]
            estimates[alike] = in_parts(lambda part: estimate.webp_bytes(part).tolist(), samples, num_threads)
    return estimates


def _picture(title: str, image: ImageOrArray) -> Picture:
    try:
        picture = read_picture(image)
    except UnsupportedImage as error:
        raise UnsupportedImage(f"{title}: {error}") from error
    if picture.mode.name not in FILE_MODES:
        raise UnsupportedImage(f"{title}: packs do not hold mode {picture.mode.name}; convert it to L or RGB")
    if not picture.blocks:
        return picture
    if any(kind == TRANSPARENCY for kind, _ in picture.blocks):
        raise UnsupportedImage(f"{title}: packs do not hold a transparent colour; convert it to RGBA")
    return replace(picture, blocks=())


def _check_names(names: Sequence[str] | None, num_images: int) -> None:
    if names is None:
        return
    if len(names) != num_images:
        raise ValueError(f"{len(names)} names for {num_images} images")
    if len(set(names)) != num_images:
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ValueError(f"two images have the name {twice!r}")
    if any(not name or "\0" in name for name in names):
        raise ValueError("a name is empty or has a zero character")
    if sum(len(name.encode()) + 1 for name in names) > MAX_DESCRIPTION_BYTES:
        raise ValueError(f"the names have more than {MAX_DESCRIPTION_BYTES} bytes")


def _check_labels(labels: Sequence[int] | None, num_images: int) -> None:
    if labels is None:
        return
    if len(labels) != num_images:
        raise ValueError(f"{len(labels)} labels for {num_images} images")
    if not all(0 <= label <= MAX_LABEL for label in labels):
        raise ValueError(f"a label is not in 0..{MAX_LABEL}")
