"""``mixcheck demo``: from a model that fails its checks to one that passes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixcheck.command.checks import PASSED, add_progress
from mixcheck.command.pulse import doing
from mixcheck.command.terminal import colored, width
from mixcheck.demo import run_demo

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "from a Poisson model of salamanders that fails its checks to one that passes"
EXAMPLE = "mixcheck demo --report demo.html"


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    parser.add_argument(
        "--report",
        metavar="FILE",
        type=Path,
        default=Path("mixcheck-demo.html"),
        help="the page to write (default: mixcheck-demo.html)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (default: 1)")
    parser.add_argument(
        "--quick",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="fewer simulated data sets",
    )
    add_progress(parser)


def run(options: argparse.Namespace) -> int:
    """Run it."""
    doing("fitting and checking models of salamanders")
    run_demo(
        options.report,
        seed=options.seed,
        quick=options.quick,
        progress=options.progress,
        width=width(),
        color=colored(sys.stdout),
    )
    return PASSED
