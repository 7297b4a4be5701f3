"""Leave-one-group-out: how well a model predicts groups that it has not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, cast, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_choice, require_progress, require_workers, shown
from mixcheck.arrays import FloatArray
from mixcheck.codec.shapes import NOT_STORED, NUMBER, TEXT, Finite, list_of, map_of, stored_as
from mixcheck.comparison.criterion import Criterion
from mixcheck.comparison.level_matching import level_places
from mixcheck.comparison.record import Record
from mixcheck.comparison.same_data import (
    formula_of,
    is_reml,
    label_of,
    require_comparable,
    require_same_data,
)
from mixcheck.comparison.score_difference import ScoreDifference, require_scores, subtract_scores
from mixcheck.display.document import Document, Paragraph, Table
from mixcheck.display.numerals import format_number
from mixcheck.errors import ComparisonError, MixcheckError, OptionError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.port import Comparable, GroupDerivatives, Groupwise, Ported, Traceable

__all__ = ["LOGO", "GroupScores", "LeaveOutMethod", "logo"]

LeaveOutMethod: TypeAlias = Literal["one-step", "refit"]
_FORMER = {"newton": "one-step", "exact": "refit"}

# Up to so many groups the model is fitted again without each of them, unless told otherwise.
EXACT_GROUPS = 100
# With fewer groups than this the standard error is itself uncertain (Sivula et al. 2020).
FEW_GROUPS = 30
# Directions with less than this share of the information of a parameter are flat.
_FLAT = 1e-6
# A level that carries all but this share of what is known about some direction is fitted without.
_SHARE = 0.05
_CROSSED = (
    "Grouping factors are crossed, or levels are tied to each other: each level is predicted given "
    "the random effects of the others, and the scores have no log-likelihood to be held against."
)
# One Newton step longer than this many standard errors is too long to be exact.
_LONG_STEP = 1.0


@answer_methods
@dataclass(frozen=True, eq=False)
class GroupScores(Record):
    """Joint log scores of groups left out.

    Attributes
    ----------
    model, group : str
        Formula and family, and the factor whose levels were left out.
    method : {"one-step", "refit"}
    scores : Series, (G,)
        Log density of all rows of a level given all other rows.
    total : float
        Their sum: the estimated log score of new groups.
    se : float
        Standard error of the total, over groups.
    llf : float or None
        Marginal log-likelihood of the model; `total` is below it by the optimism. None where it
        is not a sum over the groups.
    tic_penalty : float or None
        Trace penalty of Takeuchi's criterion, the first-order optimism; None with
        refits.
    refitted : tuple
        Levels that were predicted by a refit.
    notes : tuple of str
    subject : object
        The model.
    """

    model: str
    group: str
    method: LeaveOutMethod
    scores: pd.Series[float] = field(metadata=stored_as(map_of(NUMBER)))
    total: float
    se: float
    llf: Finite | None
    tic_penalty: Finite | None
    refitted: tuple[Any, ...] = field(default=(), metadata=stored_as(list_of(TEXT)))
    notes: tuple[str, ...] = ()
    subject: Any = field(default=None, repr=False, metadata=NOT_STORED)

    _computed: ClassVar = ("optimism",)

    @property
    def optimism(self) -> Finite | None:
        """How far the log-likelihood exceeds the score: the effective number of parameters.

        None where the log-likelihood is not a sum over the groups (crossed factors).
        """
        return None if self.llf is None else self.llf - self.total

    def minus(self, other: GroupScores) -> ScoreDifference:
        """Compare with another model on the same groups, in pairs.

        Raises
        ------
        ComparisonError
            If the data or the groups differ; levels are the same where they hold the same rows.
        """
        require_scores(GroupScores, other, "mixcheck.logo")
        theirs = (other.model, self.matched(other))
        return subtract_scores((self.model, self.scores), theirs, f"levels of {self.group}")

    def matched(self, other: GroupScores) -> pd.Series[float]:
        """The scores of another model in the order of these, where both models know their rows.

        Raises
        ------
        ComparisonError
            If the data differ.
        """
        require_scores(GroupScores, other, "mixcheck.logo")
        first, second = self.subject, other.subject
        if not (isinstance(first, Comparable) and isinstance(second, Comparable)):
            return other.scores
        require_same_data({"the first model": first, "the second model": second})
        if not (isinstance(first, Traceable) and isinstance(first, Groupwise)):
            return other.scores
        assert isinstance(second, Groupwise)
        places = level_places(first, second, (self.group, other.group))
        if places is None:
            return other.scores.rename_axis(f"{other.group} (other rows)")
        return pd.Series(other.scores.to_numpy()[places], self.scores.index)

    def __repr__(self) -> str:
        return (
            f"GroupScores(group={self.group!r}, total={self.total:.4f}, se={self.se:.4f}, "
            f"groups={self.scores.size}, method={self.method!r})"
        )

    def document(self) -> Document:
        """The scores as a page."""
        rows = (
            ("log score of groups left out", self.total),
            ("standard error", self.se),
            *((("log-likelihood", self.llf),) if self.llf is not None else ()),
            *((("optimism", self.optimism),) if self.llf is not None else ()),
            *((("first-order optimism (TIC)", self.tic_penalty),) if self.tic_penalty else ()),
            (f"levels of {self.group}", self.scores.size),
        )
        worst = self.scores.sort_values().head(5)
        return Document(
            "Leave-one-group-out",
            (
                Paragraph(f"{self.model}, method {self.method}."),
                Table(("", "value"), rows),
                Table(
                    (self.group, "log score"),
                    tuple((str(level), float(value)) for level, value in worst.items()),
                    caption="The levels predicted worst.",
                ),
                *(Paragraph(note, quiet=True) for note in self.notes),
            ),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each level: score."""
        return self.scores.to_frame("score")


@answer_calls
def logo(
    model: Comparable | Ported,
    group: str | None = None,
    *,
    method: LeaveOutMethod | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> GroupScores:
    """Leave out one group at a time and score the joint prediction of its rows.

    It answers how well new groups of the same population are predicted, as the marginal AIC
    does, without trusting the model. The score of a level is the log density of all its rows
    together, its random effects integrated out.

    Parameters
    ----------
    model : Comparable and Groupwise
        Such as the result of `mixcheck.glmm`, fitted by maximum likelihood.
    group : str, optional
        A grouping factor or a column of the data; the coarsest grouping factor by default.
    method : {"one-step", "refit"}, optional
        ``"one-step"``: the estimates without a level are one Newton step from those of all;
        ``"refit"``: the model is fitted again without it, and the grouping factors may be
        crossed. By default refits up to 100 levels.
    n_jobs, progress
        As in `mixcheck.bootstrap_lrt`; for refits.

    Returns
    -------
    GroupScores

    Raises
    ------
    OptionError
        If the model has no likelihood by groups, or there is no such group or method.
    ComparisonError
        If the model is not identified without some level.

    References
    ----------
    Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84, 802-829, for joint scores of groups;
    Takeuchi (1976) for the penalty; Vehtari, Gelman & Gabry (2017), Statistics and Computing
    27, 1413-1432, for the standard error.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> scores = mc.logo(fit)
    >>> scores.group, scores.method, round(scores.total, 1)
    ('herd', 'refit', -99.5)
    """
    fitted = require_comparable(model, "logo", maximum=False)
    if not isinstance(fitted, Groupwise):
        raise OptionError(
            f"logo needs a model whose likelihood is known by groups, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    if is_reml(fitted):
        raise OptionError(
            f"{formula_of(fitted)!r} was fitted by REML, whose likelihood is no sum over "
            "groups; fit it by maximum likelihood, reml=False"
        )
    if method is not None:
        known = require_choice("method", method, get_args(LeaveOutMethod), former=_FORMER)
        method = cast(LeaveOutMethod, known)
    require_workers(n_jobs)
    require_progress(progress)
    levels = fitted.group_levels(group)
    if len(levels) < 2:
        raise OptionError(f"{levels.name!r} has {len(levels)} level; logo needs at least two")
    chosen: LeaveOutMethod = method or ("refit" if len(levels) <= EXACT_GROUPS else "one-step")
    if chosen == "refit":
        values = _refit(fitted, str(levels.name), levels, range(len(levels)), n_jobs, progress)
        notes = () if _is_separable(fitted, group) else (_CROSSED,)
        return _collect(fitted, levels, chosen, values, None, (), notes)
    return _newton(fitted, levels)


def _is_separable(model: Groupwise, group: str | None) -> bool:
    try:
        model.group_loglik(group)
    except OptionError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """The score of level number k, (1,), or why there is none."""

    model: Groupwise
    group: str

    def __call__(self, k: int) -> FloatArray | str:
        try:
            return np.array([self.model.predict_group(self.group, k)])
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return str(error)


def _refit(
    model: Groupwise,
    group: str,
    levels: pd.Index[Any],
    numbers: range,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> FloatArray:
    task = _LeftOut(model, group)
    rows = map_numbers(task, numbers, n_jobs=n_jobs, progress=progress, what="fits without a group")
    for k, row in zip(numbers, rows, strict=True):
        if isinstance(row, str) or not np.isfinite(row).all():
            why = row if isinstance(row, str) else "its log score is not finite"
            raise ComparisonError(
                f"the model cannot predict {shown(levels[k])} of {group!r} from the other levels: "
                f"{why}"
                ". Leave that level out of the data, or merge predictors that occur in it alone"
            )
    return np.array([float(row[0]) for row in rows if not isinstance(row, str)])


def _newton(model: Groupwise, levels: pd.Index[Any]) -> GroupScores:
    group = str(levels.name)
    try:
        derivatives = model.group_derivatives(group)
    except OptionError as error:
        raise OptionError(f'{error}; or write method="refit"') from error
    basis = whitening(derivatives.information.sum(axis=0))
    steps, shares = newton_steps(derivatives, basis)
    moved = derivatives.estimates + steps @ basis.T
    values = np.array(model.group_loglik(group, moved), dtype=np.float64)
    refitted = np.flatnonzero((shares < _SHARE) | ~np.isfinite(values))
    for k in refitted.tolist():
        values[k] = _refit(model, group, levels, range(k, k + 1))[0]
    long = np.linalg.norm(steps, axis=1) > _LONG_STEP
    notes = []
    if long.any():
        names = ", ".join(str(level) for level in levels[long][:5])
        notes.append(
            f"One Newton step is long for {int(long.sum())} of {len(levels)} levels ({names}), "
            'which are influential; method="refit" is safer.'
        )
    whitened = derivatives.scores @ basis
    penalty = float(np.sum(whitened**2))
    kept = tuple(levels[refitted].tolist())
    return _collect(model, levels, "one-step", values, penalty, kept, tuple(notes))


def whitening(information: FloatArray) -> FloatArray:
    """B, (P, r), with ``B' I B`` the identity; directions without information are left out."""
    diagonal = np.diag(information)
    scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(np.maximum(diagonal, 1e-300)), 0.0)
    values, vectors = np.linalg.eigh(scale[:, None] * information * scale)
    kept = values > _FLAT
    basis: FloatArray = scale[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    return basis


def newton_steps(derivatives: GroupDerivatives, basis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One Newton step without each group, ``-(I - B' J_g B)^-1 B' s_g``, in whitened parameters.

    Returns
    -------
    steps : (G, r)
        Zero where a group carries nearly all information about some direction.
    shares : (G,)
        Smallest share of the information of a direction that remains without the group.
    """
    own = np.einsum("pr,gpq,qs->grs", basis, derivatives.information, basis)
    left = np.eye(basis.shape[1]) - own
    values, vectors = np.linalg.eigh(0.5 * (left + left.swapaxes(1, 2)))
    shares = values.min(axis=1, initial=1.0)
    safe = np.where(values > _SHARE, values, np.inf)
    turned = np.einsum("grs,gr->gs", vectors, derivatives.scores @ basis)
    # The gradient without the group is minus its own: the whole gradient is zero.
    steps: FloatArray = -np.einsum("grs,gs->gr", vectors, turned / safe)
    steps[shares <= _SHARE] = 0.0
    return steps, shares


def _collect(
    model: Any,
    levels: pd.Index[Any],
    method: LeaveOutMethod,
    values: FloatArray,
    penalty: float | None,
    refitted: tuple[Any, ...],
    notes: tuple[str, ...],
) -> GroupScores:
    G = len(levels)
    if G < FEW_GROUPS:
        notes = (
            *notes,
            f"{G} levels are few: the standard error, {format_number(_total_se(values))}, is "
            "itself uncertain.",
        )
    return GroupScores(
        model=label_of(model),
        group=str(levels.name),
        method=method,
        scores=pd.Series(values, levels, name="score"),
        total=float(values.sum()),
        se=_total_se(values),
        llf=None if _CROSSED in notes else model.llf,
        tic_penalty=penalty,
        refitted=refitted,
        notes=notes,
        subject=model,
    )


def _total_se(values: FloatArray) -> float:
    return math.sqrt(values.size * float(values.var(ddof=1)))


LOGO = Criterion(
    "logo", "LOGO score", logo, needs=Groupwise, larger=True, paired=True, effective="optimism"
)
