"""Crossed effects without a matrix of their pairs, beside the matrix where there is one.

What it shows: log-likelihood, estimates and standard errors of the fit by iterations against those
of the fit with the matrix, in two crossed designs with it and one without; CPU seconds, and the
memory that the process took at most.

    python validation/fitting/many_crossed.py compare     # both ways, three minutes
    python validation/fitting/many_crossed.py large poisson   # five million rows: two minutes

Results are added to ``many_crossed.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from mixcheck.fitting.estimation import sizes
from mixcheck.port import port_of

RESULTS = Path(__file__).with_name("many_crossed.json")
FORMULA = "y ~ x + (1 | g) + (1 | h)"
COMPARED = {
    "1e6 rows, 5,000 x 5,000": (10**6, 5_000, 5_000),
    "1e5 rows, 5,000 x 4,000": (10**5, 5_000, 4_000),
}
LARGE = (5 * 10**6, 50_000, 20_000)


def draw(family: str, rows: int, groups: int, others: int) -> pd.DataFrame:
    """Levels that meet at random, deviations of 0.5 and 0.4."""
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, groups, rows), rng.integers(0, others, rows)
    x = rng.normal(size=rows)
    eta = 0.3 + 0.4 * x + 0.5 * rng.normal(size=groups)[g] + 0.4 * rng.normal(size=others)[h]
    if family == "poisson":
        y = rng.poisson(np.exp(eta)).astype(float)
    elif family == "binomial":
        y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    else:
        y = eta + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h})


def fit(data: pd.DataFrame, family: str, *, matrix: bool) -> tuple[mc.GLMM, float]:
    """The fit with a matrix or without, and its CPU seconds."""
    sizes.available_memory = (lambda: None) if matrix else (lambda: 1.0)
    started = time.process_time()
    found = mc.glmm(FORMULA, data, family=family)
    if port_of(found).problem.latent.iterative is matrix:
        raise RuntimeError("that is the other way")
    return found, time.process_time() - started


def compare(name: str) -> dict[str, Any]:
    """Both ways in one design."""
    data = draw("poisson", *COMPARED[name])
    without, quick = fit(data, "poisson", matrix=False)
    whole, slow = fit(data, "poisson", matrix=True)
    sd = [f.variance_components["sd"] for f in (without, whole)]
    deviations = [f.random_effects_sd["h"].to_numpy() for f in (without, whole)]
    return {
        "cpu seconds": [round(quick, 1), round(slow, 1)],
        "log-likelihoods": [without.llf, whole.llf],
        "error told": 0.5 * port_of(without).problem.remainder.error,
        "estimates apart, in standard errors": float(
            (np.abs(without.params - whole.params) / whole.bse).max()
        ),
        "standard errors apart": float(np.abs(without.bse / whole.bse - 1.0).max()),
        "deviations apart": float(np.abs(sd[0] - sd[1]).max()),
        "conditional deviations apart": float(np.abs(deviations[0] / deviations[1] - 1.0).max()),
    }


def large(family: str) -> dict[str, Any]:
    """Where the matrix would take 29 GB."""
    data = draw(family, *LARGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    found, seconds = fit(data, family, matrix=False)
    return {
        "cpu seconds": round(seconds, 1),
        "gigabytes with the data, and of these": [
            round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
            round(before, 2),
        ],
        "log-likelihood": found.llf,
        "error told": 0.5 * port_of(found).problem.remainder.error,
        "estimates": found.params.to_dict(),
        "deviations": found.variance_components["sd"].to_list(),
        "converged": found.converged,
    }


def main() -> None:
    """Run one part and store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("compare", "large"))
    parser.add_argument("family", nargs="?", default="poisson")
    told = parser.parse_args()
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored["mixcheck"] = mc.__version__
    if told.part == "compare":
        for name in COMPARED:
            stored[name] = compare(name)
            print(name, stored[name], flush=True)
            RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    else:
        name = f"{told.family}, 5e6 rows, 50,000 x 20,000"
        stored[name] = large(told.family)
        print(name, stored[name])
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
