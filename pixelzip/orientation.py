"""Stage 3, for models with which bytes count more than time: which way round each tile is coded.

A network looks at an image from one corner. What it sees there says more about some images than about their mirror
images; networks agree on which, so that a fast one can find it out for a slow one (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pixelzip.container import Header
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import Tile, encode_tiles
from pixelzip.tiles import ORIENTATIONS, turned


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
    orientations = bytearray()
    for box in header.tiling.boxes():
        tile = components[0][box.slices]
        tiles = [Tile(np.ascontiguousarray(turned(tile, orientation)), 0) for orientation in ORIENTATIONS]
        lengths = [len(stream) for stream in encode_tiles(guide, tiles, device, num_threads)]
        orientations.append(lengths.index(min(lengths)))
    return replace(header, orientations=bytes(orientations) if any(orientations) else b"")
