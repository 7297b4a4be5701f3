"""The term of Laplace's expansion that follows the approximation."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace_series import next_term, require_series
from mixcheck.port import port_of

# The fourth derivatives are differences of the third.
DIFFERENCES = 1e-7


def crossed_counts(seed: int = 3) -> mc.GLMM:
    """Slopes in eight groups, crossed with five."""
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(0, 8, 60), rng.integers(0, 5, 60), rng.normal(size=60)
    eta = 0.3 + (0.4 + 0.5 * rng.normal(size=8)[g]) * x + 0.7 * rng.normal(size=8)[g]
    data = {"y": rng.poisson(np.exp(eta + 0.6 * rng.normal(size=5)[h])), "x": x, "g": g, "h": h}
    return mc.glmm("y ~ x + (x | g) + (1 | h)", data, family="poisson")


def test_it_is_the_sum_over_derivatives_in_the_effects() -> None:
    """Tensors of h in all effects, contracted with V = (d2h)^-1 (Shun & McCullagh 1995)."""
    fit = port_of(crossed_counts())
    problem, mode = fit.problem, fit.optimum.evaluation.mode
    blocks = []
    for factor, root in zip(problem.latent.factors, mode.roots, strict=True):
        levels = np.eye(factor.m)[factor.sums.index]
        blocks += [levels * column[:, None] for column in (factor.covariates @ root).T]
    Z, mean = np.hstack(blocks), np.exp(mode.point.eta[0])
    V = np.linalg.inv(np.einsum("n,ni,nj->ij", mean, Z, Z) + np.eye(Z.shape[1]))
    h3 = np.einsum("n,ni,nj,nk->ijk", mean, Z, Z, Z)
    h4 = np.einsum("n,ni,nj,nk,nl->ijkl", mean, Z, Z, Z, Z)
    along = np.einsum("ijk,ij->k", h3, V)
    wanted = (
        -np.einsum("ijkl,ij,kl->", h4, V, V) / 8.0
        + along @ V @ along / 8.0
        + np.einsum("ijk,lmn,il,jm,kn->", h3, h3, V, V, V, optimize=True) / 12.0
    )
    assert next_term(problem, mode) == pytest.approx(wanted, rel=DIFFERENCES)


@pytest.mark.slow
def test_what_is_left_of_one_integral_is_of_higher_order() -> None:
    """Of a group of m rows the approximation misses c and terms of the order of 1 / m^2."""
    left, psi = [], np.array([0.4, 1.0])
    for size in (4, 16):
        g = np.repeat(np.arange(12), size)
        y = (np.tile(np.arange(size), 12) < size * (g + 0.5) / 12).astype(float)
        fit = port_of(mc.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="binomial"))
        at = objective_of(fit.problem, fit.method.approximation, sloped=False)(psi, None)
        missed = float(sum(_log_integral(y[g == j], *psi) for j in range(12)) - at.llf)
        assert abs(missed) > 0.02
        left.append(abs(missed - next_term(fit.problem, at.mode)) / abs(missed))
    assert left[0] < 0.25
    assert left[1] < 0.4 * left[0]


def _log_integral(y: np.ndarray, intercept: float, sd: float):
    """Log of the integral of Bernoulli responses over a normal intercept, by mpmath."""
    ones, size = int(y.sum()), len(y)

    def density(u):
        eta = intercept + sd * u
        return mp.exp(ones * eta - size * mp.log1p(mp.exp(eta)) - u * u / 2) / mp.sqrt(2 * mp.pi)

    return mp.log(mp.quad(density, [-12, -4, -2, 0, 2, 4, 12]))


def test_linear_models_add_nothing() -> None:
    """The log density of a normal response has no third derivative."""
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, 9, 80), rng.integers(0, 7, 80)
    y = rng.normal(size=9)[g] + rng.normal(size=7)[h] + rng.normal(size=80)
    fit = port_of(mc.glmm("y ~ 1 + (1 | g) + (1 | h)", {"y": y, "g": g, "h": h}))
    at = objective_of(fit.problem, fit.method.approximation, sloped=False)(fit.optimum.psi, None)
    assert next_term(fit.problem, at.mode) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_other_parts_ties_and_sizes_are_refused() -> None:
    """The formula is that of independent effects of the mean."""
    rng = np.random.default_rng(2)
    t, g = np.tile(np.arange(8), 12), np.repeat(np.arange(12), 8)
    apart = rng.normal(size=(2, 12))[:, g]
    y = rng.poisson(np.exp(1.0 + apart[0])) * (rng.random(96) < 1.0 / (1.0 + np.exp(apart[1])))
    data = {"y": y, "t": t, "g": g}
    zero = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson", zi="~ 1 + (1 | g)")
    with pytest.raises(OptionError, match="another part than the mean"):
        require_series(port_of(zero).problem)
    tied = mc.glmm("y ~ 1 + ar1(0 + t | g)", data, family="poisson")
    with pytest.raises(OptionError, match="levels are tied"):
        require_series(port_of(tied).problem)
    many = np.arange(12_000) // 4
    data = {"y": rng.poisson(np.exp(rng.normal(size=3_000)[many])), "g": many}
    with pytest.raises(OptionError, match="3,000 random effects of 12,000 rows are more than"):
        require_series(port_of(mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")).problem)
