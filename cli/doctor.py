"""``pixelzip doctor``: whether this machine gives exact results, and with what."""

from __future__ import annotations

import sys

import click


@click.command()
def doctor() -> None:
    """Check versions, models, and a small round trip on every device; exit 1 if anything is wrong."""
    try:
        from pixelzip.doctor import examine  # imports torch: not for --help
    except ImportError as error:
        raise click.ClickException(f"a package that pixelzip needs cannot be imported: {error}") from error

    num_wrong = 0
    for check in examine():
        click.echo(f"{'ok   ' if check.is_good else 'WRONG'}  {check.name}: {check.found}")
        num_wrong += not check.is_good
    if num_wrong:
        click.echo(f"pixelzip: {num_wrong} of the checks failed", err=True)
        sys.exit(1)
