"""Slopes and comparisons, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import mixcheck as mc
from mixcheck.errors import MixcheckError, OptionError, UnknownColumnError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Successes of groups along a column of numbers and a factor."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(25), 8)
    x, f = rng.normal(size=g.size), rng.choice(["a", "b", "c"], g.size)
    eta = -0.3 + 0.8 * x + 0.6 * (f == "b") + rng.normal(size=25)[g]
    return pd.DataFrame(
        {"y": (rng.random(g.size) < expit(eta)).astype(int), "x": x, "f": f, "g": g}
    )


@pytest.fixture(scope="module")
def fit(data: pd.DataFrame) -> mc.GLMM:
    """A logistic model."""
    return mc.glmm("y ~ x + f + (1 | g)", data, family="binomial")


def test_average_slope_of_a_logit(fit: mc.GLMM) -> None:
    """``mean beta p (1 - p)``, with ``mean (p (1 - p) (e_j + beta (1 - 2 p) x))`` as derivative."""
    X, beta = fit.model_matrix().to_numpy(), fit.params.to_numpy()
    p = expit(X @ beta)
    d = p * (1.0 - p)
    j = list(fit.params.index).index("x")
    gradient = ((d * (1.0 - 2.0 * p) * beta[j])[:, None] * X + d[:, None] * np.eye(4)[j]).mean(
        axis=0
    )
    found = mc.slopes(fit, "x", ddf="containment")
    assert found.estimate[0] == pytest.approx(beta[j] * d.mean(), rel=1e-8)
    error = np.sqrt(gradient @ fit.cov_params().to_numpy() @ gradient)
    assert found.std_error[0] == pytest.approx(error, rel=1e-7)
    link = mc.slopes(fit, "x", scale="link", ddf="containment")
    assert link.estimate[0] == pytest.approx(beta[j], rel=1e-9)
    assert link.std_error[0] == pytest.approx(fit.bse["x"], rel=1e-7)


def test_slopes_go_through_every_term(data: pd.DataFrame) -> None:
    """Of a polynomial and an interaction, row by row and by group."""
    fit = mc.glmm("x ~ I(y + 0.0) * poly(g, 2) + f", data.assign(g=data["g"] / 10.0))
    rows = data.head(5).assign(g=[0.1, 0.5, 1.0, 1.5, 2.0])
    found = mc.slopes(fit, "g", data=rows, average=False)
    step = 1e-5
    up, down = (
        fit.predict(rows.assign(g=rows["g"] + s), random_effects="zero") for s in (step, -step)
    )
    np.testing.assert_allclose(found.estimate, (up - down) / (2.0 * step), rtol=1e-6)
    by = mc.slopes(fit, "g", by="f")
    every = mc.slopes(fit, "g", average=False)
    known = pd.Series(every.estimate, data["f"].to_numpy()).groupby(level=0).mean()
    np.testing.assert_allclose(by.estimate, known[by.labels["f"]])


def test_comparisons_of_levels(fit: mc.GLMM, data: pd.DataFrame) -> None:
    """Averages with every row at one level less those with every row at another."""
    at = {
        f: fit.predict(data.assign(f=f), random_effects="marginal").mean() for f in ("a", "b", "c")
    }
    found = mc.comparisons(fit, "f", random_effects="marginal")
    np.testing.assert_allclose(found.estimate, [at["b"] - at["a"], at["c"] - at["a"]])
    assert found.labels["contrast"].tolist() == ["b - a", "c - a"]
    every = mc.comparisons(fit, "f", change="pairwise", random_effects="marginal")
    assert every.labels["contrast"].tolist() == ["b - a", "c - a", "c - b"]
    ratio = mc.comparisons(fit, "f", kind="ratio", random_effects="marginal")
    np.testing.assert_allclose(ratio.estimate, [at["b"] / at["a"], at["c"] / at["a"]])
    assert (ratio.low < ratio.estimate).all()
    odds = mc.comparisons(fit, "f", kind="odds ratio", random_effects="marginal")
    known = (at["b"] / (1 - at["b"])) / (at["a"] / (1 - at["a"]))
    assert odds.estimate[0] == pytest.approx(known)


def test_comparisons_of_numbers(fit: mc.GLMM, data: pd.DataFrame) -> None:
    """A step from each value, or from one value to another."""
    own = fit.predict(data, random_effects="zero").mean()
    up = fit.predict(data.assign(x=data["x"] + 2.0), random_effects="zero").mean()
    found = mc.comparisons(fit, "x", change=2)
    assert found.estimate[0] == pytest.approx(up - own)
    assert found.labels["contrast"].tolist() == ["+2"]
    link = mc.comparisons(fit, "x", change=(-1, 1), scale="link", ddf="containment")
    assert link.estimate[0] == pytest.approx(2.0 * fit.params["x"])
    assert link.std_error[0] == pytest.approx(2.0 * fit.bse["x"], rel=1e-6)


@pytest.mark.slow
def test_errors_of_averages_are_those_of_refits(data: pd.DataFrame, fit: mc.GLMM) -> None:
    """The standard deviation of the average over data sets simulated from the fit, to 15 %."""
    found = mc.comparisons(fit, "f", random_effects="marginal")
    fits = fit.refit(fit.simulate(150, seed=3))
    draws = [
        [one.predict(data.assign(f=f), random_effects="marginal").mean() for f in ("a", "b", "c")]
        for one in fits
        if one is not None
    ]
    a, b, c = np.array(draws).T
    spread = np.array([(b - a).std(ddof=1), (c - a).std(ddof=1)])
    # The error of a standard deviation from 150 draws is 6 %.
    np.testing.assert_allclose(found.std_error, spread, rtol=0.18)


@pytest.mark.parametrize(
    ("verb", "column", "options", "words"),
    [
        ("slopes", "f", {}, "no slope"),
        ("slopes", "g", {}, "no predictor"),
        ("slopes", 1, {}, "no predictor"),
        ("slopes", "x", {"scale": "prob"}, "scale"),
        ("slopes", "x", {"by": "nope"}, "no column of the rows"),
        ("slopes", "x", {"average": False, "by": "f"}, "average=True"),
        ("slopes", "x", {"average": 1}, "average"),
        ("slopes", "x", {"scale": "link", "random_effects": "marginal"}, "averages means"),
        ("slopes", "x", {"data": {"x": [1.0]}}, "no column of the data"),
        ("slopes", "x", {"level": 0}, "level"),
        ("comparisons", "x", {"change": 0}, "change"),
        ("comparisons", "x", {"change": "pairwise"}, "change"),
        ("comparisons", "x", {"change": [1, "b"]}, "change"),
        ("comparisons", "f", {"change": 1}, "change"),
        ("comparisons", "f", {"kind": "odds"}, "kind"),
        ("comparisons", "f", {"kind": "ratio", "scale": "link"}, "differences"),
    ],
)
def test_wrong_calls(
    fit: mc.GLMM, verb: str, column: Any, options: dict[str, Any], words: str
) -> None:
    """One sentence."""
    with pytest.raises((OptionError, UnknownColumnError), match=words) as caught:
        getattr(mc, verb)(fit, column, **options)
    assert isinstance(caught.value, MixcheckError)


@pytest.mark.parametrize("verb", [mc.slopes, mc.comparisons])
def test_complex_rows_are_refused(verb):
    """No row is cast to its real part."""
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
    with pytest.raises(mc.DataError, match="column 'Days' holds complex numbers"):
        verb(fit, "Days", data={"Days": [1j, 2.0], "Subject": [308, 308]})
