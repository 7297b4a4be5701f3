"""What a comparison of several models found: a record, its table and its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.codec.shapes import NOT_STORED, Finite
from mixcheck.comparison.criteria import AIC, BIC
from mixcheck.comparison.ranking import CLOSE
from mixcheck.comparison.record import Record
from mixcheck.display.document import Block, Document, Paragraph, Places, PValue, Table
from mixcheck.display.numerals import format_number

__all__ = ["ComparedModel", "Comparison"]

# Criteria that every table shows.
_SHOWN = (AIC.heading, BIC.heading)


@dataclass(frozen=True)
class ComparedModel:
    """One row of a comparison.

    Attributes
    ----------
    model, formula, family : str
    df : int
        Number of estimated parameters.
    llf, aic, bic : float
    caic : float or None
        Conditional AIC, where that is the criterion.
    delta : float
        Criterion minus that of the best model.
    weight : float
        Share of ``exp(-delta / 2)``, or of the mixture of all models where `compare` was asked
        for other weights; the weights of all models sum to one.
    lrt_against : str or None
        The largest simpler model that is nested in this one.
    lrt_statistic, lrt_df, lrt_pvalue : number or None
        The likelihood-ratio test against it.
    converged : bool or None
        None where the model does not say.
    lrt_boundary : bool or None
        Whether the p-value of the test is that of a mixture of chi-squares.
    effective_df : float or None
        Degrees of freedom that the criterion counts, where it counts them: those of the
        conditional AIC, and the optimism of the log-likelihood where a score is the criterion.
    criterion : float
        What the models are ranked by; a log score times -2.
    delta_se : float or None
        Standard error of the difference to the best model, over pairs of rows or groups; None
        where the criterion has none.
    limited : tuple of str
        Parameters without a finite estimate.
    """

    model: str
    formula: str
    family: str
    df: int
    llf: float
    aic: float
    bic: float
    caic: Finite | None
    delta: float
    weight: float
    lrt_against: str | None
    lrt_statistic: Finite | None
    lrt_df: int | None
    lrt_pvalue: Finite | None
    converged: bool | None
    lrt_boundary: bool | None = None
    effective_df: Finite | None = None
    criterion: Finite = np.nan
    delta_se: Finite | None = None
    limited: tuple[str, ...] = field(default=(), metadata=NOT_STORED)


@answer_methods
@dataclass(frozen=True, repr=False)
class Comparison(Record):
    """Models of one data set, the best first.

    Attributes
    ----------
    models : tuple of ComparedModel
    criterion : str
        Its name, as `compare` takes it, or that of a function.
    nobs : int
        Number of observations, which is also the sample size of the BIC.
    remarks : tuple of str
        Sentences on what the table rests on.
    heading : str
        The criterion as pages show it.
    """

    models: tuple[ComparedModel, ...]
    criterion: str
    nobs: int
    remarks: tuple[str, ...] = ()
    heading: str = field(default="", metadata=NOT_STORED)

    _computed: ClassVar = ("verdict", "limited")

    @property
    def best(self) -> ComparedModel:
        """The model with the smallest criterion; of a tie, that with fewer parameters."""
        return self.models[0]

    @property
    def verdict(self) -> str:
        """Which model is best and by how much, in a sentence."""
        return _verdict_words(self.models, self.heading or self.criterion)

    @property
    def limited(self) -> dict[str, tuple[str, ...]]:
        """Parameters without a finite estimate, by the names of the models that have any."""
        return {model.model: model.limited for model in self.models if model.limited}

    def to_frame(self) -> pd.DataFrame:
        """One row for each model, the best first.

        Returns
        -------
        DataFrame
            model, formula, family, df, llf, aic, bic, caic, delta, weight, lrt_against,
            lrt_statistic, lrt_df, lrt_pvalue, converged, lrt_boundary, effective_df, criterion,
            delta_se. What does not apply is missing.
        """
        frame = pd.DataFrame([_columns(model) for model in self.models])
        # A cast to text makes text of what is missing, before pandas 3.
        against = frame["lrt_against"]
        return frame.assign(lrt_against=against.astype("str").where(against.notna())).astype(
            {
                "lrt_boundary": "boolean",
                "effective_df": "float64",
                "delta_se": "float64",
                "caic": "float64",
                "lrt_statistic": "float64",
                "lrt_df": "Int64",
                "lrt_pvalue": "float64",
                "converged": "boolean",
            }
        )

    def document(self) -> Document:
        """The comparison as a page: verdict, ranking, formulas, remarks."""
        blocks: list[Block] = [
            Paragraph(self.verdict),
            _ranking(self.models, self.heading or self.criterion),
            _formulas(self.models),
            *(Paragraph(remark, quiet=True) for remark in self.remarks),
        ]
        return Document("Model comparison", tuple(blocks))

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.models)} models by {self.criterion}: {self.verdict}>"


def _columns(model: ComparedModel) -> dict[str, object]:
    """All fields with one value."""
    return {name: value for name, value in asdict(model).items() if name != "limited"}


# ---- the page ---------------------------------------------------------------------------


def _verdict_words(models: Sequence[ComparedModel], criterion: str) -> str:
    best, *others = models
    lost = f" {best.model} has no finite estimate of {', '.join(best.limited)}."
    return f"{_order_words(best, others, criterion)}{lost if best.limited else ''}"


def _order_words(best: ComparedModel, others: Sequence[ComparedModel], criterion: str) -> str:
    close = [model.model for model in others if model.delta <= max(CLOSE, model.delta_se or 0.0)]
    if not close:
        units = format_number(others[0].delta)
        return (
            f"{best.model} has the lowest {criterion}; the next is {others[0].model}, "
            f"{units} units above."
        )
    if best.delta > 0.0:
        lowest = min(others, key=lambda model: model.delta)
        return (
            f"{best.model} and {lowest.model} tie for the lowest {criterion}, and {best.model} "
            "has fewer parameters."
        )
    error = "" if best.delta_se is None else " or one standard error"
    names = close[0] if len(close) == 1 else f"{', '.join(close[:-1])} and {close[-1]}"
    return (
        f"{best.model} has the lowest {criterion}, but {names} "
        f"{'is' if len(close) == 1 else 'are'} within {format_number(CLOSE)} units{error}: the "
        "data hardly tell them apart."
    )


def _ranking(models: Sequence[ComparedModel], criterion: str) -> Table:
    own = criterion not in _SHOWN
    counted = any(model.effective_df is not None for model in models)
    paired = any(model.delta_se is not None for model in models)
    columns = (
        *("model", "df", "log-lik.", *_SHOWN),
        *(("effective df",) if counted else ()),
        *((criterion,) if own else ()),
        "difference",
        *(("s.e.",) if paired else ()),
        *("weight", "test against", "p"),
    )
    rows = tuple(
        (
            model.model,
            model.df,
            Places(model.llf, 2),
            Places(model.aic, 2),
            Places(model.bic, 2),
            *((_places(model.effective_df),) if counted else ()),
            *((_places(model.criterion),) if own else ()),
            Places(model.delta, 2),
            *((_places(model.delta_se),) if paired else ()),
            PValue(model.weight),
            _test_words(model),
            PValue(model.lrt_pvalue),
        )
        for model in models
    )
    return Table(columns, rows)


def _test_words(model: ComparedModel) -> str:
    if model.lrt_against is None:
        return ""
    statistic = format_number(model.lrt_statistic)
    law = "mixture of chi-squares" if model.lrt_boundary else f"chi-square({model.lrt_df})"
    return f"{model.lrt_against}: {law}, {statistic}"


def _places(value: float | None) -> Places | None:
    return None if value is None else Places(value, 2)


def _formulas(models: Sequence[ComparedModel]) -> Table:
    states = {True: "yes", False: "no", None: "unknown"}
    rows = tuple((m.model, m.formula, m.family, states[m.converged]) for m in models)
    return Table(("model", "formula", "family", "converged"), rows)
