"""The fixed effects of the mean among the latent ones: REML and the profiled deviance.

The conditional modes are then those of ``(u, beta)`` together, and the outer search has
only the covariance parameters and the other predictors left. Integrated over, under a flat
prior, they give the restricted likelihood; held at their mode, an approximation of the
likelihood that needs no search over them.

References
----------
Patterson & Thompson (1971), Biometrika 58, 545-554; Harville (1974), Biometrika 61, 383-385,
for the restricted likelihood as an integral over the fixed effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.latent.elimination_order import add_fixed_effects
from mixcheck.fitting.latent.factors import FixedEffects
from mixcheck.fitting.likelihood.mode import Mode, System
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.points import DensityPoint
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Joint", "expand", "join", "root_of"]

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Joint:
    """A problem, and the same with the fixed effects of the mean among the latent ones.

    Attributes
    ----------
    alone : Problem
    problem : Problem
        Without fixed effects in its mean; its offset holds those at `centre`.
    centre : (p,)
        The latent effects are deviations from it.
    """

    alone: Problem
    problem: Problem
    centre: FloatArray

    def outer(self, psi: FloatArray) -> FloatArray:
        """All parameters without the fixed effects of the mean."""
        return psi[self.centre.size :]

    def inner(self, mode: Mode) -> FloatArray:
        """Fixed effects of the mean at a mode, ``beta_0 + U u``, (p,).

        beta_0 is the centre, U the root of their approximate covariance, and u their place among
        the latent effects.
        """
        fixed = self.problem.latent.fixed
        if fixed is None:
            return self.centre
        return self.centre + fixed.units @ mode.point.u[-1][:, 0]


def join(problem: Problem, centre: FloatArray, units: FloatArray) -> Joint:
    """Move the fixed effects of the mean to the latent effects.

    Parameters
    ----------
    problem : Problem
    centre : (p,)
        Values near which they are sought.
    units : (p, p)
        Root of an approximation of their covariance.
    """
    X = problem.X[0]
    if X.shape[1] == 0:
        return Joint(problem, problem, centre)
    joined = replace(
        problem,
        X=(X[:, :0], *problem.X[1:]),
        offsets=(problem.offsets[0] + X @ centre, *problem.offsets[1:]),
        latent=add_fixed_effects(problem.latent, FixedEffects(X, units)),
    )
    return Joint(problem, joined, centre)


def root_of(scale: FloatArray, where: slice) -> FloatArray:
    """R with ``R R' = S_w S_w'``: the root of a block of the covariance ``S S'``.

    ``V diag(c)^(1/2)`` of the eigenvectors and eigenvalues of the block.
    """
    rows = scale[where]
    values, vectors = np.linalg.eigh(rows @ rows.T)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 1e-300))
    return root


def expand(joint: Joint, optimum: Optimum, fixed_root: FloatArray) -> Optimum:
    """The optimum of a joint problem as one of all parameters.

    The covariance of the fixed effects of the mean is that given the other parameters, as
    in linear mixed models.

    Parameters
    ----------
    joint : Joint
    optimum : Optimum
    fixed_root : (p, p)
        Root of that covariance.
    """
    evaluation = optimum.evaluation
    if evaluation.mode is None:
        return optimum
    beta = joint.inner(evaluation.mode)
    psi = np.concatenate([beta, optimum.psi])
    gradient = np.concatenate([np.zeros(beta.size), evaluation.gradient])
    # The deviance is twice minus the log-likelihood.
    scale = _block_diagonal(fixed_root / np.sqrt(2.0), optimum.scale)
    hessian, curvature = optimum.hessian, optimum.whitened_hessian()
    if hessian is not None and curvature is not None:
        inverse = np.linalg.inv(fixed_root)
        hessian = _block_diagonal(2.0 * inverse.T @ inverse, hessian)
        curvature = _block_diagonal(np.eye(beta.size), curvature)
    mode = _random_mode(joint, evaluation.mode)
    whole = Evaluation(psi, evaluation.deviance, gradient, mode)
    free = optimum.free
    return replace(
        optimum,
        psi=psi,
        evaluation=whole,
        scale=scale,
        hessian=hessian,
        curvature=curvature,
        free=None if free is None else np.append(np.ones(beta.size, dtype=np.bool_), free),
    )


def _block_diagonal(first: FloatArray, second: FloatArray) -> FloatArray:
    p = first.shape[0]
    out = np.zeros((p + second.shape[0], p + second.shape[1]))
    out[:p, :p], out[p:, p:] = first, second
    return out


def _random_mode(joint: Joint, mode: Mode) -> Mode:
    """The modes of the random effects, the fixed ones held at theirs."""
    if joint.problem is joint.alone:
        return mode
    system = mode.system
    latent = joint.alone.latent
    gram = {key: system.gram[key] for key in latent.pairs}
    alone = System(system.factorization.random_part(), gram, system.observed)
    # Fixed effects among the latent ones are found by a search.
    assert isinstance(mode.point, DensityPoint)
    point = replace(mode.point, u=_without_last(mode.point.u), latent=latent)
    return Mode(point, alone, _without_last(mode.roots), mode.steps)


def _without_last(parts: Sequence[_T]) -> list[_T]:
    return list(parts[:-1])
