"""False positives of every check and of the standard suite, and power against overdispersion.

"default" is what `mixcheck.check(fit)` does: calibrated, with as many replicates as it takes; the
suite must fail between 2.5 % and 6 % of correct models. "others" is the same of designs that it
was not tuned on. The others have a fixed number of draws,
with the estimates taken for the truth ("plug-in") unless refits are in their name. There a correct
model must fail a check in 5 % of data sets or fewer, and the suite as a whole in 5 % or fewer;
with refits (the parametric bootstrap) the suite not in fewer than 3 %. Each rate is printed with
its Monte Carlo standard error.

    python validation/calibration/study.py default --datasets 400 --jobs 1
    python validation/calibration/study.py default --only nbinom2 --datasets 800 --seed 1000
    python validation/calibration/study.py others --datasets 100 --jobs 1
    python validation/calibration/study.py false-positives --datasets 400
    python validation/calibration/study.py wider --datasets 400
    python validation/calibration/study.py refits --datasets 400
    python validation/calibration/study.py power --datasets 400

    python validation/calibration/study.py wider-power --datasets 200

"wider" is the first for zero inflation and for families with a dispersion, and "wider-power"
fits such models to data that have more (no refits). On two cores the first takes about ten
minutes, the others up to an hour each. Results are added to ``results.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from other_designs import OTHERS
from scenarios import CORRECT, DEFAULT, OVERDISPERSED, WIDER, WIDER_WRONG, Scenario

import mixcheck as mc

RESULTS = Path(__file__).with_name("results.json")
LEVEL = 0.05
REPLICATES = "replicates"
STUDIES = {
    "default": DEFAULT,
    "others": OTHERS,
    "false-positives": CORRECT,
    "wider": WIDER,
    "refits": CORRECT,
    "power": OVERDISPERSED,
    "wider-power": WIDER_WRONG,
}


def p_values(scenario: Scenario, seed: int, options: dict[str, Any]) -> dict[str, float]:
    """P-value of each check of one data set, the smallest adjusted one, and the replicates."""
    data = scenario.make(np.random.default_rng([seed, len(scenario.name)]))
    with warnings.catch_warnings():
        for category in (mc.BoundaryWarning, mc.SeparationWarning, mc.ConvergenceWarning):
            warnings.simplefilter("ignore", category)
        asked = {"zi": scenario.zi} | dict(scenario.options)
        fit = mc.glmm(scenario.formula, data, family=scenario.family, **asked)
        report = mc.check(fit, seed=seed, n_jobs=1, **options)
    frame = report.to_frame().dropna(subset=["pvalue"])
    found = dict(zip(frame["check"], frame["pvalue"].astype(float), strict=True))
    used = float(report.provenance["replicates used"])
    return found | {"suite": float(frame["adjusted_pvalue"].min()), REPLICATES: used}


def study(
    scenario: Scenario, seeds: range, options: dict[str, Any], jobs: int
) -> dict[str, list[float]]:
    """P-values over many data sets, by check."""
    tasks = (delayed(p_values)(scenario, s, options) for s in seeds)
    rows: list[dict[str, float]] = list(Parallel(n_jobs=jobs)(tasks))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row[name] for row in rows if name in row] for name in names}


def rejection(values: Sequence[float]) -> tuple[float, float]:
    """Share of p-values at or below the level, and its standard error under the null."""
    share = float(np.mean(np.asarray(values) <= LEVEL))
    return share, float(np.sqrt(LEVEL * (1.0 - LEVEL) / len(values)))


def show(title: str, by_check: dict[str, list[float]]) -> dict[str, Any]:
    """Print one scenario and return what is stored of it."""
    print(f"\n{title}")
    out: dict[str, Any] = {}
    used = by_check.pop(REPLICATES)
    print(f"  replicates: mean {np.mean(used):.0f}, most {max(used):.0f}")
    for name, values in by_check.items():
        share, error = rejection(values)
        flag = "  above 5 %" if share > LEVEL + 2.5 * error else ""
        print(f"  {name:35s} {share:6.3f}  (n = {len(values)}, se {error:.3f}){flag}", flush=True)
        out[name] = {"rejection": share, "n": len(values)}
    return out | {REPLICATES: {"mean": float(np.mean(used)), "most": max(used)}}


def store(kind: str, content: dict[str, Any]) -> None:
    """Add results to the file."""
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    held[kind] = (
        held.get(kind, {}) | content | {"mixcheck": mc.__version__, "numpy": np.__version__}
    )
    # Several runs may store at once.
    fresh = RESULTS.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(held, indent=1) + "\n")
    fresh.replace(RESULTS)


def main() -> None:
    """Run one of the studies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=STUDIES)
    parser.add_argument("--datasets", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="of the first data set")
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="scenarios whose name holds this text")
    options = parser.parse_args()
    calibration = "refit" if options.kind in ("refits", "power") else "plug-in"
    asked: dict[str, Any] = {"draws": options.draws, "calibration": calibration}
    if options.kind in ("default", "others"):
        asked = {}
    scenarios = STUDIES[options.kind]
    content: dict[str, Any] = {**asked}
    seeds = range(options.seed, options.seed + options.datasets)
    for scenario in scenarios:
        if options.only in scenario.name:
            found = study(scenario, seeds, asked, options.jobs)
            told = {"datasets": options.datasets, "first seed": options.seed}
            content[scenario.name] = told | show(scenario.name, found)
            store(options.kind, content)


if __name__ == "__main__":
    sys.exit(main())
