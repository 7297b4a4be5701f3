"""Prior distributions of parameters: what is known of them before the data.

Given to :func:`mixcheck.glmm` as ``priors=``, they make its estimates posterior modes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from scipy.special import gammaln, log_ndtr, ndtr

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_number

__all__ = ["Prior", "Target", "gamma", "half_normal", "lkj", "normal", "t"]

Target: TypeAlias = Literal["coefficient", "sd", "correlation"]

_LOG_2PI = math.log(2.0 * math.pi)


class Prior(ABC):
    """Distribution of one parameter before the data.

    Attributes
    ----------
    targets : tuple of str
        Kinds of parameters that it can be given to.
    """

    targets: ClassVar[tuple[Target, ...]]

    @abstractmethod
    def log_density(self, x: float, target: Target) -> float:
        """Log density at x, with every constant; minus infinity outside the support."""

    @abstractmethod
    def slope(self, x: float) -> float:
        """Derivative of the log density."""

    def information(self, x: float) -> float:
        """Curvature of minus the log density near x, or something like it, never negative."""
        return 0.0


@dataclass(frozen=True)
class Normal(Prior):
    """Normal distribution; see `normal`."""

    mean: float
    sd: float

    targets: ClassVar[tuple[Target, ...]] = ("coefficient", "correlation")

    def __str__(self) -> str:
        return f"normal({self.mean:g}, {self.sd:g})"

    def log_density(self, x: float, target: Target) -> float:
        """Log density; that of a correlation is cut off at -1 and 1."""
        z = (x - self.mean) / self.sd
        value = -0.5 * (z * z + _LOG_2PI) - math.log(self.sd)
        if target == "correlation":
            low, high = (-1.0 - self.mean) / self.sd, (1.0 - self.mean) / self.sd
            mass = float(ndtr(high) - ndtr(low))
            value -= math.log(mass) if mass > 0.0 else float(log_ndtr(-abs(low)))
        return value

    def slope(self, x: float) -> float:
        """``-(x - mean) / sd^2``."""
        return -(x - self.mean) / self.sd**2

    def information(self, x: float) -> float:
        """``1 / sd^2``."""
        return self.sd**-2


@dataclass(frozen=True)
class StudentT(Prior):
    """Student's t distribution; see `t`."""

    df: float
    mean: float
    scale: float

    targets: ClassVar[tuple[Target, ...]] = ("coefficient",)

    def __str__(self) -> str:
        return f"t({self.df:g}, {self.mean:g}, {self.scale:g})"

    def log_density(self, x: float, target: Target) -> float:
        """``-(df + 1) / 2 log(1 + z^2 / df)`` and constants, z standardised."""
        z, df = (x - self.mean) / self.scale, self.df
        constant = gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df) - 0.5 * math.log(df * math.pi)
        kernel = -0.5 * (df + 1.0) * math.log1p(z * z / df)
        return float(constant) + kernel - math.log(self.scale)

    def slope(self, x: float) -> float:
        """``-(df + 1) (x - mean) / (df scale^2 + (x - mean)^2)``."""
        return -self.information(x) * (x - self.mean)

    def information(self, x: float) -> float:
        """Weight of the reweighted normal distribution with the same slope."""
        return (self.df + 1.0) / (self.df * self.scale**2 + (x - self.mean) ** 2)


@dataclass(frozen=True)
class HalfNormal(Prior):
    """Normal distribution around zero of what is not negative; see `half_normal`."""

    sd: float

    targets: ClassVar[tuple[Target, ...]] = ("sd",)

    def __str__(self) -> str:
        return f"half_normal({self.sd:g})"

    def log_density(self, x: float, target: Target) -> float:
        """``-x^2 / (2 sd^2)`` and constants."""
        z = x / self.sd
        return 0.5 * math.log(2.0 / math.pi) - math.log(self.sd) - 0.5 * z * z

    def slope(self, x: float) -> float:
        """``-x / sd^2``."""
        return -x / self.sd**2


@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma distribution; see `gamma`."""

    shape: float
    rate: float

    targets: ClassVar[tuple[Target, ...]] = ("sd",)

    def __str__(self) -> str:
        return f"gamma({self.shape:g}, {self.rate:g})"

    def log_density(self, x: float, target: Target) -> float:
        """``(shape - 1) log x - rate x`` and constants."""
        if not x > 0.0:
            return -math.inf
        constant = self.shape * math.log(self.rate) - float(gammaln(self.shape))
        return constant + (self.shape - 1.0) * math.log(x) - self.rate * x

    def slope(self, x: float) -> float:
        """``(shape - 1) / x - rate``."""
        return (self.shape - 1.0) / x - self.rate


@dataclass(frozen=True)
class Lkj(Prior):
    """Distribution of the correlation of two effects; see `lkj`."""

    eta: float

    targets: ClassVar[tuple[Target, ...]] = ("correlation",)

    def __str__(self) -> str:
        return f"lkj({self.eta:g})"

    def log_density(self, x: float, target: Target) -> float:
        """``(eta - 1) log(1 - x^2)`` and constants."""
        if not abs(x) < 1.0:
            return -math.inf
        beta = 2.0 * float(gammaln(self.eta)) - float(gammaln(2.0 * self.eta))
        constant = -beta - (2.0 * self.eta - 1.0) * math.log(2.0)
        return constant + (self.eta - 1.0) * math.log1p(-x * x)

    def slope(self, x: float) -> float:
        """``-2 (eta - 1) x / (1 - x^2)``."""
        return -2.0 * (self.eta - 1.0) * x / (1.0 - x * x)


@answer_calls
def normal(mean: float = 0.0, sd: float = 2.5) -> Prior:
    """Normal prior of a coefficient, or of a correlation.

    Parameters
    ----------
    mean : float
    sd : float
        Positive. A coefficient of 2.5 on the logit scale takes a probability from 0.5 to 0.92.

    Returns
    -------
    Prior

    Raises
    ------
    OptionError

    Examples
    --------
    >>> import mixcheck as mc
    >>> print(mc.priors.normal(0, 2.5))
    normal(0, 2.5)
    """
    return Normal(_any_number("mean", mean), _positive("sd", sd))


@answer_calls
def t(df: float = 3.0, mean: float = 0.0, scale: float = 2.5) -> Prior:
    """Student's t as the prior of a coefficient: it lets go of one that is far out.

    Parameters
    ----------
    df : float
        Degrees of freedom, positive; with 1 it is the Cauchy distribution.
    mean : float
    scale : float
        Positive.

    Returns
    -------
    Prior

    Raises
    ------
    OptionError

    References
    ----------
    Gelman, Jakulin, Pittau & Su (2008), Annals of Applied Statistics 2, 1360-1383.

    Examples
    --------
    >>> import mixcheck as mc
    >>> print(mc.priors.t(3, 0, 2.5))
    t(3, 0, 2.5)
    """
    return StudentT(_positive("df", df), _any_number("mean", mean), _positive("scale", scale))


@answer_calls
def half_normal(sd: float) -> Prior:
    """Prior of a standard deviation: the normal density on the positive numbers.

    It keeps a deviation from growing, and does not keep it from zero; see `gamma`.

    Parameters
    ----------
    sd : float
        Positive; two thirds of all deviations are smaller.

    Returns
    -------
    Prior

    Raises
    ------
    OptionError

    Examples
    --------
    >>> import mixcheck as mc
    >>> print(mc.priors.half_normal(1))
    half_normal(1)
    """
    return HalfNormal(_positive("sd", sd))


@answer_calls
def gamma(shape: float = 2.0, rate: float = 0.1) -> Prior:
    """Gamma prior of a standard deviation, which keeps it from zero.

    With a shape of 2 and a small rate it takes a deviation that would be zero to about one
    standard error from it, and hardly moves others.

    Parameters
    ----------
    shape : float
        Above 1, so that the density of zero is zero.
    rate : float
        Positive; the mean is ``shape / rate``.

    Returns
    -------
    Prior

    Raises
    ------
    OptionError

    References
    ----------
    Chung, Rabe-Hesketh, Dorie, Gelman & Liu (2013), Psychometrika 78, 685-709.

    Examples
    --------
    >>> import mixcheck as mc
    >>> print(mc.priors.gamma(2, 0.1))
    gamma(2, 0.1)
    """
    return Gamma(require_number("shape", shape, 1.0, math.inf, example=2), _positive("rate", rate))


@answer_calls
def lkj(eta: float = 2.0) -> Prior:
    """Prior of the correlation of two random effects, with density ``(1 - r^2)^(eta - 1)``.

    Parameters
    ----------
    eta : float
        Above 1, which keeps the correlation from -1 and 1.

    Returns
    -------
    Prior

    Raises
    ------
    OptionError

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.

    Examples
    --------
    >>> import mixcheck as mc
    >>> print(mc.priors.lkj(2))
    lkj(2)
    """
    return Lkj(require_number("eta", eta, 1.0, math.inf, example=2))


def _positive(name: str, value: float) -> float:
    return require_number(name, value, 0.0, math.inf, example=1)


def _any_number(name: str, value: float) -> float:
    return require_number(name, value, -math.inf, math.inf, example=0)
