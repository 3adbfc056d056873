"""The paper's own comparisons on small networks, each trained on the same images: a Markdown table.

    python docs/compare.py CIFAR10 --output runs/compare --steps 400 --channels 24 --blocks 1

Bits are those of held-out training images under the averaged float network, except for the rows that say otherwise. A
row that was finished before is read from its folder.
"""

import json
from dataclasses import replace
from pathlib import Path

import click
import torch

from pixelzip.models.config import ConeConfig
from pixelzip.models.export import export_network
from pixelzip.models.integer import Config, load_network
from pixelzip.models.mixture import continuous_bits
from pixelzip.models.paper import PaperConfig
from pixelzip.models.start import TrainingConfig
from pixelzip.models.train import Progress, Trainer
from pixelzip.streams import Tiles, measure_tiles

NUM_CODED = 20
"""Held-out images that the integer network is measured on."""


def configurations(baseline: PaperConfig) -> dict[str, Config]:
    """Return what is compared, by name; every one differs from the first in one thing."""
    return {
        "the paper's network, small": baseline,
        "256-way softmax": replace(baseline, likelihood="softmax"),
        "no downsampling": replace(baseline, downsampling=False),
        "no shortcuts": replace(baseline, shortcuts=False),
        "no dropout": replace(baseline, dropout=0.0),
        "class-conditional": replace(baseline, num_classes=10),
        "cone, differences and predictor, of about the same cost": ConeConfig(channels=48, blocks=(4,), mixtures=5),
    }


@click.command()
@click.argument("data", type=click.Path(exists=True))
@click.option("--output", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=400, show_default=True)
@click.option("--channels", default=24, show_default=True)
@click.option("--blocks", default=1, show_default=True)
@click.option("--batch-size", default=16, show_default=True)
@click.option("--held-out", default=200, show_default=True)
def main(data: str, output: Path, steps: int, channels: int, blocks: int, batch_size: int, held_out: int) -> None:
    """Train every configuration, one after the other, and print the table."""
    settings = TrainingConfig(
        data=(data,),
        num_held_out=held_out,
        num_steps=steps,
        quantise_from_step=steps + 1,
        num_warmup_steps=50,
        batch_size=batch_size,
        learning_rate=4e-3,
        averaging=0.98,
        num_steps_between_checkpoints=steps,
        cifar10=True,
    )
    baseline = PaperConfig(channels=channels, blocks=blocks, mixtures=5)
    print("| network | parameters | MAC/pixel | seconds | held out, bits/sub-pixel |\n|---|---|---|---|---|")
    for name, config in configurations(baseline).items():
        print_row(name, config, settings, output / name.replace(" ", "-").replace(",", ""))
    print_row(
        "the first, last fifth fake-quantised",
        baseline,
        replace(settings, quantise_from_step=4 * steps // 5),
        output / "quantised",
    )
    print_evaluations(baseline, settings, output)


def print_row(name: str, config: Config, settings: TrainingConfig, folder: Path) -> None:
    """Train one network to the end, or find it trained, and print its row."""
    try:
        trainer = Trainer(config, settings, folder)
    except ValueError as error:
        print(f"| {name} | | | | not trained: {error} |", flush=True)
        return
    trainer.run(lambda progress: None)
    last = Progress(**json.loads((folder / "curve.jsonl").read_text().splitlines()[-1]))
    num_parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    cost = f"{num_parameters:,} | {config.multiplications_per_pixel:,.0f} | {last.seconds:.0f}"
    print(f"| {name} | {cost} | {last.held_out_bits_per_subpixel:.4f} |", flush=True)


@torch.no_grad()
def print_evaluations(baseline: PaperConfig, settings: TrainingConfig, output: Path) -> None:
    """Print what the trained networks reach under other measures."""
    first = Trainer(baseline, settings, output / "the-paper's-network-small")
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    for batch in first.held_out:
        pixels = batch.pixels.float()
        raw, guess = first.averaged()(pixels)
        noise = torch.rand(pixels.shape, generator=generator) - 0.5
        total += float(continuous_bits(raw, guess, pixels, noise).mean()) / 3
    print(f"| the first, continuous likelihood of dequantised levels | | | | {total / len(first.held_out):.4f} |")
    quantised = Trainer(baseline, replace(settings, quantise_from_step=0), output / "quantised")
    images = quantised.held_out[0].pixels[:NUM_CODED]
    network = quantised.averaged()
    raw, guess = network(images.float())
    floats = float(network.bits(raw, guess, images.float()).mean()) / 3
    export_network(network, output / "quantised" / "model.safetensors", {})
    tiles = [Tiles.one(image.permute(1, 2, 0).numpy(), 0) for image in images]
    costs = measure_tiles(load_network(output / "quantised" / "model.safetensors"), tiles, "cpu", None)
    integers = sum(float(cost.sum()) for cost in costs) / images.numel()
    print(f"| the quantised network on {NUM_CODED} images: floats | | | | {floats:.4f} |")
    print(f"| the same: integers, in raster order | | | | {integers:.4f} |", flush=True)


if __name__ == "__main__":
    main()
