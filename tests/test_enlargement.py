"""Images whose pixels were repeated come back, cost what they cost before, and the least that repeats is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import smooth_image
from golden_derived import curved
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_derived import only_damaged_tile
from test_jpeg import as_jpeg, decoded, texture

import pixelzip
from pixelzip import container, derived, enlargement, image, layout
from pixelzip.cli import main
from pixelzip.enlargement import MOST_FACTOR, NONE, Factors, Repeats
from pixelzip.image import Samples
from pixelzip.recovery import salvage
from pixelzip.tiles import Box


def repeated(samples: Samples, rows: int, columns: int) -> Samples:
    return np.ascontiguousarray(samples.repeat(rows, axis=0).repeat(columns, axis=1))


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    factors=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    cut=st.tuples(st.integers(0, 69), st.integers(0, 69)),
    first=st.tuples(st.integers(0, 69), st.integers(0, 69)),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_regions_of_what_was_enlarged(
    size: tuple[int, int],
    factors: tuple[int, int],
    cut: tuple[int, int],
    first: tuple[int, int],
    seed: int,
    data: st.DataObject,
) -> None:
    small = np.random.default_rng(seed).integers(0, 3, (*size, 2), dtype=np.uint8)
    tops = [less % factor for less, factor in zip(first, factors, strict=True)]
    ends = [
        max(top + 1, side * factor - less) for top, side, factor, less in zip(tops, size, factors, cut, strict=True)
    ]
    samples = repeated(small, *factors)[tops[0] : ends[0], tops[1] : ends[1]]
    kept = samples.shape[:2]
    found = enlargement.find(samples)
    before = enlargement.shrunk(image.read(samples), found).samples
    assert np.array_equal(enlargement.enlarged(before, Box(0, 0, *kept), found), samples)
    if found != NONE:  # as of one colour
        assert before.shape[0] <= size[0]
        assert before.shape[1] <= size[1]
    top, left = data.draw(st.integers(0, kept[0] - 1)), data.draw(st.integers(0, kept[1] - 1))
    box = Box(top, left, data.draw(st.integers(1, kept[0] - top)), data.draw(st.integers(1, kept[1] - left)))
    part = before[enlargement.box_before(box, found).slices]
    assert np.array_equal(enlargement.enlarged(part, box, found), samples[box.slices])


@pytest.mark.parametrize(
    ("samples", "factors"),
    [
        (np.zeros((9, 7, 3), np.uint8), NONE),
        (repeated(smooth_image(5, 6), 1, 3), (Repeats(), Repeats(3))),
        (repeated(smooth_image(5, 6), 64, 65)[:-9, 64:], (Repeats(64), Repeats(65, 64))),
        (repeated(smooth_image(1, 6, 1), 200, 1), (Repeats(200), Repeats())),
        (repeated(np.eye(2, dtype=np.uint8)[..., None], 20, 9)[2:], (Repeats(20, 2), Repeats(9))),
        (np.zeros((2, MOST_FACTOR + 1, 1), np.uint8) + np.uint8([[[0]], [[1]]]), NONE),
        (np.eye(90, dtype=np.uint16)[..., None], NONE),
    ],
    ids=["one colour", "columns", "cut", "stripes", "four", "too large", "not enlarged"],
)
def test_which_factors_are_found(samples: Samples, factors: Factors) -> None:
    assert enlargement.find(samples) == factors


def pictures() -> dict[str, Image.Image | Samples]:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)
    palette = Image.fromarray(repeated(noise & 15, 4, 3)).convert("P")
    palette.info["transparency"] = 3
    return {
        "1": Image.fromarray(repeated(noise > 99, 2, 5)),
        "L": repeated(noise, 5, 2),
        "LA": Image.fromarray(repeated(np.stack((noise, noise.T), axis=2), 3, 4)),
        "P": palette,
        "RGB": repeated(smooth_image(150, 140), 4, 4)[3:, :-2],
        "curve": repeated(curved(3), 5, 5),
        "jpeg": repeated(decoded(as_jpeg(texture(112, 120), 80))[3:, 5:], 3, 3),
        "I;16": repeated(noise.astype(np.uint16) * 3, 4, 3),
        "RGB;16": repeated(smooth_image(100, 90).astype(np.uint16) * 257, 4, 3),
    }


@pytest.mark.parametrize("name", pictures())
def test_enlarged_images_come_back_and_cost_as_before(name: str) -> None:
    picture = pictures()[name]
    file = pixelzip.compress(picture)
    header, (body,) = container.read(file)
    derivation, _, _ = derived.read(header, body)
    assert derivation.factors != NONE
    small = pixelzip.compress(enlargement.shrunk(image.read(picture), derivation.factors).samples)
    assert len(file) < len(small) + 60 + sum(len(block) for _, block in header.blocks)
    restored = pixelzip.decompress_array(file)
    expected = image.to_array(image.read(picture))
    assert np.array_equal(restored, expected)
    crop = (3, 10, expected.shape[1] - 4, expected.shape[0] - 9)
    assert np.array_equal(pixelzip.decompress_array(file, crop=crop), expected[10:-9, 3:-4])
    if isinstance(picture, Image.Image):
        back = pixelzip.decompress(file)
        assert (back.mode, back.tobytes(), back.info) == (picture.mode, picture.tobytes(), picture.info)
    assert np.array_equal(salvage(file).to_array(), expected)


def test_small_images_are_enlarged_only_where_that_is_shorter() -> None:
    icon = repeated(np.eye(3, dtype=np.uint8)[..., None] * 255, 2, 2)
    assert pixelzip.info(pixelzip.compress(icon)).body == "drawing"
    both = pixelzip.compress([icon, repeated(smooth_image(60, 50), 2, 2), smooth_image(60, 50)])
    assert [pixelzip.info(file).body for file in both] == ["drawing", "derived", "model"]
    assert both[0] == pixelzip.compress(icon)


def test_damaged_tiles_are_where_they_are_in_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "find", lambda samples: [])
    pixels = repeated(smooth_image(300, 520), 2, 3)[1:, :-2]
    tile = only_damaged_tile(pixels, pixelzip.compress(pixels))
    assert tile.box[2:] == (pixels.shape[1], pixels.shape[0])


def test_the_commands(tmp_path: Path) -> None:
    Image.fromarray(repeated(smooth_image(150, 140), 2, 2)).save(tmp_path / "large.png")
    source, file, restored = (str(tmp_path / name) for name in ("large.png", "large.pxz", "restored.png"))
    runner = CliRunner()
    assert runner.invoke(main, ["compress", source, "-o", file]).exit_code == 0
    assert runner.invoke(main, ["info", file]).output.endswith(", model photo, made of another image, 1 tile(s)\n")
    assert runner.invoke(main, ["test", file]).exit_code == 0
    assert runner.invoke(main, ["decompress", file, "-o", restored]).exit_code == 0
    assert Image.open(restored).tobytes() == Image.open(source).tobytes()
