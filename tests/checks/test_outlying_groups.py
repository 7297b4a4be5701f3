"""Groups too far out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.outlying_groups import OutlyingGroups
from mixcheck.port import port_of
from mixcheck.report.finding import Skipped


def table(far=0.0, seed=0, slopes=False, groups=40):
    """Groups of 4 to 15 rows; the one called g7 is so many standard deviations off."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rng.integers(4, 16, groups))
    b = 0.8 * rng.normal(size=groups)
    b[7 % groups] += 0.8 * far
    x = rng.normal(size=g.size)
    slope = 0.4 * rng.normal(size=groups) if slopes else np.zeros(groups)
    y = 1.0 + (0.5 + slope[g]) * x + b[g] + rng.normal(size=g.size)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{k}" for k in g]})


def found(data, formula="y ~ x + (1 | g)"):
    """The outcomes of the check, with the parameters known."""
    suite = mc.checks.Suite((OutlyingGroups(),))
    return suite.run(mc.glmm(formula, data), seed=1, draws=99, calibration="plug-in").findings


def test_a_group_far_out_is_found_and_named():
    """Seven standard deviations; correct models pass."""
    (finding,) = found(table(7.0))
    assert finding.pvalue == pytest.approx(1 / 100)
    assert finding.subject == {"term": "g [Intercept]", "level": "g7"}
    assert finding.picture.highlighted.any()
    pvalues = [found(table(seed=seed))[0].pvalue for seed in range(8)]
    assert min(pvalues) > 0.01
    assert np.mean(pvalues) > 0.25


def test_many_levels_keep_the_farthest_only(monkeypatch):
    """Of more levels than are pooled the units are those of the model; the story is the same."""
    data = table(7.0)
    (pooled,) = found(data)
    monkeypatch.setattr("mixcheck.checks.outlying_groups.MOST_POOLED", 10)
    (farthest,) = found(data)
    assert farthest.subject == pooled.subject
    assert farthest.pvalue == pooled.pvalue
    assert farthest.statistic == pytest.approx(pooled.statistic, rel=0.2)


def test_deviations_of_modes_are_those_of_simulated_data():
    """Modes of replicates vary as the model says, whatever the size of a group."""
    port = port_of(mc.glmm("y ~ x + (x | g)", table(slopes=True)))
    levels = port.term_levels["g [Intercept, x]"]
    views = port.replicate_many("posterior", [np.random.default_rng(k) for k in range(600)])
    modes = np.array([view.modes["g [Intercept, x]"] for view in views])
    ratio = modes.std(axis=0) / levels.deviations
    # A standard deviation of 600 draws has a standard error of 3 %.
    assert np.abs(ratio - 1.0).max() < 0.13
    assert abs(ratio.mean() - 1.0) < 0.01


def test_each_effect_has_a_finding():
    """Intercept and slope."""
    outcomes = found(table(slopes=True), "y ~ x + (x | g)")
    assert [outcome.check for outcome in outcomes] == [
        "outlying groups [g [Intercept, x], effect 1]",
        "outlying groups [g [Intercept, x], effect 2]",
    ]


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_few_levels_and_singular_terms_are_skipped():
    """With the reason."""
    (few,) = found(table(groups=4))
    assert isinstance(few, Skipped)
    assert "at least 5" in few.reason
    flat = table()
    flat["y"] = flat["y"] - flat.groupby("g")["y"].transform("mean")
    (singular,) = found(flat)
    assert isinstance(singular, Skipped)
    assert "singular" in singular.reason
