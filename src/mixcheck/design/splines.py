"""Bases of polynomials and splines, with what must be remembered to make them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import DataError, DesignError

__all__ = ["b_spline", "cubic_spline", "natural_spline", "orthogonal_polynomials"]

State = dict[str, Any]
_MOST: Final = 1000


def orthogonal_polynomials(x: FloatArray, degree: int, state: State, text: str) -> FloatArray:
    """Orthonormal polynomials of degrees 1 to `degree`, (n, degree), as those of R's poly.

    The three-term recurrence is that of Kennedy & Gentle (1980), Statistical Computing,
    section 8.2; its coefficients are those of the rows of the fit.

    Raises
    ------
    DesignError
        If there are not more values than the degree.
    """
    _require_count(degree, text)
    if not state and len(np.unique(x)) <= degree:
        raise DesignError(
            f"`{text}` needs more than {degree} different values and has {len(np.unique(x))}; "
            "write a lower degree."
        )
    fitted = not state
    # The basis does not depend on the unit of x; in this one no power of it leaves the floats.
    unit: float = state.setdefault("unit", float(np.abs(x - x.mean()).max()) if fitted else 1.0)
    x = x / unit
    centre: list[float] = state.setdefault("centre", [])
    norm: list[float] = state.setdefault("norm", [])
    P = np.empty((len(x), degree + 1))
    P[:, 0] = 1.0
    for k in range(degree + 1):
        if fitted:
            norm.append(float(P[:, k] @ P[:, k]))
            centre.append(float(x @ P[:, k] ** 2) / norm[k])
        if k < degree:
            P[:, k + 1] = (x - centre[k]) * P[:, k]
            if k:
                P[:, k + 1] -= norm[k] / norm[k - 1] * P[:, k - 1]
    basis: FloatArray = P[:, 1:] / np.sqrt(norm[1:])
    return basis


def _require_count(count: object, text: str) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST:
        raise DataError(
            f"`{text}` needs a whole number from 1 to {_MOST} for its degree or degrees of freedom."
        )


def b_spline(
    x: FloatArray,
    df: int | None,
    knots: Sequence[float] | None,
    degree: int,
    bounds: tuple[float, float] | None,
    state: State,
    text: str,
    *,
    intercept: bool,
) -> FloatArray:
    """B-splines (de Boor 1978), (n, df); inner knots at quantiles unless they are given.

    Raises
    ------
    DataError
        For values beyond the boundary, where the basis says nothing.
    """
    _require_count(degree, text)
    if df is not None:
        _require_count(df, text)
        if df < degree + intercept:
            raise DataError(f"`{text}` has at least {degree + intercept} degrees of freedom.")
    n_inner = None if df is None else df - degree - intercept
    low, high, inner = _knots(x, n_inner, knots, bounds, state, text)
    if len(x) and (x.min() < low or x.max() > high):
        raise DataError(
            f"The formula cannot be evaluated on these data: `{text}` is a basis from {low:g} to "
            f"{high:g}, and the data reach from {x.min():g} to {x.max():g}. Give the wider "
            "Boundary.knots to the fit, or leave these rows out."
        )
    basis = _basis(x, _padded(low, high, inner, degree), degree, 0)
    return basis if intercept else basis[:, 1:]


def natural_spline(
    x: FloatArray,
    df: int | None,
    knots: Sequence[float] | None,
    bounds: tuple[float, float] | None,
    state: State,
    text: str,
    *,
    intercept: bool,
) -> FloatArray:
    """Cubic splines that are linear beyond the boundary, (n, df).

    They are the combinations of cubic B-splines whose second derivative is zero at both
    boundary knots: an orthonormal basis of the null space of two linear conditions.
    """
    if df is not None:
        _require_count(df, text)
    n_inner = None if df is None else max(df - 1 - intercept, 0)
    low, high, inner = _knots(x, n_inner, knots, bounds, state, text)
    t = _padded(low, high, inner, 3)
    skip = 0 if intercept else 1
    ends = np.array([low, high])
    conditions = _basis(ends, t, 3, 2)[:, skip:]
    Q, _ = np.linalg.qr(conditions.T, mode="complete")
    inside = np.clip(x, low, high)
    basis = _basis(inside, t, 3, 0)[:, skip:]
    slopes = _basis(ends, t, 3, 1)[:, skip:]
    basis += np.minimum(x - low, 0.0)[:, None] * slopes[0]
    basis += np.maximum(x - high, 0.0)[:, None] * slopes[1]
    natural: FloatArray = basis @ Q[:, 2:]
    return natural


def _knots(
    x: FloatArray,
    n_inner: int | None,
    knots: Sequence[float] | None,
    bounds: tuple[float, float] | None,
    state: State,
    text: str,
) -> tuple[float, float, FloatArray]:
    """Boundary and inner knots; those of the fit, once there are any."""
    if not state:
        low, high = (float(x.min()), float(x.max())) if bounds is None else bounds
        if not low < high:
            raise DesignError(f"`{text}` needs two different values at least.")
        if knots is None:
            within = x[(x >= low) & (x <= high)]
            inner = np.quantile(within, np.linspace(0.0, 1.0, (n_inner or 0) + 2)[1:-1])
        else:
            inner = np.sort(np.asarray(knots, dtype=np.float64))
            _require_count(max(len(inner), 1), text)
            if len(inner) and not (low < inner[0] and inner[-1] < high):
                raise DataError(f"The knots of `{text}` must lie between {low:g} and {high:g}.")
        state.update(low=low, high=high, inner=inner)
    return state["low"], state["high"], state["inner"]


def _padded(low: float, high: float, inner: FloatArray, degree: int) -> FloatArray:
    return np.concatenate([np.full(degree + 1, low), inner, np.full(degree + 1, high)])


def _basis(x: FloatArray, t: FloatArray, degree: int, derivative: int) -> FloatArray:
    """B-splines on knots t at x, or a derivative of them, (n, len(t) - degree - 1)."""
    from scipy.interpolate import BSpline

    if derivative == 0:
        dense: FloatArray = BSpline.design_matrix(x, t, degree).toarray()
        return dense
    splines = BSpline(t, np.eye(len(t) - degree - 1), degree)
    values: FloatArray = np.asarray(splines(x, nu=derivative))
    return values


def cubic_spline(x: FloatArray, name: str, state: State, options: dict[str, Any]) -> Any:
    """Cardinal natural or cyclic cubic splines of formulaic, as an array or by column."""
    from formulaic.transforms import cyclic_cubic_spline, natural_cubic_spline

    make = cyclic_cubic_spline if name == "cc" else natural_cubic_spline
    try:
        return make(x, _state=state, **options)
    except (ValueError, TypeError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise DataError(f"`{name}` cannot be evaluated on these data: {reason}.") from error
