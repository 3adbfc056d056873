"""``pixelzip sample``: a model -> a picture of images drawn from it."""

from __future__ import annotations

import io
from pathlib import Path

import click
from PIL import Image

from pixelzip import models
from pixelzip.cli.batch import FAILURES, num_threads
from pixelzip.cli.files import STANDARD, Job, check_target, reason, write_output
from pixelzip.networks import load_model


@click.command()
@click.option("--model", default=models.DEFAULT_MODEL, show_default=True, help="Name of a model, or path of a file.")
@click.option("-n", "num_images", default=64, show_default=True, type=click.IntRange(min=1), help="Images to draw.")
@click.option("-o", "--output", required=True, metavar="FILE", help="PNG of all images; - is standard output.")
@click.option("--class", "label", type=click.IntRange(min=0), help="Class of the images, for models with classes.")
@click.option("--size", nargs=2, default=(32, 32), show_default=True, type=click.IntRange(1, 1024), help="H W.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps; the images are the same.")
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")
def sample(
    model: str,
    num_images: int,
    output: str,
    label: int | None,
    size: tuple[int, int],
    seed: int,
    device: str,
    threads: int,
    force: bool,
) -> None:
    """Draw images from a model: what it takes for likely."""
    try:
        job = Job(None, None if output == STANDARD else Path(output))
        check_target(job, force)
        network = load_model(model)
        import torch  # seconds to import: not for --help

        from pixelzip.sample import arrange, draw

        torch.set_num_threads(num_threads(threads))
        picture = io.BytesIO()
        drawn = draw(network, num_images, size, label=label, seed=seed, device=device)
        Image.fromarray(arrange(drawn)).save(picture, "PNG")
        write_output(job, picture.getvalue(), preserve=False, force=force)
    except (*FAILURES, ValueError) as error:
        raise click.ClickException(reason(error)) from error
