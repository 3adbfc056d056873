"""Pages and screens with photographs on them against JPEG XL, WebP and PNG: every file is decoded and compared.

    python benchmarks/pages.py FOLDER

Pages are drawn around the photographs (PNG) of FOLDER: text in columns, a heading, a bar at the side.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from comparison import PEERS, Pixels, measure
from PIL import Image, ImageDraw, ImageFont

import pixelzip
from pixelzip import layout

SIZE = 1280, 800
NUM_PAGES = 6
WORDS = (
    "some",
    "letters",
    "in",
    "words",
    "and",
    "lines",
    "that",
    "nobody",
    "reads",
    "but",
    "codecs",
    "which",
    "see",
    "it",
)

Photographs = Sequence[Image.Image]


def write(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], size: int, colour: int, random: np.random.Generator
) -> None:
    """Fill a box (left, top, right, bottom) with words."""
    font, (left, top, right, bottom) = ImageFont.load_default(size), box
    for line in range(top, bottom - size, round(1.5 * size)):
        words = ""
        while draw.textlength(words, font) < right - left - 4 * size:
            words += f"{random.choice(WORDS)} "
        draw.text((left, line), words, (colour,) * 3, font)


def page(photographs: Photographs, random: np.random.Generator) -> Image.Image:
    """Return text around two photographs."""
    ground, ink = (255, 20) if random.random() < 0.7 else (32, 215)
    image = Image.new("RGB", SIZE, (ground,) * 3)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 50), (40, 80, 160))
    draw.text((20, 12), "Pages with photographs", (255, 255, 255), ImageFont.load_default(24))
    write(draw, (16, 70, 220, SIZE[1]), 15, ink, random)
    left = 240
    for photograph in photographs:
        top = int(random.integers(70, 100))
        image.paste(photograph, (left, top))
        right, bottom = left + photograph.width, top + photograph.height
        write(draw, (left, bottom + 12, right, SIZE[1]), 14, ink, random)
        left = right + 20
    write(draw, (left, 70, SIZE[0] - 16, SIZE[1]), 16, ink, random)
    return image


def resized(photographs: Photographs, random: np.random.Generator) -> Image.Image:
    """Return a page with two photographs at some size."""
    shares = random.uniform(0.4, 0.7, len(photographs))
    pairs = zip(photographs, shares, strict=True)
    return page([one.resize((int(share * one.width), int(share * one.height))) for one, share in pairs], random)


def decoded(photographs: Photographs, random: np.random.Generator) -> Image.Image:
    """Return a page with two photographs that were JPEGs, as they were decoded."""
    jpegs = []
    for one in photographs:
        buffer = io.BytesIO()
        one.resize((one.width // 2, one.height // 2)).save(buffer, "JPEG", quality=int(random.integers(75, 95)))
        jpegs.append(Image.open(buffer).convert("RGB"))
    return page(jpegs, random)


def window(photographs: Photographs, random: np.random.Generator) -> Image.Image:
    """Return a window with text in front of a photograph, without what a Photo CD has left in it."""
    image = photographs[0]
    image = image.resize((9 * image.width // 10, 9 * image.height // 10))
    left, top = (int(side) for side in random.integers(30, 150, 2))
    front = Image.new("RGB", (360, 240), (252, 252, 252))
    draw = ImageDraw.Draw(front)
    draw.rectangle((0, 0, 360, 28), (190, 195, 205))
    write(draw, (16, 44, 344, 240), 15, 20, random)
    image.paste(front, (left, top))
    return image


def without_parts(pixels: Pixels) -> bytes:
    """Return pixelzip's file of the image as a whole."""
    find, layout.find = layout.find, lambda samples: []
    try:
        return pixelzip.compress(pixels)
    finally:
        layout.find = find


CODECS = PEERS | {"pixelzip, whole": without_parts, "pixelzip": pixelzip.compress}


def main(folder: Path) -> None:
    """Print tables of kilobytes, means, and of seconds, medians."""
    photographs = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]
    random = np.random.default_rng(0)
    pixelzip.compress(np.zeros((64, 64, 3), dtype=np.uint8))
    print("| kilobytes; seconds | " + " | ".join([*CODECS, "out"]) + " |\n" + "|---" * (len(CODECS) + 2) + "|")
    for name, draw in {"resized": resized, "decoded JPEGs": decoded, "window": window}.items():
        chosen = (random.choice(len(photographs), 2, replace=False) for _ in range(NUM_PAGES))
        images = [np.asarray(draw([photographs[index] for index in some], random)) for some in chosen]
        sizes, seconds = (np.array(some) for some in zip(*(measure(CODECS, image) for image in images), strict=True))
        print(f"| {name} | " + " | ".join(f"{size / 1000:.1f}" for size in sizes.mean(axis=0)) + " | |")
        print("| | " + " | ".join(f"{median:.2f}" for median in np.median(seconds, axis=0)) + " |", flush=True)


main(Path(sys.argv[1]))
