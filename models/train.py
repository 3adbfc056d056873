"""The training loop: crops -> bits -> Muon and AdamW, with warm-up, cosine, averaged weights and checkpoints.

    pixelzip train FOLDER... --output runs/photo
    torchrun --nproc-per-node 4 -m pixelzip train FOLDER... --output runs/photo

Fake quantisation switches on for the last part of the same schedule, so what is exported is what was trained.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.optim.swa_utils import AveragedModel

from pixelzip.models.data import Batch, prefetched
from pixelzip.models.export import Network, replacing
from pixelzip.models.integer import Config
from pixelzip.models.muon import Optimizers
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.start import TrainingConfig, build, initial_weights, training_data
from pixelzip.models.two_stream import PaperPixelCNN

logger = logging.getLogger(__name__)


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

    def __init__(self, network: Config, config: TrainingConfig, folder: Path) -> None:
        self.config, self.folder, self.step = config, folder, 0
        self.device, self.rank, self.world_size = _place(config.device)
        torch.manual_seed(config.seed)
        self.network = build(network)
        self.batches, self.held_out = training_data(network, config, config.seed * 1000 + self.rank, self.step)
        if config.initial:
            _load(self.network, initial_weights(config.initial, self.network), ", ".join(config.initial))
        elif isinstance(self.network, PaperPixelCNN):
            self.network.initialise(next(iter(self.batches)).pixels.float())
        self.network = self.network.to(self.device)
        self.average = AveragedModel(self.network, multi_avg_fn=moving_average(config.averaging))
        self.optimizer = Optimizers(self.network, config.weight_decay)
        self._bits = torch.compile(self.network.bits) if self._is_on_gpu else self.network.bits
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.exists():
            self._resume()
        self.batches.position = self.step
        self.curve = self._read_curve()
        settings = {"network": asdict(network), "training": asdict(config)}
        if self.rank == 0:
            with replacing(folder / "config.json") as temporary:
                temporary.write_text(json.dumps(settings, indent=2) + "\n")

    @property
    def _is_on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def run(self, report: Callable[[Progress], None], stop_at: int | None = None) -> None:
        """Train to the end of the schedule, or pause at ``stop_at``; ``report`` is called once per checkpoint."""
        last = min(self.config.num_steps, stop_at or self.config.num_steps)
        forward = self._compiled()
        losses: list[Tensor] = []
        started = time.monotonic()
        for batch in self.coming_batches():
            if self.step >= last:
                return
            losses.append(self._train_step(forward, batch))
            if self.step % self.config.num_steps_between_checkpoints == 0 or self.step == last:
                held_out = self.held_out_bits(self.averaged()) if self.rank == 0 else None
                mean = float(torch.stack(losses).mean())
                losses.clear()
                if self.rank == 0:
                    self._record(Progress(self.step, time.monotonic() - started, mean, held_out), report)
                    self._save()

    def coming_batches(self) -> Iterator[Batch]:
        """Return the training batches from the sources' position on, made beside the steps where a GPU would wait."""
        return prefetched(self.batches, torch.get_num_threads()) if self._is_on_gpu else iter(self.batches)

    def _train_step(self, forward: nn.Module, batch: Batch) -> Tensor:
        self.network.quantised = self.step >= self.config.quantise_from_step
        learning_rate = self.config.learning_rate * learning_rate_factor(self.step, self.config)
        loss = self.descend(forward, batch, self.optimizer, learning_rate)
        self.average.update_parameters(self.network)
        self.step += 1
        return loss

    def descend(self, forward: nn.Module, batch: Batch, optimizer: Optimizers, learning_rate: float) -> Tensor:
        """Take one step along the gradients of a batch, and return its bits/sub-pixel."""
        loss = self._bits_per_subpixel(forward, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(forward.parameters(), 1.0)
        optimizer.step(learning_rate)
        return loss.detach()

    def _compiled(self) -> nn.Module:
        module: nn.Module = self.network
        if self.world_size > 1:
            module = nn.parallel.DistributedDataParallel(module)
        if self._is_on_gpu:
            module = torch.compile(module)  # type: ignore[assignment]
        return module

    @torch.no_grad()
    def held_out_bits(self, network: Network) -> float | None:
        """Mean bits/sub-pixel of a network over the held-out batches."""
        if not self.held_out:
            return None
        total = 0.0
        for batch in self.held_out:
            total += float(self._bits_per_subpixel(network, batch))
        return total / len(self.held_out)

    def _bits_per_subpixel(self, forward: nn.Module, batch: Batch) -> Tensor:
        pixels = batch.pixels.to(self.device).float()  # (batch, 3, H, W)
        classes = () if batch.classes is None else (batch.classes.to(self.device),)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=_multiplies_bfloat16(self.device)):
            raw, guess = forward(pixels, *classes)
        return self._bits(raw, guess, pixels).mean() / 3

    def leave(self) -> None:
        """Part from the other processes after the last step: one that ends while connected may abort them all."""
        if self.world_size > 1:
            distributed.barrier()
            distributed.destroy_process_group()

    def some_pixels(self) -> list[Tensor]:
        """Return the next training batches, each (batch, 3, H, W) float levels, about 10^5 pixels in all."""
        some = list[Tensor]()
        batches = iter(self.batches)
        while sum(pixels[:, 0].numel() for pixels in some) < 10**5:
            some.append(next(batches).pixels.float().to(self.device))
        return some

    def averaged(self) -> Network:
        """Return the network with averaged weights, quantised as the run is at this step."""
        network = self.average.module
        assert isinstance(network, ConePixelCNN | PaperPixelCNN)
        network.quantised = self.step >= self.config.quantise_from_step
        return network.eval()

    def _record(self, progress: Progress, report: Callable[[Progress], None]) -> None:
        self.curve.append(json.dumps(asdict(progress)))
        with replacing(self.folder / "curve.jsonl") as temporary:
            temporary.write_text("".join(f"{line}\n" for line in self.curve))
        report(progress)

    def _read_curve(self) -> list[str]:
        """Return the lines up to the checkpoint: a run that was killed may have written one more."""
        path = self.folder / "curve.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if json.loads(line)["step"] <= self.step]

    def _save(self) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        with replacing(self._checkpoint) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        try:
            state: dict[str, Any] = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["random"].cpu())
            self.step = state["step"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{self._checkpoint}: damaged, or of another network") from error
        logger.info("resumed at step %d", self.step)


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Return an exponential moving average over the last tenth of the steps, until its decay has grown to ``decay``."""

    def update(average: Any, current: Any, num_averaged: Any) -> None:
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + int(num_averaged)) / (10 + int(num_averaged))))

    return torch.no_grad()(update)


def _load(network: Network, weights: dict[str, Tensor], source: str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{source}: these weights are of another network") from error


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster: processors without AVX-512 take many times as long as in float32."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")


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
