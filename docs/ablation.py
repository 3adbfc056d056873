"""What each choice of the cone family is worth: small networks, one difference each, equal steps. A Markdown table.

    python docs/ablation.py PHOTOGRAPHS --output runs/ablation --steps 500

Bits are those of the held-out photographs under the averaged float network, speeds those of decoding in integers. Taps
are left out by weights that are set to zero before every step, and are not counted. A row that was finished before is
read from its folder.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import torch
from torch import Tensor, nn

import pixelzip
from pixelzip.models import data
from pixelzip.models.config import CONE, CONTEXT, ConeConfig
from pixelzip.models.export import export_network
from pixelzip.models.layers import FEATURES, Layer
from pixelzip.models.start import TrainingConfig
from pixelzip.models.train import Progress, Trainer

Kept = Callable[[Layer, Tensor], Tensor]
"""Maps a layer and its weights, (out, taps, in), to ones where a weight may be other than zero."""

Crop = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Variation:
    """One row: the network, what differs in its training, the weights it keeps, what is replaced in the code."""

    network: ConeConfig
    training: Mapping[str, Any] = field(default_factory=dict)
    kept: Kept | None = None
    patches: Mapping[str, Any] = field(default_factory=dict)


def only_taps(*taps: tuple[int, int]) -> Kept:
    """Keep these taps of the blocks."""

    def kept(layer: Layer, weight: Tensor) -> Tensor:
        ones = torch.ones_like(weight)
        if layer.taps == CONE:
            for index, tap in enumerate(CONE):
                ones[:, index] = tap in taps
        return ones

    return kept


def near_context(layer: Layer, weight: Tensor) -> Tensor:
    """Keep what the first layer sees of west, north-west, north, north-east, twice west and twice north."""
    ones = torch.ones_like(weight)
    if layer.source == FEATURES:
        near = {(-1, -1), (-1, 0), (-1, 1), (0, -2), (-2, 0)}
        for index, tap in enumerate(CONTEXT):
            ones[:, :, 3 * index : 3 * index + 3] = tap in near
    return ones


def without_coupling(layer: Layer, weight: Tensor) -> Tensor:
    """Keep all but the coefficients with which red and green move the means of green and blue."""
    ones = torch.ones_like(weight)
    if layer.output == "parameters":
        ones[7 * len(weight) // 10 :] = 0
    return ones


def permuted(crops: data.Crops, index: int, generator: np.random.Generator) -> Crop:
    """Draw a crop and exchange its channels at random."""
    crop: Crop = DRAW(crops, index, generator)
    return crop[..., generator.permutation(3)]


def plain(crops: data.Crops, index: int, generator: np.random.Generator) -> Crop:
    """Draw a crop as it is in its file, flipped or not."""
    image, side = crops.images[index], crops.crop_size
    top, left = (generator.integers(length - side + 1) for length in image.shape[:2])
    crop = image[top : top + side, left : left + side]
    return crop[:, ::-1] if generator.integers(2) else crop


def from_green(images: Crop, *labels: object) -> data.Batch:
    """Take green from red and blue, modulo 256, in all batches."""
    changed = images.copy()
    changed[..., 0] -= images[..., 1]
    changed[..., 2] -= images[..., 1]
    return AS_BATCH(changed)


DRAW, AS_BATCH = data.Crops._draw, data.as_batch
CROPS = "pixelzip.models.data.Crops"
PREDICTOR = "pixelzip.models.features.median_edge_offset"
SCHEDULE = "pixelzip.models.train.learning_rate_factor"


def variations(steps: int) -> dict[str, Variation]:
    """Return all rows by name; every one differs from the first in one thing."""
    base = ConeConfig(channels=40, blocks=(4,), mixtures=5)
    same = {
        "first layer sees 6 pixels, not 20": Variation(base, kept=near_context),
        "blocks of 1x1": Variation(base, kept=only_taps((0, 0))),
        "blocks see west and north": Variation(base, kept=only_taps((0, 0), (0, -1), (-1, 0))),
        "blocks without north-east": Variation(base, kept=only_taps((0, 0), (0, -1), (-1, 0), (-1, -1))),
        "no coupling of channels": Variation(base, kept=without_coupling),
        "no coupling, green taken from red and blue": Variation(
            base, kept=without_coupling, patches={"pixelzip.models.data.as_batch": from_green,
                                                  "pixelzip.models.start.as_batch": from_green}),
        "coupling, green taken from red and blue": Variation(
            base, patches={"pixelzip.models.data.as_batch": from_green, "pixelzip.models.start.as_batch": from_green}),
        "means from west, no predictor": Variation(base, patches={PREDICTOR: lambda north, _: torch.zeros_like(north)}),
        "crops as they are": Variation(base, patches={f"{CROPS}._draw": plain}),
        "channels exchanged at random": Variation(base, patches={f"{CROPS}._draw": permuted}),
        "crops of 32x32, four times as many": Variation(base, {"crop_size": 32, "batch_size": 32}),
        "half the learning rate": Variation(base, {"learning_rate": 2e-3}),
        "twice the learning rate": Variation(base, {"learning_rate": 8e-3}),
        "constant learning rate": Variation(base, patches={SCHEDULE: lambda step, config: min(1.0, step / 50)}),
        "fake quantisation for the last quarter": Variation(base, {"quantise_from_step": 3 * steps // 4}),
        "fake quantisation throughout": Variation(base, {"quantise_from_step": 0}),
    }  # fmt: skip
    networks = {
        "56 channels, 2 blocks": replace(base, channels=56, blocks=(2,)),
        "28 channels, 8 blocks": replace(base, channels=28, blocks=(8,)),
        "two resolutions": replace(base, blocks=(2, 2)),
        "depthwise blocks": replace(base, depthwise=True),
        "depthwise blocks, 84 channels": replace(base, channels=84, depthwise=True),
        "depthwise blocks, 128 channels, 2 blocks": replace(base, channels=128, blocks=(2,), depthwise=True),
        **{f"mixture of {count}": replace(base, mixtures=count) for count in (1, 2, 3, 10)},
    }
    first = {"40 channels, 4 blocks, mixture of 5": Variation(base)}
    return first | {name: Variation(network) for name, network in networks.items()} | same


@click.command()
@click.argument("photographs", type=click.Path(exists=True))
@click.option("--output", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=500, show_default=True)
def main(photographs: str, output: Path, steps: int) -> None:
    """Train every variation, one after the other, and print the table."""
    settings = TrainingConfig(
        data=(photographs,),
        num_steps=steps,
        quantise_from_step=steps + 1,
        num_warmup_steps=50,
        batch_size=8,
        crop_size=64,
        learning_rate=4e-3,
        averaging=0.98,
        num_steps_between_checkpoints=steps,
    )
    print("| network | MAC/pixel | kpixel/s | held out, bits/sub-pixel |\n|---|---|---|---|")
    with mock.patch("pixelzip.models.data.load_rgb", functools.cache(data.load_rgb)):
        for index, (name, variation) in enumerate(variations(steps).items()):
            print_row(name, variation, settings, output / f"{index:02}")


def print_row(name: str, variation: Variation, settings: TrainingConfig, folder: Path) -> None:
    """Train one network to the end, or find it trained, and print its row."""
    with ExitStack() as stack:
        for target, replacement in variation.patches.items():
            stack.enter_context(mock.patch(target, replacement))
        trainer = Trainer(variation.network, replace(settings, **variation.training), folder)
        cost = variation.network.multiplications_per_pixel
        if variation.kept:
            cost -= restrict(trainer, variation.kept)
        trainer.run(lambda progress: None)
    last = Progress(**json.loads((folder / "curve.jsonl").read_text().splitlines()[-1]))
    speed = "-" if variation.kept else f"{measure_speed(trainer, folder):,.0f}"
    print(f"| {name} | {cost:,.0f} | {speed} | {last.held_out_bits_per_subpixel:.4f} |", flush=True)


def restrict(trainer: Trainer, kept: Kept) -> int:
    """Keep some weights only, in training and on average; return how many are left out."""
    num_left_out = 0
    for network in (trainer.network, trainer.average.module):
        assert isinstance(network, nn.Module)
        num_left_out = 0
        for module in network.layers:  # type: ignore[union-attr]
            ones = kept(module.layer, module.weight)
            num_left_out += int((ones == 0).sum())
            module.register_forward_pre_hook(functools.partial(_clear, ones))
    return num_left_out


def _clear(ones: Tensor, module: nn.Module, inputs: object) -> None:
    module.weight.data.mul_(ones)  # type: ignore[operator]


def measure_speed(trainer: Trainer, folder: Path) -> float:
    """Return kpixel/s of decoding the first held-out photograph on one thread in integers, the best of five."""
    model = str(folder / "model.safetensors")
    export_network(trainer.averaged(), Path(model), {})
    image = np.ascontiguousarray(trainer.held_out[0].pixels[0].permute(1, 2, 0).numpy())
    with mock.patch("pixelzip.fallback._may_lose", return_value=False):
        file = pixelzip.compress(image, model)
    return float(image.shape[0] * image.shape[1]) / min(_seconds(file, model) for _ in range(5)) / 1e3


def _seconds(file: bytes, model: str) -> float:
    started = time.perf_counter()
    pixelzip.decompress_array(file, model=model, num_threads=1)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
