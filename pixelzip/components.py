"""Pictures <-> files whose body is the network's: which components are coded, and all their tiles in one batch."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import container, lattice, orientation, stored
from pixelzip.container import BODY_MODEL, BODY_PNG, CODED, CONSTANT, LATTICE_MODES, STORED, Component, Header
from pixelzip.errors import CorruptFile
from pixelzip.image import Picture
from pixelzip.models.integer import IntegerCoefficientNetwork, IntegerNetwork
from pixelzip.samples import significant_bits, split
from pixelzip.streams import CodedTiles, Tiles, decode_tiles, encode_tiles, measure_tiles
from pixelzip.threads import in_threads
from pixelzip.tiles import Box, Tiling, turned, turned_back, turned_size

Pixels = NDArray[np.uint8]
CodedFile = tuple[Header, Sequence[bytes]]
"""What ``container.read`` returns: header and streams."""

_NOISE_STEP: Final = 48 / 255
"""Mean horizontal step over the largest level; independent uniform levels give a third, photographs less than 0.08."""

_MANY_CLAMPED: Final = 0.125
"""Share of pixels with a channel at 0 or 255 beyond which the planes of a lattice, guesses there, may cost more."""

_NEVER_MODELLED: Final = frozenset({"1", "P"})
"""Bits and palette indices are not intensities: the network has nothing to say about them."""


@dataclass(frozen=True, eq=False)
class Networks:
    """The networks for pixels as they are, for planes of a lattice and for coefficients of a JPEG, the last two if any;
    with a ``guide``, a fast network, tiles are turned the way round that costs it least.
    """

    pixels: IntegerNetwork
    planes: IntegerNetwork | None = None
    coefficients: IntegerCoefficientNetwork | None = None
    guide: IntegerNetwork | None = None

    def __iter__(self) -> Iterator[IntegerNetwork]:
        """Yield those that code tiles."""
        return filter(None, (self.pixels, self.planes))

    def find(self, identifier: bytes) -> IntegerNetwork | None:
        """Return the one that files name by ``identifier``."""
        return next((network for network in self if network.identifier == identifier), None)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture's header and its components as they will be coded."""

    header: Header
    components: tuple[Pixels, ...] = ()


def prepare(picture: Picture, networks: Networks) -> Prepared:
    """Choose the network and the coding of every component, or a BODY_PNG header where no network is any use."""
    header = Header(picture.mode, *picture.size, BODY_PNG, picture.blocks)
    if picture.mode.name in _NEVER_MODELLED:
        return Prepared(header)
    num_bits = significant_bits(picture)
    parts = split(picture, num_bits)
    header = replace(
        header,
        body=BODY_MODEL,
        model=networks.pixels.identifier,
        tiling=Tiling(*picture.size),
        components=(Component(), *map(_component, parts[1:])),
        significant_bits=num_bits,
    )
    # One file has one network: another coded component keeps the one for pixels.
    is_alone = CODED not in {component.coding for component in header.components[1:]}
    if networks.planes is not None and is_alone and picture.mode.name in LATTICE_MODES:
        found = lattice.find(parts[0])
        if found is not None:
            header = replace(header, model=networks.planes.identifier, lattice=found[0])
            parts[0] = found[1]
    return Prepared(header, tuple(parts))


def _component(pixels: Pixels) -> Component:
    """Choose the coding of a component after the first: constant, stored when it looks like noise, else coded."""
    if (pixels == pixels[0, 0]).all():
        return Component(CONSTANT, pixels[0, 0].tobytes())
    steps = np.abs(np.diff(pixels.astype(np.int16), axis=1))
    return Component(STORED if steps.size and steps.mean() > _NOISE_STEP * pixels.max() else CODED)


def compress(
    networks: Networks, pictures: Sequence[Picture], device: str, num_threads: int | None
) -> list[bytes | None]:
    """Code every picture that a network codes: with its lattice, or without where that makes a smaller file."""
    prepared = prepare_all(networks, pictures, device, num_threads)
    files = encode(networks, prepared, device, num_threads)
    unsure = [index for index, one in enumerate(prepared) if one.header.lattice and _is_clamped(pictures[index])]
    alone = Networks(networks.pixels, guide=networks.guide)
    again = prepare_all(alone, [pictures[index] for index in unsure], device, num_threads)
    others = encode(alone, again, device, num_threads)
    for index, other in zip(unsure, others, strict=True):
        files[index] = min(filter(None, (files[index], other)), key=len)
    return files


def prepare_all(
    networks: Networks, pictures: Sequence[Picture], device: str, num_threads: int | None
) -> list[Prepared]:
    """Prepare every picture, and turn its tiles if there is a guide."""
    prepared = in_threads(functools.partial(prepare, networks=networks), pictures, num_threads)
    if networks.guide is None:
        return prepared
    choose = functools.partial(orientation.choose, networks.guide, device=device, num_threads=num_threads)
    return [replace(picture, header=choose(picture.header, picture.components)) for picture in prepared]


def _is_clamped(picture: Picture) -> bool:
    """Return whether more pixels than ``_MANY_CLAMPED`` have a channel at either end."""
    colours = picture.samples[..., :3]
    return float(((colours == 0) | (colours == 255)).any(axis=2).mean()) > _MANY_CLAMPED


def encode(
    networks: Networks, pictures: Sequence[Prepared], device: str, num_threads: int | None
) -> list[bytes | None]:
    """Code every picture that a network codes; all tiles of one network form one batch."""
    files: list[bytes | None] = [None] * len(pictures)
    for network in networks:
        chosen = [index for index, picture in enumerate(pictures) if picture.header.model == network.identifier]
        parts = [_streams_to_code(pictures[index]) for index in chosen]
        tiles = [tile for part in parts for tile in part if not isinstance(tile, bytes)]
        coded = iter(encode_tiles(network, tiles, device, num_threads) if tiles else [])
        for index, part in zip(chosen, parts, strict=True):
            streams = [tile if isinstance(tile, bytes) else next(coded) for tile in part]
            files[index] = container.write(pictures[index].header, streams)
    return files


def decode(
    networks: Iterable[IntegerNetwork],
    files: Sequence[CodedFile],
    regions: Sequence[Box],
    device: str,
    num_threads: int | None,
) -> list[list[Pixels] | None]:
    """Decode a region of the components of every file that a network coded; all tiles of one network form one batch.

    A region is a part of its image; tiles that it does not touch are not decoded.
    """
    decoded: list[list[Pixels] | None] = [None] * len(files)
    for network in networks:
        chosen = [n for n, (one, _) in enumerate(files) if (one.body, one.model) == (BODY_MODEL, network.identifier)]
        parts = [places_to_decode(*files[index], regions[index]) for index in chosen]
        places = [place for _, part in parts for place in part]
        tiles = decode_tiles(network, [place.tile for place in places], device, num_threads)
        for place, pixels in zip(places, tiles, strict=True):
            place.fill(pixels)
        for index, (components, _) in zip(chosen, parts, strict=True):
            decoded[index] = from_planes(files[index][0], components, regions[index])
    return decoded


def measure(network: IntegerNetwork, pictures: Sequence[Prepared], device: str, num_threads: int | None) -> list[float]:
    """Return the bits that every picture's tiles cost by the counts of the network that codes it, without coding."""
    parts = [[tile for tile in _streams_to_code(picture) if not isinstance(tile, bytes)] for picture in pictures]
    tiles = [tile for part in parts for tile in part]
    costs = iter(measure_tiles(network, tiles, device, num_threads))
    return [sum(float(next(costs).sum()) for _ in part) for part in parts]


def _streams_to_code(picture: Prepared) -> list[Tiles | bytes]:
    """List a picture's streams in order: tiles that are still to be coded, bytes of what is stored."""
    header, streams = picture.header, list[Tiles | bytes]()
    assert header.tiling is not None
    for index, (component, pixels) in enumerate(zip(header.components, picture.components, strict=True)):
        if component.coding == CODED:
            for number, box in enumerate(header.tiling.boxes()):
                tile = np.ascontiguousarray(turned(pixels[box.slices], header.orientation(index, number)))
                streams.append(Tiles.one(tile, header.seal(len(streams)), header.origin))
        elif component.coding == STORED:
            streams.append(stored.write(pixels, header.seal(len(streams)), header.stored_bits(index)))
    return streams


@dataclass(frozen=True, eq=False)
class Place:
    """A tile still to be decoded, the part of it that is wanted, and the pixels of a component that this part fills.

    ``component`` and ``number`` say which it is, tiles numbered row by row from 0, ``orientation`` which way round.
    """

    tile: CodedTiles
    part: Box
    target: Pixels
    component: int
    number: int
    orientation: int

    def fill(self, pixels: Pixels) -> None:
        """Put the decoded tile where it belongs."""
        self.target[:] = turned_back(pixels, self.orientation)[self.part.slices]


def places_to_decode(
    header: Header, streams: Sequence[bytes], region: Box, damaged: list[int] | None = None
) -> tuple[list[Pixels], list[Place]]:
    """Undo ``_streams_to_code`` for a region: its components, and what is still to be decoded into them.

    A stored component that is damaged raises CorruptFile, or its number is added to ``damaged``.
    """
    components, places, index = list[Pixels](), list[Place](), 0
    assert header.tiling is not None
    for component, num_channels in zip(header.components, header.mode.component_channels, strict=True):
        pixels = np.zeros((region.height, region.width, num_channels), dtype=np.uint8)
        components.append(pixels)
        if component.coding == CONSTANT:
            pixels[:] = np.frombuffer(component.constant, dtype=np.uint8)
        elif component.coding == STORED:
            shape, num_bits = (header.height, header.width, num_channels), header.stored_bits(len(components) - 1)
            try:
                pixels[:] = stored.read(streams[index], header.seal(index), shape, num_bits)[region.slices]
            except CorruptFile:
                if damaged is None:
                    raise
                damaged.append(len(components) - 1)
            index += 1
        else:
            for number, box in enumerate(header.tiling.boxes()):
                if (wanted := box.meet(region)) is not None:
                    way = header.orientation(len(components) - 1, number)
                    shape = (*turned_size(box, way), num_channels)
                    tile = CodedTiles.one(streams[index], shape, header.seal(index), header.origin)
                    target = pixels[wanted.seen_from(region).slices]
                    places.append(Place(tile, wanted.seen_from(box), target, len(components) - 1, number, way))
                index += 1
    return components, places


def from_planes(header: Header, components: list[Pixels], region: Box) -> list[Pixels]:
    """Return a region's components with planes of a lattice as RGB; raises CorruptFile."""
    if header.lattice is None:
        return components
    return [lattice.to_rgb(header.lattice, components[0], header.box.seen_from(region)), *components[1:]]
