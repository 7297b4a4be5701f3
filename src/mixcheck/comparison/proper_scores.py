"""Scores of predictions of single rows, and those of two models row by row."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.comparison.cavity import Prediction
from mixcheck.comparison.same_data import order_of, require_same_data
from mixcheck.port import Comparable

__all__ = ["brier", "dawid_sebastiani", "is_bernoulli", "match_rows_of", "mean_brier"]

# A mean p and a variance p (1 - p) are those of a single trial.
_BERNOULLI = 1e-9


def dawid_sebastiani(response: FloatArray, predicted: Prediction) -> FloatArray:
    """``(y - mean)^2 / variance + log variance`` of each row, (n,)."""
    error = response - predicted.mean
    score: FloatArray = error**2 / predicted.variance + np.log(predicted.variance)
    return score


def is_bernoulli(response: FloatArray, predicted: Prediction) -> bool:
    """Whether every response is zero or one out of one."""
    p = predicted.mean
    single: BoolArray = np.abs(predicted.variance - p * (1.0 - p)) < _BERNOULLI
    return bool(np.all(single & ((response == 0.0) | (response == 1.0))))


def brier(response: FloatArray, predicted: Prediction) -> FloatArray:
    """``(y - p)^2`` of each row, (n,)."""
    score: FloatArray = (response - predicted.mean) ** 2
    return score


def mean_brier(response: FloatArray, predicted: Prediction) -> float | None:
    """None unless every response is zero or one out of one."""
    if not is_bernoulli(response, predicted):
        return None
    return float(np.mean(brier(response, predicted)))


class _ByRow(Protocol):
    """Scores by row, with their model."""

    @property
    def scores(self) -> pd.Series[float]: ...

    @property
    def subject(self) -> Any: ...


def match_rows_of(scores: _ByRow, other: _ByRow) -> pd.Series[float]:
    """The scores of another model in the order of these, where both models know their rows.

    Raises
    ------
    ComparisonError
        If the data differ.
    """
    first, second = scores.subject, other.subject
    if not (isinstance(first, Comparable) and isinstance(second, Comparable)):
        return other.scores
    require_same_data({"the first model": first, "the second model": second})
    order = order_of(first, second)
    values = other.scores.to_numpy()
    return pd.Series(values if order is None else values[order], scores.scores.index)
