"""Many tiles -> results, each tile in one thread. For work that lets other threads run meanwhile."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PARTS_PER_THREAD: Final = 16
"""Of many items: handing one to a thread takes 20 microseconds; so many parts still end at about the same time."""

_LARGE_PARTS_PER_THREAD: Final = 4
"""The same of items that hardly take longer than that: threads wait for one another whenever they change."""

_NUM_TOGETHER: Final = 2**11
"""Small images that are copied, and that a GPU computes, at a time."""

_NUM_PARTS_AT_ONCE: Final = 4
"""So many parts are worked on at once beside a GPU: some are computed while others are before that or after it."""


def num_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], num_threads: int | None) -> list[Result]:
    """Apply ``work`` to every item; None: in as many threads as there are processors."""
    return _in_parts(lambda part: [work(item) for item in part], items, num_threads, _PARTS_PER_THREAD)


def in_parts(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], num_threads: int | None
) -> list[Result]:
    """Apply ``work`` to parts of many quick items, each in one thread; the rest as in ``in_threads``."""
    return _in_parts(work, items, num_threads, _LARGE_PARTS_PER_THREAD)


def in_shares(
    work: Callable[[Sequence[Item], int | None], list[Result]],
    items: Sequence[Item],
    device: str,
    num_threads: int | None,
) -> list[Result]:
    """Apply ``work`` to parts of many small images, and to a number of threads, which parts share beside a GPU."""
    parts = [items[first : first + _NUM_TOGETHER] for first in range(0, len(items), _NUM_TOGETHER)]
    if device == "cpu":
        return list(itertools.chain(*(work(part, num_threads) for part in parts)))
    num_at_once = min(len(parts), _NUM_PARTS_AT_ONCE) or 1
    num_each = -(-(num_threads or num_processors()) // num_at_once)
    return list(itertools.chain(*in_threads(lambda part: work(part, num_each), parts, num_at_once)))


def _in_parts(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], num_threads: int | None, num_per_thread: int
) -> list[Result]:
    count = min(num_threads or num_processors(), len(items))
    if count < 2:
        return work(items)
    size = max(1, len(items) // (count * num_per_thread))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(count) as pool:
        return [result for results in pool.map(work, parts) for result in results]
