"""The command: run cases, print each row, store the results, write the page."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from validation.published import results
from validation.published.frame import DISAGREES, Row, Tables, run
from validation.published.systems import CASES, SYSTEMS

DATA_VARIABLE = "MIXCHECK_VALIDATION_DATA"


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 where a row disagrees."""
    parser = argparse.ArgumentParser(
        prog="python -m validation published",
        description="Every published number that is reproduced, beside ours.",
    )
    parser.add_argument(
        "systems", nargs="*", metavar="SYSTEM", help=f"{', '.join(SYSTEMS)}; all by default"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(DATA_VARIABLE),
        help=f"directory of the tables that are not shipped; {DATA_VARIABLE} by default",
    )
    parser.add_argument("--quick", action="store_true", help="leave out what takes seconds")
    parser.add_argument("--no-store", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    unknown = sorted(set(asked.systems) - set(SYSTEMS))
    if unknown:
        parser.error(f"no system {', '.join(unknown)}; there are {', '.join(SYSTEMS)}")
    tables = Tables(None if asked.data is None else Path(asked.data))
    chosen = asked.systems or list(SYSTEMS)
    rows: list[Row] = []
    for name in chosen:
        of_system: list[Row] = []
        for case in CASES[name]:
            if not (asked.quick and case.slow):
                of_system += show(run(case, tables))
        if not asked.no_store:
            results.store(of_system)
        rows += of_system
    print(count(rows))
    return 1 if any(row.verdict == DISAGREES for row in rows) else 0


def show(rows: Iterable[Row]) -> list[Row]:
    """Print rows as they come."""
    shown: list[Row] = []
    for row in rows:
        if not shown:
            print(f"\n{row.system}: {row.case}\n  {row.model}; {row.approximation}")
            print(f"  {row.source}, {row.place} ({row.known})")
            print(f"  {'':34s} {'published':>14s} {'ours':>14s} {'difference':>11s}")
        ours = "" if row.ours is None else f"{row.ours:.7g}"
        difference = "" if row.difference is None else f"{row.difference:+.1e}"
        line = f"  {row.quantity:34s} {row.published or '-':>14s} {ours:>14s} {difference:>11s}"
        print(f"{line}  {row.verdict}")
        shown.append(row)
    return shown


def count(rows: list[Row]) -> str:
    """One line: how many of each verdict."""
    counted = Counter(row.verdict for row in rows)
    return f"\n{len(rows)} numbers: " + ", ".join(f"{n} {v}" for v, n in counted.most_common())
