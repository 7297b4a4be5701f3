"""A report as JSON, and back: every number exactly, pictures included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from mixcheck.display.document import (
    Badge,
    Cell,
    Figure,
    PValue,
    Table,
    picture_from_dict,
    picture_to_dict,
)
from mixcheck.display.encoding import (
    array_from_json,
    array_to_json,
    number_from_json,
    number_to_json,
)
from mixcheck.errors import DataError
from mixcheck.report.finding import Effect, Finding, Skipped
from mixcheck.report.policy import Judgement

__all__ = [
    "SCHEMA_VERSION",
    "Extra",
    "check_schema",
    "extra_from_dict",
    "extra_to_dict",
    "judgement_to_dict",
    "outcome_from_dict",
    "outcome_to_dict",
    "plain",
]

SCHEMA_VERSION = 1

Extra: TypeAlias = Figure | Table


def check_schema(content: Mapping[str, Any]) -> None:
    """Refuse a report of another schema.

    Raises
    ------
    DataError
        If the version is missing or not the one that is read here.
    """
    found = content.get("schema_version")
    if found != SCHEMA_VERSION:
        raise DataError(
            f"this is no report that can be read: schema_version is {found!r}, "
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
        "picture": None if picture is None else picture_to_dict(picture),
        "references": list(outcome.references),
        "detail": outcome.detail,
        "asked": plain(outcome.asked),
        "subject": dict(outcome.subject),
    }


def outcome_from_dict(content: Mapping[str, Any]) -> Finding | Skipped:
    """The outcome that `outcome_to_dict` was given."""
    if content["outcome"] == "skipped":
        told = (content["check"], content["kind"], content["reason"])
        return Skipped(*told, content.get("asked", {}), content.get("subject", {}))
    effect, pvalue, picture = content["effect"], content["pvalue"], content["picture"]
    return Finding(
        check=content["check"],
        kind=content["kind"],
        null=content["null"],
        statistic=number_from_json(content["statistic"]),
        pvalue=None if pvalue is None else number_from_json(pvalue["number"]),
        alternative=content["alternative"],
        effect=Effect(
            effect["name"],
            *(number_from_json(effect[part]) for part in ("value", "low", "high", "null")),
        ),
        n=content["n"],
        floor=number_from_json(content["floor"]),
        replicates=array_from_json(content["replicates"]),
        holds=content["holds"],
        rows=array_from_json(content["rows"]),
        picture=None if picture is None else picture_from_dict(picture),
        references=tuple(content["references"]),
        detail=content["detail"],
        asked=content.get("asked", {}),
        subject=content.get("subject", {}),
    )


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


def extra_from_dict(content: Mapping[str, Any]) -> Extra:
    """The figure or table that `extra_to_dict` was given."""
    if content["block"] == "figure":
        return Figure(picture_from_dict(content["picture"]), content["caption"], content["alt"])
    rows = tuple(tuple(_cell_from_json(cell) for cell in row) for row in content["rows"])
    return Table(tuple(content["columns"]), rows, content["caption"])


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


def _cell_from_json(content: Any) -> Cell:
    match content:
        case {"badge": [word, tone]}:
            return Badge(word, tone)
        case {"pvalue": value}:
            return PValue(None if value is None else number_from_json(value))
        case {"number": value}:
            return number_from_json(value)
        case _:
            return cast(Cell, content)
