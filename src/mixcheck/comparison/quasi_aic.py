"""The quasi-AIC: counts that vary more than their family says, by one factor for all models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, cast, get_args

import numpy as np

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_choice, require_number, shown
from mixcheck.comparison.conditional import caic
from mixcheck.comparison.criterion import Criterion, CriterionFunction
from mixcheck.comparison.same_data import formula_of, require_comparable, require_same_data
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import Checkable, Comparable, ConditionalLikelihood, Ported, port_of

__all__ = ["QAIC", "DispersionCount", "QuasiAIC", "qaic"]

DispersionCount: TypeAlias = Literal["effective", "parameters"]

# Largest dispersion that is taken for one; it is a ratio of variances.
_MOST = 1e12


@dataclass(frozen=True)
class QuasiAIC:
    """The quasi-AIC of a model, made by `qaic`.

    Attributes
    ----------
    value : float
        ``-2 log-likelihood / dispersion + 2 (parameters + 1)``.
    dispersion : float
        By how much the variance exceeds that of the family; at least one.
    notes : tuple of str
        Where the dispersion comes from.
    """

    value: float
    dispersion: float
    notes: tuple[str, ...] = ()


@answer_calls
def qaic(
    model: Comparable | Ported,
    *,
    dispersion: float | Comparable | Ported | None = None,
    count: DispersionCount = "effective",
) -> QuasiAIC:
    r"""AIC for data that vary more than the family says.

    .. math:: -\frac{2 \log L}{\hat c} + 2 (k + 1), \quad
        \hat c = \frac{1}{n - d} \sum_i \frac{(y_i - \hat\mu_i)^2}{\hat v_i}

    with the means and variances of the fit given the random effects at their modes. The dispersion
    counts as a parameter. It must be that of one model, the largest, in all models that are
    compared; `mixcheck.compare` takes the one with most parameters, and `mixcheck.select` the full
    one. An estimate below one is taken as one.

    A family with a dispersion, such as the negative binomial, has a likelihood, and so all other
    criteria, checks and tests: take that where it can be fitted.

    Parameters
    ----------
    model : Comparable
        Of a family without a dispersion of its own: Poisson, binomial.
    dispersion : float or fitted model, optional
        A known number from 1, or the model that it is estimated from; by default `model` itself.
    count : {"effective", "parameters"}
        The degrees of freedom d: those of the conditional AIC, which count what the random
        effects take up; or the number of parameters, as in "Pearson over residual degrees of
        freedom". For 200 Poisson counts in 40 groups the first gives 0.95 on average and the
        second 0.79, and where the variance is twice the mean 1.77 and 1.47.

    Returns
    -------
    QuasiAIC

    Raises
    ------
    OptionError
        If the model has no likelihood, or a number is not at least one.
    ComparisonError
        If the family has a dispersion of its own, or no degrees of freedom are left.

    References
    ----------
    Lebreton, Burnham, Clobert & Anderson (1992), Ecological Monographs 62, 67-118; Burnham &
    Anderson (2002), Model Selection and Multimodel Inference, 2nd edition, section 2.5.

    Examples
    --------
    >>> import mixcheck as mc
    >>> ticks = mc.datasets.load("grouseticks")
    >>> fit = mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, family="poisson")
    >>> round(mc.qaic(fit).dispersion, 2)
    2.19
    >>> by_parameters = mc.qaic(fit, count="parameters")
    >>> round(by_parameters.dispersion, 4), round(by_parameters.value, 2)
    (1.7319, 1154.12)
    """
    fitted = require_comparable(model, "qaic")
    count = cast(DispersionCount, require_choice("count", count, get_args(DispersionCount)))
    _require_none_of_its_own(fitted)
    if dispersion is None:
        dispersion = model
    if isinstance(dispersion, int | float | np.number) and not isinstance(dispersion, bool):
        factor = require_number("dispersion", dispersion, 1.0, _MOST, example=1.5, ends=True)
        notes: tuple[str, ...] = (f"The dispersion is {factor:.4g}, as it was given.",)
    else:
        factor, notes = _estimate(fitted, dispersion, count)
    value = -2.0 * fitted.llf / factor + 2.0 * (fitted.n_parameters + 1.0)
    return QuasiAIC(value, factor, notes)


def _require_none_of_its_own(model: Comparable) -> None:
    if "dispersion" in model.fixed_matrices:
        raise ComparisonError(
            f"{formula_of(model)!r} has a dispersion of its own ({model.description.get('family')})"
            ", so its AIC needs no other: write criterion='aic'"
        )


def _estimate(
    model: Comparable, source: object, count: DispersionCount
) -> tuple[float, tuple[str, ...]]:
    """The dispersion by another model of the same data, and what to say of it."""
    if isinstance(source, bool | str) or not isinstance(port_of(source), Comparable):
        raise OptionError(
            f"dispersion={shown(source)} must be a number from 1, such as 1.5, or a fitted model"
        )
    largest = require_comparable(source, "qaic")
    _require_none_of_its_own(largest)
    require_same_data({"the model of the dispersion": largest, "the model": model})
    squares = _pearson(largest)
    used, words = _counted(largest, count)
    left = largest.nobs - used
    if left <= 0.0:
        raise ComparisonError(
            f"{formula_of(largest)!r} uses {used:.4g} of {largest.nobs} degrees of freedom, which "
            "leaves none for a dispersion; write dispersion= as a number, or a smaller model"
        )
    factor = squares / left
    said = (
        f"The dispersion of {formula_of(largest)} is {factor:.4g}: Pearson's statistic given the "
        f"random effects over {left:.4g}, the rows less the {words}."
    )
    if factor < 1.0:
        return 1.0, (said, "It is below one and was taken as one.")
    return factor, (said,)


def _pearson(model: Comparable) -> float:
    """``sum (y_i - m_i)^2 / v_i`` at the conditional modes."""
    if not isinstance(model, Checkable):
        raise OptionError(
            f"{type(model).__name__} does not know the variances of its responses; write "
            "dispersion= as a number"
        )
    # Nothing is drawn at the modes.
    seen = model.observe("mode", np.random.default_rng(0))
    return float(np.sum((seen.response - seen.mode_mean) ** 2 / seen.mode_variance))


def _counted(model: Comparable, count: DispersionCount) -> tuple[float, str]:
    if count == "parameters":
        return float(model.n_parameters), "number of parameters"
    if not isinstance(model, ConditionalLikelihood):
        raise OptionError(
            f"{type(model).__name__} has no conditional likelihood, whose degrees of freedom are "
            'counted; write count="parameters", or dispersion= as a number'
        )
    return caic(model).df, "degrees of freedom of the conditional AIC"


def _of_one_dispersion(largest: object) -> tuple[CriterionFunction, tuple[str, ...]]:
    """The quasi-AIC with the dispersion of the largest model, and where that comes from."""
    found = qaic(cast(Comparable, largest))
    return partial(_at_dispersion, factor=found.dispersion), found.notes


def _at_dispersion(model: Comparable | Ported, factor: float) -> float:
    return qaic(model, dispersion=factor).value


QAIC = Criterion("qaic", "QAIC", qaic, by_largest=_of_one_dispersion)
