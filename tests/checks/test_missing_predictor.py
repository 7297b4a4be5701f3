"""Missing predictors: which columns are asked, and what is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import mixcheck as mc
from mixcheck.checks import MissingPredictor
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.report.finding import Skipped


def simulate(seed, z=0.0, w=0.0, family="poisson"):
    """Counts in groups; z within them and w between them are in no model."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 8)
    x, noise, level = rng.normal(size=240), rng.normal(size=240), rng.normal(size=30)[g]
    eta = 0.6 + 0.4 * x + 0.5 * rng.normal(size=30)[g] + z * noise + w * level
    y = rng.poisson(np.exp(eta)) if family == "poisson" else eta + rng.normal(size=240)
    f = rng.choice(list("abc"), 240)
    return pd.DataFrame({"y": y, "x": x, "z": noise, "w": level, "f": f, "g": g})


def run(check, data, family="poisson", draws=99, **options):
    """The outcome of one check of the model without z, w and f."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family=family, **options)
    return mc.check(fit, check, seed=1, draws=draws).findings[0]


@pytest.mark.parametrize(
    ("name", "effect"), [("z", 0.4), pytest.param("w", 0.8, marks=pytest.mark.slow)]
)
def test_it_names_the_predictor_that_is_missing(name, effect):
    """Within groups and between them, with the size that the fit with it has."""
    data = simulate(3, **{name: effect})
    found = run(MissingPredictor(), data)
    assert found.subject == {"column": name, "part": "mean"}
    assert found.pvalue == 0.01
    wider = mc.glmm(f"y ~ x + {name} + (1 | g)", data, family="poisson")
    assert found.effect.low < wider.params[name] * data[name].std() < found.effect.high
    assert f"Of 3 columns {name} is the most surprising" in found.detail
    assert run(MissingPredictor(name), data).pvalue == 0.01
    assert run(MissingPredictor("f"), data).pvalue > 0.05


def test_columns_are_left_out_with_their_reasons():
    """Names of rows, other forms of the response, one value; and then there may be none left."""
    data = simulate(1).assign(row=np.arange(240), one=1.0, log=lambda d: np.log1p(d["y"]))
    found = run(MissingPredictor(), data, draws=19)
    assert "row (it names rows)" in found.detail
    assert "log (it is the response in another form)" in found.detail
    assert "one (it has one value)" in found.detail
    nothing = run(MissingPredictor(), data[["y", "x", "g", "row"]], draws=19)
    assert isinstance(nothing, Skipped)
    assert "no column to ask about. Left out: row (it names rows)." in nothing.reason
    held = run(MissingPredictor("x"), data, draws=19)
    assert isinstance(held, Skipped)
    assert "x (the model holds it)" in held.reason


def test_parts_beside_the_mean_are_asked_of_all_predictors():
    """The dispersion along a predictor of the mean; a part that is not there is skipped."""
    rng, data = np.random.default_rng(5), simulate(1)
    data["y"] = 0.4 * data["x"] + np.exp(0.4 * data["x"]) * rng.normal(size=240)
    check = MissingPredictor(part="dispersion")
    found = run(check, data, family="gaussian")
    assert found.subject == {"column": "x", "part": "dispersion"}
    assert found.pvalue == 0.01
    skipped = run(MissingPredictor(part="zi"), data, family="gaussian")
    assert "The model has no part called zi, and none can be added" in skipped.reason


def with_zeros(seed, share):
    """Counts, of which a share (of the table) is turned to zeros."""
    data = simulate(seed)
    rng = np.random.default_rng(seed + 1000)
    return data.assign(y=data["y"] * (rng.random(240) >= share(data)))


def test_zeros_that_a_model_lacks_are_asked_along_columns():
    """A model without a part for zeros is asked at a share of zero."""
    data = with_zeros(1, lambda d: expit(-2.0 + 1.2 * d["z"]))
    found = run(MissingPredictor(part="zi"), data)
    assert found.subject == {"column": "z", "part": "zi"}
    assert found.pvalue <= 0.01
    binary = mc.datasets.load("bacteria")
    fit = mc.glmm("y ~ trt + (1 | ID)", binary, family="binomial")
    (skipped,) = mc.check(fit, MissingPredictor(part="zi"), seed=1, draws=19).findings
    assert "two values" in skipped.reason


@pytest.mark.slow
def test_zeros_added_everywhere_are_no_zeros_along_a_column():
    """Rates at 5 % of 40 data sets with 15 % of zeros added: at most 5 (0.1 % with a rate of .05).

    Without units of their spread, the scores failed 41 % of 150.
    """
    pvalues = [
        run(
            MissingPredictor("z", part="zi"),
            with_zeros(seed, lambda d: np.full(240, 0.15)),
        ).pvalue
        for seed in range(40)
    ]
    assert np.sum(np.array(pvalues) <= 0.05) <= 5


def test_a_model_known_by_draws_is_asked_for_a_column_by_name():
    """By Pearson residuals; which columns it uses is not known."""
    rng = np.random.default_rng(7)
    z = rng.normal(size=80)
    frame = pd.DataFrame({"z": z})
    draws = mc.from_draws(0.8 * z + rng.normal(size=80), rng.normal(size=(99, 80)), frame=frame)
    assert mc.check(draws, MissingPredictor("z"), seed=1).findings[0].pvalue == 0.01
    skipped = mc.check(draws, MissingPredictor(), seed=1).findings[0]
    assert "name one" in skipped.reason


def test_wrong_arguments_are_refused():
    """A part that no model has, and a column that these data have not."""
    with pytest.raises(OptionError, match="part must be one of 'mean', 'zi', 'dispersion'"):
        MissingPredictor(part="shape")
    with pytest.raises(OptionError, match="column"):
        MissingPredictor(3)
    with pytest.raises(UnknownColumnError, match="no column is called 'q'"):
        run(MissingPredictor("q"), simulate(1), draws=19)


@pytest.mark.slow
def test_it_keeps_its_level_and_sees_what_is_missing():
    """Of 150 right data sets 5 % are rejected, error 1.8 %; of 12 wrong ones 11 or more."""
    right = [
        run(MissingPredictor(), simulate(seed), draws=39).pvalue <= 0.05 for seed in range(150)
    ]
    assert np.mean(right) <= 0.05 + 3 * 0.018
    wrong = [
        run(MissingPredictor(), simulate(seed, w=0.7), draws=99).pvalue <= 0.05
        for seed in range(12)
    ]
    assert np.sum(wrong) >= 11
