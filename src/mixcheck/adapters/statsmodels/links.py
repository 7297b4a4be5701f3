"""Links of statsmodels, by the families here."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.family import Family

__all__ = ["LINKS", "find_predictor"]

LINKS: Final = {
    "Logit": "logit",
    "Probit": "probit",
    "CLogLog": "cloglog",
    "Cauchy": "cauchit",
    "Log": "log",
    "Identity": "identity",
    "Sqrt": "sqrt",
    "InversePower": "inverse",
}
"""Names here of links of statsmodels, by their classes."""


def find_predictor(
    kind: type[Family], link: Any, linear: FloatArray
) -> tuple[Family, FloatArray, FloatArray]:
    """A family with the link of statsmodels, or with its own default where it has no such link.

    Parameters
    ----------
    kind : subclass of Family
    link : link of statsmodels
    linear : (n,)
        Linear predictor there.

    Returns
    -------
    family : Family
    eta : (n,)
        Its predictor: `linear` where the links are the same.
    slope : (n,)
        Its derivative in `linear`.
    """
    name = LINKS.get(type(link).__name__, "")
    if name in kind.allowed_links:
        return kind(name), linear, np.ones_like(linear)
    family = kind()
    mean = np.asarray(link.inverse(linear), dtype=np.float64)
    eta = family.link.link(mean)
    step = np.asarray(link.inverse_deriv(linear), dtype=np.float64)
    return family, eta, step / family.link.derivatives(eta)[1]
