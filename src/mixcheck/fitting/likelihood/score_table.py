"""Where a search for the modes begins, from a table that all responses of a design share.

With a canonical link, ``l' = w (y - mu)``, a level's responses enter its score by one sum alone.
Its effect u solves ``sum_i w_i y_i d_i = F(u)``, ``F(u) = u + sum_i w_i mu_i(u) d_i``, with
``d = deta / du``. F does not depend on the responses. It rises, and is tabulated once at the
parameters of a fit; its inverse is a cubic that has the values and slopes of the table at both ends
of a cell.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 2.2.4: sufficient statistics
and canonical links.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import Root, units_of
from mixcheck.fitting.likelihood.mode import ascent, evaluate_density, whitened
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.trial_values import may_overflow

__all__ = ["REACH", "ScoreTable", "nodes_of", "tabulate_scores", "weighted"]

# The table reaches so many prior standard deviations from zero, and beyond them its ends stand.
REACH = 6.0
# It has so many nodes; fewer where levels have few rows, as it would be larger than the rows.
_NODES, _LEAST_NODES, _NODES_OF_ROW = 49, 13, 8
# Rows from which on a look at all of them takes longer than the calls of a step.
_LEAST_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """F of each level at nodes u.

    Attributes
    ----------
    roots : list of (1, 1)
    nodes : (K,)
        Standardised effects.
    values, slopes : (K, m)
        F and its derivative there.
    """

    roots: list[Root]
    nodes: FloatArray
    values: FloatArray
    slopes: FloatArray

    def modes(self, problem: Problem) -> list[FloatArray]:
        """Modes of the effects of the levels, (1, m), to the error of the cubics."""
        (total,) = whitened(problem, self.roots, {0: weighted(problem, problem.data.y)})
        return [self.effects(total[0])[None]]

    def effects(self, total: FloatArray) -> FloatArray:
        """The same, (m,), of sums ``sum_i w_i y_i d_i`` of the levels, (m,)."""
        sought = np.clip(total, self.values[0], self.values[-1])
        cell = np.clip(np.sum(self.values <= sought, axis=0) - 1, 0, self.nodes.size - 2)
        level = np.arange(sought.size)
        low, high = self.values[cell, level], self.values[cell + 1, level]
        width = high - low
        left, right = width / self.slopes[cell, level], width / self.slopes[cell + 1, level]
        x = (sought - low) / width
        step = self.nodes[1] - self.nodes[0]
        # Hermite's cubic on the unit interval, in Bernstein's form.
        rest = 1.0 - x
        moved = 3.0 * rest * x * (rest * (left / 3.0) + x * (step - right / 3.0)) + x**3 * step
        found: FloatArray = self.nodes[cell] + moved
        return found


def tabulate_scores(problem: Problem, psi: FloatArray) -> ScoreTable | None:
    """F at parameters psi, (P,).

    None where a level's score is not told by one sum, or rows are so few that nothing is saved.
    """
    nodes = nodes_of(problem)
    if nodes is None:
        return None
    latent, levels = problem.latent, problem.latent.factors[0].m
    base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
    values, slopes = np.empty((2, nodes.size, levels))
    (total,) = whitened(problem, roots, {0: weighted(problem, problem.data.y)})
    with may_overflow():
        for k, node in enumerate(nodes):
            point = evaluate_density(problem, base, roots, [np.full((1, levels), node)], 2)
            values[k] = total[0] - ascent(problem, roots, point)[0][0]
            gram = latent.gram({key: -d for key, d in point.derivatives.second.items()})
            slopes[k] = 1.0 + gram[0, 0][0, 0] * float(units_of(roots[0])[0, 0]) ** 2
    rises = np.isfinite(slopes).all() and bool((np.diff(values, axis=0) > 0.0).all())
    return ScoreTable(roots, nodes, values, slopes) if rises else None


def nodes_of(problem: Problem) -> FloatArray | None:
    """Effects at which a table is made, (K,); None where there is none, see `tabulate_scores`."""
    latent, family = problem.latent, problem.family
    scalar = len(latent.factors) == 1 and latent.factors[0].q == 1 and latent.fixed is None
    if not scalar or latent.tied or latent.iterative or latent.random_predictors != (0,):
        return None
    if family.links[0].name != family.canonical_link or problem.n < _LEAST_ROWS:
        return None
    most = int(_NODES_OF_ROW * problem.n / latent.factors[0].m)
    return np.linspace(-REACH, REACH, min(max(most, _LEAST_NODES), _NODES))


def weighted(problem: Problem, values: FloatArray) -> FloatArray:
    """Values of the rows times their weights, (n,)."""
    return values if problem.weights is None else problem.weights * values
