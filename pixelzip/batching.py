"""Many tiles -> batches whose lanes keep a machine busy without filling its memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import torch

from pixelzip.streams import CodedTiles, Tiles
from pixelzip.threads import in_threads

MAX_BATCH_ROWS: Final = 2**11
"""Rows, and so lanes of a wavefront, of one batch on a CPU: bounds memory, and more gain little speed."""

MAX_BATCH_ROWS_ON_GPU: Final = 2**16
"""The same on a GPU, where a step takes as long whether its lanes are few or many."""

Item = TypeVar("Item", Tiles, CodedTiles)
Result = TypeVar("Result")


def in_batches(
    work: Callable[[Sequence[Item]], list[Result]],
    tiles: Sequence[Item],
    sizes: Sequence[tuple[int, Any]],
    device: str,
    num_threads: int | None,
    num_at_once: int = 1,
) -> list[Result]:
    """Apply ``work`` to batches of tiles; there is one result for each tile, in their order.

    ``sizes`` says how many rows each of some tiles counts as, and of what kind it is: a batch has one kind only.
    ``num_at_once`` batches are worked on at the same time.
    """
    max_rows = MAX_BATCH_ROWS if torch.device(device).type == "cpu" else MAX_BATCH_ROWS_ON_GPU
    parts, rows, kinds = list[Item](), list[int](), list[Any]()
    for some, (num_rows, kind) in zip(tiles, sizes, strict=True):
        num_parts = max(1, -(-len(some) // max(1, max_rows // num_rows)))
        num_together = max(1, -(-len(some) // num_parts))  # about as many in each part
        parts += (some[first : first + num_together] for first in range(0, len(some), num_together))
        rows += [num_rows * len(part) for part in parts[len(rows) :]]
        kinds += [kind] * (len(rows) - len(kinds))
    batches = list(_batches(rows, kinds, max_rows))
    with _torch_threads(num_threads):
        done = in_threads(lambda batch: work([parts[index] for index in batch]), batches, num_at_once)
    results = itertools.chain(*done)
    found = {index: list(itertools.islice(results, len(parts[index]))) for index in itertools.chain(*batches)}
    return list(itertools.chain(*(found[index] for index in range(len(parts)))))


def _batches(rows: Sequence[int], kinds: Sequence[Any], max_rows: int) -> Iterator[list[int]]:
    batch: list[int] = []
    num_rows = 0
    for index in sorted(range(len(rows)), key=kinds.__getitem__):
        if batch and (num_rows + rows[index] > max_rows or kinds[index] != kinds[batch[0]]):
            yield batch
            batch, num_rows = [], 0
        batch.append(index)
        num_rows += rows[index]
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
