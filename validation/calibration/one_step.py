"""Whether one Newton step from the estimates gives the null distributions that refits give.

The same replicate data sets are seen once by the model fitted to them again and once by the model
one step from its estimates. For each check of the standard suite: the correlation of its statistic
over the replicates, by how much the 95 % point is off in standard deviations of the refitted null,
and both p-values of the data.

    python validation/calibration/one_step.py --draws 199

Beyond 2,000 rows the one step is the default, so the simulated models have 2,400. Results are
added to ``one_step.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc

RESULTS = Path(__file__).with_name("one_step.json")
GROUPS, ROWS = 120, 20
FAMILIES = (
    "poisson",
    "binomial",
    "gaussian",
    "nbinom2",
    "gamma",
    "beta",
    "zip",
    "crossed",
    "slopes",
    # So many crossed effects that the log determinant is followed by its slope at the fit.
    "poisson crossed 150",
    "binomial crossed 150",
    "gaussian crossed 150",
)
SHIPPED = {
    "cbpp": ("incidence / size ~ period + (1 | herd)", "binomial"),
    "Salamanders": ("count ~ mined + spp + (1 | site)", "nbinom2"),
    "epil": ("y ~ base + trt + (1 | subject)", "nbinom2"),
}


def simulated(name: str) -> mc.GLMM:
    """A correct model of 2,400 rows."""
    rng = np.random.default_rng([17, *name.encode()])
    kind, _, others = name.partition(" crossed ")
    crossed, others = kind == "crossed" or others != "", int(others or 40)
    g, h = np.repeat(np.arange(GROUPS), ROWS), rng.integers(0, others, GROUPS * ROWS)
    data = pd.DataFrame(
        {"g": g, "h": h, "x": rng.normal(size=g.size), "z": rng.normal(size=g.size)}
    )
    x = data["x"].to_numpy()
    eta = 0.3 + 0.4 * x + 0.6 * rng.normal(size=GROUPS)[g]
    if crossed:
        eta = eta + 0.4 * rng.normal(size=others)[h]
    if name == "slopes":
        eta = eta + 0.3 * rng.normal(size=GROUPS)[g] * x
    p, mean = 1.0 / (1.0 + np.exp(-eta)), np.exp(eta)
    made = {
        "binomial": lambda: rng.binomial(1, p),
        "gaussian": lambda: eta + rng.normal(size=g.size),
        "nbinom2": lambda: rng.poisson(mean * rng.gamma(1.5, 1.0 / 1.5, g.size)),
        "gamma": lambda: mean * rng.gamma(3.0, 1.0 / 3.0, g.size),
        "beta": lambda: np.clip(rng.beta(6.0 * p, 6.0 * (1.0 - p)), 1e-9, 1.0 - 1e-9),
        "zip": lambda: rng.poisson(2.0 * mean) * (rng.random(g.size) > 0.2),
    }
    data["y"] = made.get(kind, lambda: rng.poisson(mean))()
    random = "(1 | g) + (1 | h)" if crossed else "(x | g)" if name == "slopes" else "(1 | g)"
    family = kind if kind in made and kind != "zip" else "poisson"
    return mc.glmm(
        f"y ~ x + z + {random}", data, family=family, zi="~ 1" if name == "zip" else None
    )


def shipped(name: str) -> mc.GLMM:
    """A model of a data set of the package."""
    formula, family = SHIPPED[name]
    return mc.glmm(formula, mc.datasets.load(name), family=family)


def compared(fit: mc.GLMM, draws: int) -> dict[str, Any]:
    """Each check under both calibrations."""
    suite = mc.Suite.standard(fit)
    reports, seconds = {}, {}
    for calibration in ("refit", "one-step"):
        start = time.process_time()
        reports[calibration] = suite.run(
            fit, seed=1, draws=draws, calibration=calibration, n_jobs=1
        )
        seconds[calibration] = round(time.process_time() - start, 2)
    found: dict[str, Any] = {"seconds": seconds}
    for one in reports["one-step"].findings:
        if getattr(one, "pvalue", None) is None:
            continue
        other = reports["refit"][one.check]
        size = min(one.replicates.size, other.replicates.size)
        a, b = one.replicates[:size], other.replicates[:size]
        scale = float(b.std()) or 1.0
        found[one.check] = {
            "correlation": round(float(np.corrcoef(a, b)[0, 1]), 3),
            "95 % point, in sd": round(
                float(np.quantile(a, 0.95) - np.quantile(b, 0.95)) / scale, 3
            ),
            "p": [round(other.pvalue, 4), round(one.pvalue, 4)],
        }
    return found


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--only", default="", help="models whose name holds this text")
    options = parser.parse_args()
    for name in (*SHIPPED, *FAMILIES):
        if options.only not in name:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.BoundaryWarning)
            fit = shipped(name) if name in SHIPPED else simulated(name)
            found = compared(fit, options.draws)
        print(name, json.dumps(found, indent=1), flush=True)
        held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        held[name] = {"rows": int(fit.nobs), "draws": options.draws, **found}
        held["mixcheck"] = mc.__version__
        RESULTS.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
