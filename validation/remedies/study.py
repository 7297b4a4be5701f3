"""How often the first suggestion is the right one.

A fault is detected where the report fails. The first suggestion is right where it makes the change
that the data were made with and no other; with a superfluous change beside it, it is counted apart.

    nice python validation/remedies/study.py known
    nice python validation/remedies/study.py new --only series
    nice python validation/remedies/study.py correct --datasets 20

A data set takes 1 to 10 seconds of one core. Results are added to ``results.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
from joblib import Parallel, delayed
from scenarios import CORRECT, KNOWN, NEW, Scenario

import mixcheck as mc

RESULTS = Path(__file__).with_name("results.json")
SETS = {"known": KNOWN, "new": NEW, "correct": CORRECT}


def answer(scenario: Scenario, seed: int, calibration: Any) -> dict[str, Any]:
    """What is suggested for one data set; empty where the fault is not detected."""
    rng = np.random.default_rng([seed, *f"{scenario.kind} {scenario.name}".encode()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        start = time.process_time()
        fit = scenario.fit(scenario.data(rng))
        report = mc.check(fit, scenario.suite, seed=seed, calibration=calibration, n_jobs=1)
        if report.ok:
            return {}
        tried = mc.suggest(report, n_jobs=1)
    first = tried.candidates[0] if tried.candidates else None
    name = "" if first is None else first.model
    changes = len(tried.why.get(name, ()))
    return {
        "right": any(text in name for text in scenario.right),
        "superfluous": max(changes - scenario.changes, 0),
        "passes": tried.best is not None,
        "caution": bool(tried.caution),
        "first": name,
        "fails": ", ".join(tried.failed),
        "seconds": round(time.process_time() - start, 1),
    }


def summary(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts, and the answers that are wrong."""
    found = [one for one in answers if one]
    right = [one for one in found if one["right"] and not one["superfluous"]]
    more = [one for one in found if one["right"] and one["superfluous"]]
    wrong = [one for one in found if one not in right]
    return {
        "datasets": len(answers),
        "detected": len(found),
        "right": len(right),
        "with more": len(more),
        "cautions": sum(one["caution"] for one in found),
        "passes": sum(one["passes"] for one in found),
        "seconds": float(np.median([one["seconds"] for one in found])) if found else 0.0,
        "not right": [f"{one['first']} [{one['fails']}]" for one in wrong],
    }


def main() -> None:
    """Run one of the sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=tuple(SETS))
    parser.add_argument("--datasets", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first data set")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--calibration", help="as in mixcheck.check; what it chooses by default")
    parser.add_argument("--only", default="", help="scenarios whose kind or name holds this text")
    parser.add_argument("--dry", action="store_true", help="print, and store nothing")
    options = parser.parse_args()
    for scenario in SETS[options.set]:
        title = f"{scenario.kind}: {scenario.name}"
        if options.only not in title:
            continue
        seeds = range(options.seed, options.seed + options.datasets)
        tasks = (delayed(answer)(scenario, seed, options.calibration) for seed in seeds)
        found = summary(list(Parallel(n_jobs=options.jobs)(tasks)))
        print(title, json.dumps(found, indent=1), flush=True)
        if not options.dry:
            _store(
                options.set,
                title,
                {"first seed": options.seed, "calibration": options.calibration, **found},
            )


def _store(name: str, title: str, found: dict[str, Any]) -> None:
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    versions = {"mixcheck": mc, "numpy": np, "scipy": scipy, "pandas": pd}
    held["versions"] = {key: module.__version__ for key, module in versions.items()}
    held.setdefault(name, {})[title] = found
    # Several runs may store at once.
    fresh = RESULTS.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(held, indent=1) + "\n")
    fresh.replace(RESULTS)


if __name__ == "__main__":
    main()
