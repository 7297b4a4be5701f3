"""Weights of models by scores of what was left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.weights import stack, weigh

STORED = Path(__file__).parents[2] / "validation" / "comparison" / "criteria.json"
# loo's optimiser is stopped at a relative change of 1e-8 of a flat objective.
LOO_TOLERANCE = 2e-5


def _scores() -> pd.DataFrame:
    """The scores of validation/comparison/criteria.R: 40 units, 3 models."""
    i = np.arange(1, 41)
    columns = (-1.2 - 0.8 * np.sin(i), -1.2 + 0.8 * np.sin(i), -1.5 + 0.6 * np.cos(2.3 * i))
    return pd.DataFrame(np.column_stack(columns), columns=list("abc"))


@pytest.mark.parametrize(("method", "stored"), [("stacking",) * 2, ("pseudo-bma", "pseudo_bma")])
def test_as_in_loo(method, stored):
    """Weights are those of R's loo on the same scores."""
    expected = json.loads(STORED.read_text())["weights"][stored]
    found = weigh(_scores(), method)
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=LOO_TOLERANCE)


def test_known_mixture():
    """Two models that are right in turn share the weight by how often each is."""
    rows = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]])
    # 3 log(.1 + .8 w) + log(.9 - .8 w) has its maximum where 3 (.9 - .8 w) = .1 + .8 w.
    np.testing.assert_allclose(stack(np.log(rows)), [2.6 / 3.2, 0.6 / 3.2], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_direction_improves(seed):
    """At the stacked weights no model has a positive slope: the problem is convex, so it is it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(-2.0, rng.uniform(0.2, 4.0), size=(80, 6)) - 900.0
    weights = stack(values)
    relative = np.exp(values - values.max(axis=1, keepdims=True))
    slopes = np.mean(relative / (relative @ weights)[:, None], axis=0)
    assert slopes.max() <= 1.0 + 1e-8
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() >= 0.0


def test_far_scores_neither_overflow_nor_underflow():
    """Joint scores of large groups, -2000 and less, are no zeros."""
    values = np.array([[-2000.0, -2001.0], [-3001.0, -3000.0]])
    np.testing.assert_allclose(stack(values), [0.5, 0.5], atol=1e-6)


def test_doubled_model_shares_its_weight():
    """A model given twice takes the weight of one; shares of exp(score) would count it twice."""
    scores = _scores()
    twice = scores.assign(d=scores["a"])
    one, two = weigh(scores, "stacking"), weigh(twice, "stacking")
    assert two["a"] + two["d"] == pytest.approx(one["a"], abs=1e-5)


def test_bootstrap_is_less_sure():
    """Pseudo-BMA+ draws weights towards each other, and depends on its seed alone."""
    scores = _scores()
    sure, less = weigh(scores, "pseudo-bma"), weigh(scores, "pseudo-bma+")
    assert less.sum() == pytest.approx(1.0)
    assert sure.max() > less.max()
    pd.testing.assert_series_equal(less, weigh(scores, "pseudo-bma+"))
    assert not less.equals(weigh(scores, "pseudo-bma+", seed=2))


def test_bootstrap_by_hand():
    """With scores that differ by a constant the weights are the same in every draw."""
    values = np.linspace(-3.0, -1.0, 25)
    scores = pd.DataFrame({"a": values, "b": values - 0.04})
    # 25 * 0.04 = 1: the weight is 1 / (1 + exp(-1)).
    assert weigh(scores, "pseudo-bma+")["a"] == pytest.approx(1.0 / (1.0 + np.exp(-1.0)))


def test_of_fits_and_in_a_table(ticks):
    """A table has the weights of the scores, whatever their order."""
    models = {name: ticks[name] for name in ("year", "altitude", "location")}
    scores = {name: mc.loo(model) for name, model in models.items()}
    table = mc.compare(models, criterion="loo", weights="stacking")
    expected = mc.model_weights(scores)
    assert {m.model: m.weight for m in table.models} == pytest.approx(expected.to_dict())
    assert any("stacking" in remark for remark in table.remarks)


def test_rows_in_another_order(ticks):
    """Scores are matched by the rows, not by their place."""
    shuffled = mc.datasets.load("grouseticks").sample(frac=1.0, random_state=1)
    other = mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", shuffled, family="poisson")
    one, two = mc.loo(ticks["year"]), mc.loo(ticks["altitude"])
    expected = mc.model_weights({"year": one, "altitude": two})
    found = mc.model_weights({"year": one, "altitude": mc.loo(other)})
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_refusals(ticks):
    """Other scores, other units, one model, and criteria without scores are refused."""
    rows, groups = mc.loo(ticks["year"]), mc.logo(ticks["year"], method="one-step")
    with pytest.raises(mc.OptionError, match=r"scores of mixcheck\.loo are compared"):
        mc.model_weights({"a": rows, "b": groups})
    with pytest.raises(mc.ComparisonError, match="at least two"):
        mc.model_weights({"a": rows})
    with pytest.raises(mc.OptionError, match="'b' is 3"):
        mc.model_weights({"a": rows, "b": 3})
    with pytest.raises(mc.OptionError, match="by the names"):
        mc.model_weights([rows, rows])
    with pytest.raises(mc.OptionError, match="criterion='loo' or 'logo'"):
        mc.compare([ticks["year"], ticks["altitude"]], weights="stacking")
