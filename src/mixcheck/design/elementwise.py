"""Functions of each value by itself, by the name that R or NumPy has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from scipy import special

from mixcheck.design.values import Value, as_logical, as_number, as_scalar, require_defined
from mixcheck.errors import DataError, FormulaError

__all__ = ["ELEMENTWISE", "Function", "Site", "plain"]

# Numbers from here on have no digits behind the point.
_WHOLE: Final = 2.0**52


@dataclass(frozen=True)
class Site:
    """Where a function is called.

    Attributes
    ----------
    text : str
        The call.
    n : int
        Number of rows.
    state : dict
        What the call remembers from the rows of the fit; empty at the fit.
    """

    text: str
    n: int
    state: dict[str, Any]


Function: TypeAlias = Callable[..., Value]


def _one(function: Callable[[Any], Any]) -> Function:
    def apply(site: Site, x: Value) -> Value:
        return plain(function(as_number(x, site.text)))

    return apply


def _two(function: Callable[[Any, Any], Any]) -> Function:
    def apply(site: Site, x: Value, y: Value) -> Value:
        return plain(function(as_number(x, site.text), as_number(y, site.text)))

    return apply


def _compared(function: Callable[[Any, Any], Any]) -> Function:
    def apply(site: Site, x: Value, y: Value) -> Value:
        sides = (require_defined(as_number(side, site.text), site.text) for side in (x, y))
        return plain(function(*sides))

    return apply


def _many(function: Callable[[Any, Any], Any]) -> Function:
    def apply(site: Site, *x: Value, na_rm: Value = None) -> Value:
        if not x:
            raise FormulaError(f"`{site.text}` needs an argument.")
        total = as_number(x[0], site.text)
        for other in x[1:]:
            total = function(total, as_number(other, site.text))
        return plain(total)

    return apply


def plain(values: Any) -> Value:
    """Array, or one number as Python's own."""
    array = np.asarray(values)
    return array if array.ndim else array.item()


def _log(site: Site, x: Value, base: Value = None) -> Value:
    values = np.log(as_number(x, site.text))
    return plain(values if base is None else values / np.log(as_number(base, site.text)))


def _round(site: Site, x: Value, digits: Value = 0.0) -> Value:
    places = _places(digits, site)
    return plain(_nearest(as_number(x, site.text), places))


def _round_as_numpy(site: Site, x: Value, decimals: Value = 0.0) -> Value:
    return plain(np.round(as_number(x, site.text), _places(decimals, site)))


def _places(digits: Value, site: Site) -> int:
    places = as_scalar(digits, site.text, "digits")
    if not -300 <= places <= 300:
        raise DataError(f"`{site.text}` needs digits from -300 to 300.")
    return int(places)


def _nearest(x: Any, places: int) -> Any:
    """The nearer of the two decimals around a number, and the even one of two as near.

    R's since version 4.0: ``0.15`` is a little less than 0.15, and becomes 0.1, where 10 times
    it is 1.5 exactly and NumPy's is 0.2.
    """
    if places <= 0:
        return np.round(x, places)
    scale = 10.0**places
    scaled = np.asarray(x * scale)
    low, high = np.floor(scaled) / scale, np.ceil(scaled) / scale
    below, above = x - low, high - x
    even = np.floor(scaled) % 2.0 == 0.0
    nearest = np.where((below < above) | ((below == above) & even), low, high)
    # Beyond 15 digits there is nothing to round, and the product may overflow.
    return np.where(np.abs(scaled) < _WHOLE, nearest, x)


def _choose(site: Site, n: Value, k: Value) -> Value:
    """Binomial coefficients, of any number n and a whole number k."""
    top, chosen = as_number(n, site.text), as_number(k, site.text)
    if np.any(chosen != np.floor(chosen)):
        raise DataError(f"`{site.text}` needs whole numbers to be chosen.")
    # (n over k) is (-1)^k (k - n - 1 over k).
    turned = np.where(chosen % 2.0 == 0.0, 1.0, -1.0) * special.binom(chosen - top - 1.0, chosen)
    return plain(
        np.where(chosen < 0.0, 0.0, np.where(top < 0.0, turned, special.binom(top, chosen)))
    )


def _clip(site: Site, x: Value, a_min: Value = None, a_max: Value = None) -> Value:
    low, high = (
        bound if bound is None else as_number(bound, site.text) for bound in (a_min, a_max)
    )
    return plain(np.clip(as_number(x, site.text), low, high))


def _not(site: Site, x: Value) -> Value:
    return plain(np.logical_not(as_logical(x, site.text)))


def _logic(function: Callable[[Any, Any], Any]) -> Function:
    def apply(site: Site, x: Value, y: Value) -> Value:
        return plain(function(as_logical(x, site.text), as_logical(y, site.text)))

    return apply


_ONE: Final[dict[str, Callable[[Any], Any]]] = {
    "exp": np.exp, "expm1": np.expm1, "exp2": np.exp2, "exp10": lambda x: np.power(10.0, x),
    "log10": np.log10, "log2": np.log2, "log1p": np.log1p, "sqrt": np.sqrt, "abs": np.abs,
    "sign": np.sign, "floor": np.floor, "ceiling": np.ceil, "ceil": np.ceil, "trunc": np.trunc,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "logit": special.logit, "qlogis": special.logit,
    "expit": special.expit, "plogis": special.expit, "pnorm": special.ndtr,
    "qnorm": special.ndtri, "lgamma": special.gammaln, "gamma": special.gamma,
    "digamma": special.digamma, "factorial": lambda x: special.gamma(x + 1.0),
    "lfactorial": lambda x: special.gammaln(x + 1.0),
}  # fmt: skip
_NUMPY_ONE: Final = (
    "abs", "absolute", "fabs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
    "cbrt", "ceil", "cos", "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1", "floor", "log",
    "log10", "log1p", "log2", "negative", "positive", "rad2deg", "radians", "reciprocal", "rint",
    "sign", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
)  # fmt: skip
_NUMPY_TWO: Final = (
    "add", "arctan2", "divide", "float_power", "floor_divide", "fmax", "fmin", "fmod",
    "heaviside", "hypot", "logaddexp", "maximum", "minimum", "mod", "multiply", "power",
    "remainder", "subtract", "true_divide",
)  # fmt: skip
_NUMPY_COMPARED: Final = (
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
)  # fmt: skip

ELEMENTWISE: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **{name: _one(function) for name, function in _ONE.items()},
        **{f"np.{name}": _one(getattr(np, name)) for name in _NUMPY_ONE},
        **{f"np.{name}": _two(getattr(np, name)) for name in _NUMPY_TWO},
        **{f"np.{name}": _compared(getattr(np, name)) for name in _NUMPY_COMPARED},
        "log": _log,
        "logb": _log,
        "pow": _two(np.power),
        "atan2": _two(np.arctan2),
        "choose": _choose,
        "beta": _two(special.beta),
        "lbeta": _two(special.betaln),
        "pmin": _many(np.minimum),
        "pmax": _many(np.maximum),
        "round": _round,
        "np.round": _round_as_numpy,
        "np.around": _round_as_numpy,
        "np.clip": _clip,
        "np.logical_not": _not,
        "np.logical_and": _logic(np.logical_and),
        "np.logical_or": _logic(np.logical_or),
        "np.logical_xor": _logic(np.logical_xor),
        "xor": _logic(np.logical_xor),
    }
)
