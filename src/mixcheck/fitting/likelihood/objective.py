"""The objective of a search: minus twice a log-likelihood, with its gradient, at parameters psi."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.likelihood.mode import Mode

__all__ = ["Evaluation", "Objective"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Deviance at one parameter vector.

    Attributes
    ----------
    psi : (n_beta + n_theta,)
    deviance : float
        Minus twice the log-likelihood; inf where there is no mode.
    gradient : (n_beta + n_theta,)
    mode : Mode or None
    spread : float
        Largest variance of a standardised random effect by the curvature at the mode. At most
        one where the log density is concave; at a pole of the approximation it is infinite.
    """

    psi: FloatArray
    deviance: float
    gradient: FloatArray
    mode: Mode | None
    spread: float = 1.0

    @property
    def gram(self) -> Gram:
        """``Z' W Z`` at the mode."""
        assert self.mode is not None
        return self.mode.system.gram


Objective = Callable[[FloatArray, Evaluation | None], Evaluation]
