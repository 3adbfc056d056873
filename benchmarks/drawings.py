"""Drawings against JPEG XL, WebP and PNG: plots, charts and pages of text; every file is decoded and compared.

python benchmarks/drawings.py   # needs matplotlib: pip install .[bench,plot]
"""

from __future__ import annotations

import matplotlib
import numpy as np
from comparison import PEERS, Pixels, measure
from PIL import Image, ImageDraw, ImageFont

import pixelzip

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NUM_IMAGES = 5
WORDS = ("some", "letters", "in", "words", "and", "lines", "that", "nobody", "reads", "but", "codecs", "which", "plot")


def rendered(figure: plt.Figure) -> Pixels:
    """Return a figure's pixels and close it."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    plt.close(figure)
    return pixels


def plot(random: np.random.Generator) -> Pixels:
    """Return curves, with a legend."""
    figure, axes = plt.subplots(figsize=(8, 5), dpi=110)
    for number in range(random.integers(2, 6)):
        axes.plot(np.cumsum(random.normal(size=200)), label=f"{random.choice(WORDS)} {number}")
    axes.set(title=" ".join(random.choice(WORDS, 4)), xlabel="steps", ylabel="what came of it")
    axes.grid(alpha=0.4)
    axes.legend()
    return rendered(figure)


def charts(random: np.random.Generator) -> Pixels:
    """Return bars, points, a pie and text, four charts in one figure."""
    figure, ((bars, points), (pie, boxes)) = plt.subplots(2, 2, figsize=(10, 7), dpi=100)
    bars.bar(random.choice(WORDS, 5, replace=False), random.random(5), color=plt.get_cmap("Set2").colors[:5])
    points.scatter(random.normal(size=120), random.normal(size=120), c=random.random(120), s=20)
    pie.pie(random.random(5) + 0.1, labels=random.choice(WORDS, 5), autopct="%1.0f %%")
    boxes.boxplot(random.normal(size=(40, 6)))
    for axes in (bars, points, pie, boxes):
        axes.set_title(" ".join(random.choice(WORDS, 3)))
    return rendered(figure)


def page(random: np.random.Generator) -> Pixels:
    """Return a page of text in two columns, with a heading, a table and a bar."""
    ground, ink = (255, 20) if random.random() < 0.7 else (30, 220)
    image = Image.new("RGB", (1280, 960), (ground,) * 3)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 56), tuple(int(level) for level in random.integers(30, 180, 3)))
    draw.text((20, 12), " ".join(random.choice(WORDS, 5)), (255, 255, 255), ImageFont.load_default(26))
    for left in (30, 660):
        size = int(random.integers(13, 19))
        for top in range(80, 640, round(1.5 * size)):
            draw.text((left, top), " ".join(random.choice(WORDS, 12)), (ink,) * 3, ImageFont.load_default(size))
    for row in range(7):
        for column in range(6):
            box = 30 + 200 * column, 680 + 36 * row, 230 + 200 * column, 716 + 36 * row
            draw.rectangle(box, outline=(128, 128, 128))
            draw.text((box[0] + 8, box[1] + 8), f"{random.normal():.4f}", (ink,) * 3, ImageFont.load_default(15))
    return np.asarray(image)


CODECS = PEERS | {"pixelzip": pixelzip.compress}


def main() -> None:
    """Print a table of kilobytes, means, and of seconds, medians."""
    random = np.random.default_rng(0)
    pixelzip.compress(np.zeros((64, 64, 3), dtype=np.uint8))
    print("| kilobytes; seconds | " + " | ".join([*CODECS, "out"]) + " |\n" + "|---" * (len(CODECS) + 2) + "|")
    for draw in (plot, charts, page):
        images = [draw(random) for _ in range(NUM_IMAGES)]
        sizes, seconds = (np.array(some) for some in zip(*(measure(CODECS, image) for image in images), strict=True))
        print(f"| {draw.__name__} | " + " | ".join(f"{size / 1000:.2f}" for size in sizes.mean(axis=0)) + " | |")
        print("| | " + " | ".join(f"{median:.3f}" for median in np.median(seconds, axis=0)) + " |", flush=True)


main()
