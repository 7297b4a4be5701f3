"""A search among models, its ranking, and a gate that models must pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.options import (
    require_choice,
    require_progress,
    require_whole,
    require_workers,
    shown,
)
from mixcheck.comparison.criterion import Criterion, CriterionFunction, paired_error
from mixcheck.comparison.ranking import CLOSE, SMALLEST_TIE, TIE, akaike_weights
from mixcheck.comparison.registry import get_criterion
from mixcheck.errors import ComparisonError, MixcheckError, OptionError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.execution.time_limits import TimeLimit
from mixcheck.report.policy import Verdict
from mixcheck.report.report import Report
from mixcheck.selection.candidates import Assessment, Candidate, Fit
from mixcheck.selection.exploration import (
    Neighbours,
    SearchName,
    explore,
)
from mixcheck.selection.explored import Explored, rank_explored
from mixcheck.selection.fits import CandidateFits, KeptFits
from mixcheck.selection.selection import Failure, RankedModel, Selection

__all__ = ["Gate", "check_candidate", "gated", "objections_of", "search_models"]

INFERENCE = (
    "Standard errors, p-values and intervals of a selected model take no account of the selection "
    "and are too optimistic; split the data, or decide on the model before, where they matter."
)
WEIGHTS = (
    "Weights are over the models fitted here, and the importance of a term is the sum of the "
    "weights of the models that have it; a term that fewer models may have starts lower."
)

Gate = Callable[[Report], str]


def objections_of(report: Report) -> str:
    """Why a report makes a model inadmissible: the checks that fail; empty where none does."""
    failed = [name for name, verdict in report.verdicts.items() if verdict is Verdict.FAIL]
    return f"fails {', '.join(failed)}" if failed else ""


def search_models(
    start: Sequence[Candidate],
    neighbours: Neighbours,
    fit: Fit,
    *,
    criterion: str | CriterionFunction = "aic",
    search: SearchName = "all",
    width: int = 5,
    max_models: int = 4096,
    check: Callable[[Any], Report] | None = None,
    gate: Gate = objections_of,
    checked: int | Literal["all"] = 5,
    seed: int | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
    limit: TimeLimit | None = None,
    remarks: Sequence[str] = (),
    largest: Candidate | None = None,
    admits: Callable[[Candidate], bool] | None = None,
) -> Selection:
    """Search among candidates of any kind.

    Parameters
    ----------
    start : sequence of Candidate
        Where the search begins.
    neighbours : callable
        Candidates one change away from a candidate.
    fit : callable
        Takes a candidate to a fitted model. All models must be of the same data. It must
        pickle where processes are used, and give the same fit whenever it is called.
    criterion : {"aic", "aicc", "bic", "caic", "logo", "loo", "qaic", "tic"} or callable
        A function takes a fitted model to a number, smaller for a better model, or to a record
        with a `value`, or with log `scores` and their `total`.
    search : {"all", "greedy", "beam"}
        All that can be reached; or step by step from the best model so far, or from the best
        `width` of them, until no neighbour is better.
    width, max_models : int
    check : callable, optional
        Takes a fitted model to a report.
    gate : callable
        Takes a report to the reason why the model is not admissible, empty if it is.
    checked : int or "all"
        How many models, by criterion, are checked.
    seed : int, optional
        Of the checks, for the record.
    n_jobs, progress
        As in `mixcheck.check`.
    limit : TimeLimit, optional
        Once it is passed no model is begun; at least one is fitted, and one checked.
    remarks : sequence of str
        What the record should say besides.
    largest : Candidate, optional
        The model from which a criterion takes what all share; the first of `start` by default.
    admits : callable, optional
        Whether a candidate may be fitted; a search through all passes others by.

    Returns
    -------
    Selection

    Raises
    ------
    OptionError
        For an option outside its values.
    ComparisonError
        If no candidate can be fitted, or candidates were fitted to different data.
    """
    _require_options(search, width, max_models, checked)
    require_workers(n_jobs)
    require_progress(progress)
    ranked_by = _settled(get_criterion(criterion), (largest, *start) if largest else start, fit)
    tie = TIE if isinstance(criterion, str) else SMALLEST_TIE
    explored, path, stopped = explore(
        start,
        neighbours,
        fit,
        ranked_by,
        search=search,
        width=width,
        max_models=max_models,
        n_jobs=n_jobs,
        progress=progress,
        tie=tie,
        admits=admits,
        limit=limit,
    )
    _require_some(explored)
    ranked = rank_explored(explored, tie)
    failures = tuple(_failure(t) for t in explored if not t.assessment.usable)
    models = _rank(ranked)
    reports: dict[str, Report] = {}
    if check is not None:
        finalists = ranked if checked == "all" else ranked[:checked]
        task = _Checked(tuple(t.candidate for t in finalists), fit, check)
        results, words = _check_each(task, n_jobs=n_jobs, progress=progress, limit=limit)
        stopped = f"{stopped} {words}".strip()
        models = tuple(gated(m, r, gate) for m, r in _pairs(models, results))
        reports = {
            model.model: report
            for model, report in zip(models, results, strict=False)
            if isinstance(report, Report)
        }
    selection = Selection(
        models=models,
        criterion=ranked_by.heading,
        search=search,
        path=path,
        failures=failures,
        importance=_importance(models),
        gated=check is not None,
        seed=seed,
        remarks=(*remarks, *ranked_by.remarks, WEIGHTS, INFERENCE),
        reports=reports,
        fits=CandidateFits(
            {t.candidate.key: t.candidate for t in ranked},
            fit if isinstance(fit, KeptFits) else KeptFits(fit),
        ),
        coefficients=_coefficients(ranked),
        stopped=stopped,
    )
    best = selection.best
    return selection if best is None else replace(selection, best_fit=selection.fits[best.model])


def _settled(criterion: Criterion, start: Sequence[Candidate], fit: Fit) -> Criterion:
    """The criterion with what all models share taken from the first, which has every term."""
    if criterion.by_largest is None or not start:
        return criterion
    return criterion.for_models(fit(start[0]))


def _require_options(search: str, width: int, max_models: int, checked: int | str) -> None:
    require_choice("search", search, get_args(SearchName))
    require_whole("width", width)
    require_whole("max_models", max_models)
    if not isinstance(checked, str):
        require_whole("checked", checked)
    elif checked != "all":
        raise OptionError(f'checked={shown(checked)} must be a whole number from 1, or "all"')


def _require_some(explored: Sequence[Explored]) -> None:
    """Refuse a search in which nothing could even be fitted: the call itself is wrong."""
    seen = [tried.assessment for tried in explored]
    if not any(one.usable or not one.converged for one in seen):
        wrong = next((one.failure for one in seen if one.failure is not None), None)
        if wrong is not None and wrong.__cause__ is not None:
            raise wrong
        (reason, _), *others = Counter(one.reason for one in seen).most_common()
        more = f" ({len(others)} more with other reasons)" if others else ""
        raise ComparisonError(
            f"none of the {len(explored)} candidate models could be fitted: {reason}{more}"
        )


def _failure(tried: Explored) -> Failure:
    candidate = tried.candidate
    return Failure(candidate.key, candidate.description, tried.assessment.reason, tried.step)


def _rank(ranked: Sequence[Explored]) -> tuple[RankedModel, ...]:
    """Models in the order of their criterion, with differences and weights."""
    if not ranked:
        return ()
    scores = np.array([tried.assessment.score.value for tried in ranked if tried.assessment.score])
    deltas, weights = akaike_weights(scores)
    best = ranked[0].assessment
    return tuple(
        _ranked_model(tried, float(delta), float(weight), best)
        for tried, delta, weight in zip(ranked, deltas, weights, strict=True)
    )


def _ranked_model(tried: Explored, delta: float, weight: float, best: Assessment) -> RankedModel:
    seen = tried.assessment
    assert seen.score is not None
    assert best.score is not None
    se = paired_error(seen.score, best.score)
    return RankedModel(
        model=tried.candidate.key,
        description=dict(tried.candidate.description),
        terms=tried.candidate.terms,
        df=seen.df,
        llf=seen.llf,
        value=seen.score.value,
        delta=delta,
        delta_se=se,
        weight=weight,
        close=delta <= max(CLOSE, 0.0 if se is None else se),
        admissible=None,
        reason="",
        verdicts={},
        notes=seen.notes,
        step=tried.step,
        limited=seen.limited,
    )


def _coefficients(ranked: Sequence[Explored]) -> pd.DataFrame:
    """Estimates of each model, (models, coefficients)."""
    # The model with most coefficients first, so that their order is its own.
    widest = sorted(ranked, key=lambda tried: -len(tried.assessment.coefficients))
    names = dict.fromkeys(name for tried in widest for name in tried.assessment.coefficients)
    return pd.DataFrame(
        [tried.assessment.coefficients for tried in ranked],
        index=[tried.candidate.key for tried in ranked],
        columns=list(names),
        dtype=np.float64,
    )


def _importance(models: Sequence[RankedModel]) -> dict[str, float]:
    terms = dict.fromkeys(term for model in models for term in model.terms)
    sums = {term: sum(m.weight for m in models if term in m.terms) for term in terms}
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, eq=False)
class _Checked:
    """The report on candidate number k, or why there is none."""

    candidates: tuple[Candidate, ...]
    fit: Fit
    check: Callable[[Any], Report]

    def __call__(self, k: int) -> Report | str:
        return check_candidate(self.candidates[k], self.fit, self.check)


def _check_each(
    task: _Checked, *, n_jobs: int | None, progress: Progress, limit: TimeLimit | None
) -> tuple[list[Report | str], str]:
    """Reports of the first candidates, and a sentence where a limit of time left some out."""
    count = len(task.candidates)
    found = map_numbers(
        task, range(count), n_jobs=n_jobs, progress=progress, what="models checked", limit=limit
    )
    late = limit is not None and len(found) < count
    return found, limit.words(len(found), count, "models checked") if limit and late else ""


def check_candidate(candidate: Candidate, fit: Fit, check: Callable[[Any], Report]) -> Report | str:
    """The report on a candidate, without its model, or why there is none."""
    try:
        report = check(fit(candidate))
    except OptionError:
        raise
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return f"could not be checked: {type(error).__name__}: {error}"
    return replace(report, model=None)


def _pairs(
    models: Sequence[RankedModel], results: Sequence[Report | str]
) -> list[tuple[RankedModel, Report | str | None]]:
    padded = [*results, *[None] * (len(models) - len(results))]
    return list(zip(models, padded, strict=True))


def gated(
    model: RankedModel, report: Report | str | None, gate: Gate = objections_of
) -> RankedModel:
    """A model with the verdicts of its report; a text says why there is none."""
    if report is None:
        return model
    if isinstance(report, str):
        return replace(model, admissible=False, reason=report)
    reason = gate(report)
    verdicts = {name: verdict.value for name, verdict in report.verdicts.items()}
    return replace(model, admissible=not reason, reason=reason, verdicts=verdicts)
