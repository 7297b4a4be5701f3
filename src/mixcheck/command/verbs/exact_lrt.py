"""``mixcheck exact-lrt``: one variance of a linear mixed model, by its exact distribution."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mixcheck.codec.rows import rows_to_json
from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.models import add_model, fit_model
from mixcheck.command.outputs import add_outputs, deliver
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.command.tables import add_table, table_of
from mixcheck.comparison.exact import exact_lrt
from mixcheck.display.files import write_file
from mixcheck.errors import OptionError

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "test one variance of a linear mixed model by its distribution in finite samples"
EXAMPLE = (
    'mixcheck exact-lrt dataset:sleepstudy --formula "Reaction ~ Days" '
    '--formula "Reaction ~ Days + (1 | Subject)" --reml --seed 1'
)
# Of the fit, `draws` and `seed` are those of importance sampling.
MODEL = ("draws", "seed")


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    add_table(parser)
    parser.add_argument(
        "--formula", action="append", required=True, help="the smaller model, then the larger one"
    )
    add_model(parser, without=MODEL)
    add_options(parser, exact_lrt)
    add_outputs(parser, ("json",))
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Fit both, and test what the larger one has besides."""
    if len(options.formula) != 2:
        raise OptionError(
            f"exact-lrt compares two models and was given {len(options.formula)}: write --formula "
            "for the smaller one, then for the larger one"
        )
    data = table_of(options)
    smaller, larger = (fit_model(options, data, text, "gaussian") for text in options.formula)
    doing("simulating the statistics")
    test = exact_lrt(smaller, larger, **given(options, exact_lrt))
    facts = ("null", "statistic", "pvalue", "error", "draws", "zeros", "restricted", "exact")
    table = pd.DataFrame([{name: getattr(test, name) for name in (*facts, "seed")}])

    def as_json(path: Path | None) -> str:
        return write_file(rows_to_json({"test": table}), path)

    deliver(options, str(test), {"json": as_json})
    return PASSED
