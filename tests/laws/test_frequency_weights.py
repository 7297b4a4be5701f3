"""A row of weight two is two rows, for checks as for the likelihood."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import DataError

# The two fits end within 1e-7 standard errors of each other.
CLOSE = 1e-6


def counts(rng, n=240, groups=12):
    """Counts with few values, so that many rows are alike."""
    g, x = rng.integers(0, groups, n), rng.integers(0, 3, n)
    mu = np.exp(0.3 + 0.3 * x + 0.5 * rng.normal(size=groups)[g])
    return pd.DataFrame({"y": rng.poisson(mu), "x": x, "g": g})


def rounded(rng, n=240, groups=12):
    """Real numbers with few values."""
    g, x = rng.integers(0, groups, n), rng.integers(0, 3, n)
    y = np.round(0.3 * x + rng.normal(size=groups)[g] + rng.normal(size=n))
    return pd.DataFrame({"y": y, "x": x, "g": g})


def compressed(rows):
    """One row for all that are alike, its number in `w`, and the same written out again."""
    short = rows.groupby(["y", "x", "g"]).size().rename("w").reset_index()
    return short, short.loc[short.index.repeat(short["w"])].drop(columns="w")


@pytest.mark.parametrize(
    ("make", "family"),
    [(counts, "poisson"), pytest.param(rounded, "gaussian", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "how",
    [
        {"draws": 49},
        {"calibration": "refit", "draws": 9},
        pytest.param({"draws": 49, "conditioning": "mode"}, marks=pytest.mark.slow),
    ],
)
def test_compressed_data_give_the_report_of_the_data(make, family, how):
    """The same seed gives the same p-values, effects and rows, whichever way data are written."""
    short, long = compressed(make(np.random.default_rng(5)))
    formula = "y ~ x + (1 | g)"
    one = mc.check(mc.glmm(formula, short, family=family, weights="w"), seed=1, **how)
    many = mc.check(mc.glmm(formula, long, family=family), seed=1, **how)
    for mine, theirs in zip(one.findings, many.findings, strict=True):
        assert mine.check == theirs.check
        if not hasattr(theirs, "pvalue"):
            continue
        assert mine.pvalue == theirs.pvalue
        assert mine.effect.value == pytest.approx(theirs.effect.value, rel=CLOSE, abs=CLOSE)
        assert set(mine.row_labels) == set(theirs.row_labels)
        assert mine.n == theirs.n
    assert one.provenance["model"]["weights"].startswith(f"{len(short)} rows stand for {len(long)}")


def test_rows_of_findings_are_those_of_the_table():
    """A wild row of weight three is one row of the finding, at its place in the data of the fit."""
    short, _ = compressed(counts(np.random.default_rng(6)))
    short.loc[10, ["y", "w"]] = [60, 3]
    short.index = [f"line {k}" for k in range(len(short))]
    fit = mc.glmm("y ~ x + (1 | g)", short, family="poisson", weights="w")
    found = mc.check(fit, mc.checks.Outliers(), seed=1, draws=49)["outliers"]
    assert 10 in found.rows
    assert list(found.row_labels) == [fit.frame.index[row] for row in found.rows]
    seen = mc.residuals(fit, seed=1)
    assert seen.n == short["w"].sum()
    assert (seen.to_frame().index == "line 10").sum() == 3


def test_columns_are_those_of_the_single_rows():
    """Trends and levels count each row as often as it is there."""
    short, long = compressed(counts(np.random.default_rng(7)))
    suite = mc.checks.Trend("x") & mc.checks.Zeros().by("x")
    fit = mc.glmm("y ~ x + (1 | g)", short, family="poisson", weights="w")
    report = suite.run(fit, seed=1, draws=19)
    assert report["trend [x]"].n == len(long)
    assert [report[f"zeros [x={k}]"].n for k in range(3)] == (
        long["x"].value_counts()[[0, 1, 2]]
    ).tolist()


def test_weights_that_are_no_counts_are_refused_by_checks_alone():
    """A fit takes any weight; of a row that is there 1.5 times no data can be simulated."""
    short, _ = compressed(counts(np.random.default_rng(8)))
    fit = mc.glmm("y ~ x + (1 | g)", short, family="poisson", weights=short["w"] * 1.5)
    with pytest.raises(DataError, match="weights= count rows"):
        mc.check(fit, seed=1, draws=19)


def test_more_rows_than_memory_are_refused():
    """Weights that stand for more rows than there is room for are refused with their number."""
    short, _ = compressed(counts(np.random.default_rng(8)))
    fit = mc.glmm("y ~ x + (1 | g)", short, family="poisson", weights=short["w"] * 1e9)
    with pytest.raises(DataError, match="stand for 240,000,000,000 rows"):
        mc.residuals(fit, seed=1)


def test_trials_and_precision_are_no_weights():
    """Rows of trials, and rows of known variance, are one row each."""
    rng = np.random.default_rng(9)
    g, trials = np.repeat(np.arange(8), 5), rng.integers(2, 9, 40)
    data = pd.DataFrame(
        {"k": rng.binomial(trials, 0.1 + 0.1 * g), "t": trials, "g": g, "p": trials + 0.5}
    )
    data["share"], data["z"] = data["k"] / data["t"], g + rng.normal(size=40) / np.sqrt(data["p"])
    fits = (
        mc.glmm("k / t ~ 1 + (1 | g)", data, family="binomial"),
        mc.glmm("share ~ 1 + (1 | g)", data, family="binomial", weights="t"),
        mc.glmm("z ~ 1 + (1 | g)", data, precision="p"),
    )
    assert [mc.residuals(fit, seed=1).n for fit in fits] == [40, 40, 40]


@pytest.mark.filterwarnings("ignore::mixcheck.errors.ConvergenceWarning")
@pytest.mark.parametrize("weight", [1e12, 1e19, 1e300])
def test_more_rows_than_there_is_room_for_are_refused(weight):
    """Also where no integer holds their number."""
    ticks = mc.datasets.load("grouseticks")
    weights = np.full(len(ticks), weight)
    fit = mc.glmm("TICKS ~ YEAR", ticks, family="poisson", weights=weights)
    with pytest.raises(mc.DataError, match=r"weights= stand for .* rows, and checks look at each"):
        mc.check(fit, seed=1, draws=19)
