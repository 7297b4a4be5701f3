"""Leave-one-out: how well a model predicts one more row of the groups that it has seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import (
    require_choice,
    require_number,
    require_progress,
    require_workers,
    shown,
)
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.codec.shapes import NOT_STORED, NUMBER, TEXT, Finite, list_of, stored_as
from mixcheck.comparison.cavity import Prediction, find_cavity, predict
from mixcheck.comparison.conditional import caic
from mixcheck.comparison.criterion import Criterion
from mixcheck.comparison.left_out_rows import LeftOutRows
from mixcheck.comparison.proper_scores import dawid_sebastiani, match_rows_of, mean_brier
from mixcheck.comparison.record import Record
from mixcheck.comparison.same_data import label_of
from mixcheck.comparison.score_difference import ScoreDifference, require_scores, subtract_scores
from mixcheck.display.document import Document, Paragraph, Table
from mixcheck.errors import ComparisonError, MixcheckError, OptionError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.port import (
    Checkable,
    Comparable,
    ConditionalLikelihood,
    Ported,
    Refittable,
    Rowwise,
    port_of,
)
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.simulation import Calibration

__all__ = ["LOO", "RowMethod", "RowScores", "loo"]

RowMethod: TypeAlias = Literal["analytic", "refit"]
_FORMER = {"cavity": "analytic", "exact": "refit"}

# Rows with more influence than this on their own predictor are refitted without: below it the
# cavity was within 0.3 of refits for each row of four data sets, and above it up to 1.2 off.
INFLUENTIAL = 0.7
# At most so many, the most influential first; it takes about ten milliseconds each.
MOST_REFITS = 500


@answer_methods
@dataclass(frozen=True, eq=False)
class RowScores(Record):
    """Scores of rows left out one at a time, their groups kept.

    Attributes
    ----------
    model : str
        Formula and family.
    method : {"analytic", "refit"}
    scores : Series, (n,)
        Log density of each row given all others, with the caller's index.
    total : float
        Their sum: the estimated log score of new rows of the same groups.
    se : float
        Its standard error over rows, which takes them for independent.
    p_loo : float
        Conditional log-likelihood minus the total: the effective number of parameters.
    mean, variance : Series, (n,)
        Moments of the prediction of each row.
    dawid_sebastiani : float
        Mean of ``(y - mean)^2 / variance + log variance``; smaller is better.
    brier : float or None
        Mean of ``(y - mean)^2`` where every response is 0 or 1; smaller is better.
    influence : Series, (n,)
        Information of a row on its predictor, times the variance of that predictor.
    refitted : tuple
        Labels of the rows for which the model was fitted again without them.
    subject : object
        The model, from which `residuals` makes its replicates.
    notes : tuple of str
    """

    model: str
    method: RowMethod
    scores: pd.Series[float] = field(metadata=stored_as(list_of(NUMBER)))
    total: float
    se: float
    p_loo: float
    mean: pd.Series[float] = field(metadata=NOT_STORED)
    variance: pd.Series[float] = field(metadata=NOT_STORED)
    dawid_sebastiani: float
    brier: Finite | None
    influence: pd.Series[float] = field(metadata=NOT_STORED)
    refitted: tuple[Any, ...] = field(metadata=stored_as(list_of(TEXT)))
    subject: Rowwise = field(repr=False, metadata=NOT_STORED)
    notes: tuple[str, ...] = ()

    def minus(self, other: RowScores) -> ScoreDifference:
        """Compare with another model on the same rows, in pairs.

        Raises
        ------
        ComparisonError
            If the rows or what they hold differ.
        """
        require_scores(RowScores, other, "mixcheck.loo")
        return subtract_scores(
            (self.model, self.scores), (other.model, self.matched(other)), "rows"
        )

    def matched(self, other: RowScores) -> pd.Series[float]:
        """The scores of another model in the order of these, where both models know their rows.

        Raises
        ------
        ComparisonError
            If the data differ.
        """
        require_scores(RowScores, other, "mixcheck.loo")
        return match_rows_of(self, other)

    def misfit_ratio(self) -> float:
        """`p_loo` over the degrees of freedom of the conditional AIC.

        Both estimate the optimism of the conditional log-likelihood, `p_loo` from the data alone
        and the other from the model's own variance of the response: about one where that
        variance is right, and far above one where the data vary more than the family allows.

        Raises
        ------
        OptionError
            If the model has no conditional AIC.
        """
        if not isinstance(self.subject, ConditionalLikelihood):
            raise OptionError(
                f"the ratio needs the conditional AIC, which {type(self.subject).__name__} has not"
            )
        return self.p_loo / caic(self.subject).df

    def residuals(
        self,
        *,
        seed: int | None = None,
        draws: int | None = None,
        calibration: Calibration | None = None,
    ) -> Residuals:
        """Leave-one-out quantile residuals, for any check.

        Each is the place of a response in its prediction from the other rows (by the cavity
        for every row), randomised where the response is discrete. Replicate data sets go
        through the same computation, so that checks know their null distribution although
        residuals of one group depend on each other.

        Parameters
        ----------
        seed, draws, calibration
            As in `mixcheck.residuals`.

        Raises
        ------
        OptionError
            If the model cannot simulate data.
        """
        if not isinstance(self.subject, Checkable):
            raise OptionError(
                f"residuals need a model that can simulate data, and "
                f"{type(self.subject).__name__} cannot"
            )
        if calibration is None and not isinstance(self.subject, Refittable):
            calibration = "plug-in"
        return residuals(LeftOutRows(self.subject), seed=seed, draws=draws, calibration=calibration)

    def __repr__(self) -> str:
        return (
            f"RowScores(total={self.total:.4f}, se={self.se:.4f}, p_loo={self.p_loo:.4f}, "
            f"rows={self.scores.size}, method={self.method!r})"
        )

    def document(self) -> Document:
        """The scores as a page."""
        rows = (
            ("log score of rows left out", self.total),
            ("standard error", self.se),
            ("effective parameters (p_loo)", self.p_loo),
            ("Dawid-Sebastiani score (mean)", self.dawid_sebastiani),
            *((("Brier score", self.brier),) if self.brier is not None else ()),
            ("rows", self.scores.size),
            ("rows refitted", len(self.refitted)),
        )
        worst = self.scores.sort_values().head(5)
        return Document(
            "Leave-one-out",
            (
                Paragraph(f"{self.model}, method {self.method}."),
                Table(("", "value"), rows),
                Table(
                    ("row", "log score"),
                    tuple((str(label), float(value)) for label, value in worst.items()),
                    caption="The rows predicted worst.",
                ),
                *(Paragraph(note, quiet=True) for note in self.notes),
            ),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each observation: score, mean, variance, influence."""
        return pd.DataFrame(
            {
                "score": self.scores,
                "mean": self.mean,
                "variance": self.variance,
                "influence": self.influence,
            }
        )


@answer_calls
def loo(
    model: Comparable | Ported,
    *,
    method: RowMethod = "analytic",
    refit_above: float = INFLUENTIAL,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> RowScores:
    """Leave out one row at a time and score its prediction, its group being known.

    It answers how well further rows of the same groups are predicted, as the conditional AIC
    does; `mixcheck.logo` is for new groups.

    Parameters
    ----------
    model : Comparable and Rowwise
        Such as the result of `mixcheck.glmm`, with random effects in the mean only.
    method : {"analytic", "refit"}
        ``"analytic"``: each row's own information is taken out of the posterior of its
        predictor, which leaves the cavity of expectation propagation; ``"refit"``: the model is
        fitted again without each row.
    refit_above : float
        With ``"analytic"``, fit the model again without those rows whose influence on their own
        predictor, between 0 and 1, is larger: at most 500 of them; 1 refits none.
    n_jobs, progress
        As in `mixcheck.bootstrap_lrt`; for refits.

    Returns
    -------
    RowScores

    Raises
    ------
    OptionError
        If the model does not know the posteriors of its rows, has random effects in other
        predictors than the mean's, or the method is unknown.
    ComparisonError
        If the model is not identified without some row that has to be refitted.

    Notes
    -----
    The posterior of the predictor is taken as normal, with the uncertainty of the estimates.
    By the cavity a dispersion and a zero part are those of all rows, which is 1.3 to 1.7 of 100 too
    good for 60 rows; exact refits estimate them without the row, and average over the uncertainty
    of the mean's predictor only. A `p_loo` far above the degrees of freedom of the conditional AIC
    says that the family does not fit, whatever is compared.

    References
    ----------
    Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), Journal of Machine Learning Research
    17(103), section 3.6; Gneiting & Raftery (2007), Journal of the American Statistical
    Association 102, 359-378, for the scores.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> scores = mc.loo(fit)
    >>> round(scores.total, 1), round(scores.p_loo, 1)
    (-101.0, 22.2)
    """
    port = port_of(model)
    if isinstance(port, type) or not isinstance(port, Rowwise):
        raise OptionError(
            "loo needs a model that knows the posterior of each row, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    method = cast(RowMethod, require_choice("method", method, get_args(RowMethod), former=_FORMER))
    limit = require_number("refit_above", refit_above, 0.0, 1.0, example=0.7, ends=True)
    require_workers(n_jobs)
    require_progress(progress)
    posterior = port.row_posterior()
    cavity = find_cavity(posterior)
    predicted = predict(posterior.distribution, cavity)
    index = port.frame.index if isinstance(port, Checkable) else pd.RangeIndex(cavity.centre.size)
    rows = np.arange(index.size)
    if method == "analytic":
        rows = _most_influential(cavity.influence, limit)
    predicted = _replace(predicted, rows, _refit(port, rows, index, n_jobs, progress))
    own = posterior.distribution.log_density(posterior.predictor)
    return RowScores(
        model=label_of(cast(Comparable, port)),
        method=method,
        scores=pd.Series(predicted.score, index, name="score"),
        total=float(predicted.score.sum()),
        se=math.sqrt(index.size * float(predicted.score.var(ddof=1))),
        p_loo=float(own.sum() - predicted.score.sum()),
        mean=pd.Series(predicted.mean, index, name="mean"),
        variance=pd.Series(predicted.variance, index, name="variance"),
        dawid_sebastiani=float(np.mean(dawid_sebastiani(posterior.response, predicted))),
        brier=mean_brier(posterior.response, predicted),
        influence=pd.Series(cavity.influence, index, name="influence"),
        refitted=tuple(index[rows].tolist()),
        subject=port,
        notes=_notes(method, rows.size, int(np.sum(cavity.influence > limit)), limit),
    )


def _most_influential(influence: FloatArray, limit: float) -> IntArray:
    order = np.argsort(-influence, kind="stable")[:MOST_REFITS]
    return np.sort(order[influence[order] > limit])


def _notes(method: RowMethod, refitted: int, influential: int, limit: float) -> tuple[str, ...]:
    if method == "refit" or not influential:
        return ()
    some = f"{influential} rows largely determine their own prediction (influence above {limit:g})"
    if refitted == influential:
        return (f"{some}, and the model was fitted again without each of them.",)
    return (
        f"{some}. The model was fitted again without each of the {refitted} most influential; the "
        'cavity scores the others somewhat too low. method="refit" refits all rows.',
    )


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """Score, mean and variance of one row, (3,), or why there are none."""

    model: Rowwise
    rows: IntArray

    def __call__(self, k: int) -> FloatArray | str:
        try:
            posterior = self.model.predict_row(int(self.rows[k]))
            found = predict(posterior.distribution, find_cavity(posterior))
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return str(error)
        return np.concatenate([found.score, found.mean, found.variance])


def _refit(
    model: Rowwise,
    rows: IntArray,
    index: pd.Index[Any],
    n_jobs: int | None,
    progress: Progress,
) -> FloatArray:
    """Scores, means and variances of some rows by refits, (3, r)."""
    task = _LeftOut(model, rows)
    found = map_numbers(
        task, range(rows.size), n_jobs=n_jobs, progress=progress, what="fits without a row"
    )
    out = np.empty((3, rows.size))
    for k, result in enumerate(found):
        if isinstance(result, str) or not np.isfinite(result).all():
            why = result if isinstance(result, str) else "its log score is not finite"
            raise ComparisonError(
                f"the model cannot predict row {shown(index[rows[k]])} from the others: {why}. "
                "Leave that row out of the data, or merge predictors that occur in it alone"
            )
        out[:, k] = result
    return out


def _replace(predicted: Prediction, rows: IntArray, values: FloatArray) -> Prediction:
    """The same predictions, those of some rows from `values`, (3, r)."""
    table = np.stack([predicted.score, predicted.mean, predicted.variance])
    table[:, rows] = values
    return Prediction(*table)


LOO = Criterion("loo", "LOO score", loo, needs=Rowwise, larger=True, paired=True, effective="p_loo")
