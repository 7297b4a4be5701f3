"""Alternatives are checked as far as it matters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.selection.selection import RankedModel
from mixcheck.selection.trials import FAR, by_price


@pytest.fixture(scope="module")
def report():
    """Counts that depend on z, and on nothing else that the model lacks, checked with refits."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(20), 8)
    x, z = rng.normal(size=(2, g.size))
    y = rng.poisson(np.exp(0.8 + 0.4 * x + 0.6 * z + 0.4 * rng.normal(size=20)[g]))
    fit = mc.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "z": z, "g": g}, family="poisson")
    return mc.check(fit, mc.checks.Dispersion(), seed=1, draws=99, calibration="refit")


@pytest.mark.slow
def test_the_first_is_checked_as_the_report_was(report):
    """What is close behind it with the estimates held, and what is far behind not at all."""
    done = []
    tried = mc.suggest(report, progress=lambda k, n: done.append((k, n)))
    best, *others = tried.candidates
    assert best.model == "y ~ x + z + (1 | g), poisson"
    assert best.admissible
    again = mc.check(tried.best_fit, mc.checks.Dispersion(), seed=1, draws=99, calibration="refit")
    assert tried.reports[best.model].findings[0].pvalue == again.findings[0].pvalue
    far = [model for model in others if model.value > best.value + FAR]
    assert far
    for model in far:
        assert model.admissible is None
        assert model.reason.startswith("not checked: its AIC is ")
        assert model.model not in tried.reports
    for model in others:
        assert (model.admissible is None) == (model in far)
    calibrations = {r.provenance["calibration"] for r in tried.reports.values()}
    assert calibrations <= {"refit", "plug-in"}
    assert done[-1] == (len(tried.candidates), len(tried.candidates))


@pytest.mark.slow
def test_where_none_passes_all_are_checked(report):
    """Each is listed with what it fails."""
    strict = report.judge(mc.Policy(alpha=0.999, adjust="none"))
    tried = mc.suggest(strict, most=4)
    assert tried.best is None
    assert all(model.reason == "fails dispersion" for model in tried.candidates)
    assert not tried.to_frame()["passes"].any()
    assert pd.api.types.is_extension_array_dtype(tried.to_frame()["passes"].dtype)


def test_of_equally_good_ones_the_simplest_comes_first():
    """Within 2 units of the criterion, of which a second change costs 10."""
    values = {"spline": (100.0, 7), "square": (100.9, 5), "link": (101.5, 4), "worse": (102.1, 3)}
    models = [
        RankedModel(name, {}, (), df, -50.0, value, 0.0, None, 0.0, False, None, "", {}, (), 1)
        for name, (value, df) in values.items()
    ]
    why = dict.fromkeys(values, ("one",))
    assert [m.model for m in by_price(models, why)] == ["link", "square", "spline", "worse"]
    dear = by_price(models, why | {"link": ("one", "two")})
    assert [m.model for m in dear] == ["square", "spline", "worse", "link"]
    assert by_price([], why) == []
