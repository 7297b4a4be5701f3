"""A covariance of estimates that holds whatever goes on within clusters of rows.

Estimates solve ``sum_g s_g = 0`` with the score s_g of each of G clusters, whose model-based
covariance is its information I_g, ``A = sum_g I_g``. The sandwich ``A^-1 (sum_g s_g s_g') A^-1`` is
too small with few clusters, since scores at the estimates are smaller than at the truth. In
coordinates in which A is the identity the score of a cluster has under the model the covariance
``J_g - J_g^2``, J_g its share of the information, and is multiplied by ``(I - J_g)^(-1/2)``: the
sandwich then has no bias under the model. For least squares this is CR2.

References
----------
Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage
samples, Survey Methodology 28, 169-181; Pustejovsky & Tipton (2018), Small-sample methods for
cluster-robust variance estimation, Journal of Business & Economic Statistics 36, 672-683.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = ["ClusterRobust"]

# A direction of which a cluster has all but this share of the information is told by it alone.
_ALONE = 1e-8
# Directions of contrasts whose variance is a smaller share of the largest are combinations.
_SINGULAR = 1e-12


@dataclass(frozen=True, eq=False)
class ClusterRobust:
    """Scores and information of clusters at the estimates of p coefficients.

    Attributes
    ----------
    scores : (G, p)
    information : (G, p, p)
        Its sum over clusters is positive definite.

    Examples
    --------
    The mean of three clusters of one row: the variance of the mean, with two degrees of freedom.

    >>> y = np.array([1.0, 2.0, 6.0])
    >>> known = ClusterRobust((y - y.mean())[:, None], np.ones((3, 1, 1)))
    >>> round(float(known.covariance[0, 0] - y.var(ddof=1) / 3), 12), known.df(np.eye(1)).round(9)
    (0.0, array([2.]))
    """

    scores: FloatArray
    information: FloatArray

    @cached_property
    def root(self) -> FloatArray:
        """R, (p, p), with ``R R' = A^-1``."""
        A = self.information.sum(axis=0)
        sizes = np.sqrt(A.diagonal())
        lower = np.linalg.cholesky(A / sizes / sizes[:, None])
        out: FloatArray = np.linalg.inv(lower).T / sizes[:, None]
        return out

    @cached_property
    def shares(self) -> FloatArray:
        """``J_g = R' I_g R``, (G, p, p)."""
        found = self.root.T @ self.information @ self.root
        out: FloatArray = 0.5 * (found + found.swapaxes(1, 2))
        return out

    @cached_property
    def adjustments(self) -> FloatArray:
        """``(I - J_g)^(-1/2)``, (G, p, p); zero along what a cluster tells alone."""
        values, vectors = np.linalg.eigh(self.shares)
        left = 1.0 - values
        factors = np.where(left > _ALONE, 1.0 / np.sqrt(np.maximum(left, _ALONE)), 0.0)
        out: FloatArray = (vectors * factors[:, None]) @ vectors.swapaxes(1, 2)
        return out

    @cached_property
    def covariance(self) -> FloatArray:
        """``R sum_g (A_g R' s_g) (A_g R' s_g)' R'`` of the coefficients, (p, p)."""
        adjusted = np.einsum("gab,bc,gc->ga", self.adjustments, self.root.T, self.scores)
        half = self.root @ adjusted.T
        out: FloatArray = half @ half.T
        return out

    def df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of contrasts, (k,), by the first two moments under the model.

        The variance is ``sum_g t_g^2`` with ``t_g = w_g' z_g`` of the scores z_g in the coordinates
        of A. Their covariances are ``w_g' (delta_gh J_g - J_g J_h) w_h = G_gh``, and the degrees of
        freedom are ``(tr G)^2 / tr G^2`` (Bell & McCaffrey).

        Parameters
        ----------
        L : (k, p)
        """
        w = np.einsum("gab,kb->kga", self.adjustments, L @ self.root)
        through = np.einsum("gab,kgb->kga", self.shares, w)
        own = np.einsum("kga,kga->kg", w, through)
        squares = np.einsum("kga,kga->kg", through, through)
        gram = np.einsum("kga,kgb->kab", through, through)
        trace = np.sum(own - squares, axis=1)
        square = np.sum(own**2 - 2.0 * own * squares, axis=1) + np.sum(gram**2, axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(trace > 0.0, trace**2 / square, np.nan)

    def joint(self, L: FloatArray) -> tuple[float, float]:
        """Degrees of freedom of the denominator, and scale, of an F statistic of all contrasts.

        The covariance D of q contrasts, which under the model are uncorrelated with variance one,
        is taken for a Wishart matrix over its degrees of freedom v, so that the statistic is
        Hotelling's, with ``v - q + 1`` and ``(v - q + 1) / v``: v is ``q (q + 1) / sum var D_st``
        (HTZ of Pustejovsky and Tipton). With ``t_gs = w_gs' z_g`` as in `df`, for contrast s,
        ``var D_st = sum_gh cov(t_gs, t_hs) cov(t_gt, t_ht) + cov(t_gs, t_ht) cov(t_gt, t_hs)``.
        NaN where v is too small.

        Parameters
        ----------
        L : (k, p)
        """
        values, vectors = np.linalg.eigh(L @ self.root @ self.root.T @ L.T)
        kept = values > _SINGULAR * values[-1]
        turned = (vectors[:, kept] / np.sqrt(values[kept])).T @ L
        w = np.einsum("gab,sb->sga", self.adjustments, turned @ self.root)
        # cov(t_gs, t_ht) is a_gst - b_gs' b_gt for one cluster, and -b_gs' b_ht for two.
        b = np.einsum("gab,sgb->sga", self.shares, w)
        a = np.einsum("sga,tga->stg", w, b)
        inner = np.einsum("sga,tga->stg", b, b)
        B = np.einsum("sga,tgb->stab", b, b)
        same, lost = a.diagonal().T, inner.diagonal().T
        alike = np.einsum("sg,tg->", same, same) - 2.0 * np.einsum("sg,tg->", same, lost)
        across = np.sum(a * a) - 2.0 * np.sum(a * inner)
        total = alike + across + np.sum(B * B) + np.einsum("stab,stba->", B, B)
        q = len(turned)
        v = q * (q + 1.0) / float(total)
        left = v - q + 1.0
        return (left, left / v) if left > 0.0 else (np.nan, np.nan)
