"""Grouping factors with their random effects, and fixed effects that stand beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.levels import Ties
from mixcheck.fitting.latent.group_sums import Summation

__all__ = ["Column", "Factor", "FixedEffects"]


@dataclass(frozen=True, eq=False)
class Column:
    """One random effect of a factor: the predictor it enters and its covariate.

    ``covariate`` is None where it is one in every row.
    """

    predictor: int
    covariate: FloatArray | None

    def rows(self, some: IntArray | slice) -> Column:
        """The same effect in some rows."""
        return Column(self.predictor, None if self.covariate is None else self.covariate[some])


@dataclass(frozen=True, eq=False)
class FixedEffects:
    """Fixed effects of the mean as latent effects ``beta = units u``, without a prior.

    Attributes
    ----------
    X : (n, p)
    units : (p, p)
        Takes the place of ``Lambda``; a root of the covariance of the estimates makes the
        standardised effects about as large as random ones.
    """

    X: FloatArray
    units: FloatArray

    @cached_property
    def constant(self) -> float:
        """What the integral over beta adds to that over u: ``p log 2 pi + 2 log |units|``."""
        p = len(self.units)
        log_volume = float(np.linalg.slogdet(self.units)[1])
        return p * math.log(2.0 * math.pi) + 2.0 * log_volume


@dataclass(frozen=True, eq=False)
class Factor:
    """A grouping factor with all its random effects, or one level with fixed effects.

    Attributes
    ----------
    sums : Summation
        Over the level of each row.
    columns : tuple of Column
        The ``q`` random effects of a level.
    fixed : FixedEffects or None
        Where the effects are fixed ones.
    ties : Ties or None
        Which levels are not independent; such levels need not have rows.
    """

    sums: Summation
    columns: tuple[Column, ...]
    fixed: FixedEffects | None = None
    ties: Ties | None = None

    @property
    def neighbours(self) -> bool:
        """Whether levels are tied to the ones before and after them alone."""
        return self.ties is not None and self.ties.neighbours

    @cached_property
    def independent(self) -> Summation:
        """Sums over the independent levels, or blocks of levels, of each row."""
        if self.ties is None:
            return self.sums
        blocks = self.ties.blocks
        return Summation(blocks[self.sums.index], int(blocks[-1]) + 1)

    @property
    def m(self) -> int:
        """Number of levels."""
        return self.sums.size

    @property
    def q(self) -> int:
        """Number of random effects of a level."""
        return len(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (q, m) of an array that holds one number per random effect."""
        return self.q, self.m

    @property
    def covariates(self) -> FloatArray:
        """Covariate of each effect, (n, q)."""
        ones = np.ones(self.sums.index.size)
        columns = [ones if c.covariate is None else c.covariate for c in self.columns]
        return np.column_stack(columns)

    def rows(self, some: IntArray) -> Factor:
        """The same effects in some rows, where every level occurs."""
        columns = tuple(column.rows(some) for column in self.columns)
        return Factor(Summation(self.sums.index[some], self.m), columns, ties=self.ties)

    def levels_of(self, some: IntArray) -> Factor:
        """The effects of the levels that occur in some rows, there; of all levels if tied."""
        if self.ties is not None:
            # Levels without rows still lie between those that have some.
            return self.rows(some)
        levels, codes = np.unique(self.sums.index[some], return_inverse=True)
        columns = tuple(column.rows(some) for column in self.columns)
        return Factor(Summation(codes.reshape(-1).astype(np.intp), levels.size), columns)
