"""Draws as other programs lay them out, as one matrix with a row for each draw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixcheck.arguments.alignment import align_rows, is_labelled, label_places, read_array
from mixcheck.arguments.options import require_choice, shown
from mixcheck.errors import DataError, OptionError

__all__ = ["SAMPLE_AXES", "finite_numbers", "stack_draws"]

AnyArray: TypeAlias = NDArray[Any]

# Names of the axes along which programs of the ArviZ family repeat a response.
SAMPLE_AXES: Final = ("chain", "draw", "sample", "__sample__")
# Squares of larger numbers, of which variances are made, are not floats.
_LARGEST: Final = 1e150
_GROUP: Final = "posterior_predictive"


def stack_draws(
    draws: Any, n: int, draws_by: object, index: pd.Index[Any] | None = None
) -> AnyArray:
    """Draws of n observations as an (m, n) matrix.

    Parameters
    ----------
    draws : array_like, (m, n) or (n, m), or with more axes of draws
        Or a DataFrame, an xarray object, an ArviZ InferenceData or DataTree, or a dict of arrays.
    n : int
    draws_by : {None, "rows", "columns"}
        Whether one draw of a matrix is a row or a column.
    index : Index, optional
        Labels of the observations, where these are known.

    Raises
    ------
    DataError, OptionError

    Examples
    --------
    >>> stack_draws(np.arange(24).reshape(2, 3, 4), 4, None).shape
    (6, 4)
    """
    if draws_by is not None:
        require_choice("draws_by", draws_by, ("rows", "columns"))
    draws = _one_variable(draws, n)
    if _is_labelled_array(draws):
        return _of_labelled_array(draws, n)
    if isinstance(draws, pd.DataFrame):
        draws = _aligned_table(draws, n, draws_by, index)
    values = finite_numbers("draws", read_array(draws, "draws"))
    if values.ndim > 2:
        values = _flattened(values, n)
    return _oriented(values, n, draws_by)


def _aligned_table(
    draws: pd.DataFrame, n: int, draws_by: object, index: pd.Index[Any] | None
) -> pd.DataFrame:
    """A table in the order of the observations, if it has their labels on either axis."""
    if index is None:
        return draws
    by_columns = draws_by == "columns" or (draws_by is None and draws.shape[1] != n)
    labels = draws.index if by_columns else draws.columns
    if len(labels) != n or labels.equals(index):
        return draws
    unique = labels.is_unique and index.is_unique
    places = label_places(labels, index) if unique else np.full(n, -1)
    same = bool((places >= 0).all())
    if same and isinstance(labels, pd.RangeIndex):
        raise DataError(
            f"observed has its rows in another order than 0 to {n - 1}, and draws has no labels "
            "but these; give draws.to_numpy() if draws are in the order of observed, or sort it."
        )
    if by_columns:
        aligned: pd.DataFrame = align_rows(draws, index, "draws", "observed")
        return aligned
    # Columns often have names that a program made up, and these say nothing.
    return draws.take(places, axis=1) if same else draws


def _one_variable(draws: Any, n: int) -> Any:
    """The response among the variables of an ArviZ or xarray object; anything else as it is."""
    if isinstance(draws, pd.DataFrame | pd.Series | np.ndarray | list | tuple):
        return draws
    place = "draws"
    if _groups(draws) and not getattr(draws, "data_vars", None):
        inner = getattr(draws, _GROUP, None)
        if inner is None:
            raise DataError(
                f"draws has no group {_GROUP}; its groups are {', '.join(_groups(draws))}. Draw "
                "the response first, such as with pm.sample_posterior_predictive(idata, "
                "extend_inferencedata=True)."
            )
        draws, place = inner, f"draws.{_GROUP}"
    variables = draws if isinstance(draws, dict) else getattr(draws, "data_vars", None)
    if not isinstance(variables, Mapping):
        return draws
    observations = {name: _observations(variables[name]) for name in variables}
    fitting = [name for name, size in observations.items() if size == n]
    if len(fitting) == 1:
        return variables[fitting[0]]
    sizes = ", ".join(f"{name} ({size})" for name, size in observations.items())
    if not fitting:
        raise DataError(
            f"no variable of draws has {n} observations; found, each with its number: "
            f"{sizes or 'none'}."
        )
    raise DataError(
        f"draws has several variables of {n} observations; write draws={place}[{fitting[0]!r}] "
        f"or another of {', '.join(map(str, fitting))}."
    )


def _groups(draws: Any) -> tuple[str, ...]:
    """Names of the groups of an InferenceData or a DataTree; none for anything else."""
    groups: Any = getattr(draws, "groups", ())
    found = groups() if callable(groups) else groups
    if not isinstance(found, list | tuple):
        return ()
    return tuple(str(g).strip("/") for g in found if str(g).strip("/"))


def _is_labelled_array(draws: Any) -> bool:
    dims: Any = getattr(draws, "dims", None)
    named = isinstance(dims, tuple) and hasattr(draws, "transpose") and not is_labelled(draws)
    return named and any(axis in SAMPLE_AXES for axis in dims)


def _observations(variable: Any) -> int:
    """How many observations one draw of a variable holds: the last axis where none has a name."""
    if not hasattr(variable, "dims"):
        shape = np.shape(read_array(variable, "draws"))
        return shape[-1] if len(shape) > 1 else 1
    sizes = zip(variable.dims, variable.shape, strict=True)
    return math.prod(size for axis, size in sizes if axis not in SAMPLE_AXES)


def _of_labelled_array(draws: Any, n: int) -> AnyArray:
    """An xarray array: every axis of chains and draws is one of draws."""
    repeated = [axis for axis in draws.dims if axis in SAMPLE_AXES]
    others = [axis for axis in draws.dims if axis not in SAMPLE_AXES]
    if _observations(draws) != n:
        raise DataError(
            f"draws has the axes {', '.join(map(str, draws.dims))} of sizes "
            f"{', '.join(map(str, draws.shape))}; the axes beside chain and draw must hold the {n} "
            "observations."
        )
    values = np.asarray(draws.transpose(*repeated, *others))
    return _oriented(finite_numbers("draws", values.reshape(-1, n)), n, "rows")


def _flattened(draws: AnyArray, n: int) -> AnyArray:
    """More than two axes, one of observations and the others of chains and draws."""
    places = [k for k, size in enumerate(draws.shape) if size == n]
    if len(places) != 1:
        found = "no axis has" if not places else "several axes have"
        raise DataError(
            f"draws has shape {draws.shape}, of which {found} the {n} observations; write "
            f"draws.reshape(-1, {n}) if one draw is the end of it."
        )
    return np.moveaxis(draws, places[0], -1).reshape(-1, n)


def _oriented(draws: AnyArray, n: int, draws_by: object) -> AnyArray:
    """A matrix of draws as (m, n)."""
    if draws.ndim != 2 or n not in draws.shape:
        twice = 2 * n in draws.shape and draws.ndim == 2
        raise DataError(
            f"draws must be a matrix with {n} columns (or {n} rows), one for each observation, "
            f"found shape {draws.shape}"
            + ("; were successes and failures both drawn? Give the successes." if twice else "")
        )
    if draws_by is None and draws.shape == (n, n):
        raise OptionError(
            f"draws is square ({n} x {n}), so its shape does not tell draws from observations; "
            'write draws_by="rows" or draws_by="columns"'
        )
    rows = draws if draws_by == "rows" or (draws_by is None and draws.shape[1] == n) else draws.T
    if rows.shape[1] != n or len(rows) < 2:
        raise DataError(
            f"at least two draws of {n} observations are needed, found {len(rows)} of "
            f"{rows.shape[1]} with draws by {draws_by or 'the only axis that fits'}"
        )
    return rows


def finite_numbers(name: str, values: AnyArray) -> AnyArray:
    """The values as finite real numbers, integers kept as they are.

    Raises
    ------
    DataError
        For anything else, and for masked values.
    """
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.getmaskarray(values).any():
            raise DataError(f"{name} holds masked values; leave these observations or draws out")
        values = np.asarray(values)
    if values.dtype == np.bool_:
        return values.astype(np.int8)
    if values.dtype == object and values.ndim == 0:
        raise DataError(f"{name} must hold numbers, found {_kind(values)}")
    if values.dtype.kind in "cmM":
        raise DataError(f"{name} must hold numbers, found {values.dtype}; give real numbers")
    if values.dtype.kind not in "iuf":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"{name} must hold numbers, found {_kind(values)}") from None
    if values.dtype.kind in "iu":
        return values
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise DataError(f"{name} holds {bad} values that are NaN or infinite; leave them out")
    if values.size and max(float(values.max()), -float(values.min())) > _LARGEST:
        raise DataError(f"{name} holds values beyond 1e150, whose squares are not finite; rescale")
    return values


def _kind(values: AnyArray) -> str:
    """What was found, and what to give in its place."""
    if not values.size:
        return str(values.dtype)
    found = shown(values.ravel()[0])
    if values.ndim:
        return f"{found}; code categories as integers"
    return f"{found}; give an array or a table of numbers"
