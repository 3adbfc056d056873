"""The codecs that are measured, pixelzip among them: name -> functions from images to files and back.

Every codec takes images (H, W, 3) uint8, or JPEG files, and gives them back as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

import pixelzip
from pixelzip import models
from pixelzip.errors import PixelzipError
from pixelzip.jpeg import segments
from pixelzip.pack import Pack, pack

Pixels = NDArray[np.uint8]
Options = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Codec:
    """``encode`` turns images into files, ``decode`` files into images.

    A codec for single images makes one file for each; one that ``takes_all`` gets the whole set in one call, and may
    make a single file of it.
    """

    name: str
    library: str
    encode: Callable[[Sequence[Any]], list[bytes]]
    decode: Callable[[list[bytes]], Sequence[NDArray[Any] | bytes]]
    takes_all: bool = False


def own_codecs(model: str, device: str, num_threads: int, are_small: bool) -> list[Codec]:
    """Return pixelzip with a model, one file for each image; for small images also one pack of all.

    If the model has a companion for lattices, the first is pixelzip without it.
    """
    codecs = [_own(f"pixelzip {model}", model, device, num_threads)]
    if models.companion(model, models.PLANES):
        alone = str(models.find(model).path)  # a path stands for itself: companions go with names
        codecs.insert(0, _own(f"pixelzip {model}, without lattices", alone, device, num_threads))
    if are_small:
        codecs.append(_own_pack(f"pixelzip {model}, one pack", model, device, num_threads))
    return codecs


def peers(efforts: Sequence[int], num_threads: int) -> list[Codec]:
    """Return the lossless codecs that this build of imagecodecs has; JPEG XL once for each of its efforts."""
    threads = {"numthreads": num_threads}
    rows: list[tuple[str, str, Options, Options]] = [
        ("QOI", "qoi", {}, {}),
        ("PNG, level 9", "png", {"level": 9}, {}),
        ("JPEG-LS, no colour transform", "jpegls", {}, {}),
        ("AVIF lossless, -s 6", "avif", {"level": 100, "speed": 6, **threads}, threads),
        # The codestream alone: the boxes of a .jp2 file would add 85 bytes.
        ("JPEG 2000, reversible", "jpeg2k", {"reversible": True, "codecformat": "j2k", **threads}, threads),
        ("WebP lossless, -m 6", "webp", {"lossless": True, "level": 100, "method": 6}, {}),
        *(
            (f"JPEG XL, -e {effort}", "jpegxl", {"lossless": True, "effort": effort, **threads}, threads)
            for effort in efforts
        ),
    ]
    return [_peer(*row) for row in rows if getattr(imagecodecs, row[1].upper()).available]


def jpeg_codecs(models: Sequence[str], num_threads: int) -> list[Codec]:
    """Return what keeps JPEG files byte for byte; a file that a codec cannot keep stays as it is."""

    def own(model: str) -> Codec:
        return _keeping(
            f"pixelzip {model}",
            f"pixelzip {pixelzip.__version__}",
            lambda file: pixelzip.compress(bytes(file), model, num_threads=num_threads),
            lambda data: pixelzip.decompress_jpeg(data, num_threads=num_threads),
        )

    peer = _keeping(
        "JPEG XL of the file",
        imagecodecs.jpegxl_version(),
        lambda file: bytes(imagecodecs.jpegxl_encode_jpeg(file, numthreads=num_threads)),
        lambda data: bytes(imagecodecs.jpegxl_decode_jpeg(data, numthreads=num_threads)),
    )
    return [*([peer] if imagecodecs.JPEGXL.available else []), *map(own, models)]


def _keeping(name: str, library: str, encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes]) -> Codec:
    def encode_if_possible(file: bytes) -> bytes:
        try:
            return min(bytes(file), encode(file), key=len)
        except (PixelzipError, imagecodecs.JpegxlError):
            return bytes(file)

    return Codec(
        name,
        library,
        lambda files: [encode_if_possible(file) for file in files],
        lambda files: [file if file.startswith(segments.START) else decode(file) for file in files],
    )


def _own(name: str, model: str, device: str, num_threads: int) -> Codec:
    def encode(images: Sequence[Pixels]) -> list[bytes]:
        return pixelzip.compress(images, model, device=device, num_threads=num_threads)

    def decode(files: list[bytes]) -> Sequence[NDArray[Any]]:
        return pixelzip.decompress_array(files, model=model, device=device, num_threads=num_threads)

    return Codec(name, f"pixelzip {pixelzip.__version__}", encode, decode)


def _own_pack(name: str, model: str, device: str, num_threads: int) -> Codec:
    def encode(images: Sequence[Pixels]) -> list[bytes]:
        return [pack(images, model=model, device=device, num_threads=num_threads)]

    def decode(files: list[bytes]) -> Sequence[NDArray[Any]]:
        images = Pack(files[0], model=model, device=device, num_threads=num_threads)
        return images.read(range(len(images)))

    return Codec(name, f"pixelzip {pixelzip.__version__}", encode, decode, takes_all=True)


def _peer(name: str, prefix: str, encoding: Options, decoding: Options) -> Codec:
    """Apply the functions of imagecodecs that begin with ``prefix`` to one image after the other."""
    encode, decode, version = (getattr(imagecodecs, f"{prefix}_{what}") for what in ("encode", "decode", "version"))
    return Codec(
        name,
        version(),
        lambda images: [bytes(encode(image, **encoding)) for image in images],
        lambda files: [decode(data, **decoding) for data in files],
    )
