"""What intervals are wanted of: single parameters, and smooth functions of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design.covariances import Covariance

__all__ = ["Composite", "Coordinate", "Correlation", "Deviation", "Feature"]

# Of the size of theta: central differences are then exact to 1e-10.
_STEP = 1e-5
# A correlation this close to an end of its range stands for the end.
_INSIDE = 1e-5
# In standard errors; differences of fourth order are then exact to 1e-12.
_SHARE = 1e-3


class Feature(ABC):
    """A function of the parameters psi, on a scale that has no ends or one at zero."""

    @abstractmethod
    def value(self, psi: FloatArray) -> float:
        """The function at psi, (P,)."""

    @abstractmethod
    def slope(self, psi: FloatArray) -> FloatArray:
        """Its gradient at psi, (P,)."""

    @abstractmethod
    def placed(self, psi: FloatArray, value: float) -> FloatArray:
        """Parameters at which it has a value, the others as they are where that is possible."""

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value it is followed to."""
        return -np.inf, np.inf

    @property
    def lost_with(self) -> tuple[Feature, ...]:
        """Deviations without which the function is not defined, so that it has any value."""
        return ()

    def at_low_end(self, psi: FloatArray) -> tuple[FloatArray, BoolArray] | None:
        """Parameters at the low end, and which of them are free there; None without such an end.

        Parameters
        ----------
        psi : (P,)
            The other parameters are taken from here.
        """
        return None


@dataclass(frozen=True)
class Coordinate(Feature):
    """One of the parameters itself.

    Attributes
    ----------
    position : int
    """

    position: int

    def value(self, psi: FloatArray) -> float:
        """The parameter."""
        return float(psi[self.position])

    def slope(self, psi: FloatArray) -> FloatArray:
        """One where it stands."""
        out = np.zeros(psi.size)
        out[self.position] = 1.0
        return out

    def placed(self, psi: FloatArray, value: float) -> FloatArray:
        """The others as they are."""
        out = psi.copy()
        out[self.position] = value
        return out


@dataclass(frozen=True)
class _Natural(Feature):
    """A natural parameter of the covariance of one random term.

    Attributes
    ----------
    covariance : Covariance
    start : int
        Position of the theta of the term among all parameters.
    index : int
        Position among the natural parameters.
    """

    covariance: Covariance
    start: int
    index: int

    @property
    def _place(self) -> slice:
        return slice(self.start, self.start + self.covariance.n_theta)

    def _natural(self, theta: FloatArray) -> float:
        return float(self.covariance.natural(theta)[self.index])

    def _of(self, theta: FloatArray) -> float:
        """The function of theta, (n_theta,)."""
        return self._natural(theta)

    def _inverse(self, value: float) -> float:
        """The natural parameter at which the function has a value."""
        return value

    def placed(self, psi: FloatArray, value: float) -> FloatArray:
        """The other natural parameters as they are, those that are not defined zero."""
        natural = np.nan_to_num(self.covariance.natural(psi[self._place]))
        natural[self.index] = self._inverse(value)
        out = psi.copy()
        out[self._place] = self.covariance.of_natural(natural)
        return out

    def value(self, psi: FloatArray) -> float:
        """The function at psi."""
        return self._of(psi[self._place])

    def slope(self, psi: FloatArray) -> FloatArray:
        """``(f(theta + h e_j) - f(theta - h e_j)) / 2 h``; unlike a likelihood, f costs nothing."""
        theta = psi[self._place]
        length = _STEP * max(float(np.abs(theta).max()), 1e-300)
        out = np.zeros(psi.size)
        out[self._place] = [
            (self._of(theta + step) - self._of(theta - step)) / (2.0 * length)
            for step in length * np.eye(theta.size)
        ]
        return out


@dataclass(frozen=True)
class Deviation(_Natural):
    """A standard deviation of random effects, which may be zero."""

    @property
    def ends(self) -> tuple[float, float]:
        """From zero."""
        return 0.0, np.inf

    def at_low_end(self, psi: FloatArray) -> tuple[FloatArray, BoolArray]:
        """The entries of theta that it depends on are zero and held."""
        out, free = psi.copy(), np.ones(psi.size, dtype=np.bool_)
        natural = self.covariance.natural(psi[self._place])
        natural[self.index] = 0.0
        theta = self.covariance.of_natural(natural)
        size = max(float(np.abs(psi[self._place]).max()), 1e-300)
        moves = np.array([self._natural(theta + step) for step in size * np.eye(theta.size)])
        theta[moves > 0.0] = 0.0
        out[self._place], free[self._place] = theta, moves == 0.0
        return out, free


@dataclass(frozen=True)
class Correlation(_Natural):
    """Fisher's z of a correlation of random effects, ``artanh r``.

    Where the range of the correlation begins above -1, as of compound symmetry, it is stretched:
    ``artanh((2 r - low - 1) / (1 - low))``.

    Attributes
    ----------
    low : float
        Where its range begins.
    of : tuple of int
        Positions of the standard deviations of which none may be zero.
    """

    low: float = -1.0
    of: tuple[int, ...] = ()

    @property
    def lost_with(self) -> tuple[Feature, ...]:
        """Those standard deviations."""
        return tuple(Deviation(self.covariance, self.start, index) for index in self.of)

    def _of(self, theta: FloatArray) -> float:
        r = (2.0 * self._natural(theta) - self.low - 1.0) / (1.0 - self.low)
        return float(np.arctanh(min(max(r, -1.0), 1.0))) if abs(r) < 1.0 else np.sign(r) * np.inf

    @property
    def ends(self) -> tuple[float, float]:
        """Where the correlation is an end of its range to a relative 1e-5."""
        return float(np.arctanh(_INSIDE - 1.0)), float(np.arctanh(1.0 - _INSIDE))

    def shown(self, value: float) -> float:
        """The correlation at a value; at the ends that of its range."""
        if not self.ends[0] < value < self.ends[1]:
            return 1.0 if value > 0.0 else self.low
        return self._inverse(value)

    def _inverse(self, value: float) -> float:
        """Likewise; beside the ends of its range where `shown` is at them."""
        return 0.5 * (float(np.tanh(value)) * (1.0 - self.low) + self.low + 1.0)


@dataclass(frozen=True, eq=False)
class Composite(Feature):
    """Any smooth function of all parameters; NaN where it is not defined.

    Attributes
    ----------
    function : callable
        From psi, (P,), to a number.
    sizes : tuple of float
        Standard errors of the parameters, or lengths like them.
    """

    function: Callable[[FloatArray], float]
    sizes: tuple[float, ...]

    def value(self, psi: FloatArray) -> float:
        """The function."""
        return self.function(psi)

    def slope(self, psi: FloatArray) -> FloatArray:
        """``(8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h`` along each parameter."""
        out = np.zeros(psi.size)
        for j, size in enumerate(self.sizes):
            step = np.zeros(psi.size)
            step[j] = _SHARE * size
            near = self.function(psi + step) - self.function(psi - step)
            far = self.function(psi + 2.0 * step) - self.function(psi - 2.0 * step)
            out[j] = (8.0 * near - far) / (12.0 * step[j])
        return out

    def placed(self, psi: FloatArray, value: float) -> FloatArray:
        """The parameters as they are: no one of them alone is the function's."""
        return psi
