"""False positives and power of the checks for what is missing.

Share of p-values at or below 5 %, with its Monte Carlo standard error, of correct models of nine
kinds and of models that lack one thing.

    nice python validation/missing_terms/study.py correct --datasets 200
    nice python validation/missing_terms/study.py refits --datasets 100 --only gamma
    nice python validation/missing_terms/study.py wrong --datasets 100

On two cores the first takes about twenty minutes. Results are added to ``results.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from designs import CORRECT, WRONG, Design
from joblib import Parallel, delayed

import mixcheck as mc
from mixcheck import checks

RESULTS = Path(__file__).with_name("results.json")
LEVEL = 0.05
SUITE = mc.Suite(
    (
        checks.MissingPredictor(),
        checks.MissingPredictor(part="dispersion"),
        checks.MissingPredictor(part="zi"),
        checks.MissingSlope(),
        checks.MissingGroup(),
        checks.Interaction(),
        checks.Link(),
        checks.Spread(),
        checks.Spread("x"),
        checks.Spread("f"),
        checks.Quantiles(),
        checks.Quantiles("x"),
        checks.Trend("x"),
    )
)


def p_values(design: Design, seed: int, draws: int, calibration: Any) -> dict[str, float]:
    """P-value of each check of one data set."""
    data = design.make(np.random.default_rng([seed, *design.name.encode()]))
    with warnings.catch_warnings():
        for category in (mc.BoundaryWarning, mc.SeparationWarning, mc.ConvergenceWarning):
            warnings.simplefilter("ignore", category)
        fit = mc.glmm(design.formula, data, family=design.family, **design.options)
        report = SUITE.run(fit, seed=seed, draws=draws, calibration=calibration)
    frame = report.to_frame().dropna(subset=["pvalue"])
    return dict(zip(frame["check"], frame["pvalue"].astype(float), strict=True))


def show(title: str, rows: list[dict[str, float]]) -> dict[str, Any]:
    """Print the rates of one design and return them."""
    print(f"\n{title}")
    out: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = np.array([row[name] for row in rows if name in row])
        share = float(np.mean(values <= LEVEL))
        error = float(np.sqrt(max(share * (1.0 - share), LEVEL * (1.0 - LEVEL)) / values.size))
        print(f"  {name:35s} {share:6.3f}  (n = {values.size}, se {error:.3f})", flush=True)
        out[name] = {"rejection": share, "n": values.size, "se": round(error, 4)}
    return out


def main() -> None:
    """Run one of the studies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("correct", "refits", "wrong"))
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the first data set")
    parser.add_argument("--only", default="", help="designs whose name holds this text")
    parser.add_argument("--dry", action="store_true", help="print, and store nothing")
    options = parser.parse_args()
    calibration = "refit" if options.kind == "refits" else "plug-in"
    kinds = WRONG if options.kind == "wrong" else {"": CORRECT}
    for kind, designs in kinds.items():
        for design in designs:
            title = f"{kind}: {design.name}" if kind else design.name
            if options.only not in title:
                continue
            seeds = range(options.seed, options.seed + options.datasets)
            tasks = (delayed(p_values)(design, s, options.draws, calibration) for s in seeds)
            found = show(title, list(Parallel(n_jobs=options.jobs)(tasks)))
            if not options.dry:
                _store(options.kind, title, found, options.draws)


def _store(kind: str, title: str, found: dict[str, Any], draws: int) -> None:
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    held.setdefault(kind, {})[title] = {"draws": draws, **found}
    held["mixcheck"] = mc.__version__
    RESULTS.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
