"""Time mixcheck, and plain GLM fits by IRLS in NumPy as a yardstick of the machine.

What it shows: seconds of ``mixcheck.glmm`` with formula and standard errors, and of
``refit`` to a new response; of ``caic``, ``select`` and ``residuals``, fits and draws
being there before. Engine ``irls`` fits the same fixed effects without random effects
from ready matrices.

Run: ``python validation/benchmarks/bench_mixcheck.py ENGINE CASE DIRECTORY REPEATS``;
normally by ``run.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from measure import Fit, Outcome, serve
from numpy.typing import NDArray

INTERCEPT = "y ~ x1 + x2 + (1 | g)"
SUBSETS = "y ~ mined + cover + sample + DOP + Wtemp + DOY + spp + (1 | site)"
HERDS = "incidence / size ~ period + (1 | herd)"

# Model of each case, by the first word of its name or the two that decide it.
MODELS: dict[str, dict[str, Any]] = {
    "cbpp": {"formula": HERDS, "family": "binomial"},
    "logistic": {"formula": INTERCEPT, "family": "binomial"},
    "poisson_slope": {"formula": "y ~ x1 + x2 + (x1 | g)", "family": "poisson"},
    "gaussian_slope": {"formula": "y ~ x1 + x2 + (x1 | g)"},
    "gaussian_intercept_500": {"formula": "y ~ x + (1 | g)"},
    "gaussian_slope_500": {"formula": "y ~ x + (x | g)"},
    "poisson_intercept_500": {"formula": "y ~ x + (1 | g)", "family": "poisson"},
    "poisson_slope_500": {"formula": "y ~ x + (x | g)", "family": "poisson"},
    "crossed": {"formula": "y ~ x1 + x2 + (1 | g) + (1 | h)", "family": "binomial"},
    "nbinom2": {"formula": INTERCEPT, "family": "nbinom2"},
    "zinb2": {"formula": INTERCEPT, "family": "nbinom2", "zi": "~ 1"},
    "beta": {"formula": INTERCEPT, "family": "beta"},
    "gamma": {"formula": INTERCEPT, "family": "gamma"},
    "agq10": {"formula": INTERCEPT, "family": "binomial", "method": "agq", "nodes": 10},
    "caic_poisson": {"formula": INTERCEPT, "family": "poisson"},
    "caic_bernoulli": {"formula": INTERCEPT, "family": "binomial"},
    "select_poisson": {"formula": SUBSETS, "family": "poisson"},
    "select_nbinom2": {"formula": SUBSETS, "family": "nbinom2"},
    "residuals": {"formula": INTERCEPT, "family": "nbinom2"},
}
STEPS = 25
CORES = 2
SUBSETS_OF_SEVEN = 2**7
DRAWS = 1_000


def prepare_mixcheck(case: str, data: pd.DataFrame) -> Fit:
    import mixcheck

    if case.startswith("draws"):
        return prepare_draws(data)
    model = MODELS.get(case) or MODELS[case.rsplit("_", 1)[0]]
    if case.startswith("select"):
        return prepare_selection(model, data)
    if not case.startswith(("cbpp_refit", "caic", "residuals")):
        return lambda: report(mixcheck.glmm(data=data, **model))
    first = mixcheck.glmm(data=data, **model)
    if case.startswith("caic"):
        method = case.rsplit("_", 1)[1]
        mixcheck.caic(mixcheck.glmm(data=data, **model))  # warm, on a fit of its own
        return lambda: Outcome(first.llf, df=mixcheck.caic(first, method=method).df)
    if case.startswith("residuals"):
        return lambda: judge(mixcheck.residuals(first, seed=1).values)
    again = data["again"].to_numpy()
    return lambda: report(first.refit(again))


def report(fit: Any) -> Outcome:
    """Log-likelihood of a fit that has its standard errors."""
    return Outcome(float(fit.llf) if np.isfinite(fit.bse.to_numpy()).all() else np.nan)


def judge(residuals: NDArray[np.float64]) -> Outcome:
    """Nothing to report of residuals, which must be there."""
    if not np.all((residuals > 0) & (residuals < 1)):
        raise RuntimeError("some residual is no number between 0 and 1")
    return Outcome()


def prepare_selection(model: dict[str, Any], data: pd.DataFrame) -> Fit:
    """All subsets of the fixed terms; the log-likelihood is of the best by AIC."""
    import mixcheck

    def select() -> Outcome:
        chosen = mixcheck.select(data=data, **model, random=False, n_jobs=CORES)
        if len(chosen.models) != SUBSETS_OF_SEVEN:
            raise RuntimeError(f"{len(chosen.models)} models were fitted: {chosen.failures}")
        return report(chosen.best_fit)

    return select


def prepare_draws(data: pd.DataFrame) -> Fit:
    """Residuals from draws of a model fitted elsewhere: here, of the true one."""
    import mixcheck

    draws = draw_counts(data)

    def read() -> Outcome:
        model = mixcheck.from_draws(data["y"].to_numpy(), draws, draws_by="rows")
        judge(mixcheck.residuals(model, seed=1).values)
        return Outcome(data=draws.nbytes)

    return read


def draw_counts(data: pd.DataFrame) -> NDArray[np.int64]:
    """Draws of the model behind `simulate.nbinom2`, random effects anew, (DRAWS, n)."""
    rng = np.random.default_rng(2)
    n, groups = len(data), int(data["g"].max()) + 1
    g, eta = data["g"].to_numpy(), (0.5 + 0.5 * data["x1"] - 0.3 * data["x2"]).to_numpy()
    draws = np.empty((DRAWS, n), dtype=np.int64)
    for draw in draws:
        mean = np.exp(eta + 0.6 * rng.normal(size=groups)[g])
        draw[:] = rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, n))
    return draws


def prepare_irls(case: str, data: pd.DataFrame) -> Fit | None:
    if case.startswith("cbpp"):
        return None
    X = np.column_stack([np.ones(len(data)), data["x1"], data["x2"]])
    y = data["y"].to_numpy()
    counts = case.startswith("poisson")

    def fit() -> Outcome:
        iterate(X, y, counts)
        return Outcome()

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
