"""Fit every reference case with mixcheck and compare.

What it shows: the difference in log-likelihood, the largest relative difference of a
parameter (coefficients on the scale of their standard errors where these are larger),
of a standard error, and the scaled gradient where the search stopped.

Run: ``python validation/reference/check_fits.py [CASE ..]`` (seconds). Exit code 1 where
a log-likelihood is off by more than 1e-6, a parameter by 1e-4 or a gradient exceeds 1e-6.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc

REFERENCE = Path(__file__).parents[2] / "tests" / "data" / "reference.json"
LLF, PARAMETER, GRADIENT = 1e-6, 1e-4, 1e-6


@dataclass(frozen=True)
class Row:
    """What one case gave."""

    name: str
    llf: float
    parameter: float
    error: float
    gradient: float

    @property
    def within(self) -> bool:
        """Whether every difference is within its tolerance."""
        return abs(self.llf) < LLF and self.parameter < PARAMETER and self.gradient < GRADIENT


def load(case: dict[str, Any]) -> pd.DataFrame:
    data = mc.datasets.load(case["dataset"])
    return data.assign(**{name: data.eval(text) for name, text in case["assign"].items()})


def fit(case: dict[str, Any]) -> Any:
    family = getattr(mc.families, case["family"])(link=case["link"])
    options: dict[str, Any] = {} if case["hessian"] == "observed" else {"hessian": "expected"}
    if case["method"] == "agq":
        options = {"method": "agq", "nodes": case["nodes"]}
    return mc.glmm(case["formula"], load(case), family=family, **options)


def find(table: pd.DataFrame, group: str, name: str) -> pd.Series:
    """The one row of the variance components for `name` of `group`."""
    rows = table[(table["group"] == group) & (table["name"] == name)]
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} rows for {name!r} of {group!r}")
    return rows.iloc[0]


def differences(case: dict[str, Any], model: Any) -> tuple[float, float]:
    """Largest relative difference of a parameter and of a standard error."""
    worst = worst_error = 0.0
    for name, value in case["params"].items():
        se = case["bse"][name]
        worst = max(worst, abs(model.params[name] - value) / max(abs(value), se))
        worst_error = max(worst_error, abs(model.bse[name] / se - 1))
    table = model.variance_components
    for row in case["components"]:
        worst = max(worst, abs(find(table, row["group"], row["name"])["sd"] / row["sd"] - 1))
    for row in case["correlations"]:
        mine = find(table, row["group"], f"{row['name1']}, {row['name2']}")
        worst = max(worst, abs(mine["corr"] - row["corr"]))
    if case["sigma"] is not None:
        worst = max(worst, abs(find(table, "Residual", "")["sd"] / case["sigma"] - 1))
    return float(worst), float(worst_error)


def measure(name: str, case: dict[str, Any]) -> Row:
    model = fit(case)
    parameter, error = differences(case, model)
    return Row(
        name, float(model.llf - case["llf"]), parameter, error, float(model.convergence.gradient)
    )


def attempt(name: str, case: dict[str, Any]) -> Row:
    try:
        return measure(name, case)
    except Exception as problem:
        print(f"{name}: {type(problem).__name__}: {problem}", file=sys.stderr)
        return Row(name, np.nan, np.nan, np.nan, np.nan)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases; all of them by default")
    asked = parser.parse_args().cases
    cases: dict[str, Any] = json.loads(REFERENCE.read_text())["cases"]
    warnings.simplefilter("error")
    cases = {name: case for name, case in cases.items() if not asked or name in asked}
    if "method" not in inspect.signature(mc.glmm).parameters:
        left = [name for name in cases if cases[name]["method"] != "laplace"]
        cases = {name: case for name, case in cases.items() if name not in left}
        if left:
            print(f"left out, for glmm() has no method=: {', '.join(left)}")
    rows = [attempt(name, case) for name, case in cases.items()]
    print(f"{'case':24s} {'llf':>10s} {'parameter':>10s} {'se':>10s} {'gradient':>10s}")
    for row in rows:
        numbers = (row.llf, row.parameter, row.error, row.gradient)
        mark = "" if row.within else "  <-- beyond tolerance"
        print(f"{row.name:24s} " + " ".join(f"{v:10.1e}" for v in numbers) + mark)
    sys.exit(0 if rows and all(row.within for row in rows) else 1)


if __name__ == "__main__":
    main()
