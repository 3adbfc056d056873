"""Training data for networks of planes is what decoders and scanners hand to a conversion."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image
from test_lattice import photograph

from pixelzip.models.conversion import JFIF
from pixelzip.models.planes import PlaneCrops, frame_planes, scan_planes


def test_training_crops_are_planes(tmp_path: pytest.TempPathFactory) -> None:
    pixels = smooth_image(48, 64)
    Image.fromarray(pixels).save(f"{tmp_path}/photograph.png")
    Image.fromarray(photograph(48, 64)).save(f"{tmp_path}/was-jpeg.png")
    crops = PlaneCrops([tmp_path / "photograph.png", tmp_path / "was-jpeg.png"], 32, 6, seed=3)  # type: ignore[operator]
    assert crops.on_lattice == [False, True]
    batches = [next(iter(crops)).pixels for _ in range(4)]
    assert all(batch.shape == (6, 3, 32, 32) for batch in batches)
    own = crops._aligned(crops.images[1], np.random.default_rng(0))
    aligned = [photograph(48, 64)[top : top + 32, left : left + 32] for top in (0, 16) for left in (0, 16, 32)]
    assert any(np.array_equal(JFIF.to_rgb(own), crop) for crop in aligned)


def test_scanned_chroma_is_interpolated() -> None:
    planes = scan_planes(smooth_image(20, 30)).astype(int)
    assert np.array_equal(planes[::2, 1:-1:2, 1:], (planes[::2, :-2:2, 1:] + planes[::2, 2::2, 1:] + 1) >> 1)


@pytest.mark.parametrize(("is_full_range", "lowest", "highest"), [(True, 0, 255), (False, 16, 235)])
def test_frames_have_repeated_chroma(is_full_range: bool, lowest: int, highest: int) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (20, 30, 3), dtype=np.uint8) * 255
    planes = frame_planes(noise, 95, is_full_range)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        assert np.array_equal(planes[::2, ::2, 1:], planes[row::2, column::2, 1:])
    assert planes[..., 0].min() == lowest
    assert planes[..., 0].max() == highest
