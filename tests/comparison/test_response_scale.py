"""Models of different transformations of one column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import lognorm

import mixcheck as mc
from mixcheck.design.response_scale import log_derivative

from .conftest import fit

TRANSFORMATIONS = {
    "log(y)": lambda y, z: np.log(y),
    "log(y, 3)": lambda y, z: np.log(y) / np.log(3.0),
    "log2(y + 1)": lambda y, z: np.log2(y + 1.0),
    "log10(2 * y)": lambda y, z: np.log10(2.0 * y),
    "log1p(y / z)": lambda y, z: np.log1p(y / z),
    "sqrt(y)": lambda y, z: np.sqrt(y),
    "exp(-y / 3)": lambda y, z: np.exp(-y / 3.0),
    "expm1(y)": lambda y, z: np.expm1(y),
    "I(y ** 0.3)": lambda y, z: y**0.3,
    "I(z ** y)": lambda y, z: z**y,
    "I(1 / y)": lambda y, z: 1.0 / y,
    "y - z": lambda y, z: y - z,
}


@pytest.mark.parametrize("text", TRANSFORMATIONS)
def test_derivatives(text):
    """They are differences of the transformation by hand."""
    rows = pd.DataFrame({"y": [0.4, 1.3, 5.0], "z": [2.0, 0.7, 1.5]})
    y, z, h, g = rows.y.to_numpy(), rows.z.to_numpy(), 1e-5, TRANSFORMATIONS[text]
    slope = (g(y + h, z) - g(y - h, z)) / (2.0 * h)
    np.testing.assert_allclose(log_derivative(text, "y", rows), np.log(np.abs(slope)), atol=1e-8)


def test_lognormal():
    """On the scale of y a Gaussian model of log(y) has the density of scipy's lognormal."""
    y = mc.datasets.load("sleepstudy")["Reaction"]
    line = fit("sleepstudy", "log(Reaction) ~ Days")
    grouped = fit("sleepstudy", "log(Reaction) ~ Days + (1 | Subject)")
    found = mc.compare({"line": line, "grouped": grouped}, scale="Reaction")
    llf = {model.model: model.llf for model in found.models}
    expected = lognorm.logpdf(y, line.dispersion, scale=np.exp(line.fittedvalues)).sum()
    assert llf["line"] == pytest.approx(expected, rel=1e-9)
    assert llf["grouped"] == pytest.approx(grouped.llf - np.log(y).sum(), rel=1e-12)
    assert {model.model: model.aic for model in found.models} == {
        name: pytest.approx(-2.0 * llf[name] + 2.0 * model.n_parameters)
        for name, model in (("line", line), ("grouped", grouped))
    }


def test_unit_of_measurement():
    """Seconds for milliseconds change no difference of criteria, and no test is made of them."""
    plain = fit("sleepstudy", "Reaction ~ Days + (1 | Subject)")
    seconds = fit("sleepstudy", "I(Reaction / 1000) ~ 1 + (1 | Subject)")
    smaller = fit("sleepstudy", "Reaction ~ 1 + (1 | Subject)")
    table = mc.compare({"a": plain, "b": seconds, "c": smaller}, scale="Reaction")
    rows = {model.model: model for model in table.models}
    assert rows["b"].llf == pytest.approx(rows["c"].llf, abs=1e-6)
    assert rows["a"].lrt_against == "c"
    assert "gaussian of" in rows["b"].family
    assert any("those of Reaction" in remark for remark in table.remarks)


def test_refusals():
    """Without a scale they are refused; so are other criteria, REML and other columns."""
    sleep, cbpp = mc.datasets.load("sleepstudy"), mc.datasets.load("cbpp")
    pair = [
        fit("sleepstudy", "Reaction ~ Days + (1 | Subject)"),
        fit("sleepstudy", "log(Reaction) ~ Days + (1 | Subject)"),
    ]
    with pytest.raises(mc.ComparisonError, match="scale="):
        mc.compare(pair)
    for asked, words in (
        ({"scale": "Time"}, "no column"),
        ({"scale": "Reaction", "criterion": "loo"}, "is for likelihoods"),
        ({"scale": "Days"}, "no finite derivative"),
    ):
        with pytest.raises(mc.OptionError, match=words):
            mc.compare(pair, **asked)
    restricted = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, reml=True)
    with pytest.raises(mc.ComparisonError, match="REML"):
        mc.compare([restricted, restricted], scale="Reaction")
    ratio = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    with pytest.raises(mc.OptionError, match="no density"):
        mc.compare([ratio, ratio], scale="incidence")
    scaled = fit("sleepstudy", "scale(Reaction) ~ Days + (1 | Subject)")
    with pytest.raises(mc.OptionError, match="is not known"):
        mc.compare([scaled, scaled], scale="Reaction")
