"""A selection as a page: what was selected, the ranking, the path, what failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from mixcheck.selection.selection import RankedModel, Selection

__all__ = ["page_of", "verdict_words"]

ROWS_SHOWN = 20


def verdict_words(selection: Selection) -> str:
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


def page_of(selection: Selection) -> Document:
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
    rows = tuple(_row(model, with_se, selection) for model in shown)
    hidden = len(selection.models) - len(shown)
    caption = f"{hidden} more in to_frame()." if hidden else ""
    return Table(tuple(columns), rows, caption)


def _row(model: RankedModel, with_se: bool, selection: Selection) -> tuple[Cell, ...]:
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
