"""Whether few rows, or one group, decide the coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    column_of,
    left_out,
)
from mixcheck.display.document import Caterpillar
from mixcheck.errors import OptionError
from mixcheck.options import shown
from mixcheck.port import DataView, Estimating
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Influence"]

_MOST_SHOWN = 20
# Eigenvalues of a covariance below this share of the largest are rounding.
_RANK_TOLERANCE = 1e-12
COOK = "Cook (1977), Technometrics 19, 15-18"


@final
@dataclass(frozen=True, repr=False)
class Influence(Check):
    """Whether a row, or a group of rows, moves the coefficients more than it should.

    Null hypothesis: the most influential of them moves the estimates as much as in data of the
    model. With the scores s of the rows at the conditional modes and the model matrix X, leaving
    out the rows of k moves the coefficients by ``V g_k`` with ``g_k = sum_i x_i s_i`` and the
    covariance V of the estimates, one Newton step; Cook's distance is ``g_k' V g_k / p``. The
    statistic is the largest; effect "Cook's distance" with an interval from the replicates; under
    the model, their median. The detail tells which coefficient moves most, in standard errors.

    Parameters
    ----------
    group : str, optional
        A column whose levels are left out one by one; without one, rows are.

    Notes
    -----
    The variances of the random effects stay as they are, and the step knows nothing of the
    leverage of what is left out: what moves the fit by much moves it by more than the step says.
    `mixcheck.logo` and `mixcheck.loo` fit again.

    References
    ----------
    Cook (1977), Detection of influential observation in linear regression, Technometrics 19,
    15-18. Pregibon (1981), Logistic regression diagnostics, Ann. Stat. 9, 705-724, for one step.
    """

    kind: ClassVar[str] = "influence"
    needs: ClassVar[type] = Estimating

    group: str | None = None

    def __post_init__(self) -> None:
        if self.group is not None and not isinstance(self.group, str):
            raise OptionError(f"group must be the name of a column, found {shown(self.group)}")

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all coefficients whose estimate is finite."""
        model = context.model
        if not context.observed.scores or not isinstance(model, Estimating):
            reason = "The scores of the rows are not known."
            return (Skipped(self.name, self.kind, reason),)
        if not context.whole:
            reason = "Which rows decide the coefficients is asked of the whole model."
            return (Skipped(self.name, self.kind, reason),)
        codes, labels, remark = self._units(context)
        parts = _parts(model)
        if not parts or len(labels) < 2:
            reason = "There is nothing to leave out, or no coefficient with a finite estimate."
            return (Skipped(self.name, self.kind, reason),)
        return (_CookStatistic(self.name, self.kind, self.group, codes, labels, parts, remark),)

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
    steps : (n, r) array
        Rows ``x_i L`` with ``L L' = V``: the length of their sum is Cook's distance, times p.
    root : (p, r) array
        L.
    deviations : (p,) array
        Standard errors.
    """

    names: tuple[str, ...]
    steps: FloatArray
    root: FloatArray
    deviations: FloatArray


def _parts(model: Estimating) -> dict[str, _Part]:
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
            estimates.matrix[:, finite] @ root,
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
    remark: str

    def numbers(self, data_view: DataView) -> FloatArray:
        return np.array([np.max(self._distances(data_view))])

    def _gather(self, data_view: DataView, part: str) -> FloatArray:
        """``L' g_k`` of each unit, (m, r)."""
        scored = self.parts[part].steps * data_view.scores[part][:, None]
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
        """Cook's distance of each unit, over the coefficients of all parts, (m,)."""
        total = np.zeros(len(self.labels))
        for part in self.parts:
            total += np.sum(self._gather(data_view, part) ** 2, axis=1)
        return total / sum(len(part.names) for part in self.parts.values())

    def finding(self, sample: NullSample) -> Finding:
        """The most influential unit, and what it moves."""
        distances = self._distances(sample.observed)
        worst = int(np.argmax(distances))
        largest, median, reach = distances[worst], sample.quantile(0.5), sample.quantile(0.95)
        units = "row" if self.group is None else f"group of {self.group}"
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
            picture=self._picture(distances, reach),
        )

    def _moved(self, observed: DataView, unit: int) -> str:
        """The coefficient that moves most without the unit, in a sentence."""
        moved: dict[str, float] = {}
        for name, part in self.parts.items():
            steps = -(part.root @ self._gather(observed, name)[unit]) / part.deviations
            prefix = "" if name == "mean" else f"{name}: "
            moved |= {prefix + n: float(s) for n, s in zip(part.names, steps, strict=True)}
        most = max(moved, key=lambda n: abs(moved[n]))
        return (
            f"Without {self.labels[unit]} the coefficient {most} would move by "
            f"{moved[most]:+.2f} standard errors, by one step."
        )

    def _picture(self, distances: FloatArray, reach: float) -> Caterpillar:
        """The most influential units, each with a line from 0."""
        order = np.argsort(-distances, kind="stable")[:_MOST_SHOWN][::-1]
        units = "rows" if self.group is None else f"groups of {self.group}"
        return Caterpillar(
            tuple(self.labels[k] for k in order),
            distances[order],
            np.zeros(order.size),
            distances[order],
            distances[order] > reach,
            reach,
            title=f"Cook's distance of the most influential {units}",
            x_label="Cook's distance; the line is the largest of 19 in 20 replicates",
        )
