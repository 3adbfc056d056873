"""What golden files there are of images in parts: one for each mode and kind of part, and ones broken in each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from conftest import smooth_image
from golden_files import GOLDEN
from PIL import Image
from test_codec import make_image
from test_jpeg import as_jpeg, decoded, texture
from test_lattice import photograph

import pixelzip
from pixelzip import container, image, layout, mixed, models
from pixelzip.container import Header
from pixelzip.fields import write_varint
from pixelzip.image import MODES_BY_NAME
from pixelzip.tiles import Box


def in_parts(picture: Any, boxes: Sequence[Box], model: str = models.DEFAULT_MODEL) -> bytes:
    """Compress an image with rectangles of it as parts, whether that makes it smaller or not."""
    whole = image.read(picture)
    parts = [image.to_pillow(part) for part in mixed.split(whole, boxes)]
    with mock.patch.object(layout, "find", return_value=[]):
        files = pixelzip.compress(parts, model)
    return mixed.write(whole, boxes, files, models.find(models.DEFAULT_MODEL).identifier)


def files_of_parts(prefix: str) -> dict[str, bytes]:
    """Return files of each mode, with parts of every kind that there may be, and one with metadata."""
    boxes = [Box(3, 5, 40, 40), Box(3, 50, 70, 90), Box(80, 5, 33, 90)]
    page = np.full((120, 150, 4), 255, dtype=np.uint8)
    page[..., :3][boxes[0].slices] = decoded(as_jpeg(texture(40, 40), 80))
    page[..., :3][boxes[1].slices] = photograph(70, 90)
    page[boxes[2].slices] = np.asarray(make_image("RGBA", 33, 90, "smooth"))
    window = smooth_image(64, 80)
    window[16:48, 8:72] = 30
    described = Image.fromarray(page[..., :3])
    described.info |= {"transparency": (255, 255, 255), "Title": "a page"}
    files = {
        "RGB": in_parts(described, boxes),
        "RGBA": in_parts(page, boxes),
        "L": in_parts(np.ascontiguousarray(page[..., 0]), boxes[1:]),
        "LA": in_parts(Image.fromarray(page).convert("LA"), boxes[:1]),
        "window": in_parts(window, [Box(16, 8, 32, 64)]),
    }
    return {f"{prefix}-parts-{name}.pxz": file for name, file in files.items()}


def written(
    header: Header, check: bytes, boxes: Sequence[Box], files: Sequence[bytes], count: int | None = None
) -> bytes:
    """Write parts that need not fit each other."""
    places = [write_varint(side) for box in boxes for side in (box.left, box.top, box.width, box.height)]
    lengths = [write_varint(len(file)) for file in files[:-1]]
    number = write_varint(len(boxes) if count is None else count)
    return container.write(header, [check, number, *places, *lengths, *files])


def broken_parts(prefix: str, of_jpeg: str) -> dict[str, bytes]:
    """Return files in parts that are broken in each of their fields."""
    good = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.pxz")}
    header, (body,) = container.read(good[f"{prefix}-parts-L"])
    check, parts = mixed.take_apart(header, body)
    (first, second), files = [box for box, _ in parts[1:]], [file for _, file in parts]
    both = [first, second]
    wide = [Box(0, 0, 50, 66)]
    return {
        "CorruptFile-parts-overlap.pxz": written(header, check, [first, replace(second, top=60)], files),
        "CorruptFile-parts-outside.pxz": written(header, check, [first, replace(second, left=61)], files),
        "CorruptFile-parts-empty.pxz": written(header, check, [first, replace(second, width=0)], files),
        "CorruptFile-parts-many.pxz": written(header, check, both, files, 256),
        "CorruptFile-parts-size.pxz": written(header, check, [first, replace(second, width=80)], files),
        "CorruptFile-parts-place.pxz": written(header, check, [first, replace(second, top=81)], files),
        "CorruptFile-parts-swapped.pxz": written(header, check, both, [files[0], files[2], files[1]]),
        "CorruptFile-parts-checksum.pxz": written(header, bytes(4), both, files),
        "CorruptFile-parts-mode.pxz": written(header, check, both, [good[f"{prefix}-parts-LA"], *files[1:]]),
        "CorruptFile-parts-in-parts.pxz": written(header, check, both, [good[f"{prefix}-parts-L"], *files[1:]]),
        "CorruptFile-parts-jpeg-file.pxz": written(
            header, check, wide, [files[0], good[f"{of_jpeg}-file-L-progressive"]]
        ),
        "CorruptFile-parts-no-image.pxz": written(header, check, both, [*files[:2], b"not an image"]),
        "CorruptFile-parts-cut.pxz": written(header, check, both, files)[: -len(files[2]) - 3],
        "CorruptFile-parts-palette.pxz": container.write(replace(header, mode=MODES_BY_NAME["P"]), [body]),
    }
