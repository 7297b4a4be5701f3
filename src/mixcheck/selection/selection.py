"""What a search found: a record, its table, its page and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self, TypeAlias

import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import shown
from mixcheck.codec.documents import from_json
from mixcheck.codec.reading import Reader
from mixcheck.codec.shapes import ADDED_LATER, NOT_STORED, Count, Finite, leaf
from mixcheck.comparison.record import Record
from mixcheck.display.document import (
    Badge,
    Block,
    Cell,
    Document,
    Heading,
    Paragraph,
    Places,
    PValue,
    Section,
    Table,
)
from mixcheck.display.numerals import format_number
from mixcheck.errors import OptionError
from mixcheck.report.report import Report
from mixcheck.selection.exploration import SearchName, Step

__all__ = ["BestModel", "Failure", "RankedModel", "Selection"]

ROWS_SHOWN = 20


@dataclass(frozen=True)
class RankedModel:
    """One model that was fitted.

    Attributes
    ----------
    model : str
        Its canonical name.
    description : mapping of str to str
        Formula, family and so on.
    terms : tuple of str
    df : int
        Number of estimated parameters.
    llf, value : float
        Log-likelihood, and criterion.
    delta : float
        Criterion minus the smallest one.
    delta_se : float or None
        Standard error of `delta`, from pairs of group contributions; None where the criterion
        has none.
    weight : float
        Share of ``exp(-delta / 2)``.
    close : bool
        Whether it is within 2 units, or within one standard error, of the smallest criterion.
    admissible : bool or None
        What the gate said; None for a model that was not checked.
    reason : str
        Why it is not admissible.
    verdicts : mapping of str to str
        The verdict of each check.
    notes : tuple of str
        Sentences on the fit, such as that a variance is zero.
    step : int
        Step of the search in which it was fitted.
    limited : tuple of str
        Parameters without a finite estimate.
    """

    model: str
    description: Mapping[str, str]
    terms: tuple[str, ...]
    df: Count
    llf: Finite
    value: Finite
    delta: Finite
    delta_se: Finite | None
    weight: Finite
    close: bool
    admissible: bool | None
    reason: str
    verdicts: Mapping[str, str]
    notes: tuple[str, ...]
    step: Count
    limited: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)


# Stored by its name: the model itself is among the models.
BestModel: TypeAlias = Annotated[
    RankedModel | None,
    leaf(
        lambda model: None if model is None else model.model,
        Reader.text,
        {"type": ["string", "null"]},
    ),
]


@dataclass(frozen=True)
class Failure:
    """A candidate that is not ranked, and why.

    It could not be fitted, did not converge, or is another candidate written in another way.
    """

    model: str
    description: Mapping[str, str]
    reason: str
    step: Count


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Selection(Record):
    """What a search found.

    Attributes
    ----------
    models : tuple of RankedModel
        All that were fitted, the smallest criterion first; inadmissible ones stay in place.
    criterion : str
    search : {"all", "greedy", "beam"}
    path : tuple of Step
    failures : tuple of Failure
    importance : mapping of str to float
        Sum of the weights of the models that have a term.
    gated : bool
        Whether models had to pass checks.
    seed : int or None
        Of the checks.
    remarks : tuple of str
    best_fit : fitted model or None
        The fit of `best`; not kept in JSON.
    fits : mapping of str to fitted model
        Of all models, by name; each is fitted again when it is asked for. Not kept in JSON.
    coefficients : DataFrame, (models, coefficients)
        Estimates of each model, the smallest criterion first; missing where it has not the
        coefficient. Not kept in JSON.
    reports : mapping of str to Report
        Of the models that were checked, by name; not kept in JSON.
    stopped : str
        A sentence where a limit of time ended the search, and after how many models.
    """

    models: tuple[RankedModel, ...]
    criterion: str
    search: SearchName
    path: tuple[Step, ...]
    failures: tuple[Failure, ...]
    importance: Mapping[str, Finite]
    gated: bool
    seed: Count | None
    remarks: tuple[str, ...] = ()
    best_fit: Any = field(default=None, metadata=NOT_STORED)
    reports: Mapping[str, Report] = field(default_factory=dict, metadata=NOT_STORED)
    fits: Mapping[str, Any] = field(default_factory=dict, metadata=NOT_STORED)
    coefficients: pd.DataFrame = field(default_factory=pd.DataFrame, metadata=NOT_STORED)
    stopped: str = field(default="", metadata=ADDED_LATER)

    _computed: ClassVar = ("verdict", "best")

    @property
    def best(self) -> BestModel:
        """The smallest criterion among the admissible models; None if there is none."""
        allowed = (model for model in self.models if model.admissible or not self.gated)
        return next(allowed, None)

    @property
    def close(self) -> tuple[RankedModel, ...]:
        """Models within 2 units, or one standard error, of the smallest criterion."""
        return tuple(model for model in self.models if model.close)

    @property
    def verdict(self) -> str:
        """What was selected, in a sentence or two."""
        return f"{_verdict_words(self)} {self.stopped}".rstrip()

    def to_frame(self) -> pd.DataFrame:
        """One row for each model fitted, the smallest criterion first.

        Returns
        -------
        DataFrame
            The parts of the description, then df, llf, criterion, delta, delta_se, weight,
            close, admissible, reason, notes, step.
        """
        rows = [{**model.description, **_numbers(model)} for model in self.models]
        frame = pd.DataFrame(rows)
        if not rows:
            return frame
        return frame.astype({"delta_se": "float64", "admissible": "boolean"})

    def document(self) -> Document:
        """The selection as a page."""
        return _page_of(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The selection that `to_json` wrote, without its fit and reports.

        Raises
        ------
        DataError
            If it is not JSON of a selection.
        """
        if not isinstance(text, str):
            raise OptionError(f"a selection is read from the text of its JSON; found {shown(text)}")
        return from_json(text, cls, "selection")

    def __repr__(self) -> str:
        return f"<Selection among {len(self.models)} models by {self.criterion}: {self.verdict}>"


def _numbers(model: RankedModel) -> dict[str, Any]:
    return {
        "df": model.df,
        "llf": model.llf,
        "criterion": model.value,
        "delta": model.delta,
        "delta_se": model.delta_se,
        "weight": model.weight,
        "close": model.close,
        "admissible": model.admissible,
        "reason": model.reason,
        "notes": " ".join(model.notes),
        "step": model.step,
    }


# ---- the page ---------------------------------------------------------------------------


def _verdict_words(selection: Selection) -> str:
    """What was selected, in a sentence or two."""
    models, best = selection.models, selection.best
    if not models:
        return f"None of {len(selection.failures)} models converged, so none is selected."
    if best is None:
        return _none_admissible(selection)
    better = models[: models.index(best)]
    among = f"of {len(models)} models" if len(models) > 1 else "as the only model fitted"
    if better:
        words = (
            f"{best.model} has the lowest {selection.criterion} of the models that fail no check; "
            f"{_count(better, 'model')} with a lower one {_fail(better)} the checks."
        )
    else:
        passing = ", and fails none of the checks" if selection.gated else ""
        words = f"{best.model} has the lowest {selection.criterion} {among}{passing}."
    if best.delta > 0.0 and not better:
        words = f"{words[:-1]}, in a tie with {models[_lowest(models)].model}, which has more."
    if best.limited:
        words += f" It has no finite estimate of {', '.join(best.limited)}: see its notes."
    others = [model for model in selection.close if model is not best]
    if not others:
        return words
    are = "is" if len(others) == 1 else "are"
    return f"{words} {_count(others, 'other')} {are} close to the lowest: {_names(others)}."


def _lowest(models: Sequence[RankedModel]) -> int:
    return min(range(len(models)), key=lambda k: models[k].value)


def _none_admissible(selection: Selection) -> str:
    checked = [model for model in selection.models if model.admissible is not None]
    left = len(selection.models) - len(checked)
    words = (
        f"No model is admissible: {_count(checked, 'model')} with the lowest "
        f"{selection.criterion} {_fail(checked)} the checks, so none is selected."
    )
    return f"{words} {left} with a higher one were not checked." if left else words


def _fail(models: Sequence[RankedModel]) -> str:
    return "fails" if len(models) == 1 else "fail"


def _count(models: Sequence[RankedModel], noun: str) -> str:
    return f"1 {noun}" if len(models) == 1 else f"{len(models)} {noun}s"


def _names(models: Sequence[RankedModel], most: int = 3) -> str:
    names = "; ".join(model.model for model in models[:most])
    return names if len(models) <= most else f"{names}; and {len(models) - most} more"


def _page_of(selection: Selection) -> Document:
    """The whole page."""
    blocks: list[Block] = [Paragraph(selection.verdict)]
    if selection.best is not None:
        blocks += [Paragraph(note) for note in selection.best.notes]
    if selection.models:
        blocks.append(_ranking(selection))
    if selection.importance:
        blocks.append(_importance(selection))
    if len(selection.path) > 1:
        blocks.append(_path(selection))
    if selection.failures:
        blocks.append(_failures(selection))
    blocks += [Paragraph(remark, quiet=True) for remark in selection.remarks]
    return Document("Model selection", tuple(blocks))


def _ranking(selection: Selection) -> Table:
    shown = selection.models[:ROWS_SHOWN]
    with_se = any(model.delta_se is not None for model in shown)
    columns = ["model", "parameters", "log-lik.", selection.criterion, "difference"]
    columns += ["s.e."] if with_se else []
    columns += ["weight", *(["checks"] if selection.gated else [])]
    rows = tuple(_ranking_row(model, with_se, selection) for model in shown)
    hidden = len(selection.models) - len(shown)
    caption = f"{hidden} more in to_frame()." if hidden else ""
    return Table(tuple(columns), rows, caption)


def _ranking_row(model: RankedModel, with_se: bool, selection: Selection) -> tuple[Cell, ...]:
    cells: list[Cell] = [
        model.model,
        model.df,
        *map(_places, (model.llf, model.value, model.delta)),
    ]
    if with_se:
        cells.append(None if model.delta_se is None else _places(model.delta_se))
    cells.append(PValue(model.weight))
    if selection.gated:
        cells.append(_checks(model))
    return tuple(cells)


def _places(value: float) -> Places:
    return Places(value, 2)


def _checks(model: RankedModel) -> Cell:
    if model.admissible is None:
        return "not checked"
    undecided = [name for name, verdict in model.verdicts.items() if verdict == "UNDECIDED"]
    if undecided and not model.reason:
        return f"too few draws to fail {', '.join(undecided)}"
    return model.reason or Badge("PASS", "good")


def _importance(selection: Selection) -> Table:
    rows = tuple((term, PValue(weight)) for term, weight in selection.importance.items())
    return Table(("term", "importance"), rows)


def _path(selection: Selection) -> Section:
    rows = tuple(
        (
            step.number,
            len(step.fitted),
            step.best or "",
            None if step.value is None else _places(step.value),
        )
        for step in selection.path
    )
    table = Table(("step", "models fitted", "best so far", selection.criterion), rows)
    return Section(Heading("Path", 2), (table,))


def _failures(selection: Selection) -> Section:
    shown = selection.failures[:ROWS_SHOWN]
    rows = tuple((failure.model, failure.reason) for failure in shown)
    hidden = len(selection.failures) - len(shown)
    caption = f"{format_number(float(hidden))} more in `failures`." if hidden else ""
    return Section(Heading("Not ranked", 2), (Table(("model", "reason"), rows, caption),))
