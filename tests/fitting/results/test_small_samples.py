"""Degrees of freedom of a fit against lmerTest, pbkrtest and nlme."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.marginal_covariance import MarginalCovariance
from mixcheck.port import port_of

STORED = json.loads(
    (Path(__file__).parents[2] / "data" / "small_samples.json").read_text(encoding="utf-8")
)
CASES = list(STORED["cases"])
# What lmer's own tolerance leaves of its optimum, and differences of lmerTest's derivatives.
SAME = 1e-4


def fit_of(name: str, *, reml: bool) -> mc.GLMM:
    """The model of a stored case."""
    case = STORED["cases"][name]
    precision = "w" if name == "weighted" else None
    return mc.glmm(case["formula"], pd.DataFrame(case["data"]), reml=reml, precision=precision)


def check_joint(fit: mc.GLMM, rows: list[dict[str, Any]], ddf: str) -> None:
    """F statistics, their degrees of freedom and the scale."""
    for row in rows:
        L = np.array(row["L"], dtype=float)
        found = port_of(fit).contrasts(L, ddf)
        test = found.test_jointly()
        assert test.df == row["df"]
        np.testing.assert_allclose(test.df_denominator, row["ddf"], rtol=SAME)
        np.testing.assert_allclose(found.scale, row.get("scale", 1.0), rtol=SAME)
        np.testing.assert_allclose(test.statistic, row["F"], rtol=SAME)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_satterthwaite_is_that_of_lmertest(name: str, reml: bool) -> None:
    """Standard errors and degrees of freedom of each coefficient, and joint tests."""
    fit = fit_of(name, reml=reml)
    stored = STORED["cases"][name]["satterthwaite_reml" if reml else "satterthwaite_ml"]
    found = port_of(fit).contrasts(np.eye(len(fit.params)), "satterthwaite")
    np.testing.assert_allclose(found.deviations, stored["error"], rtol=SAME)
    np.testing.assert_allclose(found.df, stored["df"], rtol=SAME)
    check_joint(fit, stored["joint"], "satterthwaite")


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", [n for n in CASES if n != "weighted"])
def test_kenward_roger_is_that_of_pbkrtest(name: str, reml: bool) -> None:
    """At the restricted estimates of the variances, whatever the fit."""
    fit = fit_of(name, reml=reml)
    stored = STORED["cases"][name]["kenward_roger"]
    found = port_of(fit).contrasts(np.eye(len(fit.params)))
    assert found.method == "kenward-roger"
    np.testing.assert_allclose(found.covariance, stored["covariance"], rtol=SAME, atol=1e-6)
    np.testing.assert_allclose(found.df, stored["df"], rtol=SAME)
    if reml:
        check_joint(fit, stored["joint"], "kenward-roger")


def test_what_a_fit_takes_by_default() -> None:
    """Kenward-Roger for linear mixed models, Satterthwaite beyond them, else containment."""
    sleep, cbpp = mc.datasets.load("sleepstudy"), mc.datasets.load("cbpp")
    formula = "Reaction ~ Days + (Days | Subject)"
    counts = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    fits = {
        "kenward-roger": mc.glmm(formula, sleep),
        "satterthwaite": mc.glmm(formula, sleep, dispersion="~ Days"),
        "restricted-containment": counts,
    }
    for method, fit in fits.items():
        table = fit.coefficients()
        assert table.attrs["ddf"] == method
        pd.testing.assert_frame_equal(fit.conf_int(), table[["low", "high"]])
        word = method.removeprefix("restricted-").split("-")[0]
        assert word in str(fit.summary()).lower()
    df = counts.coefficients()["df"]
    assert df.tolist() == [14.0, np.inf, np.inf, np.inf]


def test_least_squares_have_n_minus_p() -> None:
    """Without random effects, errors and degrees of freedom are those of a linear model."""
    sleep = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days", sleep)
    X = np.column_stack([np.ones(180), sleep["Days"]])
    beta, rest, *_ = np.linalg.lstsq(X, sleep["Reaction"].to_numpy(), rcond=None)
    error = np.sqrt(rest[0] / 178 * np.linalg.inv(X.T @ X).diagonal())
    table = fit.coefficients()
    np.testing.assert_allclose(table["df"], 178.0, rtol=1e-8)
    np.testing.assert_allclose(table["std_error"], error, rtol=1e-8)
    np.testing.assert_allclose(table["estimate"], beta, rtol=1e-8)


@pytest.mark.parametrize(
    ("formula", "dispersion"),
    [
        pytest.param("y ~ x + z + (1 + x | subject) + (1 | item)", "~ x", marks=pytest.mark.slow),
        ("y ~ x + homcs(0 + arm | subject)", None),
        ("series ~ x + ar1(0 + position | subject) + (1 | item)", None),
    ],
)
def test_slopes_of_the_covariance_are_its_differences(formula: str, dispersion: str | None) -> None:
    """In every parameter but the coefficients of the mean, for every structure."""
    data = pd.DataFrame(STORED["cases"]["crossed"]["data"])
    data["position"] = data.groupby("subject").cumcount()
    # Values of a series, so that its correlation is no limit.
    drift = np.random.default_rng(8).normal(size=(12, 10))
    for k in range(1, 10):
        drift[:, k] += 0.7 * drift[:, k - 1]
    data["series"] = data["y"] + 2.0 * drift[pd.factorize(data["subject"])[0], data["position"]]
    port = port_of(mc.glmm(formula, data, dispersion=dispersion))
    at = MarginalCovariance(port.problem, port.optimum.psi)
    p = port.problem.X[0].shape[1]
    for slope, step in zip(at.slopes(), 1e-5 * np.eye(at.psi.size)[p:], strict=True):
        ends = [MarginalCovariance(at.problem, at.psi + s).covariance for s in (step, -step)]
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-8)


def test_kenward_roger_of_compound_symmetry() -> None:
    """Its variance and covariance are those of an intercept and an effect of each place."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "place": np.tile(list("aabbcc"), 12)})
    data["x"] = rng.normal(size=72)
    places = rng.normal(size=(12, 1)) + rng.normal(size=(12, 3))
    data["y"] = data["x"] + places.repeat(2, axis=1).ravel() + rng.normal(size=72)
    data = data.drop(index=[3, 20, 21, 40])
    one = mc.glmm("y ~ x + place + homcs(0 + place | g)", data, reml=True).coefficients()
    other = mc.glmm("y ~ x + place + (1 | g) + (1 | g:place)", data, reml=True).coefficients()
    assert one.attrs["ddf"] == "kenward-roger"
    pd.testing.assert_frame_equal(one, other, rtol=1e-4)


def test_rows_that_count_twice() -> None:
    """Weights stand for rows: degrees of freedom of the repeated table."""
    data = pd.DataFrame(STORED["cases"]["crossed"]["data"]).assign(count=1)
    data.loc[::3, "count"] = 2
    repeated = data.loc[data.index.repeat(data["count"])]
    formula = "y ~ x + z + (1 | subject)"
    weighted = mc.glmm(formula, data, weights="count", reml=True)
    single = mc.glmm(formula, repeated, reml=True)
    for ddf in ("kenward-roger", "satterthwaite", "containment", "between-within"):
        pd.testing.assert_frame_equal(
            weighted.coefficients(ddf=ddf), single.coefficients(ddf=ddf), rtol=1e-5
        )


def test_far_from_zero() -> None:
    """The origin of a predictor costs no digits of its slope."""
    data = pd.DataFrame(STORED["cases"]["crossed"]["data"])
    near, far = (
        mc.glmm("y ~ x + (1 | subject)", data.assign(x=data["x"] + c), reml=True).coefficients()
        for c in (0.0, 1e6)
    )
    np.testing.assert_allclose(far.loc["x"], near.loc["x"], rtol=1e-6)


def test_refusals_say_what_to_write() -> None:
    """Of a family, of a structure, of priors and of an unknown name."""
    cbpp = mc.datasets.load("cbpp")
    counts = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    with pytest.raises(OptionError, match=r'Gaussian response .* write ddf="containment"'):
        counts.coefficients(ddf="kenward-roger")
    with pytest.raises(OptionError, match="ddf"):
        counts.coefficients(ddf="kr")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match='belongs to method="wald"'):
        counts.conf_int(method="profile", ddf="normal")
    sleep = mc.datasets.load("sleepstudy")
    varying = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep, dispersion="~ Days")
    with pytest.raises(OptionError, match=r'one residual variance.* write ddf="satterthwaite"'):
        varying.coefficients(ddf="kenward-roger")


def test_errors_at_restricted_estimates() -> None:
    """``C + C_R - C_M``, the last two by dense matrices at the joint modes given the variance."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 5), "x": rng.normal(size=40)})
    data["z"] = (data["g"] % 2).astype(float)
    data["y"] = rng.poisson(np.exp(0.7 + 0.5 * rng.normal(size=8)[data["g"]] + 0.3 * data["x"]))
    fits = [mc.glmm("y ~ z + x + (1 | g)", data, family="poisson", reml=r) for r in (False, True)]
    X = np.column_stack([np.ones(40), data["z"], data["x"]])
    Z = np.eye(8)[data["g"]]

    def of_mean(variance: float) -> np.ndarray:
        A, b = np.hstack([Z, X]), np.zeros(11)
        penalty = np.diag(np.append(np.full(8, 1 / variance), np.zeros(3)))
        for _ in range(50):
            mu = np.exp(A @ b)
            H = A.T @ (mu[:, None] * A) + penalty
            b = b + np.linalg.solve(H, A.T @ (data["y"] - mu) - penalty @ b)
        return np.linalg.inv(H)[8:, 8:]

    ml, restricted = (of_mean(f.variance_components["variance"].iloc[0]) for f in fits)
    found = port_of(fits[0]).contrasts(np.eye(3))
    assert found.method == "restricted-containment"
    assert found.df.tolist() == [6.0, 6.0, np.inf]
    expected = fits[0].cov_params().to_numpy() + restricted - ml
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-5, atol=1e-9)
    assert found.deviations[1] > 1.03 * fits[0].bse["z"]
    # Of a restricted fit they are its own.
    own = port_of(fits[1]).contrasts(np.eye(3))
    np.testing.assert_allclose(own.deviations, fits[1].bse, rtol=1e-10)


def test_many_levels_are_not_fitted_again() -> None:
    """Beyond 30 degrees of freedom errors are those of the fit; on request they are not."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(40), 4)})
    data["y"] = rng.poisson(np.exp(0.7 + 0.5 * rng.normal(size=40)[data["g"]]))
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    assert fit.coefficients().attrs["ddf"] == "containment"
    assert fit.coefficients()["std_error"].item() == fit.bse.item()
    assert fit.coefficients(ddf="restricted-containment")["std_error"].item() > fit.bse.item()


def test_where_there_are_no_restricted_estimates() -> None:
    """The default is containment, and a request is answered with it."""
    cbpp = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    fit = mc.glmm(formula, cbpp, family="binomial", method="agq")
    assert fit.coefficients().attrs["ddf"] == "containment"
    with pytest.raises(OptionError, match=r'needs a restricted .* write ddf="containment"'):
        fit.coefficients(ddf="restricted-containment")
