"""``mixcheck check``: a model and its checks."""

from __future__ import annotations

import argparse

from mixcheck.command.checks import (
    EXIT_HELP,
    add_checks,
    add_progress,
    check_model,
    policy_of,
    require_numbers,
    suite_of,
    verdict_code,
)
from mixcheck.command.models import add_formula, add_model, fit_model
from mixcheck.command.outputs import add_outputs, as_lines, deliver, speaker
from mixcheck.command.tables import add_table, table_of
from mixcheck.command.terminal import colored, width
from mixcheck.display.terminal import on_a_terminal

__all__ = ["EPILOG", "EXAMPLE", "HELP", "add", "run"]

HELP = "fit a model and check it: the standard checks, or those of a file"
EPILOG = EXIT_HELP
EXAMPLE = (
    'mixcheck check dataset:grouseticks --formula "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)" '
    "--family poisson --seed 1 --report ticks.html"
)


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    add_formula(parser)
    add_model(parser)
    add_checks(parser)
    add_outputs(parser, ("report", "json", "jsonl", "junit"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Fit, check, and say what was found; the verdict as an exit code."""
    policy_of(options)
    suite = suite_of(options)
    require_numbers(options)
    fit = fit_model(options, table_of(options), options.formula, options.family)
    report = check_model(options, fit, suite)
    text = (
        f"{on_a_terminal(fit.formula)}, {fit.family.name}: {fit.nobs} observations, "
        f"log-likelihood {fit.llf:.4f}\n\n"
        f"{report.to_text(width=width(), color=colored(speaker(options)))}\n\n"
        f"Seed: {report.provenance['seed']}"
    )

    forms = {"report": report.to_html, "json": report.to_json, "junit": report.to_junit}
    deliver(options, text, {**forms, "jsonl": as_lines(report.to_frame())})
    return verdict_code(report, strict=options.strict)
