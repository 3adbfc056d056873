"""Pictures <-> files whose body is the network's: which components are coded, and all their tiles in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import container, fallback
from pixelzip import image as images
from pixelzip.container import BODY_MODEL, BODY_PNG, CODED, CONSTANT, STORED, Component, Header
from pixelzip.image import Picture
from pixelzip.models.integer import IntegerNetwork
from pixelzip.tiles import Tiling

Pixels = NDArray[np.uint8]

_NOISE_MEAN_STEP: Final = 48.0
"""Mean horizontal step in levels; independent uniform bytes give 85, photographs less than 20."""

_NEVER_MODELLED: Final = frozenset({"1", "P"})
"""Bits and palette indices are not intensities: the network has nothing to say about them."""


def choose_header(picture: Picture, network: IntegerNetwork) -> Header:
    """Return a BODY_MODEL header with the coding of every component, or a BODY_PNG one where the network is no use."""
    width, height = picture.size
    header = Header(picture.mode, width, height, BODY_PNG, picture.blocks)
    if picture.mode.name in _NEVER_MODELLED:
        return header
    components = [Component()] + [_component(pixels) for pixels in images.split(picture)[1:]]
    return replace(
        header,
        body=BODY_MODEL,
        model=network.identifier,
        tiling=Tiling(width, height),
        components=tuple(components),
    )


def _component(pixels: Pixels) -> Component:
    """Choose the coding of a component after the first: constant, stored when it looks like noise, else coded."""
    if (pixels == pixels[0, 0]).all():
        return Component(CONSTANT, pixels[0, 0].tobytes())
    steps = np.abs(np.diff(pixels.astype(np.int16), axis=1))
    is_noise = steps.size > 0 and float(steps.mean()) > _NOISE_MEAN_STEP
    return Component(STORED if is_noise else CODED)


def encode(
    network: IntegerNetwork,
    pictures: Sequence[Picture],
    headers: Sequence[Header],
    device: str,
    num_threads: int | None,
) -> list[bytes | None]:
    """Code every picture that has a BODY_MODEL header; all tiles of all pictures form one batch."""
    parts = [_streams_to_code(picture, header) for picture, header in zip(pictures, headers, strict=True)]
    tiles = [tile for part in parts for tile in part if not isinstance(tile, bytes)]
    coded = iter(_run_encoder(network, tiles, device, num_threads))
    files: list[bytes | None] = []
    for header, part in zip(headers, parts, strict=True):
        streams = [tile if isinstance(tile, bytes) else next(coded) for tile in part]
        files.append(container.write(header, streams) if header.body == BODY_MODEL else None)
    return files


def decode(
    network: IntegerNetwork, header: Header, streams: Sequence[bytes], device: str, num_threads: int | None
) -> list[Pixels]:
    """Decode the components of a BODY_MODEL file."""
    from pixelzip import wavefront  # torch takes seconds to import, and reading a header must not

    shape = (header.height, header.width)
    components, tiles, places, index = [], [], [], 0
    for component, num_channels in zip(header.components, header.mode.component_channels, strict=True):
        pixels = np.zeros((*shape, num_channels), dtype=np.uint8)
        components.append(pixels)
        if component.coding == CONSTANT:
            pixels[:] = np.frombuffer(component.constant, dtype=np.uint8)
        elif component.coding == STORED:
            pixels[:] = fallback.read_stored(streams[index], header.seal(index), pixels.shape)
            index += 1
        else:
            assert header.tiling is not None
            for box in header.tiling.boxes():
                tile_shape = (box.height, box.width, num_channels)
                tiles.append(wavefront.CodedTile(streams[index], tile_shape, header.seal(index)))
                places.append(pixels[box.slices])
                index += 1
    for place, decoded in zip(places, wavefront.decode_tiles(network, tiles, device, num_threads), strict=True):
        place[:] = decoded
    return components


def _run_encoder(
    network: IntegerNetwork, tiles: Sequence[tuple[Pixels, int]], device: str, num_threads: int | None
) -> list[bytes]:
    if not tiles:
        return []
    from pixelzip import wavefront  # as in decode

    return wavefront.encode_tiles(network, tiles, device, num_threads)


def _streams_to_code(picture: Picture, header: Header) -> list[tuple[Pixels, int] | bytes]:
    """List a picture's streams in order: pixels and seal of what is still to be coded, bytes of what is stored."""
    streams: list[tuple[Pixels, int] | bytes] = []
    if header.body != BODY_MODEL:
        return streams
    assert header.tiling is not None
    for component, pixels in zip(header.components, images.split(picture), strict=True):
        if component.coding == CODED:
            for box in header.tiling.boxes():
                streams.append((np.ascontiguousarray(pixels[box.slices]), header.seal(len(streams))))
        elif component.coding == STORED:
            streams.append(fallback.write_stored(pixels, header.seal(len(streams))))
    return streams
