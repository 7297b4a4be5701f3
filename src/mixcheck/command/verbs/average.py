"""``mixcheck average``: coefficients or predictions of several models, weighted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from mixcheck.arguments.options import require_workers
from mixcheck.checks.check import Suite
from mixcheck.codec.rows import rows_to_json
from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.outputs import add_outputs, as_csv, as_lines, deliver, speaker
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, read_table, text_format
from mixcheck.command.terminal import colored, width
from mixcheck.command.verbs.compare import CALLED, add_criterion, add_models, fit_models
from mixcheck.comparison.averaged_quantities import AverageKind
from mixcheck.comparison.averaging import average
from mixcheck.comparison.bootstrap import bootstrap_lrt
from mixcheck.comparison.model_average import ModelAverage
from mixcheck.display.document import Document, Table
from mixcheck.display.files import write_file
from mixcheck.display.render import to_text
from mixcheck.errors import OptionError
from mixcheck.fitting.results.glmm_fit import GLMM

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "weight several models of one table, and average their coefficients or predictions"
EXAMPLE = (
    'mixcheck average dataset:Orthodont --formula "distance ~ age * Sex + (1 | Subject)" '
    '--formula "distance ~ age + (1 | Subject)" --family gaussian --criterion aicc'
)
JOBS = {"n_jobs": "jobs"}
OWN = ("progress",)
# What averages of coefficients have no use for.
OF_ROWS = ("random_effects", "unseen", "scale", "interval")


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    add_models(parser)
    add_criterion(parser)
    parser.add_argument(
        "--weighting",
        default=argparse.SUPPRESS,
        choices=("akaike", "stacking", "pseudo-bma", "pseudo-bma+"),
        help="weights of the models (default: akaike)",
    )
    parser.add_argument(
        "--kind",
        default=argparse.SUPPRESS,
        choices=get_args(AverageKind),
        help="averages of coefficients over all models, or over those that have them "
        "(default: full)",
    )
    parser.add_argument(
        "--new", metavar="DATA", help="another table, whose rows are predicted by all models"
    )
    described_by = (GLMM.predict, bootstrap_lrt, Suite.run)
    predict = ModelAverage.predict
    add_options(parser, predict, called=JOBS, without=OWN, described_by=described_by)
    add_outputs(parser, ("json", "jsonl", "csv"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Fit all, weight them, and average what was asked for."""
    asked = given(options, ModelAverage.predict, JOBS, OWN)
    require_workers(asked.get("n_jobs"), "--jobs")
    lost = [name for name in OF_ROWS if name in asked and options.new is None]
    if lost:
        raise OptionError(
            f"--{lost[0].replace('_', '-')} is of predictions, and no rows are given: write --new "
            "with a table"
        )
    if options.new is not None and "kind" in vars(options):
        raise OptionError("--kind is of averages of coefficients: leave it or --new out")
    new = None if options.new is None else read_table(options.new, text_format(options), tell=False)
    fits = fit_models(options)
    doing("averaging")
    averaged = average(fits, **_weights(options))
    what, table = _averages(options, averaged, new, asked)
    names = tuple(str(name) for name in table.columns)
    rows = tuple(
        (str(label), *values)
        for label, values in zip(table.index, table.to_numpy().tolist(), strict=True)
    )
    page = Document(f"Averages of {what}", (Table(("", *names), rows),))
    text = to_text(page, width=width(), color=colored(speaker(options)))
    tidy = table.rename_axis("row" if new is not None else "coefficient").reset_index()
    weights = averaged.weights.rename("weight").rename_axis("model").reset_index()

    def as_json(path: Path | None) -> str:
        return write_file(rows_to_json({"weights": weights, what: tidy}), path)

    forms = {"json": as_json, "jsonl": as_lines(tidy), "csv": as_csv(tidy)}
    deliver(options, f"{averaged}\n\n{text}", forms)
    return PASSED


def _weights(options: argparse.Namespace) -> dict[str, Any]:
    held = vars(options)
    named = {"criterion": "criterion", CALLED["weights"]: "weights"}
    return {name: held[flag] for flag, name in named.items() if flag in held}


def _averages(
    options: argparse.Namespace,
    averaged: ModelAverage,
    new: pd.DataFrame | None,
    asked: dict[str, object],
) -> tuple[str, pd.DataFrame]:
    """What is averaged, in a word, and the table of it."""
    shown: dict[str, Any] = {"progress": options.progress, **asked}
    if new is None:
        kind = {"kind": options.kind} if "kind" in vars(options) else {}
        return "coefficients", averaged.coefficients(**kind, **shown)
    found = averaged.predict(new, **shown)
    return "predictions", pd.DataFrame(found)
