"""How far a sample is from uniform."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import betaincinv

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.report.finding import Effect

__all__ = [
    "GOODNESS",
    "GoodnessName",
    "anderson_darling",
    "clopper_pearson",
    "cramer_von_mises",
    "curve_distance",
    "distance_band",
    "distance_effect",
    "dkw_halfwidth",
    "expected_distribution",
    "kolmogorov_smirnov",
]

GoodnessName = Literal["ks", "ad", "cvm"]

CONFIDENCE = 0.95
# Steps in which a distribution function is looked at, and what has less mass than this is a step
# itself: a slope of one over it costs digits.
GRID = 256
_STEP = 1e-6


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


def expected_distribution(below: FloatArray, mass: FloatArray, weights: FloatArray) -> FloatArray:
    """Distribution function of randomised residuals, expected over all that is drawn for them.

    ``F(u) = mean_i sum_j w_j min(max((u - P_j(Y_i < y_i)) / P_j(Y_i = y_i), 0), 1)`` at
    ``u_k = k / G``, j over the nodes that stand for what is known of the random effects: a function
    of the data alone, and the identity on average under the model. A response of no mass to speak
    of is a step where it stands.

    Parameters
    ----------
    below, mass : (.., J, n) array
        ``P_j(Y < y)`` and ``P_j(Y = y)``.
    weights : (J,) array

    Returns
    -------
    (.., G + 1) array

    References
    ----------
    Czado, Gneiting & Held (2009), Predictive model assessment for count data, Biometrics 65,
    1254-1261, of one node.

    Examples
    --------
    >>> import numpy as np
    >>> F = expected_distribution(np.array([[0.0, 0.5]]), np.array([[0.5, 0.25]]), np.ones(1))
    >>> [round(float(F[round(GRID * u)]), 12) for u in (0.25, 0.5, 0.75)]
    [0.25, 0.5, 1.0]
    """
    *outer, J, n = below.shape
    left, wide = below.reshape(-1, J * n), mass.reshape(-1, J * n)
    shares = np.repeat(weights, n)
    steep = wide < _STEP
    left = np.where(steep, left + 0.5 * wide, left)
    right = np.where(steep, left, left + wide)
    # A ramp begins at the first point at or after its left end, and is one from its right end on.
    first = np.clip(np.ceil(left * GRID), 0, GRID + 1).astype(np.intp)
    last = np.maximum(np.clip(np.ceil(right * GRID), 0, GRID + 1).astype(np.intp), first)
    slope = np.where(last > first, shares / np.where(steep, 1.0, wide), 0.0)
    size = len(left), GRID + 2
    at_first, at_last = (
        (place + size[1] * np.arange(size[0])[:, None]).ravel() for place in (first, last)
    )

    def running(at: IntArray, values: FloatArray) -> FloatArray:
        sums = np.bincount(at, np.broadcast_to(values, left.shape).ravel(), size[0] * size[1])
        out: FloatArray = np.cumsum(sums.reshape(size)[:, :-1], axis=1)
        return out

    points = np.arange(GRID + 1) / GRID
    rising = running(at_first, slope) - running(at_last, slope)
    begun = running(at_first, slope * left) - running(at_last, slope * left)
    total = points * rising - begun + running(at_last, shares)
    expected: FloatArray = np.clip(total / n, 0.0, 1.0).reshape(*outer, GRID + 1)
    return expected


def curve_distance(expected: FloatArray, n: int, statistic: GoodnessName) -> FloatArray:
    """The statistics of a sample, of a distribution function F at equal steps from 0 to 1.

    ``max |F - u|``, ``n int (F - u)^2 / (u (1 - u)) du`` or ``n int (F - u)^2 du``.

    Parameters
    ----------
    expected : (.., G + 1) array
    n : int
        Size of the sample.
    statistic : {"ks", "ad", "cvm"}

    Returns
    -------
    (..) array
    """
    steps = expected.shape[-1] - 1
    u = np.arange(1, steps) / steps
    away = expected[..., 1:-1] - u
    if statistic == "ks":
        largest: FloatArray = np.abs(away).max(axis=-1)
        return largest
    weights = 1.0 / (u * (1.0 - u)) if statistic == "ad" else 1.0
    integral: FloatArray = n * (weights * away**2).sum(axis=-1) / steps
    return integral


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
