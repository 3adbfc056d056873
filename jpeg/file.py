"""A JPEG file <-> its levels, and the rest of it: all bytes but the coded data of its scans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.jpeg import scan as scans
from pixelzip.jpeg import tables
from pixelzip.jpeg.levels import Component, from_zigzag
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling, of_factors
from pixelzip.jpeg.segments import OPTIMAL, Frame, Scan, walk
from pixelzip.jpeg.transform import COEFFICIENT_LIMIT
from pixelzip.jpeg.usual import USUAL

Levels = NDArray[np.int16]

JPEG_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
"""What names of such files end in."""

_MOST_BLOCKS_PER_BYTE: Final = 8
"""At least one bit is coded of every block."""

_MOST_BYTES_PER_BLOCK: Final = 512
"""In all scans: twice what 64 codes of 16 bits and levels of 10 take."""

_FOLLOWED: Final = re.compile(rb"\xff\xd9\0*(?=\xff\xd8\xff)")
"""The end of an image that another JPEG file follows: previews (CIPA DC-007), gain maps (ISO 21496-1)."""


@dataclass(frozen=True)
class Rest:
    """What a file has besides levels: ``data``, and one or zero, the bit that fills the last byte of a scan.

    Blocks that lie outside the image wholly, but in a unit that does not, have the ``outside`` levels, (n, 64) int16 in
    zigzag; None: those that libjpeg gives them. ``following`` is a .pxz file with the JPEG file that follows.
    """

    data: bytes
    filling: int
    outside: Levels | None = None
    following: bytes = b""


@dataclass(frozen=True, eq=False)
class JpegFile:
    """A file taken apart, without the JPEG file that is ``following``, if there is one."""

    rest: Rest
    frame: Frame
    sampling: Sampling
    components: tuple[Component, ...]
    following: bytes


def read(data: bytes) -> JpegFile:
    """Take a file apart; raises CorruptFile if it is damaged, not supported, or would not come back as it is."""
    pieces, passes, start, levels = list[bytes](), list[Scan](), 0, np.zeros((0, 64), dtype=np.int16)

    def exchange(frame: Frame, scan: Scan, position: int) -> int:
        nonlocal start, levels
        if OPTIMAL in scan.tables or frame.num_blocks > _MOST_BLOCKS_PER_BYTE * len(data):
            raise CorruptFile("the JPEG has a damaged table, or is too short for its size")
        if not len(levels):
            levels = np.zeros((frame.num_blocks, 64), dtype=np.int16)
        pieces.append(data[start:position])
        passes.append(scan)
        start = scans.end(data, position)
        scans.read(data[position:start], frame, scan, levels)
        return start

    frame, steps = walk(data, exchange)
    pieces = [
        piece
        if USUAL.issuperset(scan.tables)
        else tables.abridged(piece, tables.best(scan, scans.count(frame, scan, levels)))
        for piece, scan in zip(pieces, passes, strict=True)
    ]
    followed = _FOLLOWED.match(data, start)
    end = followed.end() if followed else len(data)
    rest = b"".join([*pieces, data[start:end]])
    sampling, components = _sampling(frame), _components(frame, levels, steps)
    outside = levels[_outside(frame)]
    for filling in (1, 0):
        for own in (None, outside):
            if write(Rest(rest, filling, own), components) == data[:end]:
                return JpegFile(Rest(rest, filling, own), frame, sampling, components, data[end:])
    raise CorruptFile("the JPEG was written in a way that is not supported")


def write(rest: Rest, components: Sequence[Component]) -> bytes:
    """Undo ``read``, but for what follows; raises CorruptFile if the rest is not that of these components."""
    pieces, start, levels = list[bytes](), 0, np.zeros((0, 64), dtype=np.int16)

    def exchange(frame: Frame, scan: Scan, position: int) -> int:
        nonlocal start, levels
        if not len(levels):
            levels = _all_levels(frame, components, rest.outside)
        best = tables.best(scan, scans.count(frame, scan, levels)) if OPTIMAL in scan.tables else {}
        pieces.append(tables.expanded(rest.data[start:position], best))
        pieces.append(scans.write(frame, tables.filled(scan, best), levels, rest.filling))
        if sum(map(len, pieces)) > _MOST_BYTES_PER_BLOCK * frame.num_blocks + len(rest.data):
            raise CorruptFile("the JPEG is larger than any can be")
        start = position
        return position

    walk(rest.data, exchange)
    return b"".join([*pieces, rest.data[start:]])


def _sampling(frame: Frame) -> Sampling:
    luma, *chroma = ((part.rows, part.columns) for part in frame.parts)
    if not chroma:
        return SAMPLINGS[0]
    rows, columns = chroma[0]
    found = of_factors(luma[0] / rows, luma[1] / columns, frame.width)
    if found is None or chroma != [(rows, columns)] * 2:
        raise CorruptFile("the JPEG has a sampling of chroma that is not supported")
    return found


def _components(frame: Frame, levels: Levels, steps_of: dict[int, NDArray[np.int32]]) -> tuple[Component, ...]:
    """Return the blocks with pixels of the image; raises CorruptFile where tables or levels are not supported."""
    components = list[Component]()
    for index, part in enumerate(frame.parts):
        rows, columns = frame.shape(index)
        steps = steps_of.get(part.table)
        if steps is None or not steps.all():
            raise CorruptFile("the JPEG has no steps for a component")
        all_blocks = levels[frame.blocks(index)].reshape(*frame.full_shape(index), 64)
        component = from_zigzag(index, steps, all_blocks[:rows, :columns])
        largest = np.maximum(component.levels.max(axis=(1, 2)), -component.levels.min(axis=(1, 2)).astype(np.int32))
        if (largest * steps).max() > COEFFICIENT_LIMIT:
            raise CorruptFile("the JPEG has a level that is impossible")
        components.append(component)
    return tuple(components)


def _all_levels(frame: Frame, components: Sequence[Component], outside: Levels | None) -> Levels:
    """Return the levels of all blocks, in the order of ``Frame.numbers``."""
    if [component.shape for component in components] != [frame.shape(index) for index in range(len(frame.parts))]:
        raise CorruptFile("the JPEG has another size than the image")
    levels = np.zeros((frame.num_blocks, 64), dtype=np.int16)
    for index, component in enumerate(components):
        extended = levels[frame.blocks(index)].reshape(*frame.full_shape(index), 64)
        _extend(component, extended, frame.parts[index].columns)
    if outside is not None:
        is_outside = _outside(frame)
        if len(outside) != np.count_nonzero(is_outside):
            raise CorruptFile("the JPEG has another number of blocks outside the image")
        levels[is_outside] = outside
    return levels


def _extend(component: Component, levels: Levels, num_together: int) -> None:
    """Fill in levels (rows, columns, 64); the mean of blocks outside is that of the block before in the unit."""
    rows, columns = component.shape
    for row in range(rows):  # stays in a cache while it is turned
        levels[row, :columns] = component.inner[:, row].T
    means = levels[..., 0]
    means[:rows, columns:] = means[:rows, columns - 1 : columns]
    for row in range(rows, len(levels)):
        means[row] = means[row - 1, num_together - 1 :: num_together].repeat(num_together)


def _outside(frame: Frame) -> NDArray[np.bool_]:
    """Return which blocks have no pixel of the image."""
    is_outside = np.ones(frame.num_blocks, dtype=np.bool_)
    for index in range(len(frame.parts)):
        rows, columns = frame.shape(index)
        is_outside[frame.numbers(index)[:rows, :columns]] = False
    return is_outside
