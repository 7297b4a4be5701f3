"""Simulated data of the benchmarks, the same bits for every engine.

What it shows: nothing by itself. Each case is a seeded table of doubles, written column
by column as ``NAME.bin`` (R and Python read it exactly) beside ``NAME.json`` with the
column names; ``cbpp`` is the published table with a second response to refit to.

Run: ``python validation/benchmarks/simulate.py DIRECTORY [CASE ..]`` (seconds; a million
rows 1 s). ``run.py`` calls it, and can ask for fewer rows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

Vector = NDArray[np.float64]
Columns = dict[str, Vector]
CBPP = Path(__file__).parents[1] / "reference" / "data" / "cbpp.csv"
SITES = 23
SPECIES = 7
EDGE = 1e-6  # proportions stay this far from 0 and 1, where a beta density may be infinite


class Case(NamedTuple):
    """How a case is drawn: from the numbers of its rows and groups."""

    draw: Callable[[int, int], Columns]
    rows: int
    groups: int


def logistic(n: int, groups: int) -> Columns:
    """Logistic random intercept, sd 0.8."""
    rng = np.random.default_rng(1)
    g = np.sort(rng.integers(0, groups, n))
    x1, x2 = rng.normal(size=n), rng.normal(size=n)
    b = rng.normal(size=groups) * 0.8
    probability = expit(-0.5 + 0.7 * x1 - 0.3 * x2 + b[g])
    y = rng.random(n) < probability
    return {"y": y.astype(float), "x1": x1, "x2": x2, "g": g.astype(float)}


def poisson_slope(n: int, groups: int) -> Columns:
    """Poisson intercept (sd 0.6) and slope (sd 0.39), correlation 0.52."""
    rng = np.random.default_rng(5)
    g = np.sort(rng.integers(0, groups, n))
    x1, x2 = rng.normal(size=(2, n))
    b0 = rng.normal(size=groups) * 0.6
    b1 = 0.2 * b0 / 0.6 + rng.normal(size=groups) * 0.33
    y = rng.poisson(np.exp(0.3 + 0.5 * x1 - 0.3 * x2 + b0[g] + b1[g] * x1))
    return {"y": y.astype(float), "x1": x1, "x2": x2, "g": g.astype(float)}


def poisson_small(n: int, groups: int) -> Columns:
    """Poisson intercept (sd 0.6) and slope (sd 0.3) in one covariate, groups in any order."""
    rng = np.random.default_rng(21)
    g, x = rng.integers(0, groups, n), rng.normal(size=n)
    b = rng.normal(size=(2, groups)) * np.array([[0.6], [0.3]])
    y = rng.poisson(np.exp(0.5 + 0.4 * x + b[0, g] + b[1, g] * x))
    return {"y": y.astype(float), "x": x, "g": g.astype(float)}


def gaussian_small(n: int, groups: int) -> Columns:
    """Gaussian responses of the same form, residuals of deviation 1."""
    rng = np.random.default_rng(22)
    g, x = rng.integers(0, groups, n), rng.normal(size=n)
    b = rng.normal(size=(2, groups)) * np.array([[0.6], [0.3]])
    y = 1.0 + 0.4 * x + b[0, g] + b[1, g] * x + rng.normal(size=n)
    return {"y": y, "x": x, "g": g.astype(float)}


def gaussian_slope(n: int, groups: int) -> Columns:
    """Gaussian intercept (sd 0.6) and slope (sd 0.3), residuals of deviation 1."""
    rng = np.random.default_rng(19)
    g = rng.integers(0, groups, n)
    x1, x2 = rng.normal(size=(2, n))
    b = rng.normal(size=(2, groups)) * np.array([[0.6], [0.3]])
    y = 1.0 + 0.4 * x1 - 0.3 * x2 + b[0, g] + b[1, g] * x1 + rng.normal(size=n)
    return {"y": y, "x1": x1, "x2": x2, "g": g.astype(float)}


def crossed(n: int, groups: int) -> Columns:
    """Logistic, 2,000 levels (sd 0.9) crossed with a quarter as many (sd 0.6)."""
    rng = np.random.default_rng(3)
    g, h = rng.integers(0, groups, n), rng.integers(0, groups // 4, n)
    order = np.lexsort((h, g))
    g, h = g[order], h[order]
    x = rng.normal(size=(n, 2))
    effects = rng.normal(size=groups)[g] * 0.9 + rng.normal(size=groups // 4)[h] * 0.6
    y = rng.random(n) < expit(-0.4 + x @ np.array([0.6, -0.3]) + effects)
    columns = {"y": y, "x1": x[:, 0], "x2": x[:, 1], "g": g, "h": h}
    return {name: column.astype(float) for name, column in columns.items()}


def intercept(n: int, groups: int, seed: int) -> tuple[Columns, Vector, np.random.Generator]:
    """Covariates and groups, the predictor of a random intercept (sd 0.6), and the stream."""
    rng = np.random.default_rng(seed)
    g = np.sort(rng.integers(0, groups, n))
    x1, x2 = rng.normal(size=(2, n))
    eta = 0.5 + 0.5 * x1 - 0.3 * x2 + 0.6 * rng.normal(size=groups)[g]
    return {"x1": x1, "x2": x2, "g": g.astype(float)}, eta, rng


def nbinom2(n: int, groups: int) -> Columns:
    """Negative binomial of shape 1.5."""
    columns, eta, rng = intercept(n, groups, 11)
    return {"y": rng.poisson(np.exp(eta) * rng.gamma(1.5, 1 / 1.5, n)).astype(float), **columns}


def zinb2(n: int, groups: int) -> Columns:
    """The same with a quarter of the responses set to zero."""
    columns = nbinom2(n, groups)
    structural = np.random.default_rng(12).random(n) < 0.25
    return {**columns, "y": np.where(structural, 0.0, columns["y"])}


def beta(n: int, groups: int) -> Columns:
    """Beta proportions of precision 8."""
    columns, eta, rng = intercept(n, groups, 13)
    mean = expit(eta - 1.0)
    return {"y": np.clip(rng.beta(8 * mean, 8 * (1 - mean)), EDGE, 1 - EDGE), **columns}


def gamma(n: int, groups: int) -> Columns:
    """Gamma of shape 2."""
    columns, eta, rng = intercept(n, groups, 14)
    return {"y": rng.gamma(2.0, np.exp(eta) / 2.0), **columns}


def poisson(n: int, groups: int) -> Columns:
    """Poisson counts."""
    columns, eta, rng = intercept(n, groups, 15)
    return {"y": rng.poisson(np.exp(eta)).astype(float), **columns}


def salamanders(n: int, counts: str) -> Columns:
    """Counts of 7 species at 23 sites, of the shape of glmmTMB's Salamanders; 3 effects of 7."""
    rng = np.random.default_rng(17)
    row = np.arange(n)
    site, spp = row % SITES, row // SITES % SPECIES
    sample = row // (SITES * SPECIES) + 1.0
    mined, cover = (np.arange(SITES) % 2.0)[site], rng.normal(size=SITES)[site]
    visit = site + SITES * sample.astype(int)
    weather = rng.normal(size=(3, visit.max() + 1))[:, visit]
    eta = 0.4 - 1.3 * mined + 0.5 * rng.normal(size=SPECIES)[spp] + 0.25 * weather[2]
    mean = np.exp(eta + 0.4 * rng.normal(size=SITES)[site])
    noise = rng.gamma(1.0, size=n) if counts == "nbinom2" else 1.0
    columns = {"mined": mined, "cover": cover, "sample": sample, "spp": spp, "site": site}
    weathers = dict(zip(("DOP", "Wtemp", "DOY"), weather, strict=True))
    columns = {"y": rng.poisson(mean * noise), **columns, **weathers}
    return {name: np.asarray(column, dtype=float) for name, column in columns.items()}


def cbpp(_rows: int, _groups: int) -> Columns:
    """The published table, and `again`: a response drawn from a fit of it."""
    table = pd.read_csv(CBPP)
    rng = np.random.default_rng(7)
    effect = rng.normal(size=int(table["herd"].max()) + 1) * 0.64
    period = np.array([-1.4, -2.4, -2.5, -3.0])[table["period"] - 1]
    again = rng.binomial(table["size"], expit(period + effect[table["herd"]]))
    columns = {name: table[name] for name in ("herd", "incidence", "size", "period")}
    return {name: np.asarray(v, dtype=float) for name, v in {**columns, "again": again}.items()}


# Small tables, of which each call may have one that was not seen before.
SMALL: dict[str, Case] = {
    "cbpp": Case(cbpp, 56, 15),
    "cbpp_refit": Case(cbpp, 56, 15),
    "gaussian_intercept_500": Case(gaussian_small, 500, 50),
    "gaussian_slope_500": Case(gaussian_small, 500, 50),
    "poisson_intercept_500": Case(poisson_small, 500, 50),
    "poisson_slope_500": Case(poisson_small, 500, 50),
}
CASES: dict[str, Case] = {
    **SMALL,
    **{f"{name}_new": case for name, case in SMALL.items()},
    "logistic_1e4": Case(logistic, 10_000, 500),
    "logistic_1e5": Case(logistic, 100_000, 5_000),
    "logistic_1e6": Case(logistic, 1_000_000, 50_000),
    "poisson_slope_1e5": Case(poisson_slope, 100_000, 2_000),
    "gaussian_slope_1e5": Case(gaussian_slope, 100_000, 2_000),
    "crossed_1e5": Case(crossed, 100_000, 2_000),
    "nbinom2_1e5": Case(nbinom2, 100_000, 5_000),
    "zinb2_1e5": Case(zinb2, 100_000, 5_000),
    "beta_1e5": Case(beta, 100_000, 5_000),
    "gamma_1e5": Case(gamma, 100_000, 5_000),
    "agq10_1e5": Case(logistic, 100_000, 5_000),
    "caic_poisson_derivative": Case(poisson, 1_000, 100),
    "caic_poisson_exact": Case(poisson, 1_000, 100),
    "caic_bernoulli_derivative": Case(logistic, 1_000, 100),
    "caic_bernoulli_exact": Case(logistic, 1_000, 100),
    "select_poisson": Case(lambda n, _: salamanders(n, "poisson"), 644, SITES),
    "select_nbinom2": Case(lambda n, _: salamanders(n, "nbinom2"), 644, SITES),
    "residuals_1e5": Case(nbinom2, 100_000, 5_000),
    "draws_1e5": Case(nbinom2, 100_000, 5_000),
}


def write(case: str, directory: Path, most_rows: int | None = None) -> None:
    """Write one case, of at most so many rows; a case already there is left alone."""
    if (directory / f"{case}.json").exists():
        return
    draw, rows, groups = CASES[case]
    n = min(rows, most_rows or rows)
    columns = draw(n, max(groups * n // rows, 8))
    np.concatenate(list(columns.values())).tofile(directory / f"{case}.bin")
    (directory / f"{case}.json").write_text(json.dumps(list(columns)))


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[2:] or CASES:
        write(case, directory)


if __name__ == "__main__":
    main()
