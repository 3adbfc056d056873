"""Draw in which step each pixel of a tile is coded: python docs/draw_wavefronts.py docs/wavefronts.png

Numbers are steps, ``column + 2 * row``; pixels of one step have one colour, what the framed pixel may look at is dark.
"""

import sys

from PIL import Image, ImageDraw

HEIGHT, WIDTH, CELL = 6, 14, 44
PIXEL = (3, 6)
COLOURS = ("#fde0c5", "#cfe8f3", "#d9f0d3", "#f4d7ea")


def main(path: str) -> None:
    """Write the picture as a PNG with a palette."""
    picture = Image.new("RGB", (WIDTH * CELL + 1, HEIGHT * CELL + 1), "white")
    pen = ImageDraw.Draw(picture)
    now = PIXEL[1] + 2 * PIXEL[0]
    for row in range(HEIGHT):
        for column in range(WIDTH):
            step = column + 2 * row
            left, top = column * CELL, row * CELL
            is_context = row <= PIXEL[0] and step < now and column - PIXEL[1] <= PIXEL[0] - row
            pen.rectangle((left, top, left + CELL, top + CELL), "#4a6785" if is_context else COLOURS[step % 4], "white")
            ink = "white" if is_context else "black"
            pen.text((left + CELL / 2, top + CELL / 2), str(step), ink, anchor="mm", font_size=16)
    left, top = PIXEL[1] * CELL, PIXEL[0] * CELL
    pen.rectangle((left, top, left + CELL, top + CELL), outline="#c0392b", width=3)
    picture.quantize(32).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
