"""``mixcheck compare``: several models of the same data, ranked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.models import add_model, fit_model
from mixcheck.command.outputs import add_outputs, as_lines, deliver, speaker
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, table_of
from mixcheck.command.terminal import colored, width
from mixcheck.comparison.registry import CRITERIA
from mixcheck.comparison.table import compare
from mixcheck.errors import OptionError

if TYPE_CHECKING:
    from mixcheck.fitting.results.glmm_fit import GLMM

__all__ = ["CALLED", "EXAMPLE", "HELP", "add", "add_criterion", "add_models", "fit_models", "run"]

HELP = "fit several models to the same data and rank them"
EXAMPLE = (
    'mixcheck compare dataset:cbpp --formula "incidence / size ~ 1 + (1 | herd)" '
    '--formula "incidence / size ~ period + (1 | herd)" --family binomial'
)
# Weights of models; those of rows are an option of the fit.
CALLED = {"weights": "weighting"}


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    add_models(parser)
    add_criterion(parser)
    add_options(parser, compare, called=CALLED, without=("criterion",))
    add_outputs(parser, ("report", "json", "jsonl"))
    add_progress(parser)


def add_models(parser: argparse.ArgumentParser) -> None:
    """Several models of one table."""
    parser.add_argument(
        "--formula", action="append", required=True, help="give it once for each model"
    )
    parser.add_argument(
        "--family", action="append", required=True, help="once, or once for each formula"
    )
    add_model(parser)


def add_criterion(parser: argparse.ArgumentParser) -> None:
    """By what models are ranked."""
    parser.add_argument(
        "--criterion",
        choices=tuple(CRITERIA),
        default=argparse.SUPPRESS,
        help="by which models are ranked (default: aic)",
    )


def run(options: argparse.Namespace) -> int:
    """Fit all, and rank them."""
    fits = fit_models(options)
    doing("comparing")
    table = compare(fits, **given(options, compare, CALLED))
    text = table.to_text(width=width(), color=colored(speaker(options)))

    deliver(
        options,
        text,
        {
            "report": table.to_html,
            "json": table.to_json,
            "jsonl": as_lines(table.to_frame()),
        },
    )
    return PASSED


def fit_models(options: argparse.Namespace) -> list[GLMM]:
    """All models, fitted to one table."""
    pairs = _pairs(options.formula, options.family)
    data = table_of(options)
    return [fit_model(options, data, formula, family) for formula, family in pairs]


def _pairs(formulas: list[str], families: list[str]) -> list[tuple[str, str]]:
    """Formula and family of each model; what is given once holds for all."""
    number = max(len(formulas), len(families))
    if number < 2:
        raise OptionError(
            "there must be at least two models; give --formula (or --family) once for each"
        )
    if len(formulas) not in (1, number) or len(families) not in (1, number):
        raise OptionError(
            f"there are {len(formulas)} formulas and {len(families)} families; give each once, or "
            "once for each model"
        )
    return list(
        zip(formulas * (number // len(formulas)), families * (number // len(families)), strict=True)
    )
