"""Stage 2 of 7: RGB on a colour lattice <-> the planes it came from, and corrections for pixels that are off it.

An image that was once 8-bit luma and chroma holds only RGB triples that the conversion can give, 13 to 26 % of all.
Its planes say the same in fewer bits, and chroma that was stored at half resolution is nearly free.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pixelzip.errors import CorruptFile
from pixelzip.models.config import PLANES_PERIOD
from pixelzip.models.conversion import CONVERSIONS, JFIF, Conversion, differ
from pixelzip.tiles import Box

Pixels = NDArray[np.uint8]

_MOST_CORRECTED: Final = 16
"""At most one pixel in so many may be off the lattice."""

_CORRECTION_BYTES: Final = 7
"""Bytes of one correction before they are deflated: four of the gap, three of the difference."""

GRID: Final = PLANES_PERIOD
"""Rows and columns after which JPEG's blocks repeat when chroma is halved."""

_MOST_SEARCHED: Final = 1024
"""Rows and columns in which the grid is looked for."""

_NUM_BLOCKS: Final = 256
"""Blocks, about, that are transformed for each place where the grid may start."""

_MORE_ZEROS: Final = 0.05
"""Share of zeros that blocks of JPEG have beyond others; without JPEG it is about 0.01, at quality 98 0.1."""

_NUM_SAMPLES: Final = 8192
"""Pixels, about, whose colours are looked at."""

_NUM_COLOURS: Final = 512
"""Distinct colours, at least if there are so many, that are tried against every conversion."""

_LEAST_COLOURS: Final = 64
"""Fewer distinct colours may lie on a lattice by chance."""

_LEAST_CHROMA: Final = 8
"""Levels between the largest and the smallest channel of a colour that is not near grey."""

_LEAST_SHARE: Final = 0.9
"""Share of the colours tried that must have a preimage; a quarter has one by chance."""

_SAMPLE_STEP: Final = 8
"""Rows and columns between pixels that are looked at before all are,"""

_LEAST_SAMPLES: Final = 1024
"""if there are so many of them."""

_LEAST_SHARE_OF_FEW: Final = 0.6
"""The same among 64 to 127 of the colours, which tell without the rest that a conversion is none."""


@dataclass(frozen=True)
class Lattice:
    """How an image's RGB follows from its planes.

    ``origin`` is the (row, column) of the 16x16 grid of JPEG at which the image starts: not (0, 0) when it was cropped.
    ``corrections`` is a zlib stream, or empty when there are none.
    """

    conversion: Conversion
    origin: tuple[int, int] = (0, 0)
    corrections: bytes = b""


def find(pixels: Pixels, conversions: Sequence[Conversion] = CONVERSIONS) -> tuple[Lattice, Pixels] | None:
    """Return the lattice of (H, W, 3) RGB and its planes, or None when the image lies on none of the conversions."""
    colours = _telling_colours(pixels)
    if len(colours) < _LEAST_COLOURS:
        return None
    few = colours[:: len(colours) // _LEAST_COLOURS]
    plausible = [conversion for conversion in conversions if conversion.share(few) >= _LEAST_SHARE_OF_FEW]
    shares = [conversion.share(colours) for conversion in plausible]
    if max(shares, default=0) < _LEAST_SHARE:
        return None
    conversion = plausible[shares.index(max(shares))]
    if _is_off(conversion, pixels[::_SAMPLE_STEP, ::_SAMPLE_STEP]):
        return None
    planes, missing = conversion.find_planes(pixels)
    if len(missing) * _MOST_CORRECTED > pixels.shape[0] * pixels.shape[1]:
        return None
    origin = find_origin(planes) if conversion is JFIF else (0, 0)
    return Lattice(conversion, origin, _write_corrections(conversion, pixels, planes, missing)), planes


def _is_off(conversion: Conversion, some: Pixels) -> bool:
    """Return whether twice as many of some pixels have no planes as may: to look for all of them would take long."""
    num_pixels: int = some.shape[0] * some.shape[1]
    if num_pixels < _LEAST_SAMPLES:
        return False
    return len(conversion.find_planes(some)[1]) * _MOST_CORRECTED > 2 * num_pixels


def corrections(conversion: Conversion, pixels: Pixels, planes: Pixels) -> bytes | None:
    """Return what turns the RGB of (H, W, 3) planes into the pixels; None: too many of them would have to be named."""
    places = np.flatnonzero(differ(conversion.to_rgb(planes), pixels))
    if len(places) * _MOST_CORRECTED > pixels.shape[0] * pixels.shape[1]:
        return None
    return _write_corrections(conversion, pixels, planes, places)


def to_rgb(lattice: Lattice, planes: Pixels, frame: Box | None = None) -> Pixels:
    """Undo ``find`` for (h, w, 3) planes; raises CorruptFile when the corrections are not valid.

    ``frame`` is the whole image, seen from the first pixel of the planes; None: the planes are all of it.
    """
    pixels = lattice.conversion.to_rgb(planes)
    height, width = pixels.shape[:2]
    frame = frame or Box(0, 0, height, width)
    if lattice.corrections:
        places, differences = _read_corrections(lattice.corrections, frame.height * frame.width)
        rows, columns = places // frame.width + frame.top, places % frame.width + frame.left
        is_here = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        pixels[rows[is_here], columns[is_here]] += differences[is_here]
    return pixels


def _telling_colours(pixels: Pixels) -> Pixels:
    """Return some of the image's colours, (n, 3), each once.

    No near-greys, which lie on every lattice, and none that may have been clamped.
    """
    samples = pixels.reshape(-1, 3)[:: max(1, pixels.size // (3 * _NUM_SAMPLES))].astype(np.int32)
    packed = np.unique(samples @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32))
    colours: Pixels = np.stack((packed >> 16, packed >> 8 & 255, packed & 255), axis=1).astype(np.uint8)
    is_telling = (np.ptp(colours, axis=1) >= _LEAST_CHROMA) & (colours.min(axis=1) > 0) & (colours.max(axis=1) < 255)
    colours = colours[is_telling]
    return colours[:: max(1, len(colours) // _NUM_COLOURS)]


def find_origin(planes: Pixels) -> tuple[int, int]:
    """Return the grid's origin: where most coefficients of the transform vanish, as quantisation has left them.

    Luma tells the origin modulo 8. Chroma, at half resolution, tells it modulo 16; at full resolution both are as good.
    """
    if min(planes.shape[:2]) < 2 * GRID:
        return 0, 0
    luma, *chroma = _middle(planes).transpose(2, 0, 1)
    half = GRID // 2
    starts = [(top, left) for top in range(half) for left in range(half)]
    top, left = max(starts, key=lambda start: _share_of_zeros(luma, start, half))
    starts = [(top + down, left + right) for down in (0, half) for right in (0, half)]
    top, left = max(starts, key=lambda start: sum(_share_of_zeros(plane, start, GRID) for plane in chroma))
    return (-top % GRID, -left % GRID) if chroma else (-top % half, -left % half)


def has_blocks(luma: Pixels, origin: tuple[int, int] = (0, 0)) -> bool:
    """Return whether (H, W) levels look like blocks of JPEG in a grid of that origin."""
    half = GRID // 2
    luma = luma[-origin[0] % half :, -origin[1] % half :]
    if min(luma.shape) < 2 * GRID:
        return False
    quarter = half // 2
    starts = (0, 0), (0, quarter), (quarter, 0), (quarter, quarter)
    at_start, *elsewhere = (_share_of_zeros(luma, start, half) for start in starts)
    return at_start > max(elsewhere) + _MORE_ZEROS


def _middle(planes: Pixels) -> Pixels:
    """Cut out at most _MOST_SEARCHED rows and columns, which keep their place in the grid."""
    top, left = (max(0, length - _MOST_SEARCHED) // 2 // GRID * GRID for length in planes.shape[:2])
    return planes[top : top + _MOST_SEARCHED, left : left + _MOST_SEARCHED]


def _share_of_zeros(plane: Pixels, start: tuple[int, int], side: int) -> float:
    """Return the share of zeros among cosine coefficients of some blocks, the first block starting at ``start``."""
    blocks = sliding_window_view(plane, (side, side))[start[0] :: side, start[1] :: side]  # (rows, columns, side, side)
    stride = max(1, math.isqrt(blocks.shape[0] * blocks.shape[1] // _NUM_BLOCKS))
    some = blocks[::stride, ::stride].astype(np.float32)
    transform = _cosines(side)
    return float((np.abs(transform @ some @ transform.T) < 0.5).mean())


@functools.cache
def _cosines(side: int) -> NDArray[np.float32]:
    """Return the orthonormal discrete cosine transform, (side, side)."""
    frequency, place = np.mgrid[0:side, 0:side]
    matrix: NDArray[np.float64] = np.cos(np.pi * (2 * place + 1) * frequency / (2 * side)) * np.sqrt(2 / side)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def _write_corrections(conversion: Conversion, pixels: Pixels, planes: Pixels, places: NDArray[np.int64]) -> bytes:
    """Deflate the gaps between corrected pixels as 32-bit numbers, byte by byte, then the differences by channel."""
    if not len(places):
        return b""
    given = conversion.to_rgb(planes.reshape(-1, 3)[places])
    differences = pixels.reshape(-1, 3)[places] - given  # modulo 256
    gaps = np.diff(places, prepend=-1).astype("<u4").view(np.uint8).reshape(-1, 4)
    return zlib.compress(np.concatenate((gaps, differences), axis=1).T.tobytes(), 9)


def _read_corrections(data: bytes, num_pixels: int) -> tuple[NDArray[np.int64], Pixels]:
    most = _CORRECTION_BYTES * (num_pixels // _MOST_CORRECTED)
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, most + 1)
    except zlib.error as error:
        raise CorruptFile("the corrections do not inflate") from error
    if len(inflated) > most or len(inflated) % _CORRECTION_BYTES or not inflater.eof or inflater.unused_data:
        raise CorruptFile("the corrections have an impossible length")
    columns = np.frombuffer(inflated, dtype=np.uint8).reshape(_CORRECTION_BYTES, -1)
    places = np.ascontiguousarray(columns[:4].T).view("<u4")[:, 0].astype(np.int64).cumsum() - 1
    if len(places) and (np.diff(places, prepend=-1).min() < 1 or places[-1] >= num_pixels):
        raise CorruptFile("the corrections name pixels that do not exist")
    return places, np.ascontiguousarray(columns[4:].T)
