"""Scores of what is missing: against fits that have it, and pools written out."""

from __future__ import annotations

from dataclasses import replace

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest

import mixcheck as mc
from mixcheck.checks.part_scores import InflationScores, RowScores, read_scores
from mixcheck.checks.score_terms import ColumnTerm, GroupTerm, TermStatistic, _log10_tail, remark_on
from mixcheck.checks.statistic import CheckContext, NullSample
from mixcheck.errors import ConvergenceError
from mixcheck.port import port_of
from mixcheck.quantile_residuals import residuals

ROUNDING = 1e-8


@pytest.fixture(scope="module")
def data():
    """Counts in groups, with columns that are in no model."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(20), 6)
    x, z, w = rng.normal(size=120), rng.normal(size=120), rng.normal(size=20)[g]
    eta = 0.8 + 0.4 * x + 0.5 * rng.normal(size=20)[g]
    return pd.DataFrame({"x": x, "z": z, "w": w, "g": g, "y": rng.poisson(np.exp(eta))})


@pytest.fixture(scope="module")
def context(data):
    """What a check of the fit without z and w sees."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    seen = residuals(fit, seed=1, draws=5)
    return CheckContext(seen.replicates.port, seen.observed, data)


@pytest.mark.parametrize("name", ["z", "w"])
def test_a_score_is_the_slope_of_the_likelihood_in_a_coefficient(data, context, name):
    """Of a predictor within groups and of one between them, by a fit with the coefficient held.

    An offset ``b z`` changes the maximised log-likelihood at the rate of the score.
    """
    scores = read_scores(context, "mean")
    column = data[[name]].to_numpy()
    term = ColumnTerm.of(name, {}, column, scores)
    outside, step = term.columns[:, 0], 1e-3
    llf = [
        mc.glmm("y ~ x + (1 | g)", data, family="poisson", offset=b * outside).llf
        for b in (-step, step)
    ]
    view = context.observed
    (score,) = term.numbers(scores.of(view), scores.taken(view))
    # Laplace's approximation has a determinant that the score at the modes has not.
    assert score == pytest.approx((llf[1] - llf[0]) / (2.0 * step), abs=0.5)
    assert abs(score) > 2.0


def test_columns_of_the_model_say_nothing(context, data):
    """What the model matrix holds is no term, and of the rest only what it does not hold."""
    scores = read_scores(context, "mean")
    assert ColumnTerm.of("x", {}, 3.0 - data[["x"]].to_numpy(), scores) is None
    both = ColumnTerm.of("x, z", {}, data[["x", "z"]].to_numpy(), scores)
    assert both.count == 1
    np.testing.assert_allclose(
        port_of(context.model).fixed_matrices["mean"].T @ both.columns, 0, atol=ROUNDING
    )
    assert np.mean(both.columns**2) == pytest.approx(1.0)
    groups = np.repeat([0, 1], 60)
    inside = RowScores("mean", replace(scores.projection, matrices={"mean": np.eye(2)[groups]}))
    assert GroupTerm.of("half", {}, groups, np.ones((120, 1)), inside) is None


def test_missing_values_are_means(context, data):
    """A row without a value says nothing of its column."""
    scores = RowScores("mean", None)
    column = data[["z"]].to_numpy().copy()
    column[:7] = np.nan
    term = ColumnTerm.of("z", {}, column, scores)
    np.testing.assert_allclose(term.columns[:7], 0.0, atol=ROUNDING)


def test_sums_of_groups_are_those_of_rows(context, data):
    """A sum of squares of sums, with what estimation takes of each row taken before."""
    scores, view = read_scores(context, "mean"), context.observed
    codes = np.where(np.arange(120) < 4, -1, data["g"].to_numpy())
    x = data[["x", "z"]].to_numpy()
    term = GroupTerm.of("g", {}, codes, x, scores)
    s = scores.of(view) - scores.slopes(120) @ scores.taken(view)
    expected = sum(
        (s[codes == level] @ x[codes == level]) @ (s[codes == level] @ x[codes == level])
        for level in range(20)
    )
    (found,) = term.numbers(scores.of(view), scores.taken(view))
    assert found == pytest.approx(expected, rel=ROUNDING)


def test_surprise_is_the_tail_of_a_distribution():
    """Of columns that of T squared, of groups that of a chi-square with two moments."""
    rng = np.random.default_rng(1)
    pool = rng.normal(size=(40_000, 2)) * [1.0, 5.0]
    term = ColumnTerm("", {}, np.zeros((3, 2)), np.empty((2, 0)))
    unit = (pool - pool.mean(axis=0)) / pool.std(axis=0)
    expected = -np.log10(chi2.sf((unit**2).sum(axis=1), 2))
    np.testing.assert_allclose(term.surprise(pool), expected, rtol=0.03, atol=0.01)
    # With few data sets the tail is that of their number: uniform among new data sets.
    few = [10.0 ** -term.surprise(rng.normal(size=(15, 2)))[0] for _ in range(2000)]
    assert kstest(few, "uniform").pvalue > 1e-3
    totals = 3.0 * rng.chisquare(7.0, size=(200_000, 1))
    group = GroupTerm("", {}, np.zeros(3, dtype=int), np.ones((3, 1)), np.empty((1, 1, 0)))
    expected = -np.log10(chi2.sf(totals[:, 0] / 3.0, 7))
    np.testing.assert_allclose(group.surprise(totals), expected, rtol=0.03, atol=0.01)
    same = np.ones((20, 1))
    assert (group.surprise(same) == 0.0).all()
    assert (term.surprise(np.ones((20, 2))) == 0.0).all()
    assert group.size(same) == (0.0, 0.0, 0.0)


def test_surprise_has_no_end():
    """Beyond where a probability underflows it goes on as the logarithm of the tail."""
    far = _log10_tail(np.array([7.0, 7.0]), np.array([600.0, 3000.0]))
    exact = [
        float(mpmath.log10(mpmath.gammainc(3.5, x / 2, regularized=True))) for x in (600, 3000)
    ]
    np.testing.assert_allclose(far, exact, rtol=1e-5)


def test_sizes_are_one_step_from_the_null():
    """A coefficient is its score over the information, a variance the excess over half its own."""
    rng = np.random.default_rng(3)
    null = 4.0 * rng.normal(size=(100_000, 1))
    term = ColumnTerm("", {}, np.zeros((3, 1)), np.empty((1, 0)))
    value, low, high = term.size(np.concatenate([[[24.0]], null]))
    assert (value, low, high) == pytest.approx((1.5, 1.5 - 1.96 / 4, 1.5 + 1.96 / 4), rel=0.02)
    totals = 16.0 * rng.chisquare(10.0, size=(100_000, 1))
    group = GroupTerm("", {}, np.zeros(3, dtype=int), np.full((3, 1), 2.0), np.empty((1, 1, 0)))
    # Ten sums of variance 16: with effects of variance t their mean square is 16 + 256 t.
    value, low, high = group.size(np.concatenate([[[160.0 + 2560.0 * 0.25]], totals]))
    assert value == pytest.approx(2.0 * 0.5, rel=0.02)
    assert low < value < high


def test_parts_and_models_that_are_not_there_are_told(context, toy, monkeypatch):
    """A part that the model lacks, draws without scores, and a projection that fails."""
    assert read_scores(context, "dispersion") == "The model has no part called dispersion."
    assert isinstance(read_scores(context, "zi"), InflationScores)
    model = toy("gaussian", 3)
    seen = residuals(model, seed=1).observed
    plain = CheckContext(model, seen, model.frame)
    assert read_scores(plain, "dispersion") == "The model has no part called dispersion."
    scores = read_scores(plain, "mean")
    pearson = (seen.response - seen.mode_mean) / np.sqrt(seen.mode_variance)
    np.testing.assert_allclose(scores.of(seen), pearson)
    assert scores.taken(seen).size == 0

    class Broken(type(context.model)):
        def project_scores(self):
            raise ConvergenceError("there is none")

    broken = object.__new__(Broken)
    assert read_scores(replace(context, model=broken), "mean") == "there is none."
    assert remark_on(["a (one level)", "b (it names rows)"]).startswith(
        "Left out: a (one level), b"
    )
    assert remark_on([]) == ""


def test_the_most_surprising_term_is_named():
    """Its subject, its size, and the next ones with their p-values among all."""
    rng = np.random.default_rng(5)
    terms = [
        ColumnTerm(name, {"column": name}, np.zeros((9, 1)), np.empty((1, 0))) for name in "abc"
    ]
    statistic = TermStatistic("terms", "terms", RowScores("mean", None), terms, "none", "columns")
    null = rng.normal(size=(199, 3))
    view = residuals_of_nothing()
    finding = statistic.finding(NullSample(view, np.array([0.5, -6.0, 2.0]), null))
    assert finding.subject == {"column": "b", "part": "mean"}
    assert finding.pvalue == pytest.approx(0.005)
    assert "Of 3 columns b is the most surprising" in finding.detail
    assert finding.picture.labels == ("b", "c", "a")
    assert finding.picture.highlighted.tolist()[0]
    assert finding.effect.value == pytest.approx(finding.picture.estimate[0])


def residuals_of_nothing():
    """A view of nine rows."""
    from mixcheck.port import DataView

    nine = np.zeros(9)
    return DataView(nine, nine + 0.5, nine, nine, nine + 1, nine, nine + 1)
