"""The public verb: what to fit after a report with failing checks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_progress, require_whole, require_workers, shown
from mixcheck.checks.check import Suite
from mixcheck.codec.shapes import ADDED_LATER, NOT_STORED
from mixcheck.comparison.criterion import CriterionFunction
from mixcheck.comparison.record import Record
from mixcheck.display.document import Badge, Block, Cell, Document, Paragraph, Places, Table
from mixcheck.display.numerals import format_number
from mixcheck.errors import OptionError
from mixcheck.execution.progress import Progress
from mixcheck.execution.streams import choose_seed
from mixcheck.execution.time_limits import start_clock
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.port import port_of
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Verdict
from mixcheck.report.report import Report
from mixcheck.selection.explanations import diagnose
from mixcheck.selection.fits import GlmmFit, KeptFits, KeptReports, SuiteCheck
from mixcheck.selection.remedies import combine, find_remedies
from mixcheck.selection.search import search_models
from mixcheck.selection.selection import BestModel, RankedModel, Selection
from mixcheck.selection.situation import OBSERVATION, situation_of
from mixcheck.selection.trials import Trials, Tried, by_price

__all__ = ["Suggestions", "suggest"]

HONESTY = (
    "The candidates were made from the checks that failed on these data, so a model that passes "
    "here has been fitted to its own test: check it on other data where you can."
)


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Suggestions(Record):
    """Models that answer failing checks, fitted and checked in the same way.

    Attributes
    ----------
    selection : Selection or None
        The model as it is and its alternatives, by criterion, with their verdicts; None where
        there is no alternative.
    current : str
        Name of the model as it is.
    why : mapping of str to tuple of str
        For each alternative, which failure each of its changes answers.
    notes : tuple of str
        On changes that could not be tried.
    failed, undecided : tuple of str
        Checks of the model as it is that fail, and that could not be decided.
    caution : str
        A sentence where something in the data would explain more: what the best alternative takes
        up as unexplained variation, or leaves.
    fits : mapping of str to GLMM
        The fit of `best`, by its name; not kept in JSON.
    """

    selection: Selection | None
    current: str
    why: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = field(default=(), metadata=NOT_STORED)
    undecided: tuple[str, ...] = field(default=(), metadata=NOT_STORED)

    caution: str = field(default="", metadata=ADDED_LATER)
    fits: Mapping[str, GLMM] = field(default_factory=dict, metadata=NOT_STORED)

    _computed: ClassVar = ("verdict", "best")

    @property
    def candidates(self) -> tuple[RankedModel, ...]:
        """The alternatives: those that pass first, then by criterion.

        Each change beyond the first costs 10 units of the criterion in this order, since all of
        them were chosen on the same data. Of those within 2 units of the first the one with the
        fewest parameters comes first.
        """
        if self.selection is None:
            return ()
        others = [model for model in self.selection.models if model.model != self.current]
        passing, rest = (
            by_price((model for model in others if bool(model.admissible) is passes), self.why)
            for passes in (True, False)
        )
        return (*passing, *rest)

    @property
    def best(self) -> BestModel:
        """The first of those that pass, in the order of `candidates`."""
        return next((model for model in self.candidates if model.admissible), None)

    @property
    def best_fit(self) -> GLMM | None:
        """The fit of `best`; None for suggestions from JSON."""
        return None if self.best is None else self.fits.get(self.best.model)

    @property
    def reports(self) -> Mapping[str, Report]:
        """Reports of all models, by name."""
        return {} if self.selection is None else self.selection.reports

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        if not self.candidates and not self.failed:
            return self._nothing_fails
        if not self.candidates and self.stopped:
            return f"No alternative to {self.current} was fitted. {self.stopped}"
        if not self.candidates:
            return f"No alternative to {self.current} is known to answer what failed."
        if self.best is None:
            words = f"None of {len(self.candidates)} alternatives to {self.current} passes."
            return f"{words} {self.stopped}".rstrip()
        criterion = self.selection.criterion if self.selection else ""
        words = f"{self.best.model} passes"
        difference = self.difference(self.best)
        if difference is not None:
            side = "below" if difference < 0.0 else "above"
            words += f", with {criterion} {format_number(abs(difference))} {side} that of "
            words += self.current
        return " ".join(part for part in (f"{words}.", self.caution, self.stopped) if part)

    @property
    def stopped(self) -> str:
        """A sentence where a limit of time ended the search; else empty."""
        return self.selection.stopped if self.selection else ""

    @property
    def _nothing_fails(self) -> str:
        if not self.undecided:
            return f"No check of {self.current} fails."
        names = ", ".join(self.undecided)
        return (
            f"No check of {self.current} is known to fail, and what is undecided is no pass "
            f"({names}): check again with more draws, mixcheck.check(fit, draws=1000)."
        )

    def difference(self, model: RankedModel) -> float | None:
        """Criterion of a model minus that of the model as it is; None where that has none.

        Raises
        ------
        OptionError
            If `model` is none of the models of a table, such as ``candidates[0]``.
        """
        if not isinstance(model, RankedModel):
            raise OptionError(
                f"model must be one of the ranked models, such as candidates[0]; found "
                f"{shown(model)}"
            )
        models = () if self.selection is None else self.selection.models
        now = next((other for other in models if other.model == self.current), None)
        return None if now is None else model.value - now.value

    def to_frame(self) -> pd.DataFrame:
        """One row for each alternative, those that pass first.

        Returns
        -------
        DataFrame
            The parts of the description, then df, criterion, difference (to the model as it
            is; negative is better), passes, reason, why.
        """
        rows = [
            {
                **model.description,
                "df": model.df,
                "criterion": model.value,
                "difference": self.difference(model),
                "passes": model.admissible,
                "reason": model.reason,
                "why": "; ".join(self.why.get(model.model, ())),
            }
            for model in self.candidates
        ]
        frame = pd.DataFrame(rows)
        return frame.astype({"passes": "boolean"}) if rows else frame

    def document(self) -> Document:
        """The suggestions as a page."""
        blocks: list[Block] = [Paragraph(self.verdict)]
        if self.candidates:
            blocks.append(self._table())
        if self.selection is not None and self.selection.failures:
            rows = tuple((failure.model, failure.reason) for failure in self.selection.failures)
            blocks.append(Table(("not fitted", "reason"), rows))
        remarks = (*self.notes, *((HONESTY,) if self.candidates else ()))
        blocks += [Paragraph(remark, quiet=True) for remark in remarks]
        return Document("Suggestions", tuple(blocks))

    def _table(self) -> Table:
        criterion = self.selection.criterion if self.selection else ""
        rows = tuple(self._row(model) for model in self.candidates)
        return Table(("model", "why", f"{criterion} difference", "checks"), rows)

    def _row(self, model: RankedModel) -> tuple[Cell, ...]:
        difference = self.difference(model)
        shown = None if difference is None else Places(difference, 2)
        why = "; ".join(self.why.get(model.model, ()))
        checks: Cell = Badge("PASS", "good") if model.admissible else model.reason
        return model.model, why, shown, checks

    def __repr__(self) -> str:
        return f"<Suggestions: {self.verdict}>"


@answer_calls
def suggest(
    report: Report,
    model: GLMM | None = None,
    *,
    criterion: str | CriterionFunction = "aic",
    most: int = 12,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Suggestions:
    """Try the models that answer the failing checks of a report.

    First it is asked what in the data would explain the failure: columns that the model does
    not use, slopes, other groups, interactions, curves, the link, a spread or zeros that move with
    a predictor. Only then come the usual remedies of each failing check that add a variation
    which nothing explains: another family, an effect of each observation, a zero inflation. The
    models with one change, then with several, are fitted and compared; what comes first is asked
    again what would explain what is left.

    In the order of the criterion they are checked by the same suite, policy and random streams,
    until one passes: with the estimates held (``calibration="plug-in"``), which costs a tenth of
    refits, and as the report was where they pass. Of the others those within 10 units of the
    criterion are checked with the estimates held; what is further behind is listed with its
    criterion.

    Parameters
    ----------
    report : Report
        Of `mixcheck.check`, which keeps its model.
    model : GLMM, optional
        Needed for a report read from JSON.
    criterion : str or callable
        As in `mixcheck.select`.
    most : int
        Most alternatives that are tried.
    time_limit : float, optional
        Seconds after which no model is begun; those that were begun are fitted and the first is
        checked, and the result tells how many there are.
    n_jobs, progress
        As in `mixcheck.check`.

    Returns
    -------
    Suggestions
        With the best alternative that passes, if there is one. An effect of each observation
        is that of a column ``observation``, the numbers of the rows, which is added to the
        data of the fit.

    Raises
    ------
    OptionError
        If the model is not known, or was not fitted by `mixcheck.glmm` with a likelihood.

    Examples
    --------
    >>> import mixcheck as mc
    >>> ticks = mc.datasets.load("grouseticks")
    >>> fit = mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, family="poisson")
    >>> report = mc.check(fit, mc.checks.Dispersion(), seed=1, draws=100, calibration="plug-in")
    >>> mc.suggest(report).best.model
    'TICKS ~ YEAR + cHEIGHT + (1 | BROOD), nbinom2'
    """
    require_whole("most", most)
    require_workers(n_jobs)
    require_progress(progress)
    limit = start_clock(time_limit)
    fit = _fit_of(report, model)
    situation, options = situation_of(fit)
    seed = choose_seed(report.provenance.get("seed"))
    fails = Verdict.FAIL in report.verdicts.values()
    diagnosed = diagnose(fit, situation, seed, alone=True) if fails else None
    remedies, notes = find_remedies(report, situation, diagnosed)
    tried = dict(combine(remedies, situation.model, most))
    if any(OBSERVATION in part.group for one in tried for part in one.random):
        situation = replace(situation, frame=_numbered(situation.frame))
        notes.append(f"The column {OBSERVATION!r} numbers the rows.")
    same = replace(_same_check(report), n_jobs=n_jobs)
    held = KeptReports(same)
    trials = Trials(
        situation,
        report,
        KeptFits(GlmmFit(situation.frame, options)),
        held
        if same.calibration == "plug-in"
        else KeptReports(replace(same, calibration="plug-in")),
        held,
        partial(
            search_models,
            neighbours=lambda _: (),
            criterion=criterion,
            seed=report.provenance.get("seed"),
            n_jobs=n_jobs,
            progress=progress,
            limit=limit,
        ),
        progress,
        limit,
    )
    found = trials.run(tried)
    left: tuple[Finding, ...] = ()
    if found.first is not None and not trials.late:
        further, left = trials.explain(found, tried, seed)
        if further:
            tried |= further
            found = trials.run(tried)
            _, left = trials.explain(found, tried, seed)
    first = found.first
    made = () if first is None else tried[found.candidates[first.model].content]
    absorbs = not all(remedy.explains for remedy in made)
    suggestions = _suggestions(trials, found, tuple(notes))
    return replace(suggestions, caution=_caution(suggestions, left, absorbs=absorbs))


def _suggestions(trials: Trials, found: Tried, notes: tuple[str, ...]) -> Suggestions:
    """What was tried, and the fit of the best."""
    failed, undecided = (
        tuple(name for name, verdict in trials.report.verdicts.items() if verdict is kind)
        for kind in (Verdict.FAIL, Verdict.UNDECIDED)
    )
    suggestions = Suggestions(
        found.selection, found.current.key, found.why, notes, failed, undecided
    )
    best = suggestions.best
    fits = {} if best is None else {best.model: trials.fits(found.candidates[best.model])}
    return replace(suggestions, fits=fits)


def _caution(found: Suggestions, left: Sequence[Finding], *, absorbs: bool) -> str:
    """What something in the data would explain beyond the best alternative.

    Parameters
    ----------
    found : Suggestions
    left : sequence of Finding
        Questions on the best alternative that fail.
    absorbs : bool
        Whether a change of it adds variation that nothing explains.
    """
    if found.best is None or not left:
        return ""
    told = ", ".join(dict.fromkeys(_told(finding) for finding in left[:3]))
    if absorbs:
        return (
            "It takes up as unexplained variation what something in the data would explain "
            f"({told}): look there before you use it."
        )
    return f"Something in the data would explain more ({told}): look there as well."


def _told(finding: Finding) -> str:
    """What a finding is about, in words."""
    about = {name: finding.subject.get(name, "") for name in ("column", "other", "group")}
    part = finding.subject.get("part", "mean")
    where = {"zi": " for the zero part", "dispersion": " for the dispersion"}.get(part, "")
    column, other, group = about.values()
    column = column or dict(finding.asked or {}).get("against", "")
    words = {
        "missing-predictor": f"{column}{where}",
        "missing-slope": f"a slope of {column} in {group}",
        "missing-group": f"groups of {group}",
        "interaction": f"{column}:{other}" if other else f"a curve of {column}",
        "link": "the link",
        "spread": f"the spread along {column or 'the fitted values'}",
        "trend": f"a curve of {column or 'the fitted values'}",
    }
    return words.get(finding.kind, finding.kind.replace("-", " "))


def _fit_of(report: Report, model: GLMM | None) -> GLMM:
    """The model of a report."""
    if not isinstance(report, Report):
        raise OptionError(f"suggest needs the report of mixcheck.check(fit), found {shown(report)}")
    fit = report.model if model is None else model
    if not isinstance(fit, GLMM):
        if fit is None:
            raise OptionError(
                "suggest needs the fit that the report is of, and it holds none; write "
                "suggest(report, fit)"
            )
        raise OptionError(
            "suggest fits alternatives by mixcheck.glmm, and the model is of "
            f"{type(fit).__name__}; fit it there too, "
            "suggest(mixcheck.check(mixcheck.glmm(formula, data, family=..)))"
        )
    formula = port_of(fit).description["formula"]
    told = dict(report.provenance.get("model") or {}).get("formula", formula)
    if told != formula:
        raise OptionError(f"the report is of {told!r}, and the model given is {formula!r}")
    return fit


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{OBSERVATION: np.arange(len(frame))})


def _same_check(report: Report) -> SuiteCheck:
    """The checks of a report, asked again in the same way."""
    told = report.provenance
    # Reports of the version before have refits, that took the place of draws where there were any.
    refits = told.get("refits")
    former = "refit" if refits else "plug-in"
    stored = told.get("suite")
    return SuiteCheck(
        suite=Suite.from_json(json.dumps({"checks": stored})) if stored else None,
        policy=report.policy,
        seed=choose_seed(told.get("seed")),
        draws=refits or told.get("draws"),
        calibration=told.get("calibration", former),
        conditioning=told.get("conditioning", "posterior"),
    )
