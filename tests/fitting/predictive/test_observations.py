"""Several fits see their data at once as each by itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.port import CONDITIONINGS, DataView, port_of
from mixcheck.simulation import replicate

# The same sums in another order; marginal moments, by nodes for all rows, are known to 1e-8.
ROUNDING = 1e-7
ROWS = ("response", "residuals", "fitted", "mean", "variance", "mode_mean", "mode_variance")
ROWS = (*ROWS, "estimates")


def fit_model(formula: str, family: Any, **options: Any) -> GlmmPort:
    """A port, of counts or reals in groups."""
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(12), 8), rng.normal(size=96)
    h = np.tile(np.arange(8), 12)
    b = rng.normal(size=(12, 2)) * [0.6, 0.5]
    eta = 0.8 + b[g, 0] + (0.3 + b[g, 1]) * x + 0.4 * rng.normal(size=8)[h]
    frame = pd.DataFrame({"x": x, "g": g, "h": h, "real": eta + rng.normal(size=96)})
    frame["count"] = rng.poisson(np.exp(eta))
    frame["root"] = rng.poisson((2.0 + 0.5 * b[g, 0]) ** 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        port: GlmmPort = port_of(mc.glmm(formula, frame, family=family, **options))
    return port


def refit_some(port: GlmmPort, count: int = 5) -> list[Any]:
    """Refits to simulated responses."""
    return port.refit_many(port.simulate(count, seed=3).to_numpy())


def require_same(one: DataView, other: DataView) -> None:
    """Two views hold the same numbers."""
    for name in ROWS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=ROUNDING)
    assert list(one.effects) == list(other.effects)
    for name, effects in one.effects.items():
        np.testing.assert_allclose(effects, other.effects[name], rtol=ROUNDING, atol=ROUNDING)
    for part in one.scores:
        np.testing.assert_allclose(one.scores[part], other.scores[part], atol=1e-7)
    assert (one.probability is None) == (other.probability is None)
    if one.probability is not None and other.probability is not None:
        np.testing.assert_allclose(one.probability(1.0), other.probability(1.0), rtol=ROUNDING)


MODELS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "scalar": ("count ~ x + (1 | g)", "poisson", {}),
    "vector": ("count ~ x + (1 + x | g)", "nbinom2", {}),
    "crossed": ("count ~ x + (1 | g) + (1 | h)", "poisson", {}),
    "linear": ("real ~ x + (1 | g)", "gaussian", {}),
    "edge of a link": ("root ~ 1 + (1 | g)", mc.families.Poisson(link="identity"), {}),
    "tied levels": ("count ~ x + ar1(0 + h | g)", "poisson", {}),
    "no random effect": ("count ~ x", "poisson", {}),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    """A model, and refits of it."""
    formula, family, options = MODELS[request.param]
    port = fit_model(formula, family, **options)
    return port, refit_some(port)


@pytest.mark.parametrize(
    "conditioning",
    [pytest.param(c, marks=[pytest.mark.slow] if c == "marginal" else []) for c in CONDITIONINGS],
)
def test_fits_see_their_data_at_once(fitted, conditioning):
    """What many fits see together is what each sees with its stream."""
    port, fits = fitted
    rngs = [np.random.default_rng(k) for k in range(len(fits))]
    together = port.observe_many(fits, conditioning, rngs, 2)
    for k, (fit, seen) in enumerate(zip(fits, together, strict=True)):
        assert not isinstance(seen, Exception)
        rng = np.random.default_rng(k)
        for view in seen:
            require_same(view, fit.observe(conditioning, rng))


def test_what_cannot_be_seen_is_an_error_of_each():
    """Moments that are not known are an error in the place of each fit."""
    port = fit_model("count ~ x + (1 | g)", "poisson", zi="~ 1 + (1 | g)")
    fits = refit_some(port, 2)
    rngs = [np.random.default_rng(k) for k in range(2)]
    assert all(isinstance(e, OptionError) for e in port.observe_many(fits, "marginal", rngs))
    assert port.observe_many([], "marginal", []) == []


def test_refits_break_ties_as_their_fit():
    """A refit to the response of the fit sees it as the fit does: rows have the same ranks."""
    port = fit_model("count ~ x + (1 | g)", "poisson")
    again = port.refit(port.observed)
    one, other = (p.observe("mode", np.random.default_rng(1)) for p in (port, again))
    np.testing.assert_allclose(one.residuals, other.residuals, atol=1e-5)


@pytest.mark.parametrize("calibration", ["refit", "one-step"])
def test_first_replicates_are_those_of_a_longer_run(calibration):
    """A refit and what it sees depend on its number, not on how many there are beside it."""
    port = fit_model("count ~ x + (1 + x | g)", "poisson")
    few, many = (
        replicate(port, draws=draws, seed=3, calibration=calibration) for draws in (7, 180)
    )
    for one, other in zip(few.batch(range(7)), many.batch(range(110)), strict=False):
        assert not isinstance(one, Exception)
        assert not isinstance(other, Exception)
        for view, again in zip(one, other, strict=True):
            require_same(view, again)


def test_estimates_are_all_but_those_of_the_mean() -> None:
    """Coefficients of other parts, then variances: of the fit, and of each refit its own."""
    port = fit_model("count ~ x + (1 + x | g)", "nbinom2")
    rng = np.random.default_rng(1)
    psi = port.optimum.psi
    # A factor of two effects: Lambda is lower triangular.
    a, b, c = psi[3:]
    expected = [psi[2], a**2, b**2 + c**2]
    assert port.observe("posterior", rng).estimates == pytest.approx(expected, rel=1e-12)
    assert port.replicate("posterior", rng).estimates == pytest.approx(expected, rel=1e-12)
    for refit in refit_some(port, 3):
        assert refit.observe("mode", rng).estimates != pytest.approx(expected, rel=1e-3)


def test_without_draws_all_but_residuals_is_seen(fitted):
    """The view at the modes, of one fit alone and of several together."""
    port, fits = fitted
    rngs = [np.random.default_rng(k) for k in range(len(fits))]
    together = port.observe_many(fits, "posterior", rngs, 0)
    wanted = port.observe_many(fits, "mode", rngs, 1)
    for seen, at_modes, fit in zip(together, wanted, fits, strict=True):
        (view,), (other,) = seen, at_modes
        (alone,) = port.observe_many([fit], "posterior", rngs[:1], 0)[0]
        assert np.isnan(view.residuals).all()
        for name in ROWS:
            if name != "residuals":
                expected = getattr(other, name)
                np.testing.assert_allclose(getattr(view, name), expected, rtol=ROUNDING)
                np.testing.assert_allclose(getattr(alone, name), expected, rtol=ROUNDING)
        for name, effects in other.effects.items():
            np.testing.assert_allclose(view.effects[name], effects, rtol=ROUNDING, atol=ROUNDING)
        for part, scores in other.scores.items():
            np.testing.assert_allclose(view.scores[part], scores, atol=1e-7)
            np.testing.assert_allclose(alone.scores[part], scores, atol=1e-7)
        (drawn,) = port.observe_many([fit], "posterior", [np.random.default_rng(1)], 1)[0]
        for name in ("below", "mass", "scores"):
            expected = getattr(drawn.transform(), name)
            np.testing.assert_allclose(getattr(view.transform(), name), expected, atol=1e-7)
            np.testing.assert_allclose(getattr(alone.transform(), name), expected, atol=1e-7)
