"""Families by their names."""

from __future__ import annotations

import difflib
import re
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
# Names elsewhere, without blanks, dots, dashes and underscores, and what to write for them.
_SAME = {
    "gaussian": "normal lm lmer norm identity",
    "binomial": "bernoulli logistic logit binary bernoullifamily",
    "poisson": "pois counts",
    "nbinom1": "nb1 negativebinomial1 negbinomial1 negbin1 nbin1 quasipoissonlike",
    "nbinom2": "negbin negativebinomial negativebinomial2 negbinomial negbinomial2 negbin2 nb nb2 "
    "nbinom nbin nbin2 glmernb negbinp",
    "gamma": "gammafamily",
    "lognormal": "lnorm logn",
    "beta": "betafamily betar betaregression",
    "betabinomial": "betabinom betabin bb betabinomialfamily",
    "truncated_poisson": "truncatedpoisson ztpoisson ztp zerotruncatedpoisson truncpoisson "
    "pospoisson",
    "truncated_nbinom1": "truncatednegativebinomial1 truncatednb1",
    "truncated_nbinom2": "truncatednegativebinomial2 truncatednbinom truncatednb2 truncatednb ztnb "
    "zerotruncatednegbinomial zerotruncatednegativebinomial posnegbinomial",
}
_WITH_ZEROS = {
    "poisson": "zip zipoisson zeroinflatedpoisson",
    "nbinom2": "zinb zinbinom zinbinom2 zinb2 zinegbin zinegbinomial zeroinflatednegbinomial "
    "zeroinflatednegativebinomial zeroinflatednbinom2 zeroinflatednegativebinomial2",
    "nbinom1": "zinbinom1 zinb1 zeroinflatednbinom1 zeroinflatednegativebinomial1",
    "binomial": "zib zibinomial zeroinflatedbinomial",
    "betabinomial": "zibb zeroinflatedbetabinomial",
    "beta": "zibeta zeroinflatedbeta hurdlebeta",
    "gamma": "zigamma hurdlegamma",
    "lognormal": "hurdlelognormal zilognormal",
    "truncated_poisson": "hurdlepoisson hurdletruncatedpoisson",
    "truncated_nbinom2": "hurdlenegbinomial hurdlenegbin hurdlenbinom2 hurdletruncatednbinom2",
    "truncated_nbinom1": "hurdlenbinom1 hurdletruncatednbinom1",
}
_LACKING = {
    "quasi quasipoisson quasibinomial quasilikelihood": "Quasi-families have no likelihood: write "
    "family='nbinom1' for 'quasipoisson', and family='betabinomial' for 'quasibinomial', or a "
    "random effect for each observation.",
    "genpois generalizedpoisson compois conwaymaxwellpoisson com com_poisson": "For counts with "
    "another variance than the Poisson there are family='nbinom1' and family='nbinom2'.",
    "student t tfamily skewnormal skew_normal asymlaplace exgaussian gevfamily": "For a real "
    "response there is family='gaussian' only; dispersion='~ x' lets its variance differ.",
    "inversegaussian invgauss weibull exponential frechet tweedie": "For a positive response there "
    "are family='gamma' and family='lognormal', and with zeros zi='~ 1'.",
    "ordinal cumulative multinomial categorical ordbeta sratio clmm": "There is no family for "
    "ordered or several categories; a response of two is family='binomial'.",
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
    for name, known in FAMILIES.items():
        if family is known or (isinstance(family, str) and family == name):
            return known()
    name = family if isinstance(family, str) else _name_of(family)
    raise FamilyError(
        f"There is no family {shown(family)}; the families are {', '.join(FAMILIES)}."
        f"{_suggest(name)}"
    )


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
    for title, names in _SAME.items():
        if plain == _plain(title) or plain in names.split():
            return f" Write family={title!r}."
    for title, names in _WITH_ZEROS.items():
        if plain in names.split():
            return f" Write family={title!r}, zi='~ 1'."
    for lacking, sentence in _LACKING.items():
        if plain in map(_plain, lacking.split()):
            return f" {sentence}"
    near = difflib.get_close_matches(plain, map(_plain, FAMILIES), n=1, cutoff=0.7)
    return f" Write family={_by_plain_name(near[0])!r}." if near else ""


def _with_link(name: str, link: str) -> str:
    """What to write for a family written as a call, such as ``binomial("probit")``."""
    plain = _plain(name)
    titles = [t for t, names in _SAME.items() if plain == _plain(t) or plain in names.split()]
    if not titles:
        return _suggest(name)
    if not link:
        return f" Write family={titles[0]!r}."
    made = getattr(FAMILIES[titles[0]], "__name__", titles[0])
    return f" Write family=mc.families.{made}(link={link!r})."


def _plain(name: str) -> str:
    return re.sub(r"[\s._-]", "", name).lower()


def _by_plain_name(plain: str) -> str:
    return next(name for name in FAMILIES if _plain(name) == plain)
