"""K-fold cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import mixcheck as mc
from mixcheck.port import port_of

from .conftest import Known, fit


class Blocks:
    """A splitter as scikit-learn's are: consecutive blocks of rows, or of groups."""

    def __init__(self, number: int) -> None:
        self.number = number

    def split(self, X, y=None, groups=None):
        """Train and test positions."""
        units = np.arange(len(X)) if groups is None else np.asarray(groups)
        assert y.shape == (len(X),)
        for block in np.array_split(np.unique(units), self.number):
            inside = np.isin(units, block)
            yield np.flatnonzero(~inside), np.flatnonzero(inside)


@pytest.fixture(scope="module")
def cbpp():
    """Pneumonia of cattle by period."""
    return fit("cbpp", "incidence / size ~ period + (1 | herd)", "binomial")


@pytest.fixture(scope="module")
def sleep():
    """Reaction times with random slopes."""
    return fit("sleepstudy", "Reaction ~ Days + (Days | Subject)")


@pytest.mark.slow
def test_a_fold_for_each_row_is_leave_one_out(cbpp):
    """It is `loo` with refits."""
    found = mc.kfold(cbpp, list(range(56)))
    exact = mc.loo(cbpp, method="refit")
    np.testing.assert_allclose(found.scores, exact.scores, rtol=1e-9)
    assert found.total == pytest.approx(exact.total)
    assert found.means["dawid_sebastiani"] == pytest.approx(exact.dawid_sebastiani)


def test_predicted_by_another_fit(sleep):
    """Scores of a fold of subjects are those of a fit to the others, worked out by hand."""
    data = mc.datasets.load("sleepstudy")
    left = data["Subject"].isin(["308", "309", "310"]).to_numpy()
    found = mc.kfold(sleep, [(np.flatnonzero(~left), np.flatnonzero(left))])
    rest = mc.glmm("Reaction ~ Days + (Days | Subject)", data[~left])
    X = np.column_stack([np.ones(30), data.loc[left, "Days"]])
    spread = port_of(rest).covariance_parameters()["estimate"].to_numpy()
    sd, cor = spread[:2], spread[2]
    G = np.diag(sd) @ np.array([[1.0, cor], [cor, 1.0]]) @ np.diag(sd)
    total = np.sum(X @ (G + rest.cov_params().to_numpy()[:2, :2]) * X, axis=1) + rest.dispersion**2
    expected = norm.logpdf(data.loc[left, "Reaction"], X @ rest.params, np.sqrt(total))
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4)
    np.testing.assert_allclose(found.table["variance"], total, rtol=1e-3)
    assert "150 of 180 rows are in no fold" in found.notes[0]


def test_scores_of_a_normal_prediction(sleep):
    """The ranked probability score is that of the normal with the same moments."""
    table = mc.kfold(sleep, 2, crps=True).table
    sd = np.sqrt(table["variance"])
    z = (mc.datasets.load("sleepstudy")["Reaction"] - table["mean"]) / sd
    expected = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(table["crps"], expected, rtol=1e-5)
    np.testing.assert_allclose(table["dawid_sebastiani"], z**2 + 2 * np.log(sd))


def test_brier_of_single_trials():
    """Responses of 0 and 1 have Brier scores, by hand; their CRPS is the same number."""
    bacteria = fit("bacteria", "y ~ week + (1 | ID)", "binomial")
    table = mc.kfold(bacteria, 5, group="ID", crps=True).table
    y = (mc.datasets.load("bacteria")["y"] == "y").astype(float)
    np.testing.assert_allclose(table["brier"], (y - table["mean"]) ** 2)
    np.testing.assert_allclose(table["crps"], table["brier"], atol=1e-9)


@pytest.mark.slow
def test_random_folds(cbpp):
    """They are even, depend on the seed alone, and keep levels together where they are told to."""
    one, two = mc.kfold(cbpp, 5), mc.kfold(cbpp, 5, n_jobs=1)
    pd.testing.assert_series_equal(one.scores, two.scores)
    assert not np.allclose(one.scores, mc.kfold(cbpp, 5, seed=2).scores)
    herds = mc.datasets.load("cbpp")["herd"]
    together = mc.kfold(cbpp, 15, group="herd").scores
    by_label = mc.kfold(cbpp, herds.tolist()).scores
    np.testing.assert_allclose(together, by_label, rtol=1e-9)


def test_splitters(cbpp):
    """Anything with split(X, y, groups) makes folds."""
    herds = pd.factorize(mc.datasets.load("cbpp")["herd"])[0]
    found = mc.kfold(cbpp, Blocks(3), group="herd")
    expected = mc.kfold(cbpp, np.repeat([0, 1, 2], 5)[herds].tolist())
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-9)
    assert (found.folds, found.notes) == (3, ())
    assert mc.kfold(cbpp, Blocks(4)).scores.size == 56


def test_rows_predicted_several_times(cbpp):
    """Scores are means over the folds."""
    twice = [(np.arange(10, 56), np.arange(10)), (np.arange(20, 56), np.arange(20))]
    found = mc.kfold(cbpp, twice)
    first, second = (mc.kfold(cbpp, [pair]).scores for pair in twice)
    np.testing.assert_allclose(found.scores[:10], 0.5 * (first + second[:10]))
    assert "means over them" in found.notes[-1]


def test_order_of_the_rows(sleep):
    """Another order of the rows gives the same scores, which are compared by row."""
    data = mc.datasets.load("sleepstudy")
    mixed = data.sample(frac=1.0, random_state=1)
    other = mc.glmm("Reaction ~ Days + (Days | Subject)", mixed)
    folds = np.arange(180) % 7
    one, two = mc.kfold(sleep, folds.tolist()), mc.kfold(other, folds[mixed.index].tolist())
    np.testing.assert_allclose(one.scores, two.scores.loc[one.scores.index], atol=1e-6)
    assert abs(one.minus(two).difference) < 1e-4


def test_in_tables_and_weights(sleep):
    """A table ranks by it, with errors of the differences, and stacking takes it."""
    models = {"slopes": sleep, "intercepts": fit("sleepstudy", "Reaction ~ Days + (1 | Subject)")}
    table = mc.compare(models, criterion=lambda model: mc.kfold(model, 5), weights="stacking")
    assert table.best.model == "slopes"
    gain = mc.kfold(sleep, 5).minus(mc.kfold(models["intercepts"], 5))
    assert table.models[1].delta == pytest.approx(2.0 * gain.difference)
    assert table.models[1].delta_se == pytest.approx(2.0 * gain.se)
    assert table.best.weight > 0.5


def test_what_it_says(cbpp):
    """The page has the mean scores; the frame has a row for each observation."""
    found = mc.kfold(cbpp, 3)
    assert "5 folds" not in str(found)
    assert "3 folds, 56 rows" in str(found)
    assert found.to_frame().shape == (56, 4)
    assert found.means["log_score"] == pytest.approx(found.total / 56)


def test_refusals(cbpp):
    """What are no folds of these rows is refused."""
    cases = [
        (1, "whole number from 2 to 56"),
        (57, "whole number from 2 to 56"),
        (2.5, "whole number"),
        ("five", "whole number"),
        (None, "folds=None"),
        ([0, 1], "2 labels for 56 rows"),
        ([0] * 56, "at least two folds"),
        ([(np.arange(5), np.arange(5))], "overlap"),
        ([(np.arange(5), np.arange(50, 60))], "positions from 0 to 55"),
        ([], "labels|no folds"),
    ]
    for folds, words in cases:
        with pytest.raises(mc.OptionError, match=words):
            mc.kfold(cbpp, folds)
    with pytest.raises(mc.OptionError, match="no column of the data"):
        mc.kfold(cbpp, 5, group="cow")
    with pytest.raises(mc.OptionError, match="divide levels"):
        mc.kfold(cbpp, (np.arange(56) % 3).tolist(), group="herd")
    with pytest.raises(mc.OptionError, match="fitted to some of its rows"):
        mc.kfold(Known())
    with pytest.raises(mc.OptionError, match=r"mixcheck\.kfold are compared"):
        mc.kfold(cbpp, 3).minus(mc.loo(cbpp))
    period = mc.datasets.load("cbpp")["period"]
    with pytest.raises(mc.ComparisonError, match="cannot predict fold"):
        mc.kfold(cbpp, period.tolist())
