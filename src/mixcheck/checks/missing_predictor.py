"""Whether a column that the model does not use says something of the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import pandas as pd

from mixcheck.arguments.options import require_text
from mixcheck.checks.check import Check
from mixcheck.checks.coding import coded_columns
from mixcheck.checks.columns import composes_response, follows_response, is_identifier
from mixcheck.checks.part_scores import PARTS, PartName, RowScores, read_scores
from mixcheck.checks.score_terms import ColumnTerm, TermStatistic, remark_on
from mixcheck.checks.statistic import CheckContext, Outcome, column_of, require_choice
from mixcheck.port import Traceable
from mixcheck.report.finding import Skipped

__all__ = ["MissingPredictor"]


@final
@dataclass(frozen=True, repr=False)
class MissingPredictor(Check):
    """Whether a column that the model does not use says something of the response.

    Null hypothesis: no such column has an effect. Of each column the score of its coefficients is
    taken, the sum over rows of z times the derivative of the log density at the conditional
    modes, less what the estimates of the model's own coefficients take of it: a number and a date
    with one coefficient, a factor of up to 12 levels with one for each level but the first. It
    sees predictors that are constant in groups as well as others. The statistic is that of the
    most surprising column, by the quadratic form of its scores in their covariance over the
    replicates, and is compared with the most surprising one of each replicate. Effect: "added
    standard deviation", the standard deviation over rows of what the column would add to the
    linear predictor beyond the model, by one step from the estimates; 0 under the model.

    Columns that the formula uses, that name rows, or that are another form of the response (ranks
    that agree to 0.95) are left out, and the finding says so.

    Parameters
    ----------
    column : str, optional
        A column of the data; all that the model does not use by default.
    part : {"mean", "zi", "dispersion"}
        Part of the model that is asked. A part other than the mean is asked for the columns that
        the mean uses, too. Of a model of counts without a part for zeros, "zi" asks whether zeros
        that it lacks would move with the column, however many it lacks everywhere (`Zeros`): the
        scores are those of a share of zeros at zero, and of an inflation in all rows alike the
        columns are cleared. The effect is then in the share of added zeros.

    References
    ----------
    Rao (1948), Large sample tests of statistical hypotheses concerning several parameters with
    applications to problems of estimation, Math. Proc. Camb. Philos. Soc. 44, 50-57.
    van den Broek (1995), A score test for zero inflation in a Poisson distribution, Biometrics 51,
    738-743; Jansakul & Hinde (2002), Score tests for zero-inflated Poisson models, Comput. Stat.
    Data Anal. 40, 75-96, for a share of zeros that depends on predictors.
    """

    kind: ClassVar[str] = "missing-predictor"
    about_rows: ClassVar[bool] = False
    least_rows: ClassVar[int] = 3

    column: str | None = None
    part: PartName = "mean"

    def __post_init__(self) -> None:
        if self.column is not None:
            require_text("column", self.column, "age")
        require_choice("part", self.part, PARTS)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all columns together."""
        scores = read_scores(context, self.part)
        if isinstance(scores, str):
            return (Skipped(self.name, self.kind, scores),)
        columns = _asked(self, context)
        if isinstance(columns, str):
            return (Skipped(self.name, self.kind, columns),)
        terms, reasons = [], []
        for name, column in columns.items():
            found = _term(context, name, column, scores, given=self.column is not None)
            if isinstance(found, ColumnTerm):
                terms.append(found)
            else:
                reasons.append(f"{name} ({found})")
        remark = remark_on(reasons)
        if not terms:
            why = f"There is no column to ask about. {remark}".strip()
            return (Skipped(self.name, self.kind, why),)
        what = f"{self.column} says" if self.column else "no column beside those of the model says"
        null = f"{what} {'nothing' if self.column else 'anything'} of the response"
        return (TermStatistic(self.name, self.kind, scores, terms, null, "columns", remark),)


def _asked(check: MissingPredictor, context: CheckContext) -> dict[str, pd.Series[Any]] | str:
    """The columns in question by name, or why they are not known."""
    if check.column is not None:
        return {check.column: column_of(context.frame, check.column)}
    if not isinstance(context.model, Traceable):
        return (
            'It is not known which columns the model uses; name one, as in MissingPredictor("age").'
        )
    rows = context.model.data_rows
    left = {*(rows.used if check.part == "mean" else rows.grouping), rows.weighing}
    return {str(name): column for name, column in context.frame.items() if name not in left}


def _term(
    context: CheckContext, name: str, column: pd.Series[Any], scores: RowScores, *, given: bool
) -> ColumnTerm | str:
    """The term of a column, or why it has none."""
    columns = coded_columns(column)
    if isinstance(columns, str):
        return columns
    if not given and is_identifier(column):
        return "it names rows"
    response = context.observed.response
    if follows_response(column, response) or composes_response(name, context.frame, response):
        return "it is the response in another form"
    term = ColumnTerm.of(name, {"column": name}, columns, scores)
    return "the model holds it" if term is None else term
