"""What the rows say around an evaluation: sums over rows and levels that a search is scaled by.

Each is a sum over the rows, or a mean over the levels, so that rows which lie in parts, with the
levels of all factors within a part, say together what the parts say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.directions import scale_each, scatter_each, solve_each
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import Root
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.fitting.likelihood.mode import Mode, System, build_system
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Curvature, Problem

__all__ = ["Rows", "Surroundings", "diagonals", "information_of"]

# Standard deviations are measured as if they were at least this, per precision of a level.
_LEAST_DEVIATION = 0.03
# Numbers in one array of what rows do along several fixed effects.
_MOST_NUMBERS = 4_000_000


class Surroundings(Protocol):
    """What is asked around an evaluation that has modes."""

    def fixed_information(self, at: Evaluation) -> FloatArray:
        """Half the Hessian of the deviance in the fixed effects, about, (n_beta, n_beta).

        ``X'WX - X'WM H^-1 M'WX``, ``M = Z Lambda``, from information that is never negative, at
        the conditional modes: the observed one need not be positive away from the optimum.
        """

    def spreads(self, at: Evaluation) -> list[FloatArray]:
        """Of each term R, (k, k), such that the Hessian in its theta is about ``(R R')^-1``."""

    def kept_variance(self, at: Evaluation) -> float:
        """Mean variance of the standardised effects given the data, v.

        A step of EM leaves about ``1 - (1 - v)^2`` of the error of a variance.
        """

    def second_moments(self, at: Evaluation) -> list[FloatArray]:
        """``E[u u' | y]`` of the standardised effects of each term, the mean over levels, (q, q).

        Empty for terms whose levels are tied.
        """


@dataclass(frozen=True, eq=False)
class Rows:
    """The surroundings of an evaluation from the rows of a problem; see `Surroundings`."""

    problem: Problem

    def fixed_information(self, at: Evaluation) -> FloatArray:
        """``X'WX - X'WM H^-1 M'WX``, (n_beta, n_beta)."""
        return self._measure(at)[0]

    def _measure(self, at: Evaluation) -> tuple[FloatArray, System]:
        """That information, and the system whose information it has."""
        problem, mode = self.problem, _mode_of(at)
        second = problem.step_information(mode.point.eta)
        information = information_of(problem, second)
        if problem.penalty is not None:
            information += np.diag(problem.penalty.information(problem.beta_slices, at.psi))
        if not problem.terms:
            return information, mode.system
        system = _step_system(problem, mode, second)
        if not problem.n_beta:
            return information, system
        absorbed = _absorbed(problem, mode.roots, second, system.factorization)
        return information - absorbed, system

    def spreads(self, at: Evaluation) -> list[FloatArray]:
        """From the information of the data on the effects of each level."""
        problem, mode = self.problem, _mode_of(at)
        second = problem.step_information(mode.point.eta)
        return self._spreads(at, _step_system(problem, mode, second))

    def _spreads(self, at: Evaluation, system: System) -> list[FloatArray]:
        problem = self.problem
        levels = diagonals(problem, system.gram)
        out = []
        for term in problem.terms:
            theta = at.psi[problem.n_beta :][term.theta]
            deviations = np.abs(np.diag(term.units(theta)))
            spread = _theta_spread(deviations, levels[term.factor][term.columns])
            out.append(term.unit_steps(theta, spread, levels[term.factor][term.columns]))
        return out

    def scales(self, at: Evaluation) -> tuple[FloatArray, list[FloatArray]]:
        """`fixed_information` and `spreads` by one look at the rows."""
        information, system = self._measure(at)
        return information, self._spreads(at, system) if self.problem.terms else []

    def kept_variance(self, at: Evaluation) -> float:
        """By the diagonal of ``H^-1``."""
        mode = _mode_of(at)
        entries = mode.system.factorization.inverse_entries()
        random = [f for f, factor in enumerate(mode.point.latent.factors) if factor.fixed is None]
        found = [entries[f, f].diagonal() for f in random]
        return float(sum(d.sum() for d in found)) / sum(d.size for d in found)

    def second_moments(self, at: Evaluation) -> list[FloatArray]:
        """``u_hat u_hat'`` and the block of the level in ``H^-1``."""
        mode = _mode_of(at)
        if all(term.tied for term in self.problem.terms):
            return [np.zeros((0, 0)) for _ in self.problem.terms]
        entries = mode.system.factorization.inverse_entries()
        out = []
        for term in self.problem.terms:
            if term.tied:
                out.append(np.zeros((0, 0)))
                continue
            u = mode.point.u[term.factor][term.columns]
            spread = entries[term.factor, term.factor][term.columns, term.columns].sum(axis=2)
            out.append((u @ u.T + spread) / u.shape[1])
        return out


def _mode_of(at: Evaluation) -> Mode:
    assert at.mode is not None
    return at.mode


def information_of(problem: Problem, second: Mapping[tuple[int, int], FloatArray]) -> FloatArray:
    """``X' W X`` over all predictors, (n_beta, n_beta)."""
    out = np.zeros((problem.n_beta, problem.n_beta))
    for (a, b), weight in second.items():
        one, other = problem.beta_slices[a], problem.beta_slices[b]
        if a == b:
            out[one, one] = weighted_square(problem.matrices[a], weight)
        else:
            out[one, other] = (problem.X[a] * weight[:, None]).T @ problem.X[b]
            out[other, one] = out[one, other].T
    return out


def diagonals(problem: Problem, gram: Gram) -> list[FloatArray]:
    """``sum z^2 W`` of each level, an array (q, m) per factor."""
    return [gram[f, f].diagonal().T for f in range(len(problem.latent.factors))]


def _step_system(
    problem: Problem, mode: Mode, second: Mapping[tuple[int, int], FloatArray]
) -> System:
    """H with information that is never negative; for canonical links that of the mode."""
    observed = problem.observed(mode.point.derivatives).second
    pairs = [
        (a, b)
        for a in problem.latent.random_predictors
        for b in problem.latent.random_predictors
        if a <= b
    ]
    if all(_alike(observed.get(key), second.get(key)) for key in pairs):
        return mode.system
    system = build_system(problem, mode.roots, Curvature(second, {}), observed=False)
    return mode.system if system is None else system


def _alike(one: FloatArray | None, other: FloatArray | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool((np.abs(one - other) <= 1e-6 * np.abs(other)).all())


def _theta_spread(deviation: FloatArray, information: FloatArray) -> FloatArray:
    """Approximate standard distance of each entry of Lambda, (q, q).

    Information on s in N(0, I + s^2 w): D'' = sum (2 s w / (1 + s^2 w))^2; an entry below
    the diagonal moves the mean of one effect with another.
    """
    # At a variance of zero the information on it vanishes; a small one stands for it.
    means = np.add.reduce(information, axis=1) / information.shape[1]
    least = _LEAST_DEVIATION / np.sqrt(np.maximum(means, 1e-300))
    deviation = np.maximum(deviation, least)
    squares = deviation[:, None] ** 2
    shrunk = information / (1.0 + squares * information)
    curvature = 2.0 * shrunk @ (squares * shrunk).T
    for i, known in enumerate(deviation.tolist()):
        # At zero D is a function of s^2 with curvature sum w^2: its root has that of s.
        curvature[i, i] = 2.0 * curvature[i, i] if known else np.sqrt(np.sum(shrunk[i] ** 2))
    least = 1e-12 * max(curvature.ravel().tolist())
    spread: FloatArray = 1.0 / np.sqrt(np.maximum(curvature, max(least, 1e-312)))
    return spread


def _absorbed(
    problem: Problem,
    roots: Sequence[Root],
    second: Mapping[tuple[int, int], FloatArray],
    factors: Factorization,
) -> FloatArray:
    """``X'WM H^-1 M'WX``, (n_beta, n_beta)."""
    latent, most = problem.latent, max(1, _MOST_NUMBERS // max(problem.n, 1))
    cross: list[list[FloatArray]] = []
    for k, X in enumerate(problem.X):
        for start in range(0, X.shape[1], most):
            columns, rows = X.T[start : start + most], {}
            for a in latent.random_predictors:
                weight = second.get((a, k) if a <= k else (k, a))
                rows[a] = np.zeros(columns.shape) if weight is None else weight * columns
            cross.append(scatter_each(latent, rows))
    sums = [np.concatenate(parts, axis=1) for parts in zip(*cross, strict=True)]
    scaled = [scale_each(root.T, part) for root, part in zip(roots, sums, strict=True)]
    if latent.forest:
        solved = solve_each(nested_factors(factors), scaled)
    else:
        each = [factors.solve([part[:, j] for part in scaled]) for j in range(problem.n_beta)]
        solved = [np.stack(parts, axis=1) for parts in zip(*each, strict=True)]
    left, right = (
        np.concatenate([part.swapaxes(0, 1).reshape(problem.n_beta, -1) for part in side], axis=1)
        for side in (scaled, solved)
    )
    out: FloatArray = left @ right.T
    return out
