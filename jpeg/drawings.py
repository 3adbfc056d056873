"""Random drawings for training: flat areas, lines and text, which JPEGs hold, too, and photographs do not teach."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]

_LETTERS: Final = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;()[]{}=+-*/_#    "))
_MOST_SHAPES: Final = 24
_MOST_LINES_OF_TEXT: Final = 14
_TEXT_SIZES: Final = (8, 40)
_ENLARGEMENT: Final = 2
"""Drawings with soft edges are drawn so much larger, and reduced."""


def drawing(generator: np.random.Generator, height: int, width: int, photograph: Pixels) -> Pixels:
    """Return an RGB drawing (height, width, 3), perhaps with a part of a photograph (h, w, 3) in it."""
    scale = _ENLARGEMENT if generator.random() < 0.5 else 1
    size = scale * width, scale * height
    image = Image.new("RGB", size, _colour(generator, is_light=generator.random() < 0.7))
    colours = [_colour(generator, is_light=False) for _ in range(int(generator.integers(2, 8)))]
    if generator.random() < 0.3:
        left, top = (int(generator.integers(length)) for length in size)
        image.paste(Image.fromarray(photograph), (left // 8 * 8, top // 8 * 8))
    canvas = ImageDraw.Draw(image)
    for _ in range(int(generator.integers(_MOST_SHAPES))):
        _shape(generator, canvas, size, colours[int(generator.integers(len(colours)))])
    for _ in range(int(generator.integers(_MOST_LINES_OF_TEXT))):
        _text(generator, canvas, size, colours[int(generator.integers(len(colours)))])
    if scale > 1:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _colour(generator: np.random.Generator, *, is_light: bool) -> tuple[int, int, int]:
    if generator.random() < 0.4:
        red = green = blue = int(generator.choice((0, 40, 128, 230, 255)))
    else:
        red, green, blue = (int(level) for level in generator.integers(0, 256, 3))
    return (255 - red // 8, 255 - green // 8, 255 - blue // 8) if is_light else (red, green, blue)


def _shape(
    generator: np.random.Generator, canvas: ImageDraw.ImageDraw, size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    across, down = (sorted(int(place) for place in generator.integers(-20, length + 20, 2)) for length in size)
    box: Box = (across[0], down[0], across[1], down[1])
    line = int(generator.integers(1, 5))
    fill = colour if generator.random() < 0.5 else None
    kind = int(generator.integers(4))
    if kind == 0:
        canvas.rectangle(box, fill, outline=colour, width=line)
    elif kind == 1:
        canvas.ellipse(box, fill, outline=colour, width=line)
    elif kind == 2:
        canvas.rounded_rectangle(box, min(12, (across[1] - across[0]) // 2), fill, outline=colour, width=line)
    else:
        canvas.line(box if generator.random() < 0.5 else (across[0], down[0], across[1], down[0]), colour, line)


def _text(
    generator: np.random.Generator, canvas: ImageDraw.ImageDraw, size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    left, top = (int(generator.integers(-10, length)) for length in size)
    text = "".join(generator.choice(_LETTERS, int(generator.integers(3, 60))))
    canvas.text((left, top), text, colour, ImageFont.load_default(int(generator.integers(*_TEXT_SIZES))))
