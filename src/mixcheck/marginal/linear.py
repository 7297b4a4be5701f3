"""Functions of the estimates of a model, each with its derivatives, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arguments.options import require_number
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import OptionError
from mixcheck.inference.multiplicity import Adjustment, adjust_family
from mixcheck.port import Combinations, MovingPrediction, Predicting, port_of

__all__ = ["Functions", "Said", "average_rows", "require_predicting", "say"]

# An excess below this share of the sizes compared is rounding.
_FOLLOWS = 1e-6


@dataclass(frozen=True, eq=False)
class Functions:
    """Functions of the estimates.

    Attributes
    ----------
    estimates : (k,)
        NaN where the data do not tell one.
    slopes : (k, P)
        Their derivatives in the parameters.
    """

    estimates: FloatArray
    slopes: FloatArray

    def combine(self, K: FloatArray) -> Functions:
        """Linear combinations of them, (c, k); those that need none of a NaN stay known."""
        unknown = np.isnan(self.estimates)
        values = K @ np.where(unknown, 0.0, self.estimates)
        lost = (K[:, unknown] != 0.0).any(axis=1) | np.isnan(K).any(axis=1)
        return Functions(np.where(lost, np.nan, values), K @ self.slopes)

    def through(self, values: FloatArray, rates: FloatArray) -> Functions:
        """Functions of them one by one, with these values and derivatives, (k,)."""
        return Functions(
            np.where(np.isnan(self.estimates), np.nan, values), rates[:, None] * self.slopes
        )


def require_predicting(model: object, verb: str) -> Predicting:
    """The port of a model that predicts new rows.

    Raises
    ------
    OptionError
        If it does not.
    """
    port = port_of(model)
    if isinstance(port, type) or not isinstance(port, Predicting):
        raise OptionError(
            f"{verb} needs a fitted model that predicts new rows, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    return port


def average_rows(L: FloatArray, found: MovingPrediction) -> Functions:
    """Averages of predictions, (k, n) weights; NaN where the fit does not tell one."""
    weights = np.where(np.isnan(L), 0.0, L)
    off = np.abs(weights @ found.excess) > _FOLLOWS * (np.abs(weights) @ found.sizes)
    lost: BoolArray = np.asarray(off.any(axis=1) | np.isnan(L).any(axis=1))
    values = weights @ found.estimates
    return Functions(np.where(lost, np.nan, values), weights @ found.slopes)


@dataclass(frozen=True, eq=False)
class Said:
    """Error, interval and test of each of k functions, (k,) arrays."""

    std_error: FloatArray
    df: FloatArray
    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    pvalue: FloatArray


def say(
    functions: Functions,
    combinations: Combinations,
    level: float,
    adjust: Adjustment = "none",
    families: list[np.ndarray[tuple[int], np.dtype[np.intp]]] | None = None,
    means: int = 0,
    null: float = 0.0,
) -> Said:
    """Errors, intervals and tests, adjusted within families.

    Parameters
    ----------
    functions : Functions
    combinations : Combinations
        Their covariance and degrees of freedom.
    level : float
        The confidence.
    adjust : str
    families : list of int arrays, optional
        Rows that are tested together; all by default.
    means : int
        See `mixcheck.inference.multiplicity.adjust_family`.
    null : float
        The value under the hypothesis.
    """
    level = require_number("level", level, 0.0, 1.0, example=0.95)
    unknown = np.isnan(functions.estimates)
    errors = np.sqrt(np.maximum(combinations.covariance.diagonal(), 0.0))
    errors = np.where(unknown, np.nan, errors)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (functions.estimates - null) / errors
        correlation = combinations.covariance / np.outer(errors, errors)
    statistic = np.where(np.isinf(errors) | (errors == 0.0), np.nan, statistic)
    df = np.where(unknown, np.nan, combinations.df)
    pvalue, reach = np.full(errors.size, np.nan), np.full(errors.size, np.nan)
    for rows in [np.arange(errors.size)] if families is None else families:
        part = correlation[np.ix_(rows, rows)]
        found = adjust_family(statistic[rows], df[rows], part, adjust, level, means)
        pvalue[rows], reach[rows] = found.pvalues, found.quantiles
    none = np.isinf(errors) & ~unknown
    width = np.where(none, np.inf, np.where(errors == 0.0, 0.0, reach * errors))
    return Said(
        errors, df, functions.estimates - width, functions.estimates + width, statistic, pvalue
    )
