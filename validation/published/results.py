"""Stored results, and the table of them in the documentation.

A row that a reader could not run, for its data are not at hand, stays as it was stored.
"""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import mixcheck as mc
from validation.published.frame import NOT_AT_HAND, VERDICTS, Row
from validation.published.systems import CASES

HERE = Path(__file__).parent
STORED = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "explanation" / "published.md"
BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"
# Pages hold one sentence a line.
SENTENCES, NEW_LINE = re.compile(r"(?<=[a-z0-9)]\.) (?=[A-Z])"), "\n"
# What lies beyond is rounding of one machine.
DIGITS = 12
# What the rows of a case have in common.
SHARED = ("system", "case", "model", "approximation", "source", "place", "known", "data")


def order() -> list[tuple[str, str, str]]:
    """Keys of all rows, in the order of the systems."""
    return [
        (case.system, case.name, number.quantity)
        for cases in CASES.values()
        for case in cases
        for number in case.numbers
    ]


def load() -> list[Row]:
    """The stored rows."""
    if not STORED.exists():
        return []
    cases = json.loads(STORED.read_text(encoding="utf-8"))["cases"]
    rows = []
    for case in cases:
        shared = {name: value for name, value in case.items() if name != "rows"}
        for row in case["rows"]:
            own = {name: value for name, value in row.items() if name != "difference"}
            rows.append(Row(**shared, **own))
    return rows


def merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """New rows in the place of old ones, save those that could not run; in order."""
    rows = {row.key: row for row in old}
    for row in new:
        if row.verdict != NOT_AT_HAND or row.key not in rows:
            rows[row.key] = row
    return [rows[key] for key in order() if key in rows]


def store(new: Iterable[Row]) -> None:
    """Write the results, and the tables of the page."""
    rows = merge(load(), map(_rounded_row, new))
    cases = [
        {
            **{name: getattr(of_case[0], name) for name in SHARED},
            "rows": [_own(row) for row in of_case],
        }
        for of_case in by_case(rows)
    ]
    record = {"mixcheck": mc.__version__, "python": platform.python_version(), "cases": cases}
    STORED.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(load())


def by_case(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows of one case together."""
    return [list(of_case) for _, of_case in groupby(rows, key=lambda row: row.key[:2])]


def _own(row: Row) -> dict[str, Any]:
    """What a row does not share with its case."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    own = {name: value for name, value in values.items() if name not in SHARED}
    return {**own, "difference": _rounded(row.difference, 3)}


def _rounded_row(row: Row) -> Row:
    return replace(
        row,
        ours=_rounded(row.ours, DIGITS),
        independent=_rounded(row.independent, DIGITS),
        tolerance=_rounded(row.tolerance, 3),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")


def write_page(rows: list[Row]) -> None:
    """Put the table of the rows between the marks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{table(rows)}\n{END}{tail}", encoding="utf-8")


def table(rows: list[Row]) -> str:
    """All rows in Markdown: one section a system, one table a case."""
    counted = Counter(row.verdict for row in rows)
    parts = ["| verdict | numbers |\n|---|---|"]
    parts += [f"| {verdict} | {counted[verdict]} |" for verdict in VERDICTS if counted[verdict]]
    text = "\n".join(parts) + "\n"
    for system, of_system in groupby(rows, key=lambda row: row.system):
        text += f"\n### {system}\n"
        text += "".join(_case(of_case) for of_case in by_case(of_system))
    return text


def _case(rows: list[Row]) -> str:
    first = rows[0]
    text = f"\n#### {first.case}\n\n`{first.model}`; {first.approximation}.\n"
    text += f"Source: {first.source}, {first.place} ({first.known}).\n"
    if first.data != "shipped":
        text += f"The data, `{first.data}`, are not shipped.\n"
    if checks := sorted({row.by for row in rows if row.by}):
        text += f"Independent: {'; '.join(checks)}.\n"
    reasons = sorted({row.because for row in rows})
    text += f"Tolerance: {'; '.join(reasons)}.\n"
    notes = dict.fromkeys(row.note for row in rows if row.note)
    text += "".join(f"{SENTENCES.sub(NEW_LINE, note)}\n" for note in notes)
    text += "\n| quantity | published | ours | difference | tolerance | independent | verdict |\n"
    text += "|---|---|---|---|---|---|---|\n"
    for row in rows:
        cells = (
            row.quantity,
            row.published,
            _cell(row.ours),
            "" if row.difference is None else f"{row.difference:+.1e}",
            "" if row.tolerance is None else f"{row.tolerance:.1e}",
            _cell(row.independent),
            row.verdict,
        )
        text += "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    return text


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.7g}"
