"""What golden files there are of drawings: one for each mode, bands, metadata, and ones broken in each field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from exactness import drawings
from golden_files import GOLDEN
from PIL import Image

from pixelzip import container, image
from pixelzip.drawing import body
from pixelzip.fields import write_varint
from pixelzip.image import MODES_BY_NAME


def files_of_drawings() -> dict[str, bytes]:
    """Return files of each mode, of two bands of rows, and one with metadata."""
    grey, grey_alpha, colour, colour_alpha, *_, two = drawings()
    indices = Image.fromarray(two[..., 0] + 3).convert("P")
    described = Image.fromarray(colour)
    described.info |= {"transparency": (250, 250, 250), "Title": "a drawing"}
    pictures = {
        "1": Image.fromarray(two[..., 0] * 255).convert("1"),
        "L": grey,
        "LA": grey_alpha,
        "P": indices,
        "RGB": colour,
        "RGBA": colour_alpha,
        "metadata": described,
        "plain": np.zeros((5, 6, 3), dtype=np.uint8),
    }
    bands = np.full((65, 2**16), 200, dtype=np.uint8)  # one row more than a band has
    bands[10:, 30::256] = 90
    files = {name: body.compress(image.read(picture), 2**24) for name, picture in pictures.items()}
    files["bands"] = body.compress(image.read(bands), 2**24)
    return {f"drawing-{name}.pxz": file for name, file in files.items() if file is not None}


def broken_drawings() -> dict[str, bytes]:
    """Return files that are broken in each of their fields."""
    good = (GOLDEN / "drawing-RGB.pxz").read_bytes()
    header, (stream,) = container.read(good)
    bands = (GOLDEN / "drawing-bands.pxz").read_bytes()
    flipped = bytearray(good)
    flipped[-9] ^= 4
    of_bands, (streams,) = container.read(bands)
    return {
        "CorruptFile-drawing-flipped.pxz": bytes(flipped),
        "CorruptFile-drawing-cut.pxz": good[:-5],
        "CorruptFile-drawing-appended.pxz": good + b"\0",
        "CorruptFile-drawing-checksum.pxz": container.write(header, [bytes(4), stream[4:]]),
        "CorruptFile-drawing-empty.pxz": container.write(header, []),
        "CorruptFile-drawing-wide.pxz": container.write(replace(header, width=2**16 + 1, height=1), [stream]),
        "CorruptFile-drawing-mode.pxz": container.write(replace(header, mode=MODES_BY_NAME["RGB;16"]), [stream]),
        "CorruptFile-drawing-bands.pxz": container.write(of_bands, [write_varint(2**30), streams[3:]]),
        "UnsupportedVersion-drawing-model.pxz": container.write(replace(header, model=b"\0\1"), [stream]),
    }
