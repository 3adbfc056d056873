"""The Pillow plugin: lazy, exact, with mode, palette and metadata."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image
from test_codec import MODES, make_image

import pixelzip
import pixelzip.pillow


@pytest.mark.parametrize("mode", MODES)
def test_save_and_open(mode: str, tmp_path: Path) -> None:
    image = make_image(mode, 12, 17, "smooth")
    image.info["Title"] = "hills"
    image.save(tmp_path / "image.pxz")
    with Image.open(tmp_path / "image.pxz") as opened:
        assert (opened.format, opened.mode, opened.size) == ("PXZ", mode, (17, 12))
        assert opened.get_format_mimetype() == "image/x-pixelzip"
        assert opened.info["Title"] == "hills"
        assert np.array_equal(np.asarray(opened), np.asarray(image))
        assert opened.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


def test_opening_does_not_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.fromarray(smooth_image(8, 9)).save(buffer, "PXZ", strip=True)
    decoded: list[bytes] = []
    decompress = pixelzip.decompress
    monkeypatch.setattr(pixelzip, "decompress", lambda data: decoded.append(data) or decompress(data))
    opened = Image.open(buffer)
    assert opened.size == (9, 8)
    assert not decoded
    opened.load()
    opened.load()
    assert len(decoded) == 1


def test_loading_closes_a_file_that_pillow_opened(tmp_path: Path) -> None:
    Image.fromarray(smooth_image(8, 9)).save(tmp_path / "image.pxz")
    opened = Image.open(tmp_path / "image.pxz")
    file = opened.fp
    opened.load()
    assert file is not None
    assert file.closed
    with (tmp_path / "image.pxz").open("rb") as own:
        Image.open(own).load()
        assert not own.closed


def test_verify(tmp_path: Path) -> None:
    path = tmp_path / "image.pxz"
    Image.fromarray(smooth_image(8, 9)).save(path)
    with Image.open(path) as good:
        good.verify()
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    with Image.open(io.BytesIO(data)) as bad, pytest.raises(pixelzip.CorruptFile):
        bad.verify()


def test_what_pillow_cannot_hold() -> None:
    data = pixelzip.compress(np.zeros((4, 4, 3), dtype=np.uint16))
    with pytest.raises(pixelzip.UnsupportedImage, match="decompress_array"):
        Image.open(io.BytesIO(data))
    with pytest.raises(pixelzip.CorruptFile):
        Image.open(io.BytesIO(data[:7]))
    with pytest.raises(pixelzip.UnsupportedImage, match="HSV"):
        Image.new("HSV", (2, 2)).save(io.BytesIO(), "PXZ")
