"""What calls are made with: a small table, fits of it, and what follows from them."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from scipy import stats

import mixcheck as mc
from mixcheck.port import port_of
from mixcheck.report.finding import Effect

ROWS = 48


@cache
def _base() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    g = np.repeat(np.arange(8), 6)
    h = np.tile(np.arange(6), 8)
    x, z = rng.normal(size=ROWS), rng.uniform(1.0, 3.0, ROWS)
    u = rng.normal(0.0, 0.6, 8)[g] + rng.normal(0.0, 0.4, 6)[h]
    mean = np.exp(1.0 + 0.3 * x + u)
    chance = 1.0 / (1.0 + np.exp(-(0.2 + 0.5 * x + u)))
    m = rng.integers(4, 12, ROWS)
    return pd.DataFrame(
        {
            "y": rng.negative_binomial(2.0, 2.0 / (2.0 + mean)),
            "zeros": rng.poisson(mean) * (rng.random(ROWS) < 0.7),
            "least": 1 + rng.poisson(mean),
            "k": rng.binomial(m, chance),
            "m": m,
            "b": (rng.random(ROWS) < chance).astype(int),
            "r": 2.0 + 0.5 * x + u + rng.normal(size=ROWS),
            "t": rng.gamma(3.0, mean / 3.0),
            "p": rng.beta(4.0 * chance, 4.0 * (1.0 - chance)).clip(0.01, 0.99),
            "x": x,
            "z": z,
            "f": np.array(["low", "mid", "top"])[rng.integers(0, 3, ROWS)],
            "g": g,
            "h": np.array(list("pqrstu"))[h],
            "w": rng.integers(1, 4, ROWS),
            "o": np.log(z),
            "flag": rng.random(ROWS) < 0.5,
            "day": pd.date_range("2020-01-01", periods=ROWS),
            "row": np.arange(ROWS),
            "step": np.arange(ROWS),
            "grade": 1 + (mean > 2.0).astype(int) + (mean > 4.0) * (rng.random(ROWS) < 0.8),
        }
    )


def base() -> pd.DataFrame:
    """The table, new."""
    return _base().copy()


# Correlations of the levels of h, and their tree.
KINSHIP = pd.DataFrame(0.5 * np.eye(6) + 0.5, index=list("pqrstu"), columns=list("pqrstu"))
TREE = "((p:1,q:1):1,((r:1,s:1):0.5,(t:1,u:1):0.5):0.5);"

FITS: dict[str, tuple[str, dict[str, Any]]] = {
    "gaussian": ("r ~ x + (1 | g)", {}),
    "slopes": ("r ~ x + (x | g)", {}),
    "reml": ("r ~ x + (1 | g)", {"reml": True}),
    "poisson": ("y ~ x + (1 | g)", {"family": "poisson"}),
    "ordinal": ("grade ~ x + (1 | g)", {"family": "ordinal"}),
    "constant": ("y ~ 1 + (1 | g)", {"family": "poisson"}),
    "larger": ("y ~ x + z + (1 | g)", {"family": "poisson"}),
    "other": ("y ~ z + (1 | g)", {"family": "poisson"}),
    "fixed": ("y ~ x", {"family": "poisson"}),
    "crossed": ("y ~ x + (1 | g) + (1 | h)", {"family": "poisson"}),
    "factor": ("y ~ f + (1 | g)", {"family": "poisson"}),
    "nbinom2": ("y ~ x + (1 | g)", {"family": "nbinom2"}),
    "nbinom1": ("y ~ x + (1 | g)", {"family": "nbinom1"}),
    "binomial": ("k / m ~ x + (1 | g)", {"family": "binomial"}),
    "bernoulli": ("b ~ x + (1 | g)", {"family": "binomial"}),
    "betabinomial": ("k / m ~ x + (1 | g)", {"family": "betabinomial"}),
    "beta": ("p ~ x + (1 | g)", {"family": "beta"}),
    "gamma": ("t ~ x + (1 | g)", {"family": "gamma"}),
    "lognormal": ("t ~ x + (1 | g)", {"family": "lognormal"}),
    "zeros": ("zeros ~ x + (1 | g)", {"family": "poisson", "zi": "~ 1"}),
    "least": ("least ~ x + (1 | g)", {"family": "truncated_poisson"}),
    "scale": ("r ~ x + (1 | g)", {"dispersion": "~ z"}),
    "agq": ("y ~ x + (1 | g)", {"family": "poisson", "method": "agq", "nodes": 5}),
    "pql": ("y ~ x + (1 | g)", {"family": "poisson", "method": "pql"}),
    "profiled": ("y ~ x + (1 | g)", {"family": "poisson", "method": "profiled"}),
    "offset": ("y ~ x + offset(o) + (1 | g)", {"family": "poisson"}),
    "array offset": ("y ~ x + (1 | g)", {"family": "poisson", "offset": "array"}),
    "weights": ("y ~ x + (1 | g)", {"family": "poisson", "weights": "w"}),
    "precision": ("r ~ x + (1 | g)", {"precision": "z"}),
    "missing": ("y ~ x + (1 | g)", {"family": "poisson", "missing": True}),
    "t": ("r ~ x + (1 | g)", {"family": "t"}),
    "hurdle": ("y ~ x + (1 | g)", {"family": "truncated_poisson", "zi": "~ 1"}),
    "symmetric": ("r ~ x + homcs(0 + f | g)", {}),
    "serial": ("y ~ x + ar1(0 + step | g)", {"family": "poisson"}),
    "related": ("y ~ x + propto(1 | h, K)", {"family": "poisson", "kinship": True}),
    "importance": ("y ~ x + (1 | g)", {"family": "poisson", "method": "importance", "draws": 256}),
    "prior": ("y ~ x + (1 | g)", {"family": "poisson", "prior": True}),
}
LIKELIHOODS = tuple(name for name in FITS if name != "pql")
COUNTS = ("poisson", "constant", "larger", "other", "crossed", "nbinom2", "factor", "fixed")


@cache
def fit(name: str) -> Any:
    """A fit of the table, made once."""
    formula, told = FITS[name]
    options = dict(told)
    data = base()
    if options.pop("missing", False):
        data.loc[[3, 20], "x"] = np.nan
    if options.pop("kinship", False):
        options["context"] = {"K": KINSHIP}
    if options.pop("prior", False):
        options["priors"] = {"x": mc.priors.normal(0, 1), "sd(g)": mc.priors.half_normal(1)}
    if options.get("offset") == "array":
        options["offset"] = data["o"].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        return mc.glmm(formula, data, **options)


def _effect() -> Effect:
    return Effect("zeros ratio", 1.1, 0.8, 1.4, 1.0)


_MAKERS: dict[str, Callable[[], Any]] = {
    "report": lambda: mc.check(fit("poisson"), seed=1, draws=40, calibration="plug-in"),
    "failed": lambda: mc.check(
        fit("constant"),
        mc.checks.Trend("x") & mc.checks.Dispersion(),
        seed=1,
        draws=60,
        calibration="plug-in",
    ),
    "levels": lambda: mc.check(
        fit("poisson"), mc.checks.Zeros().by("f"), seed=1, draws=20, calibration="plug-in"
    ),
    "drawn": lambda: mc.check(made("draws"), seed=1),
    "empty": lambda: mc.Report(()),
    "residuals": lambda: mc.residuals(fit("poisson"), seed=1, draws=20, calibration="plug-in"),
    "replicates": lambda: mc.replicate(fit("poisson"), seed=1, draws=20, calibration="plug-in"),
    "draws": lambda: mc.from_draws(
        base()["y"], np.random.default_rng(1).poisson(3.0, (60, ROWS)), frame=base()
    ),
    "suite": lambda: mc.checks.Zeros() & mc.checks.Dispersion(),
    "policy": lambda: mc.Policy(alpha=0.01, negligible={"zero ratio": 0.2}, waive={"zeros": "x"}),
    "finding": lambda: made("report")["dispersion"],
    "plain": lambda: mc.Finding("zeros", "zeros", "as many", 1.0, 0.4, "two-sided", _effect(), 9),
    "skipped": lambda: mc.Skipped("zeros", "zeros", "there is no probability of zero"),
    "comparison": lambda: mc.compare([fit("constant"), fit("poisson")]),
    "conditional": lambda: mc.compare([fit("constant"), fit("poisson")], criterion="caic"),
    "selection": lambda: mc.select("y ~ x + z + (1 | g)", base(), family="poisson"),
    "gated": lambda: mc.select(
        "y ~ x + (1 | g)",
        base(),
        family="poisson",
        suite=made("suite"),
        draws=20,
        seed=1,
        calibration="plug-in",
    ),
    "suggestions": lambda: mc.suggest(made("failed"), most=3),
    "loo": lambda: mc.loo(fit("poisson")),
    "loo constant": lambda: mc.loo(fit("constant")),
    "logo": lambda: mc.logo(fit("poisson"), method="one-step"),
    "logo constant": lambda: mc.logo(fit("constant"), method="one-step"),
    "caic": lambda: mc.caic(fit("poisson")),
    "lrt": lambda: mc.lrt(fit("constant"), fit("poisson")),
    "bootstrap": lambda: mc.bootstrap_lrt(fit("constant"), fit("poisson"), draws=5, seed=1),
    "vuong": lambda: mc.vuong(fit("poisson"), fit("other")),
    "difference": lambda: made("loo").minus(made("loo constant")),
    "average": lambda: mc.average([fit("constant"), fit("poisson")]),
    "summary": lambda: fit("poisson").summary(),
    "means": lambda: mc.emmeans(fit("factor"), "f"),
    "response means": lambda: mc.emmeans(
        fit("factor"), "f", scale="response", average="response", random_effects="marginal"
    ),
    "parts": lambda: mc.glmm_partitions(
        "y ~ x + (1 | g)", [part for _, part in base().groupby("g")], family="poisson"
    ),
    "explained": lambda: mc.r2(fit("poisson")),
    "contrasts": lambda: mc.contrasts(made("means")),
}


# What the makers call themselves.
MADE_BY = ("mc.select", "mc.suggest")


@cache
def made(name: str) -> Any:
    """A result of a fit, made once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        return _MAKERS[name]()


def written(name: str, text: str) -> Path:
    """A file with a text."""
    path = folder() / name
    path.write_text(text, encoding="utf-8")
    return path


@cache
def folder() -> Path:
    """A folder of its own for what calls write."""
    held = tempfile.TemporaryDirectory(prefix="attack-")
    _HELD.append(held)
    return Path(held.name)


_HELD: list[tempfile.TemporaryDirectory[str]] = []


def axes() -> Any:
    """Axes of matplotlib that no window shows."""
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def half(response: Any) -> float:
    """A statistic of a response, as a user writes one."""
    return float(np.mean(response) / 2.0)


@dataclass(frozen=True)
class Ended:
    """How the command ended: its exit code, and what it said."""

    code: int
    out: str
    err: str


def command(words: list[str]) -> Ended:
    """Run the command in this process."""
    from attack import damage
    from mixcheck.command import main

    said = [_filled(word, damage.file) for word in words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(said)
        except SystemExit as end:  # as argparse ends, with 2 for a wrong word
            if end.code not in (0, 2):
                raise
            code = int(end.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def _filled(word: str, file: Callable[[str], str]) -> str:
    word = word.replace("{folder}", str(folder()))
    return file(word[6:-1]) if word.startswith("{file:") else word


def namespace() -> dict[str, Any]:
    """The names that the text of a call may use."""
    from attack import damage, surface

    return {
        "mc": mc,
        "np": np,
        "pd": pd,
        "stats": stats,
        "pl": pl,
        "pa": pa,
        "dt": dt,
        "re": re,
        "Decimal": Decimal,
        "Fraction": Fraction,
        "Path": Path,
        "base": base,
        "fit": fit,
        "made": made,
        "folder": folder,
        "axes": axes,
        "half": half,
        "TREE": TREE,
        "KINSHIP": KINSHIP,
        "port_of": port_of,
        "stored": damage.stored,
        "damaged": damage.damaged,
        "odd_table": damage.odd_table,
        "json_text": surface.json_text,
        "written": written,
        "command": command,
    }
