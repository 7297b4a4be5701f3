"""Whether verdicts hang on the seed: the default call with many of them on data of the package.

For each check of the standard suite: the share of seeds by verdict, and the range of its adjusted
p-value.

    python validation/calibration/seeds.py --seeds 50

Results are added to ``seeds.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

import mixcheck as mc

RESULTS = Path(__file__).with_name("seeds.json")
MODELS = {
    "grouse ticks, poisson": (
        "grouseticks",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
        "poisson",
    ),
    "grouse ticks, nbinom2": (
        "grouseticks",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
        "nbinom2",
    ),
    "epil, poisson": ("epil", "y ~ lbase * trt + lage + V4 + (1 | subject)", "poisson"),
    "epil, nbinom2": ("epil", "y ~ lbase * trt + lage + V4 + (1 | subject)", "nbinom2"),
    "salamanders, poisson": ("Salamanders", "count ~ spp + mined + (1 | site)", "poisson"),
    "salamanders, nbinom2": ("Salamanders", "count ~ spp + mined + (1 | site)", "nbinom2"),
}


def verdicts(name: str, seed: int) -> dict[str, tuple[str, float]]:
    """Verdict and adjusted p-value of each check."""
    data, formula, family = MODELS[name]
    fit = mc.glmm(formula, mc.datasets.load(data), family=family)
    report = mc.check(fit, seed=seed, n_jobs=1)
    return {
        one.check: (one.verdict.value, one.adjusted_pvalue)
        for one in report.judgements
        if one.adjusted_pvalue is not None
    }


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="models whose name holds this text")
    options = parser.parse_args()
    for name in MODELS:
        if options.only not in name:
            continue
        tasks = (delayed(verdicts)(name, seed) for seed in range(1, options.seeds + 1))
        found = list(Parallel(n_jobs=options.jobs)(tasks))
        content: dict[str, Any] = {"seeds": options.seeds, "mixcheck": mc.__version__}
        print(f"\n{name}")
        for check in found[0]:
            counts = dict(Counter(row[check][0] for row in found))
            adjusted = [row[check][1] for row in found]
            content[check] = {"verdicts": counts, "adjusted p": [min(adjusted), max(adjusted)]}
            print(f"  {check:40s} {counts}  {min(adjusted):.3f} to {max(adjusted):.3f}", flush=True)
        held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        held[name] = content
        RESULTS.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
