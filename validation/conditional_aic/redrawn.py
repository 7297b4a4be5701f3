"""Degrees of freedom of the conditional AIC where random effects are drawn anew.

The study beside this one keeps the random effects; here each replicate has its own, as a user's
data have, and designs are those in which an estimator is strained: 0/1 responses in groups that
differ much, and Gaussian responses in few rows. The truth is the mean excess of the conditional
log-likelihood of the data fitted over its expectation for new data with the same random effects,
which is in closed form for both.

    python validation/conditional_aic/redrawn.py --replicates 400
    python validation/conditional_aic/redrawn.py --replicates 400 --only bernoulli --run 90210

``default`` is what `caic` gives without a method. Its rule for 0/1 responses, derivatives up to a
deviation of 0.8 for logits, was chosen on other random numbers of the designs before ``probit``;
those from there on were not looked at for it. Five CPU minutes, half an hour with ``--refits``.
Results are written to ``redrawn.json`` beside
this file, with Monte Carlo standard errors; biases are of paired differences, with the excess at
the true parameters as a control variate.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, log_ndtr, ndtr

import mixcheck as mc

RESULTS = Path(__file__).with_name("redrawn.json")
METHODS = ("analytic", "one-step", "default")


@dataclass(frozen=True)
class Design:
    """Groups of equal size, one predictor, a random intercept and perhaps a slope."""

    name: str
    family: str
    groups: int
    rows: int
    deviation: float
    slope: float = 0.0
    intercept: float = 0.3
    link: str = "logit"

    @property
    def formula(self) -> str:
        """The right model."""
        return f"y ~ x + ({'x' if self.slope else '1'} | g)"


DESIGNS = (
    Design("bernoulli 40 x 5, sd 0.3", "binomial", 40, 5, 0.3),
    Design("bernoulli 60 x 3, sd 0.5", "binomial", 60, 3, 0.5),
    Design("bernoulli 40 x 5, sd 0.6", "binomial", 40, 5, 0.6),
    Design("bernoulli 40 x 5, sd 1.0", "binomial", 40, 5, 1.0),
    Design("bernoulli 40 x 5, sd 1.5", "binomial", 40, 5, 1.5),
    Design("bernoulli 60 x 3, sd 1.5", "binomial", 60, 3, 1.5),
    Design("bernoulli 40 x 5, sd 2.5", "binomial", 40, 5, 2.5),
    Design("bernoulli 20 x 20, sd 1.5", "binomial", 20, 20, 1.5),
    Design("gaussian 10 x 4, sd 0.7", "gaussian", 10, 4, 0.7),
    Design("gaussian 10 x 4, sd 0.4", "gaussian", 10, 4, 0.4),
    Design("gaussian 18 x 10, slopes", "gaussian", 18, 10, 0.7, 0.5),
    Design("probit 30 x 6, sd 0.35", "binomial", 30, 6, 0.35, link="probit"),
    Design("probit 30 x 6, sd 0.7", "binomial", 30, 6, 0.7, link="probit"),
    Design("logit 30 x 6, sd 0.4", "binomial", 30, 6, 0.4),
    Design("logit 30 x 6, sd 0.8", "binomial", 30, 6, 0.8),
    Design("logit 30 x 6, sd 1.2", "binomial", 30, 6, 1.2),
    Design("logit 50 x 4, sd 0.7", "binomial", 50, 4, 0.7),
    Design("logit 50 x 4, sd 2.0", "binomial", 50, 4, 2.0),
    Design("logit 30 x 2, sd 1.0", "binomial", 30, 2, 1.0),
    Design("logit 60 x 2, sd 1.0", "binomial", 60, 2, 1.0),
    Design("rare 60 x 8, sd 0.8", "binomial", 60, 8, 0.8, intercept=-2.0),
    Design("rare 60 x 8, sd 1.6", "binomial", 60, 8, 1.6, intercept=-2.0),
    Design("slopes 25 x 10, sd 0.4 and 0.4", "binomial", 25, 10, 0.4, 0.4),
    Design("slopes 25 x 10, sd 1.2 and 0.6", "binomial", 25, 10, 1.2, 0.6),
)

INVERSE = {"logit": expit, "probit": ndtr}


def draw(design: Design, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Data, and the true predictor."""
    g = np.repeat(np.arange(design.groups), design.rows)
    x = rng.standard_normal(g.size)
    u, v = rng.standard_normal((2, design.groups))
    eta = design.intercept + 0.5 * x + design.deviation * u[g] + design.slope * v[g] * x
    if design.family == "gaussian":
        y = eta + rng.standard_normal(g.size)
    else:
        y = (rng.random(g.size) < INVERSE[design.link](eta)).astype(float)
    return pd.DataFrame({"g": g, "x": x, "y": y}), eta


def log_odds(design: Design, eta: np.ndarray) -> np.ndarray:
    """``log p / (1 - p)`` of a predictor."""
    return eta if design.link == "logit" else log_ndtr(eta) - log_ndtr(-eta)


def excess(design: Design, fit: mc.GLMM, y: np.ndarray, eta: np.ndarray) -> float:
    """Log-likelihood of y less its expectation, at the fit less the same at the truth."""
    found = fit.predict(scale="link").to_numpy()
    if design.family == "binomial":
        odds = log_odds(design, found) - log_odds(design, eta)
        return float((y - INVERSE[design.link](eta)) @ odds)
    own = np.sum((y - found) ** 2 - (eta - found) ** 2 - 1.0) / (2.0 * fit.dispersion**2)
    return float(-own + np.sum((y - eta) ** 2 - 1.0) / 2.0)


def study(
    design: Design, replicates: int, methods: tuple[str, ...], run: int = 0
) -> dict[str, Any]:
    """Means and Monte Carlo errors; each run has random numbers of its own."""
    rng = np.random.default_rng([*([run] if run else []), 7, sum(map(ord, design.name))])
    family: Any = design.family
    if design.link != "logit":
        family = mc.families.Binomial(link=design.link)
    rows = []
    for _ in range(replicates):
        table, eta = draw(design, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.MixcheckWarning)
            fit = mc.glmm(design.formula, table, family=family)
        truth = excess(design, fit, table["y"].to_numpy(), eta)
        told = [None if name == "default" else name for name in methods]
        rows.append([truth, *(mc.caic(fit, method=name).df for name in told)])
    table_of = np.array(rows)
    root = np.sqrt(replicates)
    out: dict[str, Any] = {
        "replicates": replicates,
        "truth": float(table_of[:, 0].mean()),
        "truth_error": float(table_of[:, 0].std(ddof=1) / root),
    }
    for k, name in enumerate(methods, 1):
        difference = table_of[:, k] - table_of[:, 0]
        out[name] = float(table_of[:, k].mean())
        out[f"{name}_bias"] = float(difference.mean())
        out[f"{name}_bias_error"] = float(difference.std(ddof=1) / root)
    return out


def main(arguments: list[str] | None = None) -> None:
    """Run the study and store what it finds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--run", type=int, default=0, help="a whole number: other random numbers")
    parser.add_argument("--refits", action="store_true", help="exact refits as well (slow)")
    parser.add_argument("--only", default="", help="designs whose name starts so")
    options = parser.parse_args(arguments)
    methods = (*METHODS, "refit") if options.refits else METHODS
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for design in DESIGNS:
        if design.name.startswith(options.only):
            found = study(design, options.replicates, methods, options.run)
            name = design.name + (f", run {options.run}" if options.run else "")
            stored[name] = stored.get(name, {}) | found
            RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
            shown = [
                f"{m} {found[m]:.2f}, bias {found[f'{m}_bias']:+.2f} "
                f"({found[f'{m}_bias_error']:.2f})"
                for m in methods
            ]
            truth = f"{found['truth']:.2f} ({found['truth_error']:.2f})"
            print(f"{design.name:28s} truth {truth};", "; ".join(shown), flush=True)


if __name__ == "__main__":
    main()
