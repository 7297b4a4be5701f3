"""Evaluations of the Laplace deviance of one scalar random effect, as general modules take them.

What :mod:`.scalar_laplace` computes, with modes in the records of :mod:`.mode`.
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.block_elimination import BlockElimination
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import Root
from mixcheck.fitting.likelihood.mode import DECREMENT, STEEP, Mode, System
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.points import DensityPoint
from mixcheck.fitting.likelihood.scalar_laplace import (
    ScalarModes,
    ScalarRows,
    differentiate_once,
    differentiate_twice,
    find_modes,
)

__all__ = ["evaluate_scalar", "scalar_hessian"]


def evaluate_scalar(
    rows: ScalarRows, psi: FloatArray, u: FloatArray, near: float, *, sloped: bool
) -> Evaluation | None:
    """Deviance, gradient and modes; None where the general search for modes must decide.

    Parameters
    ----------
    rows : ScalarRows
    psi : (P,)
    u : (m,)
        Standardised random effects to start from.
    near : float
        A decrement at which the effects are near enough to the modes.
    sloped : bool
        Whether the gradient is asked for.
    """
    ending = max(near, DECREMENT)
    modes = find_modes(rows, psi, u, ending)
    if modes is None:
        return None
    # As in `find_mode`: where rows say much of their effects, modes are sought more closely.
    steepest = -float(np.minimum.reduce(modes.density.second[0, 0])) * float(psi[-1]) ** 2
    share = STEEP / max(steepest, STEEP)
    if modes.decrement >= ending * share:
        modes = find_modes(rows, psi, modes.u, ending * share)
        if modes is None:
            return None
    mode = _mode_of(rows, modes, modes.decrement if modes.decrement >= DECREMENT * share else 0.0)
    if not sloped:
        log_det = float(np.add.reduce(np.log(modes.precision)))
        deviance = 2.0 * modes.energy + log_det - mode.left
        return Evaluation(psi, deviance, np.full(psi.size, np.nan), mode)
    once = differentiate_once(rows, modes)
    return Evaluation(psi, once.deviance, once.gradient, mode, float(once.inverse.max()))


def _mode_of(rows: ScalarRows, at: ScalarModes, left: float) -> Mode:
    """The same modes as a `Mode`."""
    latent, u = rows.problem.latent, [at.u[None]]
    point = DensityPoint(u, [at.eta], at.density, 3, at.energy, latent, u)
    gram: Gram = {(0, 0): at.information[None, None]}
    factors = BlockElimination(latent, (np.sqrt(at.precision)[None, None],), Gram(), None)
    roots: list[Root] = [np.full((1, 1), at.psi[-1])]
    return Mode(point, System(factors, gram, True), roots, 1, left)


def scalar_hessian(rows: ScalarRows, at: Evaluation) -> FloatArray:
    """Hessian of the deviance at an evaluation with modes, (P, P)."""
    mode = at.mode
    assert mode is not None
    point, information = mode.point, mode.system.gram[0, 0][0, 0]
    u, scores, sigma = point.u[0][0], point.scores[0][0], float(at.psi[-1])
    precision, left = 1.0 + sigma * sigma * information, sigma * scores - u
    modes = ScalarModes(
        at.psi,
        u,
        point.eta[0],
        point.derivatives,
        point.energy,
        scores,
        information,
        precision,
        left,
        0.0,
    )
    return differentiate_twice(rows, modes).hessian
