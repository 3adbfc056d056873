"""Many tiles -> batches whose lanes keep a machine busy without filling its memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

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
    parts = [
        _Part(part, num_rows * len(part), kind)
        for some, (num_rows, kind) in zip(tiles, sizes, strict=True)
        for part in _split(some, max(1, max_rows // num_rows))
    ]
    batches = list(_batches(parts, max_rows))
    with _torch_threads(num_threads):
        done = in_threads(lambda batch: work([parts[index].tiles for index in batch]), batches, num_at_once)
    results = itertools.chain(*done)
    found = {index: list(itertools.islice(results, len(parts[index].tiles))) for index in itertools.chain(*batches)}
    return list(itertools.chain(*(found[index] for index in range(len(parts)))))


class _Part(NamedTuple):
    """Some tiles of one shape, how many rows they count as, and of what kind they are."""

    tiles: Any
    rows: int
    kind: Any


def _split(tiles: Item, most: int) -> list[Item]:
    """Return parts of about as many tiles, at most so many."""
    num_parts = max(1, -(-len(tiles) // most))
    ends = [len(tiles) * index // num_parts for index in range(num_parts + 1)]
    return [tiles[first:end] for first, end in itertools.pairwise(ends)]


def _batches(parts: Sequence[_Part], max_rows: int) -> Iterator[list[int]]:
    batch: list[int] = []
    num_rows = 0
    for index in sorted(range(len(parts)), key=lambda index: parts[index].kind):
        _, rows, kind = parts[index]
        if batch and (num_rows + rows > max_rows or kind != parts[batch[0]].kind):
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
