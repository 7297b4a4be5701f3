"""Models in words: the arguments of `mixcheck.glmm` as options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.errors import DataError
from mixcheck.families.registry import FAMILIES
from mixcheck.fitting.glmm import glmm

if TYPE_CHECKING:
    import pandas as pd

    from mixcheck.families.family import Family
    from mixcheck.fitting.results.glmm_fit import GLMM

__all__ = ["add_formula", "add_model", "family_of", "fit_model", "model_arguments"]

COLUMNS = ("weights", "precision", "offset")
# Checks have draws and a seed of their own.
CALLED = {"draws": "importance_draws", "seed": "importance_seed"}


def add_formula(parser: argparse.ArgumentParser) -> None:
    """What one model is."""
    parser.add_argument(
        "--formula", required=True, help='such as "y ~ x + (1 | group)"; it is never executed'
    )
    parser.add_argument("--family", required=True, help=f"one of {', '.join(FAMILIES)}")


def add_model(parser: argparse.ArgumentParser, *, without: Sequence[str] = ()) -> None:
    """How models are fitted."""
    parser.add_argument("--link", help="of the mean, if not the family's own, such as probit")
    add_options(parser, glmm, called=CALLED, columns=COLUMNS, without=("family", *without))


def model_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `glmm` that were given, the family left aside."""
    return given(options, glmm, CALLED, ("family",))


def family_of(options: argparse.Namespace, name: str) -> Family:
    """The family of a name, with the link that was asked for."""
    from mixcheck.families import get_family

    chosen = get_family(name)
    return chosen if options.link is None else type(chosen)(link=options.link)


def fit_model(options: argparse.Namespace, data: pd.DataFrame, formula: str, family: str) -> GLMM:
    """A model fitted to a table."""
    doing(f"fitting {formula} to {len(data):,} rows")
    fit = glmm(formula, data, family=family_of(options, family), **model_arguments(options))
    require_whole(options, len(data), len(fit.frame))
    return fit


def require_whole(options: argparse.Namespace, rows: int, used: int) -> None:
    """Refuse rows that were left out, where they are not to be."""
    if not options.dropna and used < rows:
        raise DataError(
            f"{rows - used} of {rows} rows have no value of a column that is used, and "
            "--no-dropna was given; fill or remove them, or write --dropna"
        )
