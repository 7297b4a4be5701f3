"""What a row adds to the Hessian of Laplace's deviance, as a function of its predictors.

``Q = -2 l'' + d(t)/d(eta) + g l'''`` with ``t_c = - sum_ab s^ab l_abc`` at leverages s held, and g
what the adjoint of the modes does to the predictors; see :mod:`.laplace_hessian`. The fourth
derivatives of the log density enter by themselves in each row. Where the family does not tell them,
they are differences of the third there, to ten digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.template import Template
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["POINTS", "row_weights"]

# Steps of differences in each row, in standard deviations of its predictor given the data, with an
# error of the fourth power. Where rows are many their fourth derivatives weigh little, and an error
# of the square is as good.
_STEP = 1e-3
_TWO_POINTS = ((1.0, 0.5), (-1.0, -0.5))
POINTS = ((1.0, 8.0 / 12.0), (-1.0, -8.0 / 12.0), (2.0, -1.0 / 12.0), (-2.0, 1.0 / 12.0))
"""Shifts of a difference with an error of the fourth power, and the factors of the values there."""
# So many rows are evaluated at all steps in one call.
_FEW_ROWS = 10_000
_MANY_ROWS = 50_000


def row_weights(
    problem: Problem,
    mode: Mode,
    leverages: Mapping[tuple[int, int], FloatArray],
    shifts: Sequence[FloatArray | None],
) -> dict[tuple[int, int], FloatArray]:
    """``Q = -2 l'' + d(t)/d(eta) + g l'''`` of each pair of predictors, (n,)."""
    derivatives = mode.point.derivatives
    out = {key: -2.0 * second for key, second in derivatives.second.items()}
    for key, part in _bend_of_weights(problem, mode, leverages).items():
        out[key] = out[key] + part if key in out else part
    for a, shift in enumerate(shifts):
        if shift is not None:
            _add_without(derivatives.third, a, shift, out)
    return out


def _bend_of_weights(
    problem: Problem, mode: Mode, leverages: Mapping[tuple[int, int], FloatArray]
) -> dict[tuple[int, int], FloatArray]:
    """``- sum_ab s^ab l_abcd`` of each pair (c, d): the derivative of t at leverages held.

    ``l_abcd`` is the derivative of ``l_bcd`` in predictor a, which has random effects. Where the
    family does not tell it, it is taken in steps of the standard deviation given the data.
    """
    eta, sums = mode.point.eta, dict[tuple[int, int], FloatArray]()
    family, derivatives = problem.family, mode.point.derivatives
    if not derivatives.third:
        return sums
    if len(eta) == 1 and leverages and isinstance(family, Template):
        known = family.fourth(derivatives)
        if known is not None:
            return {(0, 0): -leverages[0, 0] * known}
    for a in sorted({pair[0] for pair in leverages}):
        spread = np.sqrt(np.maximum(leverages[a, a], 0.0))
        step = np.where(spread > 0.0, _STEP * spread, _STEP)
        change = _change_of_thirds(problem, eta, a, step)
        for (first, b), leverage in leverages.items():
            if first == a:
                share = leverage / (-step if a == b else -0.5 * step)
                _add_without(change, b, share, sums)
    return sums


def _add_without(
    third: Mapping[tuple[int, int, int], FloatArray],
    b: int,
    share: FloatArray,
    sums: dict[tuple[int, int], FloatArray],
) -> None:
    """Add ``share l_bcd`` to each pair (c, d)."""
    for triple, value in third.items():
        if b in triple:
            c, d = (k for j, k in enumerate(triple) if j != triple.index(b))
            part = share * value
            sums[c, d] = sums[c, d] + part if (c, d) in sums else part


def _change_of_thirds(
    problem: Problem, eta: Sequence[FloatArray], a: int, step: FloatArray
) -> dict[tuple[int, int, int], FloatArray]:
    """``h l_bcda`` of each third derivative, (n,): how it changes in predictor a over steps h."""
    points = POINTS if problem.n < _MANY_ROWS else _TWO_POINTS
    if problem.n <= _FEW_ROWS:
        shifts, factors = np.array(points).T
        shape = len(points), problem.n
        etas = [np.broadcast_to(e, shape) for e in eta]
        etas[a] = eta[a] + shifts[:, None] * step
        found = problem.derivatives_of_copies(etas, 3).third
        return {key: factors @ third.reshape(shape) for key, third in found.items()}
    out: dict[tuple[int, int, int], FloatArray] = {}
    for shift, factor in points:
        there = [*eta[:a], eta[a] + shift * step, *eta[a + 1 :]]
        for key, third in problem.derivatives(there, 3).third.items():
            out[key] = out[key] + factor * third if key in out else factor * third
    return out
