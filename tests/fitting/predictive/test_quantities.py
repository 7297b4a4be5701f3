"""Averages over random effects and their derivatives, beside mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from mixcheck import families
from mixcheck.fitting.predictive.quantities import Working, average, differentiate, quantity_of

ETA, SPREADS = (-2.0, 1.5), (0.0, 0.4, 3.0)
# Fourth power of the step, times derivatives of fifth and sixth order.
DIFFERENCES = 1e-8
Function = Callable[[Any], Any]


def _logistic(t: Any) -> Any:
    return 1 / (1 + mp.exp(-t))


def _variance(t: Any) -> Any:
    return _logistic(t) * _logistic(-t)


# Mean and its two derivatives.
MEANS: dict[str, tuple[families.Family, Function, Function, Function]] = {
    "logit": (
        families.Binomial(),
        _logistic,
        _variance,
        lambda t: _variance(t) * (1 - 2 * _logistic(t)),
    ),
    "probit": (families.Binomial("probit"), mp.ncdf, mp.npdf, lambda t: -t * mp.npdf(t)),
    "cloglog": (
        families.Binomial("cloglog"),
        lambda t: -mp.expm1(-mp.exp(t)),
        lambda t: mp.exp(t - mp.exp(t)),
        lambda t: mp.exp(t - mp.exp(t)) * (1 - mp.exp(t)),
    ),
    "log": (families.Poisson(), mp.exp, mp.exp, mp.exp),
    "sqrt": (families.Poisson("sqrt"), lambda t: t * t, lambda t: 2 * t, lambda t: mp.mpf(2)),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "log" else [pytest.mark.slow]) for name in MEANS],
)
def test_derivatives_of_an_average(name: str) -> None:
    """In the predictor ``E h'``, and in the variance of its normal part ``E h'' / 2``."""
    family, *derivatives = MEANS[name]
    quantity = quantity_of(family, "response")
    for spread in SPREADS:
        eta, variances = (np.array(ETA),), {"mean": np.full(len(ETA), spread**2)}
        values = average(quantity, eta, variances)
        rates = differentiate(quantity, eta, variances)
        found = np.stack([values, rates.in_predictor[0], 2.0 * rates.in_variance[0]])
        for t, column in zip(ETA, found.T, strict=True):
            exact = [float(_mean(h, t, spread)) for h in derivatives]
            np.testing.assert_allclose(column[0], exact[0], rtol=1e-9)
            np.testing.assert_allclose(column[1:], exact[1:], rtol=DIFFERENCES, atol=DIFFERENCES)


def _mean(h: Function, t: float, spread: float) -> Any:
    if spread == 0.0:
        return h(mp.mpf(t))
    # The normal density is 1e-22 beyond ten standard deviations.
    places = [-10, -5, -2, 0, 2, 5, 10, 15]
    return mp.quad(lambda z: h(t + spread * z) * mp.npdf(z), places)


def test_ends_of_a_working_scale() -> None:
    """Infinite places are the ends of the range, and places come back."""
    scale = Working(families.Logit(), 1.0, 5.0)
    np.testing.assert_allclose(scale.back(scale.there(np.array([1.5, 3.0]))), [1.5, 3.0])
    np.testing.assert_array_equal(scale.back(np.array([-np.inf, np.inf])), [1.0, 5.0])
    counts = Working(families.Log())
    np.testing.assert_array_equal(counts.back(np.array([-np.inf, np.inf])), [0.0, np.inf])
