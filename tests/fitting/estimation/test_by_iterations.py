"""Crossed effects without a matrix of their pairs: the fit that a matrix gives."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation import by_iterations, sizes
from mixcheck.port import port_of

NOTE = "too many for a matrix of their pairs"


def table(rows: int = 12_000, groups: int = 300, others: int = 150) -> pd.DataFrame:
    """Two crossed factors that meet at random."""
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, groups, rows), rng.integers(0, others, rows)
    x = rng.normal(size=rows)
    eta = 0.3 + 0.4 * x + 0.5 * rng.normal(size=groups)[g] + 0.4 * rng.normal(size=others)[h]
    eta += 0.3 * rng.normal(size=groups)[g] * x
    return pd.DataFrame(
        {
            "counts": rng.poisson(np.exp(eta)),
            "normal": eta + rng.normal(size=rows),
            "successes": (rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))).astype(float),
            "positive": np.exp(eta) * rng.gamma(3.0, 1.0 / 3.0, rows),
            "x": x,
            "year": 2000.0 + 3.0 * x,
            "g": g,
            "h": h,
        }
    )


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without room for any matrix of crossed effects."""
    monkeypatch.setattr(sizes, "_SMALL", 10)
    monkeypatch.setattr(sizes, "available_memory", lambda: 1.0)


def by_both(formula: str, data: pd.DataFrame, family: str, patch: pytest.MonkeyPatch):
    """The fit with the matrix, and without."""
    whole = mc.glmm(formula, data, family=family)
    patch.setattr(sizes, "_SMALL", 10)
    patch.setattr(sizes, "available_memory", lambda: 1.0)
    fit = mc.glmm(formula, data, family=family)
    assert any(NOTE in note for note in fit.notes)
    assert port_of(fit).problem.latent.iterative
    return whole, fit


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("counts ~ x + (1 | g) + (1 | h)", "poisson"),
        pytest.param("counts ~ x + (1 | g) + (1 | h)", "nbinom2", marks=pytest.mark.slow),
        pytest.param("normal ~ x + (x | g) + (1 | h)", "gaussian", marks=pytest.mark.slow),
        pytest.param("successes ~ year + (1 | g) + (1 | h)", "binomial", marks=pytest.mark.slow),
        pytest.param("positive ~ year + (year | g) + (1 | h)", "gamma", marks=pytest.mark.slow),
    ],
)
def test_the_fit_is_that_of_the_matrix(formula, family, monkeypatch):
    """The likelihood to four of its errors, estimates to 1e-3 of theirs, errors to 1e-3."""
    whole, fit = by_both(formula, table(), family, monkeypatch)
    error = 0.5 * port_of(fit).problem.remainder.error
    assert 0.0 < error < 0.01
    assert fit.llf == pytest.approx(whole.llf, abs=4.0 * error)
    assert fit.converged
    assert (np.abs(fit.params - whole.params) / whole.bse).max() < 1e-3
    np.testing.assert_allclose(fit.bse, whole.bse, rtol=1e-3)
    for name in ("sd", "corr"):
        there, here = (f.variance_components[name] for f in (whole, fit))
        np.testing.assert_allclose(here, there, atol=1e-4)
    for name in ("g", "h"):
        there, here = (f.random_effects[name].to_numpy() for f in (whole, fit))
        np.testing.assert_allclose(here, there, atol=1e-3)


@pytest.mark.slow
def test_what_comes_after_the_fit(monkeypatch):
    """Tests, profiles, refits and checks are those of the fit with the matrix."""
    formula, data = "counts ~ x + (1 | g) + (1 | h)", table()
    whole, fit = by_both(formula, data, "poisson", monkeypatch)
    np.testing.assert_allclose(
        fit.conf_int(method="profile", parameters="all"),
        whole.conf_int(method="profile", parameters="all"),
        rtol=1e-3,
    )
    assert np.isfinite(fit.conf_int(parameters="all").to_numpy()).all()
    np.testing.assert_allclose(fit.anova(), whole.anova(), rtol=1e-4)
    # Under a hypothesis the likelihood has the same remainder, on the parameters that are left.
    np.testing.assert_allclose(
        fit.anova(test="score").to_numpy(float),
        whole.anova(test="score").to_numpy(float),
        rtol=1e-3,
    )
    again = np.roll(data["counts"].to_numpy(), 1)
    assert fit.refit(again).llf == pytest.approx(whole.refit(again).llf, abs=0.01)
    checks = mc.checks.Dispersion() & mc.checks.Zeros()
    here, there = (mc.check(f, checks, draws=39, seed=1).findings for f in (fit, whole))
    assert [found.pvalue for found in here] == [found.pvalue for found in there]
    assert mc.caic(fit).df == pytest.approx(mc.caic(whole).df, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "formula", ["counts ~ x + (1 | g) + (1 | h)", "normal ~ x + (x | g) + (1 | h)"]
)
def test_conditional_deviations_have_what_levels_share(formula, monkeypatch):
    """They are those of the matrix to a thousandth, and most to a tenth of that."""
    family = "poisson" if formula.startswith("counts") else "gaussian"
    whole, fit = by_both(formula, table(), family, monkeypatch)
    for name in ("g", "h"):
        there, here = (f.random_effects_sd[name].to_numpy() for f in (whole, fit))
        off = np.abs(here / there - 1.0)
        assert off.max() < 1e-3
        assert np.median(off) < 1e-4


@pytest.mark.usefixtures("no_memory")
def test_variances_of_zero_are_found():
    """Where levels do not differ the search ends at the boundary."""
    rng = np.random.default_rng(1)
    data = table().assign(y=rng.binomial(4, 0.25, 12_000))  # they vary less than Poisson counts
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ 1 + (1 | g) + (1 | h)", data, family="poisson")
    alone = mc.glmm("y ~ 1", data, family="poisson")
    assert fit.llf == pytest.approx(alone.llf, abs=1e-6)
    assert fit.variance_components["sd"].max() < 1e-3


@pytest.mark.usefixtures("no_memory")
def test_refused_where_iterations_do_not_take_its_place():
    """Other methods than Laplace's, and restricted likelihoods, need the matrix."""
    data = table()
    for told in ({"method": "profiled"}, {"reml": True}, {"hessian": "expected"}):
        response, family = ("normal", "gaussian") if "reml" in told else ("counts", "poisson")
        with pytest.raises(mc.DesignError, match="GB of memory"):
            mc.glmm(f"{response} ~ x + (1 | g) + (1 | h)", data, family=family, **told)
    data["apart"] = (data["counts"] > data["counts"].mean()).astype(float)
    data.loc[data["counts"] > 4, "apart"] = 1.0
    data["many"] = data["counts"] > 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(mc.DesignError, match="leave out one of the crossed terms, or the pred"):
            mc.glmm("apart ~ many + (1 | g) + (1 | h)", data, family="binomial")


@pytest.mark.slow
@pytest.mark.usefixtures("no_memory")
def test_probes_are_added_until_the_error_is_small(monkeypatch):
    """Where few rows join the levels the first probes say too little."""
    data = table(3000, 300, 250)
    port = port_of(mc.glmm("counts ~ x + (1 | g) + (1 | h)", data, family="poisson"))
    few = port.problem.remainder.error
    monkeypatch.setattr(by_iterations, "_MOST_PROBES", 16)
    port = port_of(mc.glmm("counts ~ x + (1 | g) + (1 | h)", data, family="poisson"))
    assert few < 0.6 * port.problem.remainder.error
