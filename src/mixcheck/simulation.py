"""The port in use: replicate data sets of a model, in streams that nothing can shift.

Every replicate has a random stream of its own, ``Philox(SeedSequence(seed,
spawn_key=(purpose, k)))``, so that results depend neither on the number of workers nor on the
size of blocks nor on the backend, and the first 250 of 1,000 replicates are those of a run
of 250. Replicates are never stored: each is reduced to a few numbers where it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.calls import answer_calls, answer_methods
from mixcheck.errors import ConvergenceError, MixcheckError, OptionError
from mixcheck.options import require_choice, require_whole, tell_renamed
from mixcheck.parallel import Progress, map_batches
from mixcheck.port import (
    CONDITIONINGS,
    Checkable,
    Conditioning,
    Converging,
    DataView,
    Enumerable,
    Ported,
    Refittable,
    Repeating,
    Weighted,
    port_of,
)
from mixcheck.streams import Purpose, choose_seed, stream

__all__ = [
    "DEFAULT_DRAWS",
    "ReplicateNumbers",
    "Replicates",
    "reduce_replicates",
    "replicate",
    "simulate",
]

DEFAULT_DRAWS = 1000
# Replicates that are made together have at most so many rows: a column of them stays in the
# processor's cache. Beyond so many replicates nothing is gained.
TOGETHER_ROWS = 16_384
TOGETHER = 100

Statistic: TypeAlias = Callable[[DataView], FloatArray]


@answer_methods
@dataclass(frozen=True, eq=False)
class Replicates:
    """A plan of replicate data sets; nothing is drawn until it is used.

    Attributes
    ----------
    model : Checkable, or with a port that is
        As it was given.
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

    model: Checkable | Ported
    conditioning: Conditioning
    seed: int
    draws: int
    refits: int = 0

    @property
    def port(self) -> Checkable:
        """The port of the model, of which each row is one row."""
        return self._single_rows[0]

    @property
    def origin(self) -> IntArray | None:
        """Which row of the model each row is, (n,), where rows of it stand for several."""
        return self._single_rows[1]

    @cached_property
    def _single_rows(self) -> tuple[Checkable, IntArray | None]:
        found: Checkable = port_of(self.model)
        return found.by_single_rows() if isinstance(found, Weighted) else (found, None)

    @property
    def size(self) -> int:
        """Number of replicate data sets, B."""
        return self.refits or self.draws

    def observe(self) -> DataView:
        """The observed data, as the model sees them."""
        return self.port.observe(self.conditioning, stream(self.seed, Purpose.OBSERVE, 0))

    def replicate(self, k: int) -> DataView:
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
        return self.port.replicate(self.conditioning, rng)

    @cached_property
    def _listed(self) -> Enumerable | None:
        # Asking a protocol looks at every attribute: once, not for every replicate.
        return self.port if isinstance(self.port, Enumerable) else None

    @property
    def together(self) -> int:
        """How many replicates are best made together."""
        if self.refits or self._repeating is None:
            return 1
        return max(1, min(TOGETHER, TOGETHER_ROWS // max(1, len(self.port.frame))))

    def batch(self, numbers: range) -> Sequence[DataView | Exception]:
        """Replicate data sets by their numbers, or why one cannot be made, in their order."""
        if self.refits or self._repeating is None:
            return [self._replicate_or_say(k) for k in numbers]
        rngs = [stream(self.seed, Purpose.REPLICATE, k) for k in numbers]
        return self._repeating.replicate_many(self.conditioning, rngs)

    def _replicate_or_say(self, k: int) -> DataView | Exception:
        try:
            return self.replicate(k)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return error

    @cached_property
    def _repeating(self) -> Repeating | None:
        return self.port if isinstance(self.port, Repeating) else None

    def _refitted(self, k: int) -> DataView:
        model = cast(Refittable, self.port)
        refitted = model.refit(model.respond(stream(self.seed, Purpose.RESPOND, k)))
        if isinstance(refitted, Converging) and not refitted.convergence.converged:
            raise ConvergenceError("the refit did not converge")
        return refitted.observe(self.conditioning, stream(self.seed, Purpose.OBSERVE_REFIT, k))


@answer_calls
def replicate(
    model: Checkable | Ported,
    *,
    draws: int | None = None,
    conditioning: Conditioning = "posterior",
    seed: int | None = None,
    refits: int = 0,
) -> Replicates:
    """Plan replicate data sets of a model.

    Parameters
    ----------
    model : GLMM, DrawsModel, or any model whose port is `Checkable`
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
    Replicates

    Raises
    ------
    OptionError
        If `model` is no model, a number is not positive, the conditioning is unknown, the
        model cannot be fitted again, or holds fewer draws than asked for.
    """
    port = port_of(model)
    _require_model(port)
    require_choice("conditioning", conditioning, CONDITIONINGS)
    return Replicates(
        model=model,
        conditioning=conditioning,
        seed=choose_seed(seed),
        draws=_draws(port, draws),
        refits=_refits(port, refits),
    )


def simulate(model: Checkable | Ported, **options: Any) -> Replicates:
    """`replicate`, by its name of the version before; the `simulate` of a fit draws responses."""
    tell_renamed("mixcheck.simulate()", "mixcheck.replicate()")
    return replicate(model, **options)


def _require_model(model: object) -> None:
    if not isinstance(model, type) and isinstance(model, Checkable):
        return
    if hasattr(model, "predict") and not isinstance(model, type):
        raise OptionError(
            f"{type(model).__name__} is a model of another library, which is checked by draws of "
            "its response: simulate them from it, with new random effects in each, such as draws = "
            "rng.poisson(result.fittedvalues, (1000, n)), and write mixcheck.from_draws(observed, "
            "draws)"
        )
    raise OptionError(
        "a fitted model is needed, such as the result of mixcheck.glmm(..) or "
        f"mixcheck.from_draws(..); found {type(model).__name__}, which cannot observe "
        "and replicate its data"
    )


def _draws(model: Checkable, draws: int | None) -> int:
    available = model.available if isinstance(model, Enumerable) else None
    if draws is None:
        return DEFAULT_DRAWS if available is None else min(DEFAULT_DRAWS, available)
    count = require_whole("draws", draws)
    if available is not None and count > available:
        raise OptionError(
            f"draws={count} was asked for, and the model holds {available} draws; leave draws "
            "out, or give from_draws more of them"
        )
    return count


def _refits(model: Checkable, refits: int) -> int:
    count = require_whole("refits", refits, 0)
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
        Why replicates were kept out, and how many for each reason.
    """

    numbers: FloatArray
    kept: IntArray
    failures: tuple[tuple[str, int], ...] = ()

    @property
    def failed(self) -> int:
        """Number of replicates kept out."""
        return sum(count for _, count in self.failures)


def reduce_replicates(
    replicates: Replicates,
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
    replicates : Replicates
    statistic : callable
        Takes a `DataView` to an array (s,); it must pickle where processes are used.
    n_jobs : int, optional
        As in joblib; None leaves it, and the backend, to ``joblib.parallel_config``.
    progress : bool or callable, optional
        ``progress(done, total)`` is called as blocks finish; True shows a bar on stderr.

    Returns
    -------
    ReplicateNumbers

    Raises
    ------
    ConvergenceError
        If no replicate was usable.
    """
    task = _Reduction(replicates, statistic)
    rows = map_batches(
        task,
        range(replicates.size),
        replicates.together,
        n_jobs=n_jobs,
        progress=progress,
    )
    return _collect(rows, refits=bool(replicates.refits))


def _collect(rows: list[FloatArray | str], *, refits: bool) -> ReplicateNumbers:
    kept = [k for k, row in enumerate(rows) if not isinstance(row, str)]
    failures = Counter(row for row in rows if isinstance(row, str))
    if not kept:
        made, remedy = (
            ("refits", "Simplify the model, or check it with refits=0")
            if refits
            else ("replicate data sets", "Simplify the model")
        )
        raise ConvergenceError(
            f"none of {len(rows)} {made} was usable: {'; '.join(failures)}. {remedy}"
        )
    numbers = np.array([rows[k] for k in kept], dtype=np.float64)
    return ReplicateNumbers(numbers, np.array(kept, dtype=np.intp), tuple(failures.most_common()))


@dataclass(frozen=True, eq=False)
class _Reduction:
    """The numbers of some replicates, or the reasons why they are unusable."""

    replicates: Replicates
    statistic: Statistic

    def __call__(self, numbers: range) -> list[FloatArray | str]:
        return [
            f"{type(found).__name__}: {found}"
            if isinstance(found, Exception)
            else self.statistic(found)
            for found in self.replicates.batch(numbers)
        ]
