"""``mixcheck inclusion``: how often a search would choose each term again."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mixcheck.arguments.options import require_workers
from mixcheck.checks.check import Suite
from mixcheck.codec.rows import rows_to_json
from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.models import add_model, family_of, model_arguments, require_whole
from mixcheck.command.outputs import add_outputs, as_csv, as_lines, deliver
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, table_of
from mixcheck.command.verbs.compare import add_criterion
from mixcheck.command.verbs.select import SHARED, choices_of
from mixcheck.comparison.bootstrap import bootstrap_lrt
from mixcheck.display.files import write_file
from mixcheck.selection.inclusion import inclusion
from mixcheck.selection.select import select

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "choose among the models within a formula, and again on data sets that are simulated"
EXAMPLE = (
    'mixcheck inclusion dataset:Orthodont --formula "distance ~ age * Sex + (1 | Subject)" '
    "--family gaussian --no-random --draws 100 --seed 1"
)
CALLED = {"n_jobs": "jobs"}
# Models are not checked here, and the numbers are those of the simulated data sets.
OF_CHECKS = ("draws", "calibration", "checked", "seed", "time_limit", "n_jobs")
OWN = ("family", "families", "criterion", "progress", *OF_CHECKS)
OWN_AGAIN = ("criterion", "progress")


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    parser.add_argument("--formula", required=True, help="the largest model")
    parser.add_argument(
        "--family", action="append", required=True, help="once, or once for each that is tried"
    )
    add_model(parser, without=SHARED)
    add_criterion(parser)
    add_options(parser, select, called=CALLED, without=OWN)
    described_by = (bootstrap_lrt, Suite.run)
    add_options(parser, inclusion, called=CALLED, without=OWN_AGAIN, described_by=described_by)
    add_outputs(parser, ("json", "jsonl", "csv"))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Search once, and again on simulated data."""
    again = given(options, inclusion, CALLED, OWN_AGAIN)
    require_workers(again.get("n_jobs"), "--jobs")
    criterion = {"criterion": options.criterion} if "criterion" in vars(options) else {}
    families = [family_of(options, name) for name in options.family]
    named = {"families": families} if len(families) > 1 else {"family": families[0]}
    own = choices_of(given(options, select, CALLED, OWN)) | named | criterion
    data = table_of(options)
    model = {name: value for name, value in model_arguments(options).items() if name not in own}
    n_jobs = {"n_jobs": again["n_jobs"]} if "n_jobs" in again else {}
    doing("searching")
    chosen = select(options.formula, data, **own, **model, **n_jobs, progress=options.progress)
    if chosen.best_fit is not None:
        require_whole(options, len(data), len(chosen.best_fit.frame))
    doing("searching again on simulated data sets")
    found = inclusion(chosen, **criterion, **again, progress=options.progress)
    table = found.to_frame()

    def as_json(path: Path | None) -> str:
        facts = pd.DataFrame([{"source": found.source, "draws": found.draws, "seed": found.seed}])
        return write_file(rows_to_json({"inclusion": facts, "frequencies": table}), path)

    deliver(options, str(found), {"json": as_json, "jsonl": as_lines(table), "csv": as_csv(table)})
    return PASSED
