"""What is asked of a model that predicts new rows and says how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.port.asking import Asked

__all__ = ["Combinations", "MovingPrediction", "Predicting", "PredictionOf"]

PredictionOf = Literal["link", "response", "marginal"]
"""The linear predictor of the mean; the mean with random effects of zero; the mean averaged over
the random effects."""


@dataclass(frozen=True, eq=False)
class MovingPrediction:
    """Predictions of rows, and how they move with the estimates.

    Attributes
    ----------
    estimates : (n,)
    slopes : (n, P)
        Derivatives in all parameters.
    excess, sizes : (n, a)
        By how much each column that was left out of the fit, as a combination of others, is not
        that combination in each row, and the size of what was compared: the fit does not tell a
        linear combination of rows whose combined excess is not zero.
    """

    estimates: FloatArray
    slopes: FloatArray
    excess: FloatArray
    sizes: FloatArray


@dataclass(frozen=True, eq=False)
class Combinations:
    """How well functions of the estimates are known.

    Attributes
    ----------
    covariance : (k, k)
        Infinite variances where an estimate without a finite value takes part.
    df : (k,)
        Degrees of freedom of the t distribution of each; infinite for the normal one.
    """

    covariance: FloatArray
    df: FloatArray


@runtime_checkable
class Predicting(Protocol, metaclass=Asked):
    """A model that predicts new rows and says how its predictions follow its estimates."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows of the fit."""
        ...

    @property
    def link_name(self) -> str:
        """Link of the mean."""
        ...

    @property
    def row_weights(self) -> FloatArray | None:
        """How many rows each stands for, (n,); None for one each."""
        ...

    def read_rows(self, data: object) -> pd.DataFrame:
        """A table of any kind as a frame."""
        ...

    def prediction_columns(self, of: PredictionOf) -> dict[str, bool]:
        """Columns that a prediction uses, and whether each has levels."""
        ...

    def predict_moving(self, data: pd.DataFrame, of: PredictionOf) -> MovingPrediction:
        """Predict rows, without groups, with the derivatives of what is predicted."""
        ...

    def mean_of(self, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean at values of its linear predictor, and its derivative, (k,) each.

        Raises
        ------
        OptionError
            If the mean depends on other predictors too.
        """
        ...

    def combine(self, slopes: FloatArray, ddf: str) -> Combinations:
        """Covariance and degrees of freedom of functions with these derivatives, (k, P)."""
        ...
