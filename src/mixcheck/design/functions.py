"""The functions of formulas: every one there is, by the name that R or NumPy has for it."""

from __future__ import annotations

import inspect
import keyword
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.design import factors as _factors
from mixcheck.design import lists as _lists
from mixcheck.design.elementwise import ELEMENTWISE, Function, Site, plain
from mixcheck.design.splines import b_spline, cubic_spline, natural_spline, orthogonal_polynomials
from mixcheck.design.values import (
    Matrix,
    Value,
    as_flag,
    as_logical,
    as_number,
    as_scalar,
    constants,
    kind_of,
)
from mixcheck.errors import DataError, DesignError, FormulaError

__all__ = ["FUNCTIONS", "VALUES", "call_function"]


def call_function(name: str, site: Site, arguments: list[Value], named: dict[str, Value]) -> Value:
    """Value of a function of the list.

    Raises
    ------
    FormulaError
        For arguments that it does not take.
    """
    function = FUNCTIONS[name]
    # Words of Python, such as `from`, have an underscore behind them.
    spelled = {key: key.replace(".", "_") + "_" * keyword.iskeyword(key) for key in named}
    keywords = {spelled[key]: value for key, value in named.items()}
    parameters = list(_signature(function).parameters.values())[1:]
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if not several:
        # As in R, arguments without a name fill what those with a name leave.
        free = [
            p.name for p in parameters if p.name not in keywords and p.kind is not p.KEYWORD_ONLY
        ]
        keywords |= dict(zip(free, arguments, strict=False))
    extra = arguments if several else arguments[len(free) :]
    try:
        _signature(function).bind(site, *extra, **keywords)
    except TypeError:
        takes = ", ".join(
            ("*" if p.kind is p.VAR_POSITIONAL else "") + p.name.rstrip("_").replace("_", ".")
            for p in parameters
        )
        hint = (
            "; to choose the reference level, write relevel(f, ref='b')"
            if name == "C" or name in _factors.CONTRASTS
            else ""
        )
        raise FormulaError(
            f"`{site.text}` cannot be read: `{name}` takes {takes or 'no arguments'}{hint}."
        ) from None
    return function(site, *extra, **keywords)


@lru_cache(maxsize=512)
def _signature(function: Function) -> inspect.Signature:
    return inspect.signature(function)


def _if_else(site: Site, test: Value, yes: Value, no: Value) -> Value:
    return _factors.if_else(test, yes, no, site.text, site.n)


def _same(site: Site, x: Value) -> Value:
    return x


def _as_numeric(site: Site, x: Value) -> Value:
    if isinstance(x, pd.Series):
        raise DataError(
            f"`{site.text}` of dates could count days or seconds; write days(..) in its place, "
            "the days since 1970."
        )
    if isinstance(x, pd.Categorical):
        raise DataError(
            f"`{site.text}` of text or categories could mean their numbers or their positions; "
            "make the column in the data, with pd.to_numeric or .cat.codes + 1."
        )
    return plain(as_number(x, site.text))


def _as_integer(site: Site, x: Value) -> Value:
    return plain(np.trunc(as_number(_as_numeric(site, x), site.text)))


def _as_logical(site: Site, x: Value) -> Value:
    return plain(as_logical(x, site.text))


# ---- one number of a whole column -----------------------------------------------------------


def _whole(function: Callable[[Any], Any]) -> Function:
    """A number of all rows, which is that of the fit wherever the model is used."""

    def apply(site: Site, x: Value, *, na_rm: Value = None) -> Value:
        return _kept(site, function, (x,))

    return apply


def _whole_of_several(function: Callable[[Any], Any]) -> Function:
    """As `_whole`, of all its arguments together, as R's min, max and sum are."""

    def apply(site: Site, *x: Value, na_rm: Value = None) -> Value:
        if not x:
            raise FormulaError(f"`{site.text}` needs a column.")
        return _kept(site, function, x)

    return apply


def _kept(site: Site, function: Callable[[Any], Any], x: tuple[Value, ...]) -> Value:
    if "value" not in site.state:
        parts = [np.ravel(as_number(part, site.text)) for part in x]
        site.state["value"] = float(function(np.concatenate(parts)))
    value: float = site.state["value"]
    return value


def _variance(ddof: int) -> Callable[[Any], Any]:
    def variance(x: Any) -> Any:
        rest = x - x.mean()
        return float(rest @ rest) / (x.size - ddof) if x.size > ddof else np.nan

    return variance


def _sd(ddof: int) -> Callable[[Any], Any]:
    return lambda x: math.sqrt(_variance(ddof)(x))


# ---- scales, polynomials, splines -----------------------------------------------------------


def _scaled(site: Site, x: Value, centre: Value, scale: Value, ddof: float) -> Value:
    values = np.atleast_1d(as_number(x, site.text))
    state = site.state
    if not state:
        moved = isinstance(centre, bool)
        state["centre"] = (
            (float(values.mean()) if centre else 0.0)
            if moved
            else as_scalar(centre, site.text, "center")
        )
        rest = values - state["centre"]
        if isinstance(scale, bool):
            square = float(rest @ rest) / max(len(rest) - ddof, 1)
            state["scale"] = float(np.sqrt(square)) if scale else 1.0
        else:
            state["scale"] = as_scalar(scale, site.text, "scale")
        if state["scale"] == 0.0:
            raise DesignError(f"`{site.text}` cannot be scaled: all its values are the same.")
    scaled: Value = (values - state["centre"]) / state["scale"]
    return scaled


def _scale(
    site: Site, x: Value, center: Value = True, scale: Value = True, ddof: Value = 1.0
) -> Value:
    return _scaled(site, x, center, scale, as_scalar(ddof, site.text, "ddof"))


def _standardize(
    site: Site, x: Value, center: Value = True, rescale: Value = True, ddof: Value = 0.0
) -> Value:
    return _scaled(site, x, center, rescale, as_scalar(ddof, site.text, "ddof"))


def _center(site: Site, x: Value) -> Value:
    return _scaled(site, x, True, False, 1.0)


def _count(value: Value, text: str) -> int:
    number = as_scalar(value, text, "its degree or degrees of freedom")
    if not number.is_integer():
        raise DataError(f"`{text}` needs a whole number for its degree or degrees of freedom.")
    return int(number)


def _poly(
    site: Site, x: Value, degree: Value = 1.0, raw: Value = False, *, simple: Value = False
) -> Value:
    as_flag(simple, site.text, "simple")
    values = np.atleast_1d(as_number(x, site.text))
    if isinstance(degree, np.ndarray):
        raise FormulaError(
            f"`{site.text}`: polynomials of two columns are not there; write poly(x, 2) + "
            "poly(z, 2), or their product."
        )
    k = _count(degree, site.text)
    if as_flag(raw, site.text, "raw"):
        if not 1 <= k <= 100:
            raise DataError(f"`{site.text}` needs a degree from 1 to 100.")
        powers = np.column_stack([values**i for i in range(1, k + 1)])
        return Matrix(powers, tuple(str(i) for i in range(k)))
    basis = orthogonal_polynomials(values, k, site.state, site.text)
    return Matrix(basis, tuple(str(i + 1) for i in range(k)))


def _given(value: Value, site: Site) -> list[float] | None:
    listed = () if value is None else constants(value, site.text)
    return None if value is None else [as_scalar(v, site.text, "a knot") for v in listed]


def _options(
    site: Site, df: Value, knots: Value, bounds: Value
) -> tuple[int | None, list[float] | None, tuple[float, float] | None]:
    inner, edges = _given(knots, site), _given(bounds, site)
    if edges is not None and len(edges) != 2:
        raise DataError(f"`{site.text}` needs two Boundary.knots.")
    ends = None if edges is None else (edges[0], edges[1])
    return None if df is None else _count(df, site.text), inner, ends


def _base(x: Value, site: Site) -> Any:
    """Numbers of a spline, (n,)."""
    values = np.atleast_1d(as_number(x, site.text))
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise DataError(
            f"`{site.text}` has {wrong} row(s) that are not finite; correct these rows."
        )
    return values


def _bs(
    site: Site,
    x: Value,
    df: Value = None,
    knots: Value = None,
    degree: Value = 3.0,
    intercept: Value = False,
    Boundary_knots: Value = None,
    *,
    include_intercept: Value = False,
    lower_bound: Value = None,
    upper_bound: Value = None,
) -> Value:
    count, inner, edges = _options(site, df, knots, Boundary_knots)
    values = _base(x, site)
    if lower_bound is not None or upper_bound is not None:
        edges = (
            values.min() if lower_bound is None else as_scalar(lower_bound, site.text, "a bound"),
            values.max() if upper_bound is None else as_scalar(upper_bound, site.text, "a bound"),
        )
    basis = b_spline(
        values, count, inner, _count(degree, site.text), edges, site.state, site.text,
        intercept=as_flag(intercept, site.text, "intercept")
        or as_flag(include_intercept, site.text, "include_intercept"),
    )  # fmt: skip
    return Matrix(basis, tuple(str(i + 1) for i in range(basis.shape[1])))


def _ns(
    site: Site,
    x: Value,
    df: Value = None,
    knots: Value = None,
    intercept: Value = False,
    Boundary_knots: Value = None,
) -> Value:
    count, inner, edges = _options(site, df, knots, Boundary_knots)
    values = _base(x, site)
    basis = natural_spline(
        values,
        count,
        inner,
        edges,
        site.state,
        site.text,
        intercept=as_flag(intercept, site.text, "intercept"),
    )
    return Matrix(basis, tuple(str(i + 1) for i in range(basis.shape[1])))


def _bound(value: Value, site: Site) -> float | None:
    return None if value is None else as_scalar(value, site.text, "a bound")


def _cubic(name: str) -> Function:
    def apply(
        site: Site,
        x: Value,
        df: Value = None,
        knots: Value = None,
        lower_bound: Value = None,
        upper_bound: Value = None,
        constraints: Value = None,
    ) -> Value:
        values = _base(x, site)
        if constraints is not None and not isinstance(constraints, str):
            raise DataError(f"`{site.text}` has one kind of constraint, constraints='center'.")
        options: dict[str, Any] = {
            "df": None if df is None else _count(df, site.text),
            "knots": None if knots is None else constants(knots, site.text),
            "lower_bound": _bound(lower_bound, site),
            "upper_bound": _bound(upper_bound, site),
            "constraints": "center" if constraints == "center" else None,
        }
        made = cubic_spline(values, name, site.state, options)
        made = getattr(made, "__wrapped__", made)
        if isinstance(made, Mapping):
            kept = {str(k): np.asarray(v) for k, v in made.items() if not str(k).startswith("__")}
            return Matrix(np.column_stack(list(kept.values())), tuple(kept))
        array = np.asarray(made)
        return Matrix(array, tuple(str(i + 1) for i in range(array.shape[1])))

    return apply


# ---- factors and dates ----------------------------------------------------------------------


def _factor(
    site: Site, x: Value, levels: Value = None, labels: Value = None, ordered: Value = None
) -> Value:
    return _factors.factor(x, levels, labels, site.text, site.n)


def _as_character(site: Site, x: Value) -> Value:
    return _factors.spelled(x, site.text, site.n)


def _coded(site: Site, x: Value, contrasts: Value = None, levels: Value = None) -> Value:
    return _factors.coded(x, contrasts, levels, site.text, site.n)


def _relevel(site: Site, x: Value, ref: Value) -> Value:
    return _factors.relevel(x, ref, site.state, site.text, site.n)


def _interaction(site: Site, *x: Value, sep: Value = ".", drop: Value = True) -> Value:
    # Combinations that do not occur are left out, whatever R was told: no row has them.
    as_flag(drop, site.text, "drop")
    if not isinstance(sep, str):
        raise DataError(f"`{site.text}` needs a text in quotes for sep.")
    return _factors.crossed(x, sep, site.text, site.n)


def _cut(
    site: Site,
    x: Value,
    breaks: Value,
    labels: Value = None,
    include_lowest: Value = False,
    right: Value = True,
    dig_lab: Value = 3.0,
    ordered_result: Value = False,
) -> Value:
    as_flag(ordered_result, site.text, "ordered_result")
    return _factors.cut(
        x, breaks, labels, site.state, site.text,
        include_lowest=as_flag(include_lowest, site.text, "include.lowest"),
        right=as_flag(right, site.text, "right"),
        digits=_count(dig_lab, site.text),
    )  # fmt: skip


def _contrast(name: str) -> Function:
    def apply(site: Site, base: Value = None, *, reference: Value = None) -> Value:
        made: Value = _factors.contrast(name, reference if base is None else base)
        return made

    return apply


def _date(part: Callable[[Any], Any]) -> Function:
    def apply(site: Site, x: Value) -> Value:
        if not isinstance(x, pd.Series) or x.dtype.kind not in "mM":
            hint = (
                "; use pd.to_datetime on the column (--dates on the command line)"
                if isinstance(x, pd.Categorical)
                else ""
            )
            raise DataError(f"`{site.text}` needs a column of dates, and has {kind_of(x)}{hint}.")
        return np.asarray(part(x), dtype=np.float64)

    return apply


def _days(x: Any) -> Any:
    day = pd.Timedelta(days=1)
    if x.dtype.kind == "m":
        return x / day
    plain = x.dt.tz_convert(None) if getattr(x.dt, "tz", None) is not None else x
    return (plain - pd.Timestamp("1970-01-01")) / day


def _of_date(name: str) -> Callable[[Any], Any]:
    def part(x: Any) -> Any:
        if x.dtype.kind != "M":
            raise DataError(f"`{name}` needs dates, not lengths of time; write days(..) for these.")
        return getattr(x.dt, name)

    return part


_WHOLES: Final[dict[str, Callable[[Any], Any]]] = {
    "mean": np.mean, "median": np.median, "sd": _sd(1), "var": _variance(1),
    "length": np.size, "len": np.size,
    "np.mean": np.mean, "np.median": np.median, "np.std": _sd(0), "np.var": _variance(0),
    "np.min": np.min, "np.max": np.max, "np.sum": np.sum,
}  # fmt: skip

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **ELEMENTWISE,
        **{name: _whole(function) for name, function in _WHOLES.items()},
        "min": _whole_of_several(np.min),
        "max": _whole_of_several(np.max),
        "sum": _whole_of_several(np.sum),
        **{name: _contrast(name) for name in _factors.CONTRASTS},
        **{name: _cubic(name) for name in ("cc", "cr", "cs")},
        "np.where": _if_else,
        "ifelse": _if_else,
        "quantile": _lists.quantile,
        "seq": _lists.sequence,
        "I": _same,
        "identity": _same,
        "as.numeric": _as_numeric,
        "as.double": _as_numeric,
        "as.integer": _as_integer,
        "as.logical": _as_logical,
        "factor": _factor,
        "as.factor": _factor,
        "as.character": _as_character,
        "ordered": _factor,
        "as.ordered": _factor,
        "C": _coded,
        "relevel": _relevel,
        "interaction": _interaction,
        "cut": _cut,
        "c": _lists.join,
        "center": _center,
        "scale": _scale,
        "standardize": _standardize,
        "poly": _poly,
        "bs": _bs,
        "ns": _ns,
        "days": _date(_days),
        "year": _date(_of_date("year")),
        "month": _date(_of_date("month")),
        "yday": _date(_of_date("day_of_year")),
        "hour": _date(_of_date("hour")),
    }
)

VALUES: Final[Mapping[str, Value]] = MappingProxyType(
    {"T": True, "F": False, "pi": math.pi, "np.pi": math.pi, "np.e": math.e}
)
