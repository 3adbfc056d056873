"""Images made of others: cut out of a decoded JPEG or seen through a curve, they come back, and are smaller."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import smooth_image
from golden_derived import GOLDEN, STRETCHED, curved, deflated, written
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from test_jpeg import as_jpeg, decoded, texture

import pixelzip
from pixelzip import container, derived, layout, tone_search
from pixelzip.cli import main
from pixelzip.errors import CorruptFile
from pixelzip.fields import write_varint
from pixelzip.pack import Pack, pack
from pixelzip.recovery import DamagedTile, salvage
from pixelzip.tiles import turned

ERRORS = GOLDEN.parent / "golden-errors"
REASONS = {
    "flipped": "the checksum does not match the tables",
    "cut-short": "checksum does not match",
    "appended": "a tile's stream is empty or ends in a zero byte",
    "empty": "checksum at byte 0",
    "checksum": "checksum does not match the tables",
    "orientation": "an image cannot be enlarged by 5 and 0",
    "orientation-16": "the orientation 16 is none",
    "factors": "an image cannot be enlarged by 1 and 1",
    "factor-0": "an image cannot be enlarged by 2 and 0",
    "large-factor": "an image cannot be enlarged by 65536 and 2",
    "missing": "an image cannot be enlarged by 2 and 2",
    "enlarged": "another mode, size or model",
    "enlarged-bits": "an image of mode 1 that is another one as it is",
    "enlarged-palette": "another mode, size or model",
    "turned": "another mode, size or model",
    "rows": "16 rows and 2 columns cut off are too many",
    "columns": "5 rows and 16 columns cut off are too many",
    "size": "another mode, size or model",
    "count": "2 tables are impossible in an image of mode L",
    "bits": "an image of mode 1 that is another one as it is",
    "nothing": "an image of mode L that is another one as it is",
    "no-levels": "the tables have an impossible size",
    "many-levels": "the tables have an impossible size",
    "long": "the tables have an impossible length",
    "short": "the tables have an impossible length",
    "unused": "the tables have an impossible length",
    "not-deflated": "a table does not inflate",
    "levels": "levels that are in none of its tables",
    "mode": "another mode, size or model",
    "model": "another mode, size or model",
    "metadata": "of a kind that it cannot be",
    "of-derived": "of a kind that it cannot be",
    "of-parts": "of a kind that it cannot be",
    "of-file": "of a kind that it cannot be",
    "cut-of-model": "of a kind that it cannot be",
    "turned-of-model": "of a kind that it cannot be",
}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_stretched_images_come_back_and_are_smaller(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = curved(channels)
    file = pixelzip.compress(pixels)
    described = pixelzip.info(file)
    assert (described.body, described.model, described.num_tiles) == ("derived", "photo", 2 if channels == 4 else 1)
    expected = pixels[..., 0] if channels == 1 else pixels
    assert np.array_equal(pixelzip.decompress_array(file), expected)
    assert np.array_equal(pixelzip.decompress_array(file, crop=(5, 7, 60, 44)), expected[7:44, 5:60])
    monkeypatch.setattr(tone_search, "find", lambda picture: None)
    assert len(file) < 0.95 * len(pixelzip.compress(pixels))


@settings(max_examples=20, deadline=None)
@given(top=st.integers(0, 17), left=st.integers(0, 17), quality=st.integers(60, 90), seed=st.integers(0, 3))
def test_what_is_cut_out_of_a_jpeg_comes_back(top: int, left: int, quality: int, seed: int) -> None:
    pixels = np.ascontiguousarray(decoded(as_jpeg(texture(112, 120, seed), quality))[top:, left:])
    file = pixelzip.compress(pixels)
    assert np.array_equal(pixelzip.decompress_array(file), pixels)
    assert np.array_equal(pixelzip.decompress_array(file, crop=(3, 9, 50, 33)), pixels[9:33, 3:50])
    assert np.array_equal(salvage(file).to_array(), pixels)


@pytest.mark.parametrize("cut", [(3, 5), (0, 9), (12, 0), (7, 15)], ids=str)
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_levels_are_found_where_a_jpeg_was_cut(cut: tuple[int, int], sampling: str) -> None:
    pixels = np.ascontiguousarray(decoded(as_jpeg(texture(192, 208), 80, sampling))[cut[0] :, cut[1] :])
    file = pixelzip.compress(pixels)
    header, (body,) = container.read(file)
    derivation, _, (other, _) = derived.read(header, body)
    assert derivation.is_placed
    assert (other.body, derivation.tones) == (container.BODY_JPEG, None)
    assert pixelzip.info(file).model == "photo-jpeg"
    assert np.array_equal(pixelzip.decompress_array(file), pixels)


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0", "grey"])
def test_levels_are_found_any_way_round(orientation: int, sampling: str) -> None:
    pixels = texture(150, 171)
    jpeg = as_jpeg(pixels[..., 0], 85) if sampling == "grey" else as_jpeg(pixels, 85, sampling)
    upright = decoded(jpeg) if sampling != "grey" else decoded(jpeg)[..., None]
    image = np.ascontiguousarray(turned(upright, orientation).squeeze())
    whole, file = pixelzip.compress(upright.squeeze()), pixelzip.compress(image)
    assert pixelzip.info(file).model == "photo-jpeg"
    assert len(file) < 1.2 * len(whole)
    assert np.array_equal(pixelzip.decompress_array(file), image)
    assert np.array_equal(pixelzip.decompress_array(file, crop=(9, 20, 100, 33)), image[20:33, 9:100])
    assert np.array_equal(salvage(file).to_array(), image)


@pytest.mark.parametrize("cut", [(0, 0), (3, 13), (6, 0)], ids=str)
def test_grey_and_deep_images_of_jpegs(cut: tuple[int, int]) -> None:
    jpeg = as_jpeg(texture(128, 144)[..., 0], 85)
    grey = np.ascontiguousarray(decoded(jpeg)[cut[0] :, cut[1] :])
    whole = pixelzip.compress(decoded(jpeg))
    for pixels in (grey, grey.astype(np.uint16) * 257, np.repeat(grey[..., None], 3, axis=2)):
        file = pixelzip.compress(pixels)
        assert pixelzip.info(file).model == "photo-jpeg"
        assert len(file) < 1.5 * len(whole)
        assert np.array_equal(pixelzip.decompress_array(file), pixels)


def test_a_curve_over_a_jpeg_that_was_cut() -> None:
    pixels = decoded(as_jpeg(texture(160, 184), 80))[3:, 13:].astype(np.uint16) * 257
    file = pixelzip.compress(pixels)
    header, (body,) = container.read(file)
    derivation, _, (other, _) = derived.read(header, body)
    assert (derivation.is_placed, other.body, other.mode.name) == (True, container.BODY_JPEG, "RGB")
    assert derivation.tones is not None
    assert np.array_equal(pixelzip.decompress_array(file), pixels)


def test_many_at_once_and_in_a_pack() -> None:
    jpeg = decoded(as_jpeg(texture(160, 184), 80))
    images = [curved(3), smooth_image(70, 80), np.ascontiguousarray(jpeg[3:, 3:]), curved(1)[..., 0], curved(3, seed=1)]
    files = pixelzip.compress(images)
    assert [pixelzip.info(file).body for file in files] == ["derived", "model", "derived", "derived", "derived"]
    assert files == [pixelzip.compress(image) for image in images]
    for image, restored in zip(images, pixelzip.decompress_array(files), strict=True):
        assert np.array_equal(image, restored)
    for image, restored in zip(images, Pack(pack(images)), strict=True):
        assert np.array_equal(image, restored)


def test_metadata_and_the_commands(tmp_path: Path) -> None:
    image = Image.fromarray(curved(3))
    image.info["Title"] = "a curve"
    image.save(tmp_path / "curve.png", dpi=(72, 72))
    source, file, restored = (str(tmp_path / name) for name in ("curve.png", "curve.pxz", "restored.png"))
    runner = CliRunner()
    assert runner.invoke(main, ["compress", source, "-o", file]).exit_code == 0
    line = runner.invoke(main, ["info", file]).output
    assert ", model photo, made of another image, 1 tile(s), " in line
    assert runner.invoke(main, ["test", file]).exit_code == 0
    assert runner.invoke(main, ["decompress", file, "-o", restored]).exit_code == 0
    assert Image.open(restored).tobytes() == image.tobytes()
    assert "dpi" in pixelzip.info(Path(file).read_bytes()).metadata


def only_damaged_tile(pixels: NDArray[np.uint8], file: bytes) -> DamagedTile:
    """Damage the last tile of a file with these pixels, and return what is said of it; the others come back."""
    damaged = bytearray(file)
    damaged[-1] ^= 1
    with pytest.raises(CorruptFile, match="checksum"):
        pixelzip.decompress(bytes(damaged))
    salvaged = salvage(bytes(damaged))
    (tile,) = salvaged.tiles
    assert tile.number == salvaged.num_tiles - 1
    left, top, right, bottom = tile.box
    restored = salvaged.to_array()
    assert len(np.unique(restored[top:bottom, left:right].reshape(-1, 3), axis=0)) == 1
    restored[top:bottom, left:right] = pixels[top:bottom, left:right]
    assert np.array_equal(restored, pixels)
    return tile


def test_damaged_tiles_are_salvaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "find", lambda samples: [])
    pixels = STRETCHED[smooth_image(300, 520)]
    file = pixelzip.compress(pixels)
    header, (body,) = container.read(file)
    _, _, (_, streams) = derived.read(header, body)
    assert only_damaged_tile(pixels, file).number == len(streams) - 1 > 0


@pytest.mark.parametrize(("name", "reason"), REASONS.items())
def test_broken_files_say_what_is_wrong(name: str, reason: str) -> None:
    data = (ERRORS / f"CorruptFile-derived-{name}.pxz").read_bytes()
    with pytest.raises(CorruptFile, match=re.escape(reason)):
        pixelzip.decompress(data)


def test_every_flipped_bit_is_noticed() -> None:
    file = (GOLDEN / "derived-cut-L.pxz").read_bytes()
    pixels = pixelzip.decompress_array(file)
    for place in range(len(file)):
        damaged = bytearray(file)
        damaged[place] ^= 1 << place % 8
        try:
            restored = pixelzip.decompress_array(bytes(damaged), max_pixels=100_000)
        except pixelzip.PixelzipError:
            continue
        assert np.array_equal(restored, pixels), place


def test_tables_that_no_image_has() -> None:
    header, (body,) = container.read((GOLDEN / "derived-LA.pxz").read_bytes())
    sizes = bytes((0, 0, 0, 2)) + 2 * (write_varint(100) + write_varint(200))
    with pytest.raises(CorruptFile, match="another mode, size or model"):
        pixelzip.decompress(written(header, sizes + deflated(bytes(400)), derived.read(header, body)[1]))


def test_the_example_of_the_format() -> None:
    text = (Path(__file__).parent.parent / "docs" / "format.md").read_text()
    example = text[text.index("## 15.") :].split("```")[1]
    assert pixelzip.decompress_array(bytes.fromhex(example)).tolist() == [[0, 3], [6, 9]]
