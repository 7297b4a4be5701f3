"""A chart of the parameters at which a function of them has a value.

In whitened coordinates the gradient of the function is one direction; a search goes along the
others, and what this changes of the function is taken back along that direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.features import Feature
from mixcheck.fitting.likelihood.objective import Evaluation, Objective

__all__ = ["EXACT", "IDLE", "MOST_STEPS", "Chart", "OnChart"]

# The function is held to this, relative to one.
EXACT = 1e-12
# Steps of Newton's method that come no nearer, after which there is nothing to come near to.
IDLE = 2
MOST_STEPS = 50


@dataclass(frozen=True, eq=False)
class OnChart(Evaluation):
    """A deviance with its gradient in the coordinates of a chart.

    Attributes
    ----------
    whole : Evaluation or None
        The same with the gradient in all parameters.
    """

    whole: Evaluation | None = None


@dataclass(frozen=True, eq=False)
class Chart:
    """Parameters at which a function has a value, around one of them.

    ``psi(z) = origin + N z + t(z) d``, with t such that the function is what it should be.
    """

    feature: Feature
    value: float
    origin: FloatArray
    scale: FloatArray

    @cached_property
    def _axes(self) -> tuple[FloatArray, FloatArray]:
        """The direction d of the function, (P,), and the others N, (P, P - 1): ``[d N] = S Q``.

        Q is orthogonal with its first column along ``S' grad f``, so that ``N' grad f = 0``.
        """
        along = self.scale.T @ self.feature.slope(self.origin)
        turn = np.linalg.qr(along[:, None], mode="complete")[0]
        axes = self.scale @ turn
        return axes[:, 0], axes[:, 1:]

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.origin.size - 1

    def psi(self, z: FloatArray) -> FloatArray | None:
        """``psi_0 + N z + t d`` with t such that ``f(psi) = value``; None where there is none."""
        direction, others = self._axes
        psi, least, idle = self.origin + others @ z, np.inf, 0
        for _ in range(MOST_STEPS):
            excess = self.value - self.feature.value(psi)
            if abs(excess) <= EXACT * (1.0 + abs(self.value)):
                return psi
            # Beyond what the function can be Newton's method goes to and fro.
            idle = 0 if abs(excess) < least else idle + 1
            least = min(least, abs(excess))
            if idle >= IDLE:
                break
            slope = np.float64(self.feature.slope(psi) @ direction)
            psi = psi + (excess / slope) * direction
            if not np.isfinite(psi).all():
                break
        return None

    def lift(self, at: Evaluation) -> OnChart:
        """The gradient in the coordinates: ``N'g - N'f (g'd) / (f'd)``, f that of the function."""
        others = self._axes[1]
        slope = self.feature.slope(at.psi)
        rate = self.rate(at)
        gradient = others.T @ (at.gradient - rate * slope)
        return OnChart(at.psi, at.deviance, gradient, at.mode, at.spread, at.penalty, at)

    def rate(self, at: Evaluation) -> float:
        """Derivative of the profile, the multiplier of the constraint: ``D' d / f' d``."""
        direction, _ = self._axes
        slope = np.float64(self.feature.slope(at.psi) @ direction)
        return float(at.gradient @ direction / slope)

    def objective(self, deviance: Objective, near: Evaluation) -> Objective:
        """The deviance in the coordinates."""

        def evaluate(z: FloatArray, nearby: Evaluation | None) -> Evaluation:
            psi = self.psi(z)
            if psi is None:
                return Evaluation(self.origin, np.inf, np.full(z.size, np.nan), None)
            known = nearby.whole if isinstance(nearby, OnChart) else near
            at = deviance(psi, known)
            if at.mode is None or not np.isfinite(at.deviance):
                return replace(at, gradient=np.full(z.size, np.nan))
            return self.lift(at)

        return evaluate
