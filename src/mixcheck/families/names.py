"""Families by their names."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from mixcheck.calls import answer_calls
from mixcheck.errors import FamilyError
from mixcheck.families.beta import Beta, BetaBinomial
from mixcheck.families.continuous import Gaussian
from mixcheck.families.counts import Poisson
from mixcheck.families.family import Family
from mixcheck.families.negative_binomial import NegativeBinomial1, NegativeBinomial2
from mixcheck.families.positive import Gamma, LogNormal
from mixcheck.families.proportions import Binomial
from mixcheck.families.truncated import (
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
)
from mixcheck.options import shown

__all__ = ["FAMILIES", "get_family"]

FAMILIES: dict[str, Callable[[], Family]] = {
    Gaussian.name: Gaussian,
    Binomial.name: Binomial,
    Poisson.name: Poisson,
    NegativeBinomial1.name: NegativeBinomial1,
    NegativeBinomial2.name: NegativeBinomial2,
    Gamma.name: Gamma,
    LogNormal.name: LogNormal,
    Beta.name: Beta,
    BetaBinomial.name: BetaBinomial,
    TruncatedPoisson.name: TruncatedPoisson,
    TruncatedNegativeBinomial1.name: TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2.name: TruncatedNegativeBinomial2,
}
_OTHER_NAMES = {
    "normal": "gaussian",
    "bernoulli": "binomial",
    "logistic": "binomial",
    "negbin": "nbinom2",
    "negative_binomial": "nbinom2",
    "negativebinomial": "nbinom2",
    "nb": "nbinom2",
    "nb1": "nbinom1",
    "nb2": "nbinom2",
}


@answer_calls
def get_family(family: str | Family | type[Family]) -> Family:
    """Family of a name, of a class (with its default link), or the family itself.

    Parameters
    ----------
    family : str, Family, or subclass of Family
        A name as glmmTMB writes it (``"gaussian"``, ``"binomial"``, ``"nbinom2"``, ..; the
        error for an unknown name lists all), a class, or an instance.

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
    for name, known in FAMILIES.items():
        if family is known or (isinstance(family, str) and family == name):
            return known()
    raise FamilyError(
        f"There is no family {shown(family)}; the families are {', '.join(FAMILIES)}."
        f"{_suggest(family) if isinstance(family, str) else ''}"
    )


def _suggest(name: str) -> str:
    lowered = name.strip().lower()
    near = difflib.get_close_matches(lowered, FAMILIES, n=1)
    instead = _OTHER_NAMES.get(lowered) or (near[0] if near else None)
    return f" Write family={instead!r}." if instead else ""
