"""Säfken, Kneib, van Waveren and Greven (2014): the conditional AIC of counts.

Its tables are of simulations whose random numbers are not given and of data that are not public.
What can be reproduced is its estimator, which must equal one made of refits without mixcheck, and
its theorem, that the estimator is unbiased, which is tested by simulation.
"""

from __future__ import annotations

import json
from pathlib import Path

from validation.published.caic4 import counted, counted_independently
from validation.published.dense_df import BY
from validation.published.frame import Case, Number, Source, Tables, Values

SYSTEM = "Säfken et al. (2014)"
PAPER = "Säfken, Kneib, van Waveren and Greven (2014), Electronic Journal of Statistics 8, 201-225"
TRUTH = Path(__file__).parents[1] / "conditional_aic" / "truth.json"


def _bias(tables: Tables) -> Values:
    record = json.loads(TRUTH.read_text())
    return {
        f"bias at a deviation of {sd}": record[f"poisson {sd}"]["one-step_bias"]
        for sd in ("0.25", "0.7")
    }


def _unbiased() -> tuple[Number, ...]:
    record = json.loads(TRUTH.read_text())
    return tuple(
        Number(
            f"bias at a deviation of {sd}",
            "0",
            2 * record[f"poisson {sd}"]["one-step_bias_error"],
            "two Monte Carlo errors of 400 data sets",
        )
        for sd in ("0.25", "0.7")
    )


CASES = (
    Case(
        SYSTEM,
        "the estimator: seizures",
        "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject), poisson",
        "Laplace's approximation, a refit for each response",
        Source(PAPER, "the estimator for Poisson responses", "none"),
        (Number("df", None),),
        lambda tables: counted(tables, "epil"),
        lambda tables: counted_independently(tables, "epil"),
        BY,
        slow=True,
        note="Simulations of its tables cannot be drawn again, and its tree data are not public.",
    ),
    Case(
        SYSTEM,
        "the theorem: no bias",
        "20 groups of 8 counts with held random effects, single steps in place of refits",
        "Laplace's approximation",
        Source(PAPER, "its unbiasedness for Poisson responses", "recorded"),
        _unbiased(),
        _bias,
        note="Of the stored study validation/conditional_aic/truth.json.",
    ),
)
