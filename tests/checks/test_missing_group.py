"""Missing grouping factors: which are asked, and what is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import MissingGroup
from mixcheck.report.finding import Skipped


def simulate(seed, h=0.0, nested=0.0):
    """Counts in groups g, with effects of h across them, and of the levels of h within them."""
    rng = np.random.default_rng(seed)
    g, level = np.repeat(np.arange(20), 12), rng.integers(0, 6, 240)
    x = rng.normal(size=240)
    eta = 0.8 + 0.3 * x + 0.5 * rng.normal(size=20)[g]
    eta = eta + h * rng.normal(size=6)[level] + nested * rng.normal(size=(20, 6))[g, level]
    return pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "g": g, "h": level})


def run(data, check=None, formula="y ~ x + (1 | g)", draws=99):
    """The outcome of one check."""
    fit = mc.glmm(formula, data, family="poisson")
    return mc.check(fit, check or MissingGroup(), seed=1, draws=draws).findings[0]


@pytest.mark.parametrize(("name", "made"), [("h", {"h": 0.5}), ("g:h", {"nested": 0.5})])
def test_it_names_the_factor_that_is_missing(name, made):
    """Across the groups of the model and within them, with the size that the fit with it has."""
    data = simulate(2, **made)
    found = run(data)
    assert found.subject == {"group": name, "part": "mean"}
    assert found.pvalue == 0.01
    wider = mc.glmm(f"y ~ x + (1 | g) + (1 | {name})", data, family="poisson")
    sd = wider.variance_components["sd"].iloc[-1]
    assert found.effect.low < sd < found.effect.high
    assert set(found.picture.labels) == {"h", "g:h"}


def test_groups_of_the_model_are_not_asked():
    """Under their own name, under another one, or as fixed effects."""
    data = simulate(3).assign(
        same=lambda d: "g" + d["g"].astype(str), f=lambda d: d["h"].astype(str)
    )
    assert set(run(data, draws=19).picture.labels) == {"h", "g:h"}
    fixed = run(data, formula="y ~ f + (1 | g)", draws=19)
    assert fixed.picture.labels == ("g:h",)
    crossed = run(data, formula="y ~ x + (1 | g) + (1 | h)", draws=19)
    assert crossed.picture.labels == ("g:h",)


def test_levels_without_rows_to_share_are_no_groups():
    """A level for each row, two levels, or fractions."""
    data = simulate(3)[["y", "x", "g"]].assign(row=np.arange(240)[::-1], two=np.arange(240) % 2)
    outcome = run(data.drop(columns="two"), draws=19)
    assert isinstance(outcome, Skipped)
    assert "no factor beside those of the model" in outcome.reason
    assert run(data, draws=19).picture.labels == ("g:two",)
    assert "it has fractions" in run(data, MissingGroup("x"), draws=19).reason
    assert run(simulate(3), MissingGroup("h"), draws=19).picture.labels == ("h",)


@pytest.mark.slow
def test_it_keeps_its_level_and_sees_what_is_missing():
    """Of 150 right data sets 5 % are rejected, error 1.8 %; of 12 wrong ones 11 or more."""
    right = [run(simulate(seed), draws=39).pvalue <= 0.05 for seed in range(150)]
    assert np.mean(right) <= 0.05 + 3 * 0.018
    wrong = [run(simulate(seed, h=0.5), draws=99).pvalue <= 0.05 for seed in range(12)]
    assert np.sum(wrong) >= 11


def test_trials_are_no_factor():
    """The trials of a proportion are amounts, although they are whole numbers that repeat."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    finding = mc.check(fit, MissingGroup(), seed=1, draws=19, calibration="plug-in").findings[0]
    assert isinstance(finding, Skipped)
    assert finding.reason.startswith("There is no factor beside those of the model")
