"""Marginal means and contrasts, beside emmeans."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import DataWarning, OptionError, UnknownColumnError
from mixcheck.marginal.contrast_methods import make_coefficients

# Standard errors of cbpp by glmmTMB are off by a few millionths of themselves: sixth-order
# differences of the gradient at steps from 3e-4 to 1e-2 give 0.23247199 for the intercept, as the
# exact Hessian does.
HESSIAN = 2e-6
KNOWN = json.loads((Path(__file__).parents[1] / "data" / "marginal_means.json").read_text())
# Hessians of lme4 and glmmTMB are differences. The multivariate t is known to emmeans by random
# points (one p-value of 0.00373 is above Bonferroni's bound, 0.00364), and its quantiles, with
# which an interval ends, to three digits.
ESTIMATES, ERRORS, MULTIVARIATE, QUANTILES = 2e-6, 1e-4, 3e-4, 2e-3


@pytest.fixture(scope="module")
def cbpp() -> mc.GLMM:
    """Binomial counts in herds."""
    data = mc.datasets.load("cbpp")
    return mc.glmm("incidence / size ~ period + (1 | herd)", data, family="binomial")


@pytest.fixture(scope="module")
def grouse() -> pd.DataFrame:
    """Ticks on grouse, at high places and at others."""
    data = mc.datasets.load("grouseticks")
    return data.assign(high=np.where(data["HEIGHT"] > 460, "yes", "no"))


@pytest.fixture(scope="module")
def ticks(grouse: pd.DataFrame) -> mc.GLMM:
    """An interaction of unbalanced factors beside a covariate."""
    return mc.glmm("TICKS ~ YEAR * high + cHEIGHT + (1 | BROOD)", grouse, family="poisson")


# R's emmeans takes the normal distribution for these models.
_emmeans = partial(mc.emmeans, ddf="normal")


def _agree(
    found: mc.Effects, known: dict[str, list[Any]], mean: str = "emmean", ends: float = ERRORS
) -> None:
    pairs = {"estimate": mean, "std_error": "SE", "low": "asymp.LCL", "high": "asymp.UCL"}
    for own, name in pairs.items():
        expected = np.array(known[name], dtype=np.float64)
        size = np.abs(np.array(known["SE"], dtype=np.float64))
        tolerances = {"estimate": ESTIMATES, "std_error": ERRORS}
        tolerance = tolerances.get(own, ends) * (1.0 + size)
        assert (np.abs(getattr(found, own) - expected) < tolerance).all(), own


def test_means_are_those_of_emmeans(cbpp: mc.GLMM) -> None:
    """On the link, and on the response with ends taken through it."""
    _agree(_emmeans(cbpp, "period"), KNOWN["cbpp"]["link"])
    found = _emmeans(cbpp, "period", scale="response")
    _agree(found, KNOWN["cbpp"]["response"], "prob")
    assert found.to_frame()["period"].tolist() == ["1", "2", "3", "4"]
    assert np.isinf(found.df).all()
    # By default the herds count: fifteen less one.
    assert mc.emmeans(cbpp, "period").df.tolist() == [14.0] * 4


@pytest.mark.parametrize("weights", ["equal", "proportional", "cells"])
def test_weights_are_those_of_emmeans(ticks: mc.GLMM, weights: Any) -> None:
    """Three ways to average over an unbalanced factor."""
    _agree(_emmeans(ticks, "high", weights=weights), KNOWN["ticks"][weights])


def test_values_of_a_covariate(ticks: mc.GLMM) -> None:
    """Means by the values of a covariate; averages of means of the response."""
    found = _emmeans(ticks, "YEAR", by="cHEIGHT", at={"cHEIGHT": [-50, 50]})
    _agree(found, KNOWN["ticks"]["at"])
    averaged = _emmeans(ticks, "YEAR", scale="response", average="response")
    _agree(averaged, KNOWN["ticks"]["averaged"], "rate")


@pytest.mark.parametrize(
    ("name", "method", "options"),
    [
        ("pairwise", "pairwise", {}),
        ("sidak", "pairwise", {"adjust": "sidak"}),
        ("bonferroni", "pairwise", {"adjust": "bonferroni"}),
        ("reference", "reference", {}),
        ("consecutive", "consecutive", {}),
        ("polynomial", "polynomial", {}),
        ("differences", "pairwise", {"scale": "response"}),
    ],
)
def test_contrasts_are_those_of_emmeans(
    cbpp: mc.GLMM, name: str, method: Any, options: dict[str, Any]
) -> None:
    """Estimates, errors, simultaneous intervals and adjusted p-values."""
    known = KNOWN["cbpp"][name]
    found = mc.contrasts(_emmeans(cbpp, "period"), method, **options)
    ends = QUANTILES if method in ("reference", "consecutive") else ERRORS
    _agree(found, known, "estimate", ends)
    np.testing.assert_allclose(found.pvalue, known["p.value"], atol=MULTIVARIATE)


def test_ratios_are_those_of_emmeans(cbpp: mc.GLMM) -> None:
    """Odds ratios of a logit, with errors and ends on their own scale."""
    known = KNOWN["cbpp"]["ratio"]
    found = mc.contrasts(_emmeans(cbpp, "period"), scale="ratio")
    np.testing.assert_allclose(found.estimate, known["odds.ratio"], rtol=1e-5)
    np.testing.assert_allclose(found.std_error, known["SE"], rtol=1e-4)
    np.testing.assert_allclose(found.high, known["asymp.UCL"], rtol=1e-4)
    assert found.labels["contrast"].iloc[0] == "1 / 2"


def test_holm_is_that_of_emmeans(cbpp: mc.GLMM) -> None:
    """P-values, with intervals of Bonferroni."""
    found = mc.contrasts(_emmeans(cbpp, "period"), adjust="holm")
    np.testing.assert_allclose(found.pvalue, KNOWN["cbpp"]["holm"]["p.value"], atol=HESSIAN)
    _agree(found, KNOWN["cbpp"]["bonferroni"], "estimate")


def test_families_within_groups(ticks: mc.GLMM) -> None:
    """Contrasts are made, and adjusted, within each level of `by`."""
    found = mc.contrasts(_emmeans(ticks, "YEAR", by="high"))
    _agree(found, KNOWN["ticks"]["by"], "estimate")
    np.testing.assert_allclose(found.pvalue, KNOWN["ticks"]["by"]["p.value"], atol=1e-6)
    assert found.labels["high"].tolist() == ["no"] * 3 + ["yes"] * 3
    frame = found.to_frame()
    assert frame["high (column)"].tolist() == ["no"] * 3 + ["yes"] * 3
    np.testing.assert_array_equal(frame["high"], found.high)


def test_what_the_data_do_not_tell(grouse: pd.DataFrame) -> None:
    """A cell without data is NaN and said so, and what needs it, and nothing else."""
    holes = grouse[~((grouse["YEAR"] == "97") & (grouse["high"] == "yes"))]
    with pytest.warns(DataWarning, match="linear combination"):
        fit = mc.glmm("TICKS ~ YEAR * high + (1 | BROOD)", holes, family="poisson")
    cells = _emmeans(fit, ["YEAR", "high"])
    known = pd.DataFrame(KNOWN["holes"]["cells"]).sort_values(["YEAR", "high"])
    np.testing.assert_array_equal(np.isnan(cells.estimate), known["emmean"].isna())
    np.testing.assert_allclose(
        cells.estimate, known["emmean"].to_numpy(dtype=np.float64), atol=1e-5
    )
    assert any("do not tell 1 of 6 means" in note for note in cells.notes)
    years = _emmeans(fit, "YEAR")
    assert np.isnan(years.estimate).tolist() == [False, False, True]
    low = mc.contrasts(_emmeans(fit, "YEAR", by="high"))
    assert np.isnan(low.estimate).tolist() == [False] * 3 + [False, True, True]
    assert np.isfinite(low.pvalue[3])


def test_averages_over_the_random_effects(cbpp: mc.GLMM) -> None:
    """They are the predictions with "marginal", with their errors."""
    found = _emmeans(
        cbpp, "period", scale="response", average="response", random_effects="marginal"
    )
    known = cbpp.predict(
        {"period": ["1", "2", "3", "4"]}, random_effects="marginal", interval="confidence"
    )
    np.testing.assert_allclose(found.estimate, known["predicted"])
    np.testing.assert_allclose(found.std_error, known["std_error"])
    ratio = mc.contrasts(found, "reference", scale="ratio", adjust="none")
    np.testing.assert_allclose(ratio.estimate, found.estimate[1:] / found.estimate[0])


def test_parts_that_the_mean_depends_on() -> None:
    """A zero part is in means of the response, and its columns in their grid."""
    data = mc.datasets.load("Salamanders")
    fit = mc.glmm("count ~ spp + (1 | site)", data, family="poisson", zi="~ mined")
    with pytest.raises(OptionError, match="average="):
        _emmeans(fit, "spp", scale="response")
    found = _emmeans(fit, "mined", scale="response", average="response")
    grid = pd.DataFrame([(m, s) for m in ("no", "yes") for s in sorted(data["spp"].unique())])
    rows = grid.rename(columns={0: "mined", 1: "spp"})
    known = fit.predict(rows, random_effects="zero").groupby(rows["mined"]).mean()
    np.testing.assert_allclose(found.estimate, known[found.labels["mined"]])


def test_custom_contrasts(cbpp: mc.GLMM) -> None:
    """Coefficients by name; an error names what is wrong."""
    means = _emmeans(cbpp, "period")
    found = mc.contrasts(means, {"first against rest": [1, -1 / 3, -1 / 3, -1 / 3]})
    assert found.estimate[0] == pytest.approx(means.estimate[0] - means.estimate[1:].mean())
    for method, words in (
        ({}, "holds no contrast"),
        ({"a": [1, -1]}, "must hold 4 numbers"),
        ({"a": [0, 0, 0, 0]}, "zero everywhere"),
        ("Pairwise", "method='Pairwise' is unknown"),
        (["pairwise"], "is unknown"),
    ):
        with pytest.raises(OptionError, match=words):
            mc.contrasts(means, method)  # type: ignore[arg-type]


def test_frames_with_names_of_others(cbpp: mc.GLMM) -> None:
    """Columns of broom and of marginaleffects; pictures and pages."""
    found = mc.contrasts(_emmeans(cbpp, "period"))
    assert {"std.error", "p.value", "conf.low"} <= {*found.to_frame(names="broom").columns}
    assert {"p_value", "conf_low"} <= {*found.to_frame(names="marginaleffects").columns}
    assert found.picture().labels[0] == "1 - 2"
    assert "Tukey" in found.to_text()
    with pytest.raises(OptionError, match="names='tidy' is unknown"):
        found.to_frame(names="tidy")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        ("herd", {}, "no predictor"),
        ("nope", {}, "no predictor"),
        ([], {}, "name of a column"),
        (1, {}, "name of a column"),
        ("period", {"by": "period"}, "write it once"),
        ("period", {"weights": "equally"}, "weights"),
        ("period", {"scale": "prob"}, "scale"),
        ("period", {"average": "response"}, 'scale="response"'),
        ("period", {"random_effects": "marginal"}, 'average="response"'),
        ("period", {"at": {"herd": 1}}, "no predictor"),
        ("period", {"at": {"period": "9"}}, "no level of period"),
        ("period", {"at": {"period": []}}, "no value"),
        ("period", {"at": [1]}, "a mapping"),
        ("period", {"level": 95}, "level"),
        ("period", {"ddf": "exact"}, "ddf"),
    ],
)
def test_wrong_calls(cbpp: mc.GLMM, names: Any, options: dict[str, Any], words: str) -> None:
    """One sentence."""
    with pytest.raises((OptionError, UnknownColumnError), match=words):
        _emmeans(cbpp, names, **options)


def test_wrong_contrasts(cbpp: mc.GLMM) -> None:
    """Scales and adjustments that do not belong to a method."""
    means = _emmeans(cbpp, "period")
    for options, words in (
        ({"method": "reference", "reference": "7"}, "none of the means"),
        ({"reference": "1"}, 'method="reference"'),
        ({"method": "reference", "adjust": "tukey"}, "all pairs"),
        ({"scale": "odds"}, "scale"),
        ({"adjust": "fdr"}, "adjust"),
        ({"method": "polynomial", "scale": "ratio"}, "no ratios"),
    ):
        with pytest.raises(OptionError, match=words):
            mc.contrasts(means, **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="needs marginal means"):
        mc.contrasts(cbpp)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="fitted model"):
        _emmeans("fit", "period")  # type: ignore[arg-type]
    linear = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
    with pytest.raises(OptionError, match="no logarithms of ratios"):
        mc.contrasts(_emmeans(linear, "Days", at={"Days": [0, 9]}), scale="ratio")


def test_polynomials_are_orthogonal_whole_numbers() -> None:
    """Those of tables, and orthogonal to constants and to each other."""
    K, names = make_coefficients("polynomial", list("abcde"), None, "-")
    assert K[:2].astype(int).tolist() == [[-2, -1, 0, 1, 2], [2, -1, -2, -1, 2]]
    np.testing.assert_allclose(K @ K.T, np.diag(np.diag(K @ K.T)))
    np.testing.assert_allclose(K.sum(axis=1), 0.0)
    assert names[0] == "linear"
