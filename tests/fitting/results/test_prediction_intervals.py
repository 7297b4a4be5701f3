"""Intervals of predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import DataError, MixcheckWarning, OptionError
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.fitting.results.predictions import PredictionRequest, predict
from mixcheck.port import port_of

KNOWN = json.loads((Path(__file__).parents[2] / "data" / "predictions.json").read_text())
Z = 1.959963984540054
# glmmTMB takes its Hessian by differences of the gradient, which leaves this much.
OPTIMUM, DIFFERENCES = 1e-6, 2e-4


@pytest.fixture(scope="module")
def cbpp() -> mc.GLMM:
    """Binomial counts in herds."""
    data = mc.datasets.load("cbpp")
    return mc.glmm("incidence / size ~ period + (1 | herd)", data, family="binomial")


@pytest.fixture(scope="module")
def sleepstudy() -> mc.GLMM:
    """Reaction times with a slope for each subject."""
    return mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def salamanders() -> mc.GLMM:
    """Counts with a zero part and a dispersion of their own."""
    return mc.glmm(
        "count ~ mined + cover + (1 | site)",
        mc.datasets.load("Salamanders"),
        family="nbinom2",
        zi="~ mined",
        dispersion="~ DOY",
    )


def _agree(found: pd.DataFrame, known: dict[str, list[float]]) -> None:
    n = len(known["fit"])
    np.testing.assert_allclose(found["predicted"].to_numpy()[:n], known["fit"], rtol=OPTIMUM)
    np.testing.assert_allclose(found["std_error"].to_numpy()[:n], known["se"], rtol=DIFFERENCES)


def test_errors_are_those_of_glmmtmb(cbpp: mc.GLMM, sleepstudy: mc.GLMM) -> None:
    """At the modes, for the population, and for a level that was never seen."""
    _agree(cbpp.predict(scale="link", interval="confidence"), KNOWN["cbpp"]["link"])
    _agree(cbpp.predict(interval="confidence"), KNOWN["cbpp"]["response"])
    periods = {"period": ["1", "2", "3", "4"]}
    found = cbpp.predict(periods, random_effects="zero", scale="link", interval="confidence")
    _agree(found, KNOWN["cbpp"]["population"])
    _agree(sleepstudy.predict(interval="confidence"), KNOWN["sleepstudy"]["modes"])
    new = {"Days": [0, 5, 9], "Subject": ["nobody"] * 3}
    found = sleepstudy.predict(new, unseen="zero", interval="confidence")
    _agree(found, KNOWN["sleepstudy"]["unseen"])


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("response", {}),
        ("conditional", {"part": "conditional"}),
        ("zprob", {"part": "zi"}),
        ("disp", {"part": "dispersion"}),
        ("link", {"scale": "link"}),
    ],
)
def test_parts_are_those_of_glmmtmb(salamanders: mc.GLMM, name: str, asked: dict[str, Any]) -> None:
    """Mean with and without the zero part, its probability, and the dispersion."""
    _agree(salamanders.predict(interval="confidence", **asked), KNOWN["salamanders"][name])


def test_ends_go_through_the_link(cbpp: mc.GLMM) -> None:
    """Of a mean of one predictor they are those of the predictor; 90 % are inside 95 %."""
    link = cbpp.predict(scale="link", interval="confidence")
    mean = cbpp.predict(interval="confidence")
    ends = 1.0 / (1.0 + np.exp(-link[["predicted", "low", "high"]]))
    np.testing.assert_allclose(mean[["predicted", "low", "high"]], ends, rtol=1e-12)
    np.testing.assert_allclose(link["high"], link["predicted"] + Z * link["std_error"])
    narrow = cbpp.predict(interval="confidence", level=0.9)
    assert (narrow["low"] > mean["low"]).all()
    assert (narrow["high"] < mean["high"]).all()


# ---- averaged over the random effects --------------------------------------------------------


def _gradient(fit: GlmmPort, data: object, part: str) -> np.ndarray[Any, Any]:
    """Derivatives of averaged predictions in all parameters by differences of sixth order."""
    psi = fit.optimum.psi

    def at(moved: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        moved_fit = replace(fit, optimum=replace(fit.optimum, psi=moved))
        return predict(moved_fit, PredictionRequest(data, "marginal", part=part)).to_numpy()

    columns = []
    for j in range(psi.size):
        step = 1e-3 * max(1.0, abs(psi[j])) * np.eye(psi.size)[j]
        d = [at(psi + k * step) - at(psi - k * step) for k in (1, 2, 3)]
        columns.append((1.5 * d[0] - 0.3 * d[1] + d[2] / 30.0) / (2.0 * step[j]))
    return np.column_stack(columns)


def _counts(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 10)
    x = rng.normal(size=g.size)
    b, c = rng.normal(size=30), rng.normal(size=30)
    mean = np.exp(0.6 + 0.4 * x + 0.7 * b[g] + 0.3 * c[g] * x)
    y = rng.poisson(mean * rng.gamma(2.0, 0.5, g.size)) * (rng.random(g.size) > 0.25)
    return pd.DataFrame({"y": y, "x": x, "g": g, "p": (y > 1).astype(int), "w": mean + 0.1 + y})


@pytest.mark.parametrize(
    ("formula", "options", "part"),
    [
        ("p ~ x + (x | g)", {"family": "binomial"}, "response"),
        ("p ~ x + (1 | g)", {"family": mc.families.Binomial("cloglog")}, "response"),
        pytest.param(
            "y ~ x + (x | g)",
            {"family": "nbinom2", "zi": "~ 1 + (1 | g)"},
            "response",
            marks=pytest.mark.slow,
        ),
        ("y ~ x + (1 | g)", {"family": "poisson", "zi": "~ x"}, "conditional"),
        ("y ~ x + (1 | g)", {"family": "poisson", "zi": "~ x + (1 | g)"}, "zi"),
        ("y ~ x + (1 | g)", {"family": "truncated_poisson", "zi": "~ x"}, "response"),
        ("w ~ x + (1 | g)", {"family": mc.families.Gamma("log")}, "response"),
        ("w ~ x + (1 | g)", {"family": "gaussian", "dispersion": "~ x + (1 | g)"}, "dispersion"),
    ],
)
@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
def test_averages_have_errors_by_the_delta_method(
    formula: str, options: dict[str, Any], part: Any
) -> None:
    """``sqrt(J C J')``, J by differences of the averages in all parameters."""
    fit = mc.glmm(formula, _counts(3), **options)
    new = {"x": [-1.0, 0.0, 0.7, 2.0]}
    found = fit.predict(new, random_effects="marginal", interval="confidence", part=part)
    port = port_of(fit)
    J = _gradient(port, new, part)
    expected = np.sqrt(np.einsum("np,pq,nq->n", J, port.covariance, J))
    np.testing.assert_allclose(found["std_error"], expected, rtol=1e-6)
    point = fit.predict(new, random_effects="marginal", part=part)
    np.testing.assert_allclose(found["predicted"], point, rtol=1e-12)
    assert ((found["low"] < point) & (point < found["high"])).all()


def test_an_average_without_random_effects_is_the_mean() -> None:
    """The interval too."""
    fit = mc.glmm("p ~ x", _counts(1), family="binomial")
    zero, averaged = (
        fit.predict({"x": [0.0, 1.0]}, random_effects=of, interval="confidence")
        for of in ("zero", "marginal")
    )
    pd.testing.assert_frame_equal(zero, averaged)


def test_an_average_of_a_linear_mean_is_the_mean(sleepstudy: mc.GLMM) -> None:
    """Its errors are those of the fixed effects, whatever the random ones."""
    zero, averaged = (
        sleepstudy.predict({"Days": [0.0, 9.0]}, random_effects=of, interval="confidence")
        for of in ("zero", "marginal")
    )
    pd.testing.assert_frame_equal(zero, averaged, rtol=1e-8)


# ---- of a new response -----------------------------------------------------------------------

DRAWS = 400_000


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("w ~ x + (1 | g)", {}),
        ("w ~ x + (1 | g)", {"family": mc.families.Gamma("log")}),
        ("y ~ x + (1 | g)", {"family": "poisson"}),
        pytest.param("y ~ x + (x | g)", {"family": "nbinom2", "zi": "~ 1"}, marks=pytest.mark.slow),
        pytest.param(
            "w ~ x + (1 | g)",
            {"family": mc.families.LogNormal(), "zi": "~ 1"},
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
@pytest.mark.parametrize("random_effects", ["zero", "marginal"])
def test_ends_are_quantiles_of_new_responses(
    formula: str, options: dict[str, Any], random_effects: Any
) -> None:
    """Of draws of the estimates, the random effects and the response, one after the other."""
    data = _counts(4)
    if options.get("zi") and formula.startswith("w"):
        data.loc[::4, "w"] = 0.0
    fit = mc.glmm(formula, data, **options)
    x = 0.7
    row = fit.predict(
        {"x": [x]}, random_effects=random_effects, interval="prediction", level=0.9
    ).iloc[0]
    port, rng = port_of(fit), np.random.default_rng(1)
    psi = rng.multivariate_normal(port.optimum.psi, port.covariance, DRAWS)
    eta = [
        psi[:, where] @ fit.model_matrix({"x": [x]}, part=name).to_numpy()[0]
        for name, where in zip(fit.family.predictors, port.problem.beta_slices, strict=True)
    ]
    if random_effects == "marginal":
        theta = psi[:, port.problem.n_beta :]
        z = rng.normal(size=(2, DRAWS))
        eta[0] = eta[0] + theta[:, 0] * z[0]
        if theta.shape[1] == 3:
            eta[0] = eta[0] + x * (theta[:, 1] * z[0] + theta[:, 2] * z[1])
    y = fit.family.sample(tuple(eta), None, rng)
    # Three Monte Carlo errors, and what a rule of three points leaves: measured below 0.001.
    slack = 3.0 * np.sqrt(0.05 * 0.95 / DRAWS) + 0.001
    for end, p in ((row["low"], 0.05), (row["high"], 0.95)):
        assert np.mean(y <= end) > p - slack
        assert np.mean(y < end) < p + slack
    # Of tails a rule of three points sees less: measured to 0.031.
    assert abs(row["std_error"] / y.std() - 1.0) < 0.04


def test_trials_of_new_successes(cbpp: mc.GLMM) -> None:
    """Ends are proportions of the trials, those of the data by default."""
    data = mc.datasets.load("cbpp")
    own = cbpp.predict(interval="prediction")
    counts = own[["low", "high"]].mul(data["size"], axis=0)
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    pd.testing.assert_frame_equal(own, cbpp.predict(data, interval="prediction"))
    few = cbpp.predict(data, interval="prediction", trials=np.full(len(data), 4))
    assert set((few["high"] * 4).round(9)) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    with pytest.raises(DataError, match="needs its numbers of trials: write trials="):
        cbpp.predict({"period": ["1"]}, random_effects="zero", interval="prediction")
    with pytest.raises(DataError, match=r"whole numbers from 1; found 2\.5"):
        cbpp.predict(data, interval="prediction", trials=np.full(len(data), 2.5))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
def test_coverage(family: str) -> None:
    """Of conditional means, of new responses in known groups, and in new ones, at 95 %."""
    rng = np.random.default_rng(11)
    G, m, times = 15, 6, 300
    g = np.repeat(np.arange(G), m)
    hits = np.zeros((times, 3))
    for k in range(times):
        x = rng.normal(size=G * m)
        b = 0.7 * rng.normal(size=G + 1)
        x_new = rng.normal(size=G + 1)
        eta, eta_new = 1.0 + 0.5 * x + b[g], 1.0 + 0.5 * x_new + b
        draw = rng.normal if family == "gaussian" else lambda e: rng.poisson(np.exp(e))
        fit = mc.glmm("y ~ x + (1 | g)", {"y": draw(eta), "x": x, "g": g}, family=family)
        y_new = draw(eta_new)
        known = {"x": x_new[:G], "g": np.arange(G)}
        mean = fit.predict(known, scale="link", interval="confidence")
        new = fit.predict(known, interval="prediction")
        other = fit.predict({"x": x_new[G:]}, random_effects="marginal", interval="prediction")
        hits[k, 0] = np.mean((mean["low"] <= eta_new[:G]) & (eta_new[:G] <= mean["high"]))
        hits[k, 1] = np.mean((new["low"] <= y_new[:G]) & (y_new[:G] <= new["high"]))
        hits[k, 2] = float(other["low"].iloc[0] <= y_new[G] <= other["high"].iloc[0])
    rates, errors = hits.mean(axis=0), hits.std(axis=0) / np.sqrt(times)
    # Measured, as docs/howto/predictions.md has it: normal quantiles and fitted variances make
    # intervals of means too short with few groups, and those of counts end at whole numbers.
    known = {"gaussian": [0.925, 0.942, 0.940], "poisson": [0.939, 0.977, 0.973]}[family]
    assert (np.abs(rates - known) < 3.0 * errors).all(), rates


# ---- what has no interval, and wrong calls ---------------------------------------------------


def test_estimates_at_infinity_have_no_ends() -> None:
    """A level without a success may have any probability."""
    data = pd.DataFrame(
        {"y": [0] * 8 + [0, 1, 1, 0, 1, 1, 0, 1], "f": ["a"] * 8 + ["b"] * 8, "g": [1, 2, 3, 4] * 4}
    )
    with pytest.warns(MixcheckWarning):
        fit = mc.glmm("y ~ f + (1 | g)", data, family="binomial")
    new = {"f": ["a", "b"]}
    found = fit.predict(new, random_effects="zero", interval="confidence")
    assert found["low"].iloc[0] == 0.0
    assert found["high"].iloc[0] == 1.0
    assert np.isinf(found["std_error"].iloc[0]) or np.isinf(found["std_error"].iloc[1])


def test_missing_values_have_no_interval(sleepstudy: mc.GLMM) -> None:
    """NaN in all columns; the index is that of the data."""
    new = pd.DataFrame({"Days": [1.0, np.nan], "Subject": ["308", "309"]}, index=["a", "b"])
    for interval in ("confidence", "prediction"):
        found = sleepstudy.predict(new, interval=interval)
        assert list(found.index) == ["a", "b"]
        assert found.loc["a"].notna().all()
        assert found.loc["b"].isna().all()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"interval": "Confidence"}, "interval"),
        ({"interval": "confidence", "level": 95}, "level"),
        ({"interval": "prediction", "scale": "link"}, "new response"),
        ({"interval": "prediction", "part": "conditional"}, "new response"),
        ({"interval": "prediction", "trials": [1]}, "has no trials"),
        ({"interval": "confidence", "trials": [1]}, "leave it out"),
        ({"trials": [1]}, 'write interval="prediction"'),
        ({"level": 1.5}, "level"),
        ({"part": "zi"}, "write '"),
        ({"part": "mean"}, "write '"),
    ],
)
def test_wrong_calls(sleepstudy: mc.GLMM, asked: dict[str, Any], words: str) -> None:
    """One sentence."""
    with pytest.raises(OptionError, match=words):
        sleepstudy.predict(**asked)


@pytest.fixture(scope="module")
def ordinal() -> mc.GLMM:
    """Reaction times in four classes."""
    data = mc.datasets.load("sleepstudy")
    names = np.array(["fast", "middling", "slow", "asleep"])
    code = np.searchsorted([270, 330, 380], data["Reaction"])
    slow = pd.Categorical(names[code], categories=list(names), ordered=True)
    return mc.glmm("slow ~ Days + (1 | Subject)", data.assign(slow=slow), family="ordinal")


def test_sets_of_categories(ordinal: mc.GLMM) -> None:
    """The shortest run with the probability asked for; its ends are labels."""
    found = ordinal.predict(interval="prediction", level=0.8)
    assert list(found.columns) == ["predicted", "std_error", "low", "high", "probability"]
    labels = list(ordinal.predict_probabilities().columns)
    place = {label: k for k, label in enumerate(labels)}
    first, last = (found[end].map(place).to_numpy() for end in ("low", "high"))
    assert (first <= last).all()
    assert (found["probability"] >= 0.8).all()
    assert 0 < np.mean(last - first) < 3
    wide = ordinal.predict(interval="prediction", level=0.99)
    assert (wide["high"].map(place) - wide["low"].map(place) >= last - first).all()
    np.testing.assert_array_equal(found["predicted"], ordinal.predict())


def test_sets_of_categories_without_uncertainty(ordinal: mc.GLMM) -> None:
    """With effects at zero they are nearly those of the probabilities, which are flatter."""
    new = {"Days": [0.0, 4.0, 9.0]}
    found = ordinal.predict(new, random_effects="zero", interval="prediction", level=0.7)
    plain = ordinal.predict_probabilities(new, random_effects="zero")
    for k, row in enumerate(found.itertuples()):
        held = plain.iloc[k].loc[row.low : row.high].sum()
        assert row.probability == pytest.approx(held, abs=0.08)
    y = np.arange(1.0, 5.0)
    deviation = np.sqrt(plain @ y**2 - (plain @ y) ** 2)
    np.testing.assert_allclose(found["std_error"], deviation, rtol=0.25)
    assert (found["std_error"] > deviation).all()


@pytest.mark.slow
def test_sets_of_categories_hold_new_responses() -> None:
    """New responses of new groups lie in their sets at least as often as was asked for.

    A set is the one that the estimates make most probable, so that its probability is somewhat too
    large: by 0.008 (0.002) in 200 data sets of this design.
    """
    rng = np.random.default_rng(5)
    g, held, said = np.repeat(np.arange(30), 8), [], []

    def draw(groups: np.ndarray, x: np.ndarray) -> np.ndarray:
        eta = 0.8 * x + 1.2 * rng.standard_normal(groups.max() + 1)[groups]
        return 1.0 + np.searchsorted([-1.0, 0.5, 2.0], eta + rng.logistic(size=x.size))

    for _ in range(100):
        x, new = rng.standard_normal((2, g.size))
        fit = mc.glmm("y ~ x + (1 | g)", {"g": g, "x": x, "y": draw(g, x)}, family="ordinal")
        sets = fit.predict({"x": new}, random_effects="marginal", interval="prediction", level=0.8)
        y = draw(np.arange(g.size), new)
        held.append(np.mean((y >= sets["low"].astype(float)) & (y <= sets["high"].astype(float))))
        said.append(sets["probability"].mean())
    difference = np.array(held) - np.array(said)
    error = difference.std(ddof=1) / 10.0
    assert -0.01 - 3.0 * error < difference.mean() < 3.0 * error
    assert np.mean(held) > 0.8


def test_intervals_of_the_mean_of_categories(ordinal: mc.GLMM) -> None:
    """They lie within the numbers of the categories."""
    found = ordinal.predict(random_effects="marginal", interval="confidence")
    assert (found["low"] > 1.0).all()
    assert (found["high"] < 4.0).all()


# ---- model matrices --------------------------------------------------------------------------


def test_model_matrices(salamanders: mc.GLMM) -> None:
    """They give the predictors, of the rows of the fit and of new ones."""
    data = mc.datasets.load("Salamanders")
    for part, prefix in (("mean", ""), ("zi", "zi: "), ("dispersion", "dispersion: ")):
        matrix = salamanders.model_matrix(part=part)
        beta = salamanders.params[[prefix + name for name in matrix.columns]].to_numpy()
        asked: dict[str, Any] = {} if part == "mean" else {"part": part}
        eta = salamanders.predict(random_effects="zero", scale="link", **asked)
        np.testing.assert_allclose(matrix.to_numpy() @ beta, eta)
        pd.testing.assert_frame_equal(salamanders.model_matrix(data.head(3), part=part), matrix[:3])
    with pytest.raises(OptionError, match="write '"):
        salamanders.model_matrix(part="response")
