"""Families by their names."""

from __future__ import annotations

import difflib
import re
from functools import cache

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.errors import FamilyError
from mixcheck.families.beta import Beta
from mixcheck.families.beta_binomial import BetaBinomial
from mixcheck.families.continuous import Gaussian
from mixcheck.families.counts import Poisson
from mixcheck.families.family import Family
from mixcheck.families.negative_binomial import NegativeBinomial1, NegativeBinomial2
from mixcheck.families.ordinal import Ordinal
from mixcheck.families.positive import Gamma, LogNormal
from mixcheck.families.proportions import Binomial
from mixcheck.families.student import StudentT
from mixcheck.families.truncated import (
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
)

__all__ = ["FAMILIES", "get_family"]

FAMILIES: dict[str, type[Family]] = {
    str(family.name): family
    for family in (
        Gaussian,
        Binomial,
        Poisson,
        NegativeBinomial1,
        NegativeBinomial2,
        Gamma,
        LogNormal,
        Beta,
        BetaBinomial,
        TruncatedPoisson,
        TruncatedNegativeBinomial1,
        TruncatedNegativeBinomial2,
        StudentT,
        Ordinal,
    )
}
# Names elsewhere, without blanks, dots, dashes and underscores, and what to write for them.
_LACKING = {
    "quasi quasipoisson quasibinomial quasilikelihood": "Quasi-families have no likelihood: write "
    "family='nbinom1' for 'quasipoisson', and family='betabinomial' for 'quasibinomial', or a "
    "random effect for each observation.",
    "genpois generalizedpoisson compois conwaymaxwellpoisson com com_poisson": "For counts with "
    "another variance than the Poisson there are family='nbinom1' and family='nbinom2'.",
    "skewnormal skew_normal asymlaplace exgaussian gevfamily": "For a real response there are "
    "family='gaussian' and family='t'; dispersion='~ x' lets its variance differ.",
    "inversegaussian invgauss weibull exponential frechet tweedie": "For a positive response there "
    "are family='gamma' and family='lognormal', and with zeros zi='~ 1'.",
    "multinomial categorical sratio acat": "There is no family for categories without an order, "
    "nor for stages; ordered categories are family='ordinal', and two are family='binomial'.",
    "ordbeta": "For proportions with zeros there is family='beta', zi='~ 1'.",
    "geometric": "The nearest is family='nbinom2', of which it is a special case.",
    "gee glm glmm mixedlm": "That is a kind of model: the family is the distribution of one "
    "response, such as family='poisson'.",
}
_LINK_IN_NAME = re.compile(
    r"\s*(?:\w+[.]|\w+::)*(\w+)\s*\(\s*(?:link\s*=\s*)?[\"']?(\w*)[\"']?\s*\)\s*"
)


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
    if isinstance(family, str) and family in FAMILIES:
        return _with_default_link(family)
    if isinstance(family, type) and issubclass(family, Family) and isinstance(family.name, str):
        return family()
    name = family if isinstance(family, str) else _name_of(family)
    raise FamilyError(
        f"There is no family {shown(family)}; the families are {', '.join(FAMILIES)}."
        f"{_suggest(name)}"
    )


@cache
def _with_default_link(name: str) -> Family:
    """A family does not change, so that all fits may share it."""
    return FAMILIES[name]()


def _name_of(family: object) -> str:
    """Name of the class of a family of another library, or nothing."""
    named = family if isinstance(family, type) else type(family)
    alike = hasattr(family, "variance") or hasattr(family, "link") or hasattr(family, "logpmf")
    return named.__name__ if alike or isinstance(family, type) else ""


def _suggest(name: str) -> str:
    """What to write for the name of a family elsewhere: a sentence after a blank, or nothing."""
    link = _LINK_IN_NAME.fullmatch(name)
    if link is not None:
        return _with_link(*link.groups())
    plain = _plain(name)
    for title, known in FAMILIES.items():
        if plain == _plain(title) or plain in known.also_called.split():
            return f" Write family={title!r}."
        if plain in known.also_called_with_zeros.split():
            return f" Write family={title!r}, zi='~ 1'."
    for lacking, sentence in _LACKING.items():
        if plain in map(_plain, lacking.split()):
            return f" {sentence}"
    near = difflib.get_close_matches(plain, map(_plain, FAMILIES), n=1, cutoff=0.7)
    return f" Write family={_by_plain_name(near[0])!r}." if near else ""


def _with_link(name: str, link: str) -> str:
    """What to write for a family written as a call, such as ``binomial("probit")``."""
    plain = _plain(name)
    titles = [
        title
        for title, known in FAMILIES.items()
        if plain == _plain(title) or plain in known.also_called.split()
    ]
    if not titles:
        return _suggest(name)
    if not link:
        return f" Write family={titles[0]!r}."
    return f" Write family=mc.families.{FAMILIES[titles[0]].__name__}(link={link!r})."


def _plain(name: str) -> str:
    return re.sub(r"[\s._-]", "", name).lower()


def _by_plain_name(plain: str) -> str:
    return next(name for name in FAMILIES if _plain(name) == plain)
