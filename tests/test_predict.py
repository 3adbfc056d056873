"""Stage 3: the wavefront executor equals the NumPy reference, whatever the batch and the backend."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import loud, smooth_image
from reference_network import reference_outputs

from pixelzip import product
from pixelzip.errors import PixelzipError
from pixelzip.models.integer import SHORT_LIMIT, IntegerNetwork
from pixelzip.predict import Predictor
from pixelzip.product import int8_products_are_exact

SHAPES = ((9, 13), (1, 1), (1, 5), (6, 1), (8, 8), (17, 3), (2, 2))


def run(network: IntegerNetwork, tiles: list[np.ndarray], device: str = "cpu") -> list[tuple[np.ndarray, np.ndarray]]:
    predictor = Predictor(network, [tile.shape[:2] for tile in tiles], torch.device(device))
    predictor.pixels.load(tiles)
    width = network.config.num_parameters_per_pixel
    outputs = [(np.zeros((*t.shape[:2], width), int), np.zeros(t.shape, int)) for t in tiles]
    for predicted in filter(None, map(predictor.predict, range(predictor.num_steps))):
        lanes, head, guess = predicted
        for lane, (tile, row, column) in enumerate(zip(lanes.tile, lanes.row, lanes.column, strict=True)):
            outputs[tile][0][row, column] = head[lane].cpu()
            outputs[tile][1][row, column] = guess[lane].cpu()
    return outputs


def tiles() -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    noise = [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]
    return [*noise, smooth_image(11, 10), np.zeros((5, 6, 3), np.uint8), np.full((6, 5, 3), 255, np.uint8)]


def test_executor_equals_reference(integer_network: IntegerNetwork) -> None:
    for tile, (head, guess) in zip(tiles(), run(integer_network, tiles()), strict=True):
        wanted_head, wanted_guess = reference_outputs(integer_network, tile)
        assert np.array_equal(head, wanted_head)
        assert np.array_equal(guess, wanted_guess)


def test_heads_that_are_clamped(integer_network: IntegerNetwork) -> None:
    network = loud(integer_network)
    pixels = smooth_image(5, 6)
    heads, _ = reference_outputs(network, pixels)
    assert {-SHORT_LIMIT, SHORT_LIMIT} <= set(heads.ravel().tolist())
    assert not np.array_equal(heads, reference_outputs(integer_network, pixels)[0])
    [(found, _)] = run(network, [pixels])
    assert np.array_equal(found, heads)


def test_float32_backend_equals_int8(integer_network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run(integer_network, tiles())
    monkeypatch.setattr(product, "int8_products_are_exact", lambda device: False)
    for one, other in zip(wanted, run(integer_network, tiles()), strict=True):
        assert np.array_equal(one[0], other[0])


def test_tiles_do_not_see_each_other(integer_network: IntegerNetwork) -> None:
    together = run(integer_network, tiles())
    for tile, wanted in zip(tiles(), together, strict=True):
        assert np.array_equal(run(integer_network, [tile])[0][0], wanted[0])


def test_pixels_given_one_by_one_equal_pixels_given_at_once(integer_network: IntegerNetwork) -> None:
    tile = smooth_image(9, 11)
    wanted = run(integer_network, [tile])[0][0]
    predictor = Predictor(integer_network, [tile.shape[:2]], torch.device("cpu"))
    for predicted in filter(None, map(predictor.predict, range(predictor.num_steps))):
        lanes, head, _ = predicted
        assert np.array_equal(head, wanted[lanes.row, lanes.column])
        predictor.pixels.store(lanes, torch.from_numpy(tile[lanes.row, lanes.column]).int())


def test_every_pixel_has_one_step(integer_network: IntegerNetwork) -> None:
    predictor = Predictor(integer_network, [(5, 7), (3, 2)], torch.device("cpu"))
    steps = filter(None, map(predictor.predict, range(predictor.num_steps)))
    seen = [place for lanes, _, _ in steps for place in zip(lanes.tile, lanes.row, lanes.column, strict=True)]
    assert len(seen) == len(set(seen)) == 5 * 7 + 3 * 2


def test_a_backend_with_wrong_sums_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: (a.int() @ b.int()) + 1)
    assert not int8_products_are_exact.__wrapped__(torch.device("cpu"))


def test_inexact_float32_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.half)
    with pytest.raises(PixelzipError, match="not exact"):
        product.require_exact_float32.__wrapped__(torch.device("cpu"))


SCRIPT = """
import hashlib, sys
import numpy as np
import pixelzip
image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
image[8:, 8:] = np.arange(42)[None, :, None] + np.arange(32)[:, None, None]
print(hashlib.sha256(pixelzip.compress(image, sys.argv[1])).hexdigest())
"""


@pytest.mark.parametrize(
    "settings",
    [{"ONEDNN_MAX_CPU_ISA": "AVX2"}, {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}],
    ids=str,
)
def test_instruction_sets_give_the_same_bytes(model_path: str, settings: dict[str, str]) -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, model_path], env=os.environ | extra, capture_output=True, check=True
        ).stdout
        for extra in ({}, settings)
    }
    assert len(digests) == 1
    assert digests.pop().strip()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu(integer_network: IntegerNetwork) -> None:
    for one, other in zip(run(integer_network, tiles()), run(integer_network, tiles(), "cuda"), strict=True):
        assert np.array_equal(one[0], other[0])
