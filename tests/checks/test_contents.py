"""What the suites of the library hold."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.checks import Calibration, Groups, MissingPredictor, Rootogram, Suite, known_kinds
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped

# What must be told something: what is near what, which value, which function, which rows.
TOLD = {"autocorrelation", "spatial", "phylogenetic", "count", "statistic"}
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
    assert set(known_kinds()) - _of_tests() == asked | {"calibration"} | TOLD | VARIANTS
    assert asked.isdisjoint(TOLD)
    assert set(Suite.standard()) < set(Suite.full(seeds))
    parts = [check.part for check in Suite.full(seeds) if isinstance(check, MissingPredictor)]
    assert parts == ["mean", "zi", "dispersion"]


def _of_tests():
    """Kinds that other test files define."""
    from mixcheck.checks import check as module

    kinds = module._KINDS.items()
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
    assert "missing predictor [zi]" in skipped
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
