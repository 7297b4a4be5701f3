"""Degrees of freedom of the conditional AIC against a known truth.

Random effects are drawn once and kept; responses are drawn again and again, a model is fitted
to each, and the true optimism is the mean excess of the conditional log-likelihood of the data
fitted over its expectation for new data with the same random effects. An estimator should have
that mean.

    python validation/conditional_aic/truth.py --replicates 400

Twenty groups of eight. On one core 400 replicates take half a minute for a scenario without a
dispersion and some minutes with one, more with exact refits. Results are written to
``truth.json`` beside this file, and printed with their Monte Carlo standard errors; the truth
uses the log-likelihood at the true parameters as a control variate. Where a scenario was studied
before with 150 replicates (the same covariates and random effects, other responses), the truth
found there is kept as `before`; its standard errors were 0.4 to 0.5.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from mixcheck.port import port_of

RESULTS = Path(__file__).with_name("truth.json")
GROUPS, ROWS = 20, 8
METHODS = ("analytic", "one-step")
SEED = 11


@dataclass(frozen=True)
class Scenario:
    """A model with known random effects.

    Attributes
    ----------
    name : str
    family : Family
    intercept, deviation : float
        Of the mean's predictor; `deviation` is that of the random effects.
    others : tuple of float
        Value of each other predictor.
    before : float
        True optimism found by others, nan where none is known.
    base : Family or None
        The family beside a constant zero part, where the model has one.
    """

    name: str
    family: mc.families.Family
    intercept: float
    deviation: float
    others: tuple[float, ...] = ()
    before: float = np.nan
    base: mc.families.Family | None = None


def scenarios() -> list[Scenario]:
    """Those of the study; families with a dispersion have it estimated."""
    bernoulli, poisson = mc.families.Binomial(), mc.families.Poisson()
    out = [
        Scenario("bernoulli 0.5", bernoulli, 0.0, 0.5, (), 8.52),
        Scenario("bernoulli 1", bernoulli, 0.0, 1.0, (), 13.92),
        Scenario("poisson 0.25", poisson, 0.7, 0.25, (), 11.83),
        Scenario("poisson 0.7", poisson, 0.7, 0.7, (), 18.47),
    ]
    for name, other in (("nbinom2", 0.7), ("gamma", -0.7)):
        family = mc.families.get_family(name)
        if family.link.name != "log":
            family = type(family)(link="log")
        out.append(Scenario(f"{name} 0.5", family, 0.7, 0.5, (other,)))
    out.append(Scenario("beta 0.5", mc.families.get_family("beta"), 0.3, 0.5, (1.5,)))
    for name, family, others in (
        ("zero-inflated poisson 0.5", "poisson", ()),
        ("zero-inflated nbinom2 0.5", "nbinom2", (0.7,)),
        ("hurdle poisson 0.5", "truncated_poisson", ()),
    ):
        base = mc.families.get_family(family)
        zeros = mc.families.add_zeros(base)
        out.append(Scenario(name, zeros, 1.0, 0.5, (*others, -1.0), base=base))
    truncated = mc.families.get_family("truncated_poisson")
    out.append(Scenario("truncated poisson 0.5", truncated, 0.5, 0.5))
    return out


@dataclass(frozen=True, eq=False)
class World:
    """Fixed covariates and random effects of a scenario, and its true predictors."""

    scenario: Scenario
    frame: pd.DataFrame
    eta: tuple[np.ndarray, ...]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """New responses."""
        return self.scenario.family.sample(self.eta, None, rng)


def make_world(scenario: Scenario) -> World:
    """Covariates and random effects, the latter with exactly the stated deviation."""
    rng = np.random.default_rng(SEED)
    g = np.repeat(np.arange(GROUPS), ROWS)
    x, u = rng.standard_normal(g.size), rng.standard_normal(GROUPS)
    u = (u - u.mean()) / u.std() * scenario.deviation
    mean = scenario.intercept + 0.5 * x + u[g]
    others = tuple(np.full(g.size, value) for value in scenario.others)
    return World(scenario, pd.DataFrame({"g": g, "x": x}), (mean, *others))


def fit(world: World, y: np.ndarray) -> mc.GLMM:
    """The right model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        scenario = world.scenario
        family, zi = (scenario.base, "~ 1") if scenario.base else (scenario.family, None)
        frame = world.frame.assign(y=y)
        return mc.glmm("y ~ x + (1 | g)", frame, family=family, zi=zi)


def true_excess(world: World, model: mc.GLMM, y: np.ndarray, fresh: np.ndarray) -> float:
    """Log-likelihood of y less that of fresh responses (S, n), at the fit and at the truth."""
    family = world.scenario.family
    port = port_of(model)
    held = port.problem.to_design
    eta = tuple(held(part) for part in port.optimum.evaluation.mode.point.eta)
    n = len(world.frame)

    def gain(predictors: tuple[np.ndarray, ...]) -> float:
        flat = tuple(np.tile(part, len(fresh)) for part in predictors)
        other = family.log_density(family.prepare(fresh.ravel()), flat)
        own = family.log_density(family.prepare(y), predictors)
        return float(own.sum() - other.sum() / len(fresh))

    assert eta[0].size == n
    return gain(eta) - gain(world.eta)


def study(
    scenario: Scenario, replicates: int, methods: Iterable[str], fresh: int
) -> dict[str, Any]:
    """Means and their standard errors of the truth and of each method."""
    world = make_world(scenario)
    rng = np.random.default_rng([SEED, len(scenario.name)])
    pool = np.stack([world.draw(rng) for _ in range(fresh)])
    rows: list[list[float]] = []
    for _ in range(replicates):
        y = world.draw(rng)
        model = fit(world, y)
        estimates = [mc.caic(model, method=name).df for name in methods]
        rows.append([true_excess(world, model, y, pool), *estimates])
    return summarise(np.array(rows), methods, scenario.before)


def summarise(table: np.ndarray, methods: Iterable[str], before: float) -> dict[str, Any]:
    """Means with standard errors; biases with those of paired differences."""
    root = np.sqrt(len(table))
    out: dict[str, Any] = {
        "replicates": len(table),
        "truth": float(table[:, 0].mean()),
        "truth_error": float(table[:, 0].std(ddof=1) / root),
        "before": None if np.isnan(before) else before,
    }
    for k, name in enumerate(methods, 1):
        difference = table[:, k] - table[:, 0]
        out[name] = float(table[:, k].mean())
        out[f"{name}_bias"] = float(difference.mean())
        out[f"{name}_bias_error"] = float(difference.std(ddof=1) / root)
    return out


def show(name: str, found: dict[str, Any], methods: Iterable[str]) -> str:
    """One line."""
    parts = [f"{name:15s} truth {found['truth']:6.2f} ({found['truth_error']:.2f})"]
    parts += [
        f"{m} {found[m]:6.2f}, bias {found[f'{m}_bias']:+.2f} ({found[f'{m}_bias_error']:.2f})"
        for m in methods
    ]
    return "; ".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """Run the study and store what it finds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--fresh", type=int, default=400, help="data sets for the expectation")
    parser.add_argument("--exact", action="store_true", help="refits as well (slow)")
    parser.add_argument("--only", help="scenarios whose name starts so")
    options = parser.parse_args(arguments)
    methods = (*METHODS, "refit") if options.exact else METHODS
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for scenario in scenarios():
        if not scenario.name.startswith(options.only or ""):
            continue
        found = study(scenario, options.replicates, methods, options.fresh)
        stored[scenario.name] = found
        RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
        print(show(scenario.name, found, methods), flush=True)


if __name__ == "__main__":
    main()
