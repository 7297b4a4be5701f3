"""Posterior predictive draws of the ArviZ family, with the response that was observed."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.adapters.draws import DrawsModel, from_draws
from mixcheck.adapters.layout import SAMPLE_AXES
from mixcheck.errors import DataError, OptionError

__all__ = ["port_of_inference"]

_PREDICTED: Final = "posterior_predictive"
_OBSERVED: Final = "observed_data"
_CONSTANT: Final = "constant_data"


def port_of_inference(found: Any) -> DrawsModel:
    """The model of an InferenceData or a DataTree, known by its posterior predictive draws.

    Parameters
    ----------
    found : InferenceData of ArviZ, or DataTree of xarray
        With the groups ``posterior_predictive`` and ``observed_data``, and one response that both
        name. Its coordinates, and what ``constant_data`` has along the same axis, are columns for
        checks by group or against a predictor.

    Raises
    ------
    DataError
        If a group is absent, or they share several responses or none.
    """
    predicted = _variables(found, _PREDICTED)
    if predicted is None:
        raise DataError(
            f"{type(found).__name__} has no group {_PREDICTED}: draw the response first, such as "
            "with pm.sample_posterior_predictive(idata, extend_inferencedata=True) or "
            "model.predict(idata, kind='response') of bambi"
        )
    observed = _variables(found, _OBSERVED)
    if observed is None:
        raise DataError(
            f"{type(found).__name__} has no group {_OBSERVED}; write "
            "mixcheck.from_draws(observed, idata)"
        )
    shared = [name for name in observed if name in predicted]
    if len(shared) != 1:
        told = ", ".join(map(str, shared)) or "none"
        raise DataError(
            f"{_PREDICTED} and {_OBSERVED} must share one response, and share {told}; write "
            f"mixcheck.from_draws(idata.{_OBSERVED}['y'], idata.{_PREDICTED}['y']) of the one that "
            "is meant"
        )
    (name,) = shared
    seen, draws = observed[name], predicted[name]
    _require_one_layout(name, seen, draws)
    repeated = [axis for axis in draws.dims if axis in SAMPLE_AXES]
    stacked = np.asarray(draws.transpose(*repeated, *seen.dims)).reshape(-1, _size(seen))
    frame = _columns(name, seen, _variables(found, _CONSTANT) or {})
    return from_draws(
        np.asarray(seen).ravel(), stacked, draws_by="rows", frame=frame, name=str(name)
    )


def _variables(found: Any, group: str) -> Any:
    """Variables of a group by their names, or None."""
    try:
        inner = found[group]
    except (KeyError, AttributeError, TypeError, ValueError):
        return None
    variables = getattr(inner, "data_vars", None)
    if variables is None:
        raise OptionError(
            f"{type(found).__name__} is no InferenceData or DataTree of ArviZ, and cannot be "
            "checked as it is; write mixcheck.from_draws(observed, draws)"
        )
    return variables


def _size(variable: Any) -> int:
    return math.prod(variable.shape)


def _require_one_layout(name: Any, seen: Any, draws: Any) -> None:
    """Refuse draws whose axes beside those of chains and draws are not those of the response."""
    others = {
        axis: size
        for axis, size in zip(draws.dims, draws.shape, strict=True)
        if axis not in SAMPLE_AXES
    }
    wanted = dict(zip(seen.dims, seen.shape, strict=True))
    if others != wanted:
        raise DataError(
            f"the draws of {name} have the axes {others} beside those of chains and draws, and "
            f"what was observed has {wanted}; draw for the rows that were observed, or write "
            "mixcheck.from_draws(observed, draws)"
        )


def _columns(name: Any, seen: Any, constant: Any) -> pd.DataFrame:
    """The response, its coordinates, and data along the same axes, a row an observation."""
    columns = {str(name): np.asarray(seen).ravel()}
    rows = [variable for variable in constant if constant[variable].dims == seen.dims]
    for source, names in ((seen.coords, list(seen.coords)), (constant, rows)):
        for part in names:
            axes = source[part].dims
            if str(part) in columns or not axes or not set(axes) <= set(seen.dims):
                continue
            shape = [size if axis in axes else 1 for axis, size in _axes(seen)]
            ordered = source[part].transpose(*(axis for axis in seen.dims if axis in axes))
            values = np.asarray(ordered).reshape(shape)
            columns[str(part)] = np.broadcast_to(values, seen.shape).ravel()
    return pd.DataFrame(columns)


def _axes(seen: Any) -> list[tuple[Any, int]]:
    return list(zip(seen.dims, seen.shape, strict=True))
