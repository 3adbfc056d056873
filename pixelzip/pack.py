"""Many small images -> one file, each of which can be read alone. ``Pack`` is the way back.

A small image of mode L or RGB becomes one short stream; every other image, and a JPEG file, becomes a whole .pxz file
inside the pack.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip import choice, estimate, fallback, models, pack_container
from pixelzip.codec import ImageOrArray
from pixelzip.errors import UnsupportedImage
from pixelzip.image import MODES_BY_NAME, TRANSPARENCY, Picture
from pixelzip.image import read as read_picture
from pixelzip.models.integer import IntegerNetwork
from pixelzip.networks import find_networks
from pixelzip.pack_container import FILE, FILE_MODES, MAX_DESCRIPTION_BYTES, MAX_LABEL, STREAM, STREAM_MODES, Shape
from pixelzip.pack_reader import Entry, Pack, PackInfo
from pixelzip.pack_tiles import alike, seals
from pixelzip.streams import Tiles, encode_tiles
from pixelzip.threads import in_parts, in_shares
from pixelzip.tiles import Tiling

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
    pictures = _pictures(images, names)
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


class _Alike(NamedTuple):
    """Images of one shape: their indices, and pixels (n, H, W, C)."""

    shape: Shape
    indices: list[int]
    pixels: NDArray[np.uint8]


def _coded(
    network: IntegerNetwork,
    pictures: Sequence[Picture],
    tries_mirrors: bool,
    device: str,
    num_threads: int | None,
) -> dict[int, _Coded]:
    """Code all images that a short stream can hold, by index; perhaps the shorter of each and its mirror image."""
    shapes = {
        index: _shape(picture.mode.name, *picture.size, STREAM)
        for index, picture in enumerate(pictures)
        if picture.jpeg is None and picture.mode.name in STREAM_MODES and _is_small(*picture.size)
    }
    ways = (False, True) if tries_mirrors else (False,)

    def code(part: Sequence[int], num_threads: int | None) -> list[_Coded]:
        groups = [_Alike(shape, some, _stacked(pictures, some)) for shape, some in alike(shapes, part)]
        streams = [_streams(network, groups, is_mirrored, device, num_threads) for is_mirrored in ways]
        shortest = [min(each, key=_num_bytes) for each in zip(*streams, strict=True)]
        files = _smaller_files(pictures, groups, list(map(_num_bytes, shortest)), num_threads)
        found = dict(zip(_indices(groups), shortest, strict=True)) | files
        return list(map(found.__getitem__, part))

    small = list(shapes)
    return dict(zip(small, in_shares(code, small, device, num_threads), strict=True))


@functools.lru_cache(maxsize=1024)
def _shape(mode: str, width: int, height: int, coding: int) -> Shape:
    return Shape(MODES_BY_NAME[mode], width, height, coding)


@functools.lru_cache(maxsize=1024)
def _is_small(width: int, height: int) -> bool:
    return Tiling(width, height).is_single


def _stacked(pictures: Sequence[Picture], indices: Sequence[int]) -> NDArray[np.uint8]:
    samples = [pictures[index].samples.astype(np.uint8, copy=False) for index in indices]
    return np.concatenate(samples).reshape(-1, *samples[0].shape)  # (n, H, W, C), faster than np.stack


def _indices(groups: Sequence[_Alike]) -> Iterator[int]:
    return itertools.chain.from_iterable(group.indices for group in groups)


def _num_bytes(coded: _Coded) -> int:
    return len(coded[1])


def _streams(
    network: IntegerNetwork, groups: Sequence[_Alike], is_mirrored: bool, device: str, num_threads: int | None
) -> list[_Coded]:
    tiles = []
    for shape, indices, pixels in groups:
        as_coded = pixels[:, :, ::-1] if is_mirrored else pixels
        tiles.append(Tiles(as_coded, seals(network.identifier, shape, indices, is_mirrored), is_short=True))
    return [(STREAM, stream, is_mirrored) for stream in encode_tiles(network, tiles, device, num_threads)]


def _smaller_files(
    pictures: Sequence[Picture], groups: Sequence[_Alike], stream_bytes: Sequence[int], num_threads: int | None
) -> dict[int, _Coded]:
    """Return a file for each image whose stream is larger than that, by index."""
    num_bytes, estimates = np.array(stream_bytes), np.concatenate([_estimates(group, num_threads) for group in groups])
    num_subpixels = np.repeat([group.pixels[0].size for group in groups], [len(group.indices) for group in groups])
    limits = zip(_indices(groups), (num_bytes - _GROUP_BYTES).tolist(), strict=True)
    tried = list(itertools.compress(limits, _are_worth_trying(num_subpixels, num_bytes, estimates)))
    files = in_parts(
        lambda part: [fallback.smaller_than(pictures[index], limit) for index, limit in part], tried, num_threads
    )
    return {index: (FILE, file, False) for (index, _), file in zip(tried, files, strict=True) if file is not None}


def _are_worth_trying(
    num_subpixels: NDArray[np.int64], num_bytes: NDArray[np.int64], estimates: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (n,) whether other codings may take less than streams of so many bytes; ``estimates`` are WebP's bytes."""
    bits = 8 * num_bytes / num_subpixels
    return (bits < _FEW_BITS) | (estimates < np.where(bits > _NOISE_BITS, _CLOSE, 1) * num_bytes)


def _estimates(group: _Alike, num_threads: int | None) -> NDArray[np.float64]:
    """Return (n,) about how many bytes a file takes at best for small colour images, 0 for others."""
    pixels = group.pixels
    if pixels.shape[3] != 3 or pixels[0, ..., 0].size > estimate.MAX_PIXELS:
        return np.zeros(len(pixels))
    numbers = range(len(pixels))
    return np.array(
        in_parts(lambda part: estimate.webp_bytes(pixels[part[0] : part[-1] + 1]).tolist(), numbers, num_threads)
    )


def _pictures(images: Sequence[ImageOrArray], names: Sequence[str] | None) -> list[Picture]:
    pictures = list[Picture]()
    try:
        for image in images:
            picture = read_picture(image)
            pictures.append(picture if picture.mode.name in STREAM_MODES and not picture.blocks else _plain(picture))
    except UnsupportedImage as error:
        index = len(pictures)
        title = f"image {index} ({names[index]})" if names else f"image {index}"
        raise UnsupportedImage(f"{title}: {error}") from error
    return pictures


def _plain(picture: Picture) -> Picture:
    """Return a picture without metadata; raises UnsupportedImage where a pack cannot hold it."""
    if picture.mode.name not in FILE_MODES:
        raise UnsupportedImage(f"packs do not hold mode {picture.mode.name}; convert it to L or RGB")
    if any(kind == TRANSPARENCY for kind, _ in picture.blocks):
        raise UnsupportedImage("packs do not hold a transparent colour; convert it to RGBA")
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
