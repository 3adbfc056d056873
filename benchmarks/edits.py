"""Photographs after an edit, saved without loss, against JPEG XL, WebP and PNG: every file is decoded and compared.

    python benchmarks/edits.py FOLDER

Photographs (PNG) of FOLDER are made smaller first, so that nothing is left in them of what they came from.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from comparison import PEERS, Pixels, measure
from PIL import Image, ImageEnhance, ImageOps

import pixelzip

NUM_PHOTOGRAPHS = 6
GAMMA = [round(255 * (level / 255) ** 0.8) for level in range(256)]

Edit = Callable[[Image.Image], Image.Image]


def jpeg(photograph: Image.Image) -> Image.Image:
    """Return what a JPEG of quality 85 gives."""
    buffer = io.BytesIO()
    photograph.save(buffer, "JPEG", quality=85)
    return Image.open(buffer).convert("RGB")


def brighter(photograph: Image.Image) -> Image.Image:
    """Multiply all levels by 1.15."""
    return ImageEnhance.Brightness(photograph).enhance(1.15)


def cut(photograph: Image.Image) -> Image.Image:
    """Cut out a part that begins anywhere."""
    width, height = photograph.size
    return photograph.crop((45, 21, width - 30, height - 50))


def sepia(photograph: Image.Image) -> Image.Image:
    """Tint the greys."""
    return ImageOps.colorize(photograph.convert("L"), "#1c1208", "#fff4dc")


EDITS: dict[str, Edit] = {
    "none": lambda photograph: photograph,
    "brighter": brighter,
    "more contrast": lambda photograph: ImageEnhance.Contrast(photograph).enhance(1.2),
    "levels, each channel by itself": lambda photograph: ImageOps.autocontrast(photograph, cutoff=0.5),
    "gamma": lambda photograph: photograph.point(GAMMA * 3),
    "equalized": ImageOps.equalize,
    "sepia": sepia,
    "grey": lambda photograph: photograph.convert("L").convert("RGB"),
    "a JPEG, turned": lambda photograph: jpeg(photograph).transpose(Image.Transpose.ROTATE_90),
    "a JPEG, cut": lambda photograph: cut(jpeg(photograph)),
    "a JPEG, brighter": lambda photograph: brighter(jpeg(photograph)),
    "a JPEG, levels, each channel by itself": lambda photograph: ImageOps.autocontrast(jpeg(photograph), cutoff=0.5),
    "a JPEG, brighter and cut": lambda photograph: cut(brighter(jpeg(photograph))),
}


def deep(pixels: Pixels) -> Pixels:
    """Write 8 bits as 16."""
    return np.ascontiguousarray(pixels.astype(np.uint16) * 257)  # type: ignore[return-value]


def row(name: str, images: list[Pixels]) -> None:
    """Print kilobytes, means, and seconds, medians."""
    peers = {key: peer for key, peer in PEERS.items() if key != "WebP" or images[0].dtype == np.uint8}
    sizes, seconds = zip(*(measure(peers | {"pixelzip": pixelzip.compress}, image) for image in images), strict=True)
    texts = [
        [f"{size / 1000:.1f}" for size in np.mean(sizes, axis=0)],
        [f"{one:.2f}" for one in np.median(seconds, axis=0)],
    ]
    for text in texts:
        if len(peers) < len(PEERS):
            text.insert(1, "-")
    print(f"| {name} | " + " | ".join(texts[0]) + " | |\n| | " + " | ".join(texts[1]) + " |", flush=True)


def main(folder: Path) -> None:
    """Print a row for each edit."""
    paths = sorted(folder.glob("*.png"))
    chosen = np.random.default_rng(0).choice(len(paths), NUM_PHOTOGRAPHS, replace=False)
    photographs = [Image.open(paths[index]).convert("RGB") for index in chosen]
    photographs = [one.resize((2 * one.width // 3, 2 * one.height // 3)) for one in photographs]
    pixelzip.compress(np.zeros((64, 64, 3), dtype=np.uint8))
    print(
        "| kilobytes; seconds | " + " | ".join([*PEERS, "pixelzip", "out"]) + " |\n" + "|---" * (len(PEERS) + 3) + "|"
    )
    for name, edit in EDITS.items():
        row(name, [np.asarray(edit(photograph)) for photograph in photographs])
    row("16 bits", [deep(np.asarray(photograph)) for photograph in photographs])


main(Path(sys.argv[1]))
