"""Covariance structures of one random term: parameters to a lower-triangular factor.

The random effects of one level are ``Lambda(theta) u`` with ``u ~ N(0, I)``, so their
covariance is ``Lambda Lambda'``. Parameters are free real numbers; a negative diagonal
gives the same covariance and is turned round by ``rectify`` when a fit is reported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal, TypeAlias, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import OptionError

__all__ = ["STRUCTURES", "Covariance", "Diagonal", "Structure", "Unstructured", "covariance_of"]

Structure: TypeAlias = Literal["us", "diag"]


class Covariance(ABC):
    """Map from parameters to the factor of the covariance of one random term.

    Parameters
    ----------
    q : int
        Number of random effects of one level.

    Attributes
    ----------
    q : int
        Number of random effects of one level.
    n_theta : int
        Number of parameters.
    diagonal : tuple of int
        Positions in theta of the diagonal of Lambda, one for each effect.

    Raises
    ------
    OptionError
        If `q` is not positive.
    """

    __slots__ = ("_columns", "_rows", "diagonal", "n_theta", "q")

    def __init__(self, q: int) -> None:
        if q < 1:
            raise OptionError(f"A random term needs at least one effect, not {q}.")
        self.q = q
        self._rows, self._columns = self._entries(q)
        self.n_theta = len(self._rows)
        self.diagonal: tuple[int, ...] = tuple(
            int(k) for k in np.flatnonzero(self._rows == self._columns)
        )

    @staticmethod
    @abstractmethod
    def _entries(q: int) -> tuple[IntArray, IntArray]:
        """Row and column in Lambda of every parameter, (n_theta,) each."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Covariance) and self.q == other.q

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.q))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.q})"

    @property
    def entries(self) -> tuple[IntArray, IntArray]:
        """Row and column in Lambda of every parameter, (n_theta,) each."""
        return self._rows, self._columns

    def factor(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q) lower triangular, at `theta`, (n_theta,)."""
        Lambda = np.zeros((self.q, self.q))
        Lambda[self._rows, self._columns] = theta
        return Lambda

    def pull_back(self, dLambda: FloatArray) -> FloatArray:
        """Derivative in theta, (n_theta,), of a function with derivative `dLambda` in Lambda."""
        entries: FloatArray = dLambda[self._rows, self._columns]
        return entries

    def start(self) -> FloatArray:
        """Parameters at which Lambda is the identity, (n_theta,)."""
        identity: FloatArray = (self._rows == self._columns).astype(np.float64)
        return identity

    def rectify(self, theta: FloatArray) -> FloatArray:
        """Parameters of the same covariance with a diagonal of Lambda >= 0, (n_theta,)."""
        signs = np.where(theta[list(self.diagonal)] < 0, -1.0, 1.0)
        rectified: FloatArray = theta * signs[self._columns] + 0.0
        return rectified

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """Name of every parameter: ``x`` on the diagonal of Lambda, ``z,x`` below it.

        Parameters
        ----------
        effects : sequence of str, (q,)
            Names of the random effects.
        """
        return tuple(
            effects[i] if i == j else f"{effects[i]},{effects[j]}"
            for i, j in zip(self._rows, self._columns, strict=True)
        )


@final
class Unstructured(Covariance):
    """Any covariance: theta is the lower triangle of Lambda, column by column.

    That is the order of lme4's theta (Bates et al. 2015).

    Examples
    --------
    >>> Unstructured(2).factor(np.array([2.0, 0.5, 1.0]))
    array([[2. , 0. ],
           [0.5, 1. ]])
    """

    __slots__ = ()

    @staticmethod
    def _entries(q: int) -> tuple[IntArray, IntArray]:
        columns, rows = np.triu_indices(q)
        return rows, columns


@final
class Diagonal(Covariance):
    """Independent effects: theta is the diagonal of Lambda, the standard deviations.

    Examples
    --------
    >>> Diagonal(2).factor(np.array([2.0, 1.0]))
    array([[2., 0.],
           [0., 1.]])
    """

    __slots__ = ()

    @staticmethod
    def _entries(q: int) -> tuple[IntArray, IntArray]:
        return np.arange(q), np.arange(q)


STRUCTURES: Final[dict[Structure, type[Covariance]]] = {"us": Unstructured, "diag": Diagonal}


@cache
def covariance_of(structure: Structure, q: int) -> Covariance:
    """Covariance of `q` effects under the structure named in a formula.

    Raises
    ------
    OptionError
        If the structure is unknown.

    Examples
    --------
    >>> covariance_of("diag", 3).n_theta
    3
    """
    if structure not in STRUCTURES:
        raise OptionError(f"Unknown structure {structure!r}; choose from {', '.join(STRUCTURES)}.")
    return STRUCTURES[structure](q)
