"""The port in use: replicate data sets of a model, in streams that nothing can shift.

Every replicate has a random stream of its own, ``Philox(SeedSequence(seed,
spawn_key=(purpose, k)))``, so that results depend neither on the number of workers nor on the
size of blocks nor on the backend, and the first 250 of 1,000 replicates are those of a run
of 250. Replicates are never stored: each is reduced to a few numbers where it was made.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar, cast

import joblib
import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, MixcheckError, MixcheckWarning, OptionError
from mixcheck.model import (
    CONDITIONINGS,
    Checkable,
    Conditioning,
    Converging,
    Enumerable,
    Realisation,
    Refittable,
)
from mixcheck.streams import Purpose, choose_seed, stream

__all__ = [
    "DEFAULT_DRAWS",
    "Progress",
    "ReplicateNumbers",
    "Simulations",
    "map_numbers",
    "reduce_replicates",
    "simulate",
]

DEFAULT_DRAWS = 1000

# What the first start of worker processes costs, measured with loky on two cores.
START_SECONDS = 1.6
# Replicates are timed one after another for at most this long before workers are considered.
TRIAL_SECONDS = 0.3
# Blocks a worker gets, so that uneven blocks even out.
BLOCKS_PER_WORKER = 4

Progress: TypeAlias = Callable[[int, int], Any] | bool | None
Statistic: TypeAlias = Callable[[Realisation], FloatArray]
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Simulations:
    """A plan of replicate data sets; nothing is drawn until it is used.

    Attributes
    ----------
    model : Checkable
    conditioning : {"posterior", "marginal", "mode"}
        Which random effects residuals and moments are given.
    seed : int
        Non-negative; all random numbers follow from it.
    draws : int
        Number of replicate data sets without refits.
    refits : int
        Where positive, the number of replicate data sets to which the model is fitted again;
        it takes the place of `draws`.
    """

    model: Checkable
    conditioning: Conditioning
    seed: int
    draws: int
    refits: int = 0

    @property
    def size(self) -> int:
        """Number of replicate data sets, B."""
        return self.refits or self.draws

    def observe(self) -> Realisation:
        """The observed data, as the model sees them."""
        return self.model.observe(self.conditioning, stream(self.seed, Purpose.OBSERVE, 0))

    def replicate(self, k: int) -> Realisation:
        """Replicate data set `k`, seen as the observed one is.

        Raises
        ------
        ConvergenceError
            If refits were asked for and this one failed or did not converge.
        """
        if self.refits:
            return self._refitted(k)
        rng = stream(self.seed, Purpose.REPLICATE, k)
        if self._listed is not None:
            return self._listed.replicate_number(k, self.conditioning, rng)
        return self.model.replicate(self.conditioning, rng)

    @cached_property
    def _listed(self) -> Enumerable | None:
        # Asking a protocol looks at every attribute: once, not for every replicate.
        return self.model if isinstance(self.model, Enumerable) else None

    def _refitted(self, k: int) -> Realisation:
        model = cast(Refittable, self.model)
        refitted = model.refit(model.respond(stream(self.seed, Purpose.RESPOND, k)))
        if isinstance(refitted, Converging) and not refitted.convergence.converged:
            raise ConvergenceError("the refit did not converge")
        return refitted.observe(self.conditioning, stream(self.seed, Purpose.OBSERVE_REFIT, k))


def simulate(
    model: Checkable,
    *,
    draws: int | None = None,
    conditioning: Conditioning = "posterior",
    seed: int | None = None,
    refits: int = 0,
) -> Simulations:
    """Plan replicate data sets of a model.

    Parameters
    ----------
    model : Checkable
        A fitted model, or draws made elsewhere (`mixcheck.from_draws`).
    draws : int, optional
        Number of replicates; 1,000 by default, or as many as a model of given draws holds.
    conditioning : {"posterior", "marginal", "mode"}
        Which random effects the residuals are given: one exact draw from their distribution
        given the data, none (integrated out), or their modes.
    seed : int, optional
        Without one it is drawn from the operating system, stored and shown.
    refits : int
        Where positive, that many replicates with the model fitted again to each, so that
        null distributions include the estimation of parameters.

    Returns
    -------
    Simulations

    Raises
    ------
    OptionError
        If `model` is no model, a number is not positive, the conditioning is unknown, the
        model cannot be fitted again, or holds fewer draws than asked for.
    """
    _require_model(model)
    if conditioning not in CONDITIONINGS:
        raise OptionError(
            f"conditioning must be one of {', '.join(map(repr, CONDITIONINGS))}, "
            f"found {conditioning!r}"
        )
    return Simulations(
        model=model,
        conditioning=conditioning,
        seed=choose_seed(seed),
        draws=_draws(model, draws),
        refits=_refits(model, refits),
    )


def _require_model(model: object) -> None:
    if isinstance(model, type) or not isinstance(model, Checkable):
        raise OptionError(
            "a fitted model is needed, such as the result of mixcheck.glmm(..) or "
            f"mixcheck.from_draws(..); found {type(model).__name__}, which cannot observe "
            "and replicate its data"
        )


def _count(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} must be an integer of at least {least}, found {value!r}")
    return int(value)


def _draws(model: Checkable, draws: int | None) -> int:
    available = model.available if isinstance(model, Enumerable) else None
    if draws is None:
        return DEFAULT_DRAWS if available is None else min(DEFAULT_DRAWS, available)
    count = _count("draws", draws, 1)
    if available is not None and count > available:
        raise OptionError(
            f"draws={count} was asked for, and the model holds {available} draws; leave draws "
            "out, or give from_draws more of them"
        )
    return count


def _refits(model: Checkable, refits: int) -> int:
    count = _count("refits", refits, 0)
    if count and not isinstance(model, Refittable):
        raise OptionError(
            f"refits={count} needs a model that can be fitted again, and {type(model).__name__} "
            "has no refit and respond; write refits=0"
        )
    return count


@dataclass(frozen=True, eq=False)
class ReplicateNumbers:
    """What was kept of the replicate data sets.

    Attributes
    ----------
    numbers : (B, s) array
        One row a usable replicate, in their order.
    kept : (B,) array of int
        Which replicates they are.
    failures : tuple of (str, int)
        Why refits were kept out, and how many for each reason.
    """

    numbers: FloatArray
    kept: IntArray
    failures: tuple[tuple[str, int], ...] = ()

    @property
    def failed(self) -> int:
        """Number of replicates kept out."""
        return sum(count for _, count in self.failures)


@dataclass(frozen=True)
class _Block(Generic[Result]):
    """Results of the numbers ``start .. start + len(rows) - 1``."""

    start: int
    rows: tuple[Result, ...]


def reduce_replicates(
    simulations: Simulations,
    statistic: Statistic,
    *,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> ReplicateNumbers:
    """Reduce every replicate data set to a few numbers, in constant memory.

    Cheap work stays in this process: the first replicates are timed, and workers are asked
    for only where they save more than they cost to start.

    Parameters
    ----------
    simulations : Simulations
    statistic : callable
        Takes a `Realisation` to an array (s,); it must pickle where processes are used.
    n_jobs : int, optional
        As in joblib; None leaves it, and the backend, to ``joblib.parallel_config``.
    progress : bool or callable, optional
        ``progress(done, total)`` is called as blocks finish; True prints one line to stderr.

    Returns
    -------
    ReplicateNumbers

    Raises
    ------
    ConvergenceError
        If no refit was usable.
    """
    task = _Reduction(simulations, statistic)
    return _collect(map_numbers(task, range(simulations.size), n_jobs=n_jobs, progress=progress))


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
    n_jobs, progress
        As in `reduce_replicates`.

    Returns
    -------
    list
        In the order of the numbers.
    """
    report = _progress(progress)
    rows: list[Result | None] = [None] * len(numbers)
    done = 0
    with _quiet():
        for block in _blocks(task, numbers, n_jobs):
            place = block.start - numbers.start
            rows[place : place + len(block.rows)] = block.rows
            done += len(block.rows)
            report(done, len(numbers))
    return cast(list[Result], rows)


def _collect(rows: list[FloatArray | str]) -> ReplicateNumbers:
    kept = [k for k, row in enumerate(rows) if not isinstance(row, str)]
    failures = Counter(row for row in rows if isinstance(row, str))
    if not kept:
        raise ConvergenceError(
            f"none of {len(rows)} refits was usable: {'; '.join(failures)}. "
            "Simplify the model, or check it with refits=0"
        )
    numbers = np.array([rows[k] for k in kept], dtype=np.float64)
    return ReplicateNumbers(numbers, np.array(kept, dtype=np.intp), tuple(failures.most_common()))


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
            workers = _workers(n_jobs, (numbers.stop - k - 1) * cost)
            if workers > 1:
                yield from _parallel(task, range(k + 1, numbers.stop), workers, n_jobs)
                return
            started = math.inf


def _workers(n_jobs: int | None, seconds: float) -> int:
    """Workers worth starting for work that takes `seconds` in one process."""
    workers = joblib.effective_n_jobs(n_jobs)  # type: ignore[arg-type] # its stub forgets None
    saved = seconds * (1.0 - 1.0 / workers)
    return workers if saved > START_SECONDS else 1


def _block(task: Callable[[int], Result], start: int, stop: int) -> _Block[Result]:
    return _Block(start, tuple(task(k) for k in range(start, stop)))


@dataclass(frozen=True, eq=False)
class _Reduction:
    """The numbers of a replicate, or the reason why its refit is unusable."""

    simulations: Simulations
    statistic: Statistic

    def __call__(self, k: int) -> FloatArray | str:
        if not self.simulations.refits:
            return self.statistic(self.simulations.replicate(k))
        try:
            realisation = self.simulations.replicate(k)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return f"{type(error).__name__}: {error}"
        return self.statistic(realisation)


def _worker_block(task: Callable[[int], Result], start: int, stop: int) -> _Block[Result]:
    # Filters of warnings belong to a process; threads share those that the caller has set.
    if threading.current_thread() is not threading.main_thread():
        return _block(task, start, stop)
    with _quiet():
        return _block(task, start, stop)


def _parallel(
    task: Callable[[int], Result], numbers: range, workers: int, n_jobs: int | None
) -> Iterable[_Block[Result]]:
    size = max(1, math.ceil(len(numbers) / (workers * BLOCKS_PER_WORKER)))
    tasks = [
        joblib.delayed(_worker_block)(task, start, min(start + size, numbers.stop))
        for start in numbers[::size]
    ]
    results: Iterable[_Block[Result]] = _executor(n_jobs)(tasks)
    return results


def _executor(n_jobs: int | None) -> Any:
    """A joblib executor that hands out results as they come, where its backend can."""
    try:
        return joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except (ValueError, NotImplementedError):
        return joblib.Parallel(n_jobs=n_jobs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence our own warnings: what a refit warns of is counted, not printed a thousand times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixcheckWarning)
        yield


def _progress(progress: Progress) -> Callable[[int, int], Any]:
    if callable(progress):
        return progress
    if not progress:
        return lambda done, total: None
    return _tqdm_line() if importlib.util.find_spec("tqdm") else _plain_line


def _plain_line(done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\rreplicate data sets: {done} of {total}", end=end, file=sys.stderr, flush=True)


def _tqdm_line() -> Callable[[int, int], Any]:
    bar = importlib.import_module("tqdm").tqdm(desc="replicate data sets", file=sys.stderr)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show
