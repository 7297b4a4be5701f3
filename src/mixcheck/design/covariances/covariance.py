"""What a covariance structure of one random term answers.

The random effects of one level are ``Lambda(theta) u`` with ``u ~ N(0, I)``, so their
covariance is ``Lambda Lambda'``. A structure owns two parametrisations and the maps between
them: theta, free real numbers in which the likelihood is searched, and the natural parameters
that a reader knows, standard deviations and correlations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.levels import Dependence
from mixcheck.errors import OptionError

__all__ = ["Covariance", "EntriesOfRoot", "Kind", "Quantity", "Sequential"]

Kind: TypeAlias = Literal["sd", "correlation"]

# A direction of theta whose information is smaller than this share of the largest is measured
# as if it had that share.
_LEAST_INFORMATION = 1e-12


@dataclass(frozen=True)
class Quantity:
    """What a natural parameter is.

    Attributes
    ----------
    kind : {"sd", "correlation"}
    name : str
        The effect, the pair of effects ``x, z``, or what it has in common.
    effects : tuple of int
        Position of the effect, or of both; empty where it belongs to more.
    low : float
        Where the range of a correlation begins.
    """

    kind: Kind
    name: str
    effects: tuple[int, ...] = ()
    low: float = -1.0


class Covariance(ABC):
    """Map from free parameters to a root of the covariance of one random term.

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
    name : str
        Its name in formulas.

    Raises
    ------
    OptionError
        If `q` is not positive.
    """

    __slots__ = ("n_theta", "q")

    name: ClassVar[str]
    unrestricted: ClassVar[bool] = False
    """Whether every covariance is one of this structure, in any basis of the effects."""
    vanishing: ClassVar[bool] = False
    """Whether there are correlations of a parameter of their own, where variances are zero too."""
    divisible: ClassVar[bool] = False
    """Whether some of the effects alone have a covariance of the same structure."""

    def __init__(self, q: int) -> None:
        if q < 1:
            raise OptionError(f"A random term needs at least one effect, not {q}.")
        self.q = q
        self.n_theta = self._count(q)

    @staticmethod
    @abstractmethod
    def _count(q: int) -> int:
        """Number of parameters for q effects."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Covariance) and self.q == other.q

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.q))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.q})"

    # ---- theta to a covariance, and back -----------------------------------------------

    @abstractmethod
    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q), at `theta`, (n_theta,)."""

    @abstractmethod
    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta, (n_theta,), of a function with derivative `d_root` in Lambda.

        The adjoint of the derivative of `root`, and nothing else: ``J' vec(d_root)``.
        """

    @abstractmethod
    def nearest(self, covariance: FloatArray) -> FloatArray:
        """Theta of the closest covariance of this structure to `covariance`, (q, q).

        A covariance of this structure is its own.
        """

    def of_root(self, root: FloatArray) -> FloatArray:
        """Theta of the closest covariance to ``R R'`` for any `root` R, (q, q)."""
        return self.nearest(root @ root.T)

    def absorbing(self, theta: FloatArray, sigma: float) -> FloatArray | None:
        """Theta of about the effects and an independent error of a deviation `sigma` together.

        None for structures that an error is not near to.
        """
        return None

    def opposite(self, start: FloatArray, theta: FloatArray) -> FloatArray | None:
        """Theta with a dependence of the other sign than `theta`, about as large as `start`.

        For effects that are hardly seen, whose likelihood may have a maximum with each sign; None
        where one search is enough.
        """
        return None

    def distant(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Other theta, (n_theta,) each, from which a search may end at a better optimum."""
        return ()

    def start(self, deviations: FloatArray) -> FloatArray:
        """Theta of independent effects with these standard deviations, (q,), or closest to it."""
        return self.nearest(np.diag(deviations**2))

    def scaled(self, theta: FloatArray, factor: float) -> FloatArray:
        """Theta with all standard deviations times a positive `factor`."""
        return self.of_root(factor * self.root(theta))

    def canonical(self, theta: FloatArray) -> FloatArray:
        """The representative, (n_theta,), of the thetas with the same covariance.

        Each of its entries is one of `theta` with a slope of 1 or -1: turned round, or shifted.
        """
        return theta.copy()

    @property
    def even(self) -> tuple[int, ...]:
        """Positions of parameters at whose zero the likelihood is stationary by symmetry."""
        return ()

    def without_smallest(self, theta: FloatArray, share: float) -> FloatArray | None:
        """Theta of the covariance without its smallest direction.

        None where that direction holds more than `share` of the largest, or where the structure
        has no covariances without full rank besides those with a variance of zero.
        """
        return None

    def unit_steps(self, theta: FloatArray, spread: FloatArray) -> FloatArray:
        """R, (n_theta, n_theta), that makes the information on theta about ``(R R')^-1``.

        Parameters
        ----------
        theta : (n_theta,)
        spread : (q, q)
            Approximate standard error of each entry of Lambda, as if the others were known.
        """
        units = np.eye(self.q**2).reshape(-1, self.q, self.q)
        slopes = np.stack([self.pull_back(theta, unit) for unit in units])
        information = slopes.T @ (slopes / spread.reshape(-1, 1) ** 2)
        values, vectors = np.linalg.eigh(information)
        least = _LEAST_INFORMATION * max(float(values[-1]), 1e-300)
        steps: FloatArray = vectors / np.sqrt(np.maximum(values, least))
        return steps

    # ---- theta to what a reader knows, and back ----------------------------------------

    @abstractmethod
    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviations, then correlations, (k,); NaN for one that is not defined."""

    @abstractmethod
    def of_natural(self, natural: FloatArray) -> FloatArray:
        """Canonical theta of natural parameters, (n_theta,)."""

    @abstractmethod
    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """What each natural parameter is.

        Parameters
        ----------
        effects : sequence of str, (q,)
            Names of the random effects.
        """

    @abstractmethod
    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """Name of every entry of theta.

        Parameters
        ----------
        effects : sequence of str, (q,)
            Names of the random effects.
        """

    @property
    def correlated(self) -> BoolArray:
        """Which pairs of effects may have a covariance, (q, q)."""
        return np.ones((self.q, self.q), dtype=np.bool_)

    @property
    def entries(self) -> tuple[IntArray, IntArray] | None:
        """Row and column in Lambda of every parameter, where parameters are entries of it."""
        return None

    @property
    def basis(self) -> FloatArray | None:
        """Matrices of which its covariances are linear combinations, (k, q, q).

        None where they are not a linear space.
        """
        return None

    def simpler(self) -> Iterator[Covariance]:
        """Structures of the same effects with fewer parameters, the richest first."""
        return iter(())


class EntriesOfRoot(Covariance):
    """A structure whose parameters are entries of a lower-triangular Lambda."""

    __slots__ = ("_columns", "_diagonal", "_rows")

    divisible: ClassVar[bool] = True

    def __init__(self, q: int) -> None:
        super().__init__(q)
        self._rows, self._columns = self._entries(q)
        self._diagonal = tuple(np.flatnonzero(self._rows == self._columns).tolist())

    @classmethod
    def _count(cls, q: int) -> int:
        return len(cls._entries(q)[0])

    @staticmethod
    @abstractmethod
    def _entries(q: int) -> tuple[IntArray, IntArray]:
        """Row and column in Lambda of every parameter, (n_theta,) each."""

    @property
    def entries(self) -> tuple[IntArray, IntArray]:
        """Row and column in Lambda of every parameter, (n_theta,) each."""
        return self._rows, self._columns

    @property
    def even(self) -> tuple[int, ...]:
        """Positions of the diagonal of Lambda, one for each effect."""
        return self._diagonal

    @property
    def basis(self) -> FloatArray:
        """One variance or covariance for each parameter, (n_theta, q, q)."""
        out = np.zeros((self.n_theta, self.q, self.q))
        each = np.arange(self.n_theta)
        out[each, self._rows, self._columns] = 1.0
        out[each, self._columns, self._rows] = 1.0
        return out

    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q) lower triangular, at `theta`, (n_theta,)."""
        Lambda = np.zeros((self.q, self.q))
        Lambda[self._rows, self._columns] = theta
        return Lambda

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta, (n_theta,): the entries of `d_root`."""
        entries: FloatArray = d_root[self._rows, self._columns]
        return entries

    def start(self, deviations: FloatArray) -> FloatArray:
        """Theta of independent effects with these standard deviations, (q,)."""
        theta = np.zeros(self.n_theta)
        theta[list(self._diagonal)] = deviations
        return theta

    def scaled(self, theta: FloatArray, factor: float) -> FloatArray:
        """Theta with all standard deviations times `factor`: Lambda is linear in theta."""
        return factor * theta

    def canonical(self, theta: FloatArray) -> FloatArray:
        """The same covariance with a diagonal of Lambda >= 0: columns turned round."""
        diagonal = theta[list(self._diagonal)]
        if min(diagonal.tolist()) >= 0.0:
            return theta + 0.0
        signs = np.where(diagonal < 0, -1.0, 1.0)
        turned: FloatArray = theta * signs[self._columns] + 0.0
        return turned

    def unit_steps(self, theta: FloatArray, spread: FloatArray) -> FloatArray:
        """Diagonal: the spread of each entry."""
        return np.diag(spread[self._rows, self._columns])

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """Name of every parameter: ``x`` on the diagonal of Lambda, ``z,x`` below it."""
        return tuple(
            effects[i] if i == j else f"{effects[i]},{effects[j]}"
            for i, j in zip(self._rows, self._columns, strict=True)
        )


class Sequential(Covariance):
    """A structure of effects at positions in order, of which a row has one.

    A covariance is one standard deviation times correlations with a sparse inverse, so that
    neither Z nor Lambda is ever written out: the positions of all levels are the levels of a
    factor with one effect each, tied within their block.
    """

    __slots__ = ()

    @abstractmethod
    def deviation(self, theta: FloatArray) -> float:
        """The standard deviation, of either sign; the first parameter."""

    @abstractmethod
    def dependence(self, theta: FloatArray, m: int) -> Dependence:
        """Correlations of m independent blocks of q positions, by the other parameters."""

    @abstractmethod
    def start_from_lags(self, covariances: FloatArray, errors: FloatArray) -> FloatArray | None:
        """Theta whose covariances are about these at the first distances; None for no such theta.

        Parameters
        ----------
        covariances : (k,)
            Moment estimates of the covariance of effects 1, 2, .. k positions apart.
        errors : (k,)
            Standard errors of these.
        """

    @abstractmethod
    def steps_of_series(
        self, theta: FloatArray, spread: float, precision: float, count: int
    ) -> FloatArray:
        """R, (n_theta, n_theta), that makes the information on theta about ``(R R')^-1``.

        Parameters
        ----------
        theta : (n_theta,)
        spread : float
            Approximate standard error of the standard deviation, were positions independent.
        precision : float
            Information of the data on one effect.
        count : int
            Number of effects.
        """

    @abstractmethod
    def carry(self, theta: FloatArray, steps: FloatArray) -> FloatArray:
        """What is left of the last known effect so many steps away from it, (n,)."""
