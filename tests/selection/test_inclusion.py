"""Inclusion frequencies, rules for candidates, and what is kept of all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc

FULL = "distance ~ age * Sex + (1 | Subject)"


@pytest.fixture(scope="module")
def growth():
    """All models of age and sex that keep main effects with their interaction."""
    return mc.select(FULL, mc.datasets.load("Orthodont"), random=False)


@pytest.fixture(scope="module")
def rows():
    """A response that depends on one of four predictors."""
    rng = np.random.default_rng(3)
    x = pd.DataFrame(rng.normal(size=(90, 4)), columns=list("abcd")).assign(g=np.arange(90) // 6)
    return x.assign(y=x.a + rng.normal(size=15)[x.g] + rng.normal(size=90))


def test_fits_of_all(growth):
    """Each candidate has its fit, with the log-likelihood of the table."""
    assert list(growth.fits) == [model.model for model in growth.models]
    for model in growth.models:
        assert growth.fits[model.model].llf == pytest.approx(model.llf, abs=1e-8)
    assert growth.fits[growth.best.model] is growth.best_fit
    with pytest.raises(mc.OptionError, match="no such model"):
        growth.fits["distance ~ nothing"]


def test_coefficients_of_all(growth):
    """Each row holds the estimates of its model, and is missing where it has none."""
    table = growth.coefficients
    for name, fit in growth.fits.items():
        found = table.loc[name].dropna()
        np.testing.assert_allclose(found, fit.params[found.index], atol=1e-6)
        assert set(found.index) == set(fit.params.index)


def test_average_of_all(growth):
    """The fits can be averaged."""
    averaged = mc.average(dict(growth.fits))
    assert averaged.weights.to_numpy() == pytest.approx([m.weight for m in growth.models])


def test_rules(rows):
    """Candidates are those subsets that the rule admits, of at most so many terms."""
    full = "y ~ a + b + c + d + (1 | g)"
    asked = {"random": False, "subset": lambda terms: not {"a", "b"} <= terms}
    found = mc.select(full, rows, **asked)
    assert len(found.models) == 16 - 4
    assert all(not {"a", "b"} <= set(model.terms) for model in found.models)
    few = mc.select(full, rows, random=False, max_terms=2)
    assert len(few.models) == 1 + 4 + 6
    both = mc.select(full, rows, **asked, max_terms=1, keep="a")
    assert [model.description["formula"] for model in both.models] == ["y ~ a + (1 | g)"]
    forward = mc.select(full, rows, random=False, max_terms=1, search="greedy")
    assert forward.best.description["formula"] == "y ~ a + (1 | g)"


def test_marginality_under_a_limit(rows):
    """An interaction has its parts, which count."""
    found = mc.select("y ~ a * b * c + (1 | g)", rows, random=False, max_terms=3)
    formulas = {model.description["formula"] for model in found.models}
    assert "y ~ a + b + a:b + (1 | g)" in formulas
    assert len(formulas) == 1 + 3 + 3 + 1 + 3


def test_wrong_rules(rows):
    """Rules that are no rules, or admit nothing, are refused."""
    full = "y ~ a + b + (1 | g)"
    cases = [
        ({"subset": 3}, "must be a function"),
        ({"subset": lambda terms: 1}, "True or False"),
        ({"subset": lambda terms: terms["a"]}, "subset raised TypeError"),
        ({"subset": lambda terms: False}, "no candidate is left"),
        ({"max_terms": -1}, "max_terms"),
        ({"max_terms": 1.5}, "max_terms"),
        ({"max_terms": 0, "keep": "a"}, "1 fixed terms that stay"),
        ({"subset": lambda terms: "a" not in terms, "search": "greedy"}, "begins at"),
    ]
    for asked, words in cases:
        with pytest.raises(mc.OptionError, match=words):
            mc.select(full, rows, random=False, **asked)


@pytest.mark.slow
def test_frequencies(rows):
    """A strong term is always chosen; a term without effect as often as its AIC falls by chance.

    Under the null hypothesis the AIC takes a term with probability P(chi2_1 > 2) = 0.157. The
    data sets are simulated from estimates of about a standard error, so that it is more.
    """
    found = mc.inclusion(mc.select("y ~ a + b + (1 | g)", rows, random=False), draws=200, seed=1)
    assert found.terms["a"] == 1.0
    assert found.models.sum() == pytest.approx(1.0)
    estimate = mc.glmm("y ~ a + b + (1 | g)", rows)
    z = estimate.params["b"] / estimate.bse["b"]
    from scipy.stats import ncx2

    expected = ncx2.sf(2.0, 1, z**2)
    assert found.terms["b"] == pytest.approx(expected, abs=4.0 * 0.5 / np.sqrt(200))


def test_frequencies_repeat_themselves(rows):
    """They depend on the seed alone."""
    chosen = mc.select("y ~ a + b + (1 | g)", rows, random=False)
    found, again = (mc.inclusion(chosen, draws=20, seed=1, n_jobs=jobs) for jobs in (None, 1))
    pd.testing.assert_series_equal(found.terms, again.terms)


def test_no_selection(growth):
    """A selection read from JSON has no fits."""
    with pytest.raises(mc.OptionError, match="with its fits"):
        mc.inclusion(mc.Selection.from_json(growth.to_json()))
    with pytest.raises(mc.OptionError, match="with its fits"):
        mc.inclusion("chosen")
