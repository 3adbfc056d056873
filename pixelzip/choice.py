"""Pictures -> files, each with the body that makes the smallest: levels of a JPEG, a network's tiles, PNG or WebP, or
parts of different kinds.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

from pixelzip import components, derived, enlargement, fallback, layout, mixed, tone_search
from pixelzip.components import Networks
from pixelzip.derived import Derivation
from pixelzip.errors import UnsupportedImage
from pixelzip.image import Picture
from pixelzip.jpeg import body as jpeg
from pixelzip.jpeg import keeping
from pixelzip.jpeg.planes import Ends
from pixelzip.models.integer import IntegerCoefficientNetwork
from pixelzip.networks import find_networks
from pixelzip.threads import in_threads
from pixelzip.tiles import Box
from pixelzip.tone_alignment import proportional
from pixelzip.tones import Tones

_MANY_REPEATS: Final = 0.5
"""Share of pixels outside of photographs that repeat their left neighbours on pages; in photographs far fewer do."""

_FEW_PIXELS: Final = 2**16
"""Of enlarged images, for which saying so may cost more than it saves."""

_NEAR_A_MIXTURE: Final = 1.0
"""WebP with some effort must come within so many times the bytes of all parts, on which it has been tried already."""


def compress_pictures(
    pictures: Sequence[Picture], model: str, device: str, num_threads: int | None, strip: bool, or_pixels: bool
) -> list[bytes]:
    """Compress as ``codec.compress`` does; with ``or_pixels`` the pixels of a JPEG that cannot be kept will do."""
    networks, each = find_networks(model), 1 if len(pictures) > 1 else num_threads
    keep = functools.partial(_keep_jpeg, networks.coefficients, strip, or_pixels, each)
    kept = in_threads(keep, pictures, num_threads)
    others = [picture for picture, file in zip(pictures, kept, strict=True) if file is None]
    files = iter(_compress_enlarged(networks, others, device, num_threads))
    return [file or next(files) for file in kept]


def _compress_enlarged(
    networks: Networks, pictures: Sequence[Picture], device: str, num_threads: int | None
) -> list[bytes]:
    """Compress each picture, those that were enlarged as what they were before; small ones as both."""
    factors = in_threads(lambda picture: enlargement.find(picture.samples), pictures, num_threads)
    both = [(picture, some) for picture, some in zip(pictures, factors, strict=True) if some != enlargement.NONE]
    before = [enlargement.shrunk(*one) for one in both]
    drawn = list(map(fallback.is_drawing, before))
    files = zip(both, _compress_parts(networks, before, drawn, device, num_threads), strict=True)
    enlarged = iter([derived.write(picture, Derivation(factors=some), file) for (picture, some), file in files])
    found = [None if some == enlargement.NONE else next(enlarged) for some in factors]
    are_whole = [
        file is None or picture.samples[..., 0].size <= _FEW_PIXELS
        for picture, file in zip(pictures, found, strict=True)
    ]
    whole = iter(_compress_pixels(networks, list(compress(pictures, are_whole)), device, num_threads))
    others = [next(whole) if is_whole else None for is_whole in are_whole]
    return [min(filter(None, one), key=len) for one in zip(found, others, strict=True)]


def _keep_jpeg(
    network: IntegerCoefficientNetwork | None, strip: bool, or_pixels: bool, num_threads: int | None, picture: Picture
) -> bytes | None:
    """Return the file of a picture that was read from a JPEG; None: it was not, or it cannot be kept."""
    if picture.jpeg is None:
        return None
    try:
        if network is None:
            raise UnsupportedImage("the JPEG file cannot be kept: the model has none for coefficients beside it")
        return keeping.keep(picture, picture.jpeg, network, strip, num_threads)
    except UnsupportedImage:
        if or_pixels:
            return None
        raise


@dataclass(frozen=True, eq=False)
class _Coded:
    """A picture, and its file by a network, None if none codes such pictures; whether that holds levels of a JPEG, or
    tables and the smallest file of what they are for.
    """

    picture: Picture
    file: bytes | None
    is_jpeg: bool
    is_toned: bool = False


def _compress_pixels(
    networks: Networks, pictures: Sequence[Picture], device: str, num_threads: int | None
) -> list[bytes]:
    """Compress each picture as a whole, and in parts where it has photographs among something else.

    A network tries neither what is drawn nor the whole around which much is.
    """
    levels = _find_levels(networks, pictures, num_threads)
    boxes = in_threads(_find_parts, list(zip(pictures, levels, strict=True)), num_threads)
    parts = [mixed.split(picture, found) if found else [] for picture, found in zip(pictures, boxes, strict=True)]
    drawings = [
        _is_drawn(some[0], found) if found else fallback.is_drawing(picture)
        for picture, found, some in zip(pictures, boxes, parts, strict=True)
    ]
    drawn = [
        number == 0 and is_drawing
        for some, is_drawing in zip(parts, drawings, strict=True)
        for number in range(len(some))
    ]
    files = iter(_compress_parts(networks, [part for some in parts for part in some], drawn, device, num_threads))
    mixtures = [
        mixed.write(picture, found, [next(files) for _ in some], networks.pixels.identifier) if found else None
        for picture, found, some in zip(pictures, boxes, parts, strict=True)
    ]
    each = 1 if len(pictures) > 1 else num_threads
    choices = list(zip(_code(networks, pictures, levels, drawings, device, num_threads), mixtures, strict=True))
    return in_threads(lambda choice: _smallest(*choice, each), choices, num_threads)


def _find_levels(
    networks: Networks, pictures: Sequence[Picture], num_threads: int | None, tones: Sequence[Tones] = ()
) -> list[jpeg.Coded | None]:
    """Look for levels of JPEGs, in pictures as they are, or without the ``tones`` that each of them had."""
    network, each = networks.coefficients, 1 if len(pictures) > 1 else num_threads
    if network is None:
        return [None] * len(pictures)
    ends: Sequence[Ends | None] = [some.ends for some in tones] or [None] * len(pictures)
    both = list(zip(pictures, ends, strict=True))
    return in_threads(lambda one: jpeg.compress(one[0], network, one[1], each), both, num_threads)


def _find_parts(both: tuple[Picture, jpeg.Coded | None]) -> list[Box]:
    picture, levels = both
    return [] if levels or picture.mode.name not in mixed.MODES else layout.find(picture.samples)


def _code(
    networks: Networks,
    pictures: Sequence[Picture],
    levels: Sequence[jpeg.Coded | None],
    drawings: Sequence[bool],
    device: str,
    num_threads: int | None,
) -> list[_Coded]:
    """Code all pictures but drawings, and those that are sure to take less as levels of a JPEG, in one batch.

    Those with gaps in their levels are coded without, and with tables.
    """
    searched = list(zip(pictures, levels, drawings, strict=True))
    tones = in_threads(lambda one: _find_tones(*one), searched, num_threads)
    inner = [found[0] if found else picture for found, picture in zip(tones, pictures, strict=True)]
    curves = [(picture, proportional(found[1])) for picture, found in zip(pictures, tones, strict=True) if found]
    moved = [Picture(curve.mode, curve.undo(picture.samples)) for picture, curve in curves]
    again = iter(_find_levels(networks, moved, num_threads, [curve for _, curve in curves]))
    before = [next(again) if found else one for found, one in zip(tones, levels, strict=True)]
    coded = _code_as_they_are(networks, inner, before, drawings, device, num_threads)
    whole = list(zip(pictures, levels, coded, before, tones, strict=True))
    return in_threads(lambda one: _with_tones(*one), whole, num_threads)


def _find_tones(picture: Picture, levels: jpeg.Coded | None, is_drawing: bool) -> tuple[Picture, Tones] | None:
    return None if is_drawing or (levels and levels.is_sure) else tone_search.find(picture)


def _with_tones(
    picture: Picture,
    levels: jpeg.Coded | None,
    coded: _Coded,
    before: jpeg.Coded | None,
    found: tuple[Picture, Tones] | None,
) -> _Coded:
    """Add tables to what a picture was before, unless its own ``levels`` take less."""
    if found is None:
        return coded
    best = _smallest_part(coded)
    tones = proportional(found[1]) if before and best is before.file else found[1]
    file = derived.write(picture, Derivation(tones=tones.extended()), best)
    if levels and len(levels.file) < len(file):
        return _Coded(picture, levels.file, is_jpeg=True)
    return _Coded(picture, file, coded.is_jpeg, is_toned=best is coded.file)


def _code_as_they_are(
    networks: Networks,
    pictures: Sequence[Picture],
    levels: Sequence[jpeg.Coded | None],
    drawings: Sequence[bool],
    device: str,
    num_threads: int | None,
) -> list[_Coded]:
    """Do what ``_code`` does, without a look at tables."""
    coded = [one.file if one else None for one in levels]
    are_sure = [one.is_sure if one else is_drawing for one, is_drawing in zip(levels, drawings, strict=True)]
    left = [index for index, is_sure in enumerate(are_sure) if not is_sure]
    files = components.compress(networks, [pictures[index] for index in left], device, num_threads)
    for index, file in zip(left, files, strict=True):
        coded[index] = min(filter(None, (coded[index], file)), key=len, default=None)
    return [_Coded(*one) for one in zip(pictures, coded, (found is not None for found in levels), strict=True)]


def _smallest(coded: _Coded, mixture: bytes | None = None, num_threads: int | None = 1) -> bytes:
    """Return the smallest of a picture's files and those with an embedded PNG or WebP, where these may be that."""
    if coded.is_toned and coded.file:
        return min(filter(None, (coded.file, mixture)), key=len)
    if mixture is not None:
        best = min(filter(None, (coded.file, mixture)), key=len)
        return fallback.smaller_than(coded.picture, len(best), _NEAR_A_MIXTURE) or best
    if coded.is_jpeg and coded.file:
        return fallback.smaller_than(coded.picture, len(coded.file)) or coded.file
    return fallback.smallest(coded.picture, coded.file, num_threads)


def _compress_parts(
    networks: Networks, parts: Sequence[Picture], drawn: Sequence[bool], device: str, num_threads: int | None
) -> list[bytes]:
    """Compress parts, those that are drawn without a network: they are large, and it would lose."""
    found = iter(
        _find_levels(networks, [part for part, is_drawn in zip(parts, drawn, strict=True) if not is_drawn], num_threads)
    )
    levels = [None if is_drawn else next(found) for is_drawn in drawn]
    return in_threads(_smallest_part, _code(networks, parts, levels, drawn, device, num_threads), num_threads)


def _is_drawn(rest: Picture, boxes: Sequence[Box]) -> bool:
    """Return whether most pixels outside of the rectangles, in which nothing is left, repeat their neighbours."""
    covered = sum(box.height * box.width for box in boxes)
    num_repeats = fallback.share_of_repeats(rest.samples) * rest.samples[..., 0].size
    return num_repeats - covered > _MANY_REPEATS * (rest.samples[..., 0].size - covered)


def _smallest_part(coded: _Coded) -> bytes:
    if coded.is_toned and coded.file:
        return coded.file
    if coded.file is None:
        return fallback.smallest(coded.picture, None)
    return fallback.smaller_than(coded.picture, len(coded.file)) or coded.file
