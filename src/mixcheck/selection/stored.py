"""A selection in JSON, read with care: each field in its place and of its type."""

from __future__ import annotations

from typing import Any, get_args

from mixcheck.comparison.record import SCHEMA_VERSION
from mixcheck.display.reading import Reader
from mixcheck.selection.exploration import SearchName, Step

__all__ = ["failure_fields", "ranked_fields", "require_version", "selection_fields"]


def require_version(content: Reader) -> None:
    """Refuse a selection of another schema.

    Raises
    ------
    DataError
    """
    version = content.at("schema_version")
    if version.whole() != SCHEMA_VERSION:
        version.fail(f"{SCHEMA_VERSION}, which is what this version reads,")


def selection_fields(content: Reader) -> dict[str, Any]:
    """What a selection holds beside its models and failures."""
    importance = content.at("importance")
    seed = content.at("seed")
    return {
        "criterion": content.at("criterion").text(),
        "search": content.at("search").choice(get_args(SearchName)),
        "path": tuple(_step(item) for item in content.at("path").items()),
        "importance": {name: importance.at(name).finite() for name in importance.object()},
        "gated": content.at("gated").flag(),
        "seed": None if seed.is_null else seed.whole(),
        "remarks": content.at("remarks").texts(),
    }


def ranked_fields(row: Reader) -> dict[str, Any]:
    """The fields of one ranked model."""
    error, admissible = row.at("delta_se"), row.at("admissible")
    return {
        **_candidate(row),
        "terms": row.at("terms").texts(),
        "df": row.at("df").whole(),
        **{name: row.at(name).finite() for name in ("llf", "value", "delta", "weight")},
        "delta_se": None if error.is_null else error.finite(),
        "close": row.at("close").flag(),
        "admissible": None if admissible.is_null else admissible.flag(),
        "reason": row.at("reason").text(),
        "verdicts": row.at("verdicts").texts_by_name(),
        "notes": row.at("notes").texts(),
        "limited": row.at("limited").texts() if row.has("limited") else (),
    }


def failure_fields(row: Reader) -> dict[str, Any]:
    """The fields of one failure."""
    return {**_candidate(row), "reason": row.at("reason").text()}


def _candidate(row: Reader) -> dict[str, Any]:
    return {
        "model": row.at("model").text(),
        "description": row.at("description").texts_by_name(),
        "step": row.at("step").whole(),
    }


def _step(row: Reader) -> Step:
    best, value = row.at("best"), row.at("value")
    return Step(
        number=row.at("number").whole(),
        fitted=row.at("fitted").texts(),
        best=None if best.is_null else best.text(),
        value=None if value.is_null else value.finite(),
    )
