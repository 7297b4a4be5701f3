"""Groups unlike the others, in level and in spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.groups import Groups
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped


def gaussian(shift=0.0, scale=1.0, seed=0):
    """Groups of ten rows and lots that cross them; lot d is shifted or scatters more."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(20), 15)
    lot = np.tile(list("abcde"), 60)
    odd = lot == "d"
    y = 0.5 * rng.normal(size=20)[g] + rng.normal(size=300) * np.where(odd, scale, 1.0)
    return pd.DataFrame({"y": y + shift * odd, "g": g, "lot": lot})


def found(data, check=None, draws=99, **options):
    """Both findings of a fit with random intercepts of g."""
    fit = mc.glmm("y ~ 1 + (1 | g)", data, **options)
    return mc.checks.Suite((check or Groups("lot"),)).run(fit, seed=1, draws=draws).findings


def test_a_shifted_group_is_found_by_its_level():
    """It is named, with its rows, and its spread is not to blame."""
    level, _ = found(gaussian(shift=1.6))
    assert level.pvalue == pytest.approx(1 / 100)
    assert level.subject["worst"] == "d"
    assert level.effect.name == "mean residual"
    assert 0.4 < level.effect.low < level.effect.high < 1.6
    assert "d" in {gaussian()["lot"][row] for row in level.rows}


def test_a_group_that_scatters_more_is_found_by_its_spread():
    """A threefold variance."""
    _, spread = found(gaussian(scale=1.8))
    assert spread.pvalue == pytest.approx(1 / 100)
    assert spread.subject["worst"] == "d"
    assert spread.effect.low > 1.2


@pytest.mark.slow
def test_correct_models_pass():
    """Six data sets of a Gaussian model and six of counts."""
    pvalues = [f.pvalue for s in range(6) for f in found(gaussian(seed=s), draws=199)]
    for s in range(6):
        data, rng = gaussian(seed=s), np.random.default_rng(s)
        data["y"] = rng.poisson(np.exp(0.5 + 0.6 * rng.normal(size=20)[data["g"]]))
        pvalues += [f.pvalue for f in found(data, family="poisson", draws=199)]
    assert min(pvalues) > 0.005
    assert np.mean(pvalues) > 0.3


def test_the_interval_excludes_the_null_exactly_where_the_test_rejects():
    """Picture and statistic are of one thing."""
    for finding in found(gaussian(shift=0.5, scale=1.3, seed=4), draws=99):
        reach = np.quantile(finding.replicates, 0.95)
        outside = not finding.effect.low <= finding.effect.null <= finding.effect.high
        assert outside == (finding.statistic > reach)
        assert finding.picture.highlighted.any() == outside


def test_only_one_aspect_may_be_asked():
    """A name of its own for each."""
    (only,) = found(gaussian(), Groups("lot", aspect="spread"), draws=19)
    assert only.check == "groups [lot, spread]"


def test_columns_without_groups_are_skipped():
    """One level, or a level a row."""
    data = gaussian().assign(one="a", row=np.arange(300).astype(str))
    for column in ("one", "row"):
        (outcome,) = found(data, Groups(column), draws=19)
        assert isinstance(outcome, Skipped)


def test_wrong_arguments_are_answered():
    """What was wrong, and what is allowed."""
    with pytest.raises(OptionError, match="'level', 'spread'"):
        Groups("lot", aspect="both")
    with pytest.raises(OptionError, match="name of a column"):
        Groups(3)
