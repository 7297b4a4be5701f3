"""What is predicted of a row: a function of its linear predictors, averages of it, derivatives.

Where a predictor has a normal random part of variance v, the average over it,
``m(eta, v) = E h(eta + sqrt(v) z)``, obeys the heat equation ``dm/dv = (1/2) d^2 m / d eta^2``, so
that differences in the predictor give both derivatives, without a division by a standard deviation
that may be zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from mixcheck.arrays import FloatArray
from mixcheck.families import Family, Link, Logit
from mixcheck.trial_values import may_overflow

__all__ = ["Quantity", "Rates", "Working", "average", "differentiate", "quantity_of"]

# Differences of fourth order in units of a predictor: their error is some 1e-11 of the value.
_STEP = 5e-3
_FIRST = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0
_SECOND = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0
_PLACES = np.arange(-2.0, 3.0)
# Nodes of the Gauss-Hermite rule, and the standard deviation beyond which the trapezoidal rule is
# finer. Its reach in standard deviations is beside the shift of an exponential mean; its step, on
# the scale of the predictor, is short for any inverse link.
_NODES, _NARROW = 31, 0.5
_REACH, _SPACING, _MOST_NODES = 8.3, 0.25, 2000
# The logarithmic link holds its inverse at exp(700).
_HELD = 1e300


@dataclass(frozen=True)
class Working:
    """The scale on which an interval is symmetric: ``link((value - low) / (high - low))``.

    Attributes
    ----------
    link : Link
    low, high : float
        Zero and one but for a value between other bounds.
    """

    link: Link
    low: float = 0.0
    high: float = 1.0

    def there(self, values: FloatArray) -> FloatArray:
        """Values on the working scale, (n,); those beside its bounds are at them."""
        share = (values - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.link.link(np.clip(share, *self.link.bounds))

    def back(self, places: FloatArray) -> FloatArray:
        """Values at places of the working scale, (n,)."""
        held = self.link.inverse(places)
        share = np.where(np.abs(held) > _HELD, np.copysign(np.inf, held), held)
        out: FloatArray = self.low + (self.high - self.low) * share
        return out

    def slope(self, places: FloatArray) -> FloatArray:
        """Derivative of the value in the place, (n,)."""
        out: FloatArray = (self.high - self.low) * self.link.derivatives(places)[1]
        return out


@dataclass(frozen=True, eq=False)
class Quantity:
    """A function of the linear predictors of a row.

    Attributes
    ----------
    names : tuple of str
        Predictors that it depends on.
    places : tuple of int
        Their numbers in the family.
    value : callable
        From K predictors (n,) to (n,).
    working : Working
        Of its intervals.
    links : tuple of Link
        Of each predictor that it depends on.
    bounded : bool
        Whether some predictors give no mean.
    """

    names: tuple[str, ...]
    places: tuple[int, ...]
    value: Callable[[tuple[FloatArray, ...]], FloatArray]
    working: Working
    links: tuple[Link, ...]
    bounded: bool


def quantity_of(family: Family, part: str) -> Quantity:
    """What is predicted by its name.

    Parameters
    ----------
    family : Family
    part : str
        "response": the mean; "conditional": that of the family without its zero part; or the name
        of a predictor, whose parameter it is.
    """
    if part in ("response", "conditional"):
        of = family if part == "response" else family.plain
        names, K = of.mean_predictors, len(of.predictors)
        return _quantity(family, names, lambda eta: of.mean(eta[:K], None), _working_of(of))
    k = family.predictors.index(part)
    link = family.links[k]
    return _quantity(family, (part,), lambda eta: link.inverse(eta[k]), Working(link))


def _quantity(
    family: Family,
    names: tuple[str, ...],
    value: Callable[[tuple[FloatArray, ...]], FloatArray],
    working: Working,
) -> Quantity:
    places = tuple(family.predictors.index(name) for name in names)
    return Quantity(
        names, places, value, working, tuple(family.links[k] for k in places), family.may_leave
    )


def _working_of(family: Family) -> Working:
    """The link of the mean; of ordered categories the logit between the first and the last."""
    if family.categories:
        numbers = list(family.categories.values())
        return Working(Logit(), min(numbers), max(numbers))
    return Working(family.link)


def average(
    quantity: Quantity, eta: Sequence[FloatArray], variances: Mapping[str, FloatArray]
) -> FloatArray:
    """Mean of a quantity over normal parts of its predictors, (n,).

    Parameters
    ----------
    quantity : Quantity
    eta : K arrays (n,)
    variances : mapping of predictor name to (n,)
        Of independent normal parts.
    """
    axes = []
    for name, k, link in zip(quantity.names, quantity.places, quantity.links, strict=True):
        if name in variances:
            spread = np.sqrt(variances[name])
            largest = float(np.max(spread, where=np.isfinite(spread), initial=0.0))
            if largest > 0.0:
                axes.append((k, spread, *_normal_rule(link, largest)))
    return _nested(quantity, list(eta), axes)


def _normal_rule(link: Link, spread: float) -> tuple[FloatArray, FloatArray]:
    """Nodes z_j and weights w_j for ``E f(s Z) = sum_j w_j f(s z_j)``, Z standard normal."""
    if spread <= _NARROW or link.name in ("identity", "sqrt", "inverse"):
        # Exact for polynomials, however wide.
        nodes, weights = hermegauss(_NODES)
    else:
        reach = _REACH + spread
        count = int(min(2.0 * reach * spread / _SPACING, _MOST_NODES)) + 1
        nodes = np.linspace(-reach, reach, count)
        weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _nested(
    quantity: Quantity,
    eta: list[FloatArray],
    axes: list[tuple[int, FloatArray, FloatArray, FloatArray]],
) -> FloatArray:
    if not axes:
        return quantity.value(tuple(eta))
    (k, spread, nodes, weights), *rest = axes
    total = np.zeros(spread.size)
    for z, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        moved = [*eta[:k], eta[k] + z * spread, *eta[k + 1 :]]
        total += weight * _nested(quantity, moved, rest)
    return total


@dataclass(frozen=True, eq=False)
class Rates:
    """Derivatives of an averaged quantity.

    Attributes
    ----------
    in_predictor, in_variance : (k, n)
        By the predictors that it depends on, and by the variances of their normal parts.
    """

    in_predictor: FloatArray
    in_variance: FloatArray


@may_overflow()
def differentiate(
    quantity: Quantity, eta: Sequence[FloatArray], variances: Mapping[str, FloatArray]
) -> Rates:
    """Derivatives of `average` by differences of fourth order."""
    shape = (len(quantity.names), eta[0].size)
    first, second = np.empty(shape), np.empty(shape)
    for row, (k, link) in enumerate(zip(quantity.places, quantity.links, strict=True)):
        step = _STEP * _unit(link, eta[k], bounded=quantity.bounded)
        values = np.stack(
            [
                average(quantity, [*eta[:k], eta[k] + t * step, *eta[k + 1 :]], variances)
                for t in _PLACES.tolist()
            ]
        )
        first[row] = _FIRST @ values / step
        second[row] = _SECOND @ values / step**2
    return Rates(first, 0.5 * second)


def _unit(link: Link, eta: FloatArray, *, bounded: bool) -> FloatArray:
    """Over how much of a predictor its inverse link is smooth, (n,)."""
    size = np.abs(eta)
    if link.name == "inverse" or (link.name == "identity" and bounded):
        return np.where(eta == 0.0, 1.0, size)
    # Polynomials, whose differences are exact, so that rounding is all there is.
    return np.maximum(size, 1.0) if link.name in ("identity", "sqrt") else np.ones(eta.size)
