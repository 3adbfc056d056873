"""CIFAR-10 from disk, in every form that it is found in -> (n, 32, 32, 3) uint8.

Krizhevsky, "Learning multiple layers of features from tiny images" (2009). The forms: the folders
``cifar-10-batches-py`` and ``cifar-10-batches-bin``, a ``.tar.gz`` of either, mosaic sheets, a folder of images.
"""

from __future__ import annotations

import itertools
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from pixelzip.models.batches import BINARY_SUFFIX, SIDE, Images, Labels, read_batch
from pixelzip.models.data import find_images, load_rgb

Split = Literal["train", "test"]
Form = Literal["batches", "sheets", "images"]

_BATCHES: Final = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
_FOLDERS: Final = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
_ARCHIVES: Final = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
_SHEETS: Final = {"train": "train-*.webp", "test": "eval-*.webp"}


@dataclass(frozen=True, eq=False)
class Cifar10:
    """One split: ``images`` (n, 32, 32, 3) uint8 in file order, ``labels`` (n,) uint8 in 0..9 where the form has them.

    Only batches are known to be the official split; sheets are a random split of our own.
    """

    images: Images
    labels: Labels | None
    form: Form


def read_cifar10(path: Path, split: Split) -> Cifar10:
    """Read one split from a folder, or from a ``.tar.gz``; a folder may also hold the folder or archive.

    Images that are files of their own are read from the folder ``split`` where there is one, else from ``path``.

    Raises:
        FileNotFoundError: there is no such split.
        ValueError: a file is damaged, or an image has another size; the message names the file.
    """
    if path.is_file():
        return _read_archive(path, split)
    for folder, suffix in itertools.product(_FOLDERS, ("", BINARY_SUFFIX)):
        files = [path / folder / f"{name}{suffix}" for name in _BATCHES[split]]
        if any(file.is_file() for file in files):
            return _joined([read_batch(file.read_bytes(), str(file)) for file in files])
    for name in _ARCHIVES:
        if (path / name).is_file():
            return _read_archive(path / name, split)
    if sheets := sorted(path.glob(_SHEETS[split])):
        return Cifar10(np.concatenate([read_sheet(sheet) for sheet in sheets]), None, "sheets")
    return Cifar10(_read_images(path, split), None, "images")


def read_sheet(path: Path) -> Images:
    """Cut a mosaic of 32x32 tiles, row by row, into (n, 32, 32, 3) uint8; black tiles at the end are padding.

    Raises:
        ValueError: the picture cannot be read or is not a whole number of tiles.
    """
    sheet = load_rgb(path)
    height, width = sheet.shape[:2]
    if height % SIDE or width % SIDE:
        raise ValueError(f"{path}: a sheet of {width}x{height} pixels is not made of {SIDE}x{SIDE} tiles")
    tiles = sheet.reshape(height // SIDE, SIDE, width // SIDE, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    used = np.flatnonzero(tiles.any(axis=(1, 2, 3)))
    return tiles[: used[-1] + 1 if len(used) else 0]


def _read_archive(path: Path, split: Split) -> Cifar10:
    members = _members(path)
    for suffix in ("", BINARY_SUFFIX):
        names = [f"{name}{suffix}" for name in _BATCHES[split]]
        if members.keys() & set(names):
            if missing := set(names) - members.keys():
                raise FileNotFoundError(f"{path}: {min(missing)} is missing")
            return _joined([read_batch(members[name], f"{path}/{name}") for name in names])
    raise FileNotFoundError(f"{path}: the archive holds no CIFAR-10 {split} batches")


def _members(path: Path) -> dict[str, bytes]:
    """Read the files of an archive to its very end, where the checksum stands: name without folders -> bytes."""
    members = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isfile() and (file := archive.extractfile(member)) is not None:
                    members[Path(member.name).name] = file.read()
            while archive.fileobj is not None and archive.fileobj.read(2**20):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: not a .tar.gz archive that can be read: {error}") from error
    return members


def _joined(batches: Sequence[tuple[Images, Labels]]) -> Cifar10:
    images, labels = zip(*batches, strict=True)
    return Cifar10(np.concatenate(images), np.concatenate(labels), "batches")


def _read_images(path: Path, split: Split) -> Images:
    folder = path / split if (path / split).is_dir() else path
    try:
        files = find_images([folder])
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no CIFAR-10 {split} images (batches, {_SHEETS[split]} or images)") from error
    images = [load_rgb(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != (SIDE, SIDE, 3):
            raise ValueError(f"{file}: {image.shape[1]}x{image.shape[0]} pixels, expected {SIDE}x{SIDE}")
    return np.stack(images)
