"""Many tiles -> batches whose lanes keep a machine busy without filling its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import torch

MAX_BATCH_ROWS: Final = 2**11
"""Rows, and so lanes of a wavefront, of one batch on a CPU: bounds memory, and more gain little speed."""

MAX_BATCH_ROWS_ON_GPU: Final = 2**16
"""The same on a GPU, where a step takes as long whether its lanes are few or many."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    work: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    shapes: Sequence[tuple[int, ...]],
    device: str,
    num_threads: int | None,
    *,
    are_alike: bool = False,
) -> list[Result]:
    """Apply ``work`` to batches of tiles with the same number of channels; results come in the order of ``items``.

    ``are_alike``: of the same height and width, too.
    """
    results: dict[int, Result] = {}
    max_rows = MAX_BATCH_ROWS if torch.device(device).type == "cpu" else MAX_BATCH_ROWS_ON_GPU
    with _torch_threads(num_threads):
        for batch in _batches(shapes, max_rows, first_alike=0 if are_alike else 2):
            results.update(zip(batch, work([items[index] for index in batch]), strict=True))
    return [results[index] for index in range(len(items))]


def _batches(shapes: Sequence[tuple[int, ...]], max_rows: int, first_alike: int) -> Iterator[list[int]]:
    """Group the indices of tiles (h, w, channels): a batch has a bounded height, and shapes alike from a place on."""
    batch: list[int] = []
    for index in sorted(range(len(shapes)), key=lambda index: (shapes[index][first_alike:], index)):
        num_rows = sum(shapes[other][0] for other in batch) + shapes[index][0]
        if batch and (num_rows > max_rows or shapes[index][first_alike:] != shapes[batch[0]][first_alike:]):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@contextmanager
def _torch_threads(num_threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
