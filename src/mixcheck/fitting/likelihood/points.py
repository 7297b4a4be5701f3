"""Random effects at one place, and what the data say of them there.

A search for modes looks at the density of each row wherever it goes (`DensityPoint`). Where modes
have a closed form nothing needs the rows at the modes but what a user asks for later, so that their
density is found then (`NormalPoint`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from mixcheck.arrays import FloatArray
from mixcheck.families.derivatives import Derivatives
from mixcheck.fitting.latent.layout import Latent
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["DensityPoint", "NormalPoint", "Point"]


class Point(Protocol):
    """Random effects and what the data say of them."""

    @property
    def u(self) -> list[FloatArray]:
        """Standardised random effects, (q, m) per factor."""

    @property
    def eta(self) -> list[FloatArray]:
        """Each predictor, (n,)."""

    @property
    def derivatives(self) -> Derivatives:
        """Of the log density of each row in its predictors."""

    @property
    def order(self) -> int:
        """Order of the derivatives."""

    @property
    def energy(self) -> float:
        """``h(u) = -sum_i l_i + u'u / 2``."""

    @property
    def latent(self) -> Latent:
        """Which effects meet in which rows."""

    @property
    def white(self) -> list[FloatArray]:
        """The effects that have a prior, as standard normal numbers, (q, m) per factor."""

    @property
    def scores(self) -> list[FloatArray]:
        """``sum_k Z_k' l'_k``, the derivative of the log density in the effects, (q, m)."""


@dataclass(frozen=True, eq=False)
class DensityPoint:
    """A point at which the density of each row was looked at; see `Point`."""

    u: list[FloatArray]
    eta: list[FloatArray]
    derivatives: Derivatives
    order: int
    energy: float
    latent: Latent
    white: list[FloatArray]

    @property
    def scores(self) -> list[FloatArray]:
        """``sum_k Z_k' l'_k``, the sums over the rows of each level; found once."""
        found: list[FloatArray] | None = self.__dict__.get("_scores")
        if found is None:
            first = self.derivatives.first
            found = self.latent.scatter({k: first[k] for k in self.latent.random_predictors})
            # A cached property takes a lock, which costs as much as the sums of few rows.
            self.__dict__["_scores"] = found
        return found


@dataclass(frozen=True, eq=False)
class NormalPoint:
    """The modes of a normal response, whose density is looked at when it is asked for.

    Attributes
    ----------
    problem : Problem
    u, eta, energy, white, scores
        See `Point`.
    """

    problem: Problem
    u: list[FloatArray]
    eta: list[FloatArray]
    energy: float
    white: list[FloatArray]
    scores: list[FloatArray]

    @property
    def order(self) -> int:
        """Three, as at any mode."""
        return 3

    @property
    def latent(self) -> Latent:
        """That of the problem."""
        return self.problem.latent

    @cached_property
    def derivatives(self) -> Derivatives:
        """To third order."""
        return self.problem.derivatives(self.eta, self.order)
