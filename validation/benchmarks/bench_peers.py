"""Time the Python peers: ``glmm`` (Rust) and ``gpboost`` (C++).

What it shows: seconds of one fit with standard errors. ``glmm`` parses a formula;
``gpboost`` takes ready matrices and has no correlated slopes. Neither can refit:
``cbpp_refit`` is a new call, for ``glmm`` from the first fit's parameters. Only ``glmm``
has quadrature, with an odd number of nodes: 11 in place of 10.

Run, in an environment with both packages and pandas:
``python validation/benchmarks/bench_peers.py ENGINE CASE DIRECTORY REPEATS``; normally
by ``run.py``, which makes the environment.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from measure import Fit, Outcome, serve

FORMULAS = {
    "logistic": ("y ~ x1 + x2 + (1|g)", "binomial"),
    "poisson_slope": ("y ~ x1 + x2 + (x1|g)", "poisson"),
    "gaussian_slope": ("y ~ x1 + x2 + (x1|g)", "gaussian"),
    "gaussian_intercept_500": ("y ~ x + (1|g)", "gaussian"),
    "gaussian_slope_500": ("y ~ x + (x|g)", "gaussian"),
    "poisson_intercept_500": ("y ~ x + (1|g)", "poisson"),
    "poisson_slope_500": ("y ~ x + (x|g)", "poisson"),
    "crossed": ("y ~ x1 + x2 + (1|g) + (1|h)", "binomial"),
    "agq10": ("y ~ x1 + x2 + (1|g)", "binomial"),
}
LIKELIHOODS = {"gaussian": "gaussian", "poisson": "poisson"}


def prepare_glmm(case: str, data: pd.DataFrame) -> Fit:
    import glmm

    if not case.startswith("cbpp"):
        formula, family = FORMULAS.get(case) or FORMULAS[case.rsplit("_", 1)[0]]
        if family == "gaussian":
            return lambda: Outcome(float(glmm.fit(data, formula, family, reml=False).loglik))
        nodes = 11 if case.startswith("agq10") else 1
        return lambda: Outcome(float(glmm.fit(data, formula, family, nagq=nodes).loglik))
    formula = "cbind(incidence, fail) ~ period + (1|herd)"
    data = data.assign(fail=data["size"] - data["incidence"])
    if case == "cbpp":
        return lambda: Outcome(float(glmm.fit(data, formula, "binomial", nagq=1).loglik))
    first = glmm.fit(data, formula, "binomial", nagq=1)
    start = {"beta": first.beta, "theta": np.sqrt(np.atleast_1d(first.tau2))}
    new = data.assign(incidence=data["again"], fail=data["size"] - data["again"])
    return lambda: Outcome(
        float(glmm.fit(new, formula, "binomial", nagq=1, warm_start=start).loglik)
    )


def prepare_gpboost(case: str, data: pd.DataFrame) -> Fit | None:
    import gpboost

    if "slope" in case or case.startswith("agq10"):
        return None
    weights = None
    if case.startswith("cbpp"):
        count = data["again" if case == "cbpp_refit" else "incidence"]
        y, weights = (count / data["size"]).to_numpy(), data["size"].to_numpy()
        covariates = [(data["period"] == level).to_numpy(float) for level in "234"]
        groups, likelihood = data[["herd"]].to_numpy(), "binomial_logit"
    else:
        y = data["y"].to_numpy()
        covariates = [data[name].to_numpy() for name in ("x", "x1", "x2") if name in data]
        groups = data[[name for name in ("g", "h") if name in data]].to_numpy()
        likelihood = LIKELIHOODS.get(case.split("_", 1)[0], "bernoulli_logit")
    X = np.column_stack([np.ones(len(y)), *covariates])

    def fit() -> Outcome:
        model = gpboost.GPModel(
            group_data=groups,
            likelihood=likelihood,
            weights=weights,
            matrix_inversion_method="cholesky",
        )
        model.fit(y=y, X=X)
        model.get_coef(std_err=True)
        return Outcome(-float(model.get_current_neg_log_likelihood()))

    return fit


if __name__ == "__main__":
    serve(
        {"glmm": prepare_glmm, "gpboost": prepare_gpboost},
        {"glmm": "glmm", "gpboost": "gpboost"},
    )
