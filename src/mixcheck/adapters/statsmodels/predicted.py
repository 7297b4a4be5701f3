"""Count models of statsmodels that have a distribution of scipy in place of a family here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mixcheck.adapters.fitted_elsewhere import Rows
from mixcheck.adapters.predicted import RefittablePrediction
from mixcheck.adapters.statsmodels.recipe import fit_quietly
from mixcheck.arrays import FloatArray

__all__ = ["PREDICTED", "port_of_predicted"]

PREDICTED: Final = ("GeneralizedPoisson", "ZeroInflatedGeneralizedPoisson")
"""Classes of models that are checked by their distribution."""

_BY_ROW: Final = ("exog_infl", "offset", "exposure")
_FIT: Final[Mapping[str, Any]] = {"method": "bfgs", "maxiter": 500, "disp": 0, "skip_hessian": True}
# Counts to which probabilities are tabulated, and the tail that is left beyond.
_MOST: Final = 4096
_TAIL: Final = 1e-12


@dataclass(frozen=True, eq=False)
class _Tabulated:
    """A discrete distribution whose draws are by inversion of its table.

    Attributes
    ----------
    inner : frozen distribution
        With a value for each row.
    """

    inner: Any

    def cdf(self, y: FloatArray) -> FloatArray:
        """Probability of y or less."""
        return np.asarray(self.inner.cdf(y), dtype=np.float64)

    def sf(self, y: FloatArray) -> FloatArray:
        """Probability of more than y."""
        return np.asarray(self.inner.sf(y), dtype=np.float64)

    def pmf(self, y: FloatArray) -> FloatArray:
        """Probability of y."""
        return np.asarray(self.inner.pmf(y), dtype=np.float64)

    def mean(self) -> FloatArray:
        """Means."""
        return np.asarray(self.inner.mean(), dtype=np.float64)

    def var(self) -> FloatArray:
        """Variances."""
        return np.asarray(self.inner.var(), dtype=np.float64)

    def rvs(self, size: int, random_state: np.random.Generator) -> FloatArray:
        """One draw of each row: the least count whose probability from below reaches a uniform."""
        u, drawn, below = random_state.random(size), np.zeros(size), np.zeros(size)
        for k in range(_MOST):
            below = below + self.pmf(np.full(size, float(k)))
            going = u >= below
            if not going.any():
                break
            drawn[going & (below < 1.0 - _TAIL)] = k + 1
        return drawn


@dataclass(frozen=True, eq=False)
class _Refitter:
    """The model of statsmodels without its response."""

    model: type
    exog: FloatArray
    by_row: Mapping[str, FloatArray]
    fixed: Mapping[str, Any]
    start: FloatArray

    def __call__(self, response: FloatArray) -> _Tabulated:
        fit = {**_FIT, "start_params": self.start}
        result = fit_quietly(self.model, response, self.exog, self.by_row, self.fixed, fit)
        return _Tabulated(result.get_distribution())


def port_of_predicted(
    result: Any, rows: Rows, facts: Mapping[str, str | int | float | bool | None]
) -> RefittablePrediction:
    """The port of a result, by its ``get_distribution()``.

    Parameters
    ----------
    result : result of statsmodels
        Of one of the classes in `PREDICTED`.
    rows : Rows
    facts : mapping
        The description of a report.
    """
    model = result.model
    given = model._get_init_kwds()
    by_row = {
        name: np.asarray(given[name], dtype=np.float64)
        for name in _BY_ROW
        if given.get(name) is not None
    }
    if "exposure" in by_row:
        # It is kept as its logarithm.
        by_row["exposure"] = np.exp(np.asarray(model.exposure, dtype=np.float64))
    fixed = {name: given[name] for name in ("p", "inflation") if name in given}
    exog = np.asarray(model.exog, dtype=np.float64)
    start = np.asarray(result.params, dtype=np.float64)
    refitter = _Refitter(type(model), exog, by_row, fixed, start)
    y = np.asarray(model.endog, dtype=np.float64)
    distribution = _Tabulated(result.get_distribution())
    return RefittablePrediction(y, distribution, rows.frame, facts, refitter)
