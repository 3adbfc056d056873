"""Averaged weights of a run -> weights on the integer grid, layer by layer, what is left trained on after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from torch import enable_grad
from torch.optim.swa_utils import AveragedModel

from pixelzip.models.muon import Optimizers
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.rounding import round_weights
from pixelzip.models.train import Trainer, learning_rate_factor, moving_average

LEARNING_RATE: Final = 1.5e-4
"""What ``photo-planes-7`` was finished with, as MAX_STEPS_PER_LAYER (docs/log.md); others were not tried."""

MAX_STEPS_PER_LAYER: Final = 300
_SHARE_OF_RUN: Final = 40
"""As MAX_STEPS_PER_LAYER: a fortieth of the run's steps at most."""

_NUM_WARMUP_STEPS: Final = 50
_AVERAGING: Final = 0.995


def round_trained(trainer: Trainer, network: ConePixelCNN, report: Callable[[int], None]) -> None:
    """Round all weights of a run's averaged network in place; ``report`` is told how many layers are rounded.

    Runs of less than 40 steps are rounded as they are. What comes out depends on the run's settings, its seed and
    its weights only, not on whether it was interrupted.
    """
    trainer.batches.position = trainer.step
    num_steps = min(MAX_STEPS_PER_LAYER, trainer.config.num_steps // _SHARE_OF_RUN)
    pixels = trainer.some_pixels()
    round_weights(network, pixels, _Training(trainer, network, num_steps, report).go_on if num_steps else None)


class _Training:
    """What trains the weights that are not yet rounded, some steps after every layer, at a rate that falls over all."""

    def __init__(self, trainer: Trainer, network: ConePixelCNN, num_steps: int, report: Callable[[int], None]) -> None:
        self._trainer, self._network, self._num_steps, self._report = trainer, network, num_steps, report
        num_steps_in_all = num_steps * (len(network.layers) - 1)
        self._schedule = replace(trainer.config, num_steps=num_steps_in_all, num_warmup_steps=_NUM_WARMUP_STEPS)
        self._optimizer = Optimizers(network, trainer.config.weight_decay)
        self._batches = trainer.coming_batches()
        self._step = 0

    def go_on(self) -> None:
        """Train, activations rounded, and keep averages of the weights."""
        average = AveragedModel(self._network, multi_avg_fn=moving_average(_AVERAGING))
        self._network.train()
        with enable_grad():
            for _ in range(self._num_steps):
                rate = LEARNING_RATE * learning_rate_factor(self._step, self._schedule)
                self._trainer.descend(self._network, next(self._batches), self._optimizer, rate)
                average.update_parameters(self._network)
                self._step += 1
        self._network.load_state_dict(average.module.state_dict())
        self._network.eval()
        self._report(self._step // self._num_steps)
