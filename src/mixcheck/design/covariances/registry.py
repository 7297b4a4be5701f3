"""The covariance structures that a formula can name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from mixcheck.design.covariances.autoregressive import Autoregressive
from mixcheck.design.covariances.compound_symmetry import (
    CompoundSymmetry,
    HomogeneousCompoundSymmetry,
)
from mixcheck.design.covariances.covariance import Covariance, Sequential
from mixcheck.design.covariances.diagonal import Diagonal
from mixcheck.design.covariances.unstructured import Unstructured
from mixcheck.errors import OptionError

__all__ = ["DEFAULT", "STRUCTURES", "Structure", "covariance_of"]


@dataclass(frozen=True)
class Structure:
    """A covariance structure as formulas name it.

    Attributes
    ----------
    covariance : type of Covariance
        Of the effects of a level.
    example : str
        A term with it.
    related : bool
        Whether the levels are related through a matrix, which is named behind the group.
    """

    covariance: type[Covariance]
    example: str
    related: bool = False

    @property
    def sequential(self) -> bool:
        """Whether the effects are positions in order, of which a row has one."""
        return issubclass(self.covariance, Sequential)

    @property
    def unrestricted(self) -> bool:
        """Whether the effects of a level may have any covariance."""
        return self.covariance.unrestricted and not self.related

    @property
    def divisible(self) -> bool:
        """Whether some of the effects alone have a covariance of the same structure."""
        return self.covariance.divisible and not self.related


STRUCTURES: Final[dict[str, Structure]] = {
    "us": Structure(Unstructured, "us(1 + x | g)"),
    "diag": Structure(Diagonal, "diag(1 + x | g)"),
    "cs": Structure(CompoundSymmetry, "cs(0 + x | g)"),
    "homcs": Structure(HomogeneousCompoundSymmetry, "homcs(0 + x | g)"),
    "ar1": Structure(Autoregressive, "ar1(0 + t | g)"),
    "propto": Structure(Unstructured, "propto(1 | g, K)", related=True),
}

DEFAULT: Final = "us"
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
    return STRUCTURES[structure].covariance(q)
