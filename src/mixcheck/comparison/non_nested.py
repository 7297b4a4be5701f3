"""Vuong's test of models that are not nested, with groups as the independent units."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol, TypeAlias, cast, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtr

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_choice
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.codec.shapes import NUMBER, map_of, stored_as
from mixcheck.comparison.group_scores import FEW_GROUPS, whitening
from mixcheck.comparison.level_matching import level_places
from mixcheck.comparison.nesting import contains, vanishing_parts, why_not_nested
from mixcheck.comparison.record import Record
from mixcheck.comparison.same_data import (
    formula_of,
    is_reml,
    label_of,
    require_comparable,
    require_same_data,
)
from mixcheck.comparison.weighted_chi_square import weighted_chi_square_sf
from mixcheck.display.document import Document, Paragraph, PValue, Table
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import Comparable, GroupDerivatives, Groupwise, Ported

__all__ = ["Correction", "Vuong", "vuong"]

Correction: TypeAlias = Literal["aic", "none"]

_LEVEL = 0.05
# Log-likelihoods of groups are rounded at about this share of their size.
_ROUNDING = 1e-8


@answer_methods
@dataclass(frozen=True, eq=False)
class Vuong(Record):
    """A comparison of two models by their log-likelihoods over groups.

    Attributes
    ----------
    first, second : str
        Formulas and families of the models.
    group : str
        The factor whose levels are the independent units.
    differences : Series, (G,)
        Log-likelihood of each level under the first model minus that under the second.
    difference : float
        Their sum, less the difference in the number of parameters with ``correction="aic"``.
    se : float
        Its standard error over groups.
    correction : {"aic", "none"}
    variance : float
        Mean squared deviation of the differences.
    variance_pvalue : float
        Of the hypothesis that this variance is zero: the models cannot be told apart.
    statistic : float
        ``difference / se``; normal if the models are equally close to the truth and can be told
        apart. Not a number where `se` is rounding.
    pvalue : float
        Two-sided. Not a number where the first test, at the 5 % level, cannot tell the models
        apart: the statistic is not normal then.
    notes : tuple of str
    """

    first: str
    second: str
    group: str
    differences: pd.Series[float] = field(metadata=stored_as(map_of(NUMBER)))
    difference: float
    se: float
    correction: Correction
    variance: float
    variance_pvalue: float
    statistic: float
    pvalue: float
    notes: tuple[str, ...] = ()

    _computed: ClassVar = ("verdict",)

    @property
    def verdict(self) -> str:
        """What the two tests say at the 5 % level, in a sentence."""
        if self.variance_pvalue >= _LEVEL:
            return "The models cannot be told apart on these data."
        if self.pvalue >= _LEVEL:
            return "The models differ, and neither is clearly closer to the truth."
        return f"{self.first if self.statistic > 0.0 else self.second} is closer to the truth."

    @property
    def _second(self) -> tuple[float | None, PValue]:
        """Statistic and p-value of the second test, None where there is none."""
        statistic = self.statistic if math.isfinite(self.statistic) else None
        return statistic, PValue(self.pvalue if math.isfinite(self.pvalue) else None)

    def __repr__(self) -> str:
        return (
            f"Vuong(statistic={self.statistic:.4f}, pvalue={self.pvalue:.4g}, "
            f"variance_pvalue={self.variance_pvalue:.4g}, groups={self.differences.size})"
        )

    def document(self) -> Document:
        """The tests as a page."""
        rows = (
            ("the models cannot be told apart", self.variance, PValue(self.variance_pvalue)),
            ("both are equally close to the truth", *self._second),
        )
        facts = Table(
            ("difference", "std error", f"levels of {self.group}"),
            ((self.difference, self.se, self.differences.size),),
        )
        return Document(
            "Vuong's test",
            (
                Paragraph(f"First: {self.first}. Second: {self.second}. {self.verdict}"),
                Table(("null hypothesis", "statistic", "p"), rows),
                facts,
                *(Paragraph(note, quiet=True) for note in self.notes),
            ),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each null hypothesis: null, statistic, pvalue."""
        return pd.DataFrame(
            {
                "null": ["indistinguishable", "equally close"],
                "statistic": [self.variance, self.statistic],
                "pvalue": [self.variance_pvalue, self.pvalue],
            }
        )


@answer_calls
def vuong(
    first: Comparable | Ported,
    second: Comparable | Ported,
    *,
    group: str | None = None,
    correction: Correction = "aic",
) -> Vuong:
    """Compare two models of the same data that are not nested.

    The marginal log-likelihoods of the levels of a grouping factor, which are independent, are
    compared in pairs. Two hypotheses are tested: that the models cannot be told apart, and, where
    they can, that both are equally close to the truth. Where they cannot, the second test has no
    p-value. Models of which one is nested in the other are refused, and so is a family that is
    the limit of the other (the Poisson of a negative binomial, or of a zero inflation).

    Parameters
    ----------
    first, second : Comparable and Groupwise
        Fitted to the same data by maximum likelihood; families may differ.
    group : str, optional
        A grouping factor of both or a column of the data that contains all grouping factors;
        needed where their coarsest grouping factors differ.
    correction : {"aic", "none"}
        Whether the difference of the log-likelihoods is reduced by that of the numbers of
        parameters.

    Returns
    -------
    Vuong

    Raises
    ------
    ComparisonError
        If the data differ, one model is nested in the other, or a model was fitted by REML.
    OptionError
        If the likelihood of one of them is not a sum over common groups.

    References
    ----------
    Vuong (1989), Econometrica 57, 307-333, theorem 4.1 and equations 3.6 and 5.6; Merkle, You &
    Preacher (2016), Psychological Methods 21, 151-163; Wilson (2015), Economics Letters 127,
    51-53, on zero inflation.

    Examples
    --------
    >>> import mixcheck as mc
    >>> ticks = mc.datasets.load("grouseticks")
    >>> brood = mc.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, family="poisson")
    >>> each = mc.glmm("TICKS ~ YEAR + (1 | INDEX)", ticks, family="poisson")
    >>> test = mc.vuong(brood, each, group="BROOD")
    >>> test.differences.size, round(test.difference, 1)
    (118, 2.5)
    """
    require_choice("correction", correction, get_args(Correction))
    one, other = _require(first, second)
    names = _common_groups(one, other) if group is None else (group, group)
    left, right, places = _level_by_level(one, other, names)
    G, name = left.size, names[0]
    if G < 2:
        raise OptionError(f"{name!r} has {G} level, and vuong needs several: choose another group")
    each = left - right
    variance = float(np.var(each.to_numpy()))
    extra = one.n_parameters - other.n_parameters if correction == "aic" else 0
    difference, se = float(each.sum()) - extra, math.sqrt(G * variance)
    scores = other.group_derivatives(names[1])
    weights = variance_weights(
        one.group_derivatives(name), replace(scores, scores=scores.scores[places])
    )
    variance_pvalue = weighted_chi_square_sf(G * variance, weights)
    told_apart = se > _ROUNDING * float(np.abs(left).sum())
    statistic = difference / se if told_apart else math.nan
    normal = told_apart and variance_pvalue < _LEVEL
    return Vuong(
        first=label_of(one),
        second=label_of(other),
        group=name,
        differences=each.rename("difference"),
        difference=difference,
        se=se,
        correction=correction,
        variance=variance,
        variance_pvalue=variance_pvalue,
        statistic=statistic,
        pvalue=2.0 * float(ndtr(-abs(statistic))) if normal else math.nan,
        notes=_notes(G, name, normal=normal),
    )


class _GroupwiseModel(Comparable, Groupwise, Protocol):
    """A model with a likelihood that is known by groups."""


def _require(first: object, second: object) -> tuple[_GroupwiseModel, _GroupwiseModel]:
    one, other = require_comparable(first, "vuong"), require_comparable(second, "vuong")
    require_same_data({"the first model": one, "the second model": other})
    for model in (one, other):
        if is_reml(model):
            raise ComparisonError(
                f"{formula_of(model)!r} was fitted by REML, whose likelihood is no sum over "
                "groups; fit both models by maximum likelihood"
            )
    for a, b in ((one, other), (other, one)):
        if contains(b, a):
            raise ComparisonError(_nested_words(a, b, equal=contains(a, b)))
    if not isinstance(one, Groupwise) or not isinstance(other, Groupwise):
        raise OptionError(
            "vuong needs models whose likelihood is known by groups, such as results of "
            f"mixcheck.glmm(..); found {type(first).__name__} and {type(second).__name__}"
        )
    return cast(_GroupwiseModel, one), cast(_GroupwiseModel, other)


def _nested_words(smaller: Comparable, larger: Comparable, *, equal: bool) -> str:
    pair = f"{label_of(smaller)!r} and {label_of(larger)!r}"
    if equal:
        return f"{pair} are one model, written in two ways; there is nothing to tell apart"
    if why_not_nested(smaller, larger):
        return (
            f"{label_of(smaller)!r} is a special case or a limit of {label_of(larger)!r}, and "
            "Vuong's test is for models that are not nested; compare them by mixcheck.compare"
        )
    if vanishing_parts(smaller, larger):
        return (
            f"{label_of(smaller)!r} is a limit of {label_of(larger)!r}, and Vuong's test is for "
            "models that are not nested; write lrt(smaller, larger), or bootstrap_lrt"
        )
    return (
        f"{label_of(smaller)!r} is nested in {label_of(larger)!r}, and Vuong's test is for models "
        "that are not; write lrt(smaller, larger)"
    )


def _common_groups(first: Groupwise, second: Groupwise) -> tuple[str, str]:
    """Names of the coarsest grouping factor in each model, which must divide the rows alike."""
    names = (str(first.group_levels().name), str(second.group_levels().name))
    if names[0] != names[1] and level_places(first, second, names) is None:
        raise OptionError(
            f"the coarsest grouping factors are {names[0]!r} and {names[1]!r}; write group=, a "
            "factor or column that contains all grouping factors of both models"
        )
    return names


def _level_by_level(
    first: Groupwise, second: Groupwise, names: tuple[str, str]
) -> tuple[pd.Series[float], pd.Series[float], IntArray]:
    """Log-likelihoods of the levels under both models, and their places in the second."""
    left, right = first.group_loglik(names[0]), second.group_loglik(names[1])
    places = level_places(first, second, names)
    if places is None:
        raise ComparisonError(
            f"the levels of {names[0]!r} hold other rows in one model than in the other; fit both "
            "to one table, or write group=, a column that is the same in both"
        )
    values = right.to_numpy()[places]
    return left, pd.Series(values, left.index, name=right.name), places


def variance_weights(first: GroupDerivatives, second: GroupDerivatives) -> FloatArray:
    """Weights of the chi-squares in the limit of G times the variance, (P + Q,).

    They are the squared eigenvalues of Vuong's W (equation 3.6), here of a similar matrix in
    whitened parameters: ``[[B_ff, B_fg], [-B_gf, -B_gg]]``, B the products of scores.
    """
    left = first.scores @ whitening(first.information.sum(axis=0))
    right = second.scores @ whitening(second.information.sum(axis=0))
    both = np.hstack([left, right])
    signs = np.repeat([1.0, -1.0], [left.shape[1], right.shape[1]])
    values = np.linalg.eigvals(signs[:, None] * (both.T @ both))
    return np.asarray(values.real**2, dtype=np.float64)


def _notes(G: int, group: str, *, normal: bool) -> tuple[str, ...]:
    notes = []
    if not normal:
        notes.append(
            "The models cannot be told apart, so the second test has no p-value: its statistic is "
            "normal only where they can."
        )
    if G < FEW_GROUPS:
        few = "both p-values are" if normal else "the p-value is"
        notes.append(f"{G} levels of {group} are few: {few} approximate.")
    return tuple(notes)
