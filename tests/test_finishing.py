"""The end of a run: rounded layer by layer, the rest trained on; interrupted or not, the same file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import write_images

from pixelzip.models import finishing
from pixelzip.models.card import finish_run
from pixelzip.models.config import ConeConfig
from pixelzip.models.export import float_network
from pixelzip.models.finishing import round_trained
from pixelzip.models.integer import load_network
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.rounding import round_weights
from pixelzip.models.start import TrainingConfig
from pixelzip.models.train import Trainer

NETWORK = ConeConfig(channels=12, blocks=(1,), mixtures=2, depthwise=True)


@pytest.fixture
def settings(tmp_path: Path) -> TrainingConfig:
    images = write_images(tmp_path / "images", 64, 64)
    return TrainingConfig(
        (str(images),), num_held_out=2, num_steps=100, quantise_from_step=100, num_warmup_steps=20, batch_size=8,
        crop_size=32, learning_rate=1e-2, num_steps_between_checkpoints=100,
    )  # fmt: skip


def trained(settings: TrainingConfig, folder: Path) -> Trainer:
    trainer = Trainer(NETWORK, settings, folder)
    trainer.run(lambda progress: None)
    return trainer


def averaged(trainer: Trainer) -> ConePixelCNN:
    network = trainer.averaged()
    assert isinstance(network, ConePixelCNN)
    return network


def test_training_on_makes_good_what_rounding_loses(
    settings: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "_SHARE_OF_RUN", 5)
    trainer = trained(settings, tmp_path / "run")
    at_once = averaged(trainer)
    round_weights(at_once, trainer.some_pixels())
    numbers = list[int]()
    layer_by_layer = averaged(Trainer(NETWORK, settings, tmp_path / "run"))
    round_trained(trainer, layer_by_layer, numbers.append)
    assert numbers == [1, 2, 3]
    bits = [trainer.held_out_bits(network) for network in (layer_by_layer, at_once)]
    assert bits[0] is not None
    assert bits[1] is not None
    assert bits[0] < bits[1]


def test_a_run_that_is_resumed_at_its_end_gives_the_same_file(settings: TrainingConfig, tmp_path: Path) -> None:
    numbers = list[int]()
    path = finish_run(trained(settings, tmp_path / "run"), "command", numbers.append)
    assert numbers == [1, 2, 3]
    written = path.read_bytes()
    path.unlink()
    finish_run(Trainer(NETWORK, settings, tmp_path / "run"), "command", numbers.append)
    assert path.read_bytes() == written
    card = (tmp_path / "run" / "model.md").read_text()
    bits = Trainer(NETWORK, settings, tmp_path / "run").held_out_bits(float_network(load_network(path)))
    row = next(line for line in card.splitlines() if "held-out bits/sub-pixel, rounded" in line)
    assert float(row.split("|")[2]) == pytest.approx(bits, rel=1e-3)


def test_a_short_run_is_rounded_at_once(settings: TrainingConfig, tmp_path: Path) -> None:
    settings = TrainingConfig(**{**vars(settings), "num_steps": 3, "num_steps_between_checkpoints": 3})
    trainer = trained(settings, tmp_path / "run")
    network, other = averaged(trainer), averaged(Trainer(NETWORK, settings, tmp_path / "run"))
    round_trained(trainer, network, lambda number: pytest.fail("trained on"))
    trainer.batches.position = trainer.step
    round_weights(other, trainer.some_pixels())
    for layer, expected in zip(network.layers, other.layers, strict=True):
        assert torch.equal(layer.weight, expected.weight)  # type: ignore[arg-type]
