"""A model of a transformed response on the scale of a column: its likelihood with the Jacobian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.comparison.same_data import formula_of, is_reml, require_comparable
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import (
    Comparable,
    ConvergenceFacts,
    Converging,
    DataRows,
    LikelihoodKind,
    Ported,
    Rescalable,
    Traceable,
)

__all__ = ["OnScale", "on_scale"]


class _Whole(Comparable, Traceable, Converging, Rescalable, Protocol):
    """What a model must be to be put on another scale."""


@dataclass(frozen=True, eq=False)
class OnScale:
    r"""A model whose log-likelihood is that of a column y, where it was fitted to g(y).

    The density of y is that of g(y) times the derivative:
    :math:`\log L_y = \log L_g + \sum_i w_i \log |g'(y_i)|`, w the weights of the rows.

    Attributes
    ----------
    model : Comparable
    log_slope : (n,)
        ``log |g'(y)|`` of each row.
    response : (n,)
        The column.
    """

    model: _Whole
    log_slope: FloatArray
    response: FloatArray

    @property
    def llf(self) -> float:
        """Log-likelihood of the column, ``l + sum w_i log |dg / dy|``."""
        weights = self.model.data_rows.weights
        slopes = self.log_slope if weights is None else weights * self.log_slope
        return self.model.llf + float(np.sum(slopes))

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters."""
        return self.model.n_parameters

    @property
    def nobs(self) -> int:
        """Number of observations."""
        return self.model.nobs

    @property
    def data_digest(self) -> Mapping[str, str]:
        """That of the model; the response is compared by its values."""
        return self.model.data_digest

    @property
    def fixed_matrices(self) -> Mapping[str, FloatArray]:
        """Those of the model."""
        return self.model.fixed_matrices

    @property
    def random_terms(self) -> Mapping[str, tuple[str, FloatArray]]:
        """Those of the model."""
        return self.model.random_terms

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """That of the model, the transformation with its family."""
        known = self.model.description
        left = formula_of(self.model).partition("~")[0].strip()
        moved = bool(np.any(self.log_slope != 0.0))
        return {**known, "family": f"{known.get('family')} of {left}"} if moved else known

    @property
    def data_rows(self) -> DataRows:
        """Those of the model, with the column for its response."""
        return replace(self.model.data_rows, response=self.response)

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """That of the model."""
        return self.model.likelihood_kind

    @property
    def family_limits(self) -> tuple[str, ...]:
        """Those of the model."""
        return self.model.family_limits

    @property
    def whole_families(self) -> tuple[str, ...]:
        """Those of the model."""
        return self.model.whole_families

    @property
    def convergence(self) -> ConvergenceFacts:
        """That of the model."""
        return self.model.convergence


def on_scale(model: Comparable | Ported, column: str) -> OnScale:
    """A model on the scale of a column of its data.

    Raises
    ------
    OptionError
        If there is no such column, or the response is no function of it.
    ComparisonError
        If the model was fitted by REML.
    """
    fitted = require_comparable(model, "compare")
    if not all(isinstance(fitted, kind) for kind in (Rescalable, Traceable, Converging)):
        raise OptionError(
            f"{type(model).__name__} does not know how its response was made; leave scale= out"
        )
    whole = cast(_Whole, fitted)
    frame = whole.data_rows.frame
    if not isinstance(column, str) or column not in frame.columns:
        raise OptionError(
            f"scale={shown(column)} is no column of the data, which has "
            f"{', '.join(map(str, frame.columns))}"
        )
    if is_reml(fitted):
        raise ComparisonError(
            f"{formula_of(fitted)!r} was fitted by REML, whose likelihood is none of the response; "
            "fit it by maximum likelihood, reml=False"
        )
    slopes = whole.response_log_slope(column)
    return OnScale(whole, slopes, frame[column].to_numpy(dtype=np.float64))
