"""``mixcheck kfold``: how well a model predicts rows that it was fitted without."""

from __future__ import annotations

import argparse
from pathlib import Path

from mixcheck.arguments.options import require_workers
from mixcheck.checks.check import Suite
from mixcheck.codec.rows import rows_to_json
from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.models import add_formula, add_model, fit_model
from mixcheck.command.outputs import add_outputs, as_csv, as_lines, deliver
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, table_of
from mixcheck.comparison.k_fold import kfold
from mixcheck.display.files import write_file

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "score a model on rows that it was fitted without, fold by fold"
EXAMPLE = (
    'mixcheck kfold dataset:cbpp --formula "incidence / size ~ period + (1 | herd)" '
    "--family binomial --folds 5 --group herd"
)
CALLED = {"n_jobs": "jobs"}
OWN = ("progress",)


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    add_formula(parser)
    add_model(parser)
    parser.add_argument(
        "--folds",
        type=int,
        metavar="N",
        default=argparse.SUPPRESS,
        help="number of random folds of even size (default: 10)",
    )
    add_options(parser, kfold, called=CALLED, without=OWN, described_by=(Suite.run,))
    add_outputs(parser, ("json", "jsonl", "csv"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Fit without each fold, and say how well its rows are predicted."""
    asked = given(options, kfold, CALLED, OWN)
    require_workers(asked.get("n_jobs"), "--jobs")
    if "folds" in vars(options):
        asked["folds"] = options.folds
    fit = fit_model(options, table_of(options), options.formula, options.family)
    doing("fitting without each fold")
    scores = kfold(fit, progress=options.progress, **asked)
    table = scores.to_frame()

    def as_json(path: Path | None) -> str:
        totals = scores.means.rename("mean").rename_axis("score").reset_index()
        return write_file(rows_to_json({"scores": totals, "rows": table}), path)

    deliver(options, str(scores), {"json": as_json, "jsonl": as_lines(table), "csv": as_csv(table)})
    return PASSED
