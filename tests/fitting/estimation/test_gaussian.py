"""Linear mixed models through cross products, against dense oracles and other programs."""

from __future__ import annotations

import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError, DesignError
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.port import port_of

# Two computations of one log-likelihood in double precision.
LLF = 1e-9
# Gradient of the log-likelihood per standard error at an optimum found by Newton's method.
STATIONARY = 1e-7
# Differences of the eighth order of a dense deviance, in standard errors.
DIFFERENCED = 1e-6
# Two orders of the same products.
ROUNDING = 1e-12
# What centring leaves of a response of 1.6e9 in double precision, in standard errors.
FAR = 1e-6


def quiet(formula: str, data: object, **options: object) -> mc.GLMM:
    """A fit that may be singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        return mc.glmm(formula, data, **options)  # type: ignore[arg-type]


def table(linear: SimpleNamespace, n: int, seed: int) -> pd.DataFrame:
    """Covariates, factors and a response with effects of random sizes, some of them zero."""
    data, rng = linear.make_table(n, seed), np.random.default_rng(seed + 100)
    sizes = rng.choice([0.0, 0.3, 1.0, 2.0], size=4)
    level = {name: rng.normal(size=n)[pd.factorize(data[name])[0]] for name in "ghs"}
    slope = rng.normal(size=n)[data["g"]]
    y = 1.0 + 0.5 * data["x"] + sizes[0] * level["g"] + sizes[1] * slope * data["x"]
    y = y + sizes[2] * level["h"] + sizes[3] * level["s"] + rng.normal(size=n)
    return data.assign(y=y, few=rng.integers(0, 4, n), precise=rng.uniform(0.2, 3.0, n))


OPTIONS: dict[str, dict[str, object]] = {
    "ml": {},
    "reml": {"reml": True},
    "weights": {"weights": "few", "precision": "precise", "offset": "w"},
}


@pytest.mark.parametrize(
    "options", ["weights", *(pytest.param(o, marks=pytest.mark.slow) for o in ("ml", "reml"))]
)
def test_law_of_the_optimum(linear: SimpleNamespace, options: str) -> None:
    """The deviance is that of the dense normal density, and the Laplace gradient is zero there."""
    for seed, (layout, formula) in enumerate(linear.layouts.items()):
        if layout == "per_row":
            continue
        fit = quiet(formula, table(linear, 90, seed), **OPTIONS[options])
        problem, psi = port_of(fit).problem, port_of(fit).optimum.psi
        dense = linear.deviance(problem, psi, restricted=fit.method.restricted)
        assert fit.llf == pytest.approx(-0.5 * dense, abs=LLF)
        if not fit.method.restricted:
            gradient = objective_of(problem, Laplace())(psi, None).gradient
            errors = np.sqrt(np.diag(port_of(fit).covariance))
            assert np.abs(0.5 * gradient * errors).max() < STATIONARY
        assert fit.convergence.converged


@pytest.mark.parametrize(
    "layout",
    ["vector", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nested", "crossed"))],
)
def test_standard_errors_are_those_of_the_dense_deviance(
    linear: SimpleNamespace, layout: str
) -> None:
    """Covariances of all estimates are the inverse of half its Hessian."""
    data = table(linear, 60, 5)
    fit = quiet(linear.layouts[layout], data, weights="few", precision="precise")
    errors = np.sqrt(np.diag(port_of(fit).covariance))
    hessian = linear.information(port_of(fit).problem, port_of(fit).optimum.psi, errors)
    expected = 2.0 * np.linalg.inv(hessian) / np.outer(errors, errors)
    np.testing.assert_allclose(
        port_of(fit).covariance / np.outer(errors, errors), expected, atol=DIFFERENCED
    )
    # Those of the fixed effects are computed without the others.
    np.testing.assert_allclose(fit.bse, errors[: len(fit.bse)], rtol=ROUNDING)


@pytest.fixture(scope="module")
def slopes() -> dict[str, np.ndarray]:
    """600 rows of 40 groups, a predictor and a response of size one."""
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(40), 15), rng.normal(size=600)
    r = 0.3 + 0.4 * x + rng.normal(0.0, 0.6, 40)[g] + rng.normal(size=600)
    return {"r": r, "x": x, "g": g, "h": np.tile(np.arange(20), 30)}


@pytest.mark.parametrize("shift", [0.0, 3e6, 1e7, 1.6e9])
def test_response_far_from_zero(slopes: dict[str, np.ndarray], shift: float) -> None:
    """lme4 1.1-31 by ML for any mean: -909.3171, a slope of .34723 with .0455889 given variances.

    ``method="profiled"`` has standard errors given the variances, as lme4.
    """
    fit = mc.glmm("r ~ x + (1 | g)", {**slopes, "r": slopes["r"] + shift}, method="profiled")
    assert fit.llf == pytest.approx(-909.3171, abs=5e-5)
    assert fit.params["x"] == pytest.approx(0.34723, abs=5e-6)
    assert fit.bse["x"] == pytest.approx(0.0455889, abs=1e-7)


@pytest.mark.parametrize("term", ["(x | g)", "(1 | g) + (1 | h)"])
@pytest.mark.parametrize("shift", [1e8, 1e10])
def test_slopes_and_crossed_factors_far_from_zero(
    slopes: dict[str, np.ndarray], term: str, shift: float
) -> None:
    """A constant added to the response moves the intercept alone."""
    here = quiet(f"r ~ x + {term}", slopes)
    there = quiet(f"r ~ x + {term}", {**slopes, "r": slopes["r"] + shift})
    # The response itself is rounded to 2e-6 at 1e10.
    assert there.llf == pytest.approx(here.llf, abs=1e-4)
    np.testing.assert_allclose(there.params["x"], here.params["x"], atol=FAR)
    np.testing.assert_allclose(there.bse, here.bse, rtol=FAR)


@pytest.mark.parametrize("factor", [1e-50, 1e-12, 1e10, 1e12, 1e50, 1e100])
@pytest.mark.parametrize("term", ["(1 | g)", "(1 | g) + (1 | h)"])
def test_unit_of_the_response(slopes: dict[str, np.ndarray], term: str, factor: float) -> None:
    """Another unit changes the log-likelihood by n log of it, and estimates by the factor."""
    here = quiet(f"r ~ x + {term}", slopes)
    there = quiet(f"r ~ x + {term}", {**slopes, "r": slopes["r"] * factor})
    assert there.llf + 600 * np.log(factor) == pytest.approx(here.llf, rel=1e-11)
    np.testing.assert_allclose(there.params / factor, here.params, rtol=1e-9)
    np.testing.assert_allclose(there.bse / factor, here.bse, rtol=1e-7)


@pytest.mark.parametrize("shift", [1e4, 1e6, 3e6])
@pytest.mark.parametrize("options", [{}, {"reml": True}])
def test_predictor_far_from_zero(
    slopes: dict[str, np.ndarray], shift: float, options: dict[str, object]
) -> None:
    """Only the intercept depends on the origin of a predictor; nothing runs to a limit."""
    here = mc.glmm("r ~ x + (1 | g)", slopes, **options)  # type: ignore[arg-type]
    moved = {**slopes, "x": slopes["x"] + shift}
    there = mc.glmm("r ~ x + (1 | g)", moved, **options)  # type: ignore[arg-type]
    assert there.llf == pytest.approx(here.llf, abs=1e-7)
    assert there.params["x"] == pytest.approx(here.params["x"], abs=1e-8)
    assert there.bse["x"] == pytest.approx(here.bse["x"], rel=1e-7)
    # At the new origin the old intercept is a prediction.
    level = there.params["Intercept"] + shift * there.params["x"]
    assert level == pytest.approx(here.params["Intercept"], abs=1e-6)
    assert not there.convergence.limits


@pytest.mark.parametrize("shift", [1e4, 1e5, 1e6])
def test_random_slope_far_from_zero(slopes: dict[str, np.ndarray], shift: float) -> None:
    """A correlated slope has the same likelihood at every origin of its predictor."""
    here = quiet("r ~ x + (x | g)", slopes)
    there = quiet("r ~ x + (x | g)", {**slopes, "x": slopes["x"] + shift})
    assert there.llf == pytest.approx(here.llf, abs=1e-7)
    assert there.variance_components["sd"][1] == pytest.approx(
        here.variance_components["sd"][1], rel=1e-3
    )
    assert there.convergence.converged


def test_everything_far_from_zero(slopes: dict[str, np.ndarray]) -> None:
    """Seconds since 1970 on both sides."""
    here = mc.glmm("r ~ x + (1 | g)", slopes)
    moved = {**slopes, "r": slopes["r"] + 1.6e9, "x": slopes["x"] + 1e6}
    there = mc.glmm("r ~ x + (1 | g)", moved)
    assert there.llf == pytest.approx(here.llf, abs=1e-5)
    np.testing.assert_allclose(there.bse["x"], here.bse["x"], rtol=FAR)
    np.testing.assert_allclose(
        there.random_effects["g"], here.random_effects["g"], atol=FAR * here.llf**2
    )


@pytest.mark.parametrize("noise", [1e-2, 1e-5, 1e-8])
def test_groups_that_explain_nearly_all(noise: float) -> None:
    """Small residuals are not mistaken for none: their deviation is that of least squares."""
    rng = np.random.default_rng(1)
    g, x, e = rng.integers(0, 20, 200), rng.normal(size=200), rng.normal(size=200)
    y = 2.0 * x + rng.normal(size=20)[g] + noise * e
    fit = mc.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})
    # Groups all but fixed: the residual degrees of freedom are those of the rows within groups,
    # of which the slope costs one and maximum likelihood does not take it off.
    within = np.column_stack([np.equal.outer(g, np.arange(20)), x])
    rest = y - within @ np.linalg.lstsq(within, y, rcond=None)[0]
    assert fit.dispersion == pytest.approx(np.sqrt(rest @ rest / 180), rel=2.0 * noise + 1e-7)
    assert fit.convergence.converged


EXACT = {
    "one": ("is constant", "y ~ x + (1 | g)"),
    "two_x": ("fixed effects", "y ~ x + (1 | g)"),
    "level": ("random effects", "y ~ x + (1 | g)"),
    "both": ("random effects", "y ~ x + (1 | g)"),
    "sum": ("random effects", "y ~ x + (1 | g) + (1 | h)"),
    "line": ("random effects", "y ~ x + (x | g)"),
    "big": ("is constant", "y ~ x"),
}


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("response", EXACT)
def test_exact_responses(response: str, reml: bool) -> None:
    """A response that is reproduced exactly is one sentence that says by what."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(8), 5), rng.normal(size=40)
    h, a, b = np.tile(np.arange(5), 8), rng.normal(size=8), rng.normal(size=8)
    y = {
        "one": np.ones(40),
        "two_x": 2.0 * x,
        "level": a[g],
        "both": 2.0 * x + a[g],
        "sum": a[g] + b[h],
        "line": a[g] + b[g] * x,
        "big": np.full(40, 1.6e9),
    }[response]
    words, formula = EXACT[response]
    with pytest.raises(ConvergenceError, match="reproduces the responses exactly") as caught:
        mc.glmm(formula, {"y": y, "x": x, "g": g, "h": h}, reml=reml)
    assert words in str(caught.value)


def test_too_little_left_over() -> None:
    """With several factors a millionth of the deviation is not told from rounding, and said so."""
    rng = np.random.default_rng(1)
    g, h = rng.integers(0, 20, 200), rng.integers(0, 10, 200)
    y = rng.normal(size=20)[g] + rng.normal(size=10)[h] + 1e-8 * rng.normal(size=200)
    with pytest.raises(ConvergenceError, match="too little to be told from rounding"):
        mc.glmm("y ~ 1 + (1 | g) + (1 | h)", {"y": y, "g": g, "h": h})


@pytest.mark.parametrize("option", ["weights", "precision"])
def test_one_enormous_weight(linear: SimpleNamespace, option: str) -> None:
    """One row of weight 1e9 among 40: the deviance is that of the dense density, and stationary."""
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(8), 5), rng.normal(size=40)
    data = {"y": x + rng.normal(size=8)[g] + rng.normal(size=40), "x": x, "g": g}
    weights = np.where(np.arange(40) == 3, 1e9, 1.0)
    fit = quiet("y ~ x + (1 | g)", {**data, "w": weights}, **{option: "w"})
    dense = linear.deviance(port_of(fit).problem, port_of(fit).optimum.psi)
    assert fit.llf == pytest.approx(-0.5 * dense, rel=1e-9)
    assert fit.convergence.converged


def test_refits_follow_the_new_response(slopes: dict[str, np.ndarray]) -> None:
    """A refit is the fit of the new response, from a boundary too."""
    rng = np.random.default_rng(5)
    for formula in ("r ~ x + (x | g)", "r ~ x + (1 | g) + (1 | h)"):
        fit = quiet(formula, slopes)
        for _ in range(5):
            r = slopes["x"] + rng.normal(size=40)[slopes["g"]] + rng.normal(size=600)
            anew, again = quiet(formula, {**slopes, "r": r}), fit.refit(r)
            assert again.llf == pytest.approx(anew.llf, abs=1e-8)
            np.testing.assert_allclose(again.bse, anew.bse, rtol=1e-5)


def test_least_squares(slopes: dict[str, np.ndarray]) -> None:
    """Without random effects the estimates are those of least squares."""
    fit = mc.glmm("r ~ x", slopes)
    X = np.column_stack([np.ones(600), slopes["x"]])
    beta, square = np.linalg.lstsq(X, slopes["r"], rcond=None)[:2]
    np.testing.assert_allclose(fit.params, beta, rtol=1e-12)
    variance = float(square[0]) / 600
    errors = np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X)))
    np.testing.assert_allclose(fit.bse, errors, rtol=1e-12)
    assert fit.llf == pytest.approx(-300 * (np.log(2 * np.pi * variance) + 1), abs=LLF)


def test_pickle(slopes: dict[str, np.ndarray]) -> None:
    """A fit survives pickling before and after its standard errors are asked for."""
    for formula in ("r ~ x + (x | g)", "r ~ x + (1 | g) + (1 | h)"):
        fit = quiet(formula, slopes)
        before = pickle.loads(pickle.dumps(fit))
        np.testing.assert_array_equal(before.bse, fit.bse)
        after = pickle.loads(pickle.dumps(fit))
        np.testing.assert_array_equal(after.random_effects["g"], fit.random_effects["g"])


def test_muted_rows_may_leave_fixed_effects_unidentified() -> None:
    """Rows of weight zero that alone tell a fixed effect leave it without an estimate."""
    rng = np.random.default_rng(6)
    g, f = np.repeat(np.arange(6), 5), np.arange(30) < 3
    data = {"y": rng.normal(size=30) + rng.normal(size=6)[g], "g": g, "f": f.astype(float)}
    with pytest.warns(mc.SeparationWarning):
        fit = mc.glmm("y ~ f + (1 | g)", data, weights=np.where(f, 0.0, 1.0))
    assert np.isinf(fit.bse["f"])
    rest = {name: values[~f] for name, values in data.items()}
    assert fit.llf == pytest.approx(mc.glmm("y ~ 1 + (1 | g)", rest).llf, abs=1e-7)


def test_as_many_effects_as_rows() -> None:
    """A design in which every subject has each type once names the term to write."""
    data = {"y": np.arange(12.0) % 5, "t": list("abc") * 4, "s": np.repeat(list("wxyz"), 3)}
    with pytest.raises(DesignError, match=r"Write \(1 \| s\) in its place"):
        mc.glmm("y ~ t + (t | s)", data)


@pytest.mark.parametrize("options", [{"method": "agq"}, {"method": "agq", "nodes": 7}])
def test_quadrature_is_the_likelihood(
    slopes: dict[str, np.ndarray], options: dict[str, object]
) -> None:
    """Quadrature of a Gaussian response is exact, for any origin and unit."""
    whole = mc.glmm("r ~ x + (1 | g)", slopes)
    fit = mc.glmm("r ~ x + (1 | g)", {**slopes, "x": slopes["x"] + 1e6}, **options)  # type: ignore[arg-type]
    assert fit.llf == pytest.approx(whole.llf, abs=1e-7)
    assert fit.bse["x"] == pytest.approx(whole.bse["x"], rel=1e-7)


@pytest.mark.parametrize("reml", [False, True])
def test_pseudo_likelihood_is_the_likelihood(slopes: dict[str, np.ndarray], *, reml: bool) -> None:
    """The working response of a Gaussian model is the response, for any unit."""
    whole = mc.glmm("r ~ x + (1 | g)", slopes, method="laplace", reml=reml)
    data = {**slopes, "r": slopes["r"] * 1e10}
    fit = mc.glmm("r ~ x + (1 | g)", data, method="pql", reml=reml)
    np.testing.assert_allclose(fit.params / 1e10, whole.params, rtol=1e-9)


@pytest.mark.parametrize("term", ["(1 | g)", "(x | g)"])
@pytest.mark.parametrize(
    ("mean", "origin", "unit"), [(1.6e9, 0.0, 1.0), (0.0, 1e6, 1.0), (0.0, 0.0, 1e12)]
)
def test_what_is_computed_of_a_fit(term: str, mean: float, origin: float, unit: float) -> None:
    """The conditional AIC and leave-one-out know neither origins nor units."""
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    y = 0.4 * x + rng.normal(0.0, 0.9, 12)[g] + 0.5 * rng.normal(size=12)[g] * x
    y = y + rng.normal(size=120)
    near = quiet(f"y ~ x + {term}", {"y": y, "x": x, "g": g})
    far = quiet(f"y ~ x + {term}", {"y": (y + mean) * unit, "x": x + origin, "g": g})
    assert mc.caic(far).df == pytest.approx(mc.caic(near).df, abs=1e-4)
    moved = 120 * np.log(unit)
    assert mc.loo(far).total == pytest.approx(mc.loo(near).total - moved, abs=2e-3)
    assert mc.logo(far).total == pytest.approx(mc.logo(near).total - moved, abs=2e-3)
