"""The float network: causality, likelihood, quantisation, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CONFIGS, make_network, smooth_image

from pixelzip.models.config import CONTEXT, ConeConfig
from pixelzip.models.export import export_network, float_network
from pixelzip.models.integer import load_network
from pixelzip.models.mixture import bits, log_bin_mass
from pixelzip.models.pixelcnn import ConeLayer, ConePixelCNN, sum_of_shifts

ALL_CONFIGS = (*CONFIGS, ConeConfig(), ConeConfig(channels=8, blocks=(1,), mixtures=1, dropout=0.5))


@pytest.mark.parametrize("config", ALL_CONFIGS, ids=str)
@pytest.mark.parametrize("place", [(0, 0), (3, 4), (5, 11), (7, 0)])
def test_a_pixel_changes_only_later_wavefronts(config: ConeConfig, place: tuple[int, int]) -> None:
    network = make_network(config)
    pixels = torch.from_numpy(smooth_image(8, 12)).permute(2, 0, 1)[None].float()
    changed = pixels.clone()
    changed[0, :, place[0], place[1]] = 255 - changed[0, :, place[0], place[1]]
    with torch.no_grad():
        before, after = network(pixels), network(changed)
    steps = torch.arange(12) + 2 * torch.arange(8)[:, None]
    not_later = steps <= place[1] + 2 * place[0]
    for first, second in zip(before, after, strict=True):
        assert torch.equal(first[..., not_later], second[..., not_later])
    if place != (7, 0):
        assert not torch.equal(before[0], after[0])


def test_shifts_are_the_convolution() -> None:
    config = ConeConfig(channels=6, blocks=(1,), mixtures=2, depthwise=True)
    module = next(layer for layer in ConePixelCNN(config).layers if layer.layer.depthwise)
    assert isinstance(module, ConeLayer)
    source = torch.randn(2, 6, 5, 7)
    wanted = module.product(source, module.weight, (5, 7))
    assert torch.allclose(sum_of_shifts(source, module.weight, module.bias), wanted, atol=1e-6)


def test_context_lies_in_the_cone() -> None:
    assert all(column + 2 * row < 0 for row, column in CONTEXT)
    assert len(set(CONTEXT)) == len(CONTEXT)


def test_every_layer_reads_only_computed_positions() -> None:
    for config in ALL_CONFIGS:
        known = {"features"}
        for layer in config.plan():
            assert layer.source in known
            assert layer.residual is None or layer.residual in known
            assert all(column + 2 * row <= 0 for row, column in layer.taps)
            known.add(layer.name)


def test_bin_masses_sum_to_one() -> None:
    levels = torch.arange(256, dtype=torch.float64)
    for mean in (-20.0, 0.0, 100.3, 255.0, 290.0):
        for log_scale in (-3.0, 0.0, 2.0, 5.0):
            mass = log_bin_mass(levels - mean, torch.tensor(log_scale, dtype=torch.float64), levels).exp()
            assert float(mass.sum()) == pytest.approx(1, abs=1e-9)


def test_loss_is_the_joint_mixture() -> None:
    """With two channels fixed the probabilities of the third sum to the probability of the first two."""
    torch.manual_seed(0)
    raw = torch.randn(1, 30, 1, 1).double()
    guess = torch.full((1, 3, 1, 1), 128.0).double()
    pixels = torch.full((256 * 4, 3, 1, 1), 128.0).double()
    pixels[:, 2, 0, 0] = torch.arange(256).repeat(4)
    pixels[:, 1, 0, 0] = torch.tensor([0, 100, 128, 255]).repeat_interleave(256)
    probability = torch.exp2(-bits(raw.expand(1024, -1, -1, -1), guess, pixels)).view(4, 256)
    with_green = probability.sum(dim=1)
    assert (with_green > 0).all()
    assert float(with_green.sum()) < 1


def test_config_rejects_nonsense() -> None:
    for wrong in ({"channels": 0}, {"blocks": ()}, {"blocks": (0,)}, {"mixtures": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match="must be"):
            ConeConfig(**wrong)  # type: ignore[arg-type]


def test_default_network_size() -> None:
    assert ConeConfig().multiplications_per_pixel == 239_440


def test_export_refuses_sums_of_2_to_the_24(tmp_path: Path) -> None:
    network = make_network(ConeConfig(channels=420, blocks=(1,), mixtures=1))
    with torch.no_grad():
        network.layers[1].weight.fill_(1.0)  # type: ignore[operator,union-attr]
    with pytest.raises(ValueError, match=r"layer down1\.0\.mix: sums may reach \d+, which is not below 2\^24"):
        export_network(network, tmp_path / "x.safetensors", {})


def test_export_is_reproducible(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_network(make_network(CONFIGS[1]), tmp_path / name, {"name": "test"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_floats_of_a_model_give_its_integers_again(config: ConeConfig, tmp_path: Path) -> None:
    export_network(make_network(config), tmp_path / "first", {})
    export_network(float_network(load_network(tmp_path / "first")), tmp_path / "second", {})
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"{}"])
def test_loading_something_else_says_so(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="not a pixelzip model"):
        load_network(path)


def test_fake_quantised_network_equals_the_integers(tmp_path: Path) -> None:
    from pixelzip.models.export import _output_steps
    from pixelzip.predict import Predictor

    network: ConePixelCNN = make_network(CONFIGS[0])
    network.quantised = True
    export_network(network, tmp_path / "x.safetensors", {})
    image = smooth_image(9, 14)
    with torch.no_grad():
        raw, guess = network(torch.from_numpy(image).permute(2, 0, 1)[None].float())
    wanted = raw[0].permute(1, 2, 0).numpy() * _output_steps(CONFIGS[0].plan()[-1], CONFIGS[0])[0]
    predictor = Predictor(load_network(tmp_path / "x.safetensors"), [(9, 14)], torch.device("cpu"))
    predictor.pixels.load([image])
    for predicted in filter(None, map(predictor.predict, range(predictor.num_steps))):
        lanes, head, guesses = predicted
        assert np.array_equal(guesses.T, guess[0, :, lanes.row, lanes.column])
        assert np.abs(wanted[lanes.row, lanes.column] - head.numpy()).max() < 4
