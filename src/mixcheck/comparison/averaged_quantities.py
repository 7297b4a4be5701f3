"""What is averaged over models: their predictions, and their coefficients by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray

__all__ = ["AverageKind", "Coefficients", "Predicted", "coefficient_shares", "coefficient_tables"]

AverageKind: TypeAlias = Literal["full", "conditional"]


@dataclass(frozen=True, eq=False)
class Predicted:
    """Averages of predictions, (n,)."""

    data: object
    asked: Mapping[str, Any]

    def __call__(self, models: Sequence[Any], weights: FloatArray) -> FloatArray:
        """The average of some fits."""
        # A model of weight zero may predict no finite number.
        used = [(m, w) for m, w in zip(models, weights.tolist(), strict=True) if w > 0.0]
        parts = [w * model.predict(self.data, **self.asked).to_numpy() for model, w in used]
        out: FloatArray = np.sum(parts, axis=0)
        return out


@dataclass(frozen=True)
class Coefficients:
    """Averages of coefficients, (p,)."""

    names: tuple[str, ...]
    kind: AverageKind

    def __call__(self, models: Sequence[Any], weights: FloatArray) -> FloatArray:
        """The average of some fits."""
        values, _ = coefficient_tables(self.names, models, errors=False)
        has = np.array([[n in model.params.index for model in models] for n in self.names])
        shares = coefficient_shares(has, weights, self.kind)
        out: FloatArray = np.sum(np.where(shares > 0.0, values * shares, 0.0), axis=1)
        return out


def coefficient_tables(
    names: Sequence[str], models: Sequence[Any], *, errors: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Coefficients and standard errors of each model, (p, k), zero where it has none."""
    values = [model.params.reindex(names, fill_value=0.0) for model in models]
    own = [model.bse.reindex(names, fill_value=0.0) for model in models] if errors else values
    return np.column_stack(values), np.column_stack(own)


def coefficient_shares(has: BoolArray, weights: FloatArray, kind: AverageKind) -> FloatArray:
    """Weight of each model for each coefficient, (p, k).

    ``w_k``, or ``w_k / sum w_j`` over the models that have the coefficient.
    """
    if kind == "full":
        return np.broadcast_to(weights, has.shape)
    among: FloatArray = has * weights
    total = among.sum(axis=1, keepdims=True)
    # Where the models that have it weigh nothing, they weigh the same.
    even = has / np.maximum(has.sum(axis=1, keepdims=True), 1)
    return np.where(total > 0.0, among / np.where(total > 0.0, total, 1.0), even)
