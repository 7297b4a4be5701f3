"""How a fit responds when one response is replaced by another, to first order.

The deviance ``D(psi)`` depends on the responses through the log density of each row alone.
Where that of row i changes by ``delta(eta)``, D changes at first by

``-2 delta - sum_ab s^ab delta_ab + sum_a delta_a (M_a v)_i``

(s the leverages in ``log det H``, v the adjoint of the modes, as in the gradient of D). Its
derivative in psi, over the Hessian, is the change of the estimates; the predictors change with
them and, at given estimates, by ``m_ia' H^-1 m_ib delta_b``. Differences over 2 P evaluations
of D with its gradient give all of it, for every row at once: no refit is made.

References
----------
The implicit function theorem; for Gaussian responses it gives Greven & Kneib (2010),
Biometrika 97, 773-789.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError
from mixcheck.execution.threads import single_thread
from mixcheck.families.responses import Observed
from mixcheck.fitting.latent.roots import covariances_of_effects, scale
from mixcheck.fitting.likelihood.approximation import Expansion, Method, objective_of
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Sensitivity", "differentiate_in_data", "row_leverages"]

# Step of the central differences, in approximate standard errors: truncation is its square.
_STEP = 1e-3
# Eigenvalues of the whitened Hessian below this are not curvature: a direction of the
# covariance parameters that leaves the covariance as it is.
_FLAT = 1e-6
# Rows of the density at several nodes that are asked for at once.
_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """First-order response of a fit to T replacements of each row's response, one at a time.

    Attributes
    ----------
    hessian : (P, P)
        Of the deviance in the parameters.
    scale : (P, P)
        Whitening of the parameters.
    effects : (K, P, n)
        Derivative of each predictor in each parameter, the modes following.
    leverages : (K, K, n)
        ``m_ia' H^-1 m_ib``, H observed: response of a predictor to a score, the parameters held.
    scores : (T, K, n)
        Change of the scores of the row itself.
    slopes : (T, P, n)
        Change of the gradient of the deviance.
    """

    hessian: FloatArray
    scale: FloatArray
    effects: FloatArray
    leverages: FloatArray
    scores: FloatArray
    slopes: FloatArray

    def metric(self, free: IntArray) -> FloatArray:
        """Inverse of the Hessian of some parameters, (f, f), without its flat directions.

        ``S U diag(1 / c) U' S'`` where ``S' D'' S = U diag(c) U'`` and S is the scale.
        """
        scale = self.scale[np.ix_(free, free)]
        values, vectors = np.linalg.eigh(scale.T @ self.hessian[np.ix_(free, free)] @ scale)
        inverse = np.where(values > _FLAT, 1.0 / np.maximum(values, _FLAT), 0.0)
        root = scale @ vectors
        metric: FloatArray = (root * inverse) @ root.T
        return metric

    def move_parameters(self, free: IntArray | None = None) -> FloatArray:
        """``-D''^-1 dD'``: changes of the parameters in `free`, others at zero, (T, P, n)."""
        places = np.arange(self.hessian.shape[0]) if free is None else free
        out = np.zeros(self.slopes.shape)
        out[:, places] = -np.einsum("pq,tqn->tpn", self.metric(places), self.slopes[:, places])
        return out

    @cached_property
    def moves(self) -> FloatArray:
        """``-D''^-1 dD'``: changes of all parameters, (T, P, n)."""
        return self.move_parameters()

    def select(self, targets: slice) -> Sensitivity:
        """The response to some of the replacements."""
        return replace(self, scores=self.scores[targets], slopes=self.slopes[targets])

    def move_predictors(self, free: IntArray | None = None) -> FloatArray:
        """``m_a' H^-1 m_b dl'_b + E dpsi``: changes of the row's own predictors, (T, K, n)."""
        direct = np.einsum("abn,tbn->tan", self.leverages, self.scores)
        moved: FloatArray = direct + np.einsum(
            "apn,tpn->tan", self.effects, self.move_parameters(free)
        )
        return moved


def differentiate_in_data(
    problem: Problem,
    method: Method,
    evaluation: Evaluation,
    scale: FloatArray,
    targets: Sequence[Observed],
) -> Sensitivity:
    """Respond to the replacement of each row's response by those of `targets`.

    The Hessian ``D''``, the effects ``deta/dpsi`` and the slopes ``dD'`` are central differences
    along the columns of the `scale` S, ``f' S``, and ``f' = (f' S) S^-1``.

    Parameters
    ----------
    problem : Problem
    method : Method
    evaluation : Evaluation
        At the optimum.
    scale : (P, P)
        Whitening of the parameters.
    targets : sequence of T Observed
        Each holds one other response for every row; a row that keeps its own does not move.

    Raises
    ------
    ConvergenceError
        If the deviance is not finite next to the optimum.
    """
    mode = _mode_of(evaluation)
    with single_thread(problem.latent.schur_size):
        columns = [
            _differentiate(problem, method, evaluation, step, targets) for step in _STEP * scale.T
        ]
    gradients, effects, slopes = (np.stack(parts, axis=-1) for parts in zip(*columns, strict=True))
    back = np.linalg.inv(scale)
    hessian = gradients @ back
    return Sensitivity(
        hessian=0.5 * (hessian + hessian.T),
        scale=scale,
        effects=np.swapaxes(effects @ back, 1, 2),
        leverages=row_leverages(problem, mode),
        scores=_score_changes(problem, mode, targets),
        slopes=np.swapaxes(slopes @ back, 1, 2),
    )


def _mode_of(evaluation: Evaluation) -> Mode:
    if evaluation.mode is None:
        raise ConvergenceError(
            "the likelihood is not finite next to the optimum, so that the response of the fit "
            "to its data has no derivative; see fit.convergence"
        )
    return evaluation.mode


def _differentiate(
    problem: Problem,
    method: Method,
    evaluation: Evaluation,
    step: FloatArray,
    targets: Sequence[Observed],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Derivatives along one step: of the gradient (P,), predictors (K, n), slopes (T, n).

    ``(f(psi + step) - f(psi - step)) / (2 h)``, h the length of the step in standard errors.
    """
    objective = objective_of(problem, method)
    ends = []
    for side in (1.0, -1.0):
        at = objective(evaluation.psi + side * step, evaluation)
        eta = np.stack(_mode_of(at).point.eta)
        ends.append((at.gradient, eta, _data_slopes(problem, method, at, targets)))
    ahead, behind = ends
    gradient, eta, slopes = ((a - b) / (2.0 * _STEP) for a, b in zip(ahead, behind, strict=True))
    return gradient, eta, slopes


def _data_slopes(
    problem: Problem, method: Method, at: Evaluation, targets: Sequence[Observed]
) -> FloatArray:
    """First change of the deviance as each row's response is replaced, (T, n).

    That of the head of this module: ``-2 delta - sum_ab s^ab delta_ab + sum_a delta_a M_a v``.
    """
    mode = _mode_of(at)
    expansion = method.approximation.expand(problem, at)
    adjoint = expansion.adjoint
    expected = sum(w * value for w, value in zip(expansion.weights, expansion.values, strict=True))
    leverages = adjoint.leverages if expansion.observed else {}
    shifts: Sequence[FloatArray | None] = []
    if adjoint.v is not None:
        moved = [scale(root, part) for root, part in zip(mode.roots, adjoint.v, strict=True)]
        shifts = problem.latent.gather(moved, len(problem.X))
    own = mode.point.derivatives
    out = np.empty((len(targets), problem.n))
    for row, target in zip(out, targets, strict=True):
        other = problem.with_data(target)
        d = other.derivatives(mode.point.eta, 2)
        alone = len(expansion.eta) == 1 and expansion.eta[0] is mode.point.eta
        gained = expansion.weights[0] * d.value if alone else _mean_value(other, expansion)
        row[:] = -2.0 * (gained - expected)
        for (a, b), leverage in leverages.items():
            if (a, b) in d.second:
                change = d.second[a, b] - own.second[a, b]
                row -= (1.0 if a == b else 2.0) * leverage * change
        for a, shift in enumerate(shifts):
            if shift is not None:
                row += shift * (d.first[a] - own.first[a])
    return out


def _mean_value(problem: Problem, expansion: Expansion) -> FloatArray:
    """``sum_q w_q l(eta_q)`` of each row over the nodes q, (n,), many nodes in one call."""
    out = np.zeros(problem.n)
    together = max(1, _ROWS // max(problem.n, 1))
    for begin in range(0, len(expansion.eta), together):
        nodes = slice(begin, begin + together)
        looks = problem.derivatives_of_each(expansion.eta[nodes], 0)
        for weight, d in zip(expansion.weights[nodes], looks, strict=True):
            out += weight * d.value
    return out


def row_leverages(problem: Problem, mode: Mode) -> FloatArray:
    """``m_ia' H^-1 m_ib`` of each row, (K, K, n): covariance of its predictors at the estimates."""
    K = len(problem.X)
    out = np.zeros((K, K, problem.n))
    if problem.latent.factors:
        entries = mode.system.factorization.inverse_entries()
        scaled = covariances_of_effects(mode.roots, entries)
        for (a, b), leverage in problem.latent.leverages(scaled).items():
            out[a, b] = out[b, a] = leverage
    return out


def _score_changes(problem: Problem, mode: Mode, targets: Sequence[Observed]) -> FloatArray:
    """``l_a'(target) - l_a'(y)`` at the modes, (T, K, n)."""
    own = np.stack(mode.point.derivatives.first)
    changed = [
        np.stack(problem.with_data(target).derivatives(mode.point.eta, 1).first) - own
        for target in targets
    ]
    return np.stack(changed) if changed else np.zeros((0, *own.shape))
