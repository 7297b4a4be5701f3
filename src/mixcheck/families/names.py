"""Families by their names."""

from __future__ import annotations

import difflib

from mixcheck.errors import FamilyError
from mixcheck.families.continuous import Gaussian
from mixcheck.families.counts import Poisson
from mixcheck.families.family import Family
from mixcheck.families.proportions import Binomial

__all__ = ["get_family"]

_FAMILIES: dict[str, type[Gaussian] | type[Poisson] | type[Binomial]] = {
    family.name: family for family in (Gaussian, Binomial, Poisson)
}
_OTHER_NAMES = {"normal": "gaussian", "bernoulli": "binomial", "logistic": "binomial"}


def get_family(family: str | Family | type[Family]) -> Family:
    """Family of a name, of a class (with its default link), or the family itself.

    Parameters
    ----------
    family : str, Family, or subclass of Family
        ``"gaussian"``, ``"binomial"`` or ``"poisson"``, a class, or an instance.

    Returns
    -------
    Family

    Raises
    ------
    FamilyError
        If there is no such family.

    Examples
    --------
    >>> from mixcheck.families import get_family
    >>> get_family("binomial")
    Binomial(link='logit')
    """
    if isinstance(family, Family):
        return family
    for name, known in _FAMILIES.items():
        if family is known or family == name:
            return known()
    raise FamilyError(
        f"There is no family {family!r}; the families are {', '.join(_FAMILIES)}."
        f"{_suggest(str(family))}"
    )


def _suggest(name: str) -> str:
    lowered = name.strip().lower()
    near = difflib.get_close_matches(lowered, _FAMILIES, n=1)
    instead = _OTHER_NAMES.get(lowered) or (near[0] if near else None)
    return f" Write family={instead!r}." if instead else ""
