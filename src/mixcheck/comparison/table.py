"""Several models in one table, ranked by a criterion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mixcheck.calls import answer_calls, answer_methods
from mixcheck.codec.shapes import NOT_STORED, Finite
from mixcheck.comparison.criteria import AIC, BIC, aic, bic
from mixcheck.comparison.criterion import Criterion, CriterionFunction, Score, paired_error
from mixcheck.comparison.likelihood_ratio import LikelihoodRatio, lrt
from mixcheck.comparison.nesting import why_not_nested
from mixcheck.comparison.ranking import (
    CLOSE,
    SMALLEST_TIE,
    TIE,
    Standing,
    akaike_weights,
    rank_order,
)
from mixcheck.comparison.record import Record
from mixcheck.comparison.registry import get_criterion
from mixcheck.comparison.same_data import (
    formula_of,
    other_values,
    require_comparable,
    require_one_likelihood,
    require_same_data,
)
from mixcheck.display.document import Block, Document, Paragraph, Places, PValue, Table
from mixcheck.display.numerals import format_number
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import Comparable, Converging, Ported

__all__ = ["ComparedModel", "Comparison", "compare"]

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
        Share of ``exp(-delta / 2)``; the weights of all models sum to one.
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
        Its name: "aic", "bic", "caic", "logo", "loo", or that of a function.
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
        return frame.astype(
            {
                "lrt_boundary": "boolean",
                "effective_df": "float64",
                "delta_se": "float64",
                "caic": "float64",
                "lrt_against": "str",
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


@answer_calls
def compare(
    models: Mapping[str, Comparable | Ported] | Sequence[Comparable | Ported],
    *,
    criterion: str | CriterionFunction = "aic",
) -> Comparison:
    """Rank models that were fitted to the same data.

    Parameters
    ----------
    models : mapping of name to Comparable, or sequence of Comparable
        At least two; those of a sequence are called "model 1", "model 2" and so on.
    criterion : {"aic", "bic", "caic", "logo", "loo"} or callable
        AIC and BIC are those of the marginal likelihood and judge predictions for new groups,
        as does ``"logo"``, the score of groups left out; ``"caic"`` and ``"loo"``, the score of
        rows left out, judge predictions for the groups of the data. The BIC takes the number of
        observations. Scores are ranked by minus twice their total, the scale of the AIC, and
        their differences have standard errors over pairs of rows or groups. A function takes
        a fitted model to a number, smaller for a better model, or to a record with a `value`,
        or with log `scores` and their `total`.

    Returns
    -------
    Comparison

    Raises
    ------
    ComparisonError
        If there are fewer than two models, if their data differ, or if REML fits are compared
        with others or with different fixed effects.
    OptionError
        If the criterion is unknown or something is no model with a likelihood.

    References
    ----------
    Burnham & Anderson (2002), Model Selection and Multimodel Inference, 2nd edition, sections
    2.6 and 2.9; Vehtari, Gelman & Gabry (2017), Statistics and Computing 27, 1413-1432, eq. 24,
    for the standard error of a difference.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> constant = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    >>> seasonal = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> mc.compare({"constant": constant, "seasonal": seasonal}).verdict
    'seasonal has the lowest AIC; the next is constant, 19.6 units above.'
    """
    ranked_by = get_criterion(criterion)
    given = _given(models)
    named = {label: require_comparable(model, "compare") for label, model in given.items()}
    require_same_data(named)
    require_one_likelihood(named)
    results = [ranked_by.rate(model, label) for label, model in given.items()]
    scores = [ranked_by.score(result) for result in results]
    tests = {label: _test_against_simpler(label, named) for label in named}
    rows = _rows(named, ranked_by, scores, tests)
    standings = [Standing(row.criterion, row.df, row.llf, bool(row.limited)) for row in rows]
    order = rank_order(standings, TIE if isinstance(criterion, str) else SMALLEST_TIE)
    errors = _errors(ranked_by, results, scores, order[0])
    return Comparison(
        models=tuple(replace(rows[k], delta_se=errors[k]) for k in order),
        criterion=ranked_by.name,
        nobs=next(iter(named.values())).nobs,
        remarks=(*_remarks(rows, named, tests), *_notes(named, results, errors)),
        heading=ranked_by.heading,
    )


def _errors(
    criterion: Criterion, results: Sequence[Any], scores: Sequence[Score], best: int
) -> list[float | None]:
    """Standard errors of the differences to the best model, unit by unit."""
    if criterion.paired:
        factor = 2.0 if criterion.larger else 1.0
        return [factor * float(result.minus(results[best]).se) for result in results]
    return [paired_error(score, scores[best]) for score in scores]


def _notes(
    named: Mapping[str, Comparable], results: Sequence[Any], errors: Sequence[float | None]
) -> list[str]:
    """What the results say of themselves, and of their differences."""
    notes = [
        f"{label}: {note}"
        for label, result in zip(named, results, strict=True)
        for note in getattr(result, "notes", ())
    ]
    if any(error is not None for error in errors):
        notes.append(
            "The standard errors are those of the differences to the best model, over pairs of "
            "rows or groups; the weights take no account of them."
        )
    return notes


@dataclass(frozen=True)
class _Test:
    """A test against a simpler model, or why there is none."""

    against: str | None = None
    ratio: LikelihoodRatio | None = None
    reason: str = ""


def _given(
    models: Mapping[str, Comparable | Ported] | Sequence[Comparable | Ported],
) -> dict[str, Comparable | Ported]:
    """The models, by name."""
    if isinstance(models, Mapping):
        named = {str(label): model for label, model in models.items()}
    elif isinstance(models, Sequence) and not isinstance(models, str):
        named = {f"model {number}": model for number, model in enumerate(models, start=1)}
    else:
        raise OptionError(
            f"compare needs several models, found {type(models).__name__}; "
            'write compare({"first": a, "second": b}) or compare([a, b])'
        )
    if len(named) < 2:
        raise ComparisonError(
            f"compare needs at least two models, found {len(named)}; "
            'write compare({"first": a, "second": b})'
        )
    return named


def _test_against_simpler(label: str, named: Mapping[str, Comparable]) -> _Test:
    """Test a model against the largest of the others that is nested in it."""
    model = named[label]
    nested = [
        other
        for other, simpler in named.items()
        if simpler.n_parameters < model.n_parameters and not why_not_nested(simpler, model)
    ]
    if not nested:
        return _Test()
    against = max(nested, key=lambda other: (named[other].n_parameters, named[other].llf))
    try:
        return _Test(against, lrt(named[against], model))
    except ComparisonError as error:
        return _Test(reason=f"{label} has no likelihood-ratio test against {against}: {error}.")


def _rows(
    named: Mapping[str, Comparable],
    criterion: Criterion,
    scores: Sequence[Score],
    tests: Mapping[str, _Test],
) -> list[ComparedModel]:
    """A row for each model, in the order given."""
    deltas, weights = akaike_weights(np.array([score.value for score in scores]))
    return [
        _row(label, model, tests[label], criterion, score, delta, weight)
        for (label, model), score, delta, weight in zip(
            named.items(), scores, deltas.tolist(), weights.tolist(), strict=True
        )
    ]


def _row(
    label: str,
    model: Comparable,
    test: _Test,
    criterion: Criterion,
    score: Score,
    delta: float,
    weight: float,
) -> ComparedModel:
    ratio = test.ratio
    family, link = model.description.get("family"), model.description.get("link")
    return ComparedModel(
        model=label,
        formula=formula_of(model),
        family=f"{family} ({link})" if link else str(family),
        df=model.n_parameters,
        llf=model.llf,
        aic=aic(model),
        bic=bic(model),
        caic=score.value if criterion.name == "caic" else None,
        delta=delta,
        weight=weight,
        lrt_against=test.against,
        lrt_statistic=None if ratio is None else ratio.statistic,
        lrt_df=None if ratio is None else ratio.df,
        lrt_pvalue=None if ratio is None else ratio.pvalue,
        converged=model.convergence.converged if isinstance(model, Converging) else None,
        lrt_boundary=None if ratio is None else ratio.boundary,
        effective_df=score.effective_df,
        criterion=score.value,
        limited=tuple(model.convergence.runaway) if isinstance(model, Converging) else (),
    )


def _remarks(
    rows: Sequence[ComparedModel], named: Mapping[str, Comparable], tests: Mapping[str, _Test]
) -> tuple[str, ...]:
    remarks = [
        f"{row.model} did not converge, so its criterion may be too large."
        for row in rows
        if row.converged is False
    ]
    methods = sorted({_method(model) for model in named.values()})
    if len(methods) > 1:
        remarks.append(
            f"The likelihoods were approximated in different ways ({'; '.join(methods)}), which "
            "adds to the differences."
        )
    remarks += [test.reason for test in tests.values() if test.reason]
    remarks += _changed(named)
    if any(test.ratio is not None and test.ratio.boundary for test in tests.values()):
        remarks.append(
            "Where a test adds random effects, a variance of zero lies on the boundary: its "
            "p-value is that of a mixture of chi-squares, as mixcheck.lrt explains."
        )
    return tuple(remarks)


def _changed(named: Mapping[str, Comparable]) -> list[str]:
    """Columns that were changed between two fits under one name."""
    (first, reference), *others = named.items()
    found = {label: other_values(reference, model) for label, model in others}
    return [
        f"{', '.join(names)} {'holds' if len(names) == 1 else 'hold'} other values in the data of "
        f"{label} than in those of {first}: columns of one name, and not the same."
        for label, names in found.items()
        if names
    ]


def _method(model: Comparable) -> str:
    parts = (model.description.get("method"), model.description.get("hessian"))
    return ", ".join(str(part) for part in parts if part)


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
