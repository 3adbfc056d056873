"""What is said of WebP's bytes without asking it, and what packs do with it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import smooth_image

from pixelzip import estimate, fallback, image
from pixelzip.estimate import Pixels
from pixelzip.pack import Pack, pack


def noisy(height: int, width: int, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 24, (height, width, 3))
    return (smooth_image(height, width) // 2 + noise).astype(np.uint8)


def slowly(pixels: Pixels) -> float:
    """Do the same pixel by pixel."""
    height, width, _ = pixels.shape
    planes = [pixels[..., 0] - pixels[..., 1], pixels[..., 1], pixels[..., 2] - pixels[..., 1]]
    bits = 0.0
    for plane in planes:
        levels = plane.astype(int)
        residuals = [
            (levels[row, column] - (levels[row - 1, column] + levels[row, column - 1]) // 2) % 256
            for row in range(1, height)
            for column in range(1, width)
        ]
        counts = np.unique(residuals, return_counts=True)[1]
        bits -= float((counts * np.log2(counts / len(residuals))).sum())
    scale = height * width / ((height - 1) * (width - 1))
    return bits / 8 * scale * len(set(map(tuple, pixels.reshape(-1, 3).tolist()))) / (height * width)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (9, 14), (32, 32), (64, 64)])
def test_entropy_of_what_is_left(height: int, width: int) -> None:
    images = [noisy(height, width, seed) for seed in range(40)]
    assert np.allclose(estimate.webp_bytes(images), [slowly(pixels) for pixels in images], rtol=1e-4, atol=1e-4)


def test_nothing_is_said_of_one_row() -> None:
    assert estimate.webp_bytes([noisy(1, 9, 0), noisy(1, 9, 1)]).tolist() == [0, 0]


def test_webp_takes_hardly_less() -> None:
    images = [noisy(32, 32, seed) for seed in range(6)]
    taken = [len(fallback._write_webp(image.read(pixels), 6)) for pixels in images]
    assert (estimate.webp_bytes(images) < 1.12 * np.array(taken)).all()


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
