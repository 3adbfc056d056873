"""Where an image has photographs among text and drawings, or windows and captions in a photograph.

What photographs on a page or a screen have in common is that hardly a pixel repeats its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.image import Samples
from pixelzip.mixed import MOST_PARTS
from pixelzip.tiles import Box

Flags = NDArray[np.bool_]
Shares = NDArray[np.floating]
Ground = Callable[[Shares], Flags]
"""Says of rows or columns, given their shares of changes, whether they lie beside a rectangle or in it."""

_CELL: Final = 8
"""Rows and columns of pixels that are judged together."""

_PHOTOGRAPHED: Final = 0.5 * _CELL**2
"""Of a photograph's cell so many pixels are unlike both neighbours; of a text's fewer."""

_DRAWN: Final = 0.7 * _CELL**2
"""Of something else's at most so many are unlike one of them: of 98 % of a photograph's more are."""

_MOST_OF_NINE: Final = 5
_LEAST_SHARE: Final = 0.5
"""Of a rectangle's cells are of its kind."""

_LEAST_SHARE_PLAIN: Final = 0.15
"""Of the cells of something else have one colour; a blurred background has none."""

_LEAST_SIDE: Final = 32
_MOST_COVERED: Final = 0.97
_MOST_CUTS: Final = 1024
_FEW_PLAIN: Final = 0.02
"""Where fewer cells have but one colour there is hardly anything but a photograph."""

_SAMPLE_STEP: Final = 8 * _CELL


def _is_plain(shares: Shares) -> Flags:
    result: Flags = shares <= 1 / 64
    return result


def _is_quiet(shares: Shares) -> Flags:
    """Take a shadow for ground, too."""
    result: Flags = shares <= 1 / 8
    return result


def _is_busy(shares: Shares) -> Flags:
    result: Flags = shares >= 1 / 2
    return result


def find(samples: Samples) -> list[Box]:
    """Return rectangles of (H, W, C) samples, apart from each other, that differ from the rest in kind: photographs
    among something else or, if there are none, something else in a photograph. Nothing: all is of one kind.
    """
    if min(samples.shape[:2]) < _LEAST_SIDE or _share_of_plain_cells(samples) < _FEW_PLAIN:
        return []
    is_new = _find_new(samples)
    is_photographed = _majority(_count(is_new[0] & is_new[1]) >= _PHOTOGRAPHED)
    photographs = _fitted(_cut(is_photographed), is_new, _is_plain, _is_quiet)
    if photographs:
        return photographs
    counts = _count(is_new[0] | is_new[1])
    windows = (
        box for box in _cut(_majority(counts <= _DRAWN)) if (counts[box.slices] == 0).mean() > _LEAST_SHARE_PLAIN
    )
    return _fitted(list(windows), is_new, _is_busy, _is_busy)


def _share_of_plain_cells(samples: Samples) -> float:
    """Look at every eighth row of cells."""
    tops = range(0, len(samples) - _CELL + 1, _SAMPLE_STEP)
    is_new = (np.logical_or(*_find_new(samples[top : top + _CELL])) for top in tops)
    return float(np.mean([_count(strip) == 0 for strip in is_new]))


def _find_new(samples: Samples) -> Flags:
    """Return which pixels are unlike the one to the left, and which unlike the one above, (2, H, W)."""
    is_new = np.zeros((2, *samples.shape[:2]), dtype=np.bool_)
    for channel in range(samples.shape[2]):
        plane = samples[..., channel]
        is_new[0, :, 1:] |= plane[:, 1:] != plane[:, :-1]
        is_new[1, 1:] |= plane[1:] != plane[:-1]
    return is_new


def _count(flags: Flags) -> NDArray[np.intp]:
    """Return how many flags of each cell are true; cells that are cut off at the right or bottom do not count."""
    rows, columns = (length // _CELL for length in flags.shape)
    cells = flags[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    result: NDArray[np.intp] = cells.sum(axis=(1, 3))
    return result


def _majority(cells: Flags) -> Flags:
    """Return of which cells most of the nine around and including them are true."""
    wide = np.pad(cells, 1)
    counts = np.zeros(cells.shape, dtype=np.uint8)
    for down, right in np.ndindex(3, 3):
        counts += wide[down : down + cells.shape[0], right : right + cells.shape[1]]
    result: Flags = counts >= _MOST_OF_NINE
    return result


def _cut(cells: Flags) -> list[Box]:
    """Cut at rows and columns without true cells until there are none; return what is left, in cells, unless it is
    small or has few; nothing if there is too much of it (an XY-cut: Nagy and Seth, "Hierarchical representation of
    optically scanned documents", 1984).
    """
    uncut, whole = [Box(0, 0, *cells.shape)], list[Box]()
    for _ in range(_MOST_CUTS):
        if not uncut:
            return whole if len(whole) < MOST_PARTS else []
        box = uncut.pop()
        part = cells[box.slices]
        rows, columns = (_runs(np.asarray(part.any(axis=axis))) for axis in (1, 0))
        if rows != [(0, box.height)] or columns != [(0, box.width)]:
            places = ((*row, *column) for row in rows for column in columns)
            uncut += [Box(box.top + top, box.left + left, end - top, right - left) for top, end, left, right in places]
        elif part.mean() >= _LEAST_SHARE and _CELL * min(part.shape) >= _LEAST_SIDE // 2:
            whole.append(box)
    return []


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """Return where each run of true flags starts and ends."""
    changes = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return list(zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True))


def _fitted(boxes: Sequence[Box], is_new: Flags, ground: Ground, otherwise: Ground) -> list[Box]:
    """Fit rectangles of cells to the ground around them, to another ground where they would reach the next; join what
    still overlaps. Return them in pixels, but for small ones; nothing if they cover nearly everything.
    """
    apart = list[Box]()
    exact = [Box(*(_CELL * length for length in (box.top, box.left, box.height, box.width))) for box in boxes]
    for index, box in enumerate(exact):
        fitted = _fit(box, is_new, ground)
        if any(fitted.meet(other) for other in (*exact[:index], *exact[index + 1 :])):
            fitted = _fit(box, is_new, otherwise)
        while overlapping := [other for other in apart if other.meet(fitted)]:
            apart = [other for other in apart if other not in overlapping]
            fitted = functools.reduce(Box.join, overlapping, fitted)
        apart.append(fitted)
    large = [box for box in apart if min(box.height, box.width) >= _LEAST_SIDE]
    covered = sum(box.height * box.width for box in large)
    return large if covered <= _MOST_COVERED * is_new[0].size else []


def _fit(box: Box, is_new: Flags, ground: Ground) -> Box:
    left, top, right, bottom = box.corners
    for _ in range(2):
        top, bottom = _ends(ground(is_new[0, :, left + 1 : right].mean(axis=1)), top, bottom)
        left, right = _ends(ground(is_new[1, top + 1 : bottom].mean(axis=0)), left, right)
    return Box(top, left, bottom - top, right - left)


def _ends(is_ground: Flags, start: int, end: int) -> tuple[int, int]:
    """Extend a range of lines to the nearest ground, and leave out those at its ends that are ground."""
    before, after = np.flatnonzero(is_ground[:start]), np.flatnonzero(is_ground[end:])
    first = int(before[-1]) + 1 if len(before) else 0
    last = end + int(after[0]) if len(after) else len(is_ground)
    others = first + np.flatnonzero(~is_ground[first:last])
    return (int(others[0]), int(others[-1]) + 1) if len(others) else (start, end)
