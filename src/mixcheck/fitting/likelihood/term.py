"""One random term of a problem: its parameters, and what its structure says of the search."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.covariances import Covariance, Sequential
from mixcheck.design.levels import Dependence
from mixcheck.design.predictors import RandomBlock

__all__ = ["Term"]

# Distances at which covariances of positions in order are looked at for a start.
_LAGS = 6
# A bend whose square is less than this is none, and the least share that a covariance leaves.
_STRAIGHT = 1e-6
_LEAST = -0.9


@dataclass(frozen=True, eq=False)
class Term:
    """Where one random term of the formula lives.

    Attributes
    ----------
    block : RandomBlock
    predictor : int
    factor : int
        Its grouping factor in the latent system.
    columns : slice
        Its random effects among those of the factor.
    theta : slice
        Its parameters among all covariance parameters.
    """

    block: RandomBlock
    predictor: int
    factor: int
    columns: slice
    theta: slice

    @property
    def covariance(self) -> Covariance:
        """Structure of the covariance of its effects."""
        return self.block.covariance

    @property
    def tied(self) -> bool:
        """Whether it is a factor of its own, whose levels are not independent."""
        return self.block.ties is not None

    def units(self, theta: FloatArray) -> FloatArray:
        """``Lambda`` among its columns of the factor, (c, c)."""
        if self.tied and isinstance(self.covariance, Sequential):
            return np.full((1, 1), self.covariance.deviation(theta))
        return self.covariance.root(theta)

    def dependence(self, theta: FloatArray) -> Dependence | None:
        """A over the levels of the factor; None where they are independent."""
        if not self.tied:
            return None
        if isinstance(self.covariance, Sequential):
            return self.covariance.dependence(theta, self.block.m)
        relation = self.block.relation
        return None if relation is None else relation.dependence

    def dependence_of_block(self, theta: FloatArray) -> Dependence | None:
        """The same over the levels of one block; None where blocks are not all alike."""
        if self.tied and isinstance(self.covariance, Sequential):
            return self.covariance.dependence(theta, 1)
        return None

    def start(
        self, deviations: FloatArray, scores: FloatArray, information: FloatArray, *, bend: float
    ) -> FloatArray:
        """Theta at which a search may begin, (n_theta,).

        Parameters
        ----------
        deviations : (c,)
            Standard deviation of each effect, were they independent.
        scores, information : (c, m)
            Of the effects of each level of the factor, at zero.
        bend : float
            Curvature of the mean beside its slope, as a function of the predictor.
        """
        if isinstance(self.covariance, Sequential):
            q = self.covariance.q
            lags = _lagged(scores.reshape(-1, q), information.reshape(-1, q), bend)
            found = None if lags is None else self.covariance.start_from_lags(*lags)
            if found is not None:
                return found
        return self.covariance.start(deviations)

    def unit_steps(
        self, theta: FloatArray, spread: FloatArray, information: FloatArray
    ) -> FloatArray:
        """R, (n_theta, n_theta), that makes the information on theta about ``(R R')^-1``.

        Parameters
        ----------
        theta : (n_theta,)
        spread : (c, c)
            Approximate standard error of each entry of Lambda, as if the others were known.
        information : (c, m)
            Of the data on each effect.
        """
        if isinstance(self.covariance, Sequential):
            mean, count = float(information.mean()), information.size
            return self.covariance.steps_of_series(theta, float(spread[0, 0]), mean, count)
        return self.covariance.unit_steps(theta, spread)

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta from one in the root of its factor."""
        if self.tied:
            if isinstance(self.covariance, Sequential):
                return d_root[: self.covariance.n_theta]
            d_root = d_root.reshape(self.covariance.q, -1)
        return self.covariance.pull_back(theta, d_root[self.columns, self.columns])

    def by_level(self, effects: FloatArray) -> FloatArray:
        """Its effects by level of the grouping factor, (q, m), from those of the factor, (c, M)."""
        own = effects[self.columns]
        if isinstance(self.covariance, Sequential):
            return own.reshape(-1, self.covariance.q).T
        return own


def _lagged(
    scores: FloatArray, information: FloatArray, bend: float
) -> tuple[FloatArray, FloatArray] | None:
    """Covariances of effects that are 1, 2, .. positions apart, and their standard errors.

    With ``c = cov(b_s, b_t)`` scores at zero have the covariance ``w_s w_t (exp(a^2 c) - 1) / a^2``
    for counts with the logarithm as link, where the bend a is one, and to second order for others,
    and the variance ``w_t + w_t^2 var b_t``; None where some distance has no pair.
    """
    q = scores.shape[1]
    variances = float(np.square(scores).mean() / np.maximum(information, 1e-300).mean())
    covariances, errors = [], []
    for lag in range(1, min(_LAGS, q - 1) + 1):
        pairs = float(np.einsum("bt,bt->", information[:, lag:], information[:, :-lag]))
        if not pairs > 0.0:
            return None
        products = float(np.einsum("bt,bt->", scores[:, lag:], scores[:, :-lag]))
        covariances.append(products / pairs)
        errors.append(variances / math.sqrt(pairs))
    if not covariances:
        return None
    found, square = np.array(covariances), bend * bend
    if square > _STRAIGHT:
        found = np.log1p(np.maximum(square * found, _LEAST)) / square
    return found, np.array(errors)
