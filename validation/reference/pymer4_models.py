"""Fit models by pymer4 and write what it keeps of them: -> tests/data/pymer4.json.

Needs R with lme4, lmerTest, emmeans, broom.mixed, parameters, performance, insight and report,
and pymer4 with rpy2. What the objects hold is written without their tables and their link to R.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from pymer4.models import glm, glmer, lm, lmer
from rpy2 import robjects

import mixcheck as mc

TARGET = Path(__file__).parents[2] / "tests" / "data" / "pymer4.json"


def tables() -> dict[str, pl.DataFrame]:
    """The data sets as pymer4 takes them: levels as text."""
    frames = {
        "sleepstudy": mc.datasets.load("sleepstudy").astype({"Subject": str}),
        "cbpp": mc.datasets.load("cbpp").astype({"herd": str, "period": str}),
        "grouseticks": mc.datasets.load("grouseticks").astype({"YEAR": int, "BROOD": str})[
            ["TICKS", "YEAR", "cHEIGHT", "BROOD"]
        ],
    }
    made = {name: pl.from_pandas(frame.reset_index(drop=True)) for name, frame in frames.items()}
    made["cbpp"] = made["cbpp"].with_columns((pl.col("incidence") / pl.col("size")).alias("share"))
    return made


def record(model: Any, data: str) -> dict[str, Any]:
    """What is read of a fitted model."""
    return {
        "class": type(model).__name__,
        "module": type(model).__module__,
        "data": data,
        "formula": model.formula,
        "family": model.family,
        "link": model.link,
        "factors": model.factors,
        "weights": None if model.weights is None else [float(w) for w in model.weights],
        "columns": model.data.columns,
        "logLik": float(model.result_fit_stats["logLik"][0]),
    }


def main() -> None:
    """Fit and write."""
    data = tables()
    sleep, cbpp, ticks = data["sleepstudy"], data["cbpp"], data["grouseticks"]
    slopes, share = "Reaction ~ Days + (Days | Subject)", "share ~ period + (1 | herd)"
    models = {
        "lmer": (lmer(slopes, data=sleep), "sleepstudy"),
        "lm": (lm("Reaction ~ Days", data=sleep), "sleepstudy"),
        "logit": (glmer(share, data=cbpp, family="binomial", weights="size"), "cbpp"),
        "probit": (
            glmer(share, data=cbpp, family="binomial", link="probit", weights="size"),
            "cbpp",
        ),
        "poisson": (
            glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", data=ticks, family="poisson"),
            "grouseticks",
        ),
        "glm": (glm("TICKS ~ cHEIGHT", data=ticks, family="poisson"), "grouseticks"),
    }
    models["poisson"][0].set_factors({"YEAR": ["95", "96", "97"]})
    kept = {}
    for name, (model, table) in models.items():
        model.fit()
        kept[name] = record(model, table)
    lme4 = robjects.r("as.character(packageVersion('lme4'))")[0]
    versions = {"pymer4": version("pymer4"), "rpy2": version("rpy2"), "lme4": str(lme4)}
    text = json.dumps({"versions": versions, "models": kept}, indent=1)
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
