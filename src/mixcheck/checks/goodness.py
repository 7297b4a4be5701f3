"""How far a sample is from uniform."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import betaincinv

from mixcheck.arrays import FloatArray
from mixcheck.report.finding import Effect

__all__ = [
    "GOODNESS",
    "GoodnessName",
    "anderson_darling",
    "clopper_pearson",
    "cramer_von_mises",
    "distance_band",
    "distance_effect",
    "dkw_halfwidth",
    "kolmogorov_smirnov",
]

GoodnessName = Literal["ks", "ad", "cvm"]

CONFIDENCE = 0.95


def kolmogorov_smirnov(ordered: FloatArray) -> FloatArray:
    """Largest distance of the empirical distribution function from the identity.

    ``D = max_i max(i / n - u_(i), u_(i) - (i - 1) / n)``.

    Parameters
    ----------
    ordered : (.., n) array
        Sorted numbers between 0 and 1, of one sample or of many; so in every function here.

    Returns
    -------
    (..) array

    Examples
    --------
    >>> import numpy as np
    >>> float(kolmogorov_smirnov(np.array([0.25, 0.75])))
    0.25
    """
    n = ordered.shape[-1]
    steps = np.arange(n + 1) / n
    above, below = steps[1:] - ordered, ordered - steps[:-1]
    distance: FloatArray = np.maximum(above.max(axis=-1), below.max(axis=-1))
    return distance


def anderson_darling(ordered: FloatArray) -> FloatArray:
    """``A^2 = -n - mean_i (2 i - 1) (log u_(i) + log(1 - u_(n + 1 - i)))``: weighs the tails.

    References
    ----------
    Anderson & Darling (1954), J. Am. Stat. Assoc. 49, 765-769.
    """
    n = ordered.shape[-1]
    weights = 2.0 * np.arange(1, n + 1) - 1.0
    logs = np.log(ordered) + np.log1p(-ordered[..., ::-1])
    distance: FloatArray = -n - np.mean(weights * logs, axis=-1)
    return distance


def cramer_von_mises(ordered: FloatArray) -> FloatArray:
    """``W^2 = 1 / (12 n) + sum_i (u_(i) - (2 i - 1) / (2 n))^2``."""
    n = ordered.shape[-1]
    centres = (np.arange(1, n + 1) - 0.5) / n
    distance: FloatArray = 1.0 / (12.0 * n) + np.sum((ordered - centres) ** 2, axis=-1)
    return distance


GOODNESS: dict[GoodnessName, Callable[[FloatArray], FloatArray]] = {
    "ks": kolmogorov_smirnov,
    "ad": anderson_darling,
    "cvm": cramer_von_mises,
}


def dkw_halfwidth(n: int, confidence: float = CONFIDENCE) -> float:
    """Half width of the simultaneous band of an empirical distribution function.

    ``sqrt(log(2 / (1 - confidence)) / (2 n))``.

    References
    ----------
    Massart (1990), The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality,
    Ann. Probab. 18, 1269-1283.
    """
    return math.sqrt(math.log(2.0 / (1.0 - confidence)) / (2.0 * n))


def distance_band(n: int, distance: float) -> tuple[FloatArray, FloatArray]:
    """Where all n sorted numbers lie if D is at most `distance`: lower and upper bound, (n,)."""
    steps = np.arange(n + 1) / n
    return np.maximum(steps[1:] - distance, 0.0), np.minimum(steps[:-1] + distance, 1.0)


def distance_effect(name: str, distance: float, n: int) -> Effect:
    """A largest distance between distribution functions, with its interval."""
    half = dkw_halfwidth(n)
    value = float(distance)
    return Effect(name, value, max(0.0, value - half), min(1.0, value + half), 0.0)


def clopper_pearson(count: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a binomial share.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26, 404-413.

    Examples
    --------
    >>> [round(bound, 4) for bound in clopper_pearson(5, 80)]
    [0.0206, 0.1399]
    """
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1.0 - tail))
    return low, high
