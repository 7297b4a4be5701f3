"""The covariance structures that a formula can name."""

from __future__ import annotations

from functools import cache
from typing import Final

from mixcheck.design.covariances.covariance import Covariance
from mixcheck.design.covariances.diagonal import Diagonal
from mixcheck.design.covariances.unstructured import Unstructured
from mixcheck.errors import OptionError

__all__ = ["DEFAULT", "STRUCTURES", "covariance_of"]

STRUCTURES: Final[dict[str, type[Unstructured | Diagonal]]] = {
    held.name: held for held in (Unstructured, Diagonal)
}

DEFAULT: Final = Unstructured.name
"""The structure of a term without a name, ``(x | g)``."""


@cache
def covariance_of(structure: str, q: int) -> Covariance:
    """Covariance of `q` effects under the structure named in a formula.

    Raises
    ------
    OptionError
        If the structure is unknown.

    Examples
    --------
    >>> covariance_of("diag", 3).n_theta
    3
    """
    if structure not in STRUCTURES:
        raise OptionError(f"Unknown structure {structure!r}; choose from {', '.join(STRUCTURES)}.")
    return STRUCTURES[structure](q)
