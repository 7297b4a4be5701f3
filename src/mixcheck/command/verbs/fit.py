"""``mixcheck fit``: a model and its estimates."""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mixcheck.codec.rows import rows_to_json
from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.models import add_formula, add_model, fit_model
from mixcheck.command.outputs import add_outputs, as_csv, as_lines, deliver, speaker
from mixcheck.command.pulse import doing
from mixcheck.command.tables import add_table, table_of
from mixcheck.command.terminal import colored, width
from mixcheck.display.files import write_file
from mixcheck.display.render import to_html, to_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "fit a model and print its estimates"
EXAMPLE = (
    'mixcheck fit dataset:cbpp --formula "incidence / size ~ period + (1 | herd)" '
    "--family binomial --csv estimates.csv"
)


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    add_formula(parser)
    add_model(parser)
    add_outputs(parser, ("report", "json", "jsonl", "csv"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Fit, and say what came of it."""
    fit = fit_model(options, table_of(options), options.formula, options.family)
    document = fit.summary().document()

    @cache
    def tidy() -> pd.DataFrame:
        # Intervals of variances are by profile likelihood, which takes longer than the fit.
        doing("finding the intervals of variances")
        return fit.tidy()

    def page(path: Path | None) -> str:
        return write_file(to_html(document), path)

    def as_json(path: Path | None) -> str:
        facts = {"fit": fit.glance(), "estimates": tidy()}
        return write_file(rows_to_json(facts), path)

    text = to_text(document, width=width(), color=colored(speaker(options)))
    forms = {
        "report": page,
        "json": as_json,
        "jsonl": lambda path: as_lines(tidy())(path),
        "csv": lambda path: as_csv(tidy())(path),
    }
    deliver(options, text, forms)
    if not fit.converged:
        print("mixcheck: warning: the search did not converge", file=sys.stderr)
    return PASSED
