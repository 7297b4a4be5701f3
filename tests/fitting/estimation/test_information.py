"""Uncertainty of the estimates."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation.information import (
    conditional_variances,
    find_singular,
    invert_information,
    judge_convergence,
    scaled_gradient,
)
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.port import port_of

ROUNDING = 1e-9


def test_invert() -> None:
    """Twice the inverse Hessian of the deviance, whatever the scale."""
    H = np.array([[4.0, 1.0], [1.0, 3.0]])
    for scale in (np.eye(2), np.array([[0.5, 0.2], [0.0, 0.6]])):
        found = invert_information(H, scale)
        np.testing.assert_allclose(found, 2.0 * np.linalg.inv(H), rtol=ROUNDING)


def test_flat_direction() -> None:
    """A direction without curvature contributes nothing to the others."""
    found = invert_information(np.diag([4.0, 0.0]), np.eye(2))
    np.testing.assert_allclose(found, np.diag([0.5, 0.0]), atol=ROUNDING)


@pytest.mark.parametrize("layout", ["one", "vector", "nested_vector", "nested_two_crossed"])
def test_conditional_variances(small: SimpleNamespace, layout: str) -> None:
    """The diagonal of ``Lambda H^-1 Lambda'``, by dense algebra."""
    case = small.case(layout, "poisson-log", 3)
    problem = case.problem
    roots = problem.roots(case.psi[problem.n_beta :])
    mode = find_mode(problem, problem.fixed(case.psi), roots, problem.latent.zeros())
    assert mode is not None
    dense = small.mode(case.design, case.family, case.psi)
    inverse, at, wanted = np.linalg.inv(dense.H), 0, {}
    for term in problem.terms:
        q, m = len(term.block.effects), len(term.block.levels)
        root = roots[term.factor][term.columns, term.columns]
        block = inverse[at : at + q * m, at : at + q * m].reshape(m, q, m, q)
        wanted[term.block.name] = np.array(
            [np.diag(root @ block[j, :, j, :] @ root.T) for j in range(m)]
        )
        at += q * m
    found = conditional_variances(problem, mode.system.factorization, roots)
    for term in problem.terms:
        held = found[term.factor][term.columns].T
        np.testing.assert_allclose(held, wanted[term.block.name], atol=ROUNDING)


def test_singular(small: SimpleNamespace) -> None:
    """A variance of zero and a correlation of one are singular, anything else is not."""
    case = small.case("vector", "poisson-log", 3)
    problem = case.problem
    gram = problem.latent.gram({(0, 0): np.ones(problem.n)})
    for theta, singular in (
        ([1.0, 0.5, 0.3], False),
        ([0.0, 0.0, 0.3], True),
        ([1.0, 0.5, 0.0], True),
        ([1.0, 0.5, 1e-6], True),
        ([0.05, 0.0, 0.05], False),
    ):
        found = find_singular(problem, np.array(theta), gram)
        assert found == (("(1 + x | g)",) if singular else ())


def test_singular_by_term(small: SimpleNamespace) -> None:
    """Only the terms without variance are named."""
    case = small.case("two_terms", "poisson-log", 3)
    gram = case.problem.latent.gram({(0, 0): np.ones(case.problem.n)})
    assert find_singular(case.problem, np.array([0.5, 0.0]), gram) == ("(0 + x | g)",)


def test_judgement(cbpp: mc.GLMM) -> None:
    """A large gradient, a saddle and a singular term each have their sentence and remedy."""
    optimum, covariance = port_of(cbpp).optimum, port_of(cbpp).covariance
    good = judge_convergence(optimum, covariance, ())
    assert good.converged
    assert good.messages == ()
    steep = replace(
        optimum, evaluation=replace(optimum.evaluation, gradient=np.full(optimum.psi.size, 0.1))
    )
    facts = judge_convergence(steep, covariance, ())
    assert not facts.converged
    assert "the optimum is not reached. Rescale" in facts.messages[0]
    saddle = judge_convergence(replace(optimum, smallest_eigenvalue=-0.5), covariance, ())
    assert not saddle.converged
    assert "this is a saddle" in saddle.messages[0]
    singular = judge_convergence(optimum, covariance, ("(1 | herd)",))
    assert singular.converged
    assert "(1 | herd) is singular" in singular.messages[0]


def test_scaled_gradient(cbpp: mc.GLMM) -> None:
    """Half the gradient of the deviance per standard error along axes, in any columns."""
    optimum = port_of(cbpp).optimum
    gradient = np.arange(1.0, 1.0 + optimum.psi.size)
    steep = replace(optimum, evaluation=replace(optimum.evaluation, gradient=gradient))
    found = scaled_gradient(steep, port_of(cbpp).covariance)
    # The length of the gradient in the metric of the covariance, and its largest component.
    length = 0.5 * np.sqrt(gradient @ port_of(cbpp).covariance @ gradient)
    assert length / np.sqrt(gradient.size) <= found <= length
    turn = np.eye(gradient.size)
    turn[0, 1] = 1e3
    back = np.linalg.inv(turn)
    assert optimum.hessian is not None
    other = replace(
        steep,
        evaluation=replace(optimum.evaluation, gradient=back.T @ gradient),
        scale=turn @ optimum.scale,
        hessian=back.T @ optimum.hessian @ back,
    )
    assert scaled_gradient(other, None) == pytest.approx(found, rel=1e-6)
    steep = replace(steep, hessian=None)
    assert scaled_gradient(steep, port_of(cbpp).covariance) == pytest.approx(
        0.5 * np.max(gradient * np.sqrt(np.diag(port_of(cbpp).covariance)))
    )
    assert scaled_gradient(replace(steep, gradient=3.0), None) == 1.5
