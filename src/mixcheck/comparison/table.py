"""Several models in one table, ranked by a criterion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_choice, shown
from mixcheck.arrays import FloatArray
from mixcheck.comparison.compared import ComparedModel, Comparison
from mixcheck.comparison.criteria import aic, bic
from mixcheck.comparison.criterion import Criterion, CriterionFunction, Score, paired_error
from mixcheck.comparison.likelihood_ratio import LikelihoodRatio, lrt
from mixcheck.comparison.nesting import why_not_nested
from mixcheck.comparison.ranking import (
    SMALLEST_TIE,
    TIE,
    Standing,
    akaike_weights,
    rank_order,
)
from mixcheck.comparison.registry import get_criterion
from mixcheck.comparison.response_scale import on_scale
from mixcheck.comparison.same_data import (
    formula_of,
    name_models,
    other_values,
    require_comparable,
    require_one_likelihood,
    require_same_data,
)
from mixcheck.comparison.weights import LeftOutScores, Weighting, align_scores, weigh
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import Comparable, Converging, Ported

__all__ = ["ComparedModel", "Comparison", "TableWeights", "compare", "weights_of"]

TableWeights: TypeAlias = Literal["akaike", "stacking", "pseudo-bma", "pseudo-bma+"]


@answer_calls
def compare(
    models: Mapping[str, Comparable | Ported] | Sequence[Comparable | Ported],
    *,
    criterion: str | CriterionFunction = "aic",
    weights: TableWeights = "akaike",
    scale: str | None = None,
) -> Comparison:
    """Rank models that were fitted to the same data.

    Parameters
    ----------
    models : mapping of name to Comparable, or sequence of Comparable
        At least two; those of a sequence are called "model 1", "model 2" and so on.
    criterion : {"aic", "aicc", "bic", "caic", "logo", "loo", "qaic", "tic"} or callable
        AIC and BIC are those of the marginal likelihood and judge predictions for new groups,
        as do ``"tic"`` and ``"logo"``, the score of groups left out; ``"caic"`` and ``"loo"``,
        the score of rows left out, judge predictions for the groups of the data. ``"aicc"`` and
        BIC take the number of observations, ``"qaic"`` the dispersion of the model with most
        parameters. Scores are ranked by minus twice their total, the scale of the AIC; their
        differences, and those of ``"caic"``, have standard errors over pairs of rows or groups. A
        function takes a fitted model to a number, smaller for a better model, or to a record with
        a `value`, with `contributions` that add up to it or without, or with log `scores` and
        their `total`.
    weights : {"akaike", "stacking", "pseudo-bma", "pseudo-bma+"}
        Shares of ``exp(-criterion / 2)``; or, where the criterion is a score of what was left
        out, those of `mixcheck.model_weights`.
    scale : str, optional
        A column of the data, where models are of different transformations of it, such as
        ``log(y)`` and ``sqrt(y)``: all log-likelihoods are taken on the scale of that column, by
        the derivative of each transformation. For the criteria "aic", "aicc" and "bic".

    Returns
    -------
    Comparison

    Raises
    ------
    ComparisonError
        If there are fewer than two models, if their data differ, or if REML fits are compared
        with others or with different fixed effects.
    OptionError
        If the criterion is unknown or something is not a model with a likelihood.

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
    require_choice("weights", weights, get_args(TableWeights))
    given = name_models(models, "compare")
    if scale is not None:
        if criterion not in ("aic", "aicc", "bic"):
            raise OptionError(
                f"scale={shown(scale)} is for likelihoods; write criterion='aic', 'aicc' or 'bic'"
            )
        given = {label: on_scale(model, scale) for label, model in given.items()}
    named = {label: require_comparable(model, "compare") for label, model in given.items()}
    require_same_data(named)
    require_one_likelihood(named)
    ranked_by = ranked_by.for_models(_largest(named, given))
    results = [ranked_by.rate(model, label) for label, model in given.items()]
    scores = [ranked_by.score(result) for result in results]
    tests = {label: _test_against_simpler(label, named) for label in named}
    shares, words = _weigh(weights, named, ranked_by, results, scores)
    rows = _rows(named, ranked_by, scores, tests, shares)
    standings = [Standing(row.criterion, row.df, row.llf, bool(row.limited)) for row in rows]
    order = rank_order(standings, TIE if isinstance(criterion, str) else SMALLEST_TIE)
    errors = _errors(ranked_by, results, scores, order[0])
    return Comparison(
        models=tuple(replace(rows[k], delta_se=errors[k]) for k in order),
        criterion=ranked_by.name,
        nobs=next(iter(named.values())).nobs,
        remarks=(
            *_remarks(rows, named, tests),
            *ranked_by.remarks,
            *(
                (f"Log-likelihoods are those of {scale}, by the derivatives of the responses.",)
                if scale is not None
                else ()
            ),
            *words,
            *_notes(named, results, errors, weights),
        ),
        heading=ranked_by.heading,
    )


def weights_of(
    models: Mapping[str, Comparable | Ported],
    criterion: str | CriterionFunction,
    weights: TableWeights,
) -> FloatArray:
    """The weights that `compare` gives models of the same data, (k,), in their order."""
    named = {label: require_comparable(model, "compare") for label, model in models.items()}
    ranked_by = get_criterion(criterion).for_models(_largest(named, models))
    results = [ranked_by.rate(model, label) for label, model in models.items()]
    scores = [ranked_by.score(result) for result in results]
    return _weigh(weights, named, ranked_by, results, scores)[0]


def _largest(
    named: Mapping[str, Comparable], given: Mapping[str, Comparable | Ported]
) -> Comparable | Ported:
    """The model with most parameters; of several, that with the highest likelihood."""
    label = max(named, key=lambda one: (named[one].n_parameters, named[one].llf))
    return given[label]


def _errors(
    criterion: Criterion, results: Sequence[Any], scores: Sequence[Score], best: int
) -> list[float | None]:
    """Standard errors of the differences to the best model, unit by unit."""
    if criterion.paired:
        factor = 2.0 if criterion.larger else 1.0
        return [factor * float(result.minus(results[best]).se) for result in results]
    return [paired_error(score, scores[best]) for score in scores]


_WORDS: dict[Weighting, str] = {
    "stacking": (
        "Weights are those with which the mixture of the predictions has the best score (stacking)"
        ": a model that is poor alone has some where it is right and the others are wrong."
    ),
    "pseudo-bma": "Weights are shares of exp(score) (pseudo-BMA).",
    "pseudo-bma+": (
        "Weights are shares of exp(score), averaged over the Bayesian bootstrap (pseudo-BMA+)."
    ),
}


def _weigh(
    weights: TableWeights,
    named: Mapping[str, Comparable],
    criterion: Criterion,
    results: Sequence[Any],
    scores: Sequence[Score],
) -> tuple[FloatArray, tuple[str, ...]]:
    """A weight for each model, (k,), and what to say of them."""
    if weights == "akaike":
        return akaike_weights(np.array([score.value for score in scores]))[1], ()
    if not all(isinstance(result, LeftOutScores) for result in results):
        raise OptionError(
            f"weights={weights!r} are those of scores of what was left out, and "
            f"criterion={criterion.name!r} has none; write criterion='loo' or 'logo', or "
            "weights='akaike'"
        )
    found = weigh(align_scores(dict(zip(named, results, strict=True))), weights)
    return np.asarray(found, dtype=np.float64), (_WORDS[weights],)


def _notes(
    named: Mapping[str, Comparable],
    results: Sequence[Any],
    errors: Sequence[float | None],
    weights: TableWeights,
) -> list[str]:
    """What the results say of themselves, and of their differences."""
    notes = [
        f"{label}: {note}"
        for label, result in zip(named, results, strict=True)
        for note in getattr(result, "notes", ())
    ]
    if any(error is not None for error in errors):
        ignored = "; the weights take no account of them" if weights == "akaike" else ""
        notes.append(
            "The standard errors are those of the differences to the best model, over pairs of "
            f"rows or groups{ignored}."
        )
    return notes


@dataclass(frozen=True)
class _Test:
    """A test against a simpler model, or why there is none."""

    against: str | None = None
    ratio: LikelihoodRatio | None = None
    reason: str = ""


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
    weights: FloatArray,
) -> list[ComparedModel]:
    """A row for each model, in the order given."""
    deltas, _ = akaike_weights(np.array([score.value for score in scores]))
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
    methods = {name: _method(model) for name, model in named.items()}
    if len(set(methods.values())) > 1:
        ways = sorted({method for method in methods.values() if method})
        untold = [name for name, method in methods.items() if not method]
        ways += [f"that of {', '.join(untold)} is not told"] if untold else []
        remarks.append(
            f"The likelihoods were computed in different ways ({'; '.join(ways)}): where these "
            "are approximations, their errors add to the differences."
        )
    remarks += [test.reason for test in tests.values() if test.reason]
    remarks += _changed(named)
    if any(test.ratio is not None and test.ratio.boundary for test in tests.values()):
        remarks.append(
            "Where a test adds random effects, or a dispersion or zero part that may vanish, its "
            "null hypothesis lies on the boundary: its p-value is that of a mixture of "
            "chi-squares, as mixcheck.lrt explains."
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
