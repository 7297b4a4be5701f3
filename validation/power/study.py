"""Power of ``mixcheck.check(fit)``, beside the seven checks of any model and the tests of DHARMa.

Each fault of `faults.py` is made many times and the model without it fitted. Counted is how often

- the default call fails, with as many replicates as it takes;
- a check that is about the fault is among those that fail;
- ``Suite.standard()``, the checks of any model, fails, in the same call without the others;
- the test of DHARMa that is about the fault has a p-value of 5 % or less. The tests are written
  here after its documentation, on 250 data sets with new random effects, and given those of the
  data ("conditional"): the better of the two counts.

    python validation/power/study.py --datasets 100 --jobs 2

Results are added to ``results.json`` beside this file, each rate with its number of data sets;
the Monte Carlo standard error of a rate r is ``sqrt(r (1 - r) / n)``, 0.05 at most for 100.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from faults import FAULTS, Fault
from joblib import Parallel, delayed
from scipy import stats

import mixcheck as mc
from mixcheck.port import DataView

RESULTS = Path(__file__).with_name("results.json")
LEVEL = 0.05
DRAWS = 250


def fit_of(fault: Fault, seed: int) -> mc.GLMM:
    """The model without the fault, fitted to one data set that has it."""
    data = fault.make(np.random.default_rng([seed, *fault.formula.encode(), fault.groups]))
    with warnings.catch_warnings():
        for category in (mc.BoundaryWarning, mc.SeparationWarning, mc.ConvergenceWarning):
            warnings.simplefilter("ignore", category)
        return mc.glmm(fault.formula, data, family=fault.family)


def one(name: str, seed: int, *, ours: bool) -> dict[str, bool]:
    """What each side sees in one data set, or `ours` alone."""
    fault = FAULTS[name]
    fit = fit_of(fault, seed)
    report = mc.check(fit, seed=seed, n_jobs=1)
    failed = [name for name, one in report.verdicts.items() if one is mc.Verdict.FAIL]
    general = {check.kind for check in mc.Suite.standard()}
    of_any = mc.Report(
        tuple(found for found in report.findings if found.kind in general), policy=report.policy
    )
    found = {
        "default": bool(failed),
        "check of the fault": any(name.startswith(fault.ours) for name in failed),
        "checks of any model": any(v is mc.Verdict.FAIL for v in of_any.verdicts.values()),
    }
    for kind in ("new random effects", "given random effects") if fault.dharma and not ours else ():
        p = dharma(fit, fault.dharma, seed, given=kind.startswith("given"))
        found[f"DHARMa {fault.dharma}, {kind}"] = p <= LEVEL
    return found


# ---- tests of DHARMa, after its documentation -----------------------------------------------


def dharma(fit: mc.GLMM, test: str, seed: int, *, given: bool) -> float:
    """P-value of one of its tests, on data simulated given the random effects or with new ones."""
    rng = np.random.default_rng([seed, 9])
    conditioning = "mode" if given else "marginal"
    made = np.asarray(fit.simulate(DRAWS, seed=seed, conditioning=conditioning), dtype=float).T
    seen = mc.residuals(fit, seed=seed).observed
    return TESTS[test](seen, made, scaled_residuals(seen.response, made, rng), fit.frame)


def scaled_residuals(
    response: np.ndarray, made: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Place of each response among its simulations, ties broken at random, (n,)."""
    below, ties = (made < response).sum(axis=0), (made == response).sum(axis=0)
    return (below + rng.random(response.size) * (ties + 1.0)) / (len(made) + 1.0)


def _two_sided(statistic: float, null: np.ndarray) -> float:
    above, below = np.mean(null >= statistic), np.mean(null <= statistic)
    return min(1.0, 2.0 * min(float(above), float(below)))


def _dispersion(seen: DataView, made: np.ndarray, scaled: np.ndarray, data: pd.DataFrame) -> float:
    """The variance of the response about the mean simulation, beside that of the simulations."""
    centre = made.mean(axis=0)
    return _two_sided(
        float(np.var(seen.response - centre, ddof=1)), np.var(made - centre, axis=1, ddof=1)
    )


def _zeros(seen: DataView, made: np.ndarray, scaled: np.ndarray, data: pd.DataFrame) -> float:
    """The number of zeros."""
    return _two_sided(float((seen.response == 0).sum()), (made == 0).sum(axis=1))


def _uniformity(seen: DataView, made: np.ndarray, scaled: np.ndarray, data: pd.DataFrame) -> float:
    """Kolmogorov and Smirnov's test."""
    return float(stats.kstest(scaled, "uniform").pvalue)


def _outliers(seen: DataView, made: np.ndarray, scaled: np.ndarray, data: pd.DataFrame) -> float:
    """How many responses lie outside all simulations, by a binomial."""
    outside = (seen.response > made.max(axis=0)) | (seen.response < made.min(axis=0))
    return float(stats.binomtest(int(outside.sum()), outside.size, 2.0 / (len(made) + 1.0)).pvalue)


def _quantiles(seen: DataView, made: np.ndarray, scaled: np.ndarray, data: pd.DataFrame) -> float:
    """Quantile curves along the ranks of the fitted values, random effects at zero.

    DHARMa fits additive quantile regressions at 0.25, 0.5 and 0.75; here indicators of being
    below each quantile are regressed on a cubic in the ranks, and the smallest of three F tests
    is adjusted after Benjamini and Hochberg, as there.
    """
    ranks = stats.rankdata(seen.fitted) / scaled.size
    cubic = np.vander(ranks - 0.5, 4)
    pvalues = []
    for level in (0.25, 0.5, 0.75):
        below = (scaled < level).astype(float) - level
        rest = below - cubic @ np.linalg.lstsq(cubic, below, rcond=None)[0]
        gain, noise = float(below @ below - rest @ rest), float(rest @ rest)
        df = scaled.size - 4
        pvalues.append(float(stats.f.sf(gain / 4.0 / (noise / df), 4, df)))
    return float(stats.false_discovery_control(pvalues).min())


def _levene(seen: DataView, made: np.ndarray, scaled: np.ndarray, data: pd.DataFrame) -> float:
    """Levene's test of the scaled residuals between the levels of the factor."""
    codes = data["treatment"].to_numpy()
    return float(stats.levene(*(scaled[codes == level] for level in np.unique(codes))).pvalue)


TESTS: dict[str, Callable[[DataView, np.ndarray, np.ndarray, pd.DataFrame], float]] = {
    "dispersion": _dispersion,
    "zeros": _zeros,
    "uniformity": _uniformity,
    "outliers": _outliers,
    "quantiles": _quantiles,
    "levene": _levene,
}


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first data set")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--dry", action="store_true", help="print, and store nothing")
    parser.add_argument(
        "--ours", action="store_true", help="keep what is stored of the tests of DHARMa"
    )
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.datasets)
    for name in FAULTS:
        if options.only not in name:
            continue
        tasks = (delayed(one)(name, seed, ours=options.ours) for seed in seeds)
        rows = list(Parallel(n_jobs=options.jobs)(tasks))
        rates = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        print(f"\n{name}  (n = {len(rows)})")
        for key, rate in rates.items():
            print(f"  {key:45s} {rate:.2f}", flush=True)
        if not options.dry:
            held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            found = {"n": len(rows), **{key: round(rate, 4) for key, rate in rates.items()}}
            kept = held[name] if options.ours and held[name]["n"] == len(rows) else {}
            held[name] = {**kept, **found}
            held["versions"] = {
                "mixcheck": mc.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            }
            RESULTS.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
