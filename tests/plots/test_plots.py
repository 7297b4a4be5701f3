"""Pictures: the numbers of the check they come from, drawn on the axes that are given."""

from __future__ import annotations

import inspect

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.special import ndtri

import mixcheck as mc
from mixcheck.display.document import CurvePlot, Picture
from mixcheck.errors import DataError, OptionError

matplotlib.use("Agg")

FEW = {"seed": 1, "draws": 39}


@pytest.fixture(scope="module")
def sleep() -> mc.GLMM:
    """Two random effects a subject."""
    return mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def ticks() -> mc.GLMM:
    """Counts that vary more than their model says."""
    data = mc.datasets.load("grouseticks")
    return mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", data, family="poisson")


@pytest.fixture(scope="module")
def answers() -> mc.GLMM:
    """A response of 0 and 1, with a place and a time."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(20), 10)
    data = pd.DataFrame({"g": g, "t": np.tile(np.arange(10), 20), "u": rng.random(200)})
    data["v"] = rng.random(200)
    data["y"] = rng.binomial(1, 1.0 / (1.0 + np.exp(-data["u"] - 0.5 * rng.normal(size=20)[g])))
    return mc.glmm("y ~ u + (1 | g)", data, family="binomial")


DRAWN = {
    "qq": ("sleep", {}),
    "residuals": ("sleep", {"against": "Days"}),
    "spread": ("ticks", {}),
    "trend": ("sleep", {"against": "Days"}),
    "half_normal": ("ticks", {}),
    "rootogram": ("ticks", {}),
    "binned": ("answers", {"bins": 8}),
    "random_effects": ("sleep", {}),
    "autocorrelation": ("answers", {"time": "t", "group": "g"}),
    "spatial": ("answers", {"x": "u", "y": "v"}),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_each_is_drawn_on_the_axes_given(name, request):
    """The axes come back, with the titles and labels of the numbers of the same name."""
    model, options = DRAWN[name]
    fit = request.getfixturevalue(model)
    picture = getattr(mc.plots.data, name)(fit, **options, **FEW)
    assert isinstance(picture, Picture)
    ax = Figure().subplots()
    assert getattr(mc.plots, name)(fit, **options, **FEW, ax=ax) is ax
    assert ax.get_title(loc="left") == picture.title
    assert ax.get_xlabel().startswith(picture.x_label)
    assert ax.has_data()


def test_every_function_has_its_numbers():
    """Names and arguments of both are the same but for the axes, which are documented."""
    drawn = [name for name in mc.plots.__all__ if name != "data"]
    assert sorted(drawn) == sorted(mc.plots.data.__all__)
    for name in drawn:
        plot, make = getattr(mc.plots, name), getattr(mc.plots.data, name)
        parameters = list(inspect.signature(plot).parameters)
        assert parameters == [*inspect.signature(make).parameters, "ax"]
        text = inspect.getdoc(plot) or ""
        assert "ax : matplotlib Axes, optional" in text
        assert "Returns\n-------\nmatplotlib Axes" in text


def test_a_picture_is_that_of_its_check(ticks):
    """Points and band are those of the finding with the same seed."""
    picture = mc.plots.data.qq(ticks, **FEW)
    report = mc.check(ticks, mc.checks.Uniformity(), **FEW, calibration="plug-in")
    np.testing.assert_array_equal(picture.observed, report["uniformity"].picture.observed)
    np.testing.assert_array_equal(picture.band_low, report["uniformity"].picture.band_low)
    detrended = mc.plots.data.qq(ticks, detrended=True, **FEW)
    assert isinstance(detrended, CurvePlot)
    np.testing.assert_allclose(detrended.y, picture.observed - picture.expected)


def test_half_normal_by_definition(sleep):
    """Sorted sizes at the quantiles of |z|; data without fault are within their envelope."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=120)})
    data["y"] = data["x"] + rng.normal(size=120)
    fit = mc.glmm("y ~ x", data)
    picture = mc.plots.data.half_normal(fit, seed=1, draws=99)
    sizes = np.sort(np.abs(np.asarray(fit.resid_pearson)))
    np.testing.assert_allclose(picture.observed, sizes, rtol=1e-9)
    ranks = (np.arange(120) + 0.5) / 120
    np.testing.assert_allclose(picture.expected, ndtri(0.5 + 0.5 * ranks))
    assert not picture.highlighted.any()
    assert mc.plots.data.half_normal(sleep, seed=1, draws=99).highlighted.any()


def test_random_effects_and_caterpillars_by_name(sleep):
    """Each effect has its own picture; what there is none of is told."""
    titles = {
        mc.plots.data.random_effects(sleep, f"Subject [Intercept, Days], effect {k}", **FEW).title
        for k in (1, 2)
    }
    assert len(titles) == 2
    with pytest.raises(OptionError, match=r"term='nobody' is unknown; write 'Subject"):
        mc.plots.random_effects(sleep, "nobody", **FEW)
    modes = sleep.random_effects["Subject"]["Days"]
    picture = mc.plots.data.caterpillar(sleep, effect="Days")
    np.testing.assert_allclose(picture.estimate, np.sort(modes))
    with pytest.raises(OptionError, match="group and effect must be one of"):
        mc.plots.caterpillar(sleep, "Days")
    plain = mc.glmm("Reaction ~ Days", mc.datasets.load("sleepstudy"))
    with pytest.raises(DataError, match="no random effects"):
        mc.plots.caterpillar(plain)
    with pytest.raises(DataError, match="no random effect can be drawn"):
        mc.plots.random_effects(plain, **FEW)


def test_what_does_not_apply_says_why(sleep, ticks):
    """A picture of counts of a real response; numbers that are none; a selection that is none."""
    with pytest.raises(DataError, match="rootogram has no picture: "):
        mc.plots.rootogram(sleep, **FEW)
    with pytest.raises(OptionError, match="draws"):
        mc.plots.qq(ticks, draws=3)
    with pytest.raises(OptionError, match=r"detrended=.* must be True or False"):
        mc.plots.qq(ticks, detrended=pd.Series([True]), **FEW)
    with pytest.raises(OptionError, match=r"result of mixcheck\.select"):
        mc.plots.selection_path(ticks)
    with pytest.raises(OptionError, match="axes of matplotlib"):
        mc.plots.qq(ticks, ax="here", **FEW)


def test_models_of_a_selection():
    """From the worst to the best, which stand out within two units."""
    growth = mc.datasets.load("Orthodont")
    found = mc.select("distance ~ age * Sex + (1 | Subject)", growth, random=False)
    picture = mc.plots.data.selection_path(found)
    assert picture.labels[-1] == found.best.model
    np.testing.assert_allclose(picture.estimate[::-1], [one.delta for one in found.models])
    assert mc.plots.selection_path(found, ax=Figure().subplots()).has_data()


def test_results_draw_themselves(sleep, ticks):
    """Fits, residuals and reports have pictures beside each other, and their numbers."""
    kinds = [picture.kind for picture in sleep.plot_data(**FEW)]
    assert kinds == ["quantiles", "residuals", "curve", "normal", "normal"]
    axes = sleep.plot(**FEW)
    assert len(axes) == len(kinds)
    assert len({ax.figure for ax in axes}) == 1
    seen = mc.residuals(ticks, seed=1)
    assert len(seen.plot(draws=39)) == len(seen.plot_data(draws=39)) == 2
    report = mc.check(ticks, mc.checks.Dispersion() & mc.checks.Zeros(), **FEW)
    assert list(report.plot_data()) == ["dispersion", "zeros"]
    assert [ax.get_title(loc="left") for ax in report.plot(columns=1)] == ["dispersion", "zeros"]
    empty = mc.check(ticks, mc.checks.Convergence(), seed=1)
    with pytest.raises(OptionError, match="no picture"):
        empty.plot()
    with pytest.raises(OptionError, match="columns"):
        report.plot(columns=0)
