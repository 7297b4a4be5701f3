"""The limit of linear algebra threads: one for all, and lifted when the last one ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from mixcheck.execution import threads

LARGE = 10_000_000


class Library:
    """A library of many threads, which only the thread that set a limit may set another."""

    def __init__(self) -> None:
        self.num_threads, self.owner = 8, None

    def set(self, number):
        """Obey the owner, who is the first to call."""
        self.owner = self.owner or threading.current_thread()
        if self.owner is threading.current_thread():
            self.num_threads = number

    def clear_controlling_thread(self, force):
        """Forget the owner."""
        self.owner = None


class Controller:
    """What threadpoolctl gives, with one library."""

    def __init__(self) -> None:
        self.lib_controllers = [Library()]

    @property
    def now(self):
        """Threads of the library."""
        return self.lib_controllers[0].num_threads

    def limit(self, *, limits):
        """Set the number of threads; what is given back restores the one before."""
        library = self.lib_controllers[0]
        before = library.num_threads
        library.set(limits)

        class Limiter:
            def restore_original_limits(self):
                library.set(before)

        return Limiter()


@pytest.fixture
def controller(monkeypatch):
    """A controller whose limit can be read."""
    made = Controller()
    monkeypatch.setattr(threads, "_controller", lambda: made)
    return made


def test_overlapping_limits_end_with_the_last(controller):
    """Contexts that overlap without being nested keep one thread, and restore all of them."""
    first, second = threads.single_thread(10, LARGE), threads.single_thread(10, LARGE)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert controller.now == 1
    second.__exit__(None, None, None)
    assert controller.now == 8


def test_a_limit_is_lifted_by_another_thread(controller):
    """The thread that ends last need not be the one that began."""
    context = threads.single_thread(10, LARGE)
    context.__enter__()
    thread = threading.Thread(target=context.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert (controller.now, controller.lib_controllers[0].owner) == (8, None)


def test_a_thread_of_the_caller_keeps_control(controller):
    """Where another thread of the program has set the number, it is neither set nor restored."""
    library = controller.lib_controllers[0]
    library.owner, library.num_threads = "a thread of the caller", 4
    with threads.single_thread(10, LARGE):
        assert controller.now == 4
    assert (controller.now, library.owner) == (4, "a thread of the caller")


def test_an_error_inside_lifts_the_limit(controller):
    """An interrupt within the context leaves the library with its threads."""
    with pytest.raises(KeyboardInterrupt), threads.single_thread(10, LARGE):
        raise KeyboardInterrupt
    assert controller.now == 8


def test_many_threads_at_once(controller):
    """However twenty threads interleave, the limit is 1 inside and gone afterwards."""
    inside: list[int] = []
    barrier = threading.Barrier(20)

    def hold() -> None:
        barrier.wait()
        for _ in range(50):
            with threads.single_thread(10, LARGE):
                inside.append(controller.now)

    running = [threading.Thread(target=hold) for _ in range(20)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert set(inside) == {1}
    assert controller.now == 8


def test_no_limit_where_threads_gain_or_there_are_none(controller):
    """A large Schur complement keeps its threads, and small models without one ask for none."""
    for arguments in ((5000, LARGE), (0, 10)):
        with threads.single_thread(*arguments):
            assert controller.now == 8


FITS = """
import joblib, numpy as np, pandas as pd, mixcheck as mc
from threadpoolctl import threadpool_info
rng = np.random.default_rng(1)
n = 3000
data = pd.DataFrame({"g": rng.integers(0, 40, n), "h": rng.integers(0, 30, n)})
data["y"] = rng.poisson(np.exp(rng.normal(0, .5, 40)[data.g] + rng.normal(0, .5, 30)[data.h]))
count = lambda: [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
before = count()
joblib.Parallel(n_jobs=3, prefer="threads")(
    joblib.delayed(mc.glmm)("y ~ 1 + (1 | g) + (1 | h)", data, family="poisson") for _ in range(6))
print(before == count() and max(before) > 1)
"""


@pytest.mark.slow
def test_fits_in_threads_leave_the_library_its_threads():
    """Six fits in three threads, as the documentation has them, and BLAS has its two threads."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", FITS], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout == "True\n"
