"""Ordered categories: a cumulative link with thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arguments.options import listed
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import ConvergenceError, FamilyError
from mixcheck.families.derivatives import (
    Derivatives,
    Expected,
    Information,
    Predictors,
    mask_derivatives,
)
from mixcheck.families.links import Identity, Link, ProbabilityLink
from mixcheck.families.recession import FREE
from mixcheck.families.responses import Observed, read_response, refuse_size, require_support
from mixcheck.families.tails import Tail
from mixcheck.families.template import Template

__all__ = ["Ordinal"]

_APART = 700.0
_MOST = 100
"""Categories beyond which whole numbers are counts or measurements."""


@final
@dataclass(frozen=True, init=False, repr=False)
class Ordinal(Template):
    """Ordered categories: ``P(Y <= j) = F(threshold_j - eta)``, with F the inverse link.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "cauchit"} or Link
        Link of the cumulative probabilities: proportional odds by the logit.
    values : sequence of float, optional
        Numbers of the categories, increasing; a fit takes those of its response.
    labels : sequence of str, optional
        Names of the categories; by default their numbers.

    Raises
    ------
    FamilyError
        If the family does not have the link, or there are fewer than two categories.

    Notes
    -----
    The response is an ordered factor, whose categories are numbered from 1, or whole numbers,
    which are themselves. Predictors are ``eta``, in which larger values move the response to
    higher categories, and the thresholds, which are one number each, increase, and take the
    place of an intercept (McCullagh 1980); signs are those of ``ordinal::clmm`` and
    ``MASS::polr``. The log probability is concave in all of them together for the logit, the
    probit and the cloglog (Pratt 1981). The mean is that of the numbers: for a rating the mean
    rating, for a factor the mean position of its categories. It is what residuals and checks of
    moments look at; ``GLMM.predict_probabilities`` gives the probability of each category.

    References
    ----------
    McCullagh (1980), Journal of the Royal Statistical Society B 42, 109-142;
    Pratt (1981), Journal of the American Statistical Association 76, 103-106.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Ordinal
    >>> family = Ordinal(values=[1, 2, 3], labels=["low", "medium", "high"])
    >>> family.predictors
    ('mean', 'low|medium', 'medium|high')
    >>> eta = (np.zeros(1), np.full(1, -1.0), np.full(1, 1.0))
    >>> family.probability(np.array([2.0]), eta).round(4)
    array([0.4621])
    """

    link: ProbabilityLink
    values: tuple[float, ...]
    labels: tuple[str, ...]

    name: ClassVar[str] = "ordinal"
    discrete: ClassVar[bool] = True
    allowed_links: ClassVar[tuple[str, ...]] = ("logit", "probit", "cloglog", "cauchit")
    mean_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    takes_categories: ClassVar[bool] = True
    also_called: ClassVar[str] = "cumulative clm clmm polr ordered orderedlogit proportionalodds"

    def __init__(
        self,
        link: str | Link | None = None,
        values: Sequence[float] = (1.0, 2.0, 3.0),
        labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(link)
        numbers = tuple(float(value) for value in values)
        names = tuple(f"{value:g}" for value in numbers) if labels is None else tuple(labels)
        if len(numbers) < 2 or len(names) != len(numbers) or list(numbers) != sorted({*numbers}):
            raise FamilyError(
                "An ordinal response has two categories or more, with increasing numbers and as "
                f"many labels; found {listed([f'{value:g}' for value in numbers])}."
            )
        object.__setattr__(self, "values", numbers)
        object.__setattr__(self, "labels", names)

    @property
    def shapes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The thresholds, by the categories that they part."""
        return tuple(f"{low}|{high}" for low, high in pairwise(self.labels))

    @property
    def predictors(self) -> tuple[str, ...]:  # type: ignore[override]
        """The mean's, and the thresholds."""
        return ("mean", *self.shapes)

    @property
    def mean_predictors(self) -> tuple[str, ...]:  # type: ignore[override]
        """All of them."""
        return self.predictors

    @property
    def links(self) -> tuple[Link, ...]:
        """The cumulative link, and the thresholds as they are."""
        return (self.link, *(Identity() for _ in self.shapes))

    @property
    def two_ended(self) -> tuple[bool, ...]:
        """A group may be in the lowest or in the highest category altogether."""
        return (True, *(False for _ in self.shapes))

    @property
    def categories(self) -> Mapping[str, float]:
        """Numbers of the categories by their labels."""
        return dict(zip(self.labels, self.values, strict=True))

    def adapt(self, y: FloatArray, labels: tuple[str, ...]) -> Ordinal:
        """The family with the categories of a response.

        Raises
        ------
        FamilyError
            If there is one category alone, or so many that they are none.
        """
        values = np.unique(y)
        if not 2 <= values.size <= _MOST:
            raise FamilyError(
                f"An ordinal response has from 2 to {_MOST} categories; found {values.size} in "
                'the rows used. For counts write family="poisson", for measurements "gaussian".'
            )
        return Ordinal(self.link, values.tolist(), labels or None)

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check that each response is one of the categories; see `Family.prepare`."""
        refuse_size(self.name, size)
        values = read_response(y, "response")
        known = np.asarray(self.values)
        place = np.minimum(np.searchsorted(known, values), known.size - 1)
        require_support(
            known[place] == values,
            values,
            "An ordinal response must be one of the numbers of its categories "
            f"({listed([f'{value:g}' for value in self.values])})",
            "Categories are numbered from 1 in their order; whole numbers are themselves.",
        )
        return Observed(values, None, np.zeros(values.shape))

    def require_estimable(self, data: Observed) -> None:
        """Refuse a response in which some category has no row, so that thresholds meet."""
        absent = [
            label
            for label, value in zip(self.labels, self.values, strict=True)
            if not (data.y == value).any()
        ]
        if absent:
            raise ConvergenceError(
                f"the response has no row in the category {listed(absent)}, so that its "
                "thresholds have no estimate; fit a model without this category"
            )

    def _codes(self, y: FloatArray) -> IntArray:
        """Number of the category of each response, from 0, ``(n,)``."""
        return np.searchsorted(np.asarray(self.values), y)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where the thresholds increase, ``(n,)``."""
        inside: BoolArray = np.ones(eta[0].shape, dtype=np.bool_)
        for low, high in pairwise(eta[1:]):
            inside &= low < high
        return inside

    def _derive_block(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        inside = self.find_inside(data, eta)
        if inside.all():
            return self.derive(data, eta, order)
        # Thresholds of one in all rows, as elsewhere, would not increase.
        harmless = tuple(np.where(inside, e, float(k)) for k, e in enumerate(eta))
        return mask_derivatives(self.derive(data, harmless, order), inside)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives at increasing thresholds."""
        codes = self._codes(data.y)
        thresholds = np.stack(eta[1:])
        last = len(thresholds)
        rows = np.arange(codes.size)
        upper = thresholds[np.minimum(codes, last - 1), rows] - eta[0]
        lower = thresholds[np.maximum(codes - 1, 0), rows] - eta[0]
        d = _interval(self.link, lower, upper, codes == 0, codes == last, order)
        return _spread_over_thresholds(d, codes, last, order)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, by summation over the categories."""
        second: dict[tuple[int, int], FloatArray] = {}
        third: dict[tuple[tuple[int, int], int], FloatArray] = {}
        zero = np.zeros(eta[0].shape)
        for value in self.values:
            d = self.derivatives(Observed(np.full(zero.shape, value), None, zero), eta, 3)
            mass = np.exp(d.value)
            for pair, bend in d.second.items():
                second[pair] = second.get(pair, zero) - mass * bend
                for c in range(len(eta)):
                    a, b, e = sorted((*pair, c))
                    slope = d.third.get((a, b, e), 0.0) + bend * d.first[c]
                    third[pair, c] = third.get((pair, c), zero) - mass * slope
        return second, third

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """The same, as the expectation of the products of the scores."""
        out: dict[tuple[int, int], FloatArray] = {}
        zero = np.zeros(eta[0].shape)
        for code, value in enumerate(self.values):
            d = self.derivatives(Observed(np.full(zero.shape, value), None, zero), eta, 1)
            mass = np.exp(d.value)
            places = [0, *(k for k in (code, code + 1) if 0 < k < len(eta))]
            for i, a in enumerate(places):
                for b in places[i:]:
                    out[a, b] = out.get((a, b), zero) + mass * d.first[a] * d.first[b]
        return out

    @property
    def fits_variance(self) -> bool:
        """Whether the thresholds say how often each category occurs: they do."""
        return True

    @property
    def fits_frequencies(self) -> bool:
        """Whether the thresholds say how often each category occurs: they do."""
        return True

    def _below(self, k: IntArray, eta: Predictors) -> FloatArray:
        """Probability of the first ``k`` categories, ``(n,)``."""
        last = len(self.values)
        thresholds = np.stack(eta[1:])
        place = np.clip(k - 1, 0, last - 2)
        inner = self.link.inverse(thresholds[place, np.arange(k.size)] - eta[0])
        return np.where(k == 0, 0.0, np.where(k == last, 1.0, inner))

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``."""
        known = np.asarray(self.values)
        below = np.searchsorted(known, y, side="left")
        upto = np.searchsorted(known, y, side="right")
        return self._below(below, eta), self._below(upto, eta)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of the category with the number ``k``, ``(n,)``."""
        numbers = np.broadcast_to(np.asarray(k, dtype=np.float64), eta[0].shape)
        possible = np.isin(numbers, self.values)
        shown = np.where(possible, numbers, self.values[0])
        data = Observed(shown, None, np.zeros(shown.shape))
        return np.where(possible, np.exp(self.log_density(data, eta)), 0.0)

    def _moments(self, eta: Predictors) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the numbers of the categories, each ``(n,)``.

        By sums over the thresholds of the probability above them, in which nothing cancels.
        """
        low = self.values[0]
        steps = [b - a for a, b in pairwise(self.values)]
        above = [self.link.inverse(threshold - eta[0]) for threshold in eta[1:]]
        first, second = np.zeros(eta[0].shape), np.zeros(eta[0].shape)
        for step, value, below in zip(steps, self.values, above, strict=False):
            first += step * (1.0 - below)
            second += step * (2.0 * (value - low) + step) * (1.0 - below)
        return low + first, np.maximum(second - first * first, 0.0)

    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Mean of the numbers of the categories, ``(n,)``."""
        return self._moments(eta)[0]

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance of the numbers of the categories, ``(n,)``."""
        return self._moments(eta)[1]

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """Number of the category of one draw, ``(n,)``."""
        u = rng.random(eta[0].shape)
        code = np.zeros(u.shape, dtype=np.intp)
        for threshold in eta[1:]:
            code += u > self.link.inverse(threshold - eta[0])
        return np.asarray(self.values)[code]

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """The lowest and the highest category; a threshold from the categories that it parts."""
        codes = self._codes(data.y)
        last = len(self.shapes)
        mean = np.where(codes == 0, -1, np.where(codes == last, 1, 0))
        # No threshold passes another: the first may go down and the last may go up.
        parts = [
            np.where(codes == k - 1, int(k == last), np.where(codes == k, -int(k == 1), FREE))
            for k in range(1, last + 1)
        ]
        return (mean, *parts)

    def start(self, data: Observed) -> FloatArray:
        """The probability at a predictor of zero, ``(n,)``."""
        return self.link.inverse(np.zeros(data.y.shape))

    def shape_starts(self, data: Observed) -> tuple[float, ...]:
        """Thresholds that give the shares of the categories, each with half a row more."""
        counts = np.bincount(self._codes(data.y), minlength=len(self.values)) + 0.5
        return tuple(self.link.link(np.cumsum(counts)[:-1] / counts.sum()).tolist())


def _interval(
    link: ProbabilityLink,
    lower: FloatArray,
    upper: FloatArray,
    lowest: BoolArray,
    highest: BoolArray,
    order: int,
) -> Interval:
    """Log of ``F(b) - F(a)`` and its derivatives in both ends, a the lower one.

    With S one minus F and the log odds ``o = log F - log S``, it is
    ``log F(b) + log S(a) + log(1 - exp(o(a) - o(b)))``, in which no probabilities are
    subtracted. The lowest category has no lower end, and the highest no upper one.
    """
    p, upper_q = link.log_tails(upper, order)
    lower_p, q = link.log_tails(lower, order)
    inner = ~(lowest | highest)
    with np.errstate(invalid="ignore"):
        gap = (p[0] - upper_q[0]) - (lower_p[0] - q[0])
        possible = ~inner | (gap > 0.0)
        # From here on the last term is below rounding, and its factors may be beyond the floats.
        inner &= (gap > 0.0) & (gap < _APART)
    gap = np.where(inner, gap, np.inf)

    def only(rows: BoolArray, values: FloatArray) -> FloatArray:
        return np.where(rows, values, 0.0)

    value = only(~highest, p[0]) + only(~lowest, q[0]) + np.log(-np.expm1(-gap))
    value = np.where(possible, value, -np.inf)
    if order < 1:
        return Interval(value, (), (), ())
    odds_b = [only(inner, x - y) for x, y in zip(p[1:], upper_q[1:], strict=True)]
    odds_a = [only(inner, x - y) for x, y in zip(lower_p[1:], q[1:], strict=True)]
    p = tuple(only(~highest & possible, x) for x in p)
    q = tuple(only(~lowest & possible, x) for x in q)
    # Derivatives of log(1 - exp(-t)): h, -h (1 + h) and h (1 + h) (1 + 2 h).
    h = only(inner, 1.0 / np.expm1(np.where(inner, gap, 1.0)))
    b1, a1 = p[1] + h * odds_b[0], q[1] - h * odds_a[0]
    if order < 2:
        return Interval(value, (a1, b1), (), ())
    h2 = -h * (1.0 + h)
    b2 = p[2] + h * odds_b[1] + h2 * odds_b[0] ** 2
    a2 = q[2] - h * odds_a[1] + h2 * odds_a[0] ** 2
    second = (a2, -h2 * odds_a[0] * odds_b[0], b2)
    if order < 3:
        return Interval(value, (a1, b1), second, ())
    h3 = -h2 * (1.0 + 2.0 * h)
    b3 = p[3] + h * odds_b[2]
    b3 = b3 + 3.0 * h2 * odds_b[0] * odds_b[1] + h3 * odds_b[0] ** 3
    a3 = q[3] - h * odds_a[2]
    a3 = a3 + 3.0 * h2 * odds_a[0] * odds_a[1] - h3 * odds_a[0] ** 3
    aab = h2 * odds_b[0] * -odds_a[1] + h3 * odds_a[0] ** 2 * odds_b[0]
    abb = -h2 * odds_a[0] * odds_b[1] - h3 * odds_a[0] * odds_b[0] ** 2
    return Interval(value, (a1, b1), second, (a3, aab, abb, b3))


@dataclass(frozen=True, eq=False)
class Interval:
    """Log probability of an interval and its derivatives in its ends (a, b)."""

    value: FloatArray
    first: Tail
    second: Tail
    third: Tail


def _spread_over_thresholds(d: Interval, codes: IntArray, last: int, order: int) -> Derivatives:
    """Derivatives in the mean's predictor (0) and the thresholds (1 ..).

    The ends are ``a = threshold_(j-1) - eta`` and ``b = threshold_j - eta`` in category j.
    """
    if order < 1:
        return Derivatives(d.value, (), {}, {})
    # Threshold k is the upper end of category k - 1 and the lower end of category k.
    up = [codes == k - 1 for k in range(1, last + 1)]
    down = [codes == k for k in range(1, last + 1)]

    def either(k: int, high: FloatArray, low: FloatArray) -> FloatArray:
        return np.where(up[k - 1], high, np.where(down[k - 1], low, 0.0))

    thresholds = range(1, last + 1)
    a, b = d.first
    first = (-(a + b), *(either(k, b, a) for k in thresholds))
    if order < 2:
        return Derivatives(d.value, first, {}, {})
    aa, ab, bb = d.second
    second = {(0, 0): aa + 2.0 * ab + bb}
    for k in thresholds:
        second[0, k] = -either(k, ab + bb, aa + ab)
        second[k, k] = either(k, bb, aa)
        if k < last:
            second[k, k + 1] = np.where(down[k - 1], ab, 0.0)
    if order < 3:
        return Derivatives(d.value, first, second, {})
    aaa, aab, abb, bbb = d.third
    third = {(0, 0, 0): -(aaa + 3.0 * (aab + abb) + bbb)}
    for k in thresholds:
        third[0, 0, k] = either(k, aab + 2.0 * abb + bbb, aaa + 2.0 * aab + abb)
        third[0, k, k] = -either(k, abb + bbb, aaa + aab)
        third[k, k, k] = either(k, bbb, aaa)
        if k < last:
            inner = down[k - 1]
            third[0, k, k + 1] = -np.where(inner, aab + abb, 0.0)
            third[k, k, k + 1] = np.where(inner, aab, 0.0)
            third[k, k + 1, k + 1] = np.where(inner, abb, 0.0)
    return Derivatives(d.value, first, second, third)
