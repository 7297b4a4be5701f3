"""Collect the reference values into one file for the tests.

What it shows: for each case the model in mixcheck's words and the numbers it must
reach. Values come from ``gold_laplace.json`` where the independent implementation has
the case and from polished glmmTMB where it is too large for dense matrices; every
engine that maximises the same likelihood must agree with them, or nothing is written.

Run: ``python validation/reference/collect.py`` (a second), after ``r_fits.R`` and
``gold_laplace.py``. Writes ``tests/data/reference.json``:

- ``dataset``, ``assign``: load the data set, then add the columns by ``DataFrame.eval``;
- ``formula``, ``family``, ``link``, ``hessian``, ``method``, ``nodes``: the call;
- ``llf``, ``params``, ``bse``, ``components`` (standard deviations), ``correlations``,
  ``sigma`` (residual standard deviation or null): the answer;
- ``source``, ``versions``, ``others``: who computed it, and by how much the log-likelihood
  of the others differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "tests" / "data" / "reference.json"
AGREEMENT = 1e-6  # lme4's determinant lags one step behind its mode: 2e-7 at worst

EPIL = {
    "lbase4": "log(base / 4)",
    "lage_raw": "log(age)",
    "visit": "(2 * period - 5) / 10",
    "Trt": "1.0 * (trt == 'progabide')",
    "obs": "index",
}

# name: (data set, added columns, formula, family, link)
MODELS: dict[str, tuple[str, dict[str, str], str, str, str]] = {
    "cbpp": ("cbpp", {}, "incidence / size ~ period + (1 | herd)", "Binomial", "logit"),
    "cbpp_obs": (
        "cbpp",
        {"obs": "index"},
        "incidence / size ~ period + (1 | herd) + (1 | obs)",
        "Binomial",
        "logit",
    ),
    "seeds": ("seeds", {}, "r / n ~ x1 * x2 + (1 | plate)", "Binomial", "logit"),
    "bacteria": (
        "bacteria",
        {"late": "1.0 * (week > 2)", "infected": "1.0 * (y == 'y')"},
        "infected ~ trt + late + (1 | ID)",
        "Binomial",
        "logit",
    ),
    "multicenter": (
        "multicenter",
        {},
        "sideeffect / n ~ group + (1 | center)",
        "Binomial",
        "logit",
    ),
    "epil_2": ("epil", EPIL, "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject)", "Poisson", "log"),
    "epil_3": (
        "epil",
        EPIL,
        "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject) + (1 | obs)",
        "Poisson",
        "log",
    ),
    "epil_4": (
        "epil",
        EPIL,
        "y ~ lbase4 * Trt + lage_raw + visit + (visit | subject)",
        "Poisson",
        "log",
    ),
    "grouseticks": (
        "grouseticks",
        {},
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "Poisson",
        "log",
    ),
    "sleepstudy": ("sleepstudy", {}, "Reaction ~ Days + (Days | Subject)", "Gaussian", "identity"),
    "sleepstudy_diagonal": (
        "sleepstudy",
        {},
        "Reaction ~ Days + (Days || Subject)",
        "Gaussian",
        "identity",
    ),
}
for _link in ("probit", "cloglog"):
    for _suffix in ("", "_expected"):
        MODELS[f"cbpp_{_link}{_suffix}"] = (*MODELS["cbpp"][:4], _link)

R_NAMES = {"(Intercept)": "Intercept", "YEAR96": "YEAR[T.96]", "YEAR97": "YEAR[T.97]"}
ANSWER = ("llf", "params", "bse", "components", "correlations", "sigma")


def read(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return record


def rename(values: dict[str, float]) -> dict[str, float]:
    return {R_NAMES.get(name, name): value for name, value in values.items()}


def translate(fit: dict[str, Any]) -> dict[str, Any]:
    """Answer of an R fit in the words of the gold one."""
    components = [
        {**row, "name": R_NAMES.get(row["name"], row["name"])} for row in fit["components"]
    ]
    return {
        "llf": fit["llf"],
        "params": rename(fit["fixef"]),
        "bse": rename(fit["se"]),
        "components": components,
        "correlations": fit.get("correlations") or [],
        "sigma": fit["sigma"],
    }


def compare(name: str, hessian: str, llf: float, fits: dict[str, Any]) -> dict[str, float]:
    """Differences in log-likelihood of the R engines that maximise the same function."""
    base, link = name.removesuffix("_expected"), MODELS[name][4]
    canonical = link not in ("probit", "cloglog")
    others = {
        engine: fit["llf"] - llf
        for engine, fit in fits[base].items()
        if canonical or fit["hessian"] == hessian
    }
    for engine, difference in others.items():
        if abs(difference) > AGREEMENT:
            raise SystemExit(f"{name}: {engine} differs by {difference:.1e} in log-likelihood")
    return others


def main() -> None:
    gold, r = read("gold_laplace"), read("r_fits")
    cases: dict[str, dict[str, Any]] = {}
    for name, (dataset, assign, formula, family, link) in MODELS.items():
        call = {
            "dataset": dataset,
            "assign": assign,
            "formula": formula,
            "family": family,
            "link": link,
        }
        hessian = "expected" if name.endswith("_expected") else "observed"
        if name in gold["laplace"]:
            answer, source, versions = gold["laplace"][name], "gold_laplace.py", gold["versions"]
        else:
            answer = translate(r["fits"][name]["glmmTMB"])
            source, versions = "glmmTMB, polished", r["versions"]
        cases[name] = {
            **call,
            "hessian": hessian,
            "method": "laplace",
            "nodes": 1,
            **{key: answer[key] for key in ANSWER},
            "source": source,
            "versions": versions,
            "others": compare(name, hessian, answer["llf"], r["fits"]),
        }
        for nodes, fit in gold["quadrature"].get(name, {}).items():
            cases[f"{name}_agq{nodes}"] = {
                **call,
                "hessian": "observed",
                "method": "agq",
                "nodes": int(nodes),
                **{key: fit[key] for key in ANSWER},
                "source": "gold_laplace.py",
                "versions": gold["versions"],
                "others": {},
            }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps({"r": r["versions"], "cases": cases}, indent=1) + "\n")
    print(f"{len(cases)} cases written to {TARGET}")


if __name__ == "__main__":
    main()
