"""One pack -> the images that are asked for."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pixelzip import codec, container, models, pack_container
from pixelzip.container import BODY_JPEG_FILE
from pixelzip.errors import CorruptFile, PixelzipError, printable
from pixelzip.image import Samples
from pixelzip.networks import find_network
from pixelzip.pack_container import BLOCK_IMAGES, FILE, STREAM, Shape
from pixelzip.pack_tiles import alike, seals
from pixelzip.streams import CodedTiles, Pixels, salvage_tiles
from pixelzip.threads import in_shares, in_threads
from pixelzip.tiles import MIRRORED, turned


@dataclass(frozen=True)
class Entry:
    """What the index says of one image; ``name`` and ``label`` are None when the pack keeps none."""

    index: int
    name: str | None
    label: int | None
    mode: str
    width: int
    height: int
    num_bytes: int


@dataclass(frozen=True)
class PackInfo:
    """What a pack says about itself.

    ``shapes`` counts images by (mode, width, height); ``bits_per_subpixel`` counts the whole file, 0 without images.
    """

    num_images: int
    num_bytes: int
    bits_per_subpixel: float
    model: str
    shapes: dict[tuple[str, int, int], int]


class Pack:
    """The images of a pack, as a sequence of arrays (H, W) or (H, W, C), uint8 or uint16.

    ``pack[3]`` and ``pack["name"]`` decode one image; ``read`` decodes many together, which is much faster. A pack is
    what a PyTorch DataLoader takes as a data set, and decodes each of its batches together.

    Args:
        data: a whole pack.
        model: name or path of the model if it is not a shipped one.
        device: as for ``pixelzip.compress``.
        num_threads: as for ``pixelzip.compress``.
        max_pixels: refuse packs with larger images.

    Raises:
        CorruptFile, UnsupportedVersion, ImageTooLarge: see ``pixelzip.errors``.
    """

    def __init__(
        self,
        data: bytes,
        *,
        model: str | None = None,
        device: str = "cpu",
        num_threads: int | None = None,
        max_pixels: int = container.DEFAULT_MAX_PIXELS,
    ) -> None:
        self._contents = pack_container.read(data, max_pixels)
        self._model, self._device, self._num_threads, self._max_pixels = model, device, num_threads, max_pixels
        self._places = {name: index for index, name in enumerate(self.names or ())}
        self._damaged_by_block: dict[int, frozenset[int]] = {}

    @property
    def names(self) -> tuple[str, ...] | None:
        """The images' names, None when the pack keeps none."""
        return self._contents.names

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The images' labels, None when the pack keeps none."""
        return self._contents.labels

    def __len__(self) -> int:
        return len(self._contents.shapes)

    def __getitem__(self, image: int | str) -> Samples:
        """Decode one image by index or name; raises KeyError when there is no such name, and as ``read`` does."""
        return self.read([self._places[image] if isinstance(image, str) else image])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Samples]:
        """Decode a batch for PyTorch's DataLoader."""
        return self.read(indices)

    def __iter__(self) -> Iterator[Samples]:
        """Decode all images, BLOCK_IMAGES at a time."""
        for start in range(0, len(self), BLOCK_IMAGES):
            yield from self.read(range(start, min(start + BLOCK_IMAGES, len(self))))

    def jpeg(self, image: int | str) -> bytes | None:
        """Return the JPEG file that an image was packed as, by index or name, byte for byte; None: pixels are kept.

        Raises:
            KeyError, IndexError: there is no such image.
            CorruptFile, UnsupportedVersion, ImageTooLarge, UnknownModel: see ``pixelzip.errors``.
        """
        place = range(len(self))[self._places[image] if isinstance(image, str) else image]
        file = self._contents.payload(place)
        if not self.keeps_jpeg(place):
            return None
        return codec.decompress_jpeg(file, num_threads=self._num_threads, max_pixels=self._max_pixels)

    def keeps_jpeg(self, index: int) -> bool:
        """Whether ``jpeg`` has a file; raises as it does."""
        is_file = self._contents.shapes[index].coding == FILE
        return is_file and container.read(self._contents.payload(index), self._max_pixels)[0].body == BODY_JPEG_FILE

    def read(self, indices: Sequence[int]) -> list[Samples]:
        """Decode images in one batch, in the order asked for; negative indices count from the end.

        Raises:
            IndexError: there is no such image.
            CorruptFile: an image is damaged; the message has its index.
            UnknownModel: the model is not installed.
        """
        intact = []
        for result in self.salvage(indices):
            if isinstance(result, PixelzipError):
                raise result
            intact.append(result)
        return intact

    def salvage(self, indices: Sequence[int]) -> list[Samples | PixelzipError]:
        """Decode as ``read`` does, with the error in the place of each image that cannot be decoded.

        Raises:
            IndexError, UnknownModel: as for ``read``.
        """
        places = list(map(range(len(self)).__getitem__, indices))
        damaged = frozenset[int]().union(*map(self._damaged_in, {place // BLOCK_IMAGES for place in places}))
        results = self._decode(sorted(set(places) - damaged))
        errors = {place: CorruptFile(f"{self._title(place)} is damaged") for place in damaged}
        return [errors[place] if place in damaged else results[place] for place in places]

    def damaged(self) -> list[int]:
        """Return the indices of all damaged images. Where every checksum of bytes matches, nothing is decoded.

        Raises:
            UnknownModel: as for ``read``.
        """
        return sorted(index for block in range(-(-len(self) // BLOCK_IMAGES)) for index in self._damaged_in(block))

    def entries(self) -> Iterator[Entry]:
        """Yield what the index says of each image."""
        lengths = np.diff(self._contents.offsets).tolist()
        for index, shape in enumerate(self._contents.shapes):
            name = self.names[index] if self.names else None
            label = self.labels[index] if self.labels else None
            yield Entry(index, name, label, shape.mode.name, shape.width, shape.height, lengths[index])

    def info(self) -> PackInfo:
        """Return what the pack says about itself, without decoding."""
        shapes, identifier, num_bytes = self._contents.shapes, self._contents.model, len(self._contents.data)
        num_subpixels = sum(shape.num_subpixels for shape in shapes)
        names = {entry.identifier: entry.name for entry in models.MODELS}
        return PackInfo(
            num_images=len(self),
            num_bytes=num_bytes,
            bits_per_subpixel=8 * num_bytes / num_subpixels if num_subpixels else 0.0,
            model=names.get(identifier, identifier.hex()),
            shapes=dict(Counter((shape.mode.name, shape.width, shape.height) for shape in shapes)),
        )

    def _damaged_in(self, block: int) -> frozenset[int]:
        """Find the damaged images of a block: none if its CRC32 matches, else those whose own check does not.

        When all of those match, none of the streams can be trusted, as their checks are short; files have 32 bits.
        """
        if block not in self._damaged_by_block:
            members = range(block * BLOCK_IMAGES, min((block + 1) * BLOCK_IMAGES, len(self)))
            suspects = () if self._contents.is_intact(block) else members
            failed = {place for place, result in self._decode(suspects).items() if isinstance(result, PixelzipError)}
            streams = {place for place in suspects if self._contents.shapes[place].coding == STREAM}
            self._damaged_by_block[block] = frozenset(failed or streams)
        return self._damaged_by_block[block]

    def _decode(self, places: Sequence[int]) -> dict[int, Samples | PixelzipError]:
        by_coding: dict[int, list[int]] = {STREAM: [], FILE: []}
        for place in places:
            by_coding[self._contents.shapes[place].coding].append(place)
        return self._decode_files(by_coding[FILE]) | self._decode_streams(by_coding[STREAM])

    def _decode_files(self, places: Sequence[int]) -> dict[int, Samples | PixelzipError]:
        """Decode several in a thread each, one in many; a GPU takes one after the other."""
        are_apart = len(places) > 1 and self._device == "cpu"
        decode = functools.partial(self._decode_file, 1 if are_apart else self._num_threads)
        return dict(zip(places, in_threads(decode, places, self._num_threads if are_apart else 1), strict=True))

    def _decode_streams(self, places: Sequence[int]) -> dict[int, Samples | PixelzipError]:
        def decode(part: Sequence[int], num_threads: int | None) -> list[Samples | PixelzipError]:
            network = find_network(self._contents.model, self._model)
            groups = alike(self._contents.shapes, part)
            tiles = [self._tiles(shape, members) for shape, members in groups]
            decoded = salvage_tiles(network, tiles, self._device, num_threads)
            order = [place for _, members in groups for place in members]
            are_mirrored = self._contents.are_mirrored[order].tolist()
            found = dict(zip(order, map(self._upright, order, are_mirrored, decoded), strict=True))
            return list(map(found.__getitem__, part))

        return dict(zip(places, in_shares(decode, places, self._device, self._num_threads), strict=True))

    def _upright(self, place: int, is_mirrored: bool, tile: Pixels | CorruptFile) -> Samples | PixelzipError:
        if isinstance(tile, CorruptFile):
            return CorruptFile(f"{self._title(place)}: {tile}")
        pixels = np.ascontiguousarray(turned(tile, MIRRORED)) if is_mirrored else tile
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels

    def _tiles(self, shape: Shape, places: Sequence[int]) -> CodedTiles:
        contents = self._contents
        sealed = seals(contents.model, shape, places, contents.are_mirrored[places])
        size = shape.height, shape.width, shape.mode.num_channels
        return CodedTiles(list(map(contents.payload, places)), size, sealed, is_short=True)

    def _decode_file(self, num_threads: int | None, place: int) -> Samples | PixelzipError:
        shape = self._contents.shapes[place]
        try:
            file = self._contents.payload(place)
            header = container.read(file, self._max_pixels)[0]
            if (header.mode, header.width, header.height) != (shape.mode, shape.width, shape.height):
                raise CorruptFile("the file has another mode or size than the index says")
            return codec.decompress_array(
                file, model=self._model, device=self._device, num_threads=num_threads, max_pixels=self._max_pixels
            )
        except PixelzipError as error:
            return type(error)(f"{self._title(place)}: {error}")

    def _title(self, place: int) -> str:
        return f"image {place} ({printable(self.names[place])})" if self.names else f"image {place}"
