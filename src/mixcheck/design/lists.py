"""Functions of formulas that make numbers for others: breaks of `cut`, knots of splines."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from mixcheck.design.elementwise import Site
from mixcheck.design.values import Value, as_number, as_scalar, constants
from mixcheck.errors import DataError

__all__ = ["join", "quantile", "sequence"]

_QUARTERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST: Final = 1000
# R takes a step that falls short of the end by as little as the end itself.
_SHORT: Final = 1e-10


def join(site: Site, *items: Value) -> Value:
    """``c(1, 2)``: one list."""
    return tuple(item for part in items for item in constants(part, site.text))


def quantile(site: Site, x: Value, probs: Value = _QUARTERS, *, na_rm: Value = None) -> Value:
    """Quantiles of a whole column (R's type 7), kept for predictions.

    One number for one probability, a list for several; quartiles and the ends without any.
    """
    listed = probs if isinstance(probs, tuple) else (probs,)
    shares = [as_scalar(share, site.text, "each probability") for share in listed]
    if not all(0.0 <= share <= 1.0 for share in shares):
        raise DataError(f"`{site.text}`: the probability must lie between 0 and 1.")
    if "value" not in site.state:
        values = np.quantile(np.ravel(as_number(x, site.text)), shares)
        site.state["value"] = tuple(values.tolist())
    found: tuple[float, ...] = site.state["value"]
    return found if isinstance(probs, tuple) else found[0]


def sequence(
    site: Site, from_: Value, to: Value, by: Value = None, *, length_out: Value = None
) -> Value:
    """``seq(0, 10, 2)``, ``seq(0, 1, length.out=5)``: steps of one without `by`."""
    low, high = (as_scalar(end, site.text, "each end") for end in (from_, to))
    if by is not None and length_out is not None:
        raise DataError(f"`{site.text}` takes by= or length.out=, not both.")
    if length_out is not None:
        count = math.ceil(as_scalar(length_out, site.text, "length.out"))
        _require_few(count, site.text)
        return tuple(np.linspace(low, high, count).tolist())
    step = math.copysign(1.0, high - low) if by is None else as_scalar(by, site.text, "by")
    if low == high:
        return (low,)
    if step == 0.0 or not math.isfinite((high - low) / step) or (high - low) / step < 0.0:
        raise DataError(f"`{site.text}` does not come from {low:g} to {high:g} by {step:g}.")
    steps = (high - low) / step
    _require_few(steps, site.text)
    return tuple((low + step * np.arange(math.floor(steps + _SHORT) + 1)).tolist())


def _require_few(count: float, text: str) -> None:
    if not 1 <= count <= _MOST:
        raise DataError(f"`{text}` has {count:g} numbers; at most {_MOST} are made.")
