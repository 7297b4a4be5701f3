"""Which way a linear predictor may go for ever without lowering a log density."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import BoolArray, IntArray
from mixcheck.families.links import Link

__all__ = ["FREE", "recede"]

FREE = 2
"""What `Family.recession` says of a row that does not depend on a predictor."""


def recede(link: Link, lowest: BoolArray, highest: BoolArray | None = None) -> IntArray:
    """`Family.recession` of a mean, by the ends of its range that its link has at infinity.

    Parameters
    ----------
    link : Link
    lowest, highest : (n,) bool
        Rows whose log density is largest at a mean of zero, and at the largest mean.
    """
    out = np.zeros(lowest.shape, dtype=np.intp)
    if link.name in ("logit", "probit", "cauchit", "cloglog", "log"):
        np.copyto(out, -1, where=lowest)
        if highest is not None and link.name != "log":
            np.copyto(out, 1, where=highest)
    return out
