"""The distribution function of the beta-binomial against exact sums, in both tails."""

from __future__ import annotations

import time

import mpmath
import numpy as np
import pytest

from mixcheck.families import BetaBinomial
from mixcheck.families import beta_binomial_cdf as module
from mixcheck.families.beta_binomial_cdf import cumulate

# Rounding in a few thousand factors, and in incomplete beta functions of large shapes.
TOLERANCE = 1e-11


def _exact(k: int, m: int, a: float, b: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Probability of k, and of less than k, with 40 digits."""
    with mpmath.workdps(40):
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        logs = [mpmath.loggamma(x) for x in (m + 1, k + a, m - k + b, a + b)]
        less = [mpmath.loggamma(x) for x in (k + 1, m - k + 1, m + a + b, a, b)]
        term = mass = mpmath.exp(sum(logs) - sum(less))
        total = mpmath.mpf(0)
        for j in range(k, 0, -1):
            term = term * j * (m - j + b) / ((m - j + 1) * (j - 1 + a))
            total += term
            if a >= 1 and term < total * mpmath.mpf(10) ** -30:
                break
        return mass, total


def _cases(number: int):
    rng = np.random.default_rng(0)
    for _ in range(number):
        m = int(10 ** rng.uniform(0.5, 5))
        phi = 10 ** rng.uniform(-1, 14)
        mu = float(rng.choice([0.5, 0.1, 0.01, 0.9, 0.999, 0.3]))
        spread = np.sqrt(m * mu * (1 - mu) * (phi + m) / (phi + 1))
        k = int(np.clip(round(m * mu - abs(rng.normal()) * 4 * spread), 0, m * mu))
        yield k, m, mu * phi, (1 - mu) * phi


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
def test_tails_to_eleven_digits(turned):
    """Sixty random cases, up to 1e5 trials and precisions of 1e14, seen from either end."""
    for k, m, a, b in _cases(60):
        mass, tail = _exact(k, m, a, b)
        at, shapes = (m - k, (b, a)) if turned else (k, (a, b))
        arguments = [np.array([float(x)]) for x in (at, m, *shapes, mass)]
        below, upto = (float(part.item()) for part in cumulate(*arguments))
        if turned:
            assert 1.0 - upto == pytest.approx(float(tail), abs=1e-15, rel=TOLERANCE)
        elif tail > mpmath.mpf(10) ** -290:
            assert below == pytest.approx(float(tail), rel=TOLERANCE), (k, m, a, b)
            assert upto == pytest.approx(float(tail + mass), rel=TOLERANCE)


def test_a_sum_and_an_integral_agree(monkeypatch):
    """The two ways give the same numbers where both apply."""
    rng = np.random.default_rng(1)
    n = 200
    m = np.full(n, 3000.0)
    a, b = 10 ** rng.uniform(-1, 4, (2, n))
    k = np.clip(np.floor(m * a / (a + b)), 200.0, 2800.0)
    k -= np.floor(rng.uniform(0, 100, n))
    mass = np.full(n, 1e-4)
    eta = (np.log(a / b), np.log(a + b))
    mass = BetaBinomial().probability(k, eta, m)
    sums = cumulate(k, m, a, b, mass)
    monkeypatch.setattr(module, "MOST_TERMS", 50)
    integrals = cumulate(k, m, a, b, mass)
    for one, other in zip(sums, integrals, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-16)


def test_all_probabilities_add_up():
    """F(y) is the sum of all probabilities up to y, F(y-) of those below, for every y."""
    m = np.full(31, 30.0)
    k = np.arange(31.0)
    for mean, phi in ((0.3, 0.5), (0.9, 4.0), (0.02, 300.0)):
        eta = (np.full(31, np.log(mean / (1 - mean))), np.full(31, np.log(phi)))
        masses = BetaBinomial().probability(k, eta, m)
        below, upto = BetaBinomial().cdf(k, eta, m)
        np.testing.assert_allclose(upto, np.cumsum(masses), rtol=1e-12)
        np.testing.assert_allclose(below, np.cumsum(masses) - masses, rtol=1e-12, atol=1e-16)
        outside = BetaBinomial().cdf(np.array([-1.0, 31.0, 2.5]), tuple(e[:3] for e in eta), m[:3])
        np.testing.assert_allclose(outside[0], [0.0, 1.0, upto[2]])
        np.testing.assert_allclose(outside[1], [0.0, 1.0, upto[2]])


def test_the_cost_does_not_grow_with_the_trials():
    """Two thousand rows of a hundred thousand trials take less than a second; a sum takes 25."""
    rng = np.random.default_rng(2)
    n = 2000
    m = np.full(n, 1e5)
    a, b = np.full(n, 3.7), np.full(n, 4.1)
    k = rng.binomial(100_000, rng.beta(a, b)).astype(float)
    started = time.process_time()
    below, upto = cumulate(k, m, a, b, np.full(n, 1e-6))
    # Some 0.15 s on an idle core.
    assert time.process_time() - started < 3.0
    assert abs(float(np.mean((below + upto) / 2)) - 0.5) < 0.04
