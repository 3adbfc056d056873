"""Curves of tones: what a table does is undone exactly, and curves are found where they save something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import smooth_image
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps
from test_jpeg import as_jpeg, decoded, texture
from test_lattice import photograph

import pixelzip
from pixelzip import image, tone_search
from pixelzip.errors import CorruptFile
from pixelzip.models.conversion import CONVERSIONS, JFIF
from pixelzip.tone_alignment import proportional
from pixelzip.tones import Table, Tones, entries_from

BRIGHTER = (np.arange(256) * 1.3).clip(0, 255).astype(np.uint8)
STEEPER = (np.arange(256) * 1.4 - 60).clip(0, 255).astype(np.uint8)


def found(pixels: NDArray[np.generic] | Image.Image) -> tuple[NDArray[np.generic], Tones]:
    """Return what was there before the curve of an image, and the curve, which must give the image back."""
    picture = image.read(pixels)
    result = tone_search.find(picture)
    assert result is not None
    inner, tones = result
    assert (inner.mode, inner.samples.dtype) == (tones.mode, np.uint8 if tones.mode.bit_depth == 8 else np.uint16)
    assert np.array_equal(tones.apply(inner.samples), picture.samples)
    assert tones.apply(inner.samples).dtype == picture.samples.dtype
    return inner.samples, tones


@settings(max_examples=60, deadline=None)
@given(data=st.data(), bits=st.sampled_from([8, 16]), channels=st.sampled_from([1, 3, 4]), alone=st.booleans())
def test_tables_are_undone_and_written(data: st.DataObject, bits: int, channels: int, alone: bool) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    dtype = np.uint8 if bits == 8 else np.uint16
    num_columns = 1 if alone else channels
    tables = []
    for _ in range(channels if alone else 1):
        count = data.draw(st.integers(1, 2**bits if bits == 8 and alone else 300))
        entries = np.unique(random.integers(0, 2**bits, (count, num_columns)).astype(dtype), axis=0)
        tables.append(Table(data.draw(st.integers(0, 300)), random.permutation(entries)))
    tones = Tones(tuple(tables))
    samples = np.concatenate(
        [table.entries[random.integers(0, len(table.entries), (7, 9))] for table in tables], axis=2
    )
    inner = tones.undo(samples)
    assert inner.shape == (7, 9, len(tables))
    assert np.array_equal(tones.apply(inner), samples)
    for table in tables:
        written = Tones((table,))
        steps = np.diff(table.entries, axis=0, prepend=dtype(0))
        low_high = [(steps >> shift).astype(np.uint8).T.tobytes() for shift in range(0, bits, 8)]
        again = entries_from(b"".join(low_high), num_columns, bits // 8)
        assert (again.dtype, again.tolist()) == (table.entries.dtype, table.entries.tolist())
        assert written.deflated == Tones((Table(0, again),)).deflated


def test_lattices_come_first() -> None:
    assert tone_search.find(image.read(photograph(90, 100, CONVERSIONS[4]))) is None


def test_levels_that_are_in_no_table() -> None:
    tones = Tones((Table(3, np.array([[10], [20]], dtype=np.uint8)),))
    for level in (2, 5):
        levels = np.full((2, 2, 1), level, dtype=np.uint8)
        with pytest.raises(CorruptFile, match="levels that are in none of its tables"):
            tones.apply(levels)
        assert tones.apply(levels, is_damaged=True).tolist() == [[[10 if level < 3 else 20]] * 2] * 2


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_stretched_image_becomes_what_it_was(channels: int) -> None:
    pixels = smooth_image(90, 100, channels)
    inner, tones = found(BRIGHTER[pixels])
    colours = slice(0, 3 if channels == 4 else channels)
    differences = inner[..., colours].astype(np.int64) - pixels[..., colours]
    assert (np.abs(differences - np.median(differences)) <= 3).all()  # but where levels are missing by chance
    assert len({table.first for table in tones.tables[colours]}) == 1


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("factor", [256, 257])
def test_eight_bits_written_as_sixteen(factor: int, channels: int) -> None:
    pixels = smooth_image(90, 100, channels)
    inner, tones = found(
        pixels[..., 0].astype(np.uint16) * factor if channels == 1 else pixels.astype(np.uint16) * factor
    )
    assert tones.mode.bit_depth == 8
    assert np.array_equal(inner[..., :3], pixels[..., :3])


@pytest.mark.parametrize("shift", [0, 4])
def test_twelve_bits_written_as_sixteen(shift: int) -> None:
    random = np.random.default_rng(0)
    levels = smooth_image(120, 130).astype(np.uint16) * 16 + random.integers(0, 16, (120, 130, 3)).astype(np.uint16)
    inner, tones = found((levels << 4 | levels >> 8) if shift else levels * 16)
    assert tones.mode.name == "RGB;16"
    assert np.array_equal(inner, levels)


def test_each_channel_with_a_curve_of_its_own() -> None:
    pixels = smooth_image(90, 100)
    own = np.stack([BRIGHTER[pixels[..., 0]], STEEPER[pixels[..., 1]], pixels[..., 2]], axis=2)
    inner, _ = found(own)
    assert [len(np.unique(np.diff(inner[..., channel].astype(int)))) for channel in range(3)] == [
        len(np.unique(np.diff(pixels[..., channel].clip(43 if channel == 1 else 0).astype(int))))
        for channel in range(3)
    ]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "RGB;16"])
def test_tints_are_curves_of_grey(mode: str) -> None:
    grey = Image.fromarray(smooth_image(90, 100, 1)[..., 0])
    tinted: Image.Image | NDArray[np.uint16] = ImageOps.colorize(grey, "#201008", "#fff0d0")
    if mode == "P":
        tinted = grey.convert("P")
        tinted.putpalette(np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 3).tobytes())
    elif mode == "RGBA":
        tinted = tinted.convert("RGBA")
    elif mode == "RGB;16":
        tinted = np.asarray(tinted).astype(np.uint16) * 200
    inner, tones = found(tinted)
    assert (tones.mode.name, len(tones.tables)) == ("L", 1)
    levels = np.asarray(grey).astype(int)
    places = np.searchsorted(np.unique(levels), levels)
    turned = len(tones.tables[0].entries) - 1 - places if mode == "P" else places
    assert np.array_equal(inner[..., 0] - tones.tables[0].first, turned)


def test_channels_are_moved_onto_the_lattice_again() -> None:
    pixels = decoded(as_jpeg(texture(120, 130), 90))
    inner, _ = found(np.asarray(ImageOps.autocontrast(Image.fromarray(pixels))))
    differences = (inner.astype(int) - pixels).reshape(-1, 3)
    assert (differences == np.median(differences)).mean() > 0.95
    planes, missing = JFIF.find_planes(inner)
    assert planes.shape == inner.shape
    assert len(missing) < 0.05 * pixels[..., 0].size


@pytest.mark.parametrize(
    "pixels",
    [
        smooth_image(90, 100),
        BRIGHTER[smooth_image(60, 60)],
        np.random.default_rng(0).integers(0, 2**16, (90, 100), dtype=np.uint16),
        np.random.default_rng(0).integers(0, 256, (90, 100, 3), dtype=np.uint8),
        np.full((90, 100, 3), 7, dtype=np.uint8),
        np.full((90, 100), 7, dtype=np.uint16),
        np.random.default_rng(0).integers(0, 6, (90, 100, 3), dtype=np.uint8) * 50,
        Image.fromarray(smooth_image(90, 100, 1)[..., 0]).convert("1"),
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 100, 3), dtype=np.uint8)).quantize(64),
    ],
    ids=["smooth", "small", "noise16", "noise", "plain", "plain16", "posterized noise", "bits", "palette"],
)
def test_nothing_is_found(pixels: NDArray[np.generic] | Image.Image, request: pytest.FixtureRequest) -> None:
    result = tone_search.find(image.read(pixels))
    if "posterized" in request.node.name:  # gaps there are
        assert result is not None
        assert [table.first for table in result[1].tables] == [0, 0, 0]
    else:
        assert result is None


def test_tables_that_begin_where_nothing_is() -> None:
    brighter = found(BRIGHTER[smooth_image(90, 100)])[1]
    moved = proportional(Tones(tuple(Table(200 - len(some.entries), some.entries) for some in brighter.tables)))
    for table in moved.tables:
        assert np.abs(table.entries[:, 0] - 1.3 * np.arange(table.first, table.end)).max() < 3
    steeper = found(STEEPER[smooth_image(90, 100)])[1]
    assert proportional(steeper).ends == steeper.ends
    apart = Tones((brighter.tables[0], replace(brighter.tables[1], first=90), brighter.tables[2]))
    assert proportional(apart) is apart
    short = Tones((Table(0, np.arange(9, dtype=np.uint8)[:, None] * 3),))
    assert proportional(short) is short


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_of_a_jpeg_are_found_through_a_curve(channels: int) -> None:
    pixels = texture(160, 176) if channels == 3 else texture(160, 176)[..., 0]
    jpeg = decoded(as_jpeg(pixels, 80))
    curve = (np.arange(256) * 1.25).clip(0, 255).astype(np.uint8)
    file = pixelzip.compress(curve[jpeg])
    assert (pixelzip.info(file).body, pixelzip.info(file).model) == ("derived", "photo-jpeg")
    assert len(file) < 1.5 * len(pixelzip.compress(jpeg))
    assert np.array_equal(pixelzip.decompress_array(file), curve[jpeg])
