"""Frequencies of single numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

import mixcheck as mc
from mixcheck.checks.rootogram import Rootogram, _FrequencyStatistic
from mixcheck.errors import OptionError
from mixcheck.port import DataView
from mixcheck.report.finding import Skipped


def counts(change=None, seed=0):
    """Poisson counts around 4, changed by a function of counts and generator."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(40), 10)
    x = rng.normal(size=400)
    y = rng.poisson(np.exp(1.4 + 0.4 * x + 0.5 * rng.normal(size=40)[g]))
    return pd.DataFrame({"y": change(y, rng) if change else y, "x": x, "g": g})


def found(data, check=None, family="poisson"):
    """The one outcome of the check, with the parameters known."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    suite = mc.checks.Suite((check or Rootogram(),))
    return suite.run(fit, seed=1, draws=199, calibration="plug-in").findings[0]


def test_numbers_are_roots_of_frequencies():
    """By hand, with all beyond the last number counted together."""
    y, mean = np.array([0.0, 1.0, 1.0, 5.0, 9.0]), np.full(5, 2.0)
    data = DataView(
        y, y / 10, mean, mean, mean, mean, mean, probability=lambda k: poisson.pmf(k, mean)
    )
    numbers = _FrequencyStatistic("r", "rootogram", 2).numbers(data)
    expected = np.append(5 * poisson.pmf([0, 1, 2], 2), 5 * poisson.sf(2, 2))
    np.testing.assert_allclose(numbers[4:], np.sqrt(expected), rtol=1e-12)
    np.testing.assert_allclose(numbers[:4] + numbers[4:], np.sqrt([1, 2, 0, 2]), rtol=1e-12)


def test_inflated_ones_are_found_and_named():
    """A fifth of the counts is set to one."""
    finding = found(counts(lambda y, rng: np.where(rng.uniform(size=y.size) < 0.2, 1, y)))
    assert finding.pvalue == pytest.approx(1 / 200)
    assert finding.subject == {"value": "1"}
    assert finding.effect.low > 1.0
    assert "are expected" in finding.detail


@pytest.mark.slow
def test_correct_models_pass():
    """Six of them."""
    right = [found(counts(seed=seed)).pvalue for seed in range(6)]
    assert min(right) > 0.01
    assert np.mean(right) > 0.25


def test_what_has_no_frequencies_is_skipped():
    """Continuous responses, and those of two values."""
    data = counts()
    assert isinstance(found(data.assign(y=data["y"] + 0.5), family="gamma"), Skipped)
    assert isinstance(found(data.assign(y=(data["y"] > 3) * 1), family="binomial"), Skipped)


def test_the_last_number_may_be_asked():
    """And must be one."""
    assert found(counts(), Rootogram(3)).picture.x.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(OptionError, match="most"):
        Rootogram(0)
