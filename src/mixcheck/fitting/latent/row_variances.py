"""What random effects add to the variance of the predictors of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.factors import Factor
from mixcheck.fitting.latent.roots import Root, RootOfCopies, TiedRoot, units_of

__all__ = ["variances_of_rows"]


def variances_of_rows(factors: Sequence[Factor], roots: Sequence[Root], n: int) -> FloatArray:
    """``sum z' Lambda Lambda' z`` over the factors, (n,).

    Of a factor whose levels are tied by K each term has the factor ``K_jj`` of its level j.

    Parameters
    ----------
    factors : sequence of Factor
    roots : sequence of Root
        Lambda of each.
    n : int
        Number of rows.
    """
    out = np.zeros(n)
    for factor, root in zip(factors, roots, strict=True):
        Z, units = factor.covariates, units_of(root)
        if isinstance(root, RootOfCopies):
            spread = np.einsum("cnq,qrc->cnr", Z.reshape(units.shape[2], -1, factor.q), units)
            out += np.einsum("cnr,cnr->cn", spread, spread).ravel()
            continue
        part = np.einsum("nq,qr,nr->n", Z, units @ units.T, Z)
        out += part * factor.sums.spread(root.variances) if isinstance(root, TiedRoot) else part
    return out
