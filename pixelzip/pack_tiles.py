"""Small images of a pack as tiles: those of one shape together, each bound to its place in the pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pixelzip.checksum import checksums
from pixelzip.container import BODY_MODEL, Component, Header
from pixelzip.native import Seals
from pixelzip.pack_container import Shape
from pixelzip.tiles import MIRRORED, Tiling


def alike(shapes: Mapping[int, Shape] | Sequence[Shape], indices: Sequence[int]) -> list[tuple[Shape, list[int]]]:
    """Return the shapes of some images, and the indices of each one's in their order."""
    by_size: dict[tuple[int, int, int], tuple[Shape, list[int]]] = {}
    for index in indices:
        shape = shapes[index]
        size = shape.width, shape.height, shape.mode.num_channels
        if size not in by_size:
            by_size[size] = shape, []
        by_size[size][1].append(index)
    return list(by_size.values())


def seals(model: bytes, shape: Shape, indices: Sequence[int], are_mirrored: NDArray[np.bool_] | bool = False) -> Seals:
    """Return what checksums of n images' streams are chained to, (n,): the seals of files with the same pixels.

    ``are_mirrored`` says which streams, (n,), or whether all are of mirror images.
    """
    rows = np.array(indices, dtype="<u4").view(np.uint8).reshape(-1, 4)  # (n, 4)
    mirrored, upright = (_header(model, shape, orientations).checksum for orientations in (bytes([MIRRORED]), b""))
    return checksums(rows, np.full(len(rows), upright, dtype=np.uint32) ^ np.uint32(mirrored ^ upright) * are_mirrored)


def _header(model: bytes, shape: Shape, orientations: bytes) -> Header:
    return Header(
        shape.mode,
        shape.width,
        shape.height,
        BODY_MODEL,
        model=model,
        tiling=Tiling(shape.width, shape.height),
        components=(Component(),),
        orientations=orientations,
    )
