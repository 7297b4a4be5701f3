"""Numbered tasks, in this process or in workers: which, and in what blocks, changes no result."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

from mixcheck.errors import MixcheckError, OptionError, WorkerError
from mixcheck.notices import quiet
from mixcheck.options import require_progress, require_workers, shown

__all__ = ["Progress", "map_batches", "map_numbers", "reporter"]

# What the first start of worker processes costs, measured with loky on two cores.
START_SECONDS = 1.6
# Tasks are timed one after another for at most this long before workers are considered.
TRIAL_SECONDS = 0.3
# Blocks a worker gets at least, so that uneven blocks even out.
BLOCKS_PER_WORKER = 4
# The work in a block at most: what is lost with a worker, and how long one outlives its parent.
BLOCK_SECONDS = 1.0

# Backends of joblib whose workers share the cores of this machine.
_LOCAL = ("LokyBackend", "MultiprocessingBackend", "ThreadingBackend")

# What a mistake in a function raises; whoever wants to stop the work raises something else.
_MISTAKES = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)

Progress: TypeAlias = Callable[[int, int], Any] | bool | None
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Block(Generic[Result]):
    """Results of the numbers ``start .. start + len(rows) - 1``."""

    start: int
    rows: tuple[Result, ...]


def map_numbers(
    task: Callable[[int], Result],
    numbers: range,
    *,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> list[Result]:
    """Do a numbered task for each of some consecutive numbers, in parallel where that pays.

    Parameters
    ----------
    task : callable
        Takes a number to its result, such as an array or a sentence that says why there is
        none; it must pickle where processes are used.
    numbers : range
        Of step one.
    n_jobs : int, optional
        As in joblib, and at most as many as there are blocks of work and cores; None leaves
        it, and the backend, to ``joblib.parallel_config``.
    progress : bool or callable, optional
        ``progress(done, total)`` is called as blocks finish; True shows a bar on stderr.

    Returns
    -------
    list
        In the order of the numbers.

    Raises
    ------
    OptionError
        If `n_jobs` is no number of workers, or the task cannot be sent to worker processes.
    WorkerError
        If a worker was lost, or the memory is used up.
    """
    jobs = require_workers(n_jobs)
    report = reporter(progress)
    rows: list[Result | None] = [None] * len(numbers)
    done = 0
    try:
        with quiet():
            for block in _blocks(task, numbers, jobs):
                place = block.start - numbers.start
                rows[place : place + len(block.rows)] = block.rows
                done += len(block.rows)
                report(done, len(numbers))
    except BrokenExecutor as error:
        raise WorkerError(
            f"a worker process ended before its work was done, with {done} of {len(numbers)} "
            "tasks finished, and what was finished is lost; often the memory was used up: run it "
            "again with fewer workers, or n_jobs=1"
        ) from error
    except MemoryError as error:
        raise WorkerError(
            f"the memory was used up, with {done} of {len(numbers)} tasks finished, and what was "
            "finished is lost; run it again with fewer workers, or n_jobs=1, or on fewer rows"
        ) from error
    return cast(list[Result], rows)


@dataclass(frozen=True, eq=False)
class _Batches(Generic[Result]):
    """A task for many numbers at once, as a task for batches of them by number."""

    task: Callable[[range], Sequence[Result]]
    numbers: range
    size: int

    def __call__(self, k: int) -> Sequence[Result]:
        return self.task(self.numbers[k * self.size : (k + 1) * self.size])


def map_batches(
    task: Callable[[range], Sequence[Result]],
    numbers: range,
    size: int,
    *,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> list[Result]:
    """As `map_numbers`, of a task that does up to `size` consecutive numbers at once.

    Which numbers are done together depends on nothing else.

    Examples
    --------
    >>> map_batches(lambda some: [k * k for k in some], range(5), 2)
    [0, 1, 4, 9, 16]
    """
    report = reporter(progress)

    def show(done: int, total: int) -> None:
        report(min(done * size, len(numbers)), len(numbers))

    batches = range(math.ceil(len(numbers) / size))
    whole = _Batches(task, numbers, size)
    found = map_numbers(whole, batches, n_jobs=n_jobs, progress=show)
    return [result for batch in found for result in batch]


def _blocks(
    task: Callable[[int], Result], numbers: range, n_jobs: int | None
) -> Iterator[_Block[Result]]:
    """Blocks of results as they finish, in any order."""
    started = time.perf_counter()
    last = started
    cost = math.inf
    for k in numbers:
        yield _block(task, k, k + 1)
        now = time.perf_counter()
        cost, last = min(cost, now - last), now
        if now - started > TRIAL_SECONDS and k + 1 < numbers.stop:
            rest = range(k + 1, numbers.stop)
            workers = _workers(n_jobs, len(rest) * cost)
            if workers > 1:
                yield from _parallel(task, rest, workers, cost)
                return
            started = math.inf


def _workers(n_jobs: int | None, seconds: float) -> int:
    """Workers worth starting for work that takes `seconds` in one process."""
    import joblib

    workers = joblib.effective_n_jobs(n_jobs)  # type: ignore[arg-type] # its stub forgets None
    if _is_local():
        workers = min(workers, max(joblib.cpu_count(), 2))
    saved = seconds * (1.0 - 1.0 / workers)
    return workers if saved > START_SECONDS else 1


def _is_local() -> bool:
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    return type(backend).__name__ in _LOCAL


def _block(task: Callable[[int], Result], start: int, stop: int) -> _Block[Result]:
    return _Block(start, tuple(task(k) for k in range(start, stop)))


def _worker_block(task: Callable[[int], Result], start: int, stop: int) -> _Block[Result]:
    # A thread or process of a pool begins with a context of its own.
    with quiet():
        return _block(task, start, stop)


def _block_size(number: int, workers: int, cost: float) -> int:
    """Tasks in a block: a share of the work, but no more than lasts `BLOCK_SECONDS`."""
    share = math.ceil(number / (workers * BLOCKS_PER_WORKER))
    return max(1, min(share, int(BLOCK_SECONDS / max(cost, 1e-9))))


def _parallel(
    task: Callable[[int], Result], numbers: range, workers: int, cost: float
) -> Iterator[_Block[Result]]:
    import joblib

    size = _block_size(len(numbers), workers, cost)
    tasks = [
        joblib.delayed(_worker_block)(task, start, min(start + size, numbers.stop))
        for start in numbers[::size]
    ]
    try:
        results: Iterable[_Block[Result]] = _executor(min(workers, len(tasks)))(tasks)
        yield from results
    except pickle.PicklingError as error:
        raise OptionError(
            f"this cannot be sent to worker processes: {_one_line(error)}; write n_jobs=1, or "
            'use threads: joblib.parallel_config(backend="threading")'
        ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _executor(workers: int) -> Any:
    """A joblib executor that hands out results as they come, where its backend can."""
    import joblib

    try:
        return joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    except (ValueError, NotImplementedError):
        return joblib.Parallel(n_jobs=workers)


def reporter(progress: Progress) -> Callable[[int, int], Any]:
    """What is told how far the work is, ``report(done, total)``: a bar, a function, or nobody."""
    chosen = require_progress(progress)
    if not isinstance(chosen, bool):
        return _answered(chosen)
    if not chosen:
        return lambda done, total: None
    return _draw_bar()


def _answered(progress: Callable[[int, int], Any]) -> Callable[[int, int], Any]:
    """The caller's function, whose mistakes are told as such; other exceptions stop the work."""

    def report(done: int, total: int) -> None:
        try:
            progress(done, total)
        except MixcheckError:
            raise
        except _MISTAKES as error:
            raise OptionError(
                f"the function given as progress raised {type(error).__name__}: "
                f"{shown(str(error))}; it is called as progress(done, total)"
            ) from error

    return report


def _draw_bar() -> Callable[[int, int], Any]:
    # Imported only to be shown: it takes a tenth of a second, which most calls need not spend.
    from tqdm.auto import tqdm

    bar = tqdm()

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show
