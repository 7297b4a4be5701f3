"""Log-likelihoods of counts, proportions and positive responses, beside glmmTMB's."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc

LIKELIHOOD = 1e-6
"""Absolute; the references are polished to a gradient of about 1e-8."""
GRADIENT = 1e-6
"""Of the log-likelihood per standard error."""
FITS = json.loads((Path(__file__).parents[1] / "data" / "family_reference.json").read_text())[
    "fits"
]
WITH_LINK: dict[str, Any] = {"t_log": mc.families.StudentT("log")}


def data_of(name: str) -> pd.DataFrame:
    """A data set with the columns that its formulas name."""
    data = mc.datasets.load(name)
    if name == "sleepstudy":
        return data.assign(share=data["Reaction"] / 600.0)
    if name == "epil":
        return data.assign(
            lbase4=np.log(data["base"] / 4.0),
            lage_raw=np.log(data["age"]),
            Trt=(data["trt"] == "progabide").astype(float),
        )
    return data


# Those that take a second or more.
LONG = (
    "sleepstudy_t_dispersion",
    "salamanders_dispersion",
    "salamanders_hurdle_nbinom2",
    "owls_hurdle_nbinom1",
    "owls_hurdle_nbinom2",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in FITS],
)
def test_log_likelihood(name: str) -> None:
    """At or above that of glmmTMB, at a true optimum."""
    case: dict[str, Any] = FITS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        fit = mc.glmm(
            case["formula"],
            data_of(case["dataset"]),
            family=WITH_LINK.get(case["family"], case["family"]),
            zi=case["zi"] or None,
            dispersion=case["dispersion"] or None,
        )
    assert fit.convergence.gradient < GRADIENT
    assert fit.llf == pytest.approx(case["llf"], abs=LIKELIHOOD)
