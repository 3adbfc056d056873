"""The training loop: crops -> bits -> AdamW, with warm-up, cosine, averaged weights and checkpoints.

    pixelzip train FOLDER... --output runs/photo
    torchrun --nproc-per-node 4 -m pixelzip train FOLDER... --output runs/photo

Fake quantisation switches on for the last part of the same schedule, so what is exported is what was trained.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pixelzip.models.cifar10 import load_cifar10
from pixelzip.models.config import ConeConfig
from pixelzip.models.data import Crops, SmallImages, find_images, split_held_out
from pixelzip.models.export import float_network
from pixelzip.models.integer import load_network
from pixelzip.models.mixture import bits
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.planes import PlaneCrops

logger = logging.getLogger(__name__)


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
    initial: str | None = None
    """A model file, or the folder of an earlier run: this one starts from its (averaged) weights."""


@dataclass(frozen=True)
class Progress:
    """One line of the loss curve: training bits since the last line, held-out bits when they were measured."""

    step: int
    seconds: float
    bits_per_subpixel: float
    held_out_bits_per_subpixel: float | None


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine down to 1 % at the last step."""
    warmup = min(1.0, (step + 1) / max(1, config.num_warmup_steps))
    return warmup * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.num_steps))))


class Trainer:
    """A run in ``folder``: ``checkpoint.pt`` to resume from, ``curve.jsonl``, ``config.json``."""

    def __init__(self, network: ConeConfig, config: TrainingConfig, folder: Path) -> None:
        self.config, self.folder, self.step = config, folder, 0
        self.device, self.rank, self.world_size = _place(config.device)
        torch.manual_seed(config.seed)
        self.network = ConePixelCNN(network)
        if config.initial:
            self.network.load_state_dict(_initial_weights(Path(config.initial), self.network))
        self.network = self.network.to(self.device)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging))  # type: ignore[no-untyped-call]
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.exists():
            self._resume()
        self.batches, self.held_out = _data(network, config, config.seed * 1000 + self.rank, self.step)
        settings = {"network": asdict(network), "training": asdict(config)}
        (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def run(self, report: Callable[[Progress], None], stop_at: int | None = None) -> None:
        """Train to the end of the schedule, or pause at ``stop_at``; ``report`` is called once per checkpoint."""
        last = min(self.config.num_steps, stop_at or self.config.num_steps)
        forward = self._compiled()
        losses: list[Tensor] = []
        started = time.monotonic()
        for crops in self.batches:
            if self.step >= last:
                return
            losses.append(self._train_step(forward, crops.to(self.device)))
            if self.step % self.config.num_steps_between_checkpoints == 0 or self.step == last:
                held_out = self._held_out_bits() if self.rank == 0 else None
                mean = float(torch.stack(losses).mean())
                losses.clear()
                if self.rank == 0:
                    self._save()
                    self._record(Progress(self.step, time.monotonic() - started, mean, held_out), report)

    def _train_step(self, forward: nn.Module, crops: Tensor) -> Tensor:
        self.network.quantised = self.step >= self.config.quantise_from_step
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * learning_rate_factor(self.step, self.config)
        with torch.autocast(self.device.type, torch.bfloat16):
            pixels = crops.float()  # (batch, 3, crop, crop)
            raw, guess = forward(pixels)
        loss = bits(raw, guess, pixels).mean() / 3
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return loss.detach()

    def _compiled(self) -> nn.Module:
        module: nn.Module = self.network
        if self.world_size > 1:
            module = nn.parallel.DistributedDataParallel(module)
        if self.device.type == "cuda":
            module = torch.compile(module)  # type: ignore[assignment]
        return module

    @torch.no_grad()
    def _held_out_bits(self) -> float | None:
        """Mean bits/sub-pixel of the averaged network over the held-out batches."""
        if not self.held_out:
            return None
        network = self.averaged()
        total = 0.0
        for images in self.held_out:
            pixels = images.to(self.device).permute(0, 3, 1, 2).float()  # (batch, 3, H, W)
            with torch.autocast(self.device.type, torch.bfloat16):
                raw, guess = network(pixels)
            total += float(bits(raw, guess, pixels).mean()) / 3
        return total / len(self.held_out)

    def averaged(self) -> ConePixelCNN:
        """Return the network with averaged weights, quantised as the run is at this step."""
        network = self.average.module
        assert isinstance(network, ConePixelCNN)
        network.quantised = self.step >= self.config.quantise_from_step
        return network.eval()

    def _record(self, progress: Progress, report: Callable[[Progress], None]) -> None:
        with (self.folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(asdict(progress)) + "\n")
        report(progress)

    def _save(self) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        with _replacing(self._checkpoint) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        logger.info("resumed at step %d", self.step)


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """Read the averaged weights of a run's last checkpoint."""
    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    prefix = "module."
    return {name.removeprefix(prefix): value for name, value in state["average"].items() if name.startswith(prefix)}


def _initial_weights(path: Path, network: ConePixelCNN) -> dict[str, Tensor]:
    """Read the weights to start ``network`` from.

    Inputs that only it has, those of its positions, start at zero; blocks that only it has add nothing at first.
    """
    weights = averaged_weights(path) if path.is_dir() else float_network(load_network(path)).state_dict()
    stem = "layers.0.weight"
    missing = network.state_dict()[stem].shape[2] - weights[stem].shape[2]
    grown = network.state_dict()
    last, new_last = (max(int(name.split(".")[1]) for name in names) for names in (weights, grown))
    for name in grown:
        _, index, kind = name.split(".")
        if int(index) == new_last:
            grown[name] = weights[f"layers.{last}.{kind}"]
        elif int(index) < last:
            grown[name] = weights[name]
        elif network.layers[int(index)].layer.residual:  # type: ignore[union-attr]
            grown[name].zero_()
    return {**grown, stem: functional.pad(weights[stem], (0, max(0, missing)))}


def _data(
    network: ConeConfig, config: TrainingConfig, seed: int, skip: int
) -> tuple[SmallImages | Crops, list[Tensor]]:
    """Return endless training batches, and held-out batches (batch, H, W, 3) uint8."""
    if config.cifar10:
        images = load_cifar10(Path(config.data[0]), "train")
        held_out = [torch.from_numpy(images[start : start + 100]) for start in range(0, config.num_held_out, 100)]
        return SmallImages(images[config.num_held_out :], config.batch_size, seed, skip), held_out
    files, held_out_files = _training_files(config)
    crops = (PlaneCrops if network.period else Crops)(files, config.crop_size, config.batch_size, seed, skip)
    return crops, [torch.from_numpy(crops.held_out(file).copy()) for file in held_out_files]


def _training_files(config: TrainingConfig) -> tuple[list[Path], list[Path]]:
    """Hold files out of the first data folder only; the others are training data entirely."""
    first, held_out = split_held_out(find_images([Path(config.data[0])]), config.num_held_out)
    others = find_images([Path(path) for path in config.data[1:]]) if config.data[1:] else []
    return first + others, held_out


def _place(device: str) -> tuple[torch.device, int, int]:
    """Return this process's device, rank and the number of processes (more than one under torchrun)."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        return torch.device(device), 0, 1
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    local = int(os.environ["LOCAL_RANK"])
    place = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    return place, distributed.get_rank(), world_size


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    temporary = path.with_suffix(".tmp")
    yield temporary
    os.replace(temporary, path)
