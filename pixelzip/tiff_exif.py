"""A part of stage 1: tags of a TIFF file that describe the image -> EXIF data, as files of other formats have it."""

from __future__ import annotations

import struct
from typing import Any, Final

from PIL import Image
from PIL.ExifTags import IFD

LAYOUT: Final = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291),
        *(292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341),
        *(342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532),
    )
)
"""Tags that say how samples lie in the file and what they mean; whoever writes a file writes its own."""

_ELSEWHERE: Final = frozenset({282, 283, 296, 700, 34675, 37724})
"""Resolution, XMP and ICC profile, which are kept by themselves; layers of an editor."""

_UNWRITABLE: Final = (struct.error, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, OSError)
"""What Pillow raises, in one case or another, for values that it cannot write as they are."""


def read(image: Image.Image) -> bytes:
    """Return EXIF data of a TIFF image that is loaded, without tags that Pillow cannot write; empty if none is left."""
    found, kept = image.getexif(), Image.Exif()
    for tag in sorted(set(found) - LAYOUT - _ELSEWHERE):
        value = _directory(found, tag) if tag in (IFD.Exif, IFD.GPSInfo) else found[tag]
        if value != {} and _is_writable(tag, value):
            kept[tag] = value
    return kept.tobytes() if kept else b""


def _directory(found: Image.Exif, tag: int) -> dict[int, Any]:
    try:
        inner = dict(found.get_ifd(tag))
        if IFD.Interop in inner:
            inner[IFD.Interop] = found.get_ifd(IFD.Interop)
    except _UNWRITABLE:  # it points to nowhere
        return {}
    return {key: value for key, value in inner.items() if _is_writable(tag, {key: value})}


def _is_writable(tag: int, value: Any) -> bool:
    exif = Image.Exif()
    exif[tag] = value
    try:
        return bool(exif.tobytes())
    except _UNWRITABLE:
        return False
