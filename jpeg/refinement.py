"""Levels that are nearly right -> levels by which fewer samples come out wrong."""

from __future__ import annotations

import functools
import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.sampling import Sampling
from pixelzip.jpeg.transform import (
    CENTRE,
    SIDE,
    backward,
    cosines,
    forward,
    inverse,
    products,
    squares,
    to_blocks,
)
from pixelzip.models.coefficients import NUM_FREQUENCIES

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_NUM_DOUBTFUL: Final = 4
"""Levels of a block that are tried both ways."""

_LEAST_WRONG: Final = 0.002
"""Share of pixels that must be wrong for levels of interpolated samples to be tried the other way."""

_NUM_CHANGES: Final = 64
"""Changes, at most, of a block's levels one by one."""

_LEAST_GAIN: Final = 0.5
"""How much less the sum of squared errors must be for a change."""

_MOST_MOVED: Final = 3
"""Levels of a column that are changed together, by one each."""

_COST_OF_MOVE: Final = 0.02
"""Squared error that a change of one level must be worth."""


def improve_doubtful(levels: Integers, block: Integers, samples: Floats, is_known: Mask) -> None:
    """Try the most doubtful levels (R, C, 8, 8) both ways, in blocks of which known samples come out wrong.

    ``samples`` and ``is_known`` are (8 R, 8 C).
    """
    wanted, known = to_blocks(samples), to_blocks(is_known)
    wrong = _num_wrong(levels, block, wanted, known)
    places = np.nonzero(wrong)
    nearest, fewest = levels[places], wrong[places]  # (n, 8, 8), (n,)
    wanted, known = wanted[places][:, None], known[places][:, None]  # (n, 1, 8, 8)
    doubt = (products(wanted[:, 0] - np.float32(CENTRE)) / block - nearest).reshape(-1, NUM_FREQUENCIES)
    doubtful = np.argsort(-np.abs(doubt), axis=1)[:, :_NUM_DOUBTFUL]
    turns = np.sign(np.take_along_axis(doubt, doubtful, axis=1)).astype(np.int64)
    best = nearest.copy()
    for chosen in itertools.product((0, 1), repeat=_NUM_DOUBTFUL):
        changes = np.zeros(doubt.shape, dtype=np.int64)
        np.put_along_axis(changes, doubtful, turns * chosen, axis=1)
        trial = nearest + changes.reshape(nearest.shape)
        num_wrong = _num_wrong(trial[:, None], block, wanted, known)[:, 0]
        is_better = num_wrong < fewest
        best[is_better], fewest[is_better] = trial[is_better], num_wrong[is_better]
    levels[places] = best


def _num_wrong(levels: Integers, block: Integers, wanted: Floats, known: Mask) -> NDArray[np.intp]:
    """Return how many known samples of every block (R, C, 8, 8) come out wrong, (R, C)."""
    is_wrong = (to_blocks(inverse(levels * block)) != wanted) & known
    num_wrong: NDArray[np.intp] = is_wrong.sum(axis=(2, 3))
    return num_wrong


def improve_interpolated(
    levels: Integers, block: Integers, samples: Floats, wanted: Floats, is_known: Mask, sampling: Sampling
) -> None:
    """Try the most doubtful levels (R, C, 8, 8) the other way, one of every block at a time.

    ``samples`` are (8 R, 8 C); ``wanted`` and ``is_known`` (H, W) are what becomes of them. Blocks next to each other
    take turns, because they share what lies between them.
    """
    wrong = _wrong_around(levels, block, wanted, is_known, sampling)
    if wrong.sum() < _LEAST_WRONG * wanted.size:
        return
    doubt = (forward(samples) / block - levels).reshape(*wrong.shape, NUM_FREQUENCIES)
    doubtful = np.argsort(-np.abs(doubt), axis=2)[..., :_NUM_DOUBTFUL]  # (R, C, _NUM_DOUBTFUL)
    turns = np.sign(np.take_along_axis(doubt, doubtful, axis=2)).astype(np.int64)
    row, column = np.indices(wrong.shape)
    for rank, *turn in itertools.product(range(_NUM_DOUBTFUL), range(2), range(2)):
        places = np.nonzero((row % 2 == turn[0]) & (column % 2 == turn[1]) & (wrong > 0))
        trial = levels.copy()
        frequency = doubtful[..., rank][places]
        trial[(*places, frequency // SIDE, frequency % SIDE)] += turns[..., rank][places]
        others = _wrong_around(trial, block, wanted, is_known, sampling)
        is_better = others[places] < wrong[places]
        better = tuple(indices[is_better] for indices in places)
        levels[better] = trial[better]
        wrong = _wrong_around(levels, block, wanted, is_known, sampling)


def _wrong_around(
    levels: Integers, block: Integers, wanted: Floats, is_known: Mask, sampling: Sampling
) -> NDArray[np.intp]:
    """Return how many known pixels (H, W) of each block's come out wrong, (R, C)."""
    is_wrong = (sampling.up(inverse(levels * block), *wanted.shape) != wanted) & is_known
    rows, columns = SIDE * sampling.rows, SIDE * sampling.columns
    padded = np.pad(is_wrong, ((0, -wanted.shape[0] % rows), (0, -wanted.shape[1] % columns)))
    in_columns = padded.reshape(len(levels), rows, -1).sum(axis=1, dtype=np.uint8)  # (R, W): whole rows are added fast
    num_wrong: NDArray[np.intp] = in_columns.reshape(len(levels), -1, columns).sum(axis=2, dtype=np.intp)
    return num_wrong


def improve_partial(levels: Integers, block: Integers, samples: Floats, is_known: Mask) -> None:
    """Change levels (R, C, 8, 8) of blocks of which some samples are known one by one, while these come out better.

    Mallat, Zhang, "Matching pursuits with time-frequency dictionaries" (1993), with steps for coefficients.
    """
    known = to_blocks(is_known)
    places = np.nonzero(known.any(axis=(2, 3)) & ~known.all(axis=(2, 3)))
    weights = known[places].astype(np.float32)  # (n, 8, 8)
    wanted, found = to_blocks(samples)[places] - np.float32(CENTRE), levels[places]
    steps = block.astype(np.float32)
    costs = steps**2 * squares(weights)
    left = np.arange(len(found))
    for _ in range(_NUM_CHANGES):
        rest = weights[left] * (wanted[left] - backward(found[left] * steps))
        along = products(rest)
        gains = (2 * steps * np.abs(along) - costs[left]).reshape(-1, NUM_FREQUENCIES)
        best = gains.argmax(axis=1)
        is_better = gains.max(axis=1, initial=0) > _LEAST_GAIN
        left, best = left[is_better], best[is_better]
        if not len(left):
            break
        signs = np.sign(along.reshape(-1, NUM_FREQUENCIES)[is_better, best]).astype(np.int64)
        found[left, best // SIDE, best % SIDE] += signs
    levels[places] = found


def improve_edges(
    levels: Integers, block: Integers, samples: Floats, start: tuple[int, int], end: tuple[int, int]
) -> None:
    """Change levels (R, C, 8, 8) of rows and columns of blocks that (row, column) ``start`` or ``end`` goes through.

    What lies before the one and from the other on is not known.
    """
    wanted = to_blocks(samples) - np.float32(CENTRE)
    (top, left), (bottom, right) = start, end
    for places, rows in _edges(top, bottom):
        levels[places] = _with_rows(levels[places], block, wanted[places], rows)
    turned = levels.transpose(1, 0, 3, 2), block.T, wanted.transpose(1, 0, 3, 2)
    for places, columns in _edges(left, right):
        turned[0][places] = _with_rows(turned[0][places], turned[1], turned[2][places], columns)


def _edges(start: int, end: int) -> list[tuple[int, slice]]:
    """Return the places of blocks that are known in part between two rows, and which of their rows are."""
    edges = [(start // SIDE, slice(start % SIDE, SIDE)), (end // SIDE, slice(0, end % SIDE))]
    return [edge for edge, row in zip(edges, (start, end), strict=True) if row % SIDE]


def _with_rows(levels: Integers, block: Integers, wanted: Floats, rows: slice) -> Integers:
    """Return levels (n, 8, 8) that come nearer to blocks (n, 8, 8) of which some rows are known.

    After the transform along rows every column is a problem of its own: a few equations for eight whole numbers.
    """
    levels = levels.copy()
    basis = cosines()[:, rows]  # (frequencies, rows)
    rest = (wanted - backward((levels * block).astype(np.float32)))[:, rows] @ cosines().T  # (n, rows, columns)
    moves = _moves()
    price = _COST_OF_MOVE * np.abs(moves).sum(axis=1)
    for column in range(SIDE):
        effects = (moves * block[:, column]).astype(np.float32) @ basis  # (moves, rows)
        costs = np.square(effects).sum(axis=1) + price
        left = np.arange(len(levels))
        for _ in range(_NUM_CHANGES):
            best = (costs - 2 * rest[left, :, column] @ effects.T).argmin(axis=1)
            left, best = left[best > 0], best[best > 0]
            if not len(left):
                break
            levels[left, :, column] += moves[best]
            rest[left, :, column] -= effects[best]
    return levels


@functools.cache
def _moves() -> Integers:
    """Return all changes of at most three of eight levels by one, (n, 8); the first is none."""
    moves = [np.zeros(SIDE, dtype=np.int64)]
    for num_moved in range(1, _MOST_MOVED + 1):
        for places in itertools.combinations(range(SIDE), num_moved):
            for signs in itertools.product((-1, 1), repeat=num_moved):
                move = np.zeros(SIDE, dtype=np.int64)
                move[list(places)] = signs
                moves.append(move)
    return np.array(moves)
