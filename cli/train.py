"""``pixelzip train``: photographs -> a model file with its card."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixelzip.cli.batch import num_threads

if TYPE_CHECKING:
    from pixelzip.models.integer import Config
    from pixelzip.models.start import TrainingConfig


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True), metavar="FOLDER...")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Folder of the run; resumes what is there."
)
@click.option("--family", type=click.Choice(["cone", "paper"]), default="cone", show_default=True)
@click.option("--channels", type=click.IntRange(min=1), help="Default: that of --initial, else 80, paper 160.")
@click.option(
    "--blocks",
    help="Residual blocks at each resolution, as in 2,4; paper: one number. Default: as for --channels, 6, paper 5.",
)
@click.option("--members", help="Channels of further members of an ensemble, as in 512,512; family cone only.")
@click.option("--mixtures", type=click.IntRange(min=1), help="Default: 5, paper 10.")
@click.option("--depthwise", is_flag=True, help="Spatial layers read one channel each; family cone only.")
@click.option(
    "--regression-rows",
    type=click.IntRange(min=8),
    help="Rows of a tile that the regression of means learns from together; family cone only. Default: all alike.",
)
@click.option("--dropout", type=float, help="Default: 0, paper 0.5.")
@click.option("--class-conditional", is_flag=True, help="Family paper on CIFAR-10 only: to draw images of a class.")
@click.option("--steps", default=6000, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--quantise-from",
    type=click.FloatRange(0, 1),
    help="Share of the steps before fake quantisation. Default: 1, never; paper 0.75.",
)
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1), help="Crops per process.")
@click.option("--crop-size", default=80, show_default=True, type=click.IntRange(min=8))
@click.option("--learning-rate", default=2e-3, show_default=True)
@click.option(
    "--held-out", default=40, show_default=True, type=click.IntRange(min=0), help="Images of the first folder."
)
@click.option(
    "--initial",
    multiple=True,
    metavar="MODEL",
    help="Shipped model, model file or folder of a run to start from; for an ensemble one of each member.",
)
@click.option("--cifar10", is_flag=True, help="The one FOLDER is CIFAR-10: train on whole 32x32 images.")
@click.option(
    "--small-images",
    type=click.Path(exists=True),
    metavar="CIFAR10",
    help="Train on these small images in every third batch.",
)
@click.option("--planes", is_flag=True, help="Train on luma and chroma, for images on a colour lattice.")
@click.option("--seed", default=0, show_default=True)
@click.option("--checkpoint-every", default=250, show_default=True, type=click.IntRange(min=1), help="Steps.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda; several GPUs through torchrun.")
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
def train(
    data: tuple[str, ...],
    output: Path,
    family: str,
    channels: int | None,
    blocks: str | None,
    members: str | None,
    mixtures: int | None,
    depthwise: bool,
    regression_rows: int | None,
    dropout: float | None,
    class_conditional: bool,
    steps: int,
    quantise_from: float | None,
    batch_size: int,
    crop_size: int,
    learning_rate: float,
    held_out: int,
    initial: tuple[str, ...],
    cifar10: bool,
    small_images: str | None,
    planes: bool,
    seed: int,
    checkpoint_every: int,
    device: str,
    threads: int,
) -> None:
    """Train a network on the images in FOLDERs and export it in exact integers."""
    from pixelzip.models.start import TrainingConfig  # seconds to import: not for --help

    try:
        sizes = {"channels": channels, "mixtures": mixtures, "dropout": dropout, "regression_rows": regression_rows}
        network = _network(family, sizes, depthwise, blocks, members, planes, cifar10, class_conditional, initial)
        config = TrainingConfig(
            data=data,
            num_held_out=held_out,
            num_steps=steps,
            quantise_from_step=_quantise_from_step(family, steps, quantise_from),
            batch_size=batch_size,
            crop_size=crop_size,
            learning_rate=learning_rate,
            seed=seed,
            num_steps_between_checkpoints=checkpoint_every,
            device=device,
            cifar10=cifar10,
            small_images=small_images,
            initial=initial,
        )
        _run(network, config, output, threads)
    except (ValueError, OSError, RuntimeError) as error:  # torch raises RuntimeError when a disk is full
        raise click.ClickException(" ".join(str(error).split())) from error


def _quantise_from_step(family: str, num_steps: int, share: float | None) -> int:
    """Cones lose less when they are rounded after training (docs/log.md); nothing rounds the paper's network then."""
    share = share if share is not None else 0.75 if family == "paper" else 1.0
    return round(num_steps * share) if share < 1 else num_steps + 1


def _counts(text: str | None) -> tuple[int, ...]:
    """Read numbers between commas; raises ValueError."""
    return () if text is None else tuple(int(count) for count in text.split(","))


def _check(network: Config, config: TrainingConfig) -> None:
    if config.small_images and (config.cifar10 or network.is_for_planes):
        raise ValueError("--small-images goes with photographs, not with --planes or --cifar10")
    if len(config.initial) not in (0, 1, 1 + len(network.members)):
        raise ValueError("--initial is given once, or for an ensemble once for each member")


def _network(
    family: str,
    sizes: dict[str, Any],
    depthwise: bool,
    blocks: str | None,
    members: str | None,
    planes: bool,
    cifar10: bool,
    class_conditional: bool,
    initial: tuple[str, ...],
) -> Config:
    """Return the configuration of a family with what was given, of a cone with the sizes of its one ``initial`` model.

    Raises ValueError and OSError.
    """
    from pixelzip.models.batches import NUM_CLASSES, SIDE
    from pixelzip.models.config import PLANES_PERIOD, ConeConfig
    from pixelzip.models.paper import PaperConfig
    from pixelzip.models.start import initial_config

    given = {name: value for name, value in sizes.items() if value is not None}
    counts = _counts(blocks)
    if family == "cone":
        if class_conditional:
            raise ValueError("networks of the cone family have no classes")
        period = PLANES_PERIOD if planes else SIDE if cifar10 else 0
        learns = not cifar10
        start = initial_config(initial[0]) if len(initial) == 1 else ConeConfig()
        start = start if learns else replace(start, regression_rows=0)
        given |= {name: some for name, some in (("members", _counts(members)), ("blocks", counts)) if some}
        given["depthwise"] = depthwise or start.depthwise
        return replace(start, **given, period=period, adaptive=learns, regression=learns)
    if planes or depthwise or members or "regression_rows" in given or len(counts) > 1:
        raise ValueError(
            "networks of the paper's family have one number of blocks, no planes, no regression, no members and no "
            "depthwise layers"
        )
    paper = PaperConfig(**given, num_classes=NUM_CLASSES * class_conditional)
    return replace(paper, blocks=counts[0]) if counts else paper


def _run(network: Config, config: TrainingConfig, output: Path, threads: int) -> None:
    import torch

    from pixelzip.models.card import finish_run
    from pixelzip.models.train import Progress, Trainer

    _check(network, config)

    def report(progress: Progress) -> None:
        held = progress.held_out_bits_per_subpixel
        text = "" if held is None else f"  held out {held:.4f}"
        line = f"step {progress.step:6d}/{config.num_steps}  {progress.seconds:7.0f} s"
        click.echo(f"{line}  {progress.bits_per_subpixel:.4f} bits/sub-pixel{text}", err=True)

    def report_rounding(num_layers: int) -> None:
        click.echo(f"rounded {num_layers:3d}/{len(network.plan())} layers", err=True)

    torch.set_num_threads(num_threads(threads))
    trainer = Trainer(network, config, output)
    trainer.run(report)
    trainer.leave()
    if trainer.rank == 0:
        path = finish_run(trainer, shlex.join(["pixelzip", *sys.argv[1:]]), report_rounding)
        click.echo(f"exported {path}")
