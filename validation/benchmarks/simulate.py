"""Simulated data of the benchmarks, the same bits for every engine.

What it shows: nothing by itself. Each case is a seeded table of doubles, written column
by column as ``NAME.bin`` (R and Python read it exactly) beside ``NAME.json`` with the
column names; ``cbpp`` is the published table with a second response to refit to.

Run: ``python validation/benchmarks/simulate.py DIRECTORY [CASE ..]`` (seconds; a million
rows 1 s). ``run.py`` calls it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

Columns = dict[str, NDArray[np.float64]]
CBPP = Path(__file__).parents[1] / "reference" / "data" / "cbpp.csv"
ROWS = 100_000


def logistic(n: int, groups: int) -> Columns:
    """Logistic random intercept, sd 0.8."""
    rng = np.random.default_rng(1)
    g = np.sort(rng.integers(0, groups, n))
    x1, x2 = rng.normal(size=n), rng.normal(size=n)
    b = rng.normal(size=groups) * 0.8
    probability = expit(-0.5 + 0.7 * x1 - 0.3 * x2 + b[g])
    y = rng.random(n) < probability
    return {"y": y.astype(float), "x1": x1, "x2": x2, "g": g.astype(float)}


def poisson_slope() -> Columns:
    """Poisson intercept (sd 0.6) and slope (sd 0.39), correlation 0.52, 2,000 groups."""
    rng = np.random.default_rng(5)
    groups = 2_000
    g = np.sort(rng.integers(0, groups, ROWS))
    x1, x2 = rng.normal(size=(2, ROWS))
    b0 = rng.normal(size=groups) * 0.6
    b1 = 0.2 * b0 / 0.6 + rng.normal(size=groups) * 0.33
    y = rng.poisson(np.exp(0.3 + 0.5 * x1 - 0.3 * x2 + b0[g] + b1[g] * x1))
    return {"y": y.astype(float), "x1": x1, "x2": x2, "g": g.astype(float)}


def crossed() -> Columns:
    """Logistic, 2,000 levels (sd 0.9) crossed with 500 (sd 0.6)."""
    rng = np.random.default_rng(3)
    g, h = rng.integers(0, 2_000, ROWS), rng.integers(0, 500, ROWS)
    order = np.lexsort((h, g))
    g, h = g[order], h[order]
    x = rng.normal(size=(ROWS, 2))
    effects = rng.normal(size=2_000)[g] * 0.9 + rng.normal(size=500)[h] * 0.6
    y = rng.random(ROWS) < expit(-0.4 + x @ np.array([0.6, -0.3]) + effects)
    columns = {"y": y, "x1": x[:, 0], "x2": x[:, 1], "g": g, "h": h}
    return {name: column.astype(float) for name, column in columns.items()}


def cbpp() -> Columns:
    """The published table, and `again`: a response drawn from a fit of it."""
    table = pd.read_csv(CBPP)
    rng = np.random.default_rng(7)
    effect = rng.normal(size=int(table["herd"].max()) + 1) * 0.64
    period = np.array([-1.4, -2.4, -2.5, -3.0])[table["period"] - 1]
    again = rng.binomial(table["size"], expit(period + effect[table["herd"]]))
    columns = {name: table[name] for name in ("herd", "incidence", "size", "period")}
    return {name: np.asarray(v, dtype=float) for name, v in {**columns, "again": again}.items()}


CASES: dict[str, Callable[[], Columns]] = {
    "cbpp": cbpp,
    "cbpp_refit": cbpp,
    "logistic_1e4": lambda: logistic(10_000, 500),
    "logistic_1e5": lambda: logistic(100_000, 5_000),
    "logistic_1e6": lambda: logistic(1_000_000, 50_000),
    "poisson_slope_1e5": poisson_slope,
    "crossed_1e5": crossed,
}


def write(case: str, directory: Path) -> None:
    """Write one case; a case already there is left alone."""
    if (directory / f"{case}.json").exists():
        return
    columns = CASES[case]()
    np.concatenate(list(columns.values())).tofile(directory / f"{case}.bin")
    (directory / f"{case}.json").write_text(json.dumps(list(columns)))


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[2:] or CASES:
        write(case, directory)


if __name__ == "__main__":
    main()
