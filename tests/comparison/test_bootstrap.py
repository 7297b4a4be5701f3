"""The likelihood-ratio test by parametric bootstrap."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError
from mixcheck.execution import parallel as workers
from mixcheck.port import ConvergenceFacts

from .conftest import Known, fit


@pytest.fixture(scope="module")
def bacteria():
    """Bacteria without and with the treatment."""
    return (
        fit("bacteria", "y ~ {week > 2} + (1 | ID)", "binomial"),
        fit("bacteria", "y ~ trt + {week > 2} + (1 | ID)", "binomial"),
    )


@dataclass(frozen=True, eq=False)
class Scripted(Known):
    """A model whose refits have given log-likelihoods: half of a chi-square with two degrees."""

    larger: bool = False
    fails: tuple[int, ...] = ()
    converges: bool = True
    frame: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"y": np.zeros(12)}))
    discrete: bool = False

    def observe(self, conditioning, rng):
        """Never asked for."""
        raise NotImplementedError

    replicate = observe

    @property
    def convergence(self) -> ConvergenceFacts:
        """As scripted."""
        return ConvergenceFacts(self.converges, 0.0, 1.0, 1)

    def respond(self, rng: np.random.Generator) -> np.ndarray:
        """A number for the statistic."""
        return np.array([rng.exponential(2.0)])

    def refit(self, response: np.ndarray) -> Self:
        """A model with the log-likelihood that the response asks for."""
        if self.larger and round(float(response[0]) * 1e6) % 10 in self.fails:
            raise ConvergenceError("no finite likelihood")
        llf = -10.0 + (0.5 * float(response[0]) if self.larger else 0.0)
        return type(self)(**{**vars(self), "llf": llf})


def scripted(statistic: float = 5.0, **options) -> tuple[Scripted, Scripted]:
    """A pair whose statistics are exponential under the null: p = exp(-statistic / 2)."""
    x = np.column_stack([np.ones(12), np.arange(12.0), np.arange(12.0) ** 2, np.arange(12.0) ** 3])
    larger = Scripted(
        llf=-10.0 + 0.5 * statistic,
        n_parameters=5,
        fixed_matrices={"mean": x},
        larger=True,
        **options,
    )
    return Scripted(), larger


def test_pvalue_counts_the_observed_data():
    """The p-value is (1 + k) / (1 + B), k the simulated statistics as large as the observed one."""
    test = mc.bootstrap_lrt(*scripted(), draws=200, seed=1)
    assert test.exceedances == int(np.sum(test.statistics >= 5.0))
    assert test.pvalue == (1 + test.exceedances) / 201
    # Four standard errors of 200 draws around exp(-5/2).
    assert abs(test.pvalue - np.exp(-2.5)) < 4 * test.error
    assert test.mean == pytest.approx(float(test.statistics.mean()))


def test_bartlett():
    """The statistic is scaled to the mean of its asymptotic distribution, here two."""
    test = mc.bootstrap_lrt(*scripted(), draws=50, seed=1)
    assert test.bartlett_statistic == pytest.approx(5.0 * 2.0 / test.mean)
    assert test.bartlett_pvalue == pytest.approx(np.exp(-test.bartlett_statistic / 2.0))
    assert test.asymptotic_pvalue == pytest.approx(np.exp(-2.5))


def test_failures_count_against_the_larger_model():
    """A failed refit is an exceedance, is counted, and leaves no number behind."""
    clean = mc.bootstrap_lrt(*scripted(), draws=100, seed=1)
    failed = mc.bootstrap_lrt(*scripted(fails=(3, 7)), draws=100, seed=1)
    lost = np.isnan(failed.statistics)
    assert 0 < lost.sum() == sum(count for _, count in failed.failures)
    assert failed.exceedances == int(np.sum(lost | (clean.statistics >= 5.0)))
    assert failed.pvalue > clean.pvalue
    assert any("can only be too large" in note for note in failed.notes)
    assert "no finite likelihood" in failed.failures[0][0]


def test_unconverged_refits_fail():
    """A refit that did not converge is no statistic."""
    test = mc.bootstrap_lrt(*scripted(converges=False), draws=5, seed=1)
    assert test.pvalue == 1.0
    assert test.failures == (("the refit of the larger model did not converge", 5),)
    assert test.bartlett_statistic is None
    assert json.loads(test.to_json())["statistics"] == [None] * 5
    assert any("did not converge: the statistic" in note for note in test.notes)


def test_zeros_are_kept():
    """Statistics of zero are counted as data sets, not discarded."""
    smaller, larger = scripted(0.0)
    test = mc.bootstrap_lrt(smaller, larger, draws=10, seed=1)
    assert test.pvalue == 1.0
    assert test.exceedances == test.draws == 10
    assert test.zeros == 0


@pytest.mark.parametrize("enough", [1, 5, 20])
def test_stopping_early(enough):
    """It stops at the data set with the last exceedance; p is their share (Besag & Clifford)."""
    whole = mc.bootstrap_lrt(*scripted(2.0), draws=300, seed=3)
    test = mc.bootstrap_lrt(*scripted(2.0), draws=300, seed=3, stop_after=enough)
    last = np.flatnonzero(whole.statistics >= 2.0)[enough - 1] + 1
    assert (test.draws, test.exceedances) == (last, enough)
    assert test.pvalue == enough / last
    assert test.stopped
    np.testing.assert_array_equal(test.statistics, whole.statistics[:last])


def test_not_stopping():
    """Without enough exceedances it runs to the end, with the ordinary p-value."""
    test = mc.bootstrap_lrt(*scripted(30.0), draws=60, seed=3, stop_after=5)
    assert not test.stopped
    assert test.pvalue == 1 / 61


def test_first_data_sets_do_not_depend_on_draws(bacteria):
    """The first five of ten data sets are those of a run of five."""
    ten = mc.bootstrap_lrt(*bacteria, draws=10, seed=2)
    five = mc.bootstrap_lrt(*bacteria, draws=5, seed=2)
    np.testing.assert_array_equal(ten.statistics[:5], five.statistics)


def test_workers_change_nothing(bacteria, monkeypatch):
    """Threads give the numbers of one process, stopped early or not."""
    alone = mc.bootstrap_lrt(*bacteria, draws=12, seed=2, n_jobs=1, stop_after=2)
    monkeypatch.setattr(workers, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "START_SECONDS", -1.0)
    import joblib

    with joblib.parallel_config(backend="threading", n_jobs=2):
        shared = mc.bootstrap_lrt(*bacteria, draws=12, seed=2, stop_after=2)
    np.testing.assert_array_equal(alone.statistics, shared.statistics)
    assert alone.pvalue == shared.pvalue


@pytest.mark.slow
def test_bacteria_as_in_pbkrtest(bacteria):
    """R's pbkrtest 0.5 finds p = .188 with 100 simulations; ours agrees within errors."""
    test = mc.bootstrap_lrt(*bacteria, draws=100, seed=1)
    assert test.statistic == pytest.approx(4.2528072649, abs=5e-5)
    assert abs(test.pvalue - 0.188119) < 3 * np.hypot(test.error, 0.039)
    assert abs(test.bartlett_pvalue - 0.174078) < 0.06


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_uniform_under_the_null():
    """Over 30 data sets without an effect the five possible p-values are equally frequent.

    The long form, 400 data sets of four models, is in validation/comparison.
    """
    rng = np.random.default_rng(4)
    pvalues = []
    for k in range(30):
        g = np.repeat(np.arange(8), 4)
        data = pd.DataFrame({"g": g.astype(str), "x": rng.standard_normal(32)})
        data["y"] = rng.poisson(np.exp(1.0 + 0.6 * rng.standard_normal(8)[g]))
        smaller = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
        larger = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
        pvalues.append(mc.bootstrap_lrt(smaller, larger, draws=4, seed=k).pvalue)
    counts = np.bincount(np.rint(5 * np.array(pvalues)).astype(int), minlength=6)[1:]
    # The p-value is uniform on five values: the chi-square statistic has four degrees of
    # freedom, and exceeds 18.5 with probability 0.001.
    assert np.sum((counts - 6.0) ** 2 / 6.0) < 18.5


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_agrees_with_the_mixture():
    """A variance at zero: the bootstrap puts about half of the statistics at zero."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(40), 5).astype(str)})
    data["y"] = rng.standard_normal(200)
    smaller, larger = mc.glmm("y ~ 1", data), mc.glmm("y ~ 1 + (1 | g)", data)
    test = mc.bootstrap_lrt(smaller, larger, draws=100, seed=6)
    # Four standard errors of 100 draws; groups of 5 put a little more than half at zero.
    assert 0.3 < test.zeros / test.draws < 0.75
    assert not test.failures


def test_record(bacteria):
    """Text, HTML, JSON and table hold the three p-values."""
    test = mc.bootstrap_lrt(*bacteria, draws=9, seed=1)
    assert "parametric bootstrap" in str(test)
    assert "<table" in test._repr_html_()
    held = json.loads(test.to_json())
    assert held["pvalue"] == test.pvalue
    assert len(held["statistics"]) == 9
    assert test.to_frame()["reference"].tolist() == ["bootstrap", "asymptotic", "bartlett"]
    assert "seed=1" in repr(test)


def test_progress(bacteria):
    """Progress counts up to all data sets, over batches too."""
    seen: list[tuple[int, int]] = []
    options = {"draws": 6, "seed": 1, "n_jobs": 1}
    mc.bootstrap_lrt(*bacteria, **options, progress=lambda *at: seen.append(at))
    mc.bootstrap_lrt(*bacteria, **options, stop_after=6, progress=lambda *at: seen.append(at))
    assert seen == [(6, 6)] * 2


def test_seed_is_stored(bacteria):
    """Without a seed one is drawn, and it reproduces the test."""
    test = mc.bootstrap_lrt(*bacteria, draws=2)
    again = mc.bootstrap_lrt(*bacteria, draws=2, seed=test.seed)
    np.testing.assert_array_equal(test.statistics, again.statistics)


@pytest.mark.parametrize("name", ["draws", "stop_after"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_bad_numbers(name, value):
    """Numbers of data sets are positive integers."""
    with pytest.raises(mc.OptionError, match=f"{name} must be a whole number (of at least|from) 1"):
        mc.bootstrap_lrt(*scripted(), **{name: value})


def test_bad_models(bacteria):
    """Models that cannot be refitted, or are not nested, are refused."""
    with pytest.raises(mc.OptionError, match="write lrt instead"):
        mc.bootstrap_lrt(Known(), scripted()[1], draws=2)
    with pytest.raises(mc.ComparisonError, match=r"bootstrap_lrt\(smaller, larger\)"):
        mc.bootstrap_lrt(*bacteria[::-1], draws=2)
    with pytest.raises(mc.OptionError, match="found str"):
        mc.bootstrap_lrt("y ~ x", bacteria[1], draws=2)
