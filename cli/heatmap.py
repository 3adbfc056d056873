"""``pixelzip heatmap``: where the bits of an image go, as a picture."""

from __future__ import annotations

import io
from pathlib import Path

import click

from pixelzip import models
from pixelzip.cli.batch import FAILURES
from pixelzip.cli.files import Job, check_target, read_input, reason, write_output
from pixelzip.cli.pictures import open_image


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="IMAGE")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="PNG to write.")
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")
@click.option("--model", default=models.DEFAULT_MODEL, show_default=True)
def heatmap(source: Path, output: Path, force: bool, model: str) -> None:
    """Draw the bits that every pixel costs, with a scale below."""
    from pixelzip.heatmap import draw, measure_bits

    job = Job(source, output)
    try:
        check_target(job, force)
        image, _ = open_image(read_input(job), 2**24)
        bits = measure_bits(image, model)
        buffer = io.BytesIO()
        draw(bits).save(buffer, "PNG")
        write_output(job, buffer.getvalue(), preserve=False, force=force)
    except FAILURES as error:
        raise click.ClickException(f"{source}: {reason(error)}") from error
    click.echo(
        f"{source}: {bits.sum() / 8:.0f} bytes, {bits.mean():.3f} bits/pixel, dearest pixel {bits.max():.1f} bits"
    )
