"""What is said of WebP's bytes without asking it, and what packs do with it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import smooth_image
from hypothesis import given
from hypothesis import strategies as st

from pixelzip import estimate, fallback, image, native
from pixelzip.estimate import Pixels
from pixelzip.pack import Pack, _are_worth_trying, pack


def noisy(height: int, width: int, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 24, (height, width, 3))
    return (smooth_image(height, width) // 2 + noise).astype(np.uint8)


def slowly(pixels: Pixels) -> float:
    """Do the same pixel by pixel."""
    height, width, _ = pixels.shape
    planes = [pixels[..., 0] - pixels[..., 1], pixels[..., 1], pixels[..., 2] - pixels[..., 1]]
    inside = [(row, column) for row in range(1, height) for column in range(1, width)]
    new = [
        (row, column)
        for row, column in inside
        if tuple(pixels[row, column]) not in (tuple(pixels[row - 1, column]), tuple(pixels[row, column - 1]))
    ]
    edge = [(row, column) for row in range(height) for column in range(width) if row == 0 or column == 0]
    bits = 0.0
    for plane in planes:
        levels = plane.astype(int)
        bits += entropy(
            [
                (levels[row, column] - (levels[row - 1, column] + levels[row, column - 1]) // 2) % 256
                for row, column in new
            ]
        )
    bits *= len({tuple(pixels[place].tolist()) for place in new + edge}) / len(new + edge)
    bits += entropy([place in new for place in inside])
    return bits / 8 * height * width / len(inside)


def entropy(symbols: list[int] | list[bool]) -> float:
    counts = np.unique(symbols, return_counts=True)[1]
    return -float((counts * np.log2(counts / len(symbols))).sum())


@pytest.mark.parametrize(("height", "width"), [(2, 2), (9, 14), (32, 32), (64, 64)])
def test_entropy_of_what_is_left(height: int, width: int) -> None:
    images = np.stack([noisy(height, width, seed) >> seed % 8 for seed in range(12)])
    assert np.allclose(estimate.webp_bytes(images), [slowly(pixels) for pixels in images], rtol=1e-4, atol=1e-4)


def test_nothing_is_said_of_one_row() -> None:
    assert estimate.webp_bytes(np.stack([noisy(1, 9, 0), noisy(1, 9, 1)])).tolist() == [0, 0]


def test_webp_takes_hardly_less() -> None:
    images = np.stack([noisy(32, 32, seed) for seed in range(6)])
    taken = [len(fallback._write_webp(image.read(pixels), 6)) for pixels in images]
    assert (estimate.webp_bytes(images) < 1.12 * np.array(taken)).all()


@pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")
@given(height=st.integers(2, 64), width=st.integers(2, 64), num_levels=st.integers(1, 256), seed=st.integers(0, 99))
def test_c_counts_the_same(height: int, width: int, num_levels: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, num_levels, (3, height, width, 3), dtype=np.uint8)
    images[2] = images[2, :1]
    assert np.array_equal(native.estimates(images, estimate._BITS_OF_COUNTS), estimate._counted(images))


@pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")
def test_c_refuses_what_does_not_fit() -> None:
    images, table = np.zeros((2, 5, 4, 3), dtype=np.uint8), estimate._BITS_OF_COUNTS
    for arguments in (
        (images, table[1:]),
        (images[..., :2], table),
        (images[:, :1], table),
        (np.zeros((2, 65, 64, 3), dtype=np.uint8), table),
    ):
        with pytest.raises(ValueError, match="do not fit one another"):
            native.estimates(*map(np.ascontiguousarray, arguments))


def test_drawn_images_of_few_bits_are_tried() -> None:
    icon = np.full((32, 32, 3), 255, dtype=np.uint8)
    icon[np.arange(32), np.arange(32)] = icon[np.arange(32), 31 - np.arange(32)] = (200, 30, 90)
    num_bytes = len(fallback.smallest(image.read(icon), None))
    stream_bytes, estimates = np.array([380, 385, 2400]), np.array([3 * 380, 385, 1.09 * 2400])
    assert _are_worth_trying(np.array([icon.size]), stream_bytes, estimates).tolist() == [True, False, True]
    assert num_bytes < 380


def test_only_images_that_may_gain_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[int]()
    smaller_than = fallback.smaller_than
    flat, grey = np.full((32, 32, 3), 200, dtype=np.uint8), noisy(32, 32, 9)[..., 0]
    flat[8:24, 8:24] = np.arange(3)
    images = [*(noisy(32, 32, seed) for seed in range(4)), flat, grey, noisy(70, 70, 0)]

    def noted(picture: image.Picture, num_bytes: int) -> bytes | None:
        tried.append(
            next(index for index, pixels in enumerate(images) if np.array_equal(pixels, image.to_array(picture)))
        )
        return smaller_than(picture, num_bytes)

    monkeypatch.setattr(fallback, "smaller_than", noted)
    packed = Pack(pack(images))
    assert sorted(tried) == [4, 5, 6]  # the flat one, and those of which nothing is said; threads take turns
    assert all(map(np.array_equal, packed, images))
    assert [entry.num_bytes < 100 for entry in packed.entries()] == [False] * 4 + [True] + [False] * 2
