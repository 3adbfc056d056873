"""Levels of a component: by block, as they are transformed, and by frequency, as they are coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.transform import SIDE, ZIGZAG, inverse
from pixelzip.models.coefficients import NUM_FREQUENCIES

Steps = NDArray[np.int32]


@dataclass(eq=False)
class Component:
    """Levels of a component, (64, R + 2, C + 2) int16 in the order of ZIGZAG with a border of zeros around the blocks.

    ``kind`` is 0 for luma, 1 and 2 for chroma. Coefficients are levels times ``steps``, (64,). ``last`` is the last
    frequency that is not zero everywhere.
    """

    kind: int
    steps: Steps
    levels: NDArray[np.int16]
    last: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return self.levels.shape[1] - 2, self.levels.shape[2] - 2

    def rows(self, start: int, stop: int) -> Component:
        """Return some rows of blocks as a component of their own."""
        some = self.levels[:, start : min(stop, self.shape[0]) + 2].copy()
        some[:, [0, -1]] = 0
        return Component(self.kind, self.steps, some, self.last)

    @property
    def inner(self) -> NDArray[np.int16]:
        """The levels without their border, (64, R, C)."""
        return self.levels[:, 1:-1, 1:-1]

    def samples(self) -> NDArray[np.uint8]:
        """Return the (8 R, 8 C) samples that a decoder makes of the levels."""
        num_rows, num_columns = self.shape
        coefficients = self.inner.astype(np.int64) * self.steps[:, None, None]
        blocks = np.empty((num_rows, num_columns, NUM_FREQUENCIES), dtype=np.int64)
        blocks[..., ZIGZAG] = coefficients.transpose(1, 2, 0)
        return inverse(blocks.reshape(num_rows, num_columns, SIDE, SIDE))


def empty(kind: int, steps: Steps, size: tuple[int, int], last: int) -> Component:
    """Return a component of (rows, columns) samples whose levels are zero."""
    num_rows, num_columns = (-(-length // SIDE) for length in size)
    return Component(kind, steps, np.zeros((NUM_FREQUENCIES, num_rows + 2, num_columns + 2), dtype=np.int16), last)


def joined(bands: Sequence[Component]) -> Component:
    """Undo ``Component.rows`` for bands from the first to the last row."""
    levels = np.concatenate([band.inner for band in bands], axis=1)
    return Component(bands[0].kind, bands[0].steps, np.pad(levels, ((0, 0), (1, 1), (1, 1))), bands[0].last)


def to_component(kind: int, steps: Steps, levels: NDArray[np.signedinteger]) -> Component:
    """Return levels (R, C, 8, 8) as they are coded."""
    num_rows, num_columns = levels.shape[:2]
    return from_zigzag(kind, steps, levels.reshape(num_rows, num_columns, NUM_FREQUENCIES)[..., ZIGZAG])


def from_zigzag(kind: int, steps: Steps, levels: NDArray[np.signedinteger]) -> Component:
    """Return levels (R, C, 64) in zigzag as they are coded."""
    num_rows, num_columns = levels.shape[:2]
    padded = np.zeros((NUM_FREQUENCIES, num_rows + 2, num_columns + 2), dtype=np.int16)
    for row in range(num_rows):  # a row of blocks stays in a cache while it is turned
        padded[:, row + 1, 1:-1] = levels[row].T
    last = np.flatnonzero(padded.any(axis=(1, 2))).max(initial=0)
    return Component(kind, steps, padded, int(last))


def as_block(steps: Steps) -> NDArray[np.int64]:
    """Return (64,) in the order of ZIGZAG as (8, 8)."""
    block = np.empty(NUM_FREQUENCIES, dtype=np.int64)
    block[ZIGZAG] = steps
    return block.reshape(SIDE, SIDE)
