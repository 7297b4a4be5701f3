"""Models by pseudo-likelihood that several systems share, ours and with dense matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from validation.published import pseudo_likelihood
from validation.published.fits import linearised, linearised_independently
from validation.published.frame import Independent, Tables, Values, within

DENSE = "dense pseudo-likelihood (validation/published/pseudo_likelihood.py)"
# Both settle to 1e-8; the generalised chi-square is read from a summary with four places.
SETTLED, PLACES = 1e-6, 6e-5


@dataclass(frozen=True)
class Model:
    """A model of a table; `names` are the published names of the coefficients, in our order."""

    formula: str
    family: str
    load: Callable[[Tables], pd.DataFrame]
    names: Mapping[str, str]
    groups: tuple[str, ...]
    columns: Callable[[pd.DataFrame], list[Any]]
    response: Callable[[pd.DataFrame], tuple[Any, Any]]

    def ours(self, tables: Tables, *, restricted: bool) -> Values:
        """By ``method="pql"``."""
        fit = mc.glmm(
            self.formula, self.load(tables), family=self.family, method="pql", reml=restricted
        )
        return linearised(fit, self.names, {group: group for group in self.groups})

    def independent(self, tables: Tables, *, restricted: bool) -> Independent:
        """With dense matrices."""
        data = self.load(tables)
        y, trials = self.response(data)
        model = pseudo_likelihood.Linear(
            np.asarray(y, dtype=float),
            np.asarray(trials, dtype=float),
            np.column_stack([np.asarray(column, dtype=float) for column in self.columns(data)]),
            tuple(pseudo_likelihood.indicators(data[group]) for group in self.groups),
            "poisson" if self.family == "poisson" else "binomial",
        )
        found = pseudo_likelihood.fit(model, restricted=restricted)
        values = linearised_independently(found, tuple(self.names), self.groups)
        allowed = dict(within(values, SETTLED))
        allowed["generalised chi-square"] = (values["generalised chi-square"], PLACES)
        return allowed


def _one(data: pd.DataFrame) -> Any:
    return np.ones(len(data))


def _epil(tables: Tables) -> pd.DataFrame:
    """Coded as in section 6.2 of Breslow and Clayton: a quarter of the baseline, raw log age."""
    data = tables.shipped("epil")
    return data.assign(
        lbase4=np.log(data["base"] / 4),
        lage_raw=np.log(data["age"]),
        Trt=(data["trt"] == "progabide").astype(float),
        obs=[f"o{i}" for i in range(len(data))],
    )


def _salamander(tables: Tables) -> pd.DataFrame:
    data = tables.external("salamander_lme4.csv")
    return data.assign(
        Cross=data["Cross"].astype(str).str.replace("/", ""),
        Female=data["Female"].astype(str),
        Male=data["Male"].astype(str),
    )


MULTICENTER = Model(
    "sideeffect / n ~ group + (1 | center)",
    "binomial",
    lambda tables: tables.shipped("multicenter").pipe(
        lambda data: data.assign(group=pd.Categorical(data["group"], ["B", "A"]))
    ),
    {"Intercept": "Intercept", "group A": "group[T.A]"},
    ("center",),
    lambda data: [_one(data), data["group"] == "A"],
    lambda data: (data["sideeffect"], data["n"]),
)
SEEDS = Model(
    "r / n ~ x1 * x2 + (1 | plate)",
    "binomial",
    lambda tables: tables.shipped("seeds"),
    {"Intercept": "Intercept", "seed": "x1", "extract": "x2", "seed x extract": "x1:x2"},
    ("plate",),
    lambda data: [_one(data), data["x1"], data["x2"], data["x1"] * data["x2"]],
    lambda data: (data["r"], data["n"]),
)
CBPP = Model(
    "incidence / size ~ period + (1 | herd)",
    "binomial",
    lambda tables: tables.shipped("cbpp"),
    {"Intercept": "Intercept", **{f"period {k}": f"period[T.{k}]" for k in (2, 3, 4)}},
    ("herd",),
    lambda data: [_one(data), *(data["period"].astype(str) == str(k) for k in (2, 3, 4))],
    lambda data: (data["incidence"], data["size"]),
)
EPIL_3 = Model(
    "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject) + (1 | obs)",
    "poisson",
    _epil,
    {
        "Intercept": "Intercept",
        "Base": "lbase4",
        "Trt": "Trt",
        "Base x Trt": "lbase4:Trt",
        "Age": "lage_raw",
        "V4": "V4",
    },
    ("subject", "obs"),
    lambda data: [
        _one(data),
        data["lbase4"],
        data["Trt"],
        data["lbase4"] * data["Trt"],
        data["lage_raw"],
        data["V4"],
    ],
    lambda data: (data["y"], np.ones(len(data))),
)
SALAMANDER = Model(
    "Mate ~ 0 + Cross + (1 | Female) + (1 | Male)",
    "binomial",
    _salamander,
    {cross: f"Cross[{cross}]" for cross in ("RR", "RW", "WR", "WW")},
    ("Female", "Male"),
    lambda data: [data["Cross"] == cross for cross in ("RR", "RW", "WR", "WW")],
    lambda data: (data["Mate"], np.ones(len(data))),
)
