"""Information criteria on the marginal likelihood."""

from __future__ import annotations

import math

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.comparison.criterion import Criterion
from mixcheck.comparison.same_data import formula_of, require_comparable
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import Comparable, Counting, Ported

__all__ = ["AIC", "AICC", "BIC", "aic", "aicc", "bic"]


@answer_calls
def aic(model: Comparable | Ported) -> float:
    """Marginal AIC: minus twice the log-likelihood plus twice the number of parameters.

    It estimates how well new groups of the same population are predicted. Random effects count
    by their variances and correlations.

    Parameters
    ----------
    model : Comparable
        Such as the result of `mixcheck.glmm`.

    Raises
    ------
    OptionError
        If it has no likelihood.

    References
    ----------
    Akaike (1974), IEEE Transactions on Automatic Control 19, 716-723.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(mc.aic(fit), 3)
    194.053
    """
    fitted = require_comparable(model, "aic")
    return -2.0 * fitted.llf + 2.0 * fitted.n_parameters


@answer_calls
def aicc(model: Comparable | Ported, *, n: str = "observations") -> float:
    r"""Marginal AIC with the correction for small samples.

    .. math:: -2 \log L + 2 k + \frac{2 k (k + 1)}{n - k - 1}

    The correction is exact for linear models without random effects. With random effects neither
    the number of parameters nor the sample size is what it was derived for, so the size is named.

    Parameters
    ----------
    model : Comparable
    n : str
        As in `bic`: ``"observations"``, or a grouping factor, whose number of levels is taken.

    Raises
    ------
    ComparisonError
        If the sample is not larger than the number of parameters plus one.
    OptionError
        If the model has no likelihood, or no such grouping factor.

    References
    ----------
    Sugiura (1978), Communications in Statistics A 7, 13-26; Hurvich & Tsai (1989), Biometrika 76,
    297-307.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(mc.aicc(fit), 3), round(mc.aicc(fit, n="herd"), 2)
    (195.253, 200.72)
    """
    fitted = require_comparable(model, "aicc")
    size, k = _sample_size(fitted, n), fitted.n_parameters
    if size <= k + 1:
        of = "" if n == "observations" else f" of {n}"
        raise ComparisonError(
            f"{formula_of(fitted)!r} has {k} parameters and {size} {_size_words(n)}{of}: the AICc "
            "exists where there are at least two more of these than parameters. Use a smaller "
            "model, or criterion='logo'"
        )
    return -2.0 * fitted.llf + 2.0 * k + 2.0 * k * (k + 1.0) / (size - k - 1.0)


def _size_words(n: str) -> str:
    return "observations" if n == "observations" else "levels"


@answer_calls
def bic(model: Comparable | Ported, *, n: str = "observations") -> float:
    """Marginal BIC, with the sample size that is named.

    Parameters
    ----------
    model : Comparable
    n : str
        ``"observations"``, or a grouping factor, whose number of levels is taken.

    Raises
    ------
    OptionError
        If the model has no likelihood, or no such grouping factor.

    References
    ----------
    Schwarz (1978), Annals of Statistics 6, 461-464.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(mc.bic(fit), 2), round(mc.bic(fit, n="herd"), 2)
    (204.18, 197.59)
    """
    fitted = require_comparable(model, "bic")
    return -2.0 * fitted.llf + math.log(_sample_size(fitted, n)) * fitted.n_parameters


def _sample_size(model: Comparable, n: str) -> int:
    if isinstance(n, str) and n == "observations":
        return model.nobs
    sizes = dict(model.n_groups) if isinstance(model, Counting) else {}
    size = sizes.get(n) if isinstance(n, str) else None
    if size is None:
        allowed = ", ".join(map(repr, ("observations", *sizes)))
        raise OptionError(f"n={shown(n)} is no sample size of this model; write one of {allowed}")
    return size


AIC = Criterion("aic", "AIC", aic)
AICC = Criterion("aicc", "AICc", aicc)
BIC = Criterion("bic", "BIC", bic)
