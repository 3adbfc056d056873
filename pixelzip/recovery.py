"""A damaged file -> what of it is intact, and a list of what is not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip import codec, components, container, derived, mixed
from pixelzip import image as images
from pixelzip.codec import Crop
from pixelzip.components import Pixels
from pixelzip.container import BODY_DERIVED, BODY_DRAWING, BODY_MIXED, BODY_MODEL, Header
from pixelzip.drawing import body as drawing
from pixelzip.errors import CorruptFile, PixelzipError
from pixelzip.image import Mode, Picture, Samples
from pixelzip.models.integer import IntegerNetwork
from pixelzip.networks import find_network
from pixelzip.samples import join
from pixelzip.streams import salvage_tiles
from pixelzip.tiles import Box

_GREY, _OPAQUE, _LOW = 128, 255, 0


@dataclass(frozen=True)
class DamagedTile:
    """A tile that does not match its checksum.

    ``number`` counts tiles row by row from 0; ``box`` is (left, top, right, bottom) in pixels, the last two exclusive;
    ``part`` is what is lost of the pixels there: colour, grey or alpha, or the low bytes of these.
    """

    number: int
    box: Crop
    part: str


@dataclass(frozen=True, eq=False)
class Salvage:
    """An image with one plain colour where it is damaged: mid-grey, opaque; or what a curve makes of that.

    ``tiles`` lists what is damaged, ``notes`` what else is wrong with the file, ``num_tiles`` is how many there are.
    """

    picture: Picture
    num_tiles: int
    tiles: tuple[DamagedTile, ...]
    notes: tuple[str, ...]

    def to_pillow(self) -> Image.Image:
        """Return a Pillow image; raises UnsupportedImage for 16-bit colour, for which there is ``to_array``."""
        return images.to_pillow(self.picture)

    def to_array(self) -> Samples:
        """Return samples (H, W) or (H, W, C), uint8 or uint16."""
        return images.to_array(self.picture)


def salvage(
    data: bytes,
    *,
    model: str | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
    max_pixels: int = container.DEFAULT_MAX_PIXELS,
) -> Salvage:
    """Decode what is intact of a damaged or truncated file; arguments as for ``decompress``.

    Metadata that do not match their checksum are left out.

    Raises:
        CorruptFile: the header is damaged, or no tile of the image's first component is intact.
        UnsupportedVersion, UnknownModel, ImageTooLarge: as for ``decompress``.
    """
    notes: tuple[str, ...] = ()
    try:
        header, streams = container.read(data, max_pixels)
    except CorruptFile as error:
        header, streams = container.read(data, max_pixels, is_damaged=True)
        notes = (str(error),)
    again = functools.partial(
        salvage, model=model, device=device, num_threads=num_threads, max_pixels=container.MAX_DIMENSION**2
    )
    if header.body == BODY_MIXED:
        return _salvage_parts(header, streams[0], notes, again)
    if header.body == BODY_DERIVED:
        return _salvage_derived(header, streams[0], notes, again)
    if header.body == BODY_DRAWING:
        return _salvage_drawing(header, streams[0], notes, num_threads)
    if header.body != BODY_MODEL:
        return Salvage(codec.decode([(header, streams)], model, device, num_threads)[0], 1, (), notes)
    parts, tiles = _decoded(header, streams, find_network(header.model, model), device, num_threads)
    assert header.tiling is not None
    samples = join(header.mode, parts, header.significant_bits)
    return Salvage(Picture(header.mode, samples, header.blocks), header.tiling.num_tiles, tiles, notes)


def _salvage_drawing(header: Header, body: bytes, notes: tuple[str, ...], num_threads: int | None) -> Salvage:
    """Salvage each band of rows by itself."""
    bands = drawing.decode_bands(header, body, num_threads, is_damaged=True)
    samples, tiles = list[NDArray[np.uint8]](), list[DamagedTile]()
    for number, (box, found) in enumerate(bands):
        if isinstance(found, CorruptFile):
            tiles.append(DamagedTile(number, box.corners, _fill(header.mode, 0)[0]))
            samples.append(_filled(header.mode, box))
        else:
            samples.append(found)
    if len(tiles) == len(bands):
        raise CorruptFile("nothing can be salvaged: no tile matches its checksum")
    return Salvage(Picture(header.mode, np.concatenate(samples), header.blocks), len(bands), tuple(tiles), notes)


def _salvage_derived(header: Header, body: bytes, notes: tuple[str, ...], again: Callable[[bytes], Salvage]) -> Salvage:
    """Salvage what the image is made of; what is damaged there has the tone of its plain colour, or the nearest one."""
    derivation, file, _ = derived.read(header, body, is_damaged=True)
    found = again(file)
    known = found.picture.samples[derivation.before(header.box, header.box).slices]
    samples = derivation.apply(known, header.box, is_damaged=True)
    tiles = tuple(replace(tile, box=derivation.corners(tile.box, header.box)) for tile in found.tiles)
    return replace(found, picture=Picture(header.mode, samples, header.blocks), tiles=tiles, notes=notes + found.notes)


def _salvage_parts(header: Header, body: bytes, notes: tuple[str, ...], again: Callable[[bytes], Salvage]) -> Salvage:
    """Salvage each part by itself; tiles have its number."""
    checksum, parts = mixed.take_apart(header, body, is_damaged=True)
    samples, tiles = list[Samples](), list[DamagedTile]()
    num_lost = 0
    for number, (box, file) in enumerate(parts):
        try:
            mixed.read_part(header, box, file, is_damaged=True)
            found = again(file)
            samples.append(found.picture.samples)
            tiles += (_moved(tile, number, box) for tile in found.tiles)
        except PixelzipError:  # what is damaged may look as if it were newer, larger or of another model
            num_lost += 1
            samples.append(_filled(header.mode, box))
            tiles.append(DamagedTile(number, box.corners, _fill(header.mode, 0)[0]))
    if num_lost == len(parts):
        raise CorruptFile("nothing can be salvaged: no tile matches its checksum")
    picture = Picture(header.mode, mixed.joined([box for box, _ in parts], samples), header.blocks)
    if not tiles and mixed.checksum_of(header, picture.samples) != checksum:
        notes += (mixed.WRONG_CHECKSUM,)
    return Salvage(picture, len(parts), tuple(tiles), notes)


def _filled(mode: Mode, box: Box) -> NDArray[np.uint8]:
    fill = [_fill(mode, component)[1] for component in range(len(mode.component_channels))]
    channels = np.repeat(np.array(fill, dtype=np.uint8), mode.component_channels)
    return np.full((box.height, box.width, len(channels)), channels)


def _moved(tile: DamagedTile, number: int, box: Box) -> DamagedTile:
    left, top, right, bottom = tile.box
    place = left + box.left, top + box.top, right + box.left, bottom + box.top
    return DamagedTile(number, place, tile.part)


def _decoded(
    header: Header, streams: Sequence[bytes], network: IntegerNetwork, device: str, num_threads: int | None
) -> tuple[list[Pixels], tuple[DamagedTile, ...]]:
    """Return the components, damaged tiles filled, and list these."""
    assert header.tiling is not None
    boxes, stored = list(header.tiling.boxes()), list[int]()
    parts, places = components.places_to_decode(header, streams, header.box, stored)
    damaged = [(component, number) for component in stored for number in range(len(boxes))]
    decoded = salvage_tiles(network, [place.tile for place in places], device, num_threads)
    for place, result in zip(places, decoded, strict=True):
        if isinstance(result, CorruptFile):
            damaged.append((place.component, place.number))
        else:
            place.fill(result)
    if sum(component == 0 for component, _ in damaged) == len(boxes):
        raise CorruptFile("nothing can be salvaged: no tile matches its checksum")
    parts = components.from_planes(header, parts, header.box)
    for component, number in damaged:
        parts[component][boxes[number].slices] = _fill(header.mode, component)[1]
    return parts, tuple(
        DamagedTile(number, boxes[number].corners, _fill(header.mode, component)[0])
        for component, number in sorted(damaged, key=lambda place: (place[1], place[0]))
    )


def _fill(mode: Mode, component: int) -> tuple[str, int]:
    """Return what a component is called, and the level that stands for it where it is damaged."""
    per_byte = 8 * len(mode.component_channels) // mode.bit_depth
    is_low, is_alpha = component >= per_byte, component % per_byte == 1
    second = "black" if mode.name == "CMYK" else "alpha"
    name = second if is_alpha else "colour" if mode.num_channels >= 3 else "grey"
    if is_low:
        return f"low bytes of {name}", _LOW
    return name, _OPAQUE if is_alpha else _GREY
