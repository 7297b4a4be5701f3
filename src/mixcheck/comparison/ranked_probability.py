r"""The continuous ranked probability score of predictions that are averaged over a predictor.

.. math:: \mathrm{CRPS}(F, y) = \int (F(z) - 1\{z \ge y\})^2 \, dz,

for counts the sum over whole numbers z. It is in the unit of the response; smaller is better.

References
----------
Gneiting & Raftery (2007), Journal of the American Statistical Association 102, 359-378, section
4.2; Czado, Gneiting & Held (2009), Biometrics 65, 1254-1261, for counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.comparison.cavity import Cavity, average_distribution
from mixcheck.port import RowDistribution

__all__ = ["average_crps"]

# Double exponential quadrature on a half-line, x = exp(pi / 2 sinh t), in units of the deviation.
_STEP, _ENDS = 0.0625, 3.5
# Nodes of Gauss and Legendre between the mean and the response.
_NODES = 48
# A count is summed until so little probability is left beyond.
_LEFT = 1e-9
# Beyond so many whole numbers they are taken in blocks.
_MOST_COUNTS = 2000


def average_crps(
    distribution: RowDistribution,
    cavity: Cavity,
    response: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
    *,
    discrete: bool,
) -> FloatArray:
    """``int (F(z) - 1{z >= y})^2 dz`` of each response by its prediction F, (n,).

    Parameters
    ----------
    distribution : RowDistribution
    cavity : Cavity
        Of the predictor.
    response, mean, variance : (n,)
        What was seen, and the moments of its prediction.
    discrete : bool
        Whether responses are whole numbers from zero.
    """

    def below(z: FloatArray) -> FloatArray:
        return average_distribution(distribution, cavity, z)

    if discrete:
        return _of_counts(below, response, variance)
    usable = np.where(np.isfinite(variance) & (variance > 0.0), variance, 1.0 + response**2)
    centre = np.where(np.isfinite(mean), mean, response)
    return _of_measurements(below, response, centre, np.sqrt(usable))


def _of_measurements(
    below: Callable[[FloatArray], FloatArray],
    response: FloatArray,
    centre: FloatArray,
    scale: FloatArray,
) -> FloatArray:
    r"""The score by two integrals, neither of which has a corner.

    With m the mean it is

    .. math:: \int_{-\infty}^m F^2 + \int_m^\infty (1 - F)^2 + \int_m^y (2F - 1) .
    """
    out = np.zeros(response.size)
    for t in np.arange(-_ENDS, _ENDS + 0.5 * _STEP, _STEP).tolist():
        x = np.exp(0.5 * np.pi * np.sinh(t))
        width = _STEP * 0.5 * np.pi * np.cosh(t) * x
        low, high = below(centre - x * scale), below(centre + x * scale)
        out += width * scale * (low**2 + (1.0 - high) ** 2)
    # z = m + s sinh(u) takes a response far out as close as its logarithm.
    end = np.arcsinh((response - centre) / scale)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    for node, weight in zip((0.5 + 0.5 * nodes).tolist(), (0.5 * weights).tolist(), strict=True):
        slope = weight * end * scale * np.cosh(node * end)
        out += slope * (2.0 * below(centre + scale * np.sinh(node * end)) - 1.0)
    return out


def _of_counts(
    below: Callable[[FloatArray], FloatArray], response: FloatArray, variance: FloatArray
) -> FloatArray:
    reach = response + 20.0 * np.sqrt(np.where(np.isfinite(variance), variance, 0.0)) + 20.0
    width = max(1, int(np.ceil(reach.max(initial=0.0) / _MOST_COUNTS)))
    out = np.zeros(response.size)
    for k in range(0, 50 * _MOST_COUNTS * width, width):
        # The middle of a block stands for all of it.
        z = k + (width - 1) // 2
        share = below(np.full(response.size, float(z)))
        out += width * (share - (z >= response)) ** 2
        if z >= response.max(initial=0.0) and np.all(share > 1.0 - _LEFT):
            break
    return out
