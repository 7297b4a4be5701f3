"""A regression with normal errors of known correlation, as a regression of one row after another.

With ``y ~ N(mu, s^2 R)`` and ``R = L L'``, L lower triangular, the numbers ``L^-1 (y - mu) / s``
are independent and standard normal, and the i-th of them says where y_i stands in its distribution
given the rows before it,

    ``y_i | y_1 .. y_(i-1) ~ N(y_i - l_i e_i, s^2 l_i^2)``,  ``e = L^-1 (y - mu)``, ``l = diag L``.

References
----------
Rosenblatt (1952), Remarks on a multivariate transformation, Annals of Mathematical Statistics 23,
470-472.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from mixcheck.adapters.regression import Reading
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families import Gaussian
from mixcheck.families.responses import Observed
from mixcheck.port import LikelihoodKind

__all__ = ["Block", "CorrelatedReading", "read_correlated"]


@dataclass(frozen=True, eq=False)
class Block:
    """Rows that are correlated with each other, and with no others.

    Attributes
    ----------
    rows : (m,) int
        In the order in which one follows another.
    root : (m, m)
        Lower triangular root of their correlation matrix, or of their covariances up to a scale.
    """

    rows: IntArray
    root: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class CorrelatedReading(Reading):
    """What such a regression says of its responses; predictors are those given the rows before.

    Attributes
    ----------
    exog : (n, p)
    marginal : (n,)
        Means, whatever the other rows are.
    deviation : float
    blocks : sequence of Block
    """

    exog: FloatArray
    marginal: FloatArray
    deviation: float
    blocks: Sequence[Block]

    @property
    def designs(self) -> dict[str, FloatArray]:
        """The model matrix of the means."""
        return {**self.matrices, "mean": self.exog}

    def given(self, data: Observed) -> CorrelatedReading:
        """The same of another response."""
        own = _innovate(data.y - self.marginal, self.blocks)
        return replace(self, data=data, eta=(data.y - own, self.eta[1]))

    def fitted(self, mean: FloatArray) -> FloatArray:
        """The marginal means."""
        return self.marginal

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """One response vector, (n,)."""
        normal = rng.standard_normal(self.marginal.size)
        out = self.marginal.copy()
        for block in self.blocks:
            out[block.rows] += self.deviation * (block.root @ normal[block.rows])
        return out


def read_correlated(
    y: FloatArray,
    exog: FloatArray,
    marginal: FloatArray,
    deviation: float,
    blocks: Sequence[Block],
    offset: FloatArray,
    likelihood: LikelihoodKind = "full",
) -> CorrelatedReading:
    """Read it at a response; see `CorrelatedReading`.

    Examples
    --------
    >>> root = np.linalg.cholesky([[1.0, 0.5], [0.5, 1.0]])
    >>> y, zero = np.array([1.0, 1.0]), np.zeros(2)
    >>> one = Block(np.arange(2), root)
    >>> read_correlated(y, np.ones((2, 1)), zero, 1.0, [one], zero).eta[0]
    array([0. , 0.5])
    """
    family = Gaussian()
    diagonal = np.empty(y.size)
    for block in blocks:
        diagonal[block.rows] = np.diag(block.root)
    moved = _innovate(exog, blocks)
    p = exog.shape[1]
    own = np.ones((y.size, 1))
    reading = CorrelatedReading(
        family=family,
        eta=(marginal, np.log(deviation) + np.log(diagonal)),
        data=family.prepare(y, None),
        slopes={
            "mean": np.pad(moved, ((0, 0), (0, 1))),
            "dispersion": np.pad(own, ((0, 0), (p, 0))),
        },
        matrices={"mean": moved, "dispersion": own},
        offset=offset,
        moments=1,
        likelihood=likelihood,
        exog=exog,
        marginal=marginal,
        deviation=deviation,
        blocks=blocks,
    )
    return reading.given(reading.data)


def _innovate(values: FloatArray, blocks: Sequence[Block]) -> FloatArray:
    """``diag(L) L^-1`` times a vector or the columns of a matrix."""
    out = np.empty_like(values)
    for block in blocks:
        solved = solve_triangular(block.root, values[block.rows], lower=True, check_finite=False)
        out[block.rows] = (np.diag(block.root) * solved.T).T
    return out
