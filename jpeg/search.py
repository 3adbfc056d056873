"""Planes of an image that came out of a JPEG -> the levels that were in it. The encoder's part: no file depends on it.

A decoder rounds coefficients to samples and these to pixels, so that coefficients of what it gave lie near multiples of
the steps. Samples that nobody knows, where colours were clamped or blocks reach beyond the image, are guessed from the
levels found so far, and the levels again from them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.levels import Component, as_block, to_component
from pixelzip.jpeg.planes import Source, to_pixels
from pixelzip.jpeg.quantisation import Steps, candidates
from pixelzip.jpeg.refinement import improve_doubtful, improve_edges, improve_interpolated, improve_partial
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.jpeg.transform import SIDE, ZIGZAG, forward, inverse, padded, to_blocks
from pixelzip.models.coefficients import NUM_FREQUENCIES
from pixelzip.threads import in_threads

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_SEARCHED: Final = SAMPLINGS[:3]
"""Those that are common."""

_PERIOD: Final = 2 * SIDE
_REGION: Final = 512
"""Rows and columns, at most, that tables and sampling are found in."""

_MOST_WRONG: Final = 0.125
"""Share of known samples that may come out wrong with the right tables, when levels are rounded one by one."""

_BITS_OF_WRONG: Final = 10
"""Bits, about, that a sample costs which comes out wrong."""

_LEAST_BLOCKS: Final = 16
"""Blocks without a clamped colour that tables are found in."""

_BAND_PIXELS: Final = 2**18
"""Pixels, about, that are solved at a time: what is made of them stays in a cache."""

_MARGIN: Final = _PERIOD
"""Rows above and below a band that are solved with it, and again with their own."""

_NUM_ROUNDS: Final = 10
"""Guesses, at most, of unknown samples."""

_WORTH_A_ROUND: Final = 0.95
"""A round that leaves more of the wrong pixels wrong is the last."""

_WHOLE: Final = np.full((SIDE, SIDE), True)
_GREY: Final = np.array([0, 128, 128], dtype=np.float32)
_RGB_OF_PLANES: Final = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], dtype=np.float32)
"""JFIF without rounding: RGB of luma and of chroma less 128."""


@dataclass(frozen=True, eq=False)
class Tables:
    """What a JPEG's header says: how chroma is sampled, and the steps (64,) of luma and of chroma, if there is any."""

    sampling: Sampling
    steps: tuple[Steps, ...]

    def samplings(self) -> list[Sampling]:
        """Return the sampling of every component."""
        return [SAMPLINGS[0], self.sampling, self.sampling][: 2 * len(self.steps) - 1]


@dataclass(frozen=True, eq=False)
class _Solved:
    """Levels (R, C, 8, 8) of a component, and the samples (8 R, 8 C) that they give."""

    levels: Integers
    samples: Pixels


def find(
    image: Source, cut: tuple[int, int], num_threads: int | None, tables: Tables | None
) -> tuple[Sampling, list[Component]] | None:
    """Find the JPEG that pixels came from: its sampling and its components. Some pixels may come out wrong.

    Planes, (H, W, 3) or, of a grey image, (H, W, 1), must be those that were decoded where no channel of a pixel is at
    an end. So many rows and columns as ``cut`` says were cut off at the top and the left: they are of no account.
    Where ``tables`` are known they are not looked for.
    """
    tables = tables or _find_tables(image, num_threads)
    if tables is None:
        return None
    num_rows = max(_PERIOD, _BAND_PIXELS // image.pixels.shape[1] // _PERIOD * _PERIOD)
    solve = functools.partial(_solve_band, image, tables, cut, num_rows)
    bands = in_threads(solve, range(0, len(image.pixels), num_rows), num_threads)
    components = [
        to_component(kind, tables.steps[min(kind, 1)], np.concatenate([levels[kind] for levels in bands]))
        for kind in range(image.planes.shape[2])
    ]
    return tables.sampling, components


def _find_tables(image: Source, num_threads: int | None) -> Tables | None:
    some = image.part(*(slice(start, start + _REGION) for start in map(_middle, image.is_inside.shape)))
    parts = [(SAMPLINGS[:1], some.planes[..., :1]), (_SEARCHED, some.planes[..., 1:])][: some.planes.shape[2]]
    luma, *chroma = in_threads(lambda part: _best(*part, some.is_known), parts, num_threads)
    if luma is None or not chroma:
        return luma
    return chroma[0] and Tables(chroma[0].sampling, luma.steps + chroma[0].steps)


def _middle(length: int) -> int:
    return max(0, length - _REGION) // 2 // _PERIOD * _PERIOD


def _best(samplings: Sequence[Sampling], planes: Pixels, is_known: Mask) -> Tables | None:
    """Return sampling and steps of planes with one table: those that make the least of them, if nearly all is right."""
    tried = []
    for sampling in samplings:
        coefficients = [forward(padded(sampling.down(plane))) for plane in _floats(planes)]
        is_whole = to_blocks(_completed_mask(sampling.all_in(is_known))).all(axis=(2, 3))
        if is_whole.sum() < _LEAST_BLOCKS:
            return None
        some = np.concatenate([part[is_whole] for part in coefficients]).reshape(-1, NUM_FREQUENCIES)[:, ZIGZAG]
        for steps in candidates(some, is_luma=planes.shape[2] == 1):
            levels = [np.rint(part / as_block(steps)).astype(np.int64) for part in coefficients]
            given = [sampling.up(inverse(part * as_block(steps)), *is_known.shape) for part in levels]
            wrong = float((np.stack(given, axis=2) != planes)[is_known].mean())
            bits = sum(float(np.log2(1 + 3 * np.abs(part)).sum()) for part in levels)
            tried.append((bits + _BITS_OF_WRONG * wrong * planes.size, wrong, Tables(sampling, (steps,))))
    _, wrong, tables = min(tried, key=lambda trial: trial[0])
    return None if wrong > _MOST_WRONG else tables


def _floats(planes: Pixels) -> Floats:
    return planes.transpose(2, 0, 1).astype(np.float32)


def _solve_band(
    image: Source, tables: Tables, cut: tuple[int, int], num_rows: int, top: int
) -> list[NDArray[np.int16]]:
    """Return the levels of a band of rows, (R, C, 8, 8) for each component."""
    start = max(0, top - _MARGIN)
    some = image.part(slice(start, top + num_rows + _MARGIN), slice(None))
    parts = []
    solved = _solve(some, tables, (0 if start else cut[0], cut[1]))
    for sampling, part in zip(tables.samplings(), solved, strict=True):
        first, num_blocks = (length // (SIDE * sampling.rows) for length in (top - start, num_rows))
        parts.append(part[first : first + num_blocks].astype(np.int16))
    return parts


def _solve(image: Source, tables: Tables, cut: tuple[int, int]) -> list[Integers]:
    """Return levels: of all rounds those by which the fewest pixels come out wrong."""
    is_known, fixed = image.is_known, _floats(image.planes)
    is_certain = is_known.all() and not any(length % _PERIOD for length in is_known.shape)
    solved, given = _round(fixed, is_known, None, tables, cut)
    fewest = image.num_wrong(to_pixels(given))
    for _ in range(0 if is_certain or not fewest else _NUM_ROUNDS):
        moved = np.where(image.is_inside[..., None], _moved(given, image), given)
        wanted = np.where(is_known, fixed, moved.transpose(2, 0, 1))
        others, given = _round(wanted, is_known, solved, tables, cut)
        num_wrong = image.num_wrong(to_pixels(given))
        if num_wrong < fewest:
            solved = others
        if not num_wrong or num_wrong > _WORTH_A_ROUND * fewest:
            break
        fewest = num_wrong
    return [part.levels for part in solved]


def _round(
    wanted: Floats, is_known: Mask, before: list[_Solved] | None, tables: Tables, cut: tuple[int, int]
) -> tuple[list[_Solved], Pixels]:
    """Solve (C, H, W) planes; return what their components are and the planes (H, W, C) that they give."""
    solved, given = list[_Solved](), []
    for index, sampling in enumerate(tables.samplings()):
        block = as_block(tables.steps[min(index, 1)])
        samples = _completed(sampling.down(wanted[index]), before[index].samples if before else None)
        levels = np.rint(forward(samples) / block).astype(np.int64)
        known = _completed_mask(sampling.all_in(is_known))
        is_open = ~to_blocks(known).all(axis=(2, 3)) if before else np.full(levels.shape[:2], True)
        if before:
            levels[~is_open] = before[index].levels[~is_open]
        else:
            improve_partial(levels, block, samples, known)
            improve_edges(levels, block, samples, sampling.size(*cut), sampling.size(*is_known.shape))
        if sampling is SAMPLINGS[0]:
            improve_doubtful(levels, block, samples, known & np.kron(is_open, _WHOLE))
        elif not before:
            improve_interpolated(levels, block, samples, wanted[index], is_known, sampling)
        solved.append(_Solved(levels, inverse(levels * block)))
        given.append(sampling.up(solved[-1].samples, *is_known.shape))
    return solved, np.stack(given, axis=2)


def _completed(samples: Floats, guess: Pixels | None) -> Floats:
    """Complete blocks that reach beyond the image, with a guess if there is one."""
    complete = padded(samples)
    if guess is not None:
        height, width = samples.shape
        complete[height:], complete[:, width:] = guess[height:], guess[:, width:]
    return complete


def _completed_mask(mask: Mask) -> Mask:
    """Add rows and columns that are not set until there are whole blocks."""
    return np.pad(mask, [(0, -length % SIDE) for length in mask.shape])


def _moved(planes: Pixels, image: Source) -> Floats:
    """Move planes to where they give the pixels; clamped channels only if they are not beyond the ends."""
    grey = _GREY[: planes.shape[2]]
    matrix = _RGB_OF_PLANES[:, : planes.shape[2]]
    given = ((planes - grey) @ matrix.T).astype(np.float32)
    wanted = np.where(image.are_beyond(given, 0.5), given, image.pixels)
    moved: Floats = wanted @ np.linalg.pinv(matrix).T.astype(np.float32) + grey
    return moved
