"""P-values of the comparison under their null hypotheses.

Likelihood-ratio tests by the chi-square, by the mixture and by the bootstrap; Vuong's two tests;
checks of leave-one-out residuals. Each rejection rate at 5 % is printed with its Monte Carlo
standard error, and for the bootstrap the distance of the p-values from uniform.

    python validation/comparison/null_pvalues.py --datasets 400 --draws 39

About twenty minutes on one core. Results are added to ``results.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import mixcheck as mc

RESULTS = Path(__file__).with_name("results.json")
LEVEL = 0.05


def table(rng: np.random.Generator, groups: int, size: int) -> pd.DataFrame:
    """Groups g crossed with a second factor h, and two predictors."""
    n = groups * size
    return pd.DataFrame(
        {
            "g": np.repeat(np.arange(groups), size).astype(str),
            "h": np.tile(np.arange(size), groups).astype(str),
            "x": rng.standard_normal(n),
            "z": rng.standard_normal(n),
        }
    )


def levels(data: pd.DataFrame, factor: str, rng: np.random.Generator) -> np.ndarray:
    """A standard normal number for each level, by row."""
    codes, names = pd.factorize(data[factor])
    return rng.standard_normal(len(names))[codes]


def fixed(rng: np.random.Generator) -> pd.DataFrame:
    """Poisson, 12 groups of 5, no effect of x."""
    data = table(rng, 12, 5)
    return data.assign(y=rng.poisson(np.exp(0.5 + 0.7 * levels(data, "g", rng))))


def no_groups(rng: np.random.Generator) -> pd.DataFrame:
    """Poisson, 20 groups of 5 that do not differ."""
    data = table(rng, 20, 5)
    return data.assign(y=rng.poisson(np.exp(0.5 + 0.3 * data["x"])))


def intercepts(rng: np.random.Generator) -> pd.DataFrame:
    """Gaussian, 20 groups of 6, intercepts differ and slopes do not."""
    data = table(rng, 20, 6)
    return data.assign(y=data["x"] + levels(data, "g", rng) + rng.standard_normal(len(data)))


def noise(rng: np.random.Generator) -> pd.DataFrame:
    """Gaussian, 20 x 6, neither factor has an effect."""
    data = table(rng, 20, 6)
    return data.assign(y=data["x"] + rng.standard_normal(len(data)))


def both_needed(rng: np.random.Generator) -> pd.DataFrame:
    """Gaussian, 60 groups of 4, x and z with the same effect."""
    data = table(rng, 60, 4)
    mean = 0.5 * (data["x"] + data["z"]) + levels(data, "g", rng)
    return data.assign(y=mean + rng.standard_normal(len(data)))


def none_needed(rng: np.random.Generator) -> pd.DataFrame:
    """Gaussian, 60 groups of 4, neither x nor z has an effect."""
    data = table(rng, 60, 4)
    return data.assign(y=levels(data, "g", rng) + rng.standard_normal(len(data)))


TESTS: dict[str, tuple[Callable[[np.random.Generator], pd.DataFrame], str, str, str]] = {
    "fixed effect, Poisson 12 x 5": (fixed, "poisson", "y ~ 1 + (1 | g)", "y ~ x + (1 | g)"),
    "one variance, Poisson 20 x 5": (no_groups, "poisson", "y ~ x", "y ~ x + (1 | g)"),
    "slope, Gaussian 20 x 6": (intercepts, "gaussian", "y ~ x + (1 | g)", "y ~ x + (x | g)"),
    "two variances, Gaussian 20 x 6": (
        noise,
        "gaussian",
        "y ~ x",
        "y ~ x + (1 | g) + (0 + x | g)",
    ),
}


def likelihood_ratios(name: str, seed: int, draws: int) -> dict[str, float]:
    """The three p-values of one data set."""
    make, family, small, large = TESTS[name]
    data = make(np.random.default_rng([seed, len(name)]))
    smaller = mc.glmm(small, data, family=family)
    larger = mc.glmm(large, data, family=family)
    plain = mc.lrt(smaller, larger, boundary="chi-square").pvalue
    boot = mc.bootstrap_lrt(smaller, larger, draws=draws, seed=seed, n_jobs=1)
    return {
        "chi-square": plain,
        "mixture": mc.lrt(smaller, larger).pvalue,
        "bootstrap": boot.pvalue,
        "failed refits": sum(count for _, count in boot.failures),
    }


def vuong(seed: int) -> dict[str, float]:
    """The two p-values under their own null hypotheses."""
    rng = np.random.default_rng([seed, 1])
    close, same = both_needed(rng), none_needed(rng)
    fits = [[mc.glmm(f"y ~ {v} + (1 | g)", d) for v in "xz"] for d in (close, same)]
    return {
        "equally close": mc.vuong(*fits[0]).pvalue,
        "indistinguishable": mc.vuong(*fits[1]).variance_pvalue,
    }


def left_out(seed: int) -> dict[str, float]:
    """Checks of leave-one-out residuals of a correct model."""
    data = fixed(np.random.default_rng([seed, 2]))
    residuals = mc.loo(mc.glmm("y ~ x + (1 | g)", data, family="poisson")).residuals(
        seed=seed, draws=99
    )
    suite = mc.checks.Uniformity() & mc.checks.Dispersion() & mc.checks.Zeros()
    frame = suite.run(residuals, n_jobs=1).to_frame()
    return dict(zip(frame["check"], frame["pvalue"].astype(float), strict=True))


def quietly(task: Callable[..., dict[str, float]], *arguments: object) -> dict[str, float]:
    """Do a task without warnings of boundaries, which nulls on them must give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        return task(*arguments)


def summarise(rows: list[dict[str, float]]) -> dict[str, float]:
    """Rejection rates at 5 %, and the distance from uniform below one half."""
    out: dict[str, float] = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        if name == "failed refits":
            out[name] = float(values.sum())
            continue
        out[name] = float(np.mean(values <= LEVEL))
        if name == "bootstrap":
            grid = np.arange(0.05, 0.5, 0.05)
            out["bootstrap, largest excess"] = float(
                max(np.mean(values <= level + 1e-9) - level for level in grid)
            )
    return out


def main() -> None:
    """Run all studies and store their rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=400)
    parser.add_argument("--draws", type=int, default=39)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    tasks: dict[str, list[tuple[object, ...]]] = {
        name: [(likelihood_ratios, name, s, options.draws) for s in range(options.datasets)]
        for name in TESTS
    }
    tasks["Vuong, Gaussian 60 x 4"] = [(vuong, s) for s in range(options.datasets)]
    tasks["leave-one-out residuals, Poisson 12 x 5"] = [
        (left_out, s) for s in range(options.datasets)
    ]
    found: dict[str, dict[str, float]] = {}
    for name, calls in tasks.items():
        rows = list(Parallel(n_jobs=options.jobs)(delayed(quietly)(*call) for call in calls))
        found[name] = summarise(rows)
        error = float(np.sqrt(LEVEL * (1.0 - LEVEL) / options.datasets))
        print(f"{name} (standard error {error:.3f})", flush=True)
        for key, value in found[name].items():
            print(f"  {key}: {value:.3f}", flush=True)
        content = {"datasets": options.datasets, "draws": options.draws, "rates": found}
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
