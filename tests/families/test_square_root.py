"""Counts whose mean is the square of its predictor: smooth at zero, and even."""

import numpy as np
import pytest

from mixcheck.families import (
    Family,
    Hurdle,
    NegativeBinomial1,
    NegativeBinomial2,
    Poisson,
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
    ZeroInflated,
)

LEAST = [
    (Poisson("sqrt"), 0.0),
    (NegativeBinomial1("sqrt"), 0.0),
    (NegativeBinomial2("sqrt"), 0.0),
    (TruncatedPoisson("sqrt"), 1.0),
    (TruncatedNegativeBinomial1("sqrt"), 1.0),
    (TruncatedNegativeBinomial2("sqrt"), 1.0),
    (ZeroInflated(NegativeBinomial2("sqrt")), 0.0),
    (Hurdle(TruncatedPoisson("sqrt")), 1.0),
]
CERTAIN = [case for case in LEAST[:6] if case[0].name != "truncated_nbinom1"]
NEAR = np.array([0.0, 1e-300, -1e-60, 1e-30, -1e-12, 3e-6, -9.9e-5, 1.01e-4, 3e-4])


def predictors(family: Family, eta: np.ndarray) -> tuple[np.ndarray, ...]:
    """The mean's predictor, and 0.4 for the others."""
    return eta, *(np.full(eta.size, 0.4) for _ in family.predictors[1:])


@pytest.mark.parametrize(("family", "least"), LEAST, ids=lambda x: getattr(x, "name", ""))
def test_the_least_response_is_a_parabola_at_zero(family: Family, least: float) -> None:
    """Close to zero the log density is its value there and half its curvature times eta^2.

    Value, curvature and fourth derivative are those of derivatives at predictors of 0.003,
    where nothing cancels.
    """
    data = family.prepare(np.full(NEAR.size, least))
    found = family.derivatives(data, predictors(family, NEAR), 3)
    far = family.derivatives(data, predictors(family, np.full(NEAR.size, 0.003)), 3)
    fourth = far.third[0, 0, 0] / 0.003
    bend = far.second[0, 0] - 0.5 * fourth * 0.003**2
    zero = far.value - 0.5 * bend * 0.003**2 - fourth * 0.003**4 / 24.0
    np.testing.assert_allclose(found.value, zero + 0.5 * bend * NEAR**2, rtol=0.0, atol=1e-11)
    np.testing.assert_allclose(found.first[0], bend * NEAR, rtol=1e-6, atol=1e-13)
    np.testing.assert_allclose(found.second[0, 0], bend, rtol=1e-6)
    np.testing.assert_allclose(found.third[0, 0, 0], fourth * NEAR, atol=1e-5)
    for key, value in found.second.items():
        if key.count(0) == 1:
            slope = far.second[key] / 0.003
            np.testing.assert_allclose(value, slope * NEAR, rtol=1e-6, atol=5e-9)
    plain = family.log_density(data, predictors(family, NEAR))
    np.testing.assert_allclose(plain, found.value, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize(("family", "least"), LEAST, ids=lambda x: getattr(x, "name", ""))
def test_a_predictor_and_its_negative_are_one_distribution(family: Family, least: float) -> None:
    """Densities, distribution functions, moments and expected information are even."""
    eta = np.array([0.0, 1e-7, 0.3, 1.0, 2.5])
    one, other = predictors(family, eta), predictors(family, -eta)
    data = family.prepare(np.full(eta.size, least + 1.0))
    at, mirrored = family.derivatives(data, one, 3), family.derivatives(data, other, 3)
    np.testing.assert_array_equal(at.value, mirrored.value)
    np.testing.assert_allclose(at.first[0], -mirrored.first[0])
    np.testing.assert_allclose(at.second[0, 0], mirrored.second[0, 0])
    np.testing.assert_allclose(at.third[0, 0, 0], -mirrored.third[0, 0, 0])
    assert (at.value[0] == -np.inf) == (family.name != "truncated_nbinom1")
    assert np.isfinite(at.value[1:]).all()
    for moment in (family.mean, family.variance):
        np.testing.assert_allclose(moment(one), moment(other))
    for y in (least, least + 2.0):
        np.testing.assert_allclose(
            family.cdf(np.full(eta.size, y), one), family.cdf(np.full(eta.size, y), other)
        )
    for information in (family.expected(data, one)[0], family.step_information(data, one)):
        assert np.isfinite(information[0, 0]).all()
        assert (information[0, 0] > -1e-7).all()
        np.testing.assert_allclose(information[0, 0][0], information[0, 0][1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("family", "least"), CERTAIN, ids=lambda x: getattr(x, "name", ""))
def test_at_a_predictor_of_zero_the_least_response_is_certain(family: Family, least: float) -> None:
    """Draws, mean and distribution function say so."""
    eta = predictors(family, np.zeros(50))
    np.testing.assert_array_equal(family.sample(eta, None, np.random.default_rng(1)), least)
    np.testing.assert_allclose(family.mean(eta), least, atol=1e-15)
    np.testing.assert_allclose(family.cdf(np.full(50, least), eta)[1], 1.0)
    assert not family.may_leave
