"""Intervals of all parameters of a fit."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import digamma

import mixcheck as mc
from mixcheck.errors import (
    BoundaryWarning,
    ConvergenceError,
    ConvergenceWarning,
    MixcheckWarning,
    OptionError,
)
from mixcheck.fitting.estimation.profile import ProfileLikelihood
from mixcheck.fitting.results.intervals import _acceleration
from mixcheck.fitting.results.parameters import list_parameters
from mixcheck.inference.bootstrap import bca_intervals, find_acceleration
from mixcheck.port import port_of

DATA = Path(__file__).parents[2] / "data"
TIGHT = {"xatol": 1e-10}
Z = 1.959963984540054
NAMES = ["sd(Subject, Intercept)", "sd(Subject, Days)", "cor(Subject, Intercept, Days)"]


@pytest.fixture(scope="module")
def flat() -> mc.GLMM:
    """Groups that differ less than they do by chance: a standard deviation of zero."""
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0] * 6, "g": np.repeat(np.arange(6), 4)})
    with pytest.warns(BoundaryWarning):
        return mc.glmm("y ~ 1 + (1 | g)", frame)


def test_which_parameters(sleepstudy: mc.GLMM) -> None:
    """Fixed effects, what describes random variation, or both, in the order of the names."""
    fixed, random, every = (
        sleepstudy.conf_int(parameters=p) for p in ("fixed", "random", "all")
    )  # fmt: skip
    assert list(fixed.index) == ["Intercept", "Days"]
    assert list(random.index) == [*NAMES, "dispersion"]
    pd.testing.assert_frame_equal(every, pd.concat([fixed, random]))
    estimates = sleepstudy.refit(sleepstudy.simulate(1, seed=1)).estimates
    assert list(every.index) == list(estimates.columns)


def test_wald_of_variances_is_the_delta_method(sleepstudy: mc.GLMM) -> None:
    """Symmetric in log sd, Fisher's z and log dispersion, with errors from the covariance."""
    port = port_of(sleepstudy)
    ends = sleepstudy.conf_int(method="wald", parameters="random").to_numpy()
    held = port_of(sleepstudy).covariance_parameters()
    sd, error = held["estimate"].to_numpy(), held["std_error"].to_numpy()
    np.testing.assert_allclose(ends[:2], sd[:2, None] * np.exp(np.outer(error / sd, [-Z, Z])[:2]))
    spread = error[2] / (1.0 - sd[2] ** 2)
    np.testing.assert_allclose(np.arctanh(ends[2]), np.arctanh(sd[2]) + spread * np.array([-Z, Z]))
    log_error = np.sqrt(port.covariance[2, 2])
    reach = np.exp(log_error * np.array([-Z, Z]))
    np.testing.assert_allclose(ends[3], sleepstudy.dispersion * reach)


def test_a_variance_of_zero_has_a_lower_end(flat: mc.GLMM) -> None:
    """Zero, and a sentence on the upper end."""
    with pytest.warns(BoundaryWarning, match=r"sd\(g, Intercept\) is on the boundary"):
        low, high = flat.conf_int(method="wald", parameters="random").loc["sd(g, Intercept)"]
    assert low == 0.0
    assert np.isnan(high)


def test_a_bootstrap_is_quantiles_of_refits(cbpp: mc.GLMM) -> None:
    """Those of the data sets that `simulate` gives with the same seed."""
    found = cbpp.conf_int(method="bootstrap", parameters="all", draws=39, seed=3)
    estimates = cbpp.refit(cbpp.simulate(39, seed=3)).estimates
    np.testing.assert_allclose(found["low"], estimates.min(), rtol=1e-10)
    np.testing.assert_allclose(found["high"], estimates.max(), rtol=1e-10)
    basic = cbpp.conf_int(method="bootstrap", draws=39, seed=3, interval="basic")
    np.testing.assert_allclose(basic["low"], 2.0 * cbpp.params - estimates.max().iloc[:4])


def test_a_bootstrap_of_a_variance_of_zero(flat: mc.GLMM) -> None:
    """The interval begins at zero, since most refits are there too, and has an end."""
    found = flat.conf_int(method="bootstrap", parameters="random", draws=99, seed=1)
    low, high = found.loc["sd(g, Intercept)"]
    assert low == 0.0
    assert 0.1 < high < 1.0
    basic = flat.conf_int(
        method="bootstrap", parameters="random", draws=99, seed=1, interval="basic"
    )
    assert basic.loc["sd(g, Intercept)"].tolist() == [0.0, 0.0]


@pytest.mark.slow
def test_infinite_estimates_of_a_bootstrap() -> None:
    """In data sets that separate an estimate is infinite, and so is an end among them."""
    frame = pd.DataFrame({"y": [0, 0, 1, 0, 1, 1] * 4, "x": [0.0, 1, 2, 3, 4, 5] * 4})
    frame["g"] = np.repeat(np.arange(6), 4)
    with pytest.warns(BoundaryWarning):
        fit = mc.glmm("y ~ x + (1 | g)", frame, family="binomial")
    found = fit.conf_int(level=0.8, method="bootstrap", draws=9, seed=1)
    assert found.loc["x", "high"] == np.inf
    assert 0.0 < found.loc["x", "low"] < fit.params["x"]


def test_failures_of_a_bootstrap_are_counted(cbpp: mc.GLMM, monkeypatch) -> None:
    """Data sets without a fit are left out, and a sentence says how many and why."""
    refit_many = type(port_of(cbpp)).refit_many

    def fail_first(self, responses):
        made = refit_many(self, responses)
        return [ConvergenceError("no optimum"), *made[1:]]

    monkeypatch.setattr(type(port_of(cbpp)), "refit_many", fail_first)
    with pytest.warns(
        ConvergenceWarning, match=r"1 of 40 simulated .*ConvergenceError: no optimum"
    ):
        found = cbpp.conf_int(method="bootstrap", draws=40, seed=1)
    monkeypatch.undo()
    estimates = cbpp.refit(cbpp.simulate(40, seed=1)).estimates.iloc[1:, :4]
    np.testing.assert_allclose(found["low"], estimates.min(), rtol=1e-10)


@pytest.mark.parametrize("name", ["cbpp", "sleepstudy"])
def test_profile_intervals_are_those_of_lme4(name: str, request) -> None:
    """To 1e-4: their ends are interpolated between points, ours are solved for."""
    fit = request.getfixturevalue(name)
    known = json.loads((DATA / "profile.json").read_text())[name]
    ours = {
        "sd_(Intercept)|herd": "sd(herd, Intercept)",
        "(Intercept)": "Intercept",
        **{f"period{k}": f"period[T.{k}]" for k in (2, 3, 4)},
        "sd_(Intercept)|Subject": "sd(Subject, Intercept)",
        "cor_Days.(Intercept)|Subject": "cor(Subject, Intercept, Days)",
        "sd_Days|Subject": "sd(Subject, Days)",
        "sigma": "dispersion",
    }
    found = fit.conf_int(method="profile", parameters="all")
    rows = found.loc[[ours.get(n, n) for n in known["names"]]]
    assert len(rows) == len(found)
    np.testing.assert_allclose(rows["low"], known["low"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(rows["high"], known["high"], rtol=0, atol=1e-4)


def test_the_profile_of_a_variance_of_zero(flat: mc.GLMM) -> None:
    """It begins at zero and ends where the likelihood by hand says; the rest has both ends."""
    found = flat.conf_int(method="profile", parameters="all")
    low, high = found.loc["sd(g, Intercept)"]
    assert low == 0.0

    def deviance(sd: float) -> float:
        # Balanced: the mean of a group has variance sd^2 + s^2 / 4, within it there is s^2 alone.
        within, n, m = 6 * 5.0, 24, 6

        def of(s2: float) -> float:
            return (n - m) * np.log(s2) + within / s2 + m * np.log(s2 + 4 * sd**2)

        return minimize_scalar(of, bounds=(0.1, 10.0), method="bounded", options=TIGHT).fun

    assert deviance(high) - deviance(0.0) == pytest.approx(Z * Z, abs=1e-6)
    assert np.isfinite(found.to_numpy()).all()


def test_a_parameter_without_an_estimate_has_no_ends() -> None:
    """Nothing is known of a coefficient that separates; the others have their profile."""
    frame = pd.DataFrame({"x": np.tile([0.0, 1.0], 20), "g": np.repeat(np.arange(8), 5)})
    frame["y"] = np.where(frame["x"] == 0.0, 0.0, np.random.default_rng(4).integers(0, 2, 40))
    with pytest.warns(MixcheckWarning):
        fit = mc.glmm("y ~ x + (1 | g)", frame, family="binomial")
    found = fit.conf_int(method="profile")
    assert found.loc["x"].tolist() == [-np.inf, np.inf]


def test_a_coefficient_is_not_taken_for_the_dispersion_by_its_name() -> None:
    """A dispersion that is known has an interval beside a coefficient that is infinite."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(20), 6)
    never = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 20)
    mean = np.exp(1.0 + rng.normal(0.0, 0.3, 20)[g])
    y = np.where(never > 0.0, 0, rng.negative_binomial(2.0, 2.0 / (2.0 + mean)))
    data = {"y": y, "dispersion_x": never, "g": g}
    with pytest.warns(mc.SeparationWarning, match="dispersion_x"):
        fit = mc.glmm("y ~ dispersion_x + (1 | g)", data, family="nbinom2")
    assert [limit.parameter for limit in fit.convergence.limits] == ["dispersion_x"]
    ends = fit.conf_int(method="wald", parameters="all").loc["dispersion"]
    assert 0.0 < ends["low"] < fit.dispersion < ends["high"] < np.inf


def test_an_end_that_is_not_found_is_told(cbpp: mc.GLMM, monkeypatch) -> None:
    """NaN, and a sentence with the reason; the other ends stand."""
    find_end = ProfileLikelihood.find_end

    def fail(self, feature, quantile):
        if quantile > 0.0:
            raise ConvergenceError("lost")
        return find_end(self, feature, quantile)

    whole = cbpp.conf_int(method="profile", parameters="random")
    monkeypatch.setattr(ProfileLikelihood, "find_end", fail)
    with pytest.warns(ConvergenceWarning, match=r"without an end .*sd\(herd, Intercept\) \(lost\)"):
        found = cbpp.conf_int(method="profile", parameters="random")
    assert found["low"].tolist() == whole["low"].tolist()
    assert np.isnan(found["high"]).all()


def test_wrong_words(cbpp: mc.GLMM) -> None:
    """Each argument is answered with what it may be."""
    for wrong, answer in (
        ({"level": 95}, "level must be a number between 0 and 1"),
        ({"method": "Wald"}, "write 'auto', 'wald'"),
        ({"parameters": "theta"}, "write 'fixed', 'random', 'all', 'Intercept'"),
        ({"method": "bootstrap", "interval": "bc"}, "write 'percentile', 'basic' or 'bca'"),
        ({"method": "bootstrap", "draws": 20}, "draws must be a whole number from 39 to 100000000"),
    ):
        with pytest.raises(OptionError, match=answer):
            cbpp.conf_int(**wrong)


def test_one_minus_the_confidence_is_read(cbpp: mc.GLMM) -> None:
    """The name of the version before, with a warning; by position a sentence."""
    with pytest.warns(mc.RenamedWarning, match=r"alpha=0.1 is called level=0.9 now"):
        former = cbpp.conf_int(alpha=0.1)
    pd.testing.assert_frame_equal(former, cbpp.conf_int(level=0.9))
    with pytest.raises(OptionError, match=r"nothing by position.*write level=0.9"):
        cbpp.conf_int(0.1)


@pytest.mark.parametrize(
    "wrong", [{"draws": 2.5}, {"draws": [None]}, {"seed": True}, {"n_jobs": "two"}]
)
@pytest.mark.parametrize("method", ["wald", "profile", "bootstrap"])
def test_arguments_of_a_bootstrap_are_read_whatever_the_method(cbpp, wrong, method) -> None:
    """A wrong one is answered by its name, and not left aside."""
    (name,) = wrong
    with pytest.raises(OptionError, match=f"^{name} must be a "):
        cbpp.conf_int(method=method, **wrong)


def mean_ratio(nu: float) -> float:
    """Mean of ``nu (r - 1 - log r)``, r a chi-square over nu."""
    return nu * (np.log(nu / 2) - digamma(nu / 2))


def test_a_residual_deviation_by_default() -> None:
    """Least squares: ``nu (r - 1 - log r) = z^2 m`` at both ends, nu = n - p, whatever the fit."""
    data = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days", data)
    X = np.column_stack([np.ones(180), data["Days"]])
    rss = np.linalg.lstsq(X, data["Reaction"], rcond=None)[1][0]
    found = fit.conf_int(parameters="random")
    assert found.attrs["variances"] == "restricted profile"
    r = rss / 178 / found.loc["dispersion"].to_numpy() ** 2
    np.testing.assert_allclose(178 * (r - 1 - np.log(r)), Z * Z * mean_ratio(178), rtol=1e-6)


def test_a_deviation_of_groups_by_default() -> None:
    """Balanced: the restricted deviance by hand, at a quantile for 6 groups less 2 coefficients."""
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 5)})
    data["z"] = (data["g"] % 2).astype(float)
    data["y"] = rng.normal(size=6)[data["g"]] + rng.normal(size=30)
    means = data.groupby("g")["y"].mean()
    between = 5 * sum(((m - m.mean()) ** 2).sum() for m in (means[::2], means[1::2]))
    within = ((data["y"] - means[data["g"]].to_numpy()) ** 2).sum()

    def deviance(sd: float) -> float:
        def of(s2: float) -> float:
            whole = s2 + 5 * sd**2
            return 24 * np.log(s2) + within / s2 + 4 * np.log(whole) + between / whole

        return minimize_scalar(of, bounds=(0.05, 20.0), method="bounded", options=TIGHT).fun

    least = minimize_scalar(deviance, bounds=(0.0, 10.0), method="bounded", options=TIGHT).fun
    bound = Z * Z * mean_ratio(4)
    ends = {}
    for reml in (False, True):
        fit = mc.glmm("y ~ z + (1 | g)", data, reml=reml)
        ends[reml] = fit.conf_int(parameters="random")
        low, high = ends[reml].loc["sd(g, Intercept)"]
        assert deviance(high) - least == pytest.approx(bound, abs=1e-6)
        assert deviance(low) - least == pytest.approx(bound, abs=1e-6)
        assert 0.0 < low < high
    pd.testing.assert_frame_equal(ends[False], ends[True], rtol=1e-6)


def test_what_is_said_of_variances_where_there_is_no_restricted_likelihood(cbpp: mc.GLMM) -> None:
    """The profile of the fit's own likelihood; where that is none, Wald's."""
    for method, way, same in (("agq", "profile", "profile"), ("pql", "wald", "wald")):
        fit = mc.glmm(cbpp.formula, cbpp.frame, family="binomial", method=method)
        found = fit.conf_int(parameters="random")
        assert found.attrs["variances"] == way
        pd.testing.assert_frame_equal(found, fit.conf_int(method=same, parameters="random"))


@pytest.mark.slow
def test_intervals_by_default_cover_the_truth() -> None:
    """Six groups of ten counts: 95 % within three standard errors, where others have 80 to 91."""
    covered = []
    for k in range(300):
        rng = np.random.default_rng([5, k])
        data = pd.DataFrame({"g": np.repeat(np.arange(6), 10), "x": rng.normal(size=60)})
        data["z"] = (data["g"] % 2).astype(float)
        eta = 0.7 + 0.5 * data["z"] + 0.5 * data["x"] + 0.5 * rng.normal(size=6)[data["g"]]
        data["y"] = rng.poisson(np.exp(eta))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixcheckWarning)
            ends = mc.glmm("y ~ z + x + (1 | g)", data, family="poisson").conf_int(parameters="all")
        truth = pd.Series({"z": 0.5, "x": 0.5, "sd(g, Intercept)": 0.5})
        ends = ends.loc[truth.index]
        covered.append((ends["low"] <= truth) & (truth <= ends["high"]))
    share = np.mean(covered, axis=0)
    assert (np.abs(share - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 300)).all(), share


@pytest.mark.slow
def test_bca_takes_the_jackknife_over_groups() -> None:
    """Its acceleration is that of fits without each group, to the accuracy of one step."""
    rng = np.random.default_rng(12)
    data = pd.DataFrame({"g": np.repeat(np.arange(25), 6), "x": rng.normal(size=150)})
    data["y"] = rng.poisson(np.exp(0.5 + 0.4 * data["x"] + 0.6 * rng.normal(size=25)[data["g"]]))
    fit = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    names = ["Intercept", "x", "sd(g, Intercept)"]
    port = port_of(fit)
    found = _acceleration(port, list_parameters(port))
    whole = fit.conf_int(parameters="all").index
    assert list(whole) == names
    without = []
    for g in range(25):
        one = mc.glmm("y ~ x + (1 | g)", data[data["g"] != g], family="poisson")
        without.append([*one.params, one.variance_components["sd"].iloc[0]])
    exact = find_acceleration(-np.array(without))
    np.testing.assert_allclose(found, exact, atol=0.015)
    assert np.abs(exact).max() > 0.03
    table = fit.conf_int(method="bootstrap", parameters="all", draws=199, interval="bca", seed=2)
    estimates = fit.refit(fit.simulate(199, seed=2)).estimates.to_numpy()
    centre = np.array([*fit.params, fit.variance_components["sd"].iloc[0]])
    np.testing.assert_allclose(table, bca_intervals(estimates, centre, found, 0.95), rtol=1e-8)


def test_bca_needs_groups() -> None:
    """With crossed factors no group can be left out."""
    data = mc.datasets.load("grouseticks").head(60)
    crossed = data.assign(other=np.arange(60) % 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixcheckWarning)
        fit = mc.glmm("TICKS ~ 1 + (1 | BROOD) + (1 | other)", crossed, family="poisson")
    with pytest.raises(OptionError, match='write interval="percentile"'):
        fit.conf_int(method="bootstrap", interval="bca", draws=39)
