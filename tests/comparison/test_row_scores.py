"""Leave-one-out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison import row_scores
from mixcheck.port import port_of

from .conftest import Known, fit

# What the normal posterior of a cavity may miss of p_loo, where a few rows are refitted.
CAVITY_TOLERANCE = 0.03


@pytest.fixture(scope="module")
def cbpp():
    """Binomial, 56 rows in 15 herds."""
    return fit("cbpp", "incidence / size ~ period + (1 | herd)", "binomial")


@pytest.fixture(scope="module")
def exact(cbpp):
    """Every row left out by a refit."""
    return mc.loo(cbpp, method="refit", n_jobs=1)


@pytest.mark.slow
def test_plug_in_optimism(days):
    """Refits without a row, read at their modes, have the optimism of a dense implementation."""
    model = days["slope"]
    whole = port_of(model).row_posterior()
    own = whole.distribution.log_density(whole.predictor)
    assert own.sum() == pytest.approx(-824.9295089, abs=1e-5)
    found = [port_of(model).predict_row(i) for i in range(model.nobs)]
    left = sum(float(row.distribution.log_density(row.predictor)[0]) for row in found)
    assert own.sum() - left == pytest.approx(47.1, abs=0.05)


@pytest.mark.slow
def test_cavity_is_close_to_refits(cbpp, exact):
    """The cavity, with refits of the influential rows, is close to refits of all rows."""
    found = mc.loo(cbpp)
    kept = ~found.scores.index.isin(found.refitted)
    assert 0 < len(found.refitted) < 5
    assert (found.influence[list(found.refitted)] > 0.7).all()
    assert found.p_loo == pytest.approx(exact.p_loo, rel=CAVITY_TOLERANCE)
    assert np.abs(found.scores - exact.scores)[kept].median() < 0.01
    np.testing.assert_allclose(found.scores[~kept], exact.scores[~kept], rtol=1e-12)
    assert "influence above 0.7" in found.notes[0]


def test_refits_on_request(cbpp):
    """Nothing is refitted where nothing is influential enough."""
    found = mc.loo(cbpp, refit_above=1.0)
    assert found.refitted == ()
    assert not found.notes


def test_most_refits(cbpp, monkeypatch):
    """Beyond the largest number of refits the cavity stands, and the notes say so."""
    monkeypatch.setattr(row_scores, "MOST_REFITS", 2)
    found = mc.loo(cbpp, refit_above=0.4)
    assert len(found.refitted) == 2
    assert set(found.refitted) == set(found.influence.nlargest(2).index)
    assert "2 most influential" in found.notes[0]


@pytest.mark.slow
def test_wrong_variance_shows(exact):
    """Overdispersed counts have p_loo far above the degrees of freedom of the conditional AIC."""
    epil = mc.datasets.load("epil")
    epil["lbase4"], epil["lage2"] = np.log(epil["base"] / 4.0), np.log(epil["age"])
    formula = "y ~ lbase4 * trt + lage2 + V4 + (1 | subject)"
    found = mc.loo(mc.glmm(formula, epil, family="poisson"))
    assert found.p_loo > 1.5 * 49.49
    assert found.misfit_ratio() == pytest.approx(found.p_loo / 49.86, rel=0.01)
    bacteria = fit("bacteria", "y ~ trt + {week > 2} + (1 | ID)", "binomial")
    assert 0.8 < mc.loo(bacteria).misfit_ratio() < 1.3
    with pytest.raises(mc.OptionError, match="Known has not"):
        replace(exact, subject=Known()).misfit_ratio()


def test_fixed_effects_only():
    """Without random effects and with many rows, p_loo is the number of coefficients."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(2000)
    data = pd.DataFrame({"x": x, "y": rng.poisson(np.exp(0.5 + 0.3 * x))})
    found = mc.loo(mc.glmm("y ~ x", data, family="poisson"))
    # Its standard deviation over data sets is about sqrt(2 * 2 / 2000) and a little more.
    assert found.p_loo == pytest.approx(2.0, abs=0.3)


def test_scores_of_predictions(cbpp, exact):
    """Dawid and Sebastiani's score is that of the moments; Brier's is for zeros and ones only."""
    z = (port_of(cbpp).observed - exact.mean) ** 2 / exact.variance + np.log(exact.variance)
    assert exact.dawid_sebastiani == pytest.approx(z.mean())
    assert exact.brier is None
    bacteria = fit("bacteria", "y ~ trt + {week > 2} + (1 | ID)", "binomial")
    found = mc.loo(bacteria)
    assert found.brier == pytest.approx(np.mean((port_of(bacteria).observed - found.mean) ** 2))
    assert found.brier < 0.25


def test_difference(days):
    """Models are compared row by row, and rows must be the same."""
    slope, level = mc.loo(days["slope"]), mc.loo(days["intercept"])
    found = slope.minus(level)
    each = (slope.scores - level.scores).to_numpy()
    assert found.difference == pytest.approx(each.sum())
    assert found.se == pytest.approx(np.sqrt(180 * each.var(ddof=1)))
    with pytest.raises(mc.ComparisonError, match=r"rows \(180 and 56 observations\)"):
        slope.minus(mc.loo(fit("cbpp", "incidence / size ~ period + (1 | herd)", "binomial")))


def test_row_that_cannot_be_left_out():
    """A coefficient of one row alone: the row is named."""
    data = mc.datasets.load("sleepstudy")
    data["largest"] = data["Reaction"] == data["Reaction"].max()
    model = mc.glmm("Reaction ~ Days + largest + (1 | Subject)", data)
    row = data["Reaction"].idxmax()
    with pytest.raises(mc.ComparisonError, match=f"cannot predict row {row} from the others"):
        mc.loo(model)


def test_index_is_kept(cbpp):
    """Scores carry the labels of the rows of the caller's table."""
    data = mc.datasets.load("cbpp")
    data.index = [f"row {k}" for k in range(len(data))]
    named = mc.glmm("incidence / size ~ period + (1 | herd)", data, family="binomial")
    found = mc.loo(named, refit_above=1.0)
    assert found.scores.index.equals(data.index)
    np.testing.assert_allclose(found.scores, mc.loo(cbpp, refit_above=1.0).scores, rtol=1e-6)


def test_record(exact):
    """Text, HTML, JSON and table hold totals and rows."""
    assert "log score of rows left out" in str(exact)
    assert "<table" in exact._repr_html_()
    held = json.loads(exact.to_json())
    assert held["total"] == pytest.approx(sum(held["scores"]))
    assert list(exact.to_frame().columns) == ["score", "mean", "variance", "influence"]
    assert "rows=56" in repr(exact)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "psis"}, "write 'analytic' or 'refit'"),
        ({"refit_above": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_options(cbpp, options, message):
    """Unknown methods and limits outside zero and one are refused."""
    with pytest.raises(mc.OptionError, match=message):
        mc.loo(cbpp, **options)


def test_bad_models():
    """A model that does not know its rows is refused, and so is one that varies elsewhere."""
    with pytest.raises(mc.OptionError, match="posterior of each row"):
        mc.loo(Known())
    model = mc.glmm(
        "Reaction ~ Days + (1 | Subject)",
        mc.datasets.load("sleepstudy"),
        dispersion="~ 1 + (1 | Subject)",
    )
    with pytest.raises(mc.OptionError, match="random effects in the mean only"):
        mc.loo(model)


@pytest.mark.parametrize(
    ("former", "method"),
    [("cavity", "analytic"), pytest.param("exact", "refit", marks=pytest.mark.slow)],
)
def test_former_methods(cbpp, exact, former, method):
    """A method of the version before is read, with a warning that says what to write."""
    with pytest.warns(FutureWarning, match=f"write method='{method}'"):
        found = mc.loo(cbpp, method=former)
    expected = exact if method == "refit" else mc.loo(cbpp, method=method)
    assert (found.method, found.total) == (method, expected.total)
