"""Counts that are rounded to multiples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.heaping import Heaping
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped


def counts(rounded=0.0, seed=0, level=2.2):
    """Counts around nine, a share of which is rounded to the nearest multiple of five."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(40), 10)
    y = rng.poisson(np.exp(level + 0.4 * rng.normal(size=40)[g])).astype(float)
    y = np.where(rng.uniform(size=400) < rounded, 5 * np.rint(y / 5), y)
    return pd.DataFrame({"y": y, "g": g})


def found(data, check=None, family="poisson"):
    """The one outcome of the check, with the parameters known."""
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family=family)
    suite = mc.checks.Suite((check or Heaping(5),))
    return suite.run(fit, seed=1, draws=99, calibration="plug-in").findings[0]


def test_rounded_counts_are_found():
    """A quarter is rounded; unrounded ones pass."""
    finding = found(counts(0.25))
    assert finding.pvalue == pytest.approx(1 / 100)
    assert finding.effect.low > 1.0
    right = [found(counts(seed=seed)).pvalue for seed in range(6)]
    assert min(right) > 0.01


def test_small_and_continuous_responses_are_skipped():
    """There is nothing to round."""
    assert "No response reaches 50" in found(counts(), Heaping(50)).reason
    assert isinstance(found(counts().assign(y=lambda d: d["y"] + 0.5), family="gamma"), Skipped)


def test_too_many_multiples_are_refused():
    """With a larger number to write; and 1 is no multiple."""
    with pytest.raises(OptionError, match=r"Heaping\(20\)"):
        found(counts(level=6.5), Heaping(2))
    with pytest.raises(OptionError, match="multiple"):
        Heaping(1)
