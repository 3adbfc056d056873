"""Many tiles -> batches whose lanes keep a machine busy without filling its memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import torch

from pixelzip.threads import in_threads

MAX_BATCH_ROWS: Final = 2**11
"""Rows, and so lanes of a wavefront, of one batch on a CPU: bounds memory, and more gain little speed."""

MAX_BATCH_ROWS_ON_GPU: Final = 2**16
"""The same on a GPU, where a step takes as long whether its lanes are few or many."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    work: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    sizes: Sequence[tuple[int, Any]],
    device: str,
    num_threads: int | None,
    num_at_once: int = 1,
) -> list[Result]:
    """Apply ``work`` to batches of tiles; results come in the order of ``items``.

    ``sizes`` says of each how many rows it counts as, and of what kind it is: a batch has one kind only.
    ``num_at_once`` batches are worked on at the same time.
    """
    max_rows = MAX_BATCH_ROWS if torch.device(device).type == "cpu" else MAX_BATCH_ROWS_ON_GPU
    batches = list(_batches(sizes, max_rows))
    with _torch_threads(num_threads):
        done = in_threads(lambda batch: work([items[index] for index in batch]), batches, num_at_once)
    results = dict(zip(itertools.chain(*batches), itertools.chain(*done), strict=True))
    return [results[index] for index in range(len(items))]


def _batches(sizes: Sequence[tuple[int, Any]], max_rows: int) -> Iterator[list[int]]:
    batch: list[int] = []
    num_rows = 0
    for index in sorted(range(len(sizes)), key=lambda index: sizes[index][1]):
        rows, kind = sizes[index]
        if batch and (num_rows + rows > max_rows or kind != sizes[batch[0]][1]):
            yield batch
            batch, num_rows = [], 0
        batch.append(index)
        num_rows += rows
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
