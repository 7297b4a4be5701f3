"""Tests of hypotheses on the coefficients of a fit, and of the terms of its formula, as frames."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from mixcheck.arguments.options import require_choice, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.under_hypothesis import restrict, score_statistic
from mixcheck.fitting.results.coefficient_table import tabulate_contrasts
from mixcheck.fitting.results.refitting import Refitting
from mixcheck.fitting.results.small_samples import small_samples_of
from mixcheck.fitting.results.term_hypotheses import ModelTerm, list_terms, marginal_rows
from mixcheck.inference.hypotheses import read_hypotheses
from mixcheck.inference.multiplicity import adjust_family

__all__ = [
    "HypothesisAdjustment",
    "HypothesisTest",
    "TestRequest",
    "TypeOfTest",
    "compare_jointly",
    "compare_terms",
    "drop_terms",
    "find_terms",
    "tabulate_hypotheses",
]

HypothesisTest: TypeAlias = Literal["wald", "lrt", "score"]
TypeOfTest: TypeAlias = Literal["II", "III"]
HypothesisAdjustment: TypeAlias = Literal["none", "mvt", "holm", "sidak", "bonferroni"]


def tabulate_hypotheses(
    fit: Refitting,
    hypotheses: object,
    ddf: str,
    level: float,
    adjust: HypothesisAdjustment,
    cluster: str | None,
) -> pd.DataFrame:
    """See `mixcheck.GLMM.t_test`."""
    require_choice("adjust", adjust, get_args(HypothesisAdjustment))
    read = read_hypotheses(hypotheses, fit.fixed_names)
    found = small_samples_of(fit).contrasts(read.L, ddf, cluster)
    table = tabulate_contrasts(found, read.names, level, read.value)
    if adjust != "none":
        errors, t = found.deviations, table["statistic"].to_numpy()
        with np.errstate(invalid="ignore"):
            correlation = found.covariance / errors / errors[:, None]
        t = np.where(np.isfinite(errors) & (errors > 0.0), t, np.nan)
        together = adjust_family(t, found.df, correlation, adjust, level, 0)
        reach = together.quantiles * errors
        table["pvalue"] = together.pvalues
        table["low"], table["high"] = found.estimate - reach, found.estimate + reach
    table.attrs["adjust"] = adjust
    return table


@dataclass(frozen=True)
class TestRequest:
    """How hypotheses are to be tested; see `mixcheck.GLMM.f_test`.

    Attributes
    ----------
    test, ddf : str
    cluster : str or None
    """

    test: str
    ddf: str
    cluster: str | None

    def __post_init__(self) -> None:
        require_choice("test", self.test, get_args(HypothesisTest))
        given = {"ddf": self.ddf if self.ddf != "auto" else None, "cluster": self.cluster}
        for name, value in given.items():
            if self.test != "wald" and value is not None:
                raise OptionError(
                    f'{name}={shown(value)} belongs to test="wald"; leave it out with '
                    f'test="{self.test}"'
                )


def compare_jointly(fit: Refitting, hypotheses: object, request: TestRequest) -> pd.DataFrame:
    """See `mixcheck.GLMM.f_test`."""
    read = read_hypotheses(hypotheses, fit.fixed_names)
    return _frame({"": _test(fit, read.L, read.value, None, request)}, fit, request)


def compare_terms(fit: Refitting, type_: str, request: TestRequest) -> pd.DataFrame:
    """See `mixcheck.GLMM.anova`."""
    require_choice("type", type_, get_args(TypeOfTest))
    rows = {}
    for term in find_terms(fit):
        if type_ == "III":
            L, beside = _marginal(fit, term), None
        else:
            L, beside = _unit(fit, term.columns), _unit(fit, term.containing)
        rows[term.name] = _test(fit, L, np.zeros(len(L)), beside, request)
    return _frame(rows, fit, request)


def drop_terms(fit: Refitting) -> pd.DataFrame:
    """See `mixcheck.GLMM.drop1`."""
    _require_likelihood(fit, "drop1")
    rows = {"none": (0, fit.llf, fit.aic, np.nan, np.nan)}
    for term in find_terms(fit):
        if term.containing.size:
            continue
        L = _unit(fit, term.columns)
        restriction = restrict(fit.problem, _whole(fit, L), np.zeros(len(L)))
        llf = fit.estimate_again(restriction.problem).evaluation.llf
        statistic = _positive(2.0 * (fit.llf - llf), fit)
        aic = -2.0 * llf + 2.0 * (fit.n_parameters - restriction.df)
        pvalue = float(chdtrc(restriction.df, statistic))
        rows[term.name] = (restriction.df, llf, aic, statistic, pvalue)
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["df", "llf", "aic", "statistic", "pvalue"]
    )


def find_terms(fit: Refitting) -> list[ModelTerm]:
    """Terms of all linear predictors that have a formula."""
    out, first = [], 0
    shown = set(fit.fixed_positions.tolist())
    for part, where in zip(fit.design.predictors, fit.problem.beta_slices, strict=True):
        width = sum(j in shown for j in range(where.start, where.stop))
        if width and part.name in fit.design.recipes:
            recipe, kept = fit.design.recipes[part.name], fit.design.kept[part.name]
            out += list_terms(tuple(compress(recipe.terms, kept)), part.name, first)
        first += width
    return out


# ---- one test -----------------------------------------------------------------------------------


def _test(
    fit: Refitting,
    L: FloatArray,
    value: FloatArray,
    beside: FloatArray | None,
    request: TestRequest,
) -> tuple[float, int, float, float]:
    """Statistic, degrees of freedom, those of the denominator, and p-value.

    Parameters
    ----------
    fit : Refitting
    L, value : (k, p), (k,)
    beside : (r, p), optional
        What is zero under both hypotheses.
    request : TestRequest
    """
    test = request.test
    if test == "wald":
        rows = _adjusted(fit, L, beside, request)
        found = small_samples_of(fit).contrasts(rows, request.ddf, request.cluster)
        joint = found.test_jointly(value)
        return joint.statistic, joint.df, joint.df_denominator, joint.pvalue
    _require_likelihood(fit, f'test="{test}"')
    problem = fit.problem
    if fit.infinite_names:
        raise OptionError(
            f'test="{test}" is not defined where a parameter has no finite estimate: '
            f"{', '.join(sorted(fit.infinite_names))}"
        )
    none = np.zeros((0, L.shape[1])) if beside is None else beside
    zeros = np.zeros(len(none))
    larger = restrict(problem, _whole(fit, none), zeros)
    both = _whole(fit, np.concatenate([none, L])), np.concatenate([zeros, value])
    smaller = restrict(problem, *both)
    df = smaller.df - larger.df
    if test == "lrt":
        llf = fit.llf if not larger.df else fit.estimate_again(larger.problem).evaluation.llf
        statistic = _positive(2.0 * (llf - fit.estimate_again(smaller.problem).evaluation.llf), fit)
    elif not larger.df:
        statistic = score_statistic(problem, fit.method, smaller, fit.estimate_again)
    else:
        # The hypothesis in the coefficients that are left of the larger model.
        inner = both[0] @ larger.null
        within = restrict(larger.problem, inner, both[1])
        statistic = score_statistic(larger.problem, fit.method, within, fit.estimate_again)
    return statistic, df, np.inf, float(chdtrc(df, statistic))


def _adjusted(
    fit: Refitting, L: FloatArray, beside: FloatArray | None, request: TestRequest
) -> FloatArray:
    """L of the estimates under ``beside b = 0``: ``L - V_LR V_RR^-1 R``, V their covariance."""
    if beside is None or not len(beside):
        return L
    every = np.eye(L.shape[1])
    V = small_samples_of(fit).contrasts(every, request.ddf, request.cluster).covariance
    if not np.isfinite(V).all():
        raise OptionError(
            "a term beside others that have no finite estimate has no Wald test of type II; "
            'write type="III"'
        )
    inner = beside @ V @ beside.T
    out: FloatArray = L - L @ V @ beside.T @ np.linalg.solve(inner, beside)
    return out


def _positive(statistic: float, fit: Refitting) -> float:
    """A likelihood ratio, which is not negative but for rounding."""
    if statistic < -1e-5 * (1.0 + abs(fit.llf)):
        raise OptionError(
            "the model under the hypothesis has a higher likelihood than the fit, which is no "
            "maximum; fit it again from other starts"
        )
    return max(statistic, 0.0)


# ---- hypotheses ---------------------------------------------------------------------------------


def _unit(fit: Refitting, columns: IntArray) -> FloatArray:
    return np.eye(len(fit.fixed_names))[columns]


def _marginal(fit: Refitting, term: ModelTerm) -> FloatArray:
    """Hypothesis of type III on what is in `params`."""
    recipe, kept = fit.design.recipes[term.part], fit.design.kept[term.part]
    rows = marginal_rows(recipe, kept, term.factors)
    out = np.zeros((len(rows), len(fit.fixed_names)))
    out[:, term.first : term.first + rows.shape[1]] = rows
    return out


def _whole(fit: Refitting, L: FloatArray) -> FloatArray:
    """L on all coefficients of the problem, where it is on those in `params`."""
    out = np.zeros((len(L), fit.problem.n_beta))
    out[:, fit.fixed_positions] = L
    return out


def _require_likelihood(fit: Refitting, what: str) -> None:
    """Refuse what compares likelihoods where there is none."""
    if fit.reml:
        raise OptionError(
            f"{what} compares models with other fixed effects, whose restricted likelihoods are "
            'not those of the same data; fit the model with reml=False, or write test="wald"'
        )
    if fit.method.kind == "pseudo" or fit.priors:
        raise OptionError(
            f'{what} needs a likelihood that was maximised; write test="wald", or fit the model '
            'with method="laplace" and without priors='
        )


def _frame(
    rows: dict[str, tuple[float, int, float, float]], fit: Refitting, request: TestRequest
) -> pd.DataFrame:
    names = ["statistic", "df", "df_denominator", "pvalue"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    if set(rows) == {""}:
        frame.index = pd.Index(["all"])
    if request.test == "wald":
        one = np.eye(len(fit.fixed_names))[:1]
        found = small_samples_of(fit).contrasts(one, request.ddf, request.cluster)
        frame.attrs["ddf"] = found.method
    frame.attrs["test"] = request.test
    return frame
