"""A picture -> what it was before a curve spread its levels apart or derived it, and the tables of that curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import lattice
from pixelzip.container import LATTICE_MODES
from pixelzip.image import PALETTE, Picture, Samples
from pixelzip.tone_alignment import align
from pixelzip.tones import SMALL_LEVELS, Table, Tones, in_strips, packed

_LEAST_PIXELS: Final = 64 * 64
"""In smaller images levels are missing by chance."""

_LEAST_SAVED: Final = 0.04
"""Bits for each sample; in photographs that no curve has touched chance saves less."""

_SHARED: Final = 0.9
"""Share of that which a table for all colours must save, for channels keep their differences in it."""

_LEAST_STEP: Final = 3
_MOST_LEVELS: Final = 2**16
_NEIGHBOURS: Final = 8
"""Levels to either side over which their distance is averaged."""

_FEW_PIXELS: Final = 2**13
_SAMPLED_PIXELS: Final = 2**17
_MOST_COLOURS: Final = 256
_MOST_TURNS: Final = 2.0
"""Colours are a curve if channels rise and fall along it by so many times what they differ by."""


def find(picture: Picture) -> tuple[Picture, Tones] | None:
    """Return a picture without gaps, and the tables that restore it, where that promises to cost less; no metadata."""
    height, width, num_channels = picture.samples.shape
    if picture.mode.name == "1" or height * width < _LEAST_PIXELS:
        return None
    tones = _curve(picture) if num_channels > 1 or picture.mode.name == "P" else None
    if tones is None and picture.mode.name != "P":
        tones = _gaps(picture)
    if tones is None or _is_on_a_lattice(picture):
        return None
    if tones.mode.name in LATTICE_MODES:
        tones = align(tones, tones.undo(picture.samples))
    return Picture(tones.mode, tones.undo(picture.samples)), tones


def _is_on_a_lattice(picture: Picture) -> bool:
    """Return whether planes of a lattice say it better: black and white of video is spread apart, too."""
    return picture.mode.name in LATTICE_MODES and lattice.find(picture.samples[..., :3].astype(np.uint8)) is not None


def _curve(picture: Picture) -> Tones | None:
    """Number the colours of an image of few from dark to light, if channels hardly turn on the way."""
    for samples in (_some_rows(picture.samples, _FEW_PIXELS), picture.samples):
        entries = _colours(samples)
        if len(entries) > _MOST_COLOURS:
            return None
    seen = _seen(picture, entries)[:, :3].astype(np.float64)
    order = np.argsort(seen.sum(axis=1), kind="stable")
    turns, range_of_all = np.abs(np.diff(seen[order], axis=0)).sum(), np.ptp(seen, axis=0).sum()
    if not 0 < turns <= _MOST_TURNS * range_of_all:
        return None
    counts = [int((picture.samples == entries[order[end]]).all(axis=2).sum()) for end in (0, -1)]
    return Tones((Table(_first(len(entries), *counts), entries[order]),))


def _gaps(picture: Picture) -> Tones | None:
    """Leave out the levels that no pixel of a channel has, if these lie among those that many have."""
    num_colours = picture.mode.component_channels[0]
    sample = _some_rows(picture.samples, _SAMPLED_PIXELS)
    if _bits_saved([_counts(sample[..., place]) for place in range(num_colours)]) < _LEAST_SAVED * sample.size:
        return None
    counts = [_counts(picture.samples[..., place]) for place in range(picture.mode.num_channels)]
    colours = counts[:num_colours]
    saved, shared = _bits_saved(colours), np.sum(colours, axis=0)
    if _bits_saved(colours, shared) > _SHARED * saved:
        counts[:num_colours] = [shared] * num_colours
    dtype = picture.samples.dtype
    tones = Tones(tuple(_even_table(np.flatnonzero(some), dtype) or _table(some, dtype) for some in counts))
    return tones if saved - 8 * len(tones.deflated) >= _LEAST_SAVED * picture.samples.size else None


def _even_table(used: NDArray[np.int64], dtype: np.dtype[Any]) -> Table | None:
    """Number levels that are multiples of a step, or slightly more, by their multiple, whether all are used or not."""
    distances = np.diff(used, prepend=0)
    step = int(distances[1:].min(initial=_MOST_LEVELS))
    multiples, left = np.divmod(distances, step)
    if step < _LEAST_STEP or (left > multiples).any():
        return None
    places = multiples.cumsum()
    entries = np.interp(np.arange(places[0], places[-1] + 1), places, used).round()
    return Table(int(places[0]), entries.astype(dtype)[:, None])


def _table(counts: NDArray[np.int64], dtype: np.dtype[Any]) -> Table:
    """Number the levels that are used, so that the end where more pixels were clamped is an end of 8 bits, too."""
    used = np.flatnonzero(counts)
    return Table(_first(len(used), *counts[used[[0, -1]]]), used.astype(dtype)[:, None])


def _first(num_entries: int, num_lowest: int, num_highest: int) -> int:
    return max(0, SMALL_LEVELS - num_entries) if num_highest > num_lowest else 0


def _colours(samples: Samples) -> Samples:
    """Return the different colours of (H, W, channels), (n, channels), or some of them where there are too many."""
    different = np.empty(0, dtype=np.uint64)
    for strip in in_strips(samples):
        different = np.union1d(different, packed(strip))
        if len(different) > _MOST_COLOURS:
            break
    shifts = 16 * np.arange(samples.shape[2] - 1, -1, -1, dtype=np.uint64)
    colours: Samples = (different[:, None] >> shifts & np.uint64(0xFFFF)).astype(samples.dtype)
    return colours


def _seen(picture: Picture, entries: Samples) -> Samples:
    """Return what entries look like, (n, channels): palette indices are looked up."""
    palette = next((data for kind, data in picture.blocks if kind == PALETTE), b"")
    if picture.mode.name != "P":
        return entries
    name, _, colours = palette.partition(b"\0")
    table = np.zeros((_MOST_COLOURS, max(1, len(name))), dtype=np.uint8)
    known = np.frombuffer(colours, dtype=np.uint8)[: table.size]
    table.reshape(-1)[: len(known)] = known
    return table[entries[:, 0]]


def _some_rows(samples: Samples, num_pixels: int) -> Samples:
    """Return rows that have about so many pixels."""
    return samples[:: max(1, samples.shape[0] * samples.shape[1] // num_pixels)]


def _counts(levels: Samples) -> NDArray[np.int64]:
    """Return how many pixels have each level, (256,) or (65536,)."""
    counts = np.zeros(1 << 8 * levels.itemsize, dtype=np.int64)
    for strip in in_strips(levels):
        counts += np.bincount(strip.reshape(-1), minlength=len(counts))
    return counts


def _bits_saved(counts: Sequence[NDArray[np.int64]], of_all: NDArray[np.int64] | None = None) -> float:
    """Estimate the bits that channels cost more for the gaps among their levels, or those of all channels."""
    saved = 0.0
    for some in counts:
        used = np.flatnonzero(some if of_all is None else of_all)
        places, last = np.arange(len(used)), len(used) - 1
        low, high = np.maximum(places - _NEIGHBOURS, 0), np.minimum(places + _NEIGHBOURS, last)
        distances = (used[high] - used[low]) / np.maximum(high - low, 1)
        saved += float((some[used] * np.log2(np.maximum(distances, 1))).sum())
    return saved
