"""The result of a fit: every public property."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import mixcheck as mc
from mixcheck.errors import (
    DataError,
    DataWarning,
    FamilyError,
    OptionError,
    UnknownColumnError,
    UnseenLevelError,
)
from mixcheck.port import BatchObservable, Checkable, Comparable, Converging, port_of

ROUNDING = 1e-10
# Means of simulated responses within this many standard errors.
ERRORS = 4.5


@pytest.fixture(scope="module")
def dispersed() -> mc.GLMM:
    """A Gaussian response on the log scale with the same term in mean and dispersion."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(20), 10), rng.normal(size=200)
    noise = np.exp(-1.2 + 0.6 * rng.normal(size=20)[g]) * rng.normal(size=200)
    y = np.exp(0.3 * x + 0.5 * rng.normal(size=20)[g]) + noise
    family = mc.families.Gaussian(link="log")
    frame = pd.DataFrame({"y": y, "x": x, "g": g})
    return mc.glmm("y ~ x + (1 | g)", frame, family=family, dispersion="~ 1 + (1 | g)")


def test_tables(cbpp: mc.GLMM) -> None:
    """Estimates, errors, tests and intervals agree with each other and with the covariance."""
    names = ["Intercept", "period[T.2]", "period[T.3]", "period[T.4]"]
    for series in (cbpp.params, cbpp.bse, cbpp.tvalues, cbpp.pvalues):
        assert list(series.index) == names
    np.testing.assert_allclose(cbpp.bse, np.sqrt(np.diag(cbpp.cov_params())), rtol=ROUNDING)
    np.testing.assert_allclose(cbpp.cov_params(), port_of(cbpp).covariance[:4, :4], rtol=ROUNDING)
    np.testing.assert_allclose(cbpp.tvalues, cbpp.params / cbpp.bse, rtol=ROUNDING)
    np.testing.assert_allclose(cbpp.pvalues, 2 * norm.sf(np.abs(cbpp.tvalues)), rtol=ROUNDING)
    interval = cbpp.conf_int(level=0.9, ddf="normal")
    np.testing.assert_allclose(interval["low"], cbpp.params - norm.ppf(0.95) * cbpp.bse)
    np.testing.assert_allclose(interval["high"], cbpp.params + norm.ppf(0.95) * cbpp.bse)


def test_counts(cbpp: mc.GLMM, sleepstudy: mc.GLMM) -> None:
    """Observations, parameters, groups and the criteria made of them."""
    assert (cbpp.nobs, cbpp.n_parameters, cbpp.n_groups) == (56, 5, {"herd": 15})
    assert (sleepstudy.nobs, sleepstudy.n_parameters) == (180, 6)
    assert cbpp.aic == pytest.approx(-2 * cbpp.llf + 10)
    assert cbpp.bic == pytest.approx(-2 * cbpp.llf + 5 * np.log(56))
    assert cbpp.converged
    assert cbpp.family == mc.families.Binomial()
    assert cbpp.formula == "incidence / size ~ period + (1 | herd)"
    assert cbpp.dispersion is None
    assert sleepstudy.dispersion == pytest.approx(25.5918, abs=1e-4)


def test_components(sleepstudy: mc.GLMM, cbpp: mc.GLMM) -> None:
    """Variances, deviations and correlations of one covariance matrix."""
    theta = port_of(sleepstudy).theta
    assert list(theta.index) == ["Subject.Intercept", "Subject.Days,Intercept", "Subject.Days"]
    root = np.array([[theta.iloc[0], 0.0], [theta.iloc[1], theta.iloc[2]]])
    covariance = root @ root.T
    table = sleepstudy.variance_components.set_index("name")
    assert table.loc["Intercept", "variance"] == pytest.approx(covariance[0, 0])
    assert table.loc["Days", "sd"] == pytest.approx(np.sqrt(covariance[1, 1]))
    assert table.loc["Intercept, Days", "variance"] == pytest.approx(covariance[0, 1])
    wanted = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert table.loc["Intercept, Days", "corr"] == pytest.approx(wanted)
    assert table.loc["", "variance"] == pytest.approx(sleepstudy.dispersion**2)
    assert cbpp.variance_components["group"].tolist() == ["herd"]


def test_random_effects(sleepstudy: mc.GLMM) -> None:
    """Modes and their deviations are those of the exact Gaussian posterior."""
    data, theta = sleepstudy.frame, port_of(sleepstudy).theta.to_numpy()
    root = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    modes, deviations = (
        sleepstudy.random_effects["Subject"],
        sleepstudy.random_effects_sd["Subject"],
    )
    assert list(modes.columns) == ["Intercept", "Days"]
    assert len(modes) == 18
    for level in modes.index[:5]:
        rows = data[data["Subject"] == level]
        Z = np.column_stack([np.ones(len(rows)), rows["Days"]])
        r = rows["Reaction"] - Z @ sleepstudy.params.to_numpy()
        precision = Z.T @ Z / sleepstudy.dispersion**2 + np.linalg.inv(root @ root.T)
        wanted = np.linalg.solve(precision, Z.T @ r / sleepstudy.dispersion**2)
        np.testing.assert_allclose(modes.loc[level], wanted, rtol=1e-6)
        spread = np.sqrt(np.diag(np.linalg.inv(precision)))
        np.testing.assert_allclose(deviations.loc[level], spread, rtol=1e-6)


def test_fitted_values(cbpp: mc.GLMM, grouseticks: mc.GLMM, sleepstudy: mc.GLMM) -> None:
    """Predictions of the training rows are the fitted values, shuffled or not."""
    for fit in (cbpp, grouseticks, sleepstudy):
        np.testing.assert_allclose(fit.predict(), fit.fittedvalues, rtol=ROUNDING)
        np.testing.assert_allclose(fit.predict(fit.frame), fit.fittedvalues, rtol=ROUNDING)
        shuffled = fit.frame.sample(frac=1.0, random_state=1)
        found = fit.predict(shuffled)
        assert list(found.index) == list(shuffled.index)
        np.testing.assert_allclose(found, fit.fittedvalues[shuffled.index], rtol=ROUNDING)
    link = cbpp.predict(scale="link")
    np.testing.assert_allclose(1 / (1 + np.exp(-link)), cbpp.fittedvalues, rtol=ROUNDING)


def test_pearson(cbpp: mc.GLMM) -> None:
    """Residuals over the deviation of the response."""
    p, m = cbpp.fittedvalues, cbpp.frame["size"]
    wanted = (cbpp.frame["incidence"] - m * p) / np.sqrt(m * p * (1 - p))
    np.testing.assert_allclose(cbpp.resid_pearson, wanted, rtol=1e-8)


def test_predict_zero_and_unseen(cbpp: mc.GLMM) -> None:
    """A level never seen raises, or is predicted with an effect of zero."""
    new = cbpp.frame.head(4).assign(herd="new")
    zero = cbpp.predict(new, random_effects="zero")
    X = np.column_stack([np.ones(4), np.eye(4)[:, 1:]])
    wanted = 1 / (1 + np.exp(-X @ cbpp.params.to_numpy()))
    np.testing.assert_allclose(zero, wanted, rtol=ROUNDING)
    np.testing.assert_allclose(cbpp.predict(new, unseen="zero"), zero, rtol=ROUNDING)
    with pytest.raises(UnseenLevelError, match=r"`herd` has level.* 'new'"):
        cbpp.predict(new)


def test_predict_marginal(cbpp: mc.GLMM, epil: mc.GLMM) -> None:
    """The mean over new random effects, against many of them."""
    rng = np.random.default_rng(1)
    for fit in (cbpp, epil):
        found = fit.predict(random_effects="marginal").to_numpy()
        theta, eta = port_of(fit).theta.to_numpy(), fit.predict(random_effects="zero", scale="link")
        block = port_of(fit).design.predictors[0].random[0]
        q = block.Z.shape[1]
        root = theta[:1, None] if q == 1 else np.array([[theta[0], 0.0], theta[1:]])
        b = rng.normal(size=(20_000, q)) @ root.T
        for i in range(0, fit.nobs, 17):
            draws = fit.family.mean((eta.iloc[i] + b @ block.Z[i],))
            error = draws.std() / np.sqrt(draws.size)
            assert abs(draws.mean() - found[i]) < ERRORS * error


def test_predict_marginal_with_dispersion(dispersed: mc.GLMM) -> None:
    """The variance is that of the mean's term, not that of the same term in the dispersion."""
    sd = dispersed.variance_components["sd"].to_numpy()
    assert abs(sd[0] - sd[1]) > 0.05
    eta = dispersed.predict(random_effects="zero", scale="link")
    wanted = np.exp(eta + 0.5 * sd[0] ** 2)
    np.testing.assert_allclose(dispersed.predict(random_effects="marginal"), wanted, rtol=1e-6)


def test_several_predictors(dispersed: mc.GLMM) -> None:
    """Effects of the dispersion stand beside those of the mean under its name."""
    assert list(dispersed.params.index) == ["Intercept", "x", "dispersion: Intercept"]
    assert dispersed.dispersion is None
    columns = ["Intercept", "dispersion: Intercept"]
    assert list(dispersed.random_effects["g"].columns) == columns
    seen = port_of(dispersed).observe("posterior", np.random.default_rng(0))
    assert list(seen.effects) == ["g [Intercept]", "dispersion: g [Intercept]"]
    assert len(port_of(dispersed).random_terms) == 2


def test_predict_missing(cbpp: mc.GLMM) -> None:
    """A row with a missing predictor or group gives NaN, the others their value."""
    new = cbpp.frame.head(4).copy()
    new["period"] = new["period"].astype(object)
    new.iloc[1, new.columns.get_loc("period")] = None
    found = cbpp.predict(new)
    assert found.isna().tolist() == [False, True, False, False]
    kept = [0, 2, 3]
    np.testing.assert_allclose(found.iloc[kept], cbpp.fittedvalues.iloc[kept], rtol=ROUNDING)
    new = cbpp.frame.head(4).copy()
    new["herd"] = [None, *new["herd"].iloc[1:]]
    assert cbpp.predict(new).isna().tolist() == [True, False, False, False]
    assert not cbpp.predict(new, random_effects="marginal").isna().any()


def test_predict_without_groups(cbpp: mc.GLMM) -> None:
    """A grid needs the columns of what is predicted: no groups at zero or over all of them."""
    grid = pd.DataFrame({"period": cbpp.frame["period"].unique()})
    new = grid.assign(herd="any")
    for kind in ("zero", "marginal"):
        found = cbpp.predict(grid, random_effects=kind)  # type: ignore[arg-type]
        wanted = cbpp.predict(new, random_effects=kind)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(UnknownColumnError, match=r"`herd`, a grouping.*'zero' or 'marginal'"):
        cbpp.predict(grid)


def test_predict_without_what_the_mean_does_not_use() -> None:
    """Neither precision nor a model of the dispersion is needed where the mean has none of it."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=80), "g": np.arange(80) % 8, "z": np.arange(80) % 3})
    data["y"] = data.x + rng.normal(size=8)[data.g] + rng.normal(size=80)
    fit = mc.glmm("y ~ x + (1 | g)", data.assign(w=1.0 + data.z), dispersion="~ z", precision="w")
    assert fit.predict(data[["x", "g"]]).tolist() == pytest.approx(fit.fittedvalues.tolist())
    assert fit.predict({"x": [1.0]}, random_effects="zero")[0] == pytest.approx(
        fit.params["Intercept"] + fit.params["x"]
    )


@pytest.mark.parametrize("kind", ["auto", "zero", "marginal"])
def test_predict_row_by_row(epil: mc.GLMM, kind: Any) -> None:
    """A missing and a huge predictor change no other row, and are NaN and what overflow gives."""
    new = epil.frame.head(6).copy()
    wanted = epil.predict(new, random_effects=kind)
    new.loc[new.index[1], "lage_raw"] = np.nan
    new.loc[new.index[4], "lage_raw"] = 1e300
    found = epil.predict(new, random_effects=kind)
    assert np.isnan(found.iloc[1])
    assert abs(np.log10(found.iloc[4])) > 300
    others = [0, 2, 3, 5]
    np.testing.assert_allclose(found.iloc[others], wanted.iloc[others], rtol=1e-6)


def test_predict_labels_of_another_kind() -> None:
    """Groups fitted as numbers are not found by words, which is said, also with unseen='zero'."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=80), "g": np.arange(80) % 8})
    data["y"] = data.x + rng.normal(size=8)[data.g] + rng.normal(size=80)
    fit = mc.glmm("y ~ x + (1 | g)", data)
    text = data.assign(g=data.g.astype(str))
    for unseen in ("error", "zero"):
        with pytest.raises(UnseenLevelError, match=r"numbers in the fit and text in the new"):
            fit.predict(text, unseen=unseen)  # type: ignore[arg-type]
    for same in (data.g.astype(float), data.g.astype("category"), data.g.astype("Int8")):
        np.testing.assert_allclose(fit.predict(data.assign(g=same)), fit.fittedvalues)


def test_predict_what_the_fit_does_not_tell() -> None:
    """An empty cell, and a row against the combination of a column left out, are named."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=90), "g": np.arange(90) % 9})
    data = data.assign(z=2.0 * data.x, f=["a", "b", "b"] * 30, h=["u", "u", "v"] * 30)
    data["y"] = data.x + rng.normal(size=90) + rng.normal(size=9)[data.g]
    with pytest.warns(DataWarning, match="left out"):
        aliased = mc.glmm("y ~ x + z + (1 | g)", data)
    assert aliased.predict(data.head(3)).notna().all()
    with pytest.warns(DataWarning, match=r"does not tell the mean predictor of row 1.*`z`"):
        aliased.predict(data.head(2).assign(z=[data.z[0], 5.0]))
    with pytest.warns(DataWarning, match="left out"):
        empty = mc.glmm("y ~ f * h + (1 | g)", data)
    cells = pd.DataFrame({"f": ["a", "b", "a"], "h": ["u", "v", "v"]})
    with pytest.warns(DataWarning, match=r"of row 2: `f\[T.b\]:h\[T.v\]`"):
        empty.predict(cells, random_effects="zero")
    assert empty.predict(cells.head(2), random_effects="zero").notna().all()


def test_predict_marginal_over_every_part() -> None:
    """Random effects of the zero part are averaged too, against many of them."""
    rng = np.random.default_rng(6)
    g = np.arange(600) % 30
    zero = rng.random(600) < 1.0 / (1.0 + np.exp(0.5 - rng.normal(0.0, 1.5, 30)[g]))
    y = np.where(zero, 0, rng.poisson(np.exp(1.0 + rng.normal(0.0, 0.5, 30)[g])))
    fit = mc.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="poisson", zi="~ 1 + (1 | g)")
    mean, inflated = port_of(fit).theta.to_numpy()
    u = rng.normal(size=(2, 200_000))
    b = fit.params.to_numpy()
    draws = np.exp(b[0] + mean * u[0]) / (1.0 + np.exp(b[1] + inflated * u[1]))
    found = fit.predict({"any": [1]}, random_effects="marginal")[0]
    assert abs(draws.mean() - found) < ERRORS * draws.std() / np.sqrt(draws.size)
    at_zero = fit.predict({"any": [1]}, random_effects="zero")[0]
    assert abs(draws.mean() - at_zero) > ERRORS * draws.std() / np.sqrt(draws.size)


def test_vectors_are_matched_by_label(cbpp: mc.GLMM) -> None:
    """A Series as offset, weights or response belongs to the rows that its index names."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"x": rng.normal(size=80), "g": np.arange(80) % 8}, index=range(100, 180))
    data["y"] = data.x + rng.normal(size=8)[data.g] + rng.normal(size=80)
    w, o = (
        pd.Series(1.0 + np.arange(80) % 3, data.index),
        pd.Series(rng.normal(size=80), data.index),
    )
    order = rng.permutation(data.index)
    fit = mc.glmm("y ~ x + (1 | g)", data, weights=w, offset=o)
    other = mc.glmm("y ~ x + (1 | g)", data, weights=w[order], offset=o[order])
    assert other.llf == fit.llf
    assert fit.refit(data.y[order]).llf == fit.refit(data.y).llf
    np.testing.assert_array_equal(
        fit.predict(data.head(3), offset=o.head(3)[::-1]), fit.predict(data.head(3), offset=o[:3])
    )
    for call in (
        lambda: mc.glmm("y ~ x + (1 | g)", data, weights=w.reset_index(drop=True)),
        lambda: mc.glmm("y ~ x + (1 | g)", data, offset=o.reset_index(drop=True)),
        lambda: fit.refit(data.y.reset_index(drop=True)),
        lambda: fit.predict(data, offset=o.reset_index(drop=True)),
    ):
        with pytest.raises(DataError, match=r"index that is not that of.*to_numpy\(\)"):
            call()


def test_predict_options(cbpp: mc.GLMM) -> None:
    """Unknown options, whatever the others are."""
    with pytest.raises(OptionError, match="random_effects='x' is unknown; write 'auto'"):
        cbpp.predict(random_effects="x")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="scale='x' is unknown"):
        cbpp.predict(scale="x")  # type: ignore[arg-type]
    for random_effects in ("auto", "zero"):
        with pytest.raises(OptionError, match="unseen='x' is unknown"):
            cbpp.predict(
                cbpp.frame,
                unseen="x",  # type: ignore[arg-type]
                random_effects=random_effects,  # type: ignore[arg-type]
            )
    with pytest.raises(OptionError, match="averages means, not predictors"):
        cbpp.predict(random_effects="marginal", scale="link")


@pytest.mark.parametrize("conditioning", ["marginal", "mode", "posterior"])
def test_simulate(cbpp: mc.GLMM, conditioning: Any) -> None:
    """Data set k depends on the seed and k alone; its mean is that of the model."""
    many = cbpp.simulate(60, seed=3, conditioning=conditioning)
    assert many.shape == (56, 60)
    assert list(many.index) == list(cbpp.frame.index)
    few = cbpp.simulate(2, seed=3, conditioning=conditioning)
    pd.testing.assert_frame_equal(few, many.iloc[:, :2])
    assert not many[0].equals(many[1])
    assert (many.to_numpy() <= cbpp.frame["size"].to_numpy()[:, None]).all()
    total = many.sum()
    kind = "marginal" if conditioning == "marginal" else "auto"
    wanted = (cbpp.frame["size"] * cbpp.predict(random_effects=kind)).sum()
    slack = 3.0 if conditioning == "posterior" else 0.0
    assert abs(total.mean() - wanted) < ERRORS * total.std() / np.sqrt(60) + slack


def test_simulate_options(cbpp: mc.GLMM) -> None:
    """Unknown conditioning, and numbers of draws that are none."""
    with pytest.raises(OptionError, match="conditioning='x' is unknown; write 'posterior'"):
        cbpp.simulate(1, seed=1, conditioning="x")  # type: ignore[arg-type]
    for draws in (0, -1, 1.5, True, "2"):
        with pytest.raises(OptionError, match="must be a whole number from 1 to"):
            cbpp.simulate(draws, seed=1)  # type: ignore[arg-type]


def test_refit_input(cbpp: mc.GLMM) -> None:
    """A new response of another shape, not numbers, or outside the support."""
    with pytest.raises(DataError, match=r"has shape \(3,\); \(56,\) is needed"):
        cbpp.refit(np.ones(3))
    with pytest.raises(DataError, match=r"has shape \(56, 1, 1\)"):
        cbpp.refit(np.ones((56, 1, 1)))
    with pytest.raises(DataError, match="must be numbers"):
        cbpp.refit(["a"] * 56)
    with pytest.raises(FamilyError, match="must be finite"):
        cbpp.refit(np.full(56, np.nan))
    with pytest.raises(FamilyError, match="must not exceed its number of trials"):
        cbpp.refit(np.full(56, 99.0))


def test_refit_many(cbpp: mc.GLMM) -> None:
    """Many responses at once are fitted as one by one, and what has no fit is an error there."""
    port = port_of(cbpp)
    responses = cbpp.simulate(4, seed=2).to_numpy(copy=True)
    responses[0, 2] = np.nan
    found = port.refit_many(responses)
    assert isinstance(found[2], FamilyError)
    for k in (0, 1, 3):
        alone = port.refit(responses[:, k]).optimum
        np.testing.assert_allclose(found[k].optimum.psi, alone.psi, atol=1e-5)


def test_port(cbpp: mc.GLMM) -> None:
    """A fit meets the protocols of everything that follows."""
    port = port_of(cbpp)
    for protocol in (Checkable, BatchObservable, Converging, Comparable):
        assert isinstance(port, protocol)
    assert port.discrete
    np.testing.assert_array_equal(port.observed, port.frame["incidence"])
    assert port.description["levels of herd"] == 15
    assert port.fixed_matrices["mean"].shape == (56, 4)
    ((group, Z),) = port.random_terms.values()
    assert group == "herd"
    assert Z.shape == (56, 1)
    rng = np.random.default_rng(1)
    assert port.respond(rng).shape == (56,)
    assert port.observe("posterior", rng).residuals.shape == (56,)
    assert port.replicate("marginal", rng).residuals.shape == (56,)


def test_digest(cbpp: mc.GLMM) -> None:
    """Digests change with the response alone for a refit, and with nothing for a new formula."""
    again = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp.frame, family="binomial")
    assert port_of(again).data_digest == port_of(cbpp).data_digest
    y = port_of(cbpp).observed.copy()
    y[0] += 1
    other = port_of(cbpp.refit(y)).data_digest
    assert [k for k in other if other[k] != port_of(cbpp).data_digest[k]] == ["response"]


def test_pickle(cbpp: mc.GLMM) -> None:
    """A fit survives pickling with its predictions."""
    again = pickle.loads(pickle.dumps(cbpp))
    assert again.llf == cbpp.llf
    pd.testing.assert_series_equal(again.predict(cbpp.frame), cbpp.predict(cbpp.frame))


def test_words(cbpp: mc.GLMM) -> None:
    """Its repr and summary say what was fitted."""
    assert "log-likelihood -92.0263" in repr(cbpp)
    text = str(cbpp.summary())
    for piece in ("incidence / size ~ period", "binomial (logit)", "herd", "-1.3985", "194.0526"):
        assert piece in text


def test_unobserved_dispersion(small: SimpleNamespace) -> None:
    """A modelled dispersion is shown among the coefficients, a constant one is not."""
    frame = small.table(60, 1)
    rng = np.random.default_rng(0)
    frame["y"] = frame["x"] + rng.normal(size=6)[frame["g"]] + rng.normal(size=60)
    constant = mc.glmm("y ~ x + (1 | g)", frame)
    modelled = mc.glmm("y ~ x + (1 | g)", frame, dispersion="~ w")
    assert list(constant.params.index) == ["Intercept", "x"]
    assert list(modelled.params.index)[2:] == ["dispersion: Intercept", "dispersion: w"]
    assert modelled.llf > constant.llf
    assert modelled.n_parameters == constant.n_parameters + 1


def test_labels_are_of_each_result(cbpp: mc.GLMM) -> None:
    """What a caller calls the index of one result is the name of no other, nor of a refit."""
    fit = cbpp.refit(port_of(cbpp).observed)
    held = fit.params
    held.index.name = "mine"
    again = fit.refit(port_of(fit).observed)
    assert fit.bse.index.name is None
    assert again.params.index.name is None
    assert again.params.index.equals(held.index)
