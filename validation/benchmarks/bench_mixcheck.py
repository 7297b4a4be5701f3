"""Time mixcheck, and plain GLM fits by IRLS in NumPy as a yardstick of the machine.

What it shows: seconds of ``mixcheck.glmm`` with formula and standard errors, and of
``refit`` to a new response. Engine ``irls`` fits the same fixed effects without random
effects from ready matrices.

Run: ``python validation/benchmarks/bench_mixcheck.py ENGINE CASE DIRECTORY REPEATS``;
normally by ``run.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from measure import Fit, serve
from numpy.typing import NDArray

FORMULAS = {
    "cbpp": ("incidence / size ~ period + (1 | herd)", "binomial"),
    "cbpp_refit": ("incidence / size ~ period + (1 | herd)", "binomial"),
    "logistic": ("y ~ x1 + x2 + (1 | g)", "binomial"),
    "poisson_slope": ("y ~ x1 + x2 + (x1 | g)", "poisson"),
    "crossed": ("y ~ x1 + x2 + (1 | g) + (1 | h)", "binomial"),
}
STEPS = 25


def prepare_mixcheck(case: str, data: pd.DataFrame) -> Fit:
    import mixcheck

    formula, family = FORMULAS.get(case) or FORMULAS[case.rsplit("_", 1)[0]]

    def fit() -> float:
        model = mixcheck.glmm(formula, data, family=family)
        return float(model.llf) if np.isfinite(model.bse).all() else np.nan

    if case != "cbpp_refit":
        return fit
    first = mixcheck.glmm(formula, data, family=family)
    again = data["again"].to_numpy()

    def refit() -> float:
        model = first.refit(again)
        return float(model.llf) if np.isfinite(model.bse).all() else np.nan

    return refit


def prepare_irls(case: str, data: pd.DataFrame) -> Fit | None:
    if case.startswith("cbpp"):
        return None
    X = np.column_stack([np.ones(len(data)), data["x1"], data["x2"]])
    y = data["y"].to_numpy()
    counts = case.startswith("poisson")

    def fit() -> None:
        iterate(X, y, counts)

    return fit


def iterate(X: NDArray[np.float64], y: NDArray[np.float64], counts: bool) -> NDArray[np.float64]:
    """Coefficients of a Poisson or logistic regression, to 1e-8, by IRLS from zero."""
    beta = np.zeros(X.shape[1])
    for _ in range(STEPS):
        eta = X @ beta
        mu = np.exp(eta) if counts else 1 / (1 + np.exp(-eta))
        weight = mu if counts else mu * (1 - mu)
        working = eta + (y - mu) / weight
        weighted = X * weight[:, None]
        new = np.asarray(np.linalg.solve(weighted.T @ X, weighted.T @ working), dtype=float)
        done = np.abs(new - beta).max() < 1e-8
        beta = new
        if done:
            return beta
    raise RuntimeError("IRLS did not converge")


if __name__ == "__main__":
    serve(
        {"mixcheck": prepare_mixcheck, "irls": prepare_irls},
        {"mixcheck": "mixcheck", "irls": "numpy"},
    )
