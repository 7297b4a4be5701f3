"""How the random effects at their conditional modes move with the estimates."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import change, scale
from mixcheck.fitting.likelihood.mode import Mode, predict_mode
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["differentiate_effects"]

# The modes move linearly in the step, so that it only has to be far from rounding.
_STEP = 1e-6


def differentiate_effects(
    problem: Problem, mode: Mode, psi: FloatArray, direction: FloatArray
) -> list[FloatArray]:
    """``d b = dLambda u + Lambda du`` along a direction of the parameters, (q, m) per factor.

    Parameters
    ----------
    problem : Problem
    mode : Mode
        Conditional modes at psi.
    psi : (P,)
    direction : (P,)
    """
    step = _STEP * direction
    # Only differences of the fixed effects count: at zero they are exact.
    here = psi.copy()
    here[: problem.n_beta] = 0.0
    moved, _ = predict_mode(problem, mode, here, here + step)
    changes = problem.roots((here + step)[problem.n_beta :])
    effects = (
        scale(change(after, root), u) + scale(root, v - u)
        for after, root, u, v in zip(changes, mode.roots, mode.point.u, moved, strict=True)
    )
    return [np.asarray(part / _STEP, dtype=np.float64) for part in effects]
