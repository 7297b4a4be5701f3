"""Data at the edge of the number format: the right answer, or one sentence, and soon."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError, DesignError, MixcheckError

# Evaluations that a fit may take at the very most, so that nobody waits for nothing.
MOST_EVALUATIONS = 3000


def table(n: int = 40) -> pd.DataFrame:
    """Five groups, a predictor, and the same predictor as text."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "g": np.arange(n) % 5,
            "x": x,
            "text": [f"{value:.6f}" for value in x],
            "u": rng.beta(2, 2, n),
            "k": rng.binomial(10, 0.4, n),
            "m": 10.0,
            "y": rng.poisson(3, n).astype(float),
        }
    )


@pytest.mark.parametrize("size", [22, 24])
def test_counts_of_billions(size: int) -> None:
    """Means of exp(22) and exp(24): slope and deviation that made the data."""
    rng = np.random.default_rng(1)
    g, x = np.arange(200) % 10, rng.normal(size=200)
    u = rng.normal(0, 0.3, 10)
    y = rng.poisson(np.exp(size + 0.1 * x + u[g])).astype(float)
    fit = mc.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family="poisson")
    assert fit.converged, fit.convergence.messages
    # Hardly anything is left unknown but the intercepts of ten groups.
    assert fit.params["x"] == pytest.approx(0.1, abs=1e-4)
    assert fit.params["Intercept"] == pytest.approx(size + u.mean(), abs=1e-3)
    assert fit.variance_components["sd"].iloc[0] == pytest.approx(u.std(), rel=1e-3)


def multiplied(kind: str, factor: float) -> mc.GLMM:
    """A fit of responses, and of trials, that are `factor` times as large."""
    data = table()
    if kind == "binomial":
        data = data.assign(k=data["k"] * factor, m=10.0 * factor)
        return mc.glmm("k / m ~ x + (1 | g)", data, family="binomial")
    data = data.assign(y=data["y"] * factor)
    zi = {"zi": "~ x"} if kind == "inflated" else {}
    return mc.glmm("y ~ x + (1 | g)", data, family="poisson", **zi)


# A thousandth of a standard error of the intercept and of the deviation, which is what may be
# lost in sums of scores of 1e12.
LOST = 1e-4


@pytest.mark.parametrize("kind", ["binomial", "poisson", "inflated"])
def test_factors_of_large_responses(kind: str) -> None:
    """Responses of 1e8 and of 1e12 tell the same, and then all of it: groups are known exactly.

    Known effects have the maximum likelihood estimates of a normal sample.
    """
    one, other = multiplied(kind, 1e8), multiplied(kind, 1e12)
    assert one.converged
    assert other.converged, other.convergence.messages
    assert other.convergence.evaluations < 50
    moved = one.params.copy()
    moved["Intercept"] += 0.0 if kind == "binomial" else np.log(1e4)
    np.testing.assert_allclose(other.params, moved, atol=LOST)
    effects = other.random_effects["g"].to_numpy()
    assert effects.mean() == pytest.approx(0.0, abs=LOST)
    assert other.variance_components["sd"].iloc[0] == pytest.approx(effects.std(), abs=LOST)


def test_lost_digits_are_told() -> None:
    """Trials of 2e14: sums of scores may lose more than a thousandth of a standard error."""
    with pytest.warns(mc.errors.ConvergenceWarning, match="cannot be told more exactly"):
        fit = multiplied("binomial", 2e13)
    assert fit.convergence.evaluations < 100


def test_overdispersed_counts_of_billions() -> None:
    """Counts times 1e10: the slope, the shape and the log-likelihood of a gamma's limit."""
    fits = []
    for factor in (1e6, 1e10):
        data = table().assign(y=lambda d, factor=factor: d["y"] * factor)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.errors.BoundaryWarning)
            fits.append(mc.glmm("y ~ x + (1 | g)", data, family="nbinom2"))
    one, other = fits
    assert other.converged, other.convergence.messages
    assert other.params["x"] == pytest.approx(one.params["x"], abs=1e-4)
    assert other.params["Intercept"] == pytest.approx(
        one.params["Intercept"] + np.log(1e4), abs=1e-4
    )


@pytest.mark.parametrize("family", ["beta", "gamma", "lognormal"])
def test_saturated_models_are_refused_before_the_search(family: str) -> None:
    """A level for each row leaves nothing for the dispersion; numbers read as text have that."""
    with pytest.raises(DesignError, match="40 fixed effects for 40 observations"):
        mc.glmm("u ~ factor(text) + (1 | g)", table(), family=family)
    with pytest.raises(mc.DataError, match="all of them numbers"):
        mc.glmm("u ~ text + (1 | g)", table(), family=family)


@pytest.mark.parametrize(("family", "value"), [("gamma", 1.0), ("beta", 0.5), ("lognormal", 1.0)])
def test_constant_responses_are_named(family: str, value: float) -> None:
    """A constant response leaves no dispersion, and the message says that it is constant."""
    with pytest.raises(ConvergenceError, match="the response is constant"):
        mc.glmm("u ~ x + (1 | g)", table().assign(u=value), family=family)
    if family == "gamma":
        with pytest.raises(ConvergenceError, match="constant to rounding"):
            mc.glmm("u ~ x + (1 | g)", table().assign(u=lambda d: d["u"] + 1e15), family=family)


EXTREMES: dict[str, tuple[str, pd.DataFrame, dict[str, Any]]] = {
    "trials": (
        "k / m ~ x + (1 | g)",
        table().assign(m=lambda d: d["m"].where(d.index != 3, 1e15)),
        {"family": "binomial"},
    ),
    "one count": (
        "y ~ x + (1 | g)",
        table().assign(y=lambda d: d["y"].where(d.index != 3, 1e15)),
        {"family": "poisson", "zi": "~ x"},
    ),
    "counts": (
        "y ~ x + (1 | g)",
        table().assign(y=lambda d: d["y"] * 1e12),
        {"family": "poisson", "zi": "~ x"},
    ),
    "dispersed": (
        "y ~ x + (1 | g)",
        table().assign(y=lambda d: d["y"] * 1e8),
        {"family": "nbinom2"},
    ),
    "quadrature": (
        "y ~ x + (1 | g)",
        table().assign(y=lambda d: d["y"] + 1e8),
        {"family": "poisson", "method": "agq"},
    ),
    "weights": (
        "u ~ x + (1 | g)",
        table(),
        {"weights": np.append(1e9, np.ones(39))},
    ),
    "three rows": ("u ~ C(g) + (1 | x)", table().iloc[:3], {"family": "lognormal"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_end(name: str) -> None:
    """Extreme counts, trials and weights end in a fit with its judgement, or in one sentence."""
    formula, frame, options = EXTREMES[name]
    with warnings.catch_warnings():
        for category in ("Convergence", "Boundary", "Separation", "Data"):
            warnings.simplefilter("ignore", getattr(mc.errors, f"{category}Warning"))
        try:
            fit = mc.glmm(formula, frame, **options)
        except MixcheckError:
            return
    assert fit.convergence.evaluations < MOST_EVALUATIONS
    assert fit.converged or fit.convergence.messages


def _counts(size: float) -> pd.DataFrame:
    """Counts of about one size, eight groups that do not differ."""
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {"y": np.resize([size, 2 * size, size + 1], 48), "x": rng.normal(size=48)}
    ).assign(g=np.repeat(np.arange(8), 6))


@pytest.mark.parametrize("family", [pytest.param("nbinom1", marks=pytest.mark.slow), "nbinom2"])
def test_large_counts_are_searched_from_their_own_dispersion(family: str) -> None:
    """Groups that do not differ: the log-likelihood of the model without them, and soon."""
    data = _counts(1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.errors.BoundaryWarning)
        fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    assert fit.converged
    assert fit.llf == pytest.approx(mc.glmm("y ~ x", data, family=family).llf, abs=1e-6)
    # One search; with its start drawn in to a dispersion of exp(2) there were several hundred.
    assert fit.convergence.evaluations < 50


@pytest.mark.parametrize(
    "family",
    ["poisson", pytest.param("nbinom1", marks=pytest.mark.slow), "nbinom2", "truncated_nbinom1"],
)
@pytest.mark.parametrize("hessian", ["observed", pytest.param("expected", marks=pytest.mark.slow)])
def test_a_search_ends_where_rounding_hides_the_deviance(family: str, hessian: str) -> None:
    """Log y! of counts of 1e12 rounds at 0.004: no search goes on below what that hides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        fit = mc.glmm("y ~ x + (1 | g)", _counts(1e12), family=family, hessian=hessian)
    # There were 550 to 1100.
    assert fit.convergence.evaluations < 200
    # log(4/3 * 1e12): the mean of a third of 2e12 and two thirds of 1e12, at the mean of x.
    assert fit.params["Intercept"] == pytest.approx(np.log(4e12 / 3.0), abs=0.1)


@pytest.mark.parametrize("family", ["poisson", "nbinom1", "nbinom2", "truncated_poisson"])
@pytest.mark.parametrize("hessian", ["observed", "expected"])
def test_counts_whose_likelihood_is_rounding_are_refused(family: str, hessian: str) -> None:
    """With counts of 1e15 the log-likelihood is known to tens at best."""
    with pytest.raises(DesignError, match=r"up to 2e\+15, that their log-likelihood is known to"):
        mc.glmm("y ~ x + (1 | g)", _counts(1e15), family=family, hessian=hessian)


@pytest.mark.parametrize("options", [{}, {"zi": "1"}], ids=["plain", "zi"])
def test_trials_whose_likelihood_is_rounding_are_refused(options: dict[str, Any]) -> None:
    """One row of 1e15 trials: sums of ``m log m`` take each other away, and leave no digit."""
    data = pd.DataFrame({"k": np.resize([1, 4, 2, 6], 48), "m": np.resize([8.0, 9.0, 7.0], 48)})
    data = data.assign(g=np.repeat(np.arange(8), 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        mc.glmm("k / m ~ 1 + (1 | g)", data, family="betabinomial", **options)
    data.loc[3, "m"] = 1e15
    with pytest.raises(DesignError, match=r"numbers of trials are so large, up to 1e\+15"):
        mc.glmm("k / m ~ 1 + (1 | g)", data, family="betabinomial", **options)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + z + (x || g)", {"family": "nbinom2", "reml": True}),
        ("y ~ x + (x | g)", {"family": "poisson", "method": "profiled"}),
        ("u ~ x + (1 | g)", {"family": "gamma", "reml": True}),
        ("u ~ x + (1 | g)", {"family": "beta", "method": "profiled"}),
    ],
)
@pytest.mark.parametrize("size", [1e300, 1e160, -1e200])
def test_a_predictor_whose_square_is_infinite(
    formula: str, options: dict[str, Any], size: float
) -> None:
    """One value of a predictor near the largest number: one sentence of ours, or a fit."""
    data = table().assign(z=np.linspace(1.0, 2.0, 40))
    data.loc[3, "x"] = size
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        with pytest.raises(MixcheckError, match=r"large|rescale|Rescale|finite"):
            mc.glmm(formula, data, **options)


@pytest.mark.parametrize("size", [1e160, 1e300])
@pytest.mark.parametrize("random", ["(1 | g)", "(x | g)"])
@pytest.mark.parametrize("nodes", ["auto", 5])
def test_quadrature_of_a_response_whose_square_is_infinite(
    size: float, random: str, nodes: Any
) -> None:
    """Settling the nodes gives one sentence, or the fit, and no warning of NumPy."""
    data = table().assign(r=lambda d: d["u"] * size)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        try:
            fit = mc.glmm(f"r ~ x + {random}", data, method="agq", nodes=nodes)
        except MixcheckError as error:
            assert "finite" in str(error) or "large" in str(error)  # noqa: PT017
        else:
            small = mc.glmm(f"u ~ x + {random}", data, method="agq", nodes=nodes)
            expected = small.params["x"] * size
            assert fit.params["x"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "random",
    [
        pytest.param("(x | g)", marks=pytest.mark.slow),
        "(x || g)",
        "(0 + x | g)",
        pytest.param("(I(2 * x + 1) | g)", marks=pytest.mark.slow),
        "(1 | h) + (x | g)",
    ],
)
@pytest.mark.parametrize("reml", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shuffled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_response_that_is_its_own_random_slope(random: str, reml: bool, shuffled: bool) -> None:
    """Random slopes in the response leave no residual, in any order of the rows."""
    data = table().assign(h=np.arange(40) // 10)
    if shuffled:
        data = data.sample(frac=1.0, random_state=3)
    with pytest.raises(ConvergenceError, match="reproduces the responses exactly"):
        mc.glmm(f"x ~ 1 + {random}", data, reml=reml)


@pytest.mark.parametrize("unit", [1e-153, 1e-160, 1e-200, 1e-300, 5e-324])
@pytest.mark.parametrize("family", ["gaussian", "t"])
@pytest.mark.parametrize("formula", ["r ~ x + (1 | g)", "r ~ x", "r ~ x + (x | g)"])
def test_responses_whose_squares_are_zero(unit: float, family: str, formula: str) -> None:
    """A response in an all too large unit is refused at once, with what to write."""
    data = table().assign(r=lambda d: np.round(10.0 * d["u"]) * unit)
    with pytest.raises(DesignError, match=r"powers of which are zero.*multiply the response"):
        mc.glmm(formula, data, family=family)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_a_response_in_a_large_unit() -> None:
    """Above that, a Gaussian response is fitted in any unit."""
    data = table().assign(small=lambda d: d["u"] * 1e-140)
    large, small = (mc.glmm(f"{name} ~ x + (1 | g)", data) for name in ("u", "small"))
    assert small.params["x"] == pytest.approx(large.params["x"] * 1e-140, rel=1e-8)
