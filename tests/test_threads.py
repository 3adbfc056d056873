"""Many items in threads: every one once, in order, in parts that are not handed over one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pixelzip.threads import in_parts, in_shares, in_threads


@pytest.mark.parametrize("num_items", [0, 1, 5, 16, 100, 1003])
@pytest.mark.parametrize("num_threads", [1, 3, None])
def test_results_come_in_order(num_items: int, num_threads: int | None) -> None:
    assert in_threads(str, range(num_items), num_threads) == list(map(str, range(num_items)))


def test_parts_of_many_items() -> None:
    sizes = list[int]()

    def noted(part: Sequence[int]) -> list[int]:
        sizes.append(len(part))
        return list(part)

    assert in_parts(noted, range(1000), 4) == list(range(1000))
    assert max(sizes) == 1000 // 16
    sizes.clear()
    assert in_parts(noted, range(7), 4) == list(range(7))
    assert sizes == [1] * 7


@pytest.mark.parametrize(
    ("num_items", "num_threads", "expected"),
    [(0, 4, []), (2048, 5, [(2048, 5)]), (2049, 5, [(1, 3), (2048, 3)]), (9 * 2048, 15, [(2048, 4)] * 9)],
)
def test_parts_share_the_threads_beside_a_gpu(
    num_items: int, num_threads: int, expected: list[tuple[int, int]]
) -> None:
    calls = list[tuple[int, int | None]]()

    def noted(part: Sequence[int], num_threads: int | None) -> list[int]:
        calls.append((len(part), num_threads))
        return list(part)

    assert in_shares(noted, range(num_items), "cuda", num_threads) == list(range(num_items))
    assert sorted(calls) == expected
    calls.clear()
    assert in_shares(noted, range(num_items), "cpu", num_threads) == list(range(num_items))
    assert calls == [(min(2048, num_items - first), num_threads) for first in range(0, num_items, 2048)]
