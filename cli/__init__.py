"""The command line: the only place that knows click, terminals and file names."""

if __name__ != "pixelzip.cli":
    raise ImportError("import pixelzip.cli, not cli")

from pixelzip.cli.main import main

__all__ = ["main"]
