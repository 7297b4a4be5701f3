"""The outer search, on functions whose minimum is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.errors import ConvergenceError
from mixcheck.families import Poisson
from mixcheck.fitting.estimation.optimize import differentiate_gradient, minimise
from mixcheck.fitting.estimation.quasi_newton import update_inverse
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.objective import Evaluation, Objective
from mixcheck.port import port_of

# The search polishes until the whitened gradient is below 1e-7.
REACHED = 1e-6
# Central differences of an exact gradient with a step of 4e-3.
HESSIAN = 1e-3
# Standard errors where the search ends at a whitened gradient of 1e-6, relative.
ERRORS = 5e-7
# Products of a few numbers near one.
ROUNDING = 1e-12

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


def objective(function: Function) -> Objective:
    """An objective without any mode."""

    def evaluate(psi: np.ndarray, nearby: Evaluation | None) -> Evaluation:
        value, gradient = function(psi)
        return Evaluation(psi, value, gradient, None)

    return evaluate


def quadratic(psi: np.ndarray) -> tuple[float, np.ndarray]:
    """A bowl with its minimum at (1, 2, 3)."""
    A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])
    d = psi - np.array([1.0, 2.0, 3.0])
    return float(0.5 * d @ A @ d), A @ d


def rosenbrock(psi: np.ndarray) -> tuple[float, np.ndarray]:
    """A curved valley with its minimum at (1, 1)."""
    x, y = psi
    gradient = np.array([-400.0 * x * (y - x**2) - 2.0 * (1.0 - x), 200.0 * (y - x**2)])
    return float(100.0 * (y - x**2) ** 2 + (1.0 - x) ** 2), gradient


def face(psi: np.ndarray) -> tuple[float, np.ndarray]:
    """Even in the second argument, a saddle on its face, minima at (0, -1) and (0, 1)."""
    x, t = psi
    return float(x**2 + (t**2 - 1.0) ** 2), np.array([2.0 * x, 4.0 * t * (t**2 - 1.0)])


def barrier(psi: np.ndarray) -> tuple[float, np.ndarray]:
    """Infinite below zero, minimum at one."""
    if psi[0] <= 0.0:
        return np.inf, np.array([np.nan])
    return float(psi[0] - np.log(psi[0])), np.array([1.0 - 1.0 / psi[0]])


@pytest.mark.parametrize("hessian", [True, False])
def test_quadratic(hessian: bool) -> None:
    """The minimum of a bowl, its Hessian and smallest eigenvalue."""
    scale = np.diag([0.5, 0.7, 1.2])
    found = minimise(objective(quadratic), np.zeros(3), scale, hessian=hessian)
    np.testing.assert_allclose(found.psi, [1.0, 2.0, 3.0], atol=REACHED)
    assert found.gradient < REACHED
    if hessian:
        A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])
        assert found.hessian is not None
        np.testing.assert_allclose(found.hessian, A, atol=HESSIAN)
        smallest = np.linalg.eigvalsh(scale @ A @ scale)[0]
        assert found.smallest_eigenvalue == pytest.approx(smallest, abs=HESSIAN)
    else:
        assert found.hessian is None
        assert np.isnan(found.smallest_eigenvalue)


def test_scale_is_no_matter_of_units() -> None:
    """A change of units with its scale gives the same path."""
    T = np.array([[1e3, 0.0, 0.0], [2.0, 1e-2, 0.0], [0.0, 0.0, 5.0]])

    def scaled(psi: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = quadratic(T @ psi)
        return value, T.T @ gradient

    one = minimise(objective(quadratic), np.zeros(3), np.eye(3))
    other = minimise(objective(scaled), np.zeros(3), np.linalg.inv(T))
    assert other.evaluations == one.evaluations
    np.testing.assert_allclose(T @ other.psi, one.psi, atol=REACHED)


def test_valley() -> None:
    """A curved valley is followed to its end."""
    found = minimise(objective(rosenbrock), np.array([-1.2, 1.0]), 0.1 * np.eye(2))
    np.testing.assert_allclose(found.psi, [1.0, 1.0], atol=REACHED)
    assert found.smallest_eigenvalue > 0.0


@pytest.mark.parametrize("start", [[0.0, 0.0], [0.5, 0.0], [0.5, 1e-9]])
def test_saddle(start: list[float]) -> None:
    """A zero gradient on a face proves nothing: the search leaves it."""
    found = minimise(objective(face), np.array(start), np.eye(2))
    np.testing.assert_allclose(np.abs(found.psi), [0.0, 1.0], atol=REACHED)
    assert found.smallest_eigenvalue > 1.0


def test_barrier() -> None:
    """Steps into an infinite region are shortened."""
    found = minimise(objective(barrier), np.array([0.05]), np.array([[10.0]]))
    assert found.psi[0] == pytest.approx(1.0, abs=REACHED)


def test_infinite_start() -> None:
    """An infinite start is handed back, for the caller to try another."""
    found = minimise(objective(barrier), np.array([-1.0]), np.eye(1))
    assert found.evaluation.deviance == np.inf
    assert found.hessian is None


def test_no_curvature() -> None:
    """A minimum at the edge of an infinite region is one clear error."""

    def edge(psi: np.ndarray) -> tuple[float, np.ndarray]:
        return (psi[0] ** 2, 2.0 * psi) if psi[0] >= 0.0 else (np.inf, np.array([np.nan]))

    with pytest.raises(ConvergenceError, match="not finite next to where the search ended"):
        minimise(objective(edge), np.array([1.0]), np.eye(1))


def test_differentiate() -> None:
    """The Hessian in the parameters, whatever the scale."""
    psi = np.array([0.4, 0.3])
    for scale in (np.eye(2), np.array([[0.3, 0.1], [0.0, 2.0]])):
        evaluation = objective(face)(psi, None)
        found = differentiate_gradient(objective(face), psi, scale, evaluation)
        wanted = np.diag([2.0, 12.0 * 0.09 - 4.0])
        np.testing.assert_allclose(found, wanted, atol=HESSIAN)


def test_updated_inverse_is_that_of_the_update():
    """BFGS by its product form, which the secant equation and symmetry follow from."""
    rng = np.random.default_rng(0)
    root, s = rng.normal(size=(4, 4)), rng.normal(size=4)
    inverse, y = root @ root.T, s + 0.1 * rng.normal(size=4)
    left = np.eye(4) - np.outer(s, y) / (s @ y)
    wanted = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    found = update_inverse(inverse, s, y)
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(found @ y, s, rtol=ROUNDING)


def test_no_update_without_positive_curvature():
    """A step along which the gradient falls leaves the inverse Hessian as it is."""
    inverse, s = np.diag([1.0, 2.0]), np.array([1.0, 0.0])
    assert update_inverse(inverse, s, -s) is inverse
    assert update_inverse(inverse, s, np.array([0.0, 1.0])) is inverse


def test_a_wall_ends_a_search() -> None:
    """Where no shorter step has a finite likelihood, the search stays there at once."""
    asked = []

    def function(psi: np.ndarray) -> tuple[float, np.ndarray]:
        asked.append(psi.copy())
        return (np.inf if psi[0] > 0.0 else float(-psi[0])), np.array([-1.0])

    end = minimise(objective(function), np.zeros(1), np.eye(1), hessian=False)
    assert end.psi[0] == 0.0
    assert len(asked) < 15


def test_a_search_stops_on_a_tail() -> None:
    """Where it is told that only a tail is left, and without the curvature."""

    def function(psi: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.exp(-psi[0])), np.array([-np.exp(-psi[0])])

    def leaves(before: Evaluation | None, at: Evaluation, scale: np.ndarray) -> bool:
        return bool(at.psi[0] > 6.0)

    end = minimise(objective(function), np.zeros(1), np.eye(1), leaves=leaves)
    assert end.on_tail
    assert end.hessian is None
    whole = minimise(objective(function), np.zeros(1), np.eye(1))
    assert not whole.on_tail
    assert whole.evaluations > 2 * end.evaluations


def test_a_search_ends_with_modes_to_rounding() -> None:
    """Far from rest the modes are asked for roughly; where it ends nothing is left of them."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 6)
    counts = rng.poisson(np.exp(0.5 + rng.normal(size=20)[group]))
    data = pd.DataFrame({"y": counts, "g": group.astype(str)})
    problem = arrange(
        build_design(parse_formula("y ~ 1 + (1 | g)"), data, ratio_is_trials=False), Poisson()
    )
    rough, asked = objective_of(problem, Laplace()), []

    def watched(psi: np.ndarray, at: Evaluation | None, near: float = 0.0) -> Evaluation:
        found = rough(psi, at, near)
        asked.append((near, found.mode.left))
        return found

    start, scale = np.array([1.5, 0.3]), 0.2 * np.eye(2)
    for hessian in (True, False):
        exact = minimise(rough, start, scale, hessian=hessian)
        asked.clear()
        end = minimise(rough, start, scale, hessian=hessian, rough=watched)
        assert max(left for _, left in asked) > 0.0
        assert all(near > 0.0 for near, _ in asked)
        assert end.evaluation.mode.left == 0.0
        np.testing.assert_allclose(end.psi, exact.psi, atol=REACHED)
        assert end.evaluation.deviance == pytest.approx(exact.evaluation.deviance, abs=1e-9)


def test_standard_errors_are_those_of_the_end_of_the_search() -> None:
    """By differences of the gradient of sixth order: the Hessian is not that of a step before."""
    cbpp = mc.datasets.load("cbpp")
    port = port_of(mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial"))
    deviance, psi = objective_of(port.problem, port.method), port.optimum.psi
    weights = {1: 45.0, 2: -9.0, 3: 1.0}

    def slope(step: np.ndarray) -> np.ndarray:
        return deviance(psi + step, None).gradient

    step = 1e-3 * np.eye(psi.size)
    hessian = np.array(
        [sum(w * (slope(k * e) - slope(-k * e)) for k, w in weights.items()) / 0.06 for e in step]
    )
    errors = np.sqrt(np.diag(2.0 * np.linalg.inv(0.5 * (hessian + hessian.T))))
    found = np.sqrt(np.diag(port.covariance))
    np.testing.assert_allclose(found, errors[: found.size], rtol=ERRORS)


def test_a_cheap_hessian_is_that_of_the_end() -> None:
    """Also where the last step goes far in standard errors, along a direction badly scaled."""

    def wall(psi: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.exp(psi[0]) - psi[0]), np.array([np.exp(psi[0]) - 1.0])

    def exact(at: Evaluation) -> np.ndarray:
        return np.array([[np.exp(at.psi[0])]])

    # A whitened gradient of 1e-6 is here a thousandth of a standard error.
    start, scale = np.array([9e-4]), np.array([[1e-3]])
    found = minimise(objective(wall), start, scale, rows=10, exact=exact)
    assert abs(found.psi[0]) < REACHED
    assert found.hessian is not None
    assert found.hessian[0, 0] == pytest.approx(1.0, abs=REACHED)
