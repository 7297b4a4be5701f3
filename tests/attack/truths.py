"""What every answer must satisfy, whatever was asked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from mixcheck.port import port_of


@singledispatch
def verify(answer: Any) -> Iterator[str]:
    """Sentences on what is wrong with an answer; none for most types."""
    yield from ()


@verify.register
def _(fit: mc.GLMM) -> Iterator[str]:
    if not math.isfinite(fit.llf):
        yield f"the log-likelihood is {fit.llf}"
    if not np.isfinite(fit.params.to_numpy()).all():
        yield f"estimates are not finite: {fit.params.to_dict()}"
    if fit.bse.isna().any() and fit.converged:
        yield f"standard errors are NaN: {fit.bse.to_dict()}"
    if (fit.bse < 0.0).any():
        yield "a standard error is negative"
    if len(fit.fittedvalues) != fit.nobs or fit.fittedvalues.isna().any():
        yield "fitted values are missing"
    if fit.nobs + port_of(fit).design.dropped < fit.nobs or fit.nobs < 1:
        yield f"{fit.nobs} rows were used"
    if len(fit.params) > fit.n_parameters:
        yield "more estimates than parameters"


@verify.register
def _(report: mc.Report) -> Iterator[str]:
    again = mc.Report.from_json(report.to_json())
    if again.to_json() != report.to_json():
        yield "JSON does not come back as it was"
    if not report.to_text() or not report.to_junit().startswith("<?xml"):
        yield "pages are empty"
    for judged in report.judgements:
        p = judged.pvalue
        if p is not None and not (0.0 <= p <= 1.0 or math.isnan(p)):
            yield f"a p-value is {p}"
    report.to_html()
    if len(report.to_frame()) != len(report.findings):
        yield "rows of the frame are missing"


@verify.register
def _(suite: mc.Suite) -> Iterator[str]:
    if mc.Suite.from_json(suite.to_json()) != suite:
        yield "JSON does not come back as it was"


@verify.register
def _(check: mc.checks.Check) -> Iterator[str]:
    if not isinstance(check.name, str) or not isinstance(repr(check), str):
        yield "its name is no text"
    content = check.to_dict()
    json.dumps(content)
    if mc.checks.check_from_dict(content) != check:
        yield "its dict does not come back as it was"


@verify.register
def _(policy: mc.Policy) -> Iterator[str]:
    if mc.Policy.from_dict(policy.to_dict()) != policy:
        yield "its dict does not come back as it was"
    json.dumps(policy.to_dict())
    hash(policy)


@verify.register
def _(seen: mc.Residuals) -> Iterator[str]:
    numbers = seen.to_frame()["residual"]
    if not numbers.between(0.0, 1.0, inclusive="neither").all():
        yield "residuals are not between 0 and 1"
    if len(seen.to_frame()) != seen.n:
        yield "rows of the frame are missing"


@verify.register
def _(table: mc.Comparison) -> Iterator[str]:
    weights = sum(model.weight for model in table.models)
    if abs(weights - 1.0) > 1e-9:
        yield f"weights sum to {weights}"
    yield from _pages(table)


@verify.register(mc.Selection)
@verify.register(mc.Suggestions)
@verify.register(mc.LikelihoodRatio)
@verify.register(mc.BootstrapRatio)
@verify.register(mc.Vuong)
@verify.register(mc.GroupScores)
@verify.register(mc.RowScores)
@verify.register(mc.ScoreDifference)
def _(result: Any) -> Iterator[str]:
    p = getattr(result, "pvalue", None)
    told = isinstance(result, mc.Vuong) and result.notes  # models that cannot be told apart
    if p is not None and not 0.0 <= p <= 1.0 and not told:
        yield f"the p-value is {p}"
    total = getattr(result, "total", 0.0)
    if not math.isfinite(total):
        yield f"the total is {total}"
    yield from _pages(result)


def _pages(result: Any) -> Iterator[str]:
    json.loads(result.to_json(), parse_constant=_refuse)
    if not result.to_text() or not result.to_html() or not repr(result):
        yield "pages are empty"
    if not isinstance(result.to_frame(), pd.DataFrame):
        yield "there is no frame"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} in JSON")


@verify.register
def _(result: mc.ConditionalAIC) -> Iterator[str]:
    if not math.isfinite(result.value) or not math.isfinite(result.df):
        yield f"cAIC {result.value} with {result.df} degrees of freedom"


@verify.register
def _(answer: float) -> Iterator[str]:
    if math.isnan(answer):
        yield "the number is NaN"


@verify.register
def _(values: pd.Series) -> Iterator[str]:
    if values.name == "predicted" and np.isinf(values.to_numpy(dtype=float)).any():
        yield f"predictions are infinite: {values.to_list()[:5]}"
