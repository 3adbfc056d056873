"""Embedded WebP: what is opened, and what is not even tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image

import pixelzip
from pixelzip import components, fallback, image
from pixelzip.components import Networks
from pixelzip.image import MODES_BY_NAME, Picture
from pixelzip.models.conversion import JFIF
from pixelzip.networks import find_networks

GOLDEN_ERRORS = Path(__file__).parent / "golden-errors"
WEBP = (Path(__file__).parent / "golden" / "webp-RGB.pxz").read_bytes()


def refuse(file: object) -> NoReturn:
    raise Image.DecompressionBombError("Image size exceeds limit")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CorruptFile-webp-size.pxz", "the embedded WEBP has another size than the header says"),
        ("CorruptFile-webp-extended.pxz", "the embedded WEBP is not a simple lossless one"),
    ],
)
def test_pillow_does_not_see_a_webp_of_another_size(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "WebPImageFile", refuse)
    with pytest.raises(pixelzip.CorruptFile, match=message):
        pixelzip.decompress((GOLDEN_ERRORS / name).read_bytes())


def test_a_webp_that_ends_in_its_header() -> None:
    start = WEBP.index(b"RIFF")
    with pytest.raises(pixelzip.CorruptFile, match="not a simple lossless one"):
        pixelzip.decompress(WEBP[: start + 24])


def test_a_webp_that_pillow_holds_for_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "WebPImageFile", refuse)
    with pytest.raises(pixelzip.ImageTooLarge, match="Pillow does not open the embedded WEBP: Image size"):
        pixelzip.decompress(WEBP)


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [(16383, 10923, True), (16383, 10924, False), (16384, 1, False), (1, 16383, True)],
)
def test_images_that_pillow_would_not_open_are_not_written_as_webp(width: int, height: int, fits: bool) -> None:
    picture = cast(Picture, cast(Any, SimpleNamespace(mode=MODES_BY_NAME["RGB"], size=(width, height))))
    assert fallback._fits_webp(picture) is fits


def test_clamped_colours_are_coded_without_their_lattice_where_that_is_smaller() -> None:
    rows, columns, _ = np.ogrid[0:40, 0:50, 0:1]
    planes = np.concatenate(np.broadcast_arrays(100 + 3 * rows, 96 + 2 * columns, 170 - 2 * columns), axis=2)
    pixels = JFIF.to_rgb(planes.astype(np.uint8))
    networks = find_networks("photo")
    picture = image.read(pixels)
    [smallest] = components.compress(networks, [picture], "cpu", 1)
    sizes = {}
    for name, choice in {"lattice": networks, "alone": Networks(networks.pixels)}.items():
        [file] = components.encode(choice, [components.prepare(picture, choice)], "cpu", 1)
        assert file is not None
        sizes[name] = len(file)
    assert smallest is not None
    assert len(smallest) == min(sizes.values()) < max(sizes.values())
    assert np.array_equal(pixelzip.decompress_array(smallest), pixels)


def test_webp_is_tried_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = image.read(Image.fromarray(smooth_image(50, 30)))
    whole = len(fallback._write_webp(picture, 0))
    assert fallback._quick_bytes(picture) == whole
    monkeypatch.setattr(fallback, "_STRIP_PIXELS", 20 * 30)
    strips = [replace(picture, samples=picture.samples[top : top + 20]) for top in (0, 20, 40)]
    assert fallback._quick_bytes(picture) == sum(len(fallback._write_webp(strip, 0)) for strip in strips)
    monkeypatch.setattr(fallback, "_STRIP_PIXELS", 1)
    assert fallback._quick_bytes(picture) > whole
