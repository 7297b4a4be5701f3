"""Several models for one answer: averages of their predictions and coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import as_items, require_number, shown
from mixcheck.arrays import FloatArray
from mixcheck.comparison.average_errors import Averaged
from mixcheck.comparison.compared import Comparison
from mixcheck.comparison.criterion import CriterionFunction
from mixcheck.comparison.model_average import ModelAverage
from mixcheck.comparison.same_data import name_models, require_comparable, require_same_data
from mixcheck.comparison.table import TableWeights, compare, weights_of
from mixcheck.errors import OptionError
from mixcheck.port import Comparable, Ported

__all__ = ["Reweighing", "average"]

# Weights that are given sum to one within this.
_SUM = 1e-6


@answer_calls
def average(
    models: Mapping[str, Comparable | Ported] | Sequence[Comparable | Ported],
    *,
    criterion: str | CriterionFunction = "aic",
    weights: TableWeights | Mapping[str, float] | Sequence[float] = "akaike",
) -> ModelAverage:
    """Weight several models of one data set, to average what they predict.

    Parameters
    ----------
    models : mapping of name to fitted model, or sequence of them
        As in `mixcheck.compare`.
    criterion : str or callable
        As in `mixcheck.compare`; what the weights are by.
    weights : str, mapping of name to float, or sequence of float
        As in `mixcheck.compare`; or numbers that sum to one, which are held by a bootstrap.

    Returns
    -------
    ModelAverage
        With `predict` and `coefficients`.

    Raises
    ------
    ComparisonError
        As `mixcheck.compare`.
    OptionError
        If a model does not predict, or weights are not shares.

    References
    ----------
    Burnham & Anderson (2002), Model Selection and Multimodel Inference, 2nd edition, chapter 4;
    Yao, Vehtari, Simpson & Gelman (2018), Bayesian Analysis 13, 917-1007, on stacking.

    Examples
    --------
    >>> import mixcheck as mc
    >>> growth = mc.datasets.load("Orthodont")
    >>> fits = {
    ...     right: mc.glmm(f"distance ~ {right} + (1 | Subject)", growth)
    ...     for right in ("age * Sex", "age + Sex", "age")
    ... }
    >>> mc.average(fits, criterion="aicc").weights.round(3).to_dict()
    {'age * Sex': 0.875, 'age + Sex': 0.12, 'age': 0.005}
    """
    named = _named(models)
    if isinstance(weights, str):
        reweigh = Reweighing(criterion, weights)
        table = compare(named, criterion=criterion, weights=weights)
        return ModelAverage(_of_table(table, named), table, named, reweigh)
    ported = {label: require_comparable(model, "average") for label, model in named.items()}
    require_same_data(ported)
    shares = _given(weights, list(named))
    return ModelAverage(shares, None, named, _Held(np.asarray(shares, dtype=np.float64)))


def _named(models: object) -> dict[str, Any]:
    """The models by name, each of which predicts."""
    named = name_models(models, "average")
    for label, model in named.items():
        if isinstance(model, type) or not isinstance(model, Averaged):
            raise OptionError(
                f"{shown(label)} is {shown(model)}; average needs fitted models that predict, such "
                "as results of mixcheck.glmm(..)"
            )
    return named


def _given(weights: object, names: list[str]) -> pd.Series[float]:
    """Weights that were given, in the order of the models."""
    if isinstance(weights, pd.Series):
        weights = weights.to_dict()
    several = list(weights.items()) if isinstance(weights, Mapping) else as_items(weights)
    if several is None:
        raise OptionError(
            f"weights={shown(weights)} must be the name of weights, such as 'akaike', or a number "
            "for each model"
        )
    if isinstance(weights, Mapping):
        known = {str(label): value for label, value in weights.items()}
        if set(known) != set(names):
            raise OptionError(f"weights= are of {sorted(known)}, and the models are {names}")
        several = [known[name] for name in names]
    if len(several) != len(names):
        raise OptionError(f"weights= has {len(several)} numbers for {len(names)} models")
    values = [require_number("weights", one, 0.0, 1.0, example=0.5, ends=True) for one in several]
    if abs(sum(values) - 1.0) > _SUM:
        raise OptionError(f"weights= sum to {sum(values):.6g}; divide them by it")
    return pd.Series(np.array(values) / sum(values), names, name="weight")


def _of_table(table: Comparison, named: Mapping[str, Any]) -> pd.Series[float]:
    """The weights of a table, in the order that the models were given in."""
    found = {model.model: model.weight for model in table.models}
    return pd.Series([found[label] for label in named], list(named), name="weight")


@dataclass(frozen=True)
class Reweighing:
    """Weights of refits by the criterion that weighted the fits."""

    criterion: str | CriterionFunction
    weights: TableWeights

    def __call__(self, fits: Mapping[str, Any]) -> FloatArray:
        """The weights, (k,)."""
        return weights_of(fits, self.criterion, self.weights)


@dataclass(frozen=True, eq=False)
class _Held:
    """Weights that were given."""

    weights: FloatArray

    def __call__(self, fits: Mapping[str, Any]) -> FloatArray:
        return self.weights
