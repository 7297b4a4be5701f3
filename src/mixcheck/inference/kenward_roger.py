"""The covariance of fixed effects and their F tests by Kenward and Roger.

In a linear mixed model whose response has the covariance ``V = sum_i s_i G_i``, linear in its
variances and covariances s, the covariance ``C = (X' V^-1 X)^-1`` of the coefficients at
estimates of s is too small. With ``P_i = -X' V^-1 G_i V^-1 X``,
``Q_ij = X' V^-1 G_i V^-1 G_j V^-1 X`` and the covariance W of the estimates of s, to second order
it is ``C + 2 C (sum_ij W_ij (Q_ij - P_i C P_j)) C``, and an F statistic with it, scaled, has the
first two moments of an F distribution.

References
----------
Kenward & Roger (1997), Small sample inference for fixed effects from restricted maximum
likelihood, Biometrics 53, 983-997; Halekoh & Hojsgaard (2014), pbkrtest, Journal of Statistical
Software 59(9), for the form of the formulas below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.inference.contrasts import spectral_root

__all__ = ["KenwardRoger"]


@dataclass(frozen=True, eq=False)
class KenwardRoger:
    """What the data say of coefficients and of m variances and covariances.

    Attributes
    ----------
    covariance : (p, p)
        ``C = (X' V^-1 X)^-1``.
    P : (m, p, p)
    Q : (m, m, p, p)
    traces : (m, m)
        ``tr(V^-1 G_i V^-1 G_j)``.
    """

    covariance: FloatArray
    P: FloatArray
    Q: FloatArray
    traces: FloatArray

    @cached_property
    def of_variances(self) -> FloatArray:
        """W, (m, m): inverse of the expected information of the restricted likelihood.

        ``I_ij = tr(V^-1 G_i V^-1 G_j) / 2 - tr(C Q_ij) + tr(C P_i C P_j) / 2``. Combinations of
        variances that the data do not tell have none.
        """
        C, CP = self.covariance, self.covariance @ self.P
        information = 0.5 * (
            self.traces
            - 2.0 * np.einsum("ab,ijba->ij", C, self.Q)
            + np.einsum("iab,jba->ij", CP, CP)
        )
        root = spectral_root(0.5 * (information + information.T))
        out: FloatArray = root @ root.T
        return out

    @cached_property
    def adjusted(self) -> FloatArray:
        """``C + 2 C {sum_ij W_ij (Q_ij - P_i C P_j)} C``: what the estimation of s adds, too."""
        C, W = self.covariance, self.of_variances
        inner = np.einsum("ij,ijab->ab", W, self.Q)
        inner -= np.einsum("ij,iab,bc,jcd->ad", W, self.P, C, self.P)
        out: FloatArray = C + C @ (inner + inner.T) @ C
        return out

    def df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of the t statistic of each contrast, (k,); L is (k, p).

        ``2 / A`` with ``A = sum_ij W_ij d_i d_j`` and ``d_i = l' C P_i C l / (l' C l)``.
        """
        C = self.covariance
        variances = np.einsum("ka,ab,kb->k", L, C, L)
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.einsum("ka,iab,kb->ki", L @ C, self.P, L @ C) / variances[:, None]
            spread = np.einsum("ki,ij,kj->k", rates, self.of_variances, rates)
            out = 2.0 / np.maximum(spread, 0.0)
        return np.where(variances > 0.0, out, np.nan)

    def joint(self, L: FloatArray) -> tuple[float, float]:
        """Degrees of freedom of the denominator, and scale, of the F statistic of contrasts.

        The mean and the variance of the statistic are expanded to second order, in a form that
        is exact where an F statistic exists (Kenward & Roger, section 4). Where the data are so
        few that the expansion has no positive variance, the smallest df of uncorrelated
        contrasts is taken, and no scale.

        Parameters
        ----------
        L : (k, p)

        Returns
        -------
        df, scale : float
        """
        C = self.covariance
        turned = spectral_root(L @ C @ L.T).T @ L
        size = len(turned)
        if size == 0:
            return float("nan"), 1.0
        if size == 1:
            return float(self.df(turned)[0]), 1.0
        half = turned @ C
        rates = half @ self.P @ half.T
        W = self.of_variances
        of_traces = np.einsum("iaa->i", rates)
        A1 = float(of_traces @ W @ of_traces)
        A2 = float(np.einsum("ij,iab,jba->", W, rates, rates))
        found = _moments(size, A1, A2)
        return (float(self.df(turned).min()), 1.0) if found is None else found


def _moments(size: int, A1: float, A2: float) -> tuple[float, float] | None:
    """Df and scale of k contrasts by the moments; None where there are none.

    ``B = (A1 + 6 A2) / (2 k)``, ``E = 1 / (1 - A2 / k)`` and
    ``V = (2 / k) (1 + c1 B) / ((1 - c2 B)^2 (1 - c3 B))``, from which with ``r = V / (2 E^2)`` come
    ``m = 4 + (k + 2) / (k r - 1)`` and the scale ``m / (E (m - 2))``.
    """
    if not A2 > 0.0:
        return float("inf"), 1.0
    k = float(size)
    g = ((k + 1.0) * A1 - (k + 4.0) * A2) / ((k + 2.0) * A2)
    below = 3.0 * k + 2.0 * (1.0 - g)
    c1, c2, c3 = g / below, (k - g) / below, (k + 2.0 - g) / below
    B = (A1 + 6.0 * A2) / (2.0 * k)
    if not (k > A2 and c2 * B < 1.0 and c3 * B < 1.0 and 1.0 + c1 * B > 0.0):
        return None
    mean = 1.0 / (1.0 - A2 / k)
    variance = 2.0 / k * (1.0 + c1 * B) / ((1.0 - c2 * B) ** 2 * (1.0 - c3 * B))
    excess = k * variance / (2.0 * mean**2) - 1.0
    if not excess > 0.0:
        return None
    m = 4.0 + (k + 2.0) / excess
    return m, m / (mean * (m - 2.0))
