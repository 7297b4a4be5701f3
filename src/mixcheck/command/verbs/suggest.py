"""``mixcheck suggest``: a model, its checks, and what would answer those that fail."""

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
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, table_of
from mixcheck.command.terminal import colored, width
from mixcheck.command.verbs.compare import add_criterion
from mixcheck.selection.suggestions import suggest

__all__ = ["EPILOG", "EXAMPLE", "HELP", "add", "run"]

HELP = "check a model, and try those that answer what fails"
EPILOG = EXIT_HELP
EXAMPLE = (
    'mixcheck suggest dataset:grouseticks --formula "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)" '
    "--family poisson --seed 1 --most 4"
)
CALLED = {"n_jobs": "jobs"}


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    add_formula(parser)
    add_model(parser)
    add_checks(parser)
    add_criterion(parser)
    add_options(parser, suggest, without=("criterion", "n_jobs", "progress", "time_limit"))
    add_outputs(parser, ("report", "json", "jsonl"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Check, try, and say what helps; the exit code is the verdict on the model itself."""
    policy_of(options)
    suite = suite_of(options)
    require_numbers(options)
    fit = fit_model(options, table_of(options), options.formula, options.family)
    report = check_model(options, fit, suite)
    doing("trying other models")
    found = suggest(
        report,
        progress=options.progress,
        **given(options, suggest, CALLED, ("progress",)),
    )

    color = colored(speaker(options))
    pages = [one.to_text(width=width(), color=color) for one in (report, found)]
    text = "\n\n".join([*pages, f"Seed: {report.provenance['seed']}"])
    deliver(
        options,
        text,
        {"report": found.to_html, "json": found.to_json, "jsonl": as_lines(found.to_frame())},
    )
    return verdict_code(report, strict=options.strict)
