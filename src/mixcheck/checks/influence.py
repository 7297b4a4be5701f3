"""Whether few rows, or one group, decide the coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_number, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.deletion import Deletions, leave_out
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    column_of,
    left_out,
    require_choice,
)
from mixcheck.codec.shapes import Finite
from mixcheck.display.document import Caterpillar
from mixcheck.errors import OptionError
from mixcheck.port import DataView, Estimating, Reducible
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Influence"]

_MOST_SHOWN = 20
# Eigenvalues of a covariance below this share of the largest are rounding.
_RANK_TOLERANCE = 1e-12
# A coefficient that moves by more than its standard error hangs on one unit.
_TOLERANCE = 1.0
BELSLEY = "Belsley, Kuh & Welsch (1980), Regression Diagnostics, Wiley, chapter 2"
COOK = "Cook (1977), Technometrics 19, 15-18"

Method: TypeAlias = Literal["one-step", "refit"]


@final
@dataclass(frozen=True, repr=False)
class Influence(Check):
    """Whether a row, or a group of rows, moves the coefficients more than it should.

    Null hypothesis: the most influential of them moves the estimates as much as in data of the
    model. With the scores s of the rows at the conditional modes and the model matrix X, leaving
    out the rows of a unit k moves the coefficients by ``-V g_k`` with ``g_k = sum_i x_i s_i`` and
    the covariance V of the estimates, one Newton step. Cook's distance is ``g' V g / p``. The
    statistic is the largest; effect "Cook's distance" with an interval from the replicates; under
    the model, their median. The detail tells which coefficient moves most, in standard errors; of
    a single row with ``g_i = a_i s_i``, ``a_i = e_i / (1 - h_i)``: e_i is what the predictor moves
    by with the coefficients while the modes follow, and h_i the leverage of the row (of several
    predictors, matrices).

    With ``method="refit"`` the model is fitted again without each of them, from its estimates,
    and the answer is an exact fact without a p-value: whether some coefficient moves by more than
    `tolerance` standard errors. Effect: the "largest shift"; 0 where nothing moves. Units without
    which the model cannot be fitted are a warning.

    Parameters
    ----------
    group : str, optional
        A column whose levels are left out one by one; without one, rows are.
    method : {"one-step", "refit"}
        How the coefficients without them are found.
    tolerance : float
        For refits: the shift, in standard errors, up to which a coefficient hangs on nobody.

    Notes
    -----
    In one step the variances of the random effects stay as they are, and it knows nothing of the
    leverage of a group: what moves the fit by much moves it by more than the step says, in small
    data by up to half as much again.
    Refits tell how much, at the price of one fit for each row or group (`n_jobs` of
    `mixcheck.check` shares them out), but not whether data of the model have such units too.

    References
    ----------
    Cook (1977), Detection of influential observation in linear regression, Technometrics 19,
    15-18. Pregibon (1981), Logistic regression diagnostics, Ann. Stat. 9, 705-724, for one step.
    Belsley, Kuh & Welsch (1980), Regression Diagnostics, Wiley, chapter 2, for shifts in standard
    errors. Nieuwenhuis, te Grotenhuis & Pelzer (2012), influence.ME, R Journal 4(2), 38-47, for
    groups of a mixed model.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> found = mc.check(fit, mc.checks.Influence("herd", method="refit"))
    >>> found.findings[0].subject["unit"]
    '11'
    """

    kind: ClassVar[str] = "influence"
    needs: ClassVar[type] = Estimating

    group: str | None = None
    method: Method = "one-step"
    tolerance: Finite = _TOLERANCE

    def __post_init__(self) -> None:
        if self.group is not None and not isinstance(self.group, str):
            raise OptionError(f"group must be the name of a column, found {shown(self.group)}")
        require_choice("method", self.method, get_args(Method))
        tolerance = require_number("tolerance", self.tolerance, 0.0, example=_TOLERANCE)
        if tolerance != _TOLERANCE and self.method == "one-step":
            raise OptionError(
                f'tolerance={shown(self.tolerance)} is for method="refit"; the distances of one '
                "step are judged by those in data of the model"
            )
        object.__setattr__(self, "tolerance", tolerance)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, or one fact, of all coefficients whose estimate is finite."""
        model = context.model
        if self.method == "refit":
            return (self._refitted(context),)
        if not context.observed.scores or not isinstance(model, Estimating):
            reason = "The scores of the rows are not known."
            return (Skipped(self.name, self.kind, reason),)
        if not context.whole:
            reason = "Which rows decide the coefficients is asked of the whole model."
            return (Skipped(self.name, self.kind, reason),)
        codes, labels, remark = self._units(context)
        parts = _parts(model, rows=False)
        if not parts or len(labels) < 2:
            reason = "There is nothing to leave out, or no coefficient with a finite estimate."
            return (Skipped(self.name, self.kind, reason),)
        told = _parts(model, rows=True) if self.group is None else parts
        cook = _CookStatistic(self.name, self.kind, self.group, codes, labels, parts, told, remark)
        return (cook,)

    def _refitted(self, context: CheckContext) -> Finding | Skipped:
        """The fact, from fits without each unit."""
        model = context.model
        if not isinstance(model, Reducible):
            reason = "The model cannot be fitted again without some of its rows."
            return Skipped(self.name, self.kind, reason)
        if not context.whole:
            reason = "Which rows decide the coefficients is asked of the whole model."
            return Skipped(self.name, self.kind, reason)
        codes, labels, remark = self._units(context)
        if not _parts(model, rows=False) or len(labels) < 2:
            reason = "There is nothing to leave out, or no coefficient with a finite estimate."
            return Skipped(self.name, self.kind, reason)
        found = leave_out(
            model, codes, len(labels), n_jobs=context.n_jobs, progress=context.progress
        )
        if len(found.failures) == len(labels):
            reason = f"No fit without some unit was found: {found.failures[0]}."
            return Skipped(self.name, self.kind, reason)
        return self._told_of(found, codes, labels, remark)

    def _told_of(
        self, found: Deletions, codes: IntArray, labels: tuple[str, ...], remark: str
    ) -> Finding:
        """What the fits without each unit say."""
        largest = np.nan_to_num(np.abs(found.shifts).max(axis=1))
        worst = int(np.argmax(largest))
        most = int(np.argmax(np.abs(found.shifts[worst])))
        outside = np.flatnonzero(largest > self.tolerance)
        told = (
            f"Without {labels[worst]} the coefficient {found.names[most]} moves by "
            f"{found.shifts[worst, most]:+.2f} standard errors; its Cook's distance is "
            f"{found.distances[worst]:.3g}. {remark}"
        )
        subject = {"unit": labels[worst]} | ({"column": self.group} if self.group else {})
        return Finding(
            check=self.name,
            kind=self.kind,
            null=f"without no {self._unit} a coefficient moves by more than {self.tolerance:g} "
            "standard errors",
            statistic=float(np.nanmax(found.distances)),
            pvalue=None,
            alternative="greater",
            effect=Effect("largest shift", float(largest[worst]), np.nan, np.nan, 0.0),
            n=len(labels),
            holds=not outside.size,
            caution=_caution(found, labels),
            rows=np.flatnonzero(np.isin(codes, outside)),
            references=(COOK, BELSLEY),
            detail=told.strip(),
            subject=subject,
            picture=_caterpillar(
                labels,
                largest,
                self.tolerance,
                title=f"Largest shift of a coefficient without each {self._unit}",
                x_label="standard errors; the line is the tolerance",
            ),
        )

    @property
    def _unit(self) -> str:
        return "row" if self.group is None else f"group of {self.group}"

    def _units(self, context: CheckContext) -> tuple[IntArray, tuple[str, ...], str]:
        """What is left out together, by row; -1 for rows without a group."""
        if self.group is None:
            return np.arange(context.n), tuple(map(str, context.frame.index)), ""
        codes, levels = pd.factorize(column_of(context.frame, self.group), sort=True)
        remark = left_out(int(np.count_nonzero(codes < 0)), self.group)
        return codes, tuple(map(str, levels)), remark


@dataclass(frozen=True, eq=False)
class _Part:
    """Columns of one linear predictor whose coefficients have a finite estimate.

    Attributes
    ----------
    names : tuple of str
    steps : mapping of part to (n, r) array
        Rows ``a_i L`` with ``L L' = V``, for the scores of each part: the length of their sum is
        Cook's distance, times p.
    root : (p, r) array
        L.
    deviations : (p,) array
        Standard errors.
    """

    names: tuple[str, ...]
    steps: Mapping[str, FloatArray]
    root: FloatArray
    deviations: FloatArray


def _parts(model: Estimating, *, rows: bool) -> dict[str, _Part]:
    """What leaving out does to each part; of single rows, where the model knows it, exactly so.

    A group takes its random effects with it, and its scores in them: what is left of the joint
    score is ``X's``. A row leaves its levels, and the modes move with it.
    """
    removals = model.row_removals() if rows and isinstance(model, Reducible) else {}
    found = {}
    for name, estimates in model.part_estimates.items():
        finite = np.isfinite(np.diag(estimates.covariance))
        if not finite.any():
            continue
        covariance = estimates.covariance[np.ix_(finite, finite)]
        values, vectors = np.linalg.eigh(covariance)
        kept = values > _RANK_TOLERANCE * values[-1]
        root = vectors[:, kept] * np.sqrt(values[kept])
        found[name] = _Part(
            tuple(n for n, keep in zip(estimates.names, finite, strict=True) if keep),
            {
                of: matrix[:, finite] @ root
                for of, matrix in removals.get(name, {name: estimates.matrix}).items()
            },
            root,
            np.sqrt(np.diag(covariance)),
        )
    return found


@final
@dataclass(frozen=True, eq=False)
class _CookStatistic(CheckStatistic):
    """The largest of Cook's distances of all units."""

    randomised: ClassVar[bool] = False

    group: str | None
    codes: IntArray
    labels: tuple[str, ...]
    parts: Mapping[str, _Part]
    # What leverage adds belongs to the estimates of the data: it is told, and not compared with
    # replicates, which would have leverages of their own.
    told: Mapping[str, _Part]
    remark: str

    def numbers(self, data_view: DataView) -> FloatArray:
        return np.array([np.max(self._distances(data_view))])

    def _gather(self, data_view: DataView, part: _Part) -> FloatArray:
        """``L' g_k`` of each unit, (m, r)."""
        terms = part.steps.items()
        scored: FloatArray = np.sum(
            [steps * data_view.scores[of][:, None] for of, steps in terms], axis=0
        )
        if self.group is None:
            return scored
        kept = self.codes >= 0
        return np.column_stack(
            [
                np.bincount(self.codes[kept], weights=column[kept], minlength=len(self.labels))
                for column in scored.T
            ]
        )

    def _distances(self, data_view: DataView) -> FloatArray:
        """Cook's distance of each unit, ``d' C^-1 d / p`` over the p coefficients of all parts."""
        total = np.zeros(len(self.labels))
        for part in self.parts.values():
            total += np.sum(self._gather(data_view, part) ** 2, axis=1)
        return total / sum(len(part.names) for part in self.parts.values())

    def finding(self, sample: NullSample) -> Finding:
        """The most influential unit, and what it moves."""
        distances = self._distances(sample.observed)
        worst = int(np.argmax(distances))
        largest, median, reach = distances[worst], sample.quantile(0.5), sample.quantile(0.95)
        units = "row" if self.group is None else f"group of {self.group}"
        plural = "rows" if self.group is None else f"groups of {self.group}"
        finding = self.found(
            sample,
            null=f"no {units} moves the coefficients more than in data of the model",
            effect=Effect(
                "Cook's distance",
                float(largest),
                float(largest * median / sample.quantile(0.975)),
                float(largest * median / max(sample.quantile(0.025), np.finfo(float).tiny)),
                median,
            ),
            alternative="greater",
            n=len(self.labels),
            references=(COOK,),
        )
        told = f"{finding.detail} {self._moved(sample.observed, worst)} {self.remark}"
        outside = np.flatnonzero(distances > reach)
        subject = {"unit": self.labels[worst]} | ({"column": self.group} if self.group else {})
        return replace(
            finding,
            rows=np.flatnonzero(np.isin(self.codes, outside)),
            detail=told.strip(),
            subject=subject,
            picture=_caterpillar(
                self.labels,
                distances,
                reach,
                title=f"Cook's distance of the most influential {plural}",
                x_label="Cook's distance; the line is the largest of 19 in 20 replicates",
            ),
        )

    def _moved(self, observed: DataView, unit: int) -> str:
        """The coefficient that moves most without the unit, in a sentence."""
        moved: dict[str, float] = {}
        for name, part in self.told.items():
            steps = -(part.root @ self._gather(observed, part)[unit]) / part.deviations
            prefix = "" if name == "mean" else f"{name}: "
            moved |= {prefix + n: float(s) for n, s in zip(part.names, steps, strict=True)}
        most = max(moved, key=lambda n: abs(moved[n]))
        return (
            f"Without {self.labels[unit]} the coefficient {most} would move by "
            f"{moved[most]:+.2f} standard errors, by one step."
        )


def _caution(found: Deletions, labels: tuple[str, ...]) -> str:
    """Which units cannot be left out, and why."""
    if not found.failures:
        return ""
    first = next(iter(found.failures))
    others = f" and {len(found.failures) - 1} others" if len(found.failures) > 1 else ""
    return f"no fit was found without {labels[first]}{others}: {found.failures[first]}"


def _caterpillar(
    labels: tuple[str, ...], sizes: FloatArray, reach: float, *, title: str, x_label: str
) -> Caterpillar:
    """The most influential units, each with a line from 0."""
    order = np.argsort(-sizes, kind="stable")[:_MOST_SHOWN][::-1]
    return Caterpillar(
        tuple(labels[k] for k in order),
        sizes[order],
        np.zeros(order.size),
        sizes[order],
        sizes[order] > reach,
        reach,
        title=title,
        x_label=x_label,
    )
