"""The command group: ``pixelzip COMMAND``. Exit codes: 0 done, 1 some file failed, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

import click

import pixelzip

COMMANDS: Final = (
    "bench",
    "compress",
    "curve",
    "decompress",
    "doctor",
    "heatmap",
    "info",
    "list",
    "models",
    "pack",
    "sample",
    "test",
    "train",
    "train-jpeg",
    "unpack",
)


INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C has ended."""


class _Commands(click.Group):
    """Imports a command's module when it is asked for, so that ``--version`` stays instant."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        command = getattr(importlib.import_module(f"pixelzip.cli.{module}"), module)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("pixelzip: interrupted", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pixelzip.__version__, "-V", "--version", prog_name="pixelzip")
def main() -> None:
    """Lossless image compression with a neural network in exact integers."""
