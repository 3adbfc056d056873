"""The bytes of fixed images are those of every other machine; products at the extremes of what they must hold."""

from __future__ import annotations

import exactness
import numpy as np
import pytest
import torch

from pixelzip import product
from pixelzip.models.layers import WEIGHT_LIMIT
from pixelzip.product import int8_products_are_exact

LENGTHS = (1, 3, 8, 63, 66, 80, 127, 320, 400, 512, 1023, 2000)
"""Inputs of one sum; 127, 320 and 400 are those of shipped layers."""

ROWS = (1, 2, 16, 17, 31, 100)


@pytest.mark.no_cover
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("model", exactness.DIGESTS)
def test_the_digests_of_this_machine(model: str) -> None:
    assert exactness.digest(model) == exactness.DIGESTS[model]


@pytest.mark.no_cover
def test_a_digest_with_float32_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    monkeypatch.setattr(product, "int8_products_are_exact", lambda device: False)
    assert exactness.digest("photo", threads=1) == exactness.DIGESTS["photo"]


def extremes(num_inputs: int, generator: np.random.Generator) -> np.ndarray:
    """Return weights (8, inputs) whose sums are as large as they may be, with either sign, in pairs or all."""
    most = min(WEIGHT_LIMIT, (2**24 - 1) // (128 * num_inputs))
    weight = np.full((8, num_inputs), most, dtype=np.int8)
    weight[1] = -most
    weight[2, ::2] = -most
    weight[3, 1::2] = 0
    weight[4, ::4] = weight[4, 1::4] = -most
    weight[5:] = generator.integers(-most, most + 1, (3, num_inputs))
    return weight


@pytest.mark.parametrize("kind", ["int8", "float32"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_products_at_the_extremes(kind: str, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if kind == "int8" and not int8_products_are_exact(torch.device(device)):
        pytest.skip("int8 products are not exact here, and not used")
    generator = np.random.default_rng(0)
    for num_inputs in LENGTHS:
        weight = extremes(num_inputs, generator)
        padded = np.pad(weight, ((0, 0), (0, -num_inputs % 8)))
        for num_rows in ROWS:
            inputs = generator.integers(-128, 128, (num_rows, num_inputs), dtype=np.int8)
            inputs[0] = -128
            inputs[-1, ::2], inputs[-1, 1::2] = 127, -128
            wanted = inputs.astype(np.int64) @ weight.T.astype(np.int64)
            assert np.abs(wanted).max() < 2**24
            source = torch.from_numpy(np.pad(inputs, ((0, 17), (0, -num_inputs % 8)))).to(device)
            matrix = torch.from_numpy(padded).to(device).t()
            sums = torch._int_mm(source, matrix) if kind == "int8" else source.float() @ matrix.float()
            assert np.array_equal(sums.cpu().numpy()[:num_rows].astype(np.int64), wanted), (num_inputs, num_rows)


@pytest.mark.parametrize("wrong", ["saturated pairs", "half precision", "one row"])
def test_backends_that_are_almost_right_are_not_used(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def int_mm(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        exact = inputs.int() @ weight.int()
        if wrong == "one row":
            exact[-1, -1] += 1
        elif wrong == "half precision":
            exact = exact.to(torch.bfloat16).int()
        else:
            pairs = (inputs.int()[:, ::2, None] * weight.int()[None, ::2]) + (
                inputs.int()[:, 1::2, None] * weight.int()[None, 1::2]
            )
            exact = pairs.clamp(-(2**13), 2**13 - 1).sum(dim=1).int()
        return exact

    monkeypatch.setattr(torch, "_int_mm", int_mm)
    assert not int8_products_are_exact.__wrapped__(torch.device("cpu"))
