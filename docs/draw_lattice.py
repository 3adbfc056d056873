"""Draw the colours that two conversions can give: python docs/draw_lattice.py docs/lattice.png

A slice of the RGB cube, red 128, green upwards, blue to the right, each triple a pixel; black ones cannot come out.
"""

import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip.models.conversion import JFIF, PHOTO_CD, Conversion

RED = 128
GAP = 16


def slice_of(conversion: Conversion) -> NDArray[np.uint8]:
    """Return the slice, (256, 256, 3)."""
    chroma = np.mgrid[0:256, 0:256].astype(np.uint8).transpose(1, 2, 0)
    picture = np.zeros((256, 256, 3), dtype=np.uint8)
    for luma in range(256):
        planes = np.concatenate((np.full((256, 256, 1), luma, dtype=np.uint8), chroma), axis=2)
        colours = conversion.to_rgb(planes).reshape(-1, 3)
        colours = colours[colours[:, 0] == RED]
        picture[255 - colours[:, 1], colours[:, 2]] = colours
    return picture


def main(path: str) -> None:
    """Write both slices side by side, the middle 64 x 64 triples four times as large."""
    pictures = [
        slice_of(conversion)[96:160, 96:160].repeat(4, axis=0).repeat(4, axis=1) for conversion in (JFIF, PHOTO_CD)
    ]
    Image.fromarray(np.concatenate((pictures[0], np.full((256, GAP, 3), 255, np.uint8), pictures[1]), axis=1)).save(
        path
    )


if __name__ == "__main__":
    main(sys.argv[1])
