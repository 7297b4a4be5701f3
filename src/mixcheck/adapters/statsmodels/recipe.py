"""How a model of statsmodels is made of another response, and fitted there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.adapters.fitted_elsewhere import Estimates
from mixcheck.adapters.regression import Reading
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, MixcheckError
from mixcheck.execution.threads import single_thread

__all__ = ["Adapted", "Recipe", "converged", "estimates_of", "fit_quietly", "mean_offset"]


@dataclass(frozen=True, eq=False)
class Recipe:
    """A model of statsmodels without its response.

    Attributes
    ----------
    model : callable
        Class of the model, called with a response and `exog`.
    exog : (n, p)
    adapt : callable
        Takes its result to what is known of it here.
    by_row, fixed : mapping
        Arguments of the model with a value for each row, and others.
    counted : str
        That of `by_row` which says how often rows count; "" for none.
    fit : mapping
        Arguments of its method `fit`.
    prepare : callable or None
        Takes a response, (n,), and numbers of trials to what the model is given.
    size : (n,) or None
        Numbers of trials.
    facts : mapping
        The description of the fit that it is made of.
    """

    model: Callable[..., Any]
    exog: FloatArray
    adapt: Callable[[Any], Adapted]
    by_row: Mapping[str, FloatArray] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    counted: str = ""
    fit: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[FloatArray, FloatArray | None], Any] | None = None
    size: FloatArray | None = None
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    def rows(self, some: IntArray) -> Recipe:
        """The same for some rows, each as often as it is named and counted once."""
        kept = {name: part[some] for name, part in self.by_row.items() if name != self.counted}
        size = None if self.size is None else self.size[some]
        return replace(self, exog=self.exog[some], by_row=kept, counted="", size=size)

    def __call__(self, response: FloatArray) -> tuple[Reading, Estimates]:
        """The fit to a response, (n,).

        Raises
        ------
        ConvergenceError
            If statsmodels finds none.
        """
        endog = response if self.prepare is None else self.prepare(response, self.size)
        # Matrices of as many rows and columns as there are rows may be decomposed.
        with single_thread(len(self.exog)):
            result = fit_quietly(self.model, endog, self.exog, self.by_row, self.fixed, self.fit)
            adapted = self.adapt(result)
            return adapted.reading, estimates_of(result, adapted, self.facts)


@dataclass(frozen=True, eq=False)
class Adapted:
    """What is known here of a result.

    Attributes
    ----------
    reading : Reading
    recipe : Recipe
    n_parameters : int
    counts : (n,) int or None
        How often each row counts.
    """

    reading: Reading
    recipe: Recipe
    n_parameters: int
    counts: IntArray | None = None


def fit_quietly(
    model: Callable[..., Any],
    endog: Any,
    exog: FloatArray,
    by_row: Mapping[str, FloatArray],
    fixed: Mapping[str, Any],
    fit: Mapping[str, Any],
) -> Any:
    """The result of a fit, whatever it warns of.

    Raises
    ------
    ConvergenceError
        If statsmodels raises an error or gives estimates that are not numbers.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = model(endog, exog, **by_row, **fixed).fit(**fit)
    except MixcheckError:
        raise
    except Exception as error:
        raise ConvergenceError(
            f"statsmodels could not fit {model.__name__} to this response: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not np.isfinite(np.asarray(result.params, dtype=np.float64)).all():
        raise ConvergenceError(f"statsmodels fits {model.__name__} with estimates of no value")
    return result


def estimates_of(
    result: Any, adapted: Adapted, facts: Mapping[str, str | int | float | bool | None]
) -> Estimates:
    """What the result says of the fit as a whole.

    The log-likelihood is computed here, since that of proportions with weights lacks the binomial
    coefficients there; but for those of a scale, which may not be the one with which it was
    estimated.

    Raises
    ------
    ConvergenceError
        If statsmodels has no log-likelihood at the estimates.
    """
    reading = adapted.reading
    full = reading.likelihood == "full"
    # Where the optimiser ran off, predictors overflow on the way.
    with np.errstate(all="ignore"):
        theirs = float(result.llf) if full else np.nan
    if full and np.isnan(theirs):
        raise ConvergenceError(
            f"{type(result.model).__name__} of statsmodels has the log-likelihood nan at these "
            "estimates: its optimiser ran off; fit again with other start_params, or with "
            "method='bfgs' or 'nm' and a larger maxiter"
        )
    if full and reading.moments:
        llf = theirs
    else:
        rows = reading.family.log_density(reading.data, reading.eta)
        llf = float(np.sum(rows if adapted.counts is None else adapted.counts * rows))
    return Estimates(
        table=tabulate(result),
        llf=llf,
        n_parameters=adapted.n_parameters,
        converged=converged(result),
        facts=dict(facts) if reading.likelihood == "none" else {**facts, "log-likelihood": llf},
    )


def converged(result: Any) -> bool:
    """Whether the optimiser says that it has converged; True for what has a closed form."""
    told = getattr(result, "mle_retvals", None)
    if isinstance(told, Mapping) and "converged" in told:
        return bool(np.all(told["converged"]))
    return bool(getattr(result, "converged", True))


def tabulate(result: Any) -> pd.DataFrame:
    """Estimates, standard errors and 95 % intervals, NaN where statsmodels has none."""
    estimates = np.asarray(result.params, dtype=np.float64)
    names = getattr(result.params, "index", None)
    if names is None:
        model = result.model
        known = getattr(model, "param_names", None) or model.exog_names
        names = known if len(known) == estimates.size else range(estimates.size)
    missing = np.full(estimates.size, np.nan)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            errors = np.asarray(result.bse, dtype=np.float64)
            limits = np.asarray(result.conf_int(), dtype=np.float64)
    except (AttributeError, ValueError, TypeError, np.linalg.LinAlgError):
        errors, limits = missing, np.column_stack([missing, missing])
    columns = {"estimate": estimates, "std_error": errors, "low": limits[:, 0]}
    return pd.DataFrame({**columns, "high": limits[:, 1]}, index=pd.Index(names))


def mean_offset(linear: FloatArray, exog: FloatArray, params: FloatArray) -> FloatArray:
    """What the linear predictor has beside ``X beta``, (n,): offset and log exposure.

    Differences that are rounding are zero, so that models without an offset have none.
    """
    fitted = exog @ params
    offset = linear - fitted
    size = np.abs(exog) @ np.abs(params) + np.abs(linear)
    return np.where(np.abs(offset) <= 64.0 * np.finfo(float).eps * size, 0.0, offset)
