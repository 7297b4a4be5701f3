"""The chain rule behind every gradient: through the modes and H to the parameters.

An approximate deviance is a function of the parameters, of the conditional modes and of
``H = I + sum_ab M_a' diag(W_ab) M_b``, where modes and weights follow the parameters. Its
gradient needs one solve beyond the factorisation of H, whatever the number of parameters: with
V its derivative in H and a that in the modes, ``s^ab_i = m_ia' V m_ib``,
``t_c = sum_ab dW_ab/d eta_c s^ab`` and ``v = H^-1 (a + sum_c M_c' t_c)``, what reaches predictor
k through both is ``t_k + sum_a l_ak M_a v``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.factorization import log_det_slopes
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import (
    covariances_of_effects,
    differentiate_product,
    prior_slopes,
    scale,
)
from mixcheck.fitting.likelihood.mode import Mode, whitened
from mixcheck.fitting.likelihood.problem import Curvature, Problem

__all__ = [
    "Adjoint",
    "Direct",
    "energy_slopes",
    "find_adjoint",
    "largest_variance",
    "pull_back",
    "pull_through",
    "rise_to_modes",
    "through_mode",
]


def largest_variance(problem: Problem, entries: Gram) -> float:
    """``max diag H^-1`` over the standardised random effects, from its blocks."""
    largest = [
        float(np.maximum.reduce(entries[f, f].diagonal(), axis=None))
        for f, factor in enumerate(problem.latent.factors)
        if factor.fixed is None
    ]
    return max(largest) if largest else 0.0


@dataclass(frozen=True, eq=False)
class Direct:
    """Derivatives of the deviance with the modes and H held.

    Attributes
    ----------
    coef : list of (n,)
        In each predictor.
    roots : list of (q, q)
        In ``Lambda`` of each factor; by level, (q, q, m), where groups are told apart.
    u : list of (q, m) or None
        In the modes; None where it is zero.
    slopes : mapping of int to (k,)
        In the parameters of the dependence of levels of some factors, through H too.
    """

    coef: list[FloatArray]
    roots: list[FloatArray]
    u: list[FloatArray] | None
    slopes: Mapping[int, FloatArray] = field(default_factory=dict)


def energy_slopes(
    mode: Mode,
    u: list[FloatArray] | None = None,
    slopes: Mapping[int, FloatArray] | None = None,
) -> Direct:
    """Derivatives of ``2 h``: ``-2 l'_k`` in each predictor and ``-2 Z'l' u'`` in Lambda.

    Those in the modes and in the parameters of dependences are as given; see `Direct`.
    """
    point = mode.point
    products = map(differentiate_product, mode.roots, point.scores, point.u)
    return Direct(
        coef=[-2.0 * part for part in point.derivatives.first],
        roots=[-2.0 * product for product in products],
        u=u,
        slopes={} if slopes is None else slopes,
    )


def pull_back(
    problem: Problem,
    psi: FloatArray,
    mode: Mode,
    curvature: Curvature,
    gram: Gram,
    entries: Gram,
    direct: Direct,
    adjoint: Adjoint | None = None,
) -> FloatArray:
    """Gradient of a function of the parameters, the modes and H, in the parameters alone.

    In the fixed effects of predictor k ``X_k' (c_k + h_k)``, c the direct derivative and h what
    reaches the predictor through H and the modes; in each Lambda the sum of both, likewise.

    Parameters
    ----------
    problem : Problem
    psi : (P,)
        The parameters.
    mode : Mode
    curvature : Curvature
        What H is made of.
    gram : Gram
        ``Z' W Z`` of that curvature.
    entries : Gram
        Derivative of the function in H on the pairs of levels that meet (``H^-1`` for
        ``log det H``).
    direct : Direct
        Its derivatives with the modes and H held.
    adjoint : Adjoint, optional
        How it moves with the modes and H, where that is known.

    Returns
    -------
    (P,)
    """
    if adjoint is None:
        adjoint = find_adjoint(problem, mode, curvature, entries, direct.u)
    rows, roots = pull_through(problem, mode, adjoint, gram, entries, direct)
    parts = [x.T.dot(row) for x, row in zip(problem.matrices, rows, strict=True)]
    if not roots:
        return np.concatenate(parts)
    for f, slope in direct.slopes.items():
        roots[f][roots[f].size - slope.size :] += slope
    if adjoint.v is not None and problem.latent.tied:
        # The gradient of h in the modes has the slope K^-1 u.
        for f, slope in prior_slopes(mode.roots, -1.0, adjoint.v, mode.point.u).items():
            roots[f][roots[f].size - slope.size :] += slope
    parts.append(problem.pull_back(psi[problem.n_beta :], roots))
    return np.concatenate(parts)


def pull_through(
    problem: Problem, mode: Mode, adjoint: Adjoint, gram: Gram, entries: Gram, direct: Direct
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Derivatives in each predictor, ``c_k + h_k``, (n,), and in each root.

    c is the derivative with the modes and H held, and h what reaches the predictor through them;
    in a root likewise.
    """
    through = through_mode(problem, mode, adjoint.t, adjoint.v)
    rows = [c if h is None else c + h for c, h in zip(direct.coef, through, strict=True)]
    if not problem.latent.factors:
        return rows, []
    d_roots = _root_derivatives(problem, mode, through, adjoint.v, gram, entries)
    return rows, [a + b for a, b in zip(direct.roots, d_roots, strict=True)]


@dataclass(frozen=True, eq=False)
class Adjoint:
    """How a function of the parameters, the modes and H moves with the last two.

    Attributes
    ----------
    leverages : mapping of (a, b), a <= b, to (n,)
        Half its derivative in each weight W_ab for a < b, and its derivative in W_aa.
    t : list of (n,) or None
        Its derivative in each predictor through W.
    v : list of (q, m) or None
        ``H^-1`` times its derivative in the modes, W included.
    """

    leverages: Mapping[tuple[int, int], FloatArray]
    t: list[FloatArray | None]
    v: list[FloatArray] | None


def find_adjoint(
    problem: Problem,
    mode: Mode,
    curvature: Curvature,
    entries: Gram,
    u_adjoint: list[FloatArray] | None,
) -> Adjoint:
    """The s, t and v of the head of this module; arguments as those of `pull_back`."""
    latent, roots = problem.latent, mode.roots
    leverages = latent.leverages(covariances_of_effects(roots, entries))
    t = _curvature_pull(leverages, curvature, len(mode.point.eta))
    return Adjoint(leverages, t, _implicit(problem, mode, t, u_adjoint))


def rise_to_modes(adjoint: Adjoint, left: Sequence[FloatArray]) -> float:
    """What a deviance rises on the last step to the modes, ``v'r``, to first order.

    With a its derivative in the effects, v is ``H^-1 a``, and the step to the modes is ``H^-1 r``.

    Parameters
    ----------
    adjoint : Adjoint
    left : list of (q, m)
        ``r = Lambda' Z' l' - u``, what is left of the gradient.
    """
    if adjoint.v is None:
        return 0.0
    return sum(float(np.vdot(v, r)) for v, r in zip(adjoint.v, left, strict=True))


def _curvature_pull(
    leverages: Mapping[tuple[int, int], FloatArray], curvature: Curvature, n_predictors: int
) -> list[FloatArray | None]:
    """``t_c = sum_ab dW_ab / d eta_c s^ab``; None where identically zero."""
    out: list[FloatArray | None] = [None] * n_predictors
    for (a, b), leverage in leverages.items():
        for c in range(n_predictors):
            slope = curvature.third.get((a, b, c))
            if slope is None:
                continue
            part = slope * leverage if a == b else 2.0 * slope * leverage
            before = out[c]
            out[c] = part if before is None else before + part
    return out


def _rows_of(problem: Problem, parts: Sequence[FloatArray | None]) -> dict[int, FloatArray]:
    """The parts of predictors that have random effects, (n,) each, None being zero."""
    return {
        k: np.zeros(problem.n) if (part := parts[k]) is None else part
        for k in problem.latent.random_predictors
    }


def _implicit(
    problem: Problem,
    mode: Mode,
    t: Sequence[FloatArray | None],
    u_adjoint: list[FloatArray] | None,
) -> list[FloatArray] | None:
    """``v = H^-1 (a + sum_c M_c' t_c)``, always with the observed H; None where zero."""
    random_predictors = problem.latent.random_predictors
    if u_adjoint is None and all(t[c] is None for c in random_predictors):
        return None
    rows = _rows_of(problem, t)
    rhs = whitened(problem, mode.roots, rows)
    if u_adjoint is not None:
        rhs = list(map(np.add, rhs, u_adjoint))
    return mode.system.factorization.solve(rhs)


def through_mode(
    problem: Problem, mode: Mode, t: Sequence[FloatArray | None], v: list[FloatArray] | None
) -> list[FloatArray | None]:
    """``t_k + sum_a l_ak M_a v``: what reaches each predictor through H and the modes."""
    out = list(t)
    if v is None:
        return out
    shifts = problem.latent.gather(list(map(scale, mode.roots, v)), len(out))
    second = mode.point.derivatives.second
    for a, shift in enumerate(shifts):
        if shift is None:
            continue
        for k, before in enumerate(out):
            weight = second.get((a, k) if a <= k else (k, a))
            if weight is not None:
                part = weight * shift
                out[k] = part if before is None else before + part
    return out


def _root_derivatives(
    problem: Problem,
    mode: Mode,
    through: Sequence[FloatArray | None],
    v: list[FloatArray] | None,
    gram: Gram,
    entries: Gram,
) -> list[FloatArray]:
    """Derivatives in the root of each factor through H and the modes.

    With h what reaches the predictors, E the derivative in H and G = Z'WZ, that in Lambda_f is
    ``Z_f' h u_f' + Z_f' l' v_f' + 2 sum_g G_fg Lambda_g E_fg'``, summed over the levels.
    """
    point, roots = mode.point, mode.roots
    outer = problem.latent.scatter(_rows_of(problem, through))
    out = log_det_slopes(gram, entries, roots)
    for f, root in enumerate(roots):
        out[f] = out[f] + differentiate_product(root, outer[f], point.u[f])
        if v is not None:
            out[f] += differentiate_product(root, point.scores[f], v[f])
    return out
