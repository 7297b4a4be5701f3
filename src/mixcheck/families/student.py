"""Student's t: a real response with heavier tails than the normal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

import numpy as np
from scipy import special

from mixcheck.arguments.options import require_number
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.continuous import measure_unit, raise_to_positive
from mixcheck.families.derivatives import Derivatives, Expected, Information, Predictors
from mixcheck.families.links import Link
from mixcheck.families.responses import Observed
from mixcheck.families.special import gap_of_share, log_gap, stirling_errors
from mixcheck.families.template import Template

__all__ = ["StudentT"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
LARGEST_RESIDUAL = 1e100
LOG_SCALE_MAX = 200.0
LOG_DF_RANGE = (-10.0, 230.0)
"""Within these three bounds every derivative is a float."""
_MANY = 1e3
_FEWEST_AT_START, _MOST_AT_START = 3.0, 30.0
# Coefficients of 1/df^2 .. in the information on log df, by the asymptotic series of both
# digamma functions and of the rational term.
_SERIES = (3.5, -13.0, 39.5, -119.0, 363.5, -1101.0)
_QUARTILE_RATIO = 0.6745
"""Median of the absolute value of a standard normal: of a scale, for any tails."""


@final
@dataclass(frozen=True, init=False, repr=False)
class StudentT(Template):
    """Location and scale times Student's t; predictors are the location and the log scale.

    Parameters
    ----------
    link : {"identity", "log", "inverse"} or Link
        Link of the location. That of the scale is the logarithm.
    df : float, optional
        Degrees of freedom, if they are known. Unless given, they are one number for all rows
        that is estimated, on the logarithmic scale.

    Raises
    ------
    FamilyError
        If the family does not have the link.
    OptionError
        If the degrees of freedom are not a positive number.

    Notes
    -----
    With ``r = (y - mu) / sigma`` the density is proportional to
    ``(1 + r^2 / df)^(-(df + 1) / 2) / sigma`` (Lange, Little & Taylor 1989), as ``t_family`` of
    glmmTMB has it. The location is the mean where df exceeds 1, and the variance
    ``sigma^2 df / (df - 2)`` where it exceeds 2; it is infinite below. As df grows, the
    family comes to the Gaussian. Its log density is not concave in the location.

    References
    ----------
    Lange, Little & Taylor (1989), Journal of the American Statistical Association 84, 881-896.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import StudentT
    >>> family = StudentT(df=1)
    >>> data = family.prepare([0.0])
    >>> np.exp(family.log_density(data, (np.zeros(1), np.zeros(1)))).round(4)  # Cauchy
    array([0.3183])
    """

    df: float | None

    name: ClassVar[str] = "t"
    allowed_links: ClassVar[tuple[str, ...]] = ("identity", "log", "inverse")
    precision_power: ClassVar[float | None] = -0.5
    heavy_tailed: ClassVar[bool] = True
    unit_range: ClassVar[tuple[float, float]] = (1e-80, 1e80)
    alike: ClassVar[tuple[str, ...]] = ("gaussian",)
    also_called: ClassVar[str] = "student studentt tfamily studentst tdist"

    def __init__(self, link: str | Link | None = None, df: float | None = None) -> None:
        super().__init__(link)
        known = None if df is None else require_number("df", df, 0.0, example=5)
        object.__setattr__(self, "df", known)

    def __repr__(self) -> str:
        known = "" if self.df is None else f", df={self.df:g}"
        return f"StudentT(link={self.link.name!r}{known})"

    @property
    def predictors(self) -> tuple[str, ...]:  # type: ignore[override]
        """Location and scale, and the degrees of freedom unless they are known."""
        return ("mean", "dispersion", *self.shapes)

    @property
    def shapes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The degrees of freedom, unless they are known."""
        return ("df",) if self.df is None else ()

    @property
    def fits_variance(self) -> bool:
        """Whether the degrees of freedom are estimated, and with them the tails."""
        return self.df is None

    @property
    def simplest(self) -> tuple[int, ...]:
        """Gaussian where the degrees of freedom have no end."""
        return (0, 0, *(1 for _ in self.shapes))

    @property
    def ends(self) -> tuple[int, ...]:
        """The same."""
        return self.simplest

    @property
    def limits(self) -> tuple[str, ...]:
        """Gaussian, unless the degrees of freedom are known."""
        return ("gaussian",) if self.df is None else ()

    def constant(self, y: FloatArray) -> FloatArray:
        """Log density of a standard normal at its mean, ``(n,)``."""
        return np.full(y.shape, -_HALF_LOG_2PI)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where residual, scale and degrees of freedom are within their bounds, ``(n,)``."""
        inside = np.abs(eta[1]) <= LOG_SCALE_MAX
        scale = np.exp(np.clip(eta[1], -LOG_SCALE_MAX, LOG_SCALE_MAX))
        inside &= np.abs(data.y - self.link.inverse(eta[0])) <= LARGEST_RESIDUAL * scale
        for log_df in eta[2:]:
            inside &= (log_df >= LOG_DF_RANGE[0]) & (log_df <= LOG_DF_RANGE[1])
        return np.asarray(inside)

    def _degrees(self, eta: Predictors) -> FloatArray:
        """Degrees of freedom inside their bounds, ``(n,)``."""
        if self.df is not None:
            return np.full(eta[0].shape, max(self.df, float(np.exp(LOG_DF_RANGE[0]))))
        return np.exp(np.clip(eta[2], *LOG_DF_RANGE))

    def derive_outer(
        self, data: Observed, mu: FloatArray, others: Predictors, order: int
    ) -> Derivatives:
        """Derivatives in the location (0), the log scale (1) and log df (2)."""
        df = self._degrees((mu, *others))
        scale = np.exp(-others[0])
        d = _t_derivatives(data.constant - others[0], (data.y - mu) * scale, scale, df, order)
        return d if self.df is None else _at_known_df(d)

    def expect_outer(self, mu: FloatArray, others: Predictors) -> Expected:
        """Expected information in the same (Lange, Little & Taylor 1989, appendix B)."""
        known = (np.clip(others[0], -LOG_SCALE_MAX, LOG_SCALE_MAX),)
        second, third = _t_information(np.exp(-2.0 * known[0]), self._degrees((mu, *others)))
        if self.df is None:
            return second, third
        return (
            {pair: value for pair, value in second.items() if 2 not in pair},
            {key: value for key, value in third.items() if 2 not in key[0] and key[1] != 2},
        )

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """The expected one, in the location times ``(df + 3) / (df + r^2)``.

        These are the weights of the EM algorithm, since the density is a mixture of normal ones
        (Lange, Little & Taylor 1989): a step by them goes uphill, and it goes all the way to
        responses that are far off.
        """
        second = dict(self.expected(data, eta)[0])
        known = np.clip(eta[1], -LOG_SCALE_MAX, LOG_SCALE_MAX)
        r = (data.y - self.link.inverse(eta[0])) * np.exp(-known)
        df = self._degrees(eta)
        second[0, 0] = second[0, 0] * ((df + 3.0) / (df + np.minimum(r * r, LARGEST_RESIDUAL)))
        return second

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """``sigma^2 df / (df - 2)``, infinite where df is 2 or less, ``(n,)``."""
        df = self._degrees(eta)
        ratio = np.where(df > 2.0, df / np.maximum(df - 2.0, 1e-300), np.inf)
        return ratio * np.exp(2.0 * np.clip(eta[1], -LOG_SCALE_MAX, LOG_SCALE_MAX))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        scale = np.exp(-np.clip(eta[1], -LOG_SCALE_MAX, LOG_SCALE_MAX))
        residual = (y - self.link.inverse(eta[0])) * scale
        df = self._degrees(eta)
        # Beyond these degrees of freedom the difference to the normal is below rounding.
        bounded = np.minimum(df, 1e10)
        return np.where(df > 1e10, special.ndtr(residual), special.stdtr(bounded, residual))

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        # It is symmetric about its mean.
        return self.cumulate(2.0 * self.link.inverse(eta[0]) - y, eta, size)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``: a normal number over the root of a scaled chi-square."""
        mu, df = self.link.inverse(eta[0]), self._degrees(eta)
        spread = np.sqrt(0.5 * df / np.maximum(rng.standard_gamma(0.5 * df), 1e-300))
        scale = np.exp(np.clip(eta[1], -LOG_SCALE_MAX, LOG_SCALE_MAX))
        return mu + scale * spread * rng.standard_normal(mu.shape)

    def start(self, data: Observed) -> FloatArray:
        """The response itself, raised to a positive number for other links, ``(n,)``."""
        return data.y if self.link.name == "identity" else raise_to_positive(data.y)

    def dispersion_start(self, data: Observed) -> float:
        """Median distance from the median over that of a standard normal; one of zero is none."""
        distance = np.abs(data.y - np.median(data.y))
        median = float(np.median(distance)) or float(np.mean(distance))
        return median / _QUARTILE_RATIO or 1.0

    def shape_starts(self, data: Observed) -> tuple[float, ...]:
        """Degrees of freedom whose kurtosis ``3 + 6 / (df - 4)`` the response has, 3 to 30."""
        if self.df is not None:
            return ()
        centred = data.y - np.median(data.y)
        square = float(np.mean(centred**2))
        excess = float(np.mean((centred / np.sqrt(square)) ** 4)) - 3.0 if square > 0.0 else 0.0
        df = 4.0 + 6.0 / excess if excess > 0.0 else _MOST_AT_START
        return (float(np.clip(df, _FEWEST_AT_START, _MOST_AT_START)),)

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Log of the scale, ``(n,)``."""
        return eta[1]

    def response_scale(self, y: FloatArray) -> float:
        """Standard deviation of the responses, or their size where they do not vary."""
        return measure_unit(y)


def _at_known_df(d: Derivatives) -> Derivatives:
    """Those without the degrees of freedom."""
    return Derivatives(
        d.value,
        d.first[:2],
        {key: value for key, value in d.second.items() if 2 not in key},
        {key: value for key, value in d.third.items() if 2 not in key},
    )


def _normaliser(df: FloatArray, order: int) -> Sequence[FloatArray]:
    """`_normalise` at each df, which all rows share but where they have a formula of their own."""
    if not df.size or (df != df.flat[0]).any():
        return _normalise(df, order)
    return _normalise_one(float(df.flat[0]), order)


@lru_cache(maxsize=64)
def _normalise_one(df: float, order: int) -> tuple[FloatArray, ...]:
    """The same for one number: modes are sought in many steps at one df."""
    found = _normalise(np.array([df]), order)
    for part in found:
        part.flags.writeable = False
    return tuple(found)


def _normalise(df: FloatArray, order: int) -> list[FloatArray]:
    """``log G((df + 1) / 2) - log G(df / 2) - log(df / 2) / 2`` and derivatives in log df.

    With Stirling's error delta and ``x = 1 / df`` it is ``delta((df + 1) / 2) - delta(df / 2) +
    (df log(1 + x) - 1) / 2``, in which nothing grows with df.
    """
    upper, lower = stirling_errors(0.5 * (df + 1.0), order), stirling_errors(0.5 * df, order)
    x = 1.0 / df
    log = np.log1p(x)
    out = [upper[0] - lower[0] - 0.5 * df * log_gap(x, log)]
    if order < 1:
        return out
    # t = d log(df + 1) / d log df, and its derivatives t s and t s (s - t).
    t, s = df / (df + 1.0), 1.0 / (df + 1.0)
    gap = df * gap_of_share(x, s, log)
    out.append(upper[1] * t - lower[1] + 0.5 * gap)
    if order > 1:
        out.append(upper[2] * t * t + upper[1] * t * s - lower[2] + 0.5 * (gap - t * s))
    if order > 2:
        bend = t * s * (s - t)
        third = upper[3] * t**3 + 3.0 * upper[2] * t * t * s + upper[1] * bend - lower[3]
        out.append(third + 0.5 * (gap - t * s - bend))
    return out


def _t_derivatives(
    value: FloatArray, r: FloatArray, scale: FloatArray, df: FloatArray, order: int
) -> Derivatives:
    """Derivatives in the location (0), the log scale (1) and log df (2).

    ``value`` is the log density of a normal with this scale at its mean, ``scale`` one over
    the scale. With ``w = r^2 / df``, ``p = w / (1 + w)`` and ``q = 1 - p`` the log density is
    ``value + c(df) - (df + 1) / 2 log(1 + w)``; in log df, p has the derivative ``-p q`` and
    ``log(1 + w)`` the derivative ``-p``; in r, p has ``2 r q^2 / df``.
    """
    w = r * (r / df)
    log = np.log1p(w)
    c = _normaliser(df, order)
    value = value + c[0] - 0.5 * (df + 1.0) * log
    if order < 1:
        return Derivatives(value, (), {}, {})
    q = 1.0 / (1.0 + w)
    p = w * q
    more = df + 1.0
    ratio, least = more / df, 1.0 / df
    pull = r * q * scale
    gap = df * gap_of_share(w, p, log)
    first = (ratio * pull, more * p - 1.0, c[1] + 0.5 * (p - gap))
    if order < 2:
        return Derivatives(value, first, {}, {})
    precision, tilt, pq = scale * scale, q - p, p * q
    second = {
        (0, 0): -ratio * q * tilt * precision,
        (0, 1): -2.0 * ratio * q * pull,
        (0, 2): pull * (ratio * p - least),
        (1, 1): -2.0 * more * pq,
        (1, 2): p * (more * p - 1.0),
        (2, 2): c[2] + 0.5 * (df * p * p - pq - gap),
    }
    if order < 3:
        return Derivatives(value, first, second, {})
    steep = 3.0 - 4.0 * p
    third = {
        (0, 0, 0): -2.0 * ratio * least * q * pull * steep * precision,
        (0, 0, 1): 2.0 * ratio * q * q * (1.0 - 4.0 * p) * precision,
        (0, 0, 2): q * (tilt * least - ratio * p * steep) * precision,
        (0, 1, 1): 4.0 * ratio * q * tilt * pull,
        (0, 1, 2): 2.0 * q * pull * (least - 2.0 * ratio * p),
        (0, 2, 2): tilt * pull * (least - ratio * p),
        (1, 1, 1): 4.0 * more * pq * tilt,
        (1, 1, 2): -2.0 * pq * (2.0 * more * p - 1.0),
        (1, 2, 2): p * (df * p - 2.0 * more * pq + q),
        (2, 2, 2): c[3] + 0.5 * (2.0 * df * p * p * (1.0 - q) + pq * tilt - gap),
    }
    return Derivatives(value, first, second, third)


def _t_information(precision: FloatArray, df: FloatArray) -> Expected:
    """Expected information in the location, the log scale and log df, and its slopes.

    ``(df + 1) / (df + 3) / sigma^2``, ``2 df / (df + 3)``, ``-2 df / ((df + 1) (df + 3))`` and
    ``c' - c'' + (3 - df) / (2 (df + 1) (df + 3))``, with c the logarithm of the normaliser.
    """
    one, three = df + 1.0, df + 3.0
    share = one / three
    cross = df / (one * three)
    own, own_slope = _information_on_df(df)
    second = {
        (0, 0): share * precision,
        (1, 1): 2.0 * df / three,
        (1, 2): -2.0 * cross,
        (2, 2): own,
    }
    third = {
        ((0, 0), 1): -2.0 * share * precision,
        ((0, 0), 2): 2.0 * df / (three * three) * precision,
        ((1, 1), 2): 6.0 * df / (three * three),
        ((1, 2), 2): -2.0 * cross * (1.0 - df / one - df / three),
        ((2, 2), 2): own_slope,
    }
    return second, third


def _information_on_df(df: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Information on log df and its derivative in it; for many by the series, ``(n,)``."""
    few = np.minimum(df, _MANY)
    c = _normaliser(few, 3)
    one, three = few + 1.0, few + 3.0
    rational = 0.5 * (3.0 - few) / (one * three)
    slope = -0.5 * few / (one * three) - rational * (few / one + few / three)
    x = 1.0 / np.maximum(df, _MANY)
    powers = [x ** (k + 2) for k in range(len(_SERIES))]
    own = sum(a * power for a, power in zip(_SERIES, powers, strict=True))
    own_slope = sum(
        -(k + 2) * a * power for k, (a, power) in enumerate(zip(_SERIES, powers, strict=True))
    )
    many = df > _MANY
    return (
        np.where(many, own, c[1] - c[2] + rational),
        np.where(many, own_slope, c[2] - c[3] + slope),
    )
