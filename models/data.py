"""Training data: image files -> random crops as uint8 tensors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})
"""Formats that can hold an image without loss."""


class Batch(NamedTuple):
    """``pixels`` (batch, 3, H, W) uint8; ``classes`` (batch,) int64, where a network needs them."""

    pixels: Tensor
    classes: Tensor | None = None


def as_batch(images: NDArray[np.uint8], labels: NDArray[np.uint8] | None = None) -> Batch:
    """Turn (n, H, W, 3) images and (n,) labels into tensors."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    return Batch(pixels, None if labels is None else torch.from_numpy(labels.astype(np.int64)))


def find_images(paths: Sequence[Path]) -> list[Path]:
    """List the image files named or below the folders named, sorted; raises FileNotFoundError when there are none."""
    found: set[Path] = set()
    for path in paths:
        candidates = path.rglob("*") if path.is_dir() else [path]
        found.update(file for file in candidates if file.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"no images ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, paths))}")
    return sorted(found)


def split_held_out(files: Sequence[Path], num_held_out: int) -> tuple[list[Path], list[Path]]:
    """Split into training and held-out files: every n-th file is held out, the same ones every time."""
    if num_held_out == 0:
        return list(files), []
    stride = len(files) // num_held_out
    if stride < 2:
        raise ValueError(f"cannot hold out {num_held_out} of {len(files)} images")
    held_out = list(files[::stride])[:num_held_out]
    chosen = set(held_out)
    return [file for file in files if file not in chosen], held_out


def load_rgb(path: Path) -> NDArray[np.uint8]:
    """Read one image as (H, W, 3) uint8; raises ValueError, with the file's name, when that fails."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path}: {error}") from error


class Crops:
    """Endless batches of random crops, flipped left to right at random, most of them as cameras and codecs leave them.

    Reduced photographs are sharper and cleaner than what people store: demosaicing and enlargement soften an image,
    sensors and film add noise, and most formats have kept chroma at half resolution. ``softened``, ``noisy`` and
    ``chroma_halved`` are each applied to a part of the crops.

    Images are drawn in proportion to their area; those smaller than a crop are left out. ``seed`` and ``skip``
    (batches already seen) determine every batch that follows, so that a resumed run sees what it would have seen.
    """

    def __init__(self, files: Sequence[Path], crop_size: int, batch_size: int, seed: int, skip: int = 0) -> None:
        images = [load_rgb(file) for file in files]
        self.images = [image for image in images if min(image.shape[:2]) >= crop_size]
        if not self.images:
            raise ValueError(f"no image is as large as a crop of {crop_size}x{crop_size} pixels")
        self.crop_size, self.batch_size, self.seed, self.position = crop_size, batch_size, seed, skip
        areas = np.array([image.shape[0] * image.shape[1] for image in self.images], dtype=np.float64)
        self.shares = areas / areas.sum()

    @staticmethod
    def held_out(path: Path) -> NDArray[np.uint8]:
        """Read what bits are measured on: at most the top left 256x256 pixels of an image, (1, H, W, 3)."""
        return load_rgb(path)[None, :256, :256]

    def __iter__(self) -> Iterator[Batch]:
        """Yield (batch_size, 3, crop_size, crop_size) pixels."""
        while True:
            generator = np.random.default_rng([self.seed, self.position])
            self.position += 1
            chosen = generator.choice(len(self.images), self.batch_size, p=self.shares)
            crops = [self._draw(int(index), generator) for index in chosen]
            yield as_batch(np.stack(crops))

    def _draw(self, index: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        crop = self._photograph(self.images[index], generator)
        return chroma_halved(crop) if generator.integers(2) else crop

    def _photograph(self, image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
        enlargement = generator.uniform(1, 2) if generator.integers(3) else 1.0
        side = round(self.crop_size / enlargement)
        top = generator.integers(image.shape[0] - side + 1)
        left = generator.integers(image.shape[1] - side + 1)
        crop = image[top : top + side, left : left + side]
        crop = softened(crop, self.crop_size) if side < self.crop_size else crop
        crop = crop[:, ::-1] if generator.integers(2) else crop
        return noisy(crop, generator.uniform(0, 4), generator) if generator.integers(3) == 0 else crop


class SmallImages:
    """Endless batches of whole images of one size, in a new order every epoch, flipped left to right at random.

    ``images`` are (n, H, W, 3) uint8, ``labels`` (n,) uint8; ``seed`` and ``skip`` as for ``Crops``.
    """

    def __init__(
        self, images: NDArray[np.uint8], labels: NDArray[np.uint8] | None, batch_size: int, seed: int, skip: int = 0
    ) -> None:
        if len(images) < batch_size:
            raise ValueError(f"{len(images)} images do not fill a batch of {batch_size}")
        self.images, self.labels = images, labels
        self.batch_size, self.seed, self.position = batch_size, seed, skip

    def __iter__(self) -> Iterator[Batch]:
        """Yield (batch_size, 3, H, W) pixels."""
        batches_per_epoch = len(self.images) // self.batch_size
        while True:
            epoch, batch = divmod(self.position, batches_per_epoch)
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
            indices = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            chosen = self.images[indices]
            flips = np.random.default_rng([self.seed, epoch, batch]).integers(2, size=len(chosen)).astype(bool)
            chosen[flips] = chosen[flips, :, ::-1]
            self.position += 1
            yield as_batch(chosen, None if self.labels is None else self.labels[indices])


class Alternating:
    """Endless batches of two kinds: two of ``first``, then one of ``second``; ``position`` counts both."""

    def __init__(self, first: Crops, second: SmallImages) -> None:
        self.first, self.second, self.position = first, second, 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield what a source yields on its turn."""
        self.second.position, turn = divmod(self.position, 3)
        self.first.position = 2 * self.second.position + turn
        first, second = iter(self.first), iter(self.second)
        while True:
            self.position += 1
            yield next(second if self.position % 3 == 0 else first)


Source: TypeAlias = Crops | SmallImages | Alternating


def prefetched(source: Source, num_processes: int) -> Iterator[Batch]:
    """Yield what ``source`` would, made by so many processes beside this one."""
    positions = itertools.count(source.position)
    loader: DataLoader[Batch] = DataLoader(
        _ByPosition(source), batch_size=None, sampler=positions, num_workers=num_processes, prefetch_factor=8
    )
    return iter(loader)


class _ByPosition(Dataset[Batch]):
    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, position: int) -> Batch:
        self.source.position = position
        return next(iter(self.source))


def softened(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Enlarge a crop to ``side`` x ``side`` pixels with cubic interpolation."""
    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC))


def noisy(crop: NDArray[np.uint8], deviation: float, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Add Gaussian noise, most of it common to the channels, of the given standard deviation in levels."""
    shape = crop.shape[:2]
    common, own = generator.normal(0, 0.8, (*shape, 1)), generator.normal(0, 0.6, (*shape, 3))
    return np.asarray((crop + deviation * (common + own)).round().clip(0, 255), dtype=np.uint8)


def chroma_halved(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take a crop through YCbCr with chroma averaged over 2x2 pixels and interpolated back."""
    luma, *chroma = Image.fromarray(crop).convert("YCbCr").split()
    half = (-(-luma.width // 2), -(-luma.height // 2))
    back = [plane.resize(half, Image.Resampling.BOX).resize(luma.size, Image.Resampling.BILINEAR) for plane in chroma]
    return np.asarray(Image.merge("YCbCr", (luma, *back)).convert("RGB"))
