"""A report as JSON, and back: every number exactly, pictures included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast, get_args

import numpy as np

from mixcheck.display.document import (
    Badge,
    Cell,
    Figure,
    PValue,
    Table,
    Tone,
    picture_to_dict,
    read_picture,
)
from mixcheck.display.encoding import array_to_json, number_to_json
from mixcheck.display.reading import Reader
from mixcheck.errors import DataError
from mixcheck.options import shown
from mixcheck.report.finding import Alternative, Effect, Finding, Skipped
from mixcheck.report.policy import Judgement

__all__ = [
    "SCHEMA_VERSION",
    "Extra",
    "check_schema",
    "extra_to_dict",
    "judgement_to_dict",
    "outcome_to_dict",
    "plain",
    "read_extra",
    "read_outcome",
]

SCHEMA_VERSION = 1

Extra: TypeAlias = Figure | Table


def check_schema(content: Reader) -> None:
    """Refuse a report of another schema.

    Raises
    ------
    DataError
        If the version is missing or not the one that is read here.
    """
    found = content.object().get("schema_version")
    if type(found) is not int or found != SCHEMA_VERSION:
        raise DataError(
            f"this is no report that can be read: schema_version is {shown(found)}, "
            f"and {SCHEMA_VERSION} is read; write it again with report.to_json()"
        )


def plain(value: Any) -> Any:
    """A value of the provenance as JSON holds it.

    Raises
    ------
    DataError
        If it is none of text, number, truth value, None, list, tuple, array or mapping.

    Examples
    --------
    >>> plain({"seed": np.int64(1), "levels": (0.5, float("nan"))})
    {'seed': 1, 'levels': [0.5, None]}
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return number_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise DataError(
        f"the provenance of a report holds text, numbers, lists and mappings, "
        f"found {type(value).__name__}"
    )


def outcome_to_dict(outcome: Finding | Skipped) -> dict[str, Any]:
    """A finding or a skipped check as a dictionary that JSON can hold."""
    if isinstance(outcome, Skipped):
        return {
            "outcome": "skipped",
            "check": outcome.check,
            "kind": outcome.kind,
            "reason": outcome.reason,
            "asked": plain(outcome.asked),
            "subject": dict(outcome.subject),
        }
    effect, pvalue, picture = outcome.effect, outcome.pvalue, outcome.picture
    return {
        "outcome": "finding",
        "check": outcome.check,
        "kind": outcome.kind,
        "null": outcome.null,
        "statistic": number_to_json(outcome.statistic),
        "pvalue": None if pvalue is None else {"number": number_to_json(pvalue)},
        "alternative": outcome.alternative,
        "effect": {
            "name": effect.name,
            "value": number_to_json(effect.value),
            "low": number_to_json(effect.low),
            "high": number_to_json(effect.high),
            "null": number_to_json(effect.null),
        },
        "n": int(outcome.n),
        "floor": number_to_json(outcome.floor),
        "replicates": array_to_json(outcome.replicates),
        "holds": None if outcome.holds is None else bool(outcome.holds),
        "rows": array_to_json(outcome.rows),
        "row_labels": list(outcome.row_labels),
        "picture": None if picture is None else picture_to_dict(picture),
        "references": list(outcome.references),
        "detail": outcome.detail,
        "caution": outcome.caution,
        "asked": plain(outcome.asked),
        "subject": dict(outcome.subject),
    }


def read_outcome(content: Reader) -> Finding | Skipped:
    """The outcome that `outcome_to_dict` was given."""
    names = (content.at("check").text(), content.at("kind").text())
    if content.at("outcome").choice(("finding", "skipped")) == "skipped":
        return Skipped(
            *names, content.at("reason").text(), asked=_asked(content), subject=_subject(content)
        )
    effect, pvalue, picture, holds = map(content.at, ("effect", "pvalue", "picture", "holds"))
    return Finding(
        *names,
        null=content.at("null").text(),
        statistic=content.at("statistic").number(),
        pvalue=None if pvalue.is_null else pvalue.at("number").number(0.0, 1.0),
        alternative=cast(Alternative, content.at("alternative").choice(get_args(Alternative))),
        effect=Effect(
            effect.at("name").text(),
            *(effect.at(part).number() for part in ("value", "low", "high", "null")),
        ),
        n=content.at("n").whole(),
        floor=content.at("floor").number(0.0, 1.0),
        replicates=content.at("replicates").array("float64"),
        holds=None if holds.is_null else holds.flag(),
        rows=content.at("rows").array("int64"),
        row_labels=content.at("row_labels").texts() if content.has("row_labels") else (),
        picture=None if picture.is_null else read_picture(picture),
        references=content.at("references").texts(),
        detail=content.at("detail").text(),
        caution=content.at("caution").text() if content.has("caution") else "",
        asked=_asked(content),
        subject=_subject(content),
    )


def _asked(content: Reader) -> dict[str, Any]:
    """Which check asked; older reports do not say."""
    return content.at("asked").object() if content.has("asked") else {}


def _subject(content: Reader) -> dict[str, str]:
    return content.at("subject").texts_by_name() if content.has("subject") else {}


def judgement_to_dict(judgement: Judgement) -> dict[str, Any]:
    """A judgement for readers of the JSON; it is judged again when read."""
    return {
        "check": judgement.check,
        "verdict": judgement.verdict.value,
        "pvalue": _optional(judgement.pvalue),
        "adjusted_pvalue": _optional(judgement.adjusted_pvalue),
        "sentence": judgement.sentence,
    }


def _optional(value: float | None) -> float | str | None:
    return None if value is None else number_to_json(value)


def extra_to_dict(extra: Extra) -> dict[str, Any]:
    """A figure or a table that belongs to the model as a dictionary that JSON can hold."""
    if isinstance(extra, Figure):
        return {
            "block": "figure",
            "picture": picture_to_dict(extra.picture),
            "caption": extra.caption,
            "alt": extra.alt,
        }
    return {
        "block": "table",
        "columns": list(extra.columns),
        "rows": [[_cell_to_json(cell) for cell in row] for row in extra.rows],
        "caption": extra.caption,
    }


def read_extra(content: Reader) -> Extra:
    """The figure or table that `extra_to_dict` was given."""
    caption = content.at("caption").text()
    if content.at("block").choice(("figure", "table")) == "figure":
        return Figure(read_picture(content.at("picture")), caption, content.at("alt").text())
    rows = tuple(
        tuple(_read_cell(cell) for cell in row.items()) for row in content.at("rows").items()
    )
    return Table(content.at("columns").texts(), rows, caption)


def _cell_to_json(cell: Cell) -> Any:
    match cell:
        case Badge(word=word, tone=tone):
            return {"badge": [word, tone]}
        case PValue(value=value):
            return {"pvalue": _optional(value)}
        case float():
            return {"number": number_to_json(cell)}
        case _:
            return plain(cell)


def _read_cell(cell: Reader) -> Cell:
    if cell.has("badge"):
        word, tone = _pair(cell.at("badge"))
        return Badge(word.text(), cast(Tone, tone.choice(get_args(Tone))))
    if cell.has("pvalue"):
        value = cell.at("pvalue")
        return PValue(None if value.is_null else value.number())
    if cell.has("number"):
        return cell.at("number").number()
    if cell.is_null or isinstance(cell.value, str | bool):
        return cast(Cell, cell.value)
    return cell.whole(least=-(2**63))


def _pair(reader: Reader) -> tuple[Reader, Reader]:
    parts = reader.items()
    if len(parts) != 2:
        reader.fail("a list of two")
    return parts[0], parts[1]
