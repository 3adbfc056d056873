"""``pixelzip bench``: bits and speed beside other codecs, every image decoded and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixelzip import models
from pixelzip.cli.batch import num_threads, require
from pixelzip.cli.files import reason
from pixelzip.cli.progress import Bars
from pixelzip.errors import PixelzipError

if TYPE_CHECKING:
    from pixelzip.imageset import ImageSet, JpegSet

POSITIVE = click.IntRange(min=1)


@click.command()
@click.argument("images", metavar="cifar10|kodak|PATH")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="Where cifar10 or kodak is; else downloaded."
)
@click.option(
    "--model", "model_names", multiple=True, help="Name or path, or all; repeatable.  [default: the set's own]"
)
@click.option(
    "--effort",
    "efforts",
    multiple=True,
    type=click.IntRange(1, 10),
    default=[7],
    show_default=True,
    help="Of JPEG XL; repeatable.",
)
@click.option("--limit", type=POSITIVE, help="Only the first images.")
@click.option("--held-out", type=POSITIVE, help="Of PATH, only so many images: those that training holds out.")
@click.option("--jpeg", "quality", type=click.IntRange(1, 100), help="Take the images of PATH through JPEG first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Tables in Markdown.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Chart to draw: bits against speed.")
@click.option("--profile", is_flag=True, help="Instead: where the time of pixelzip goes, in one thread.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps; for pixelzip only.")
@click.option("-T", "--threads", type=click.IntRange(min=0), default=0, help="CPU threads; 0 is all.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def bench(
    images: str,
    data: Path | None,
    model_names: tuple[str, ...],
    efforts: tuple[int, ...],
    limit: int | None,
    held_out: int | None,
    quality: int | None,
    as_json: bool,
    as_markdown: bool,
    plot: Path | None,
    profile: bool,
    device: str,
    threads: int,
    quiet: bool,
) -> None:
    """Compress, restore and compare images with pixelzip and other codecs: bits, speed and what they depend on.

    cifar10 is the test split of CIFAR-10, kodak the 24 photographs; PATH is a folder of images or one image, read as
    8-bit RGB, or of JPEG files alone, which are kept byte for byte.
    """
    if as_json + as_markdown + profile > 1:
        raise click.UsageError("--json, --markdown and --profile exclude each other")
    require("imagecodecs", "bench")
    if plot is not None:
        require("matplotlib", "plot")
    from pixelzip import bench as benchmark
    from pixelzip.cli import render
    from pixelzip.imageset import JpegSet

    show = render.render_json if as_json else render.render_markdown if as_markdown else render.render_table
    try:
        with Bars(quiet=quiet) as bars:
            image_set = _read(images, data, limit, held_out, quality, bars)
            names = _named(model_names) or (_default_model(images),)
            if isinstance(image_set, JpegSet):
                if profile:
                    raise click.UsageError("--profile is for images, not for JPEG files")
                report = benchmark.run_on_jpegs(image_set, names, num_threads(threads), bars)
            elif profile:
                click.echo(_profiled(image_set, names[0], device))
                return
            else:
                report = benchmark.run(image_set, names, efforts, device, num_threads(threads), bars)
        click.echo(show(report))
        if plot is not None:
            render.draw_plot(report, plot)
    except (PixelzipError, ValueError, OSError, RuntimeError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error


def _profiled(image_set: ImageSet, model: str, device: str) -> str:
    from pixelzip import profile
    from pixelzip.cli import render

    profiles = profile.run(image_set.images, model, device)
    return render.render_profiles(profiles, profile.measure_ceiling(device), profile.measure_import())


def _read(
    images: str, data: Path | None, limit: int | None, held_out: int | None, quality: int | None, bars: Bars
) -> ImageSet | JpegSet:
    from pixelzip import imageset

    if images in imageset.NAMES:
        if held_out is not None or quality is not None:
            raise click.UsageError("--held-out and --jpeg are for images in a PATH")

        def fetch(url: str, sha256: str | None) -> Path:
            return _fetch(images, url, sha256, bars)

        return imageset.read_named(images, data, limit, fetch)
    if data is not None:
        raise click.UsageError(f"--data goes with {' or '.join(imageset.NAMES)}, not with a PATH")
    if not Path(images).exists():
        raise click.UsageError(f"{images} is neither {' nor '.join(imageset.NAMES)} nor a path that exists")
    jpegs = imageset.read_jpegs(Path(images), limit)
    if jpegs and (held_out is not None or quality is not None):
        raise click.UsageError("--held-out and --jpeg are for images, not for JPEG files")
    return jpegs or imageset.read_path(Path(images), limit, held_out, quality)


def _fetch(name: str, url: str, sha256: str | None, bars: Bars) -> Path:
    require("pooch", "bench")
    from pixelzip import downloads

    try:
        return downloads.fetch(url, sha256, bars)
    except OSError as error:
        message = f"{url} cannot be downloaded ({reason(error)}): name a folder that has {name} with --data PATH"
        raise click.ClickException(message) from error


def _named(model_names: tuple[str, ...]) -> tuple[str, ...]:
    """Put the names of all shipped models, but for companions for planes, in the place of "all"."""
    shipped = dict.fromkeys(entry.name for entry in models.MODELS if not models.is_companion(entry.name))
    return tuple(dict.fromkeys(name for given in model_names for name in (shipped if given == "all" else (given,))))


def _default_model(images: str) -> str:
    """Return the model that is named like the set, where there is one."""
    return images if images in {entry.name for entry in models.MODELS} else models.DEFAULT_MODEL
