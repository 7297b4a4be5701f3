"""The prediction of each row from the others: its own information taken out of its posterior.

The posterior of a row's predictor is normal, N(m, v), and the row's own log density is quadratic
around m, with slope s and curvature -w. Without the row the predictor is then normal with
variance ``v / (1 - w v)`` and mean ``m - v s / (1 - w v)``: the cavity. What is predicted is
averaged over it.

References
----------
Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), Journal of Machine Learning Research 17(103),
section 3.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.port import RowDistribution, RowPosterior

__all__ = [
    "Cavity",
    "Prediction",
    "average_cdf",
    "average_distribution",
    "average_moments",
    "average_probability",
    "find_cavity",
    "predict",
]

# The trapezoidal rule converges exponentially for smooth functions of a normal variable: with
# the fine step it is exact to 1e-5 as long as a row's own information is less than a hundred
# times that of all the others, with the coarse one as long as it is less than ten times.
_FINE, _COARSE = 0.125, 0.25
_REACH = 8.0
# A cavity is never wider than a hundred times the posterior.
_MOST_INFLUENCE = 0.99


@dataclass(frozen=True, eq=False)
class Cavity:
    """The distribution of each row's predictor given the other rows.

    Attributes
    ----------
    centre, deviation : (n,)
    influence : (n,)
        The row's own information times the variance of its predictor; at 1 the row alone
        determines its prediction.
    """

    centre: FloatArray
    deviation: FloatArray
    influence: FloatArray


@dataclass(frozen=True, eq=False)
class Prediction:
    """Log density of each row given the others, and the moments of its prediction, (n,)."""

    score: FloatArray
    mean: FloatArray
    variance: FloatArray


def find_cavity(posterior: RowPosterior) -> Cavity:
    """Take each row's own information out of the posterior of its predictor."""
    influence = posterior.information * posterior.variance
    widening = posterior.variance / (1.0 - np.minimum(influence, _MOST_INFLUENCE))
    centre = posterior.predictor - posterior.score * widening
    return Cavity(centre, np.sqrt(np.maximum(widening, 0.0)), influence)


def predict(distribution: RowDistribution, cavity: Cavity) -> Prediction:
    """Average the distribution of each row over its cavity."""
    score = np.full(cavity.centre.size, -np.inf)
    for weight, predictor in _iterate_points(cavity, _FINE):
        score = np.logaddexp(score, np.log(weight) + distribution.log_density(predictor))
    return Prediction(score, *average_moments(distribution, cavity))


def _iterate_points(cavity: Cavity, step: float) -> Iterator[tuple[float, FloatArray]]:
    """Weights ``w_j ~ phi(z_j)``, which sum to one, and predictors ``c + z_j s``, (n,)."""
    nodes = np.arange(-_REACH, _REACH + 0.5 * step, step)
    weights = np.exp(-0.5 * nodes**2)
    for z, weight in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
        yield weight, cavity.centre + z * cavity.deviation


@np.errstate(over="ignore", invalid="ignore")
def average_moments(distribution: RowDistribution, cavity: Cavity) -> tuple[FloatArray, FloatArray]:
    """``m = sum_j w_j m_j`` and ``sum_j w_j (v_j + (m_j - m)^2)`` of each response given others.

    Where the other rows hardly tell its predictor they may be infinite, or have no value.
    """
    n = cavity.centre.size
    shift, square, within = np.zeros(n), np.zeros(n), np.zeros(n)
    origin = distribution.moments(cavity.centre)[0]
    for weight, predictor in _iterate_points(cavity, _COARSE):
        mean, variance = distribution.moments(predictor)
        shift += weight * (mean - origin)
        square += weight * (mean - origin) ** 2
        within += weight * variance
    return origin + shift, within + np.maximum(square - shift**2, 0.0)


def average_cdf(distribution: RowDistribution, cavity: Cavity) -> tuple[FloatArray, FloatArray]:
    """``sum_j w_j F_j(y)``: below each response, and of it or less, given the other rows."""
    below, upto = np.zeros(cavity.centre.size), np.zeros(cavity.centre.size)
    for weight, predictor in _iterate_points(cavity, _COARSE):
        left, right = distribution.cdf(predictor)
        below += weight * left
        upto += weight * right
    return below, upto


def average_distribution(
    distribution: RowDistribution, cavity: Cavity, values: FloatArray
) -> FloatArray:
    """``sum_j w_j F_j(z)``: of each value, (n,), or less, given the other rows."""
    out = np.zeros(cavity.centre.size)
    for weight, predictor in _iterate_points(cavity, _COARSE):
        out += weight * distribution.probability_upto(values, predictor)
    return out


def average_probability(distribution: RowDistribution, cavity: Cavity, k: float) -> FloatArray:
    """``sum_j w_j P_j(y = k)`` of each response given the other rows."""
    out = np.zeros(cavity.centre.size)
    for weight, predictor in _iterate_points(cavity, _COARSE):
        out += weight * distribution.probability(k, predictor)
    return out
