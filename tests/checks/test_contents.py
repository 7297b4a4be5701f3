"""What the suites of the library hold."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.checks import (
    Autocorrelation,
    Calibration,
    Groups,
    MissingPredictor,
    MissingSlope,
    Rootogram,
    Spread,
    Suite,
    known_kinds,
)
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped

# What must be told something: what is near what, which value, which function, which rows.
TOLD = {"spatial", "phylogenetic", "count", "statistic"}
VARIANTS = {"by", "where", "named"}


@pytest.fixture(scope="module")
def seeds():
    """A binomial model with trials."""
    return mc.glmm("r / n ~ x1 * x2 + (1 | plate)", mc.datasets.load("seeds"), family="binomial")


def test_quick_and_standard():
    """Both hold what they say, and what is quick needs no argument."""
    names = ["uniformity", "dispersion", "zeros", "outliers", "convergence"]
    assert [check.kind for check in Suite.quick()] == names
    assert set(Suite.quick()) < set(Suite.standard())


def test_full_holds_every_kind(seeds):
    """Whatever is asked of a model as it is, is asked; a new kind must be put somewhere."""
    asked = {check.kind for check in Suite.full(seeds)}
    assert (
        set(known_kinds()) - _of_tests()
        == asked | {"calibration", "autocorrelation"} | TOLD | VARIANTS
    )
    assert asked.isdisjoint(TOLD)
    assert set(Suite.standard()) < set(Suite.full(seeds))
    parts = [check.part for check in Suite.full(seeds) if isinstance(check, MissingPredictor)]
    assert sorted(parts) == ["dispersion", "mean", "zi"]


def test_standard_asks_what_applies():
    """Columns, groups and times of the data are asked about, and what is not asked has a reason."""
    sleep = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, family="gaussian")
    suite = Suite.standard(fit)
    assert set(Suite.standard()) < set(suite)
    assert Autocorrelation("Days", "Subject") in suite
    assert MissingSlope() in suite
    assert MissingPredictor(part="dispersion") in suite
    assert set(suite.left_out) == {"missing predictor", "spatial"}
    assert suite.left_out["spatial"] == "There are no columns of coordinates."
    assert suite == Suite.standard(mc.residuals(fit, seed=4))
    report = mc.check(fit, seed=1, draws=30, calibration="plug-in")
    assert report.provenance["left out"] == suite.left_out
    assert "Not asked: spatial (There are no columns of coordinates); missing" in str(report)
    assert len(report.findings) >= len(suite)


def test_standard_of_draws():
    """Of draws whose columns are not known only residuals are asked."""
    rng = np.random.default_rng(1)
    draws = mc.from_draws(rng.poisson(2.0, 30), rng.poisson(2.0, (200, 30)))
    suite = Suite.standard(draws)
    assert set(suite) == {*Suite.standard(), Spread()}
    assert suite.left_out["autocorrelation"].startswith("It is not known which columns")
    with pytest.raises(OptionError, match="a fitted model is needed"):
        Suite.standard("fit")


def test_what_is_left_out_is_no_part_of_the_suite():
    """Suites are equal by their checks, are stored by them, and add up by them."""
    sleep = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, family="gaussian")
    suite = Suite.standard(fit)
    assert suite == Suite(suite.checks) == Suite.from_json(suite.to_json())
    assert "left_out" not in suite.to_json()
    assert not (suite & Spread()).left_out


def _of_tests():
    """Kinds that other test files define."""
    from mixcheck.checks import check as module

    kinds = module.KINDS.classes.items()
    return {kind for kind, cls in kinds if not cls.__module__.startswith("mixcheck.")}


def test_full_asks_each_grouping_factor():
    """Each column of a grouping factor is asked for; a product by its parts."""
    data = mc.datasets.load("Pastes")
    fit = mc.glmm("strength ~ 1 + (1 | batch / cask)", data, family="gaussian")
    asked = [check.column for check in Suite.full(fit) if isinstance(check, Groups)]
    assert asked == ["batch", "cask"]


def test_full_asks_counts_or_probabilities(seeds):
    """A response of 0 and 1 is asked for its probabilities, and any other for its counts."""
    bacteria = mc.datasets.load("bacteria")
    binary = mc.glmm("y ~ trt + (1 | ID)", bacteria, family="binomial")
    assert Calibration() in Suite.full(binary)
    assert Rootogram() not in Suite.full(binary)
    assert Rootogram() in Suite.full(seeds)
    assert Calibration() not in Suite.full(seeds)


def test_full_runs_and_says_what_it_left(seeds):
    """All is run in one pass; what does not apply is skipped with a reason."""
    report = Suite.full(seeds).run(seeds, seed=1, draws=60, calibration="plug-in")
    skipped = {item.check: item.reason for item in report.findings if isinstance(item, Skipped)}
    assert "missing predictor [dispersion]" in skipped
    assert all(reason.endswith(".") for reason in skipped.values())
    assert len(report.findings) - len(skipped) > 12


def test_full_of_residuals_and_draws():
    """Residuals are asked as their model is; draws of another library have no factors."""
    rng = np.random.default_rng(1)
    draws = mc.from_draws(rng.poisson(2.0, 30), rng.poisson(2.0, (200, 30)))
    suite = Suite.full(draws)
    assert suite == Suite.full(mc.residuals(draws, seed=1))
    assert not any(isinstance(check, Groups) for check in suite)
    report = suite.run(draws, seed=1)
    assert report.verdicts["dispersion"] in (mc.Verdict.PASS, mc.Verdict.FAIL)
    assert report.verdicts["separation"] is mc.Verdict.SKIPPED


def test_full_of_no_model():
    """What is no model is one sentence."""
    with pytest.raises(OptionError, match="a fitted model is needed"):
        Suite.full("fit")
