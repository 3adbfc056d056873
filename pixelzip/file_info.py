"""What a file says about itself without being decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixelzip import container, derived, models
from pixelzip import image as images
from pixelzip.container import BODY_DERIVED, BODY_JPEG, BODY_JPEG_FILE, BODY_MIXED, BODY_MODEL

_WITH_MODEL = (BODY_MODEL, BODY_JPEG, BODY_JPEG_FILE, BODY_MIXED)


@dataclass(frozen=True)
class Info:
    """What a header holds.

    ``body`` is "model", "png", "webp", "jpeg" (levels of one), "jpeg-file" (the file itself), "mixed" (photographs
    among something else), "drawing" (learned from itself, no model) or "derived" (one of these with other levels, cut
    or enlarged, of which model, lattice and tiles are). ``lattice`` is the name of the conversion that the pixels came
    out of, None when a "model" makes no use of one. ``metadata`` has the keys of Pillow's ``info``.
    """

    mode: str
    width: int
    height: int
    body: str
    model: str | None
    lattice: str | None
    num_tiles: int
    num_bytes: int
    bits_per_subpixel: float
    metadata: dict[str, Any]


def info(data: bytes, max_pixels: int = container.DEFAULT_MAX_PIXELS) -> Info:
    """Read the header and metadata only; errors as for ``decompress``."""
    header, streams = container.read(data, max_pixels)
    is_derived = header.body == BODY_DERIVED
    coded, parts = derived.read(header, streams[0])[-1] if is_derived else (header, streams)
    names = {entry.identifier: entry.name for entry in models.MODELS}
    return Info(
        mode=header.mode.name,
        width=header.width,
        height=header.height,
        body=container.BODY_NAMES[header.body],
        model=names.get(coded.model, coded.model.hex()) if coded.body in _WITH_MODEL else None,
        lattice=coded.lattice.conversion.name if coded.lattice else None,
        num_tiles=len(parts) if coded.body == BODY_MODEL else 1,
        num_bytes=len(data),
        bits_per_subpixel=8 * len(data) / header.num_subpixels,
        metadata=images.describe(header.blocks),
    )
