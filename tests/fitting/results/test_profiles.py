"""Profile likelihoods as a record."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import mixcheck as mc
from mixcheck.display.document import CurvePlot
from mixcheck.errors import ConvergenceWarning, OptionError
from mixcheck.port import port_of

Z = 1.959963984540054
SD, COR = "sd(Subject, Intercept)", "cor(Subject, Intercept, Days)"


def test_a_linear_model_has_the_root_of_its_residuals() -> None:
    """``zeta^2 = n log(1 + t^2 / (n - p))`` at every value, with the sign of t."""
    data = mc.datasets.load("sleepstudy")
    profile = mc.glmm("Reaction ~ Days", data).profile("Days", points=4)
    X, n = np.column_stack([np.ones(180), data["Days"]]), 180
    beta, rss = np.linalg.lstsq(X, data["Reaction"], rcond=None)[:2]
    error = np.sqrt(rss[0] / (n - 2) * np.linalg.inv(X.T @ X)[1, 1])
    points = profile.to_frame()
    assert list(points.columns) == ["parameter", "value", "zeta"]
    t = (points["value"].to_numpy() - beta[1]) / error
    expected = np.sign(t) * np.sqrt(n * np.log1p(t * t / (n - 2)))
    np.testing.assert_allclose(points["zeta"], expected, atol=1e-6)
    assert points["value"].is_monotonic_increasing
    assert len(points) == 2 * 4 + 1 + 2


def test_intervals_are_those_of_conf_int(sleepstudy: mc.GLMM) -> None:
    """With estimates, and errors by the curvature, on the scale that is shown."""
    profile = sleepstudy.profile(points=1)
    ends = sleepstudy.conf_int(method="profile", parameters="all")
    pd.testing.assert_frame_equal(profile.intervals[["low", "high"]], ends, rtol=1e-7)
    known = port_of(sleepstudy).covariance_parameters()
    rows = profile.intervals.loc[[SD, "sd(Subject, Days)", COR]]
    np.testing.assert_allclose(rows["estimate"], known["estimate"], rtol=1e-8)
    np.testing.assert_allclose(rows["std_error"], known["std_error"], rtol=1e-5)
    fixed = profile.intervals.loc[sleepstudy.params.index, "std_error"]
    np.testing.assert_allclose(fixed, sleepstudy.bse, rtol=1e-6)
    at_ends = profile.points[np.isclose(np.abs(profile.points["zeta"]), Z, atol=1e-5)]
    np.testing.assert_allclose(np.sort(at_ends["value"]), np.sort(ends.to_numpy().ravel()))


def test_its_picture_marks_the_interval(sleepstudy: mc.GLMM) -> None:
    """Points in the band are in the interval; the dashed line is Wald's; ends are drawn."""
    profile = sleepstudy.profile("random", points=3)
    picture = profile.picture(SD)
    assert isinstance(picture, CurvePlot)
    low, high = profile.intervals.loc[SD, ["low", "high"]]
    within = (picture.x >= low) & (picture.x <= high)
    np.testing.assert_array_equal(within, np.abs(picture.y) <= picture.band_high)
    assert within.sum() == len(within) - 2
    row = profile.intervals.loc[SD]
    straight = (picture.x - row["estimate"]) / row["std_error"]
    np.testing.assert_allclose(picture.reference[within], straight[within])
    axes = profile.plot(SD, Figure().subplots())
    assert axes.get_xlabel() == SD
    verticals = [line for line in axes.lines if len(set(np.asarray(line.get_xdata()))) == 1]
    drawn = sorted(float(np.asarray(line.get_xdata())[0]) for line in verticals)
    np.testing.assert_allclose(drawn, [low, high])
    assert "restricted" not in str(profile)
    with pytest.raises(OptionError, match=r"parameter=None is unknown; write 'sd\(Subject, I"):
        profile.picture()


def test_the_edge_of_a_profile() -> None:
    """A deviation of zero has half a curve, and no standard error."""
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0] * 6, "g": np.repeat(np.arange(6), 4)})
    with pytest.warns(mc.BoundaryWarning):
        flat = mc.glmm("y ~ 1 + (1 | g)", frame)
    profile = flat.profile("sd(g, Intercept)", points=3)
    row = profile.intervals.loc["sd(g, Intercept)"]
    assert row["estimate"] == row["low"] == 0.0
    assert np.isnan(row["std_error"])
    assert profile.points["zeta"].iloc[0] == 0.0
    assert profile.points["zeta"].is_monotonic_increasing
    assert profile.picture().reference.size == 0


def test_what_has_no_profile(cbpp: mc.GLMM) -> None:
    """Names, restricted likelihoods, and what has no finite estimate."""
    with pytest.raises(OptionError, match="parameters='theta' is unknown; write 'fixed'"):
        cbpp.profile("theta")
    restricted = mc.glmm(cbpp.formula, cbpp.frame, family="binomial", reml=True)
    with pytest.raises(OptionError, match='write parameters="random"'):
        restricted.profile()
    assert "restricted likelihood" in str(restricted.profile("random", points=1))
    frame = pd.DataFrame({"x": np.tile([0.0, 1.0], 20), "g": np.repeat(np.arange(8), 5)})
    frame["y"] = np.where(frame["x"] == 0.0, 0.0, np.random.default_rng(4).integers(0, 2, 40))
    with pytest.warns(mc.errors.MixcheckWarning):
        fit = mc.glmm("y ~ x + (1 | g)", frame, family="binomial")
    with pytest.raises(OptionError, match="x: nothing of this can be profiled"):
        fit.profile("x")
    with pytest.warns(ConvergenceWarning, match=r"without a profile: .*x"):
        fit.profile(["x", "sd(g, Intercept)"], points=1)
