"""Degrees of freedom by Satterthwaite's approximation.

The estimated variance ``v = l' C(phi^) l`` of a contrast is taken for a multiple of a chi-square
whose first two moments it has: ``2 v^2 / var v`` degrees of freedom, with ``var v`` by the delta
method from the sampling covariance of the variance parameters phi.

References
----------
Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics
Bulletin 2; Giesbrecht & Burns (1985), Biometrics 41, 477-486, for mixed models; Fai & Cornelius
(1996), Journal of Statistical Computation and Simulation 54, 363-378, for several contrasts;
Kuznetsova, Brockhoff & Christensen (2017), lmerTest, Journal of Statistical Software 82(13).
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = ["joint_satterthwaite_df", "satterthwaite_df"]

# Degrees of freedom that differ by less are those of one variance.
_EQUAL = 1e-8
# A variance below this share of the largest is rounding.
_SINGULAR = 1e-12


def satterthwaite_df(
    L: FloatArray, covariance: FloatArray, slopes: FloatArray, of_parameters: FloatArray
) -> FloatArray:
    """Degrees of freedom of each contrast, (k,).

    ``2 v^2 / (g' A g)`` with ``v = l' C l`` and ``g_i = l' (dC / d phi_i) l``.

    Parameters
    ----------
    L : (k, p)
        Contrasts, one a row.
    covariance : (p, p)
        C, of the coefficients at the estimated variance parameters.
    slopes : (m, p, p)
        Its derivative in each of these.
    of_parameters : (m, m)
        A, their sampling covariance.

    Returns
    -------
    (k,)
        Infinite where the variance does not depend on the parameters.

    Examples
    --------
    The variance of a mean of 10 is ``s^2 / 10``, and ``s^2`` has the variance ``2 s^4 / 9``:

    >>> s2 = 4.0
    >>> C, slope, A = np.array([[s2 / 10]]), np.array([[[0.1]]]), np.array([[2 * s2**2 / 9]])
    >>> satterthwaite_df(np.eye(1), C, slope, A).round(9)
    array([9.])
    """
    variances = np.einsum("ka,ab,kb->k", L, covariance, L)
    gradients = np.einsum("ka,mab,kb->km", L, slopes, L)
    spread = np.einsum("km,mn,kn->k", gradients, of_parameters, gradients)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = 2.0 * variances**2 / np.maximum(spread, 0.0)
    return np.where(variances > 0.0, out, np.nan)


def joint_satterthwaite_df(
    L: FloatArray, covariance: FloatArray, slopes: FloatArray, of_parameters: FloatArray
) -> float:
    """Degrees of freedom of the denominator of an F statistic of all contrasts.

    The statistic is the mean of squared t statistics of r uncorrelated contrasts, each with df
    v_j, whose expectation ``E = sum v_j / (v_j - 2) / r`` is that of an F with ``2 E / (E - 1)``
    (Fai & Cornelius). Where some v_j is 2 or less, which has no expectation, it is 2. The
    contrasts are along the eigenvectors of ``L C L'``, as in lmerTest: another choice, or other
    units of the contrasts, give other degrees of freedom where the v_j differ.

    Parameters
    ----------
    L, covariance, slopes, of_parameters
        As of `satterthwaite_df`.
    """
    values, vectors = np.linalg.eigh(L @ covariance @ L.T)
    turned = vectors[:, values > _SINGULAR * max(float(values[-1]), 0.0)].T @ L
    each = satterthwaite_df(turned, covariance, slopes, of_parameters)
    if each.size == 0 or np.isnan(each).any():
        return float("nan")
    if np.isinf(each).all() or np.ptp(each) < _EQUAL * each.max():
        return float(each.mean())
    if each.min() <= 2.0:
        return 2.0
    excess = float(np.mean(2.0 / (each - 2.0)))
    return 2.0 * (1.0 + excess) / excess if excess > 0.0 else float("inf")
