"""Which images are measured: a named set or a path -> arrays (H, W, 3) uint8 or JPEG files, and notes on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip import kodak
from pixelzip.jpeg.file import JPEG_SUFFIXES
from pixelzip.models.cifar10 import read_cifar10
from pixelzip.models.conversion import JFIF
from pixelzip.models.data import SUFFIXES, find_images, load_rgb, split_held_out
from pixelzip.models.planes import CHROMA_HALVED, jpeg_planes

Pixels = NDArray[np.uint8]
Fetch = Callable[[str, str | None], Path]
"""From an address and a SHA-256 (None: not known) to the file on this machine; raises OSError or ValueError."""

CIFAR10, KODAK = "cifar10", "kodak"
NAMES: Final = (CIFAR10, KODAK)

CIFAR10_URL: Final = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_SHA256: Final = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
KODAK_URL: Final = "https://r0k.us/graphics/kodak/kodak"

_SMALL_PIXELS: Final = 64 * 64
_SAMPLE_SIDE: Final = 64
_NOTES: Final = {
    "batches": "the test batch of CIFAR-10",
    "sheets": "our own random split of CIFAR-10, not the official test set",
    "images": "a folder of images, not known to be the official test set of CIFAR-10",
}


class JpegBytes(bytes):
    """A JPEG file that a codec must give back byte for byte; ``size`` is its number of sub-pixels, as an array's."""

    num_pixels: int
    size: int

    @classmethod
    def read(cls, path: Path) -> JpegBytes:
        """Read a file; raises ValueError, with the file's name, when it is none."""
        file = cls(path.read_bytes())
        try:
            with Image.open(path, formats=["JPEG"]) as image:
                file.num_pixels = image.width * image.height
                file.size = file.num_pixels * len(image.getbands())
        except (OSError, SyntaxError) as error:
            raise ValueError(f"{path}: {error}") from error
        return file


@dataclass(frozen=True, eq=False)
class JpegSet:
    """JPEG files under a name; see ``ImageSet``."""

    name: str
    images: tuple[JpegBytes, ...]
    notes: tuple[str, ...] = ()
    are_small: bool = False

    @property
    def num_pixels(self) -> int:
        """Pixels of all files together."""
        return sum(file.num_pixels for file in self.images)

    def sample(self) -> JpegBytes:
        """Return what codecs may warm up with."""
        return self.images[0]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images (H, W, 3) uint8 under a name; ``notes`` are what a reader of figures on them must know."""

    name: str
    images: tuple[Pixels, ...]
    notes: tuple[str, ...] = ()

    def sample(self) -> Pixels:
        """Return what codecs may warm up with."""
        return self.images[0][:_SAMPLE_SIDE, :_SAMPLE_SIDE].copy()

    @property
    def are_small(self) -> bool:
        """Whether the images have at most 64x64 pixels: such are coded many at a time."""
        return all(image.shape[0] * image.shape[1] <= _SMALL_PIXELS for image in self.images)

    @property
    def num_pixels(self) -> int:
        """Pixels of all images together."""
        return sum(image.shape[0] * image.shape[1] for image in self.images)


def read_named(name: str, path: Path | None, limit: int | None, fetch: Fetch) -> ImageSet:
    """Read the first ``limit`` images of ``cifar10`` (its test split) or ``kodak`` from ``path``, or fetch them first.

    Raises:
        FileNotFoundError: images are missing.
        OSError: they cannot be fetched.
        ValueError: a file is damaged or not the one it should be; the message names it.
    """
    if name == KODAK:
        names = list(kodak.SHA256_OF_PIXELS)[:limit]
        images = [kodak.read_photograph(path / file) if path else _fetched(file, fetch) for file in names]
        return ImageSet(name, tuple(images), _first(limit, len(kodak.SHA256_OF_PIXELS)))
    test = read_cifar10(path or fetch(CIFAR10_URL, CIFAR10_SHA256), "test")
    notes = (_NOTES[test.form], *_first(limit, len(test.images)))
    without_gaps = np.ascontiguousarray(test.images[:limit])  # some peers take every array for one
    return ImageSet(name, tuple(without_gaps), notes)


def read_path(path: Path, limit: int | None, num_held_out: int | None, quality: int | None) -> ImageSet:
    """Read the first ``limit`` of the images in a folder, or one image, as RGB.

    Args:
        path: a folder, which is searched, or a file.
        limit: None: all.
        num_held_out: take only so many images, those that training holds out; None: all.
        quality: take every image through a JPEG file of this quality, chroma halved, first; None: as it is.

    Raises:
        FileNotFoundError: there are no images.
        ValueError: a file is damaged, or there are too few images to hold out; the message names the file.
    """
    found = find_images([path])
    held_out = () if num_held_out is None else (f"the {num_held_out} images that training holds out",)
    files = found if num_held_out is None else split_held_out(found, num_held_out)[1]
    images = [load_rgb(file) for file in files[:limit]]
    if quality is not None:
        images = [JFIF.to_rgb(jpeg_planes(image, quality, CHROMA_HALVED)) for image in images]
    through = () if quality is None else (f"each through a JPEG file of quality {quality}, 4:2:0, first",)
    return ImageSet(str(path), tuple(images), (*held_out, *through, *_first(limit, len(files))))


def read_jpegs(path: Path, limit: int | None) -> JpegSet | None:
    """Read the first ``limit`` JPEG files of a folder without other images, or one file; None: that is not what it is.

    Raises:
        ValueError: a file is damaged; the message names it.
    """
    candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [file for file in candidates if file.suffix.lower() in JPEG_SUFFIXES]
    if not found or any(file.suffix.lower() in SUFFIXES for file in candidates):
        return None
    return JpegSet(str(path), tuple(map(JpegBytes.read, found[:limit])), _first(limit, len(found)))


def _fetched(name: str, fetch: Fetch) -> Pixels:
    path = fetch(f"{KODAK_URL}/{name}", None)
    try:
        return kodak.read_photograph(path)
    except ValueError:
        path.unlink()  # so that the next run fetches it again
        raise


def _first(limit: int | None, num_images: int) -> tuple[str, ...]:
    return () if limit is None or limit >= num_images else (f"only the first {limit} of {num_images:,}",)
