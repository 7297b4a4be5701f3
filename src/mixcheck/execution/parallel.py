"""Numbered tasks, in this process or in workers: which, and in what blocks, changes no result."""

from __future__ import annotations

import itertools
import math
import pickle
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from mixcheck.arguments.options import require_workers
from mixcheck.errors import OptionError, WorkerError
from mixcheck.execution.progress import Progress, reporter
from mixcheck.execution.time_limits import TimeLimit
from mixcheck.notices import quiet

__all__ = ["map_batches", "map_numbers"]

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

# What dask and ray raise where a worker, or all of them, are lost.
_LOST = {
    "distributed": ("CancelledError", "CommClosedError", "FutureCancelledError", "KilledWorker"),
    "ray": ("NodeDiedError", "OutOfMemoryError", "RayActorError", "WorkerCrashedError"),
}

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
    what: str = "tasks",
    limit: TimeLimit | None = None,
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
    what : str
        What is counted, for the bar.
    limit : TimeLimit, optional
        Once it is passed no block is begun; those that were begun are finished.

    Returns
    -------
    list
        In the order of the numbers; of the first of them, and at least one, where `limit` was
        passed.

    Raises
    ------
    OptionError
        If `n_jobs` is not a number of workers, or the task cannot be sent to worker processes.
    WorkerError
        If a worker was lost, or the memory is used up.
    """
    jobs = require_workers(n_jobs)
    blocks: list[_Block[Result]] = []
    done = 0
    try:
        with (
            reporter(progress, what) as report,
            quiet(),
            closing(_blocks(task, numbers, jobs, limit)) as found,
        ):
            for block in found:
                blocks.append(block)
                done += len(block.rows)
                report(done, len(numbers))
    except MemoryError as error:
        raise WorkerError(
            f"the memory was used up, with {done} of {len(numbers)} tasks finished, and what was "
            "finished is lost; run it again with fewer workers, or n_jobs=1, or on fewer rows"
        ) from error
    except Exception as error:
        if not _is_loss(error):
            raise
        raise WorkerError(
            f"a worker process ended before its work was done, with {done} of {len(numbers)} "
            "tasks finished, and what was finished is lost; often the memory was used up: run it "
            "again with fewer workers, or n_jobs=1"
        ) from error
    blocks.sort(key=lambda block: block.start)
    return [row for block in blocks for row in block.rows]


def _is_loss(error: Exception) -> bool:
    """Whether an exception says that a worker is gone."""
    if isinstance(error, BrokenExecutor):
        return True
    kinds = ((cls.__module__.split(".")[0], cls.__name__) for cls in type(error).__mro__)
    return any(name in _LOST.get(package, ()) for package, name in kinds)


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
    what: str = "tasks",
    limit: TimeLimit | None = None,
) -> list[Result]:
    """As `map_numbers`, of a task that does up to `size` consecutive numbers at once.

    Which numbers are done together depends on nothing else.

    Examples
    --------
    >>> map_batches(lambda some: [k * k for k in some], range(5), 2)
    [0, 1, 4, 9, 16]
    """
    batches = range(math.ceil(len(numbers) / size))
    whole = _Batches(task, numbers, size)
    with reporter(progress, what) as report:

        def show(done: int, total: int) -> None:
            report(min(done * size, len(numbers)), len(numbers))

        found = map_numbers(whole, batches, n_jobs=n_jobs, progress=show, limit=limit)
    return [result for batch in found for result in batch]


def _blocks(
    task: Callable[[int], Result], numbers: range, n_jobs: int | None, limit: TimeLimit | None
) -> Generator[_Block[Result]]:
    """Blocks of results as they finish, in any order."""
    started = time.perf_counter()
    last = started
    cost = math.inf
    for k in numbers:
        yield _block(task, k, k + 1)
        if limit is not None and limit.passed:
            return
        now = time.perf_counter()
        cost, last = min(cost, now - last), now
        if now - started > TRIAL_SECONDS and k + 1 < numbers.stop:
            rest = range(k + 1, numbers.stop)
            workers = _workers(n_jobs, len(rest) * cost)
            if workers > 1:
                yield from _parallel(task, rest, workers, cost, limit)
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
    task: Callable[[int], Result],
    numbers: range,
    workers: int,
    cost: float,
    limit: TimeLimit | None,
) -> Iterator[_Block[Result]]:
    import joblib

    size = _block_size(len(numbers), workers, cost)
    starts = numbers[::size]

    def calls() -> Iterator[Any]:
        # Asked for as workers become free.
        for start in starts:
            if limit is not None and limit.passed:
                return
            yield joblib.delayed(_worker_block)(task, start, min(start + size, numbers.stop))

    try:
        client = _dask_client()
        if client is None:
            yield from _shared_out(calls(), min(workers, len(starts)))
        else:
            yield from _by_dask(client, calls(), task, workers)
    except pickle.PicklingError as error:
        raise OptionError(
            f"this cannot be sent to worker processes: {_one_line(error)}; write n_jobs=1, or "
            'use threads: joblib.parallel_config(backend="threading")'
        ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _dask_client() -> Any:
    """The client of dask's backend of joblib, where that is the active one; else None."""
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    return (
        getattr(backend, "client", None)
        if type(backend).__name__ == "DaskDistributedBackend"
        else None
    )


def _by_dask(
    client: Any, calls: Iterator[Any], task: Callable[[int], Any], workers: int
) -> Iterator[Any]:
    """Results as they come, by futures of dask.

    joblib waits for ever for a future whose worker is lost; a future of dask is done again by
    another worker, or raises.
    """
    from distributed import as_completed

    # On every worker, so that none is lost with one of them.
    shared = client.scatter(task, broadcast=True, hash=False)
    running: Any = cast("Any", as_completed)()

    def submit(most: int) -> None:
        for function, (_, start, stop), _ in itertools.islice(calls, most):
            running.add(client.submit(function, shared, start, stop, pure=False))

    try:
        submit(workers * BLOCKS_PER_WORKER)
        for future in running:
            submit(1)
            yield future.result()
    finally:
        client.cancel(list(running.futures))


def _shared_out(calls: Iterator[Any], workers: int) -> Iterator[Any]:
    """Results as they come; all of them at the end where the backend gives only lists."""
    import joblib

    try:
        executor = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    except (ValueError, NotImplementedError):
        yield from joblib.Parallel(n_jobs=workers)(calls)
    else:
        yield from executor(calls)
