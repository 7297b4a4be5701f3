"""The likelihood-ratio test by parametric bootstrap."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import (
    require_draws,
    require_progress,
    require_whole,
    require_workers,
)
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.codec.shapes import ADDED_LATER, NUMBER, Finite, list_of, stored_as
from mixcheck.comparison.boundary import boundary_reference
from mixcheck.comparison.chi_bar_square import ChiBarSquare
from mixcheck.comparison.likelihood_ratio import likelihood_ratio, null_words, require_nested
from mixcheck.comparison.record import Record
from mixcheck.comparison.same_data import formula_of, order_of
from mixcheck.display.document import Document, Paragraph, PValue, Table
from mixcheck.errors import ComparisonError, MixcheckError, OptionError
from mixcheck.execution.parallel import map_batches
from mixcheck.execution.progress import Progress, Reporter, reporter
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.execution.time_limits import TimeLimit, start_clock
from mixcheck.port import (
    BatchRefittable,
    Checkable,
    Comparable,
    Converging,
    Ported,
    Refittable,
)
from mixcheck.simulation import count_together, refit_all

__all__ = ["BootstrapRatio", "bootstrap_lrt"]

# Sequential stopping looks after so many data sets; the result does not depend on it.
_BATCH = 50
# Statistics closer than this are equal, and one below it is zero: optimisers stop about there.
_ZERO = 1e-5


@answer_methods
@dataclass(frozen=True, eq=False)
class BootstrapRatio(Record):
    """A likelihood-ratio test by parametric bootstrap.

    Attributes
    ----------
    null : str
        The null hypothesis, in words.
    statistic : float
        Twice the difference of the log-likelihoods.
    pvalue : float
        ``(1 + exceedances) / (1 + draws)``; ``exceedances / draws`` where it stopped early.
    draws : int
        Number of simulated data sets.
    exceedances : int
        How many of them have a statistic as large, failed ones included.
    error : float
        Monte Carlo standard error of the p-value.
    zeros : int
        Data sets for which the larger model fits no better than the smaller.
    failures : tuple of (str, int)
        Why refits failed, and how often; each counts as an exceedance.
    stopped : bool
        Whether it stopped because enough exceedances were seen.
    statistics : (draws,)
        Simulated statistics in the order of the data sets; nan where a refit failed.
    mean : float
        Their mean, zeros included and failures left out.
    asymptotic_pvalue : float or None
        That of `mixcheck.lrt`; None where the distribution of the statistic is not known.
    bartlett_statistic, bartlett_pvalue : float or None
        The statistic scaled so that its simulated mean is that of the asymptotic distribution,
        and its p-value by that distribution; None where the simulated mean is zero, and where
        that distribution is not known.
    seed : int
    notes : tuple of str
    out_of_time : bool
        Whether it stopped because `time_limit` was used up.
    """

    null: str
    statistic: float
    pvalue: float
    draws: int
    exceedances: int
    error: float
    zeros: int
    failures: tuple[tuple[str, int], ...]
    stopped: bool
    statistics: FloatArray = field(metadata=stored_as(list_of(NUMBER)))
    mean: float
    asymptotic_pvalue: Finite | None
    bartlett_statistic: Finite | None
    bartlett_pvalue: Finite | None
    seed: int
    notes: tuple[str, ...] = ()
    out_of_time: bool = field(default=False, metadata=ADDED_LATER)

    def __repr__(self) -> str:
        return (
            f"BootstrapRatio(statistic={self.statistic:.4f}, pvalue={self.pvalue:.4g}, "
            f"draws={self.draws}, seed={self.seed})"
        )

    def document(self) -> Document:
        """The test as a page."""
        rows: tuple[tuple[Any, ...], ...] = (
            ("parametric bootstrap", self.statistic, PValue(self.pvalue)),
            ("asymptotic", self.statistic, PValue(self.asymptotic_pvalue)),
            ("Bartlett-corrected", self.bartlett_statistic, PValue(self.bartlett_pvalue)),
        )
        count = (
            f"{self.exceedances} of {self.draws} data sets simulated from the smaller model "
            f"(seed {self.seed}) have a statistic as large; {self.zeros} have a statistic of zero."
        )
        return Document(
            "Likelihood-ratio test by parametric bootstrap",
            (
                Paragraph(f"Null hypothesis: {self.null}."),
                Table(("reference", "statistic", "p"), rows),
                Paragraph(count),
                *(Paragraph(note, quiet=True) for note in self.notes),
            ),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each reference distribution: reference, statistic, pvalue."""
        return pd.DataFrame(
            {
                "reference": ["bootstrap", "asymptotic", "bartlett"],
                "statistic": [self.statistic, self.statistic, self.bartlett_statistic],
                "pvalue": [self.pvalue, self.asymptotic_pvalue, self.bartlett_pvalue],
            }
        ).astype({"statistic": "float64", "pvalue": "float64"})


@answer_calls
def bootstrap_lrt(
    smaller: Comparable | Ported,
    larger: Comparable | Ported,
    *,
    draws: int = 1000,
    seed: int | None = None,
    stop_after: int | None = None,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> BootstrapRatio:
    """Test a model against a larger one by simulating from the smaller.

    Data sets are simulated from the smaller model with new random effects, and both models are
    fitted to each, starting from their fits to the data. The p-value needs no asymptotic
    distribution: few groups, variances at zero, families against their limits and any number of
    new terms are all allowed.

    Parameters
    ----------
    smaller, larger : Comparable and Refittable
        Nested as for `mixcheck.lrt`, and fitted to the same data with one link and method.
    draws : int
        Largest number of simulated data sets.
    seed : int, optional
        Data set k depends on the seed and on k alone. Without one it is drawn and stored.
    stop_after : int, optional
        Stop when so many statistics were as large as the observed one; 20 gives a p-value
        whose relative standard error is below one quarter.
    time_limit : float, optional
        Seconds after which no data set is begun; those that were begun are finished.
    n_jobs : int, optional
        As in joblib; the result does not depend on it.
    progress : bool or callable, optional
        ``progress(done, total)``; True shows a bar on stderr.

    Returns
    -------
    BootstrapRatio

    Raises
    ------
    ComparisonError
        As `mixcheck.lrt`.
    OptionError
        If a model cannot be simulated and fitted again, or a number is not positive.

    Notes
    -----
    A refit that fails, that does not converge, or that leaves the larger model below the
    smaller one counts as an exceedance, so that failures can only make the test conservative.

    A limit of time stops by the clock, without a look at the statistics, and counts all data sets
    that were begun: the p-value is that of a test which was asked for so many of them.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 4.2; Besag &
    Clifford (1991), Biometrika 78, 301-304, for stopping early; Halekoh & Hojsgaard (2014),
    Journal of Statistical Software 59(9), for the Bartlett correction.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> null = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    >>> full = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> mc.bootstrap_lrt(null, full, draws=19, seed=1).pvalue
    0.05
    """
    simple, wide = require_nested(smaller, larger, "bootstrap_lrt")
    for model in (simple, wide):
        _require_refittable(model)
    count = require_draws(draws)
    require_workers(n_jobs)
    require_progress(progress)
    enough = count + 1 if stop_after is None else require_whole("stop_after", stop_after)
    limit = start_clock(time_limit)
    observed = likelihood_ratio(simple, wide)
    chosen = choose_seed(seed)
    order = order_of(wide, simple)
    task = _Replicate(cast(Refittable, simple), cast(Refittable, wide), order, chosen)
    with reporter(progress, "simulated data sets") as report:
        rows = _run(task, count, enough, observed, n_jobs, report, limit)
    return _summarise(simple, wide, observed, rows, count, enough, chosen, limit)


def _require_refittable(model: Comparable) -> None:
    if not isinstance(model, Refittable):
        raise OptionError(
            f"bootstrap_lrt simulates from the smaller model and fits both again, and "
            f"{type(model).__name__} has no respond and refit; write lrt instead"
        )


@dataclass(frozen=True, eq=False)
class _Replicate:
    """Statistics of data sets by their numbers, (1,) each, or why there is none.

    `order` takes rows of the smaller model to the order of the larger one, where they differ.
    """

    smaller: Refittable
    larger: Refittable
    order: IntArray | None
    seed: int

    @property
    def together(self) -> int:
        """How many data sets are best fitted together."""
        batched = all(isinstance(model, BatchRefittable) for model in (self.smaller, self.larger))
        return count_together(self.smaller) if batched else 1

    def __call__(self, numbers: range) -> list[FloatArray | str]:
        responses = [self._respond(k) for k in numbers]
        fits = refit_all(self.smaller, responses)
        arranged = [
            one if self.order is None or isinstance(one, Exception) else one[self.order]
            for one in responses
        ]
        pairs = zip(fits, refit_all(self.larger, arranged), strict=True)
        return [self._compare(small, large) for small, large in pairs]

    def _respond(self, k: int) -> FloatArray | Exception:
        try:
            return self.smaller.respond(stream(self.seed, Purpose.COMPARE, k))
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return error

    def _compare(
        self, small: Checkable | Exception, large: Checkable | Exception
    ) -> FloatArray | str:
        for name, fit in (("smaller", small), ("larger", large)):
            if isinstance(fit, Exception):
                return f"{type(fit).__name__}: {fit}"
            if isinstance(fit, Converging) and not fit.convergence.converged:
                return f"the refit of the {name} model did not converge"
        return np.array([likelihood_ratio(cast(Comparable, small), cast(Comparable, large))])


def _exceeds(row: FloatArray | str, observed: float) -> bool:
    return isinstance(row, str) or bool(row[0] >= observed - _ZERO)


def _run(
    task: _Replicate,
    draws: int,
    enough: int,
    observed: float,
    n_jobs: int | None,
    report: Reporter,
    limit: TimeLimit | None,
) -> list[FloatArray | str]:
    """Statistics up to the data set at which `enough` were as large as the observed one."""
    rows: list[FloatArray | str] = []
    seen = 0
    # All at once where no number of exceedances could end it.
    size = draws if enough > draws else _BATCH
    while len(rows) < draws and (not rows or limit is None or not limit.passed):
        start = len(rows)
        found = map_batches(
            task,
            range(start, min(start + size, draws)),
            task.together,
            n_jobs=n_jobs,
            progress=report.onward(start, draws),
            limit=limit,
        )
        for row in found:
            rows.append(row)
            seen += _exceeds(row, observed)
            if seen == enough:
                report(len(rows), len(rows))
                return rows
    return rows


def _summarise(
    smaller: Comparable,
    larger: Comparable,
    observed: float,
    rows: Sequence[FloatArray | str],
    draws: int,
    enough: int,
    seed: int,
    limit: TimeLimit | None,
) -> BootstrapRatio:
    used = len(rows)
    exceedances = sum(_exceeds(row, observed) for row in rows)
    stopped = exceedances >= enough
    late = limit is not None and used < draws and not stopped
    words = limit.words(used, draws, "simulated data sets") if limit is not None and late else ""
    pvalue = exceedances / used if stopped else (1 + exceedances) / (1 + used)
    statistics = np.array([math.nan if isinstance(row, str) else float(row[0]) for row in rows])
    usable = statistics[~np.isnan(statistics)]
    mean = float(usable.mean()) if usable.size else math.nan
    failures = tuple(Counter(row for row in rows if isinstance(row, str)).most_common())
    mixture = _asymptotic(smaller, larger)
    scaled = observed * mixture.mean / mean if mixture is not None and mean > 0.0 else None
    return BootstrapRatio(
        null=null_words(smaller, larger),
        statistic=observed,
        pvalue=pvalue,
        draws=used,
        exceedances=exceedances,
        # Stopping early, the number of draws is what varies.
        error=pvalue * math.sqrt((1.0 - pvalue) / max(exceedances, 1))
        if stopped
        else math.sqrt(pvalue * (1.0 - pvalue) / used),
        zeros=int(np.sum(usable < _ZERO)),
        failures=failures,
        stopped=stopped,
        statistics=statistics,
        mean=mean,
        asymptotic_pvalue=None if mixture is None else mixture.sf(observed),
        bartlett_statistic=scaled,
        bartlett_pvalue=None if mixture is None or scaled is None else mixture.sf(scaled),
        seed=seed,
        notes=_notes(smaller, larger, failures, stopped, used, draws, words),
        out_of_time=late,
    )


def _asymptotic(smaller: Comparable, larger: Comparable) -> ChiBarSquare | None:
    """The distribution of `mixcheck.lrt`; None where it is not known."""
    try:
        return boundary_reference(smaller, larger).mixture
    except ComparisonError:
        return None


def _notes(
    smaller: Comparable,
    larger: Comparable,
    failures: Sequence[tuple[str, int]],
    stopped: bool,
    used: int,
    draws: int,
    out_of_time: str,
) -> tuple[str, ...]:
    notes = [out_of_time] if out_of_time else []
    failed = sum(count for _, count in failures)
    if failed:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in failures)
        notes.append(
            f"{failed} of {used} refits failed and count as exceedances, so the p-value can only "
            f"be too large: {reasons}."
        )
    if stopped:
        notes.append(f"Stopped after {used} of {draws} data sets, with enough exceedances.")
    notes += [
        f"{formula_of(model)} did not converge: the statistic is not to be trusted."
        for model in (smaller, larger)
        if isinstance(model, Converging) and not model.convergence.converged
    ]
    return tuple(notes)
