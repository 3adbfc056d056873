"""CIFAR-10 from disk: folders of mosaic sheets -> (n, 32, 32, 3) uint8.

Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE: Final = 32
"""Rows and columns of every image."""

Split = Literal["train", "test"]
Images = NDArray[np.uint8]

_SHEETS: Final = {"train": "train-*.webp", "test": "eval-*.webp"}


def load_cifar10(path: Path, split: Split) -> Images:
    """Read one split, (n, 32, 32, 3) uint8, in file order.

    Raises:
        FileNotFoundError: the folder holds no such split.
        ValueError: a file is damaged; the message names it.
    """
    sheets = sorted(path.glob(_SHEETS[split]))
    if not sheets:
        raise FileNotFoundError(f"{path}: no CIFAR-10 {split} images ({_SHEETS[split]})")
    return np.concatenate([read_sheet(sheet) for sheet in sheets])


def read_sheet(path: Path) -> Images:
    """Cut a mosaic of 32x32 tiles, row by row, into (n, 32, 32, 3) uint8; black tiles at the end are padding.

    Raises:
        ValueError: the picture cannot be read or is not a whole number of tiles.
    """
    try:
        with Image.open(path) as picture:
            sheet = np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise ValueError(f"{path}: {error}") from error
    height, width = sheet.shape[:2]
    if height % SIDE or width % SIDE:
        raise ValueError(f"{path}: a sheet of {width}x{height} pixels is not made of {SIDE}x{SIDE} tiles")
    tiles = sheet.reshape(height // SIDE, SIDE, width // SIDE, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
    used = np.flatnonzero(tiles.any(axis=(1, 2, 3)))
    return tiles[: used[-1] + 1 if len(used) else 0]
