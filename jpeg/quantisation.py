"""Quantisation tables: the standard ones of every quality, and what a table was from the coefficients it has left."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.jpeg.transform import ZIGZAG
from pixelzip.models.coefficients import NUM_FREQUENCIES

Steps = NDArray[np.int32]
Floats = NDArray[np.float32]

MAX_STEP: Final = 255
QUALITIES: Final = range(1, 101)

_LUMA: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA: Final = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
_CHROMA_ELSE: Final = 99

_LARGE: Final = 1.6
"""Coefficients beyond it are not the rounding of levels alone."""

_MOST_COEFFICIENTS: Final = 400
_LEAST_COEFFICIENTS: Final = 3
_LEAST_LONE: Final = 4.0
"""Fewer coefficients than three count only beyond it."""

_NARROW: Final = 0.33
_WIDE: Final = 1.2
"""Standard deviations of what rounding levels does to coefficients, those of uneven and of smooth blocks."""

_SHARE_NARROW: Final = 0.8
_SHARE_WIDE: Final = 0.15
_SHARE_ELSEWHERE: Final = 0.05


def standard(is_luma: bool, quality: int) -> Steps:
    """Return a table of ITU-T T.81, annex K, scaled to a quality from 1 to 100 as libjpeg does, (64,) in zigzag."""
    base = np.full((8, 8), _CHROMA_ELSE, dtype=np.int32)
    base[:4, :4] = _CHROMA
    if is_luma:
        base = np.array(_LUMA, dtype=np.int32)
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps: Steps = ((base * percent + 50) // 100).clip(1, MAX_STEP).reshape(-1)[ZIGZAG]
    return steps


def candidates(coefficients: Floats, is_luma: bool) -> list[Steps]:
    """Return tables that (n, 64) coefficients in zigzag may be multiples of: the likeliest standard one, and any."""
    fits = [_log_likelihoods(coefficients[:, frequency]) for frequency in range(NUM_FREQUENCIES)]
    tables = [standard(is_luma, quality) for quality in QUALITIES]
    likeliest = max(tables, key=lambda table: sum(fit[step] for fit, step in zip(fits, table, strict=True)))
    own = np.array([1 + int(np.argmax(fit[1:])) if fit.any() else MAX_STEP for fit in fits], dtype=np.int32)
    return [likeliest] if np.array_equal(own, likeliest) else [likeliest, own]


def _log_likelihoods(coefficients: Floats) -> Floats:
    """Return, for every step from 0 to 255, how likely coefficients of one frequency are; zeros where nothing tells."""
    large = coefficients[np.abs(coefficients) > _LARGE][:_MOST_COEFFICIENTS]
    if len(large) < _LEAST_COEFFICIENTS and not (np.abs(large) > _LEAST_LONE).any():
        return np.zeros(MAX_STEP + 1, dtype=np.float32)
    steps = np.arange(1, MAX_STEP + 1, dtype=np.float32)[:, None]
    rest = large - steps * np.rint(large / steps)  # (255, n)
    density = _SHARE_NARROW * _normal(rest / _NARROW) / _NARROW + _SHARE_WIDE * _normal(rest / _WIDE) / _WIDE
    fits = np.full(MAX_STEP + 1, -np.inf, dtype=np.float32)
    fits[1:] = np.log(steps * density + _SHARE_ELSEWHERE).sum(axis=1)
    return fits


def _normal(values: Floats) -> Floats:
    result: Floats = np.exp(-0.5 * values**2) / np.sqrt(2 * np.pi)
    return result
