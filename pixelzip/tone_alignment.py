"""Tables of three channels -> tables that begin elsewhere, so that colours lie on a lattice again.

Where each channel was stretched to its own ends, as some programs do, its table leaves open how far apart the channels
were. Pixels that came out of a JPEG tell.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.image import Samples
from pixelzip.models.conversion import JFIF
from pixelzip.tones import SMALL_LEVELS, Table, Tones

_LUMAS: Final = (64, 128, 192)
"""From these, chroma of every kind gives colours that are not clamped."""

_MIDDLE: Final = 1024
"""Where no difference is in a table of them: beyond all that there are, also when they are moved."""

_SAMPLED_COLOURS: Final = 512
_LEAST_SHARE: Final = 0.9
"""Of sampled colours that must lie on the lattice; a quarter does by chance."""

_AS_GOOD: Final = 1e-4
"""Share of colours for which tables are moved by one level more; some 35 levels of chroma further much is alike."""

_LEAST_ENTRIES: Final = 16
_MOST_BENT: Final = 2.0
"""Levels by which a straight line may be missed: they were rounded, and some do not occur."""


def align(tones: Tones, samples: Samples) -> Tones:
    """Return tables that put samples without gaps onto JFIF's lattice, or those that there are if none do.

    ``samples``, (H, W, C), are what the first three of the tables given, of 8 bits, are for.
    """
    red, green, blue = tones.tables[:3]
    colours = _unclamped(tones, samples)
    if len(colours) == 0:
        return tones
    reds, blues = (_distances(table, green) for table in (red, blue))
    on_lattice, middle = _differences(), _MIDDLE + colours[:, 0] - colours[:, 1]
    rows = _MIDDLE + colours[:, 2] - colours[:, 1] + blues[:, None]  # (distances of blue, colours)
    shares = np.array([on_lattice[middle + distance, rows].mean(axis=1) for distance in reds])
    nearness = -_AS_GOOD * (np.abs(reds)[:, None] + np.abs(blues))
    best = np.unravel_index((shares + nearness).argmax(), shares.shape)
    if shares[best] < _LEAST_SHARE:
        return tones
    return _moved(tones, int(reds[best[0]]), int(blues[best[1]]))


def proportional(tones: Tones) -> Tones:
    """Return tables, moved alike, that begin where the lightness that they give begins at nothing, or those given.

    So do curves that only make lighter. What lies at an end may have been clamped, and tells nothing.
    """
    moved = [table for table in map(_from_nothing, tones.tables) if table]
    if len({after.first - before.first for after, before in zip(moved, tones.tables, strict=False)}) != 1:
        return tones
    return Tones(tuple(moved)) if len(moved) == len(tones.tables) else tones


def _from_nothing(table: Table) -> Table | None:
    inner = table.entries[1:-1, 0].astype(np.float64)
    if table.entries.shape[1] > 1 or len(inner) < _LEAST_ENTRIES:
        return None
    slope = (inner[-1] - inner[0]) / (len(inner) - 1)
    first = round(inner.mean() / slope - (len(table.entries) - 1) / 2)
    is_straight = np.abs(slope * (first + 1 + np.arange(len(inner))) - inner).max() <= _MOST_BENT
    return replace(table, first=first) if is_straight and 0 <= first <= SMALL_LEVELS - len(table.entries) else None


def _unclamped(tones: Tones, samples: Samples) -> NDArray[np.int32]:
    """Return numbers of entries, (colours, 3), of some pixels with no channel at an end of its table."""
    pixels = samples[..., :3].reshape(-1, 3)
    numbers = pixels[:: max(1, len(pixels) // (4 * _SAMPLED_COLOURS))].astype(np.int32)
    numbers -= [table.first for table in tones.tables[:3]]
    is_inside = (numbers > 0) & (numbers < [len(table.entries) - 1 for table in tones.tables[:3]])
    return numbers[is_inside.all(axis=1)][:_SAMPLED_COLOURS]


def _distances(table: Table, green: Table) -> NDArray[np.int64]:
    """Return how far after the table of green another one may begin."""
    return np.arange(len(green.entries) - SMALL_LEVELS, SMALL_LEVELS - len(table.entries) + 1)


@functools.cache
def _differences() -> NDArray[np.bool_]:
    """Return which red less green goes with which blue less green on the lattice: both depend on chroma alone."""
    planes = np.stack(np.meshgrid(_LUMAS, np.arange(256), np.arange(256)), axis=-1).reshape(-1, 3)
    colours = JFIF.to_rgb(planes.astype(np.uint8)).astype(np.int32)
    red, green, blue = colours[((colours > 0) & (colours < 255)).all(axis=1)].T
    found = np.zeros((2 * _MIDDLE, 2 * _MIDDLE), dtype=np.bool_)
    found[_MIDDLE + red - green, _MIDDLE + blue - green] = True
    return found


def _moved(tones: Tones, red: int, blue: int) -> Tones:
    """Let the tables of red and blue begin so far after that of green, which keeps to its end of 8 bits."""
    tables, distances = tones.tables[:3], (red, 0, blue)
    lowest = max(-distance for distance in distances)
    highest = min(SMALL_LEVELS - len(table.entries) - away for table, away in zip(tables, distances, strict=True))
    if lowest > highest:
        return tones
    first = highest if tables[1].first else lowest
    moved = (replace(table, first=first + away) for table, away in zip(tables, distances, strict=True))
    return Tones((*moved, *tones.tables[3:]))
