"""How a run starts: its settings, its network, its first weights, its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixelzip import models
from pixelzip.models.cifar10 import read_cifar10
from pixelzip.models.config import ConeConfig
from pixelzip.models.data import Alternating, Batch, Crops, SmallImages, Source, as_batch, find_images, split_held_out
from pixelzip.models.export import Network, float_network
from pixelzip.models.growing import grown, joined
from pixelzip.models.integer import Config, config_from_json, load_network
from pixelzip.models.paper import PaperConfig
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.planes import PlaneCrops
from pixelzip.models.two_stream import PaperPixelCNN


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a run depends on besides the network: saved beside the weights and printed in the model card."""

    data: tuple[str, ...]
    num_held_out: int = 40
    num_steps: int = 6000
    quantise_from_step: int = 4500
    num_warmup_steps: int = 200
    batch_size: int = 16
    crop_size: int = 80
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    averaging: float = 0.999
    seed: int = 0
    num_steps_between_checkpoints: int = 250
    device: str = "cpu"
    cifar10: bool = False
    """The one data folder is CIFAR-10: whole 32x32 images instead of crops."""
    small_images: str | None = None
    """CIFAR-10 as well: every third batch is of whole images, as many pixels as in a batch of crops."""
    initial: tuple[str, ...] = ()
    """The name of a shipped model, a model file or the folder of an earlier run: this one starts from its (averaged)
    weights. For an ensemble one of each member."""


def build(config: Config) -> Network:
    """Return an untrained network of the configuration's family."""
    return PaperPixelCNN(config) if isinstance(config, PaperConfig) else ConePixelCNN(config)


def located(source: str) -> Path:
    """Return the path of a model file or of a run's folder, or where the shipped model of that name lies."""
    path = Path(source)
    shipped = source in {entry.name for entry in models.MODELS} and not path.exists()
    return models.find(source).path if shipped else path


def initial_config(source: str) -> ConeConfig:
    """Return the configuration of a model of the cone family, given as in ``TrainingConfig.initial``.

    Raises:
        ValueError: it is of another family, or no model.
        OSError: there is none.
    """
    path = located(source)
    if not path.is_dir():
        config = load_network(path).config
        if not isinstance(config, ConeConfig):
            raise ValueError(f"{source}: this network is not of the cone family")
        return config
    try:
        settings = json.loads((path / "config.json").read_text())
        found = config_from_json(json.dumps(settings["network"]))
        assert isinstance(found, ConeConfig)
        return found
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{source}: not the folder of a run of the cone family") from error


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """Read the averaged weights of a run's last checkpoint."""
    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    prefix = "module."
    return {name.removeprefix(prefix): value for name, value in state["average"].items() if name.startswith(prefix)}


def initial_weights(paths: Sequence[str], network: Network) -> dict[str, Tensor]:
    """Read the weights to start ``network`` from: those of one model or run, or of each member of an ensemble.

    Raises:
        ValueError: they do not fit it.
    """
    parts = [_weights(located(path)) for path in paths]
    if isinstance(network, PaperPixelCNN):
        return parts[0]
    try:
        is_ensemble = network.config.members or len(parts) > 1
        return joined(parts, network) if is_ensemble else grown(parts[0], network)
    except ValueError as error:
        raise ValueError(f"{', '.join(paths)}: {error}") from error


def _weights(path: Path) -> dict[str, Tensor]:
    return averaged_weights(path) if path.is_dir() else float_network(load_network(path)).state_dict()


def training_data(network: Config, config: TrainingConfig, seed: int, skip: int) -> tuple[Source, list[Batch]]:
    """Return endless training batches, and held-out batches.

    Raises:
        ValueError: the network needs classes and the data has none, or a file is damaged.
    """
    if config.cifar10:
        return _small_images(network, config, seed, skip)
    if network.num_classes:
        raise ValueError("photographs have no classes")
    files, held_out_files = _training_files(config)
    crops = (PlaneCrops if network.is_for_planes else Crops)(files, config.crop_size, config.batch_size, seed, skip)
    held_out = [as_batch(crops.held_out(file)) for file in held_out_files]
    if config.small_images is None:
        return crops, held_out
    images = read_cifar10(Path(config.small_images), "train").images
    num_images = round(config.batch_size * config.crop_size**2 / (images.shape[1] * images.shape[2]))
    return Alternating(crops, SmallImages(images, None, num_images, seed)), held_out


def _small_images(network: Config, config: TrainingConfig, seed: int, skip: int) -> tuple[SmallImages, list[Batch]]:
    """Hold the first images out."""
    data = read_cifar10(Path(config.data[0]), "train")
    labels = data.labels if network.num_classes else None
    if network.num_classes and labels is None:
        raise ValueError(f"{config.data[0]}: these images have no classes")
    first = config.num_held_out
    starts = range(0, first, 100)
    held_out = [
        as_batch(data.images[start:end], None if labels is None else labels[start:end])
        for start, end in zip(starts, [*starts[1:], first], strict=True)
    ]
    kept = None if labels is None else labels[first:]
    return SmallImages(data.images[first:], kept, config.batch_size, seed, skip), held_out


def _training_files(config: TrainingConfig) -> tuple[list[Path], list[Path]]:
    """Hold files out of the first data folder only; the others are training data entirely."""
    first, held_out = split_held_out(find_images([Path(config.data[0])]), config.num_held_out)
    others = find_images([Path(path) for path in config.data[1:]]) if config.data[1:] else []
    return first + others, held_out
