"""A search with some parameters held: profiles of the likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import mixcheck as mc
from mixcheck.fitting.estimation.estimate import estimate_held
from mixcheck.fitting.estimation.information import invert_curvature
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import port_of

# lme4 1.1.31: glmer(cbind(incidence, size - incidence) ~ period + (1 | herd)), one parameter held
# and its devfun minimised over the others; validation/fitting/profile.R.
BY_DEVIATION = {
    0.2: (193.08802304, [-1.28607886, -1.12392113, -1.25607907, -1.72862075]),
    0.5: (184.80861750, [-1.36379112, -1.02143216, -1.15663104, -1.61289141]),
    0.9: (185.57448578, [-1.44441409, -0.96136730, -1.09915449, -1.54569813]),
    1.5: (193.23085121, [-1.49650952, -0.93378208, -1.07307194, -1.51460832]),
}
BY_SLOPE = {
    -2.5: (187.88830783, [0.62278004, -1.30447457, -1.09378147, -1.22885880]),
    -1.5: (184.08842932, [0.64498065, -1.41023935, -0.97977058, -1.11627580]),
    -0.5: (191.79959568, [0.70145121, -1.61813897, -0.75865841, -0.89842833]),
}
# Printed to 8 decimals, by a search without a gradient.
DEVIANCE, ESTIMATE = 1e-6, 1e-4


def held(fit: mc.GLMM, place: int, value: float, size: float = 1.0) -> Optimum:
    """The maximum with one parameter held."""
    start, free = (
        port_of(fit).optimum.psi.copy(),
        np.ones(port_of(fit).optimum.psi.size, dtype=np.bool_),
    )
    start[place], free[place] = value, False
    return estimate_held(port_of(fit).problem, start, size * port_of(fit)._root, fit.method, free)


@pytest.mark.parametrize("deviation", BY_DEVIATION)
def test_profile_of_a_deviation(cbpp, deviation):
    """The profile of a standard deviation is lme4's."""
    found, (deviance, beta) = held(cbpp, 4, deviation), BY_DEVIATION[deviation]
    assert found.evaluation.deviance == pytest.approx(deviance, abs=DEVIANCE)
    np.testing.assert_allclose(found.psi[:4], beta, atol=ESTIMATE)
    assert found.psi[4] == deviation


@pytest.mark.parametrize("slope", BY_SLOPE)
def test_profile_of_a_coefficient(cbpp, slope):
    """The profile of a fixed effect is lme4's."""
    found, (deviance, rest) = held(cbpp, 3, slope), BY_SLOPE[slope]
    assert found.evaluation.deviance == pytest.approx(deviance, abs=DEVIANCE)
    np.testing.assert_allclose(np.abs(found.psi[[4, 0, 1, 2]]), np.abs(rest), atol=ESTIMATE)
    assert found.psi[3] == slope


def test_curvature_in_the_free_ones(cbpp):
    """The Hessian is that of the free parameters, and the covariance that given the others."""
    found = held(cbpp, 3, -1.5)
    assert list(np.flatnonzero(~found.free)) == [3]
    assert found.gradient < 1e-6
    assert not found.hessian[3].any()
    objective, step = objective_of(port_of(cbpp).problem, cbpp.method), 1e-4
    wanted = np.empty((5, 5))
    for j, e in enumerate(step * np.eye(5)):
        ahead, behind = (objective(found.psi + side * e, found.evaluation) for side in (1, -1))
        wanted[j] = (ahead.gradient - behind.gradient) / (2.0 * step)
    free = np.ix_(found.free, found.free)
    np.testing.assert_allclose(found.hessian[free], wanted[free], rtol=1e-4, atol=1e-4)
    covariance = invert_curvature(found.whitened_hessian(), found.searched)
    np.testing.assert_allclose(covariance[free], 2.0 * np.linalg.inv(wanted[free]), rtol=1e-3)
    assert not covariance[3].any()


def test_all_held_and_none(cbpp):
    """With nothing free it is an evaluation; with everything free the fit."""
    start, root = port_of(cbpp).optimum.psi + 0.1, port_of(cbpp)._root
    none, every = (np.full(start.size, kind) for kind in (False, True))
    at = estimate_held(port_of(cbpp).problem, start, root, cbpp.method, none)
    wanted = objective_of(port_of(cbpp).problem, cbpp.method)(start, None).deviance
    assert at.evaluation.deviance == pytest.approx(wanted, abs=1e-9)
    whole = estimate_held(port_of(cbpp).problem, start, root, cbpp.method, every)
    assert whole.evaluation.deviance == pytest.approx(-2.0 * cbpp.llf, abs=1e-9)


@pytest.mark.parametrize("reml", [False, True])
def test_linear_mixed_model(sleepstudy, reml):
    """Profiles of the likelihood and the restricted likelihood are those of dense matrices."""
    data = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", data, reml=reml)
    y, group = data["Reaction"].to_numpy(), data["Subject"].to_numpy()
    X = np.column_stack([np.ones(y.size), data["Days"]])
    same = (group[:, None] == group).astype(float)

    def deviance(log_sd: float) -> float:
        V = 20.0**2 * same + np.exp(2.0 * log_sd) * np.eye(y.size)
        inner = X.T @ np.linalg.solve(V, X)
        r = y - X @ np.linalg.solve(inner, X.T @ np.linalg.solve(V, y))
        value = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)
        if reml:
            value += np.linalg.slogdet(inner)[1]
        return float(value + (y.size - 2 * reml) * np.log(2.0 * np.pi))

    wanted = minimize_scalar(deviance, bracket=(3.0, 4.0), tol=1e-10)
    found = held(fit, 3, 20.0)
    assert found.evaluation.deviance == pytest.approx(wanted.fun, abs=DEVIANCE)
    assert found.psi[2] == pytest.approx(wanted.x, abs=ESTIMATE)


def test_fixed_effects_that_are_latent():
    """What is found together with the random effects cannot be held, in one sentence."""
    data = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    fit = mc.glmm(formula, data, family="binomial", method="profiled")
    with pytest.raises(mc.OptionError, match="so that none can be held"):
        held(fit, 1, 0.0)
    at = held(fit, 4, port_of(fit).optimum.psi[4])
    assert at.evaluation.deviance == pytest.approx(-2.0 * fit.llf, abs=1e-8)
