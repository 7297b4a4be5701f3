"""The chain rule from the parameters of a density to its linear predictors.

Parameter ``a`` depends on predictor ``a`` alone, so the rule of Faà di Bruno has at
most five terms. A parameter that equals its predictor has ``None`` for its link
derivatives and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.derivatives import Derivatives, Expected
from mixcheck.families.links import Link

__all__ = [
    "NEAR_ZERO",
    "Inner",
    "compose_derivatives",
    "compose_expected",
    "continue_evenly",
    "take_log",
    "take_mean",
]

NEAR_ZERO = 1e-4
"""Predictors of the square root so close to zero that a parabola is exact to their square."""

Inner: TypeAlias = tuple[FloatArray, FloatArray, FloatArray] | None
"""First three derivatives of a parameter in its predictor, or None for the identity."""

Pair: TypeAlias = tuple[int, int]
Triple: TypeAlias = tuple[int, int, int]
Key = TypeVar("Key")


def take_log(link: Link, eta: FloatArray) -> tuple[FloatArray, FloatArray, Inner]:
    """A positive mean, its logarithm, and the derivatives of the logarithm in the predictor.

    Parameters
    ----------
    link : Link
    eta : (n,) array
        Predictors of positive means.

    Returns
    -------
    mu, log_mu : (n,) arrays
    inner : Inner
        None for the log link, whose predictor is the logarithm.
    """
    if link.name == "log":
        return np.exp(eta), eta, None
    mu, mu1, mu2, mu3 = link.derivatives(eta)
    slope, bend = mu1 / mu, mu2 / mu
    log2 = bend - slope * slope
    return mu, np.log(mu), (slope, log2, mu3 / mu - slope * (3.0 * bend - 2.0 * slope * slope))


def take_mean(link: Link, eta: FloatArray) -> tuple[FloatArray, Inner]:
    """A mean and its derivatives in the predictor; None for the identity link."""
    if link.name == "identity":
        return eta, None
    mu, mu1, mu2, mu3 = link.derivatives(eta)
    return mu, (mu1, mu2, mu3)


def compose_derivatives(outer: Derivatives, inner: Sequence[Inner], order: int) -> Derivatives:
    """Derivatives in the predictors from those in the parameters.

    Parameters
    ----------
    outer : Derivatives
        Of the log density in its K parameters.
    inner : sequence of K Inner
        Derivatives of each parameter in its own predictor.
    order : {0, 1, 2, 3}
        Highest order wanted, which ``outer`` must have.

    Returns
    -------
    Derivatives
    """
    if order == 0 or all(link is None for link in inner):
        return outer if order > 2 or not outer.third else replace(outer, third={})
    size = len(inner)
    pairs = [(a, b) for a in range(size) for b in range(a, size)] if order > 1 else []
    triples = [(a, b, c) for a, b in pairs for c in range(b, size)] if order > 2 else []
    first = tuple(_slope(outer.first[a], inner, (a,)) for a in range(size))
    second = {pair: _sum(_second_terms(outer, inner, pair)) for pair in pairs}
    third = {triple: _sum(_third_terms(outer, inner, triple)) for triple in triples}
    return Derivatives(outer.value, first, _present(second), _present(third))


def continue_evenly(at: Derivatives, rows: BoolArray, eta: FloatArray) -> Derivatives:
    """Derivatives near a predictor of zero, from those at `NEAR_ZERO`.

    A function of ``eta^2`` that is smooth at zero is a parabola there: its derivatives of odd
    order in ``eta`` are proportional to it, and those of even order are constant, to terms of
    the order of ``eta^2``. The chain rule through ``log eta^2`` would lose all digits.

    Parameters
    ----------
    at : Derivatives
        At `NEAR_ZERO` in the given rows.
    rows : (n,) bool array
    eta : (n,) array
        Predictors of the mean, the first one.
    """
    share = np.where(rows, eta / NEAR_ZERO, 1.0)
    gap = np.where(rows, 0.5 * (eta * eta / NEAR_ZERO - NEAR_ZERO), 0.0)
    return Derivatives(
        at.value + at.first[0] * gap,
        (at.first[0] * share, *at.first[1:]),
        {key: d * share if key.count(0) == 1 else d for key, d in at.second.items()},
        {key: d * share if key.count(0) in (1, 3) else d for key, d in at.third.items()},
    )


def compose_expected(
    information: Mapping[Pair, FloatArray],
    slopes: Mapping[tuple[Pair, int], FloatArray],
    inner: Sequence[Inner],
) -> Expected:
    """Expected information in the predictors from that in the parameters.

    Parameters
    ----------
    information : mapping from (a, b), a <= b, to (n,) arrays
        Expected information in the parameters.
    slopes : mapping from ((a, b), c) to (n,) arrays
        Derivatives of the information in parameter c.
    inner : sequence of K Inner

    Returns
    -------
    second, third
        As `Family.expected` gives them.
    """
    second = {pair: _slope(value, inner, pair) for pair, value in information.items()}
    third: dict[tuple[Pair, int], FloatArray | None] = {}
    for pair, value in information.items():
        for c in range(len(inner)):
            terms = [_bend(value, inner, pair[1 - i], c) for i in (0, 1) if pair[i] == c]
            if (pair, c) in slopes:
                terms.append(_slope(slopes[pair, c], inner, (*pair, c)))
            third[pair, c] = _sum(terms)
    return second, _present(third)


def _second_terms(
    outer: Derivatives, inner: Sequence[Inner], pair: Pair
) -> list[FloatArray | None]:
    a, b = pair
    terms: list[FloatArray | None] = []
    if pair in outer.second:
        terms.append(_slope(outer.second[pair], inner, pair))
    link = inner[a]
    if a == b and link is not None:
        terms.append(outer.first[a] * link[1])
    return terms


def _third_terms(
    outer: Derivatives, inner: Sequence[Inner], triple: Triple
) -> list[FloatArray | None]:
    a, b, c = triple
    terms: list[FloatArray | None] = []
    if triple in outer.third:
        terms.append(_slope(outer.third[triple], inner, triple))
    if a == b and (a, c) in outer.second:
        weight = 3.0 if a == c else 1.0
        terms.append(_bend(weight * outer.second[a, c], inner, c, a))
    if b == c and a != b and (a, b) in outer.second:
        terms.append(_bend(outer.second[a, b], inner, a, b))
    link = inner[a]
    if a == c and link is not None:
        terms.append(outer.first[a] * link[2])
    return terms


def _slope(value: FloatArray, inner: Sequence[Inner], indices: Sequence[int]) -> FloatArray:
    """``value`` times the first derivative of each parameter in ``indices``."""
    for index in indices:
        link = inner[index]
        if link is not None:
            value = value * link[0]
    return value


def _bend(value: FloatArray, inner: Sequence[Inner], sloped: int, bent: int) -> FloatArray | None:
    """``value`` times the second derivative of ``bent`` and the first of ``sloped``."""
    link = inner[bent]
    return None if link is None else _slope(value * link[1], inner, (sloped,))


def _sum(terms: Sequence[FloatArray | None]) -> FloatArray | None:
    present = [term for term in terms if term is not None]
    if not present:
        return None
    total = present[0]
    for term in present[1:]:
        total = total + term
    return total


def _present(entries: Mapping[Key, FloatArray | None]) -> dict[Key, FloatArray]:
    return {key: value for key, value in entries.items() if value is not None}
