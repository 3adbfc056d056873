"""Colour lattices: conversions of 8-bit luma and chroma to RGB, exactly as decoders compute them, and their preimages.

Only a quarter or so of all RGB triples can come out of such a conversion. An image that did is best coded as the
planes it came from. ``to_rgb`` is normative (``docs/format.md``); ``find_planes`` may choose any planes that it maps to
the pixel.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
_Functions = tuple[Callable[[Pixels], Pixels], Callable[[Floats], Floats]]

_NEIGHBOURS: Final = sorted(
    (np.array(offset, dtype=np.float32) for offset in itertools.product(range(-2, 3), repeat=3)),
    key=lambda offset: float((offset**2).sum()),
)
"""Where preimages lie around the rounded inverse, nearest first."""

_CHUNK: Final = 2**14
"""Pixels converted at a time: what is made of them stays in a cache."""

_SHARE_CHUNK: Final = 2**12
"""Colours whose neighbours are all tried at once: 2 MB or so for each array."""

_NEAREST: Final = 27
"""The nearest neighbours, which are enough for nearly every colour that has not been clamped."""

_EXCESSES: Final = (4, 8, 12, 16, 20, 24, 32, 40, 56)
"""Levels by which a channel may have gone beyond 0 or 255, tried in this order."""


@dataclass(frozen=True)
class Conversion:
    """One conversion and its name.

    ``formula`` maps (n, 3) uint8 planes (luma, first chroma, second chroma) to (n, 3) uint8 RGB,
    exactly. ``estimate`` is the inverse without rounding, float32; it need not be the same on every machine.
    """

    identifier: int
    name: str
    formula: Callable[[Pixels], Pixels]
    estimate: Callable[[Floats], Floats]

    def to_rgb(self, planes: Pixels) -> Pixels:
        """Map (..., 3) uint8 planes to RGB."""
        triples = planes.reshape(-1, 3)
        pixels = [self.formula(triples[start : start + _CHUNK]) for start in range(0, len(triples), _CHUNK)]
        return np.concatenate(pixels).reshape(planes.shape)

    def find_planes(self, pixels: Pixels) -> tuple[Pixels, NDArray[np.int64]]:
        """Return planes of the shape (..., 3) of ``pixels`` and the flat indices of pixels they do not give back.

        Those pixels are off the lattice, or clamped colours whose preimages lie far away.
        """
        colours = pixels.reshape(-1, 3)
        starts = range(0, len(colours), _CHUNK)
        planes = np.concatenate([self._nearest(colours[start : start + _CHUNK]) for start in starts])
        missing = np.flatnonzero(differ(self.to_rgb(planes), colours))
        missing = missing[~self._try(colours, planes, missing, 0, _NEIGHBOURS[1:])]
        is_clamped = ((colours[missing] == 0) | (colours[missing] == 255)).any(axis=1)
        elsewhere, clamped = missing[~is_clamped], missing[is_clamped]
        for excess in _EXCESSES:
            clamped = clamped[~self._try(colours, planes, clamped, excess, _NEIGHBOURS[:_NEAREST])]
        return planes.reshape(pixels.shape), np.sort(np.concatenate((elsewhere, clamped)))

    def _nearest(self, colours: Pixels) -> Pixels:
        return _rounded(self.estimate(colours.astype(np.float32)).round())

    def share(self, colours: Pixels) -> float:
        """Return the share of (n, 3) colours that have a preimage next to the inverse."""
        starts = range(0, len(colours), _SHARE_CHUNK)
        found = [self._have_preimages(colours[start : start + _SHARE_CHUNK]) for start in starts]
        return float(np.concatenate(found).mean())

    def _have_preimages(self, colours: Pixels) -> NDArray[np.bool_]:
        centre = self.estimate(colours.astype(np.float32)).round()
        candidates = _rounded(centre + np.array(_NEIGHBOURS[:_NEAREST])[:, None])  # (27, n, 3)
        found: NDArray[np.bool_] = ~np.logical_and.reduce(differ(self.formula(candidates), colours))
        return found

    def _try(
        self, colours: Pixels, planes: Pixels, places: NDArray[np.int64], excess: int, neighbours: list[Floats]
    ) -> NDArray[np.bool_]:
        """Look for preimages of the colours at ``places``, put them into ``planes`` and return which were found.

        Channels at 0 or 255 are taken to have been clamped by ``excess``.
        """
        wanted = colours[places]
        outward = (wanted == 255).astype(np.float32) - (wanted == 0)
        centre = self.estimate(wanted + excess * outward).round()
        found, left = np.zeros(len(places), dtype=np.bool_), np.arange(len(places))
        for offset in neighbours:
            candidates = _rounded(centre[left] + offset)
            fits = ~differ(self.formula(candidates), wanted[left])
            planes[places[left[fits]]] = candidates[fits]
            found[left[fits]] = True
            left = left[~fits]
        return found


def differ(some: Pixels, others: Pixels) -> NDArray[np.bool_]:
    """Return which of (..., 3) colours are not the same: several times as fast as ``any`` over the last axis."""
    difference = some != others
    result: NDArray[np.bool_] = difference[..., 0] | difference[..., 1] | difference[..., 2]
    return result


def _rounded(values: Floats) -> Pixels:
    return values.clip(0, 255).astype(np.uint8)


def _jfif_to_rgb(planes: Pixels) -> Pixels:
    """JFIF 1.02 in libjpeg's 16-bit fixed point (jdcolor.c)."""
    luma, blue, red = (planes[..., channel] for channel in range(3))
    green = ((_JFIF_GREEN_OF_BLUE[blue] + _JFIF_GREEN_OF_RED[red]) >> 16).astype(np.int16)
    return _clamped(luma + _JFIF_RED[red], luma + green, luma + _JFIF_BLUE[blue])


def _jfif_estimate(colours: Floats) -> Floats:
    luma = colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    blue, red = (colours[..., 2] - luma) / 1.772, (colours[..., 0] - luma) / 1.402
    return np.stack((luma, 128 + blue, 128 + red), axis=-1)


def _photo_cd_to_rgb(planes: Pixels) -> Pixels:
    """Kodak Photo CD to RGB, in ten-thousandths, every term rounded down."""
    luma, first, second = (planes[..., channel].astype(np.int32) for channel in range(3))
    light, blue, red = 13584 * luma, 22179 * (first - 156), 18215 * (second - 137)
    green = light - 1940 * (blue // 10000) - 5090 * (red // 10000)
    return _clamped((light + red) // 10000, green // 10000, (light + blue) // 10000)


def _photo_cd_estimate(colours: Floats) -> Floats:
    middle = colours + np.float32(0.5)
    light = middle @ np.array([0.509, 1, 0.194], dtype=np.float32) / np.float32(1.703)
    first, second = (middle[..., 2] - light) / 2.2179, (middle[..., 0] - light) / 1.8215
    return np.stack((light / np.float32(1.3584), 156 + first, 137 + second), axis=-1)


def _swscale(luma: int, blue: int, red: int, green_of_blue: int, green_of_red: int, black: int) -> _Functions:
    """FFmpeg's conversion of 4:2:0 video (libswscale on x86): 13-bit gains, every product rounded down on its own."""
    light = ((8 * (np.arange(256) - black)) * luma >> 16).astype(np.int16)
    tables = [((8 * _CHROMA) * gain >> 16).astype(np.int16) for gain in (red, green_of_blue, green_of_red, blue)]

    def to_rgb(planes: Pixels) -> Pixels:
        level, first, second = light[planes[..., 0]], planes[..., 1], planes[..., 2]
        green = tables[1][first] + tables[2][second]
        return _clamped(level + tables[0][second], level + green, level + tables[3][first])

    gains = (blue, red, green_of_blue, green_of_red)
    return to_rgb, _inverse(gains, 8192, luma, black, middle=(1, 1.5, 1))


def _libyuv(luma: int, blue: int, red: int, green_of_blue: int, green_of_red: int, black: int) -> _Functions:
    """libyuv's conversion, which browsers use for video without a GPU: 6-bit gains, each channel rounded once."""
    light = ((257 * luma * np.arange(256) >> 16) + black).astype(np.int32)
    tables = [(gain * _CHROMA).astype(np.int32) for gain in (red, green_of_blue, green_of_red, blue)]

    def to_rgb(planes: Pixels) -> Pixels:
        level, first, second = light[planes[..., 0]], planes[..., 1], planes[..., 2]
        green = tables[1][first] + tables[2][second]
        return _clamped((level + tables[0][second]) >> 6, (level + green) >> 6, (level + tables[3][first]) >> 6)

    gain = 257 * luma / 65536
    gains = (blue, red, green_of_blue, green_of_red)
    return to_rgb, _inverse(gains, 64, gain, (0.5 - black) / gain, middle=(0.5, 0.5, 0.5))


def _inverse(
    gains: tuple[int, int, int, int], unit: int, luma: float, black: float, middle: tuple[float, float, float]
) -> Callable[[Floats], Floats]:
    """Invert gains of blue, red, green of blue and green of red, in 1/unit; ``middle`` is added to R, G, B."""
    blue, red, green_of_blue, green_of_red = gains

    def estimate(colours: Floats) -> Floats:
        middles = colours + np.array(middle, dtype=np.float32)
        share_of_blue, share_of_red = green_of_blue / blue, green_of_red / red
        weights = np.array([-share_of_red, 1, -share_of_blue], dtype=np.float32)
        level = middles @ weights / weights.sum()
        first, second = (middles[..., 2] - level) * (unit / blue), (middles[..., 0] - level) * (unit / red)
        return np.stack((level * (unit / luma) + black, 128 + first, 128 + second), axis=-1).astype(np.float32)

    return estimate


def _clamped(
    red: NDArray[np.signedinteger], green: NDArray[np.signedinteger], blue: NDArray[np.signedinteger]
) -> Pixels:
    return np.stack((red, green, blue), axis=-1).clip(0, 255).astype(np.uint8)


def _fixed(value: float) -> int:
    return int(value * 65536 + 0.5)


_CHROMA: Final = np.arange(-128, 128)
_JFIF_RED: Final = ((_fixed(1.40200) * _CHROMA + 32768) >> 16).astype(np.int16)
_JFIF_BLUE: Final = ((_fixed(1.77200) * _CHROMA + 32768) >> 16).astype(np.int16)
_JFIF_GREEN_OF_BLUE: Final = (-_fixed(0.34414) * _CHROMA + 32768).astype(np.int32)
_JFIF_GREEN_OF_RED: Final = (-_fixed(0.71414) * _CHROMA).astype(np.int32)

CONVERSIONS: Final = (
    Conversion(0, "JFIF", _jfif_to_rgb, _jfif_estimate),
    Conversion(1, "Photo CD", _photo_cd_to_rgb, _photo_cd_estimate),
    Conversion(2, "FFmpeg BT.601", *_swscale(9539, 16525, 13075, -3209, -6660, 16)),
    Conversion(3, "FFmpeg BT.601 full range", *_swscale(8192, 14516, 11485, -2819, -5850, 0)),
    Conversion(4, "FFmpeg BT.709", *_swscale(9539, 17305, 14686, -1747, -4366, 16)),
    Conversion(5, "FFmpeg BT.709 full range", *_swscale(8192, 15201, 12901, -1534, -3835, 0)),
    Conversion(6, "libyuv BT.601", *_libyuv(18997, 128, 102, -25, -52, -1160)),
    Conversion(7, "libyuv BT.601 full range", *_libyuv(16320, 113, 90, -22, -46, 32)),
    Conversion(8, "libyuv BT.709", *_libyuv(18997, 128, 115, -14, -34, -1160)),
    Conversion(9, "libyuv BT.709 full range", *_libyuv(16320, 119, 101, -12, -30, 32)),
)
"""Append-only: the identifier, which is the place in this list, stands in files."""
JFIF, PHOTO_CD = CONVERSIONS[:2]
