"""How far a long command is, with the time it still needs: a bar on standard error, only on a terminal."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


class Bars:
    """Shows one bar after the other: call with a label, the amount done and the amount in all."""

    def __init__(self, *, quiet: bool) -> None:
        self._hidden = quiet or not sys.stderr.isatty()
        self._label = ""
        self._shown = ExitStack()

    def __call__(self, label: str, num_done: int, num_all: int) -> None:
        """Move the bar ``label`` to ``num_done``, closing any other."""
        if self._hidden:
            return
        if label != self._label:
            self._shown.close()
            self._label = label
            bar = click.progressbar(length=num_all, label=label, file=sys.stderr)
            self._bar: ProgressBar[int] = self._shown.enter_context(bar)
        self._bar.update(num_done - self._bar.pos)

    def __enter__(self) -> Bars:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it should be, whatever happened."""
        self._shown.close()
