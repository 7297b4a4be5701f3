"""``mixcheck select``: the best of the models within a formula."""

from __future__ import annotations

import argparse
from typing import Any

from mixcheck.checks.check import Suite
from mixcheck.command.checks import (
    PASSED,
    add_progress,
    add_suite,
    policy_of,
    require_numbers,
    suite_of,
)
from mixcheck.command.models import add_model, family_of, model_arguments, require_whole
from mixcheck.command.outputs import add_outputs, as_lines, deliver, speaker
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, table_of
from mixcheck.command.terminal import colored, width
from mixcheck.command.verbs.compare import add_criterion
from mixcheck.selection.select import select
from mixcheck.simulation import replicate

__all__ = ["EXAMPLE", "HELP", "SHARED", "add", "choices_of", "run"]

HELP = "choose among the models within a formula"
EXAMPLE = (
    'mixcheck select dataset:Orthodont --formula "distance ~ age * Sex + (1 | Subject)" '
    "--family gaussian --no-random --criterion bic"
)
CALLED = {"n_jobs": "jobs"}
# What a search asks by itself, or has no place in one.
OWN = ("family", "families", "criterion", "progress")
SHARED = ("zi", "dispersion", "draws", "seed", "reml")


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    parser.add_argument("--formula", required=True, help="the largest model")
    parser.add_argument(
        "--family", action="append", required=True, help="once, or once for each that is tried"
    )
    add_model(parser, without=SHARED)
    add_criterion(parser)
    described_by = (Suite.run, replicate)
    add_options(parser, select, called=CALLED, without=OWN, described_by=described_by)
    add_suite(parser)
    add_outputs(parser, ("report", "json", "jsonl"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Search, and say what was chosen."""
    require_numbers(options)
    asked: dict[str, Any] = {"suite": suite_of(options), "policy": policy_of(options)}
    families = [family_of(options, name) for name in options.family]
    named = {"families": families} if len(families) > 1 else {"family": families[0]}
    own = choices_of(given(options, select, CALLED, OWN)) | named
    if "criterion" in vars(options):
        own["criterion"] = options.criterion
    data = table_of(options)
    doing("searching")
    chosen = select(
        options.formula,
        data,
        **{name: value for name, value in asked.items() if value is not None},
        **own,
        **{name: value for name, value in model_arguments(options).items() if name not in own},
        progress=options.progress,
    )
    if chosen.best_fit is not None:
        require_whole(options, len(data), len(chosen.best_fit.frame))

    text = chosen.to_text(width=width(), color=colored(speaker(options)))
    deliver(
        options,
        text,
        {"report": chosen.to_html, "json": chosen.to_json, "jsonl": as_lines(chosen.to_frame())},
    )
    return PASSED


def choices_of(own: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a search, where "none" is the choice of no such part."""
    parts = {name: own[name] for name in ("zi", "dispersion") if name in own}
    return own | {
        name: [None if text == "none" else text for text in texts] for name, texts in parts.items()
    }
