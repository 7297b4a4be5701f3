"""What the other rows say of the predictors of each row: a normal distribution, and points of it.

Given all rows the K predictors of a row are about normal around their modes, with covariance V:
their response to a score plus what the estimates add. The row's own log density has there the
slope s and the curvature -W. Without the row the covariance is ``C = (V^-1 - W)^-1`` and the
mode lies at ``-C s`` from the old one. The mean lies off the mode, for the densities of the other
rows are skew: to second order by ``-M_a v / 2``, v the adjoint of the modes in ``log det H``,
the part of the row itself taken out.

References
----------
Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), Journal of Machine Learning Research 17(103),
section 3.6; Tierney, Kass & Kadane (1989), JASA 84, 710-716, for the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families.derivatives import Derivatives
from mixcheck.fitting.influence.sensitivity import Sensitivity
from mixcheck.fitting.latent.roots import scale
from mixcheck.fitting.likelihood.adjoint import find_adjoint
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Posterior", "at_estimates", "find_posterior", "leave_out", "normal_points"]

# Nodes for each predictor: of one predictor, and of each of several.
_ALONE, _AMONG = 7, 3
# Where a row holds more of what is known of its predictors than this, the normal law without it
# is not to be trusted; it is taken to hold so much.
_MOST = 0.7


@dataclass(frozen=True, eq=False)
class Posterior:
    """The predictors of each row given all rows.

    Attributes
    ----------
    mode : (n, K)
    root : (n, K, K)
        ``V = L L'``.
    skew_shift : (n, K)
        Twice the distance of the mean below the mode, by the skewness of the densities.
    leverages : (n, K, K)
        Covariance at given estimates.
    """

    mode: FloatArray
    root: FloatArray
    skew_shift: FloatArray
    leverages: FloatArray


def find_posterior(
    problem: Problem, mode: Mode, sensitivity: Sensitivity, uncertain: IntArray | None = None
) -> Posterior:
    """The predictors of each row given all rows, to second order around the modes.

    ``V = m_a' H^-1 m_b + E C E'``, E the derivative of the predictors in the parameters and C the
    covariance of the estimates, twice the inverse Hessian of the deviance.

    Parameters
    ----------
    problem : Problem
    mode : Mode
        At the optimum.
    sensitivity : Sensitivity
        To no response in particular.
    uncertain : (k,) int, optional
        Parameters whose uncertainty is in V; all by default.
    """
    P, effects = sensitivity.hessian.shape[0], sensitivity.effects
    covariance = 2.0 * sensitivity.metric(np.arange(P))
    some = np.arange(P) if uncertain is None else uncertain
    effects = effects[:, some]
    spread = np.einsum("apn,pq,bqn->nab", effects, covariance[np.ix_(some, some)], effects)
    leverages = np.moveaxis(sensitivity.leverages, -1, 0)
    return Posterior(
        mode=np.stack(mode.point.eta, axis=-1),
        root=_root(leverages + spread),
        skew_shift=_predictors_of_adjoint(problem, mode),
        leverages=leverages,
    )


def _predictors_of_adjoint(problem: Problem, mode: Mode) -> FloatArray:
    """``M_a v`` for each predictor, (n, K)."""
    out = np.zeros((problem.n, len(problem.X)))
    if not problem.latent.factors:
        return out
    curvature = problem.observed(mode.point.derivatives)
    entries = mode.system.factorization.inverse_entries()
    v = find_adjoint(problem, mode, curvature, entries, None).v
    if v is not None:
        moved = [scale(root, part) for root, part in zip(mode.roots, v, strict=True)]
        for a, shift in enumerate(problem.latent.gather(moved, len(problem.X))):
            if shift is not None:
                out[:, a] = shift
    return out


def at_estimates(posterior: Posterior) -> tuple[FloatArray, FloatArray]:
    """``mode - M v / 2``, (n, K), and the root of ``m_a' H^-1 m_b``, (n, K, K): given all rows."""
    return posterior.mode - 0.5 * posterior.skew_shift, _root(posterior.leverages)


def _root(covariance: FloatArray) -> FloatArray:
    """``Q diag(c)^1/2`` of ``Q diag(c) Q'``, rounding below zero left out."""
    values, vectors = np.linalg.eigh(covariance)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return root


def leave_out(posterior: Posterior, own: Derivatives) -> tuple[FloatArray, FloatArray]:
    """Take what each row itself says out of the posterior of its predictors.

    ``V = L L'``, ``L'W L = U diag(c) U'``: the root is ``L U diag(1 - c)^-1/2``, c no larger than
    0.7, C its square, and the centre ``mode - C s - (I + C W) (M v - own) / 2``.

    Parameters
    ----------
    posterior : Posterior
    own : Derivatives
        Of the log density of what is left out, to third order, at the modes.

    Returns
    -------
    centre : (n, K)
    root : (n, K, K)
        Of the covariance.
    """
    K, root = posterior.mode.shape[1], posterior.root
    weight = -_matrices(own.second, K, posterior.mode.shape[0])
    values, vectors = np.linalg.eigh(np.swapaxes(root, 1, 2) @ weight @ root)
    rest = 1.0 - np.minimum(values, _MOST)
    wider = (root @ vectors) / np.sqrt(rest)[:, None, :]
    covariance = wider @ np.swapaxes(wider, 1, 2)
    own_shift = np.einsum("nab,nb->na", posterior.leverages, _own_pull(posterior.leverages, own))
    shift = posterior.skew_shift - own_shift
    # (I - V W)^-1 = I + C W takes what all rows say to what the others say.
    shift += np.einsum("nab,nbc,nc->na", covariance, weight, shift)
    step = np.einsum("nab,nb->na", covariance, np.stack(own.first, axis=-1))
    return posterior.mode - step - 0.5 * shift, wider


def _own_pull(leverages: FloatArray, own: Derivatives) -> FloatArray:
    """``t_c = -sum_ab l_abc s^ab``: what a row's own third derivatives give, (n, K)."""
    out = np.zeros(leverages.shape[:2])
    for (a, b, c), third in own.third.items():
        for x, y, z in {(a, b, c), (a, c, b), (b, c, a)}:
            out[:, z] -= (1.0 if x == y else 2.0) * third * leverages[:, x, y]
    return out


def _matrices(second: Mapping[tuple[int, int], FloatArray], K: int, n: int) -> FloatArray:
    out = np.zeros((n, K, K))
    for (a, b), values in second.items():
        out[:, a, b] = out[:, b, a] = values
    return out


def normal_points(centre: FloatArray, root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points ``centre + L z_q`` of a normal distribution of each row's predictors (Gauss-Hermite).

    Returns
    -------
    weights : (Q,)
        They sum to one.
    eta : (Q, K, n)
    """
    K = centre.shape[1]
    nodes, weights = hermegauss(_ALONE if K == 1 else _AMONG)
    z = np.array(list(product(nodes, repeat=K)))
    mass = np.array(list(product(weights / weights.sum(), repeat=K))).prod(axis=1)
    moved: FloatArray = np.einsum("nab,qb->qan", root, z)
    return mass, moved + centre.T
