"""Stage 3, for models with which bytes count more than time: which way round each tile is coded.

A network looks at an image from one corner. What it sees there says more about some images than about their mirror
images; networks agree on which, so that a fast one can find it out for a slow one (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.container import Header
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import Tiles, encode_tiles
from pixelzip.tiles import ORIENTATIONS, turned

_BOXES_AT_ONCE: Final = 16
"""Tiles that are tried together: eight times as many are in memory, and a GPU wants more than eight."""


def choose(
    guide: IntegerNetwork,
    header: Header,
    components: Sequence[NDArray[np.uint8]],
    device: str,
    num_threads: int | None,
) -> Header:
    """Return the header with the orientation of each tile of the first component, (H, W, C), that costs least.

    Planes of a lattice stay: their network knows where rows and columns are. So does what no network codes.
    """
    if header.tiling is None or header.lattice is not None:
        return header
    best, boxes = list[int](), list(header.tiling.boxes())
    for first in range(0, len(boxes), _BOXES_AT_ONCE):
        parts = [components[0][box.slices] for box in boxes[first : first + _BOXES_AT_ONCE]]
        tiles = [Tiles.one(np.ascontiguousarray(turned(part, way)), 0) for part in parts for way in ORIENTATIONS]
        lengths = np.array([len(stream) for stream in encode_tiles(guide, tiles, device, num_threads)])
        best += lengths.reshape(-1, len(ORIENTATIONS)).argmin(axis=1).tolist()
    return replace(header, orientations=bytes(best) if any(best) else b"")
