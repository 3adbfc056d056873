"""``pixelzip train-jpeg``: photographs -> a model file for the coefficients of JPEGs, with its card."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from pixelzip.cli.batch import num_threads

_STEPS_PER_LINE = 250


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FOLDER...")
@click.option(
    "--also", multiple=True, type=click.Path(exists=True, path_type=Path), help="More images, none of them held out."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Model file to write.")
@click.option("--hidden", default="128,64", show_default=True, help="Channels of the layers before the head.")
@click.option("--steps", default=30000, show_default=True, type=click.IntRange(min=1))
@click.option("--learning-rate", default=3e-3, show_default=True)
@click.option("--held-out", default=40, show_default=True, type=click.IntRange(min=1), help="Images not trained on.")
@click.option("--seed", default=0, show_default=True)
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
def train_jpeg(
    data: tuple[Path, ...],
    also: tuple[Path, ...],
    output: Path,
    hidden: str,
    steps: int,
    learning_rate: float,
    held_out: int,
    seed: int,
    threads: int,
) -> None:
    """Train a network for levels of JPEGs, on JPEGs that it makes of the images in FOLDERs and of random drawings."""
    import torch  # seconds to import: not for --help

    from pixelzip.jpeg.training import CoefficientTraining, finish, train
    from pixelzip.models.coefficient_network import CoefficientNetwork
    from pixelzip.models.coefficients import CoefficientConfig
    from pixelzip.models.data import find_images, split_held_out

    def report(step: int, bits: float) -> None:
        if step % _STEPS_PER_LINE == 0 or step == steps:
            click.echo(f"step {step:6d}/{steps}  {bits:.4f} bits/coefficient", err=True)

    torch.set_num_threads(num_threads(threads))
    torch.manual_seed(seed)
    try:
        sizes = tuple(int(count) for count in hidden.split(","))
        network = CoefficientNetwork(CoefficientConfig(sizes, surroundings=True, own_layers=1))
        files, others = split_held_out(find_images(list(data)), held_out)
        files += find_images(list(also)) if also else []
        network = train(network, files, CoefficientTraining(steps, learning_rate=learning_rate, seed=seed), report)
        bits = finish(network, others, output, shlex.join(["pixelzip", *sys.argv[1:]]))
    except (ValueError, OSError, RuntimeError) as error:  # torch raises RuntimeError when a disk is full
        raise click.ClickException(" ".join(str(error).split())) from error
    click.echo(f"exported {output}: {bits:.4f} bits/sub-pixel held out")
