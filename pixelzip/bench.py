"""Images and codecs -> rows of real bits and speed, every image decoded and compared. Prints nothing."""

from __future__ import annotations

import operator
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray

import pixelzip
from pixelzip import components
from pixelzip import image as images
from pixelzip.errors import PixelzipError
from pixelzip.imageset import CIFAR10, ImageSet, JpegSet
from pixelzip.networks import find_networks
from pixelzip.peers import Codec, jpeg_codecs, own_codecs, peers

Pixels = NDArray[np.uint8]
Progress = Callable[[str, int, int], None]
"""Called with the name of a codec, the images done and the images in all."""

Kind = Literal["files", "likelihood", "published"]

SMALL_IMAGES_PER_CALL: Final = 512
"""Enough to fill several batches of pixelzip, few enough that progress is seen."""


class NotLossless(PixelzipError):
    """A codec gave back other pixels than it was given."""


@dataclass(frozen=True)
class Row:
    """What one codec reached.

    ``bits_per_subpixel`` of ``files`` are 8 * bytes / sub-pixels with everything that a file holds, the mean over
    images; of a ``likelihood`` they are what a model alone would need; ``published`` ones were not measured here.
    ``bits_by_image`` are the same for each file, in the order of the set: one entry where a file holds all images.
    Speeds are medians over calls: one image each, or SMALL_IMAGES_PER_CALL small ones.
    """

    codec: str
    bits_per_subpixel: float
    kind: Kind
    bits_by_image: tuple[float, ...] = ()
    library: str | None = None
    num_bytes: int | None = None
    encode_kpixels_per_second: float | None = None
    decode_kpixels_per_second: float | None = None
    encode_images_per_second: float | None = None
    decode_images_per_second: float | None = None


@dataclass(frozen=True)
class Report:
    """Rows, and everything that they depend on."""

    image_set: str
    notes: tuple[str, ...]
    num_images: int
    num_pixels: int
    are_small: bool
    are_jpegs: bool
    device: str
    num_threads: int
    processor: str
    versions: dict[str, str]
    rows: tuple[Row, ...]


PUBLISHED: Final = tuple(
    Row(name, bits, "published")
    for name, bits in (
        ("Deep Diffusion", 5.40),
        ("NICE", 4.48),
        ("DRAW", 4.13),
        ("Deep GMMs", 4.00),
        ("Conv DRAW", 3.58),
        ("Real NVP", 3.49),
        ("PixelCNN", 3.14),
        ("VAE with IAF", 3.11),
        ("Gated PixelCNN", 3.03),
        ("PixelRNN", 3.00),
        ("PixelCNN++", 2.92),
    )
)
"""CIFAR-10, the table of Salimans et al., "PixelCNN++" (2017): likelihoods of the official test set, bits/sub-pixel."""


def run(
    image_set: ImageSet,
    models: Sequence[str],
    efforts: Sequence[int],
    device: str,
    num_threads: int,
    progress: Progress,
) -> Report:
    """Measure every peer, pixelzip with every model, and every model without coding.

    Raises:
        NotLossless: a codec changed a pixel.
        UnknownModel: there is no such model.
    """
    codecs = peers(efforts, num_threads)
    codecs += [codec for model in models for codec in own_codecs(model, device, num_threads, image_set.are_small)]
    rows = [measure(codec, image_set, progress) for codec in codecs]
    rows += [measure_likelihood(model, image_set, device, num_threads, progress) for model in models]
    rows += PUBLISHED if image_set.name == CIFAR10 else ()
    return _report(image_set, codecs, rows, device, num_threads)


def run_on_jpegs(files: JpegSet, models: Sequence[str], num_threads: int, progress: Progress) -> Report:
    """Measure what keeps JPEG files with every model, and JPEG XL; of files that are left as they are names tell.

    Raises:
        NotLossless: a codec changed a file.
        UnknownModel: there is no such model.
    """
    codecs = jpeg_codecs(models, num_threads)
    bits = tuple(8 * len(file) / file.size for file in files.images)
    as_they_are = Row("JPEG, as it is", statistics.mean(bits), "files", bits, num_bytes=sum(map(len, files.images)))
    others = (_with_number_left(measure(codec, files, progress), bits) for codec in codecs)
    return _report(files, codecs, [as_they_are, *others], "cpu", num_threads)


def _with_number_left(row: Row, bits_as_they_are: Sequence[float]) -> Row:
    num_left = sum(map(operator.eq, row.bits_by_image, bits_as_they_are))
    return replace(row, codec=f"{row.codec}, {num_left} left as they are") if num_left else row


def _report(
    measured: ImageSet | JpegSet, codecs: Sequence[Codec], rows: list[Row], device: str, threads: int
) -> Report:
    return Report(
        image_set=measured.name,
        notes=measured.notes,
        num_images=len(measured.images),
        num_pixels=measured.num_pixels,
        are_small=measured.are_small,
        are_jpegs=isinstance(measured, JpegSet),
        device=_device_name(device),
        num_threads=threads,
        processor=_processor_name(),
        versions=_versions(codecs),
        rows=tuple(rows),
    )


def measure(codec: Codec, image_set: ImageSet | JpegSet, progress: Progress) -> Row:
    """Compress, decompress and compare every image, after one call that is not timed; raises NotLossless."""
    codec.decode(codec.encode([image_set.sample()]))
    calls = list[_Call]()
    progress(codec.name, 0, len(image_set.images))
    for group in _groups(image_set, codec.takes_all):
        calls.append(_call(codec, group))
        progress(codec.name, sum(call.num_images for call in calls), len(image_set.images))
    bits_by_image = tuple(bits for call in calls for bits in call.bits_per_subpixel)
    return Row(
        codec=codec.name,
        bits_per_subpixel=statistics.mean(bits_by_image),
        kind="files",
        bits_by_image=bits_by_image,
        library=codec.library,
        num_bytes=sum(call.num_bytes for call in calls),
        encode_kpixels_per_second=statistics.median(call.num_kpixels / call.encode_seconds for call in calls),
        decode_kpixels_per_second=statistics.median(call.num_kpixels / call.decode_seconds for call in calls),
        encode_images_per_second=statistics.median(call.num_images / call.encode_seconds for call in calls),
        decode_images_per_second=statistics.median(call.num_images / call.decode_seconds for call in calls),
    )


def measure_likelihood(model: str, image_set: ImageSet, device: str, num_threads: int, progress: Progress) -> Row:
    """Add up what the pixels cost by the counts of a model's network for pixels: no lattices, no coder, no files.

    Raises:
        UnknownModel: there is no such model.
    """
    name = f"pixelzip {model}, likelihood without coding"
    networks = replace(find_networks(model), planes=None)
    bits = list[float]()
    for group in _groups(image_set, takes_all=False):
        prepared = components.prepare_all(networks, [images.read(image) for image in group], device, num_threads)
        costs = components.measure(networks.pixels, prepared, device, num_threads)
        bits += [cost / image.size for cost, image in zip(costs, group, strict=True)]
        progress(name, len(bits), len(image_set.images))
    return Row(name, statistics.mean(bits), "likelihood", tuple(bits))


@dataclass(frozen=True)
class _Call:
    """One call of a codec in both directions; ``bits_per_subpixel`` has an entry for every file."""

    num_images: int
    num_kpixels: float
    num_bytes: int
    bits_per_subpixel: tuple[float, ...]
    encode_seconds: float
    decode_seconds: float


def _call(codec: Codec, group: Sequence[Any]) -> _Call:
    started = time.perf_counter()
    files = codec.encode(group)
    encoded = time.perf_counter()
    decoded = codec.decode(files)
    finished = time.perf_counter()
    if not all(map(_are_same, decoded, group)) or len(decoded) != len(group):
        raise NotLossless(f"{codec.name}: a decoded image differs from the original")
    num_bytes, num_subpixels = sum(map(len, files)), sum(image.size for image in group)
    each = (8 * len(file) / image.size for file, image in zip(files, group, strict=not codec.takes_all))
    bits = (8 * num_bytes / num_subpixels,) if codec.takes_all else tuple(each)
    return _Call(len(group), num_subpixels / 3e3, num_bytes, bits, encoded - started, finished - encoded)


def _are_same(one: NDArray[Any] | bytes, other: NDArray[Any] | bytes) -> bool:
    return one == other if isinstance(one, bytes) else np.array_equal(one, other)


def _groups(image_set: ImageSet | JpegSet, takes_all: bool) -> list[Sequence[Any]]:
    """Cut a set into what goes into one call."""
    num_images = len(image_set.images)
    step = num_images if takes_all else SMALL_IMAGES_PER_CALL if image_set.are_small else 1
    return [image_set.images[start : start + step] for start in range(0, num_images, step)]


def _versions(codecs: Sequence[Codec]) -> dict[str, str]:
    """Name -> version of everything that the figures depend on."""
    own = {"pixelzip": pixelzip.__version__, "torch": torch.__version__, "imagecodecs": imagecodecs.__version__}
    return {**own, **dict(codec.library.split(" ", 1) for codec in codecs)}


def _device_name(device: str) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if torch.device(device).type == "cuda" else device


def _processor_name() -> str:
    """Return what the processor calls itself."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
