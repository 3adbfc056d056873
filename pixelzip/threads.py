"""Many tiles -> results, each tile in one thread. For work that lets other threads run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PARTS_PER_THREAD: Final = 16
"""Of many items: handing one to a thread takes 20 microseconds; so many parts still end at about the same time."""


def num_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], num_threads: int | None) -> list[Result]:
    """Apply ``work`` to every item; None: in as many threads as there are processors."""
    return in_parts(lambda part: [work(item) for item in part], items, num_threads)


def in_parts(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], num_threads: int | None
) -> list[Result]:
    """Apply ``work`` to parts of many items, each in one thread; the rest as in ``in_threads``."""
    count = min(num_threads or num_processors(), len(items))
    if count < 2:
        return work(items)
    size = max(1, len(items) // (count * _PARTS_PER_THREAD))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(count) as pool:
        return [result for results in pool.map(work, parts) for result in results]
