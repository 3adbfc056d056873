"""What carries an image when the network loses: what drawings are coded by, PNG or WebP lossless."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pixelzip import container, image
from pixelzip.container import BODY_PNG, BODY_WEBP, Header
from pixelzip.drawing import body as drawing
from pixelzip.errors import CorruptFile, ImageTooLarge
from pixelzip.image import Picture, Samples
from pixelzip.threads import in_threads
from pixelzip.tiles import SINGLE_TILE_PIXELS

Pixels = NDArray[np.uint8]

_WEBP_MAX_SIDE: Final = 16383
_WEBP_MAX_PIXELS: Final = 178_956_970
"""Pillow 13 opens no larger WebP unless its user lifts the limit."""

_OTHER_SIZE: Final = "the embedded {} has another size than the header says"
_UNLIMITED: Final = 2**40
_MANY_REPEATS, _MOST_REPEATS = 0.25, 0.85
_CLOSE, _CLOSE_BYTES, _NEAR = 1.1, 64, 1.1
_SOME_EFFORT, _FULL_EFFORT = 2, 6
_QUALITIES: Final = {0: 0, _SOME_EFFORT: 50, _FULL_EFFORT: 100}
"""WebP's quality, which without loss is effort, too, for each of its methods that is tried."""
_FEW_BITS: Final = 0.5  # for each sample: photographs take more
_SMALL_PIXELS: Final = 64 * 64
_DRAWN_PIXELS: Final = 2**16
_SAMPLE_ROWS: Final = 16
_SAMPLE_STEP: Final = 8 * _SAMPLE_ROWS
_MAX_SAMPLES: Final = 16
_STRIP_PIXELS: Final = 2**22
_STRIP_ROWS: Final = 256
"""Rows whose repeats one thread counts."""


def smallest(picture: Picture, coded: bytes | None, num_threads: int | None = 1) -> bytes:
    """Return the smallest of the network's file (None: there is none), a drawing, and files with embedded PNG and WebP.

    Images of up to 64x64 pixels (256x256 where WebP cannot hold them) are all tried, others as ``smaller_than`` says.
    """
    if coded is None:
        return min(_candidates(picture, _UNLIMITED, _NEAR, num_threads), key=len)
    if not _may_lose(picture, len(coded), num_threads):
        return coded
    return min([coded, *_candidates(picture, len(coded), _NEAR, num_threads)], key=len)


def smaller_than(picture: Picture, num_bytes: int, near: float = _NEAR, num_threads: int | None = 1) -> bytes | None:
    """Return a drawing or a file with an embedded PNG or WebP if one may be had in fewer bytes than that.

    They are tried where that is less than half a bit for each sample, or a quarter of the pixels repeat their left
    neighbour, or WebP's fastest setting, in strips of 4 megapixels, comes within a tenth, if a sample of the rows says
    that it may; and where then a drawing of a sample comes within a tenth, or WebP with some effort within ``near``
    times as many bytes. PNG and WebP are tried with full effort only where that comes as near to the drawing.
    """
    if not _may_be_smaller(picture, num_bytes, num_threads, near):
        return None
    best = min(_candidates(picture, num_bytes, near, num_threads), key=len, default=b"")
    return best if 0 < len(best) < num_bytes else None


def is_drawing(picture: Picture) -> bool:
    """Return whether so many pixels repeat their left neighbours that no network need be tried."""
    width, _ = picture.size
    return drawing.can_hold(picture.mode, width) and share_of_repeats(picture.samples) > _MOST_REPEATS


def read_embedded(header: Header, checksum: bytes, file: bytes) -> Picture:
    """Decode an embedded PNG or WebP; raises CorruptFile unless size, mode and checksum are what the header says.

    Raises ImageTooLarge for a WebP that ``PIL.Image.MAX_IMAGE_PIXELS`` does not let Pillow open.
    """
    name = container.BODY_NAMES[header.body].upper()
    if header.body == BODY_WEBP:
        _check_webp(header, file)
    try:
        # The classes themselves, not Image.open: its limit on pixels is not the caller's, which has been checked.
        opener = PngImageFile if header.body == BODY_PNG else WebPImageFile
        with opener(io.BytesIO(file)) as opened:
            if opened.size != (header.width, header.height):
                raise CorruptFile(_OTHER_SIZE.format(name))
            picture = image.read(opened)
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"Pillow does not open the embedded {name}: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        raise CorruptFile(f"the embedded {name} does not decode: {error}") from error
    samples, blocks = picture.samples, header.blocks
    if header.body == BODY_WEBP:
        samples = _from_webp(samples, header.mode)
    elif picture.mode == header.mode:
        blocks += tuple(block for block in picture.blocks if block[0] == image.PALETTE)
    else:
        raise CorruptFile(f"the embedded PNG has mode {picture.mode.name}, not {header.mode.name}")
    if struct.pack("<I", _checksum(header, samples)) != checksum:
        raise CorruptFile(f"the checksum does not match the pixels of the embedded {name}")
    return Picture(header.mode, samples, blocks)


def _candidates(picture: Picture, num_bytes: int, near: float, num_threads: int | None) -> list[bytes]:
    """Return files with what may take fewer bytes than that; without a limit there is one for sure."""
    drawn = drawing.compress(picture, num_bytes, num_threads)
    candidates = [drawn] if drawn else []
    if not _is_near(picture, near * (len(drawn) if drawn else num_bytes)):
        return candidates
    if picture.mode.name != "CMYK" and (picture.mode.bit_depth == 8 or picture.mode.num_channels == 1):
        candidates.append(_embedded(picture, BODY_PNG, _write_png(picture)))
    if _fits_webp(picture):
        candidates.append(_embedded(picture, BODY_WEBP, _write_webp(picture, _FULL_EFFORT)))
    return candidates


def _may_lose(picture: Picture, num_bytes: int, num_threads: int | None) -> bool:
    height, width = picture.samples.shape[:2]
    few = _SMALL_PIXELS if _fits_webp(picture) else SINGLE_TILE_PIXELS
    return height * width <= few or _may_be_smaller(picture, num_bytes + _CLOSE_BYTES, num_threads)


def _may_be_smaller(picture: Picture, num_bytes: int, num_threads: int | None, near: float = _NEAR) -> bool:
    if not _is_close(picture, num_bytes, num_threads):
        return False
    return _may_be_drawn(picture, num_bytes) or _is_near(picture, near * num_bytes)


def _may_be_drawn(picture: Picture, num_bytes: int) -> bool:
    """Return whether a drawing of a sample of the rows takes at most 1.1 times its share of so many bytes."""
    width, height = picture.size
    num_groups = max(1, _DRAWN_PIXELS // (width * _SAMPLE_ROWS))
    if height <= num_groups * _SAMPLE_ROWS:
        return True
    tops = range(0, height - _SAMPLE_ROWS + 1, height // num_groups)
    samples = np.concatenate([picture.samples[top : top + _SAMPLE_ROWS] for top in tops])
    share = num_bytes * len(samples) / height
    return drawing.compress(Picture(picture.mode, samples), int(_CLOSE * share)) is not None


def _is_close(picture: Picture, num_bytes: int, num_threads: int | None = 1) -> bool:
    has_few_bits = 8 * num_bytes < _FEW_BITS * picture.samples.size
    if has_few_bits or share_of_repeats(picture.samples, num_threads) > _MANY_REPEATS:
        return True
    limit = _CLOSE * num_bytes
    if not _fits_webp(picture):
        return False
    return _sampled_bytes(picture, num_threads) < _CLOSE * limit and _quick_bytes(picture) < limit


def _is_near(picture: Picture, num_bytes: float) -> bool:
    """Return whether WebP with some effort takes no more than that, or cannot be tried."""
    return not _fits_webp(picture) or len(_write_webp(picture, _SOME_EFFORT)) <= num_bytes


def share_of_repeats(samples: Samples, num_threads: int | None = 1) -> float:
    """Return the share of pixels that are the same as their left neighbour, 0 where no pixel has one."""
    strips = [samples[top : top + _STRIP_ROWS] for top in range(0, len(samples), _STRIP_ROWS)]
    return sum(in_threads(_num_repeats, strips, num_threads)) / max(1, samples[:, 1:, 0].size)


def _num_repeats(samples: Samples) -> int:
    same = samples[:, 1:] == samples[:, :-1]
    repeats = functools.reduce(np.logical_and, (same[..., channel] for channel in range(same.shape[2])))
    return int(np.count_nonzero(repeats))


def _sampled_bytes(picture: Picture, num_threads: int | None) -> float:
    """Estimate ``_quick_bytes`` from groups of rows, one in eight and at most sixteen; 0 for images of few rows."""
    _, height = picture.size
    if height < _SAMPLE_STEP:
        return 0.0
    step = max(_SAMPLE_STEP, height // _MAX_SAMPLES)
    tops = range(step // 2, height - _SAMPLE_ROWS + 1, step)
    groups = [replace(picture, samples=picture.samples[top : top + _SAMPLE_ROWS]) for top in tops]
    return sum(in_threads(_quick_bytes, groups, num_threads)) * height / (len(tops) * _SAMPLE_ROWS)


def _quick_bytes(picture: Picture) -> int:
    """Return about how many bytes WebP's fastest setting takes: strip by strip, for WebP needs 30 bytes a pixel."""
    height, width = picture.samples.shape[:2]
    rows = max(1, _STRIP_PIXELS // width)
    strips = (replace(picture, samples=picture.samples[top : top + rows]) for top in range(0, height, rows))
    return sum(len(_write_webp(strip, 0)) for strip in strips)


def _fits_webp(picture: Picture) -> bool:
    width, height = picture.size
    fits = max(width, height) <= _WEBP_MAX_SIDE and width * height <= _WEBP_MAX_PIXELS
    return picture.mode.bit_depth == 8 and fits


def _check_webp(header: Header, file: bytes) -> None:
    """Raise CorruptFile unless a WebP is a lossless one of the header's size (RFC 9649, sections 2.6 and 3.4).

    As soon as it is opened, memory is taken for whatever size it states.
    """
    if file[8:16] != b"WEBPVP8L" or len(file) < 25:
        raise CorruptFile("the embedded WEBP is not a simple lossless one")
    sides = int.from_bytes(file[21:25], "little")
    if ((sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1) != (header.width, header.height):
        raise CorruptFile(_OTHER_SIZE.format("WEBP"))


def _embedded(picture: Picture, body: int, file: bytes) -> bytes:
    blocks = picture.blocks
    if body == BODY_PNG:
        blocks = tuple(block for block in blocks if block[0] != image.PALETTE)
    header = Header(picture.mode, *picture.size, body, blocks)
    return container.write(header, [struct.pack("<I", _checksum(header, picture.samples)), file])


def _checksum(header: Header, samples: Samples) -> int:
    return zlib.crc32(np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<")).tobytes(), header.seal(0))


def _write_png(picture: Picture) -> bytes:
    palette = tuple(block for block in picture.blocks if block[0] == image.PALETTE)
    buffer = io.BytesIO()
    image.to_pillow(replace(picture, blocks=palette)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _write_webp(picture: Picture, effort: int) -> bytes:
    """Write samples as RGB or RGBA, a single channel repeated; ``effort`` is WebP's method."""
    samples = picture.samples
    if samples.shape[2] < 3:
        samples = samples[..., [0, 0, 0, *range(1, samples.shape[2])]]
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "WEBP", lossless=True, exact=True, method=effort, quality=_QUALITIES[effort])
    return buffer.getvalue()


def _from_webp(samples: Samples, mode: image.Mode) -> Samples:
    """Undo the repetition of channels; a WebP whose alpha is opaque throughout comes back without it."""
    if mode.bit_depth != 8:
        raise CorruptFile(f"an embedded WebP cannot hold mode {mode.name}")
    if mode.num_channels in (2, 4) and samples.shape[2] == 3:
        opaque = np.full((*samples.shape[:2], 1), 255, dtype=np.uint8)
        samples = np.concatenate((samples.astype(np.uint8), opaque), axis=2)
    return samples[..., [0, 3][: mode.num_channels]] if mode.num_channels < 3 else samples
