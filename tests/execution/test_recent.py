"""What was made lately."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from mixcheck.execution.recent import Recent


def test_oldest_are_forgotten() -> None:
    """A value kept again is young again; beyond the most the oldest goes."""
    known = Recent[str, int](2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        known.keep(key, value)
    assert [known.get(key) for key in "abc"] == [3, None, 4]


def test_threads_share() -> None:
    """Threads that keep and ask at once find what belongs to their key, or nothing."""
    known = Recent[int, int](3)

    def use(number: int) -> bool:
        known.keep(number % 7, number % 7)
        return known.get(number % 5) in (None, number % 5)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(2_000)))
