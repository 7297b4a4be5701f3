"""Whether a fit of ours is the fit that another package reports."""

from __future__ import annotations

from mixcheck.errors import DataError
from mixcheck.fitting.results.glmm_fit import GLMM

__all__ = ["agrees", "require_same"]


def agrees(fit: GLMM, theirs: float, tolerance: float) -> bool:
    """Whether the log-likelihoods are within the tolerance."""
    return abs(float(fit.llf) - theirs) < tolerance


def require_same(fit: GLMM, theirs: float, tolerance: float, way: str) -> GLMM:
    """The fit, if its log-likelihood is that of the other package.

    Parameters
    ----------
    fit : GLMM
    theirs : float
        The log-likelihood that the other package reports.
    tolerance : float
        By how much they may differ.
    way : str
        What to do where they differ more.

    Raises
    ------
    DataError
    """
    if agrees(fit, theirs, tolerance):
        return fit
    own = float(fit.llf)
    raise DataError(
        f"the log-likelihood of this model with these data is {own:.4f} here, and that of the "
        f"result is {theirs:.4f}: {way}"
    )
