"""Coefficients of contrasts among k means, with the words of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from mixcheck.arguments.alignment import read_numbers
from mixcheck.arguments.options import listed, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError

__all__ = ["METHODS", "ContrastMethod", "make_coefficients"]

ContrastMethod: TypeAlias = Literal["pairwise", "reference", "consecutive", "polynomial"]
METHODS: Final[tuple[ContrastMethod, ...]] = (
    "pairwise", "reference", "consecutive", "polynomial",
)  # fmt: skip
_DEGREES: Final = ("linear", "quadratic", "cubic", "quartic", "degree 5", "degree 6")


def make_coefficients(
    method: ContrastMethod | Mapping[str, Any],
    labels: Sequence[str],
    reference: str | None,
    sign: str,
) -> tuple[FloatArray, list[str]]:
    """Rows of coefficients, (c, k), and their words.

    Parameters
    ----------
    method : str or mapping of str to k numbers
    labels : sequence of str, (k,)
    reference : str or None
        Label of the mean that others are compared with; the first one by default.
    sign : str
        Between two labels: a minus, or a stroke for ratios.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> make_coefficients("consecutive", ["a", "b", "c"], None, "-")[1]
    ['b - a', 'c - b']
    >>> make_coefficients("polynomial", ["1", "2", "3"], None, "-")[0].astype(int).tolist()
    [[-1, 0, 1], [1, -2, 1]]
    """
    k = len(labels)
    if isinstance(method, Mapping):
        return _custom(method, labels)
    if k < 2:
        raise OptionError(f"there is one mean, {labels[0]}, and nothing to compare it with")
    if method == "polynomial":
        degrees = min(k - 1, len(_DEGREES))
        return _polynomials(k, degrees), list(_DEGREES[:degrees])
    pairs: list[tuple[int, int]]
    if method == "pairwise":
        pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    elif method == "consecutive":
        pairs = [(i + 1, i) for i in range(k - 1)]
    else:
        base = 0 if reference is None else _place(reference, labels)
        pairs = [(i, base) for i in range(k) if i != base]
    K = np.zeros((len(pairs), k))
    for row, (i, j) in zip(K, pairs, strict=True):
        row[i], row[j] = 1.0, -1.0
    return K, [f"{labels[i]} {sign} {labels[j]}" for i, j in pairs]


def _place(reference: object, labels: Sequence[str]) -> int:
    if str(reference) not in labels:
        raise OptionError(
            f"reference={shown(reference)} is none of the means, which are {listed(labels)}"
        )
    return list(labels).index(str(reference))


def _custom(given: Mapping[str, Any], labels: Sequence[str]) -> tuple[FloatArray, list[str]]:
    if not given:
        raise OptionError("method={} holds no contrast")
    rows = []
    for name, coefficients in given.items():
        row = read_numbers(coefficients, f"contrast {name!r}")
        if row.shape != (len(labels),) or not np.isfinite(row).all():
            raise OptionError(
                f"contrast {shown(name)} must hold {len(labels)} numbers, one for each of "
                f"{listed(labels)}"
            )
        if not row.any():
            raise OptionError(f"contrast {shown(name)} is zero everywhere")
        rows.append(row)
    return np.array(rows), [str(name) for name in given]


def _polynomials(k: int, degrees: int) -> FloatArray:
    """Orthogonal polynomials in 1 .. k as the smallest whole numbers, (degrees, k)."""
    basis: list[list[Fraction]] = [[Fraction(1)] * k]
    rows = []
    for degree in range(1, degrees + 1):
        row = [Fraction(i) ** degree for i in range(1, k + 1)]
        for other in basis:
            size = Fraction(sum(b * b for b in other))
            along = Fraction(sum(a * b for a, b in zip(row, other, strict=True))) / size
            row = [a - along * b for a, b in zip(row, other, strict=True)]
        basis.append(row)
        whole = [int(a * lcm(*(b.denominator for b in row))) for a in row]
        common = gcd(*whole)
        rows.append([a // common for a in whole])
    return np.array(rows, dtype=np.float64)
