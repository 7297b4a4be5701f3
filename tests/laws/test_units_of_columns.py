"""What a check looks along may come in any unit: a power of two changes no digit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc

ROWS = 60
# The largest exponents that keep the columns below normal numbers.
EXPONENTS = (-960, 500, 1000)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Columns of the model, and others: a number, coordinates and a time."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({name: rng.normal(size=ROWS) for name in ("x", "z", "east", "north")})
    frame["time"] = np.repeat(np.arange(ROWS // 6), 6)
    frame["g"] = np.tile(np.arange(6), ROWS // 6).astype(str)
    frame["y"] = rng.poisson(np.exp(1.0 + 0.3 * frame["x"]))
    return frame


@pytest.mark.parametrize(
    "exponent", [EXPONENTS[0], *(pytest.param(e, marks=pytest.mark.slow) for e in EXPONENTS[1:])]
)
def test_units_of_unused_columns_change_no_p_value(table, exponent):
    """Every finding of the default call is the one of the first unit."""
    other = table.copy()
    for name in ("z", "east", "north"):
        other[name] = np.ldexp(table[name], exponent)
    reports = [
        mc.check(mc.glmm("y ~ x + (1 | g)", data, family="poisson"), draws=19, seed=1)
        for data in (table, other)
    ]
    first, second = (report.to_frame().set_index("check") for report in reports)
    kinds = {name.partition("[")[0].partition(" ")[0] for name in first.index}
    assert {"spatial", "missing", "autocorrelation"} <= kinds, kinds
    pd.testing.assert_series_equal(second["pvalue"], first["pvalue"])
    pd.testing.assert_series_equal(second["statistic"], first["statistic"], rtol=1e-12)


@pytest.mark.parametrize("draws", [1, 2])
def test_few_replicates_end_without_verdict_and_without_error(table, draws):
    """One replicate has no variance: sizes of effects are unknown, and nothing is raised."""
    report = mc.check(mc.glmm("y ~ x + (1 | g)", table, family="poisson"), draws=draws, seed=1)
    assert report.verdict.name == "UNDECIDED"
