"""The likelihood ratio of a variance that few degrees of freedom tell.

An estimate ``s^2`` of a normal variance ``v`` with nu degrees of freedom has the likelihood ratio
``w = nu (s^2 / v - 1 - log(s^2 / v))``, whose mean is ``nu (log(nu / 2) - psi(nu / 2))`` and not
one. A statistic divided by its mean is nearer to a chi-square (Bartlett 1937), so that the signed
root of w is compared with the normal quantile times the root of that mean.

References
----------
Bartlett (1937), Properties of sufficiency and statistical tests, Proceedings of the Royal Society
A 160, 268-282.
"""

from __future__ import annotations

import math

from scipy.special import digamma

from mixcheck.inference.wald import normal_quantile

__all__ = ["mean_ratio", "ratio_quantile"]

# From here on the series is exact to the last digit, and the difference loses some.
_MANY = 1e4


def mean_ratio(df: float) -> float:
    """``nu (log(nu / 2) - psi(nu / 2))``, the mean of w; about ``1 + 1 / (3 nu)``.

    Examples
    --------
    >>> round(mean_ratio(4.0), 4), mean_ratio(math.inf)
    (1.0815, 1.0)
    """
    if df > _MANY:
        return 1.0 + 1.0 / (3.0 * df) - 2.0 / (15.0 * df**3)
    return df * (math.log(0.5 * df) - float(digamma(0.5 * df)))


def ratio_quantile(level: float, df: float) -> float:
    """What the signed root of w is compared with: ``z sqrt(mean)``, z the normal quantile.

    Parameters
    ----------
    level : float
        The confidence, between 0 and 1.
    df : float
        Degrees of freedom of the estimate, 1 or more.

    Examples
    --------
    >>> round(ratio_quantile(0.95, 4.0), 3)
    2.038
    """
    return normal_quantile(level) * math.sqrt(mean_ratio(df))
