"""Posterior predictive draws of the ArviZ family, with the response that was observed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.adapters.draws import DrawsModel, from_draws
from mixcheck.adapters.layout import SAMPLE_AXES, finite_numbers
from mixcheck.adapters.posterior_draws import PosteriorModel, find_distribution
from mixcheck.adapters.posterior_families import DISTRIBUTIONS, PARAMETERS
from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_text, shown
from mixcheck.arrays import FloatArray
from mixcheck.design.frames import as_frame
from mixcheck.errors import DataError, DataWarning, OptionError
from mixcheck.notices import warn

__all__ = ["from_inference_data"]

_PREDICTED: Final = "posterior_predictive"
_OBSERVED: Final = "observed_data"
_CONSTANT: Final = "constant_data"
_POSTERIOR: Final = "posterior"
# What bambi does to an observed response, and not to its draws.
_CHANGED: Final = re.compile(r"(censored|weighted)\(")
_LIKELIHOOD: Final = "log_likelihood"
# Of the mean, and of a parameter of the response, where the name of the response stands before it.
_OLDER: Final = {"mu": "mean", "p": "mean"}


@answer_calls
def from_inference_data(
    inference_data: Any, *, frame: Any = None, name: str | None = None
) -> DrawsModel | PosteriorModel:
    """A Bayesian model by the draws of bambi or PyMC, as ArviZ keeps them.

    Where the posterior has the parameters of the distribution of each response (``mu`` or ``p``,
    which bambi adds when it predicts, with ``sigma``, ``alpha`` .. beside), the data are seen
    given one draw of them all, the last: under a right model they are a sample of its
    distribution, as each replicate is of that of its own draw (Johnson 2007). Which distribution
    it is, is read off the draws, and off the group ``log_likelihood`` where there is one.
    Otherwise the model is known by its posterior predictive draws alone, as by `from_draws`, and
    a warning says what that is worth and what to give.

    Parameters
    ----------
    inference_data : InferenceData of ArviZ, or DataTree of xarray
        With the groups ``posterior_predictive`` and ``observed_data``, and one response that both
        name.
    frame : table of n rows, optional
        Columns for checks by group or against a predictor, in the order of the observations; by
        default the coordinates of the response, and what ``constant_data`` has along its axes.
        The trials of a binomial response may be one of them.
    name : str, optional
        What reports call the model; by default the response.

    Returns
    -------
    DrawsModel or PosteriorModel

    Raises
    ------
    DataError
        If a group is absent, they share several responses or none, or the frame has other rows.
    OptionError
        If it is no such object.

    Warns
    -----
    DataWarning
        If the distribution of the responses is not known, so that their draws are used alone.

    References
    ----------
    Johnson (2007), Bayesian model assessment using pivotal quantities, Bayesian Analysis 2,
    719-734.

    Examples
    --------
    Of bambi, ``idata = model.fit()`` and ``model.predict(idata, kind="response")`` come first. Fits
    of mixcheck write the same object:

    >>> import mixcheck as mc
    >>> sleep = mc.datasets.load("sleepstudy")
    >>> fit = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep)
    >>> idata = fit.to_inference_data(seed=1)  # doctest: +SKIP
    >>> model = from_inference_data(idata, frame=sleep)  # doctest: +SKIP
    >>> report = mc.check(model, mc.checks.Trend("Days"), seed=1)  # doctest: +SKIP
    """
    found = inference_data
    predicted = _variables(found, _PREDICTED)
    if predicted is None:
        if not isinstance(found, Mapping) and not hasattr(found, "groups"):
            raise OptionError(
                "inference_data must be an InferenceData or DataTree of ArviZ, found "
                f"{shown(found)}; for draws in another form write "
                "mixcheck.from_draws(observed, draws)"
            )
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
    shared = [variable for variable in observed if variable in predicted]
    if len(shared) != 1:
        told = ", ".join(map(str, shared)) or "none"
        raise DataError(
            f"{_PREDICTED} and {_OBSERVED} must share one response, and share {told}; write "
            f"mixcheck.from_draws(idata.{_OBSERVED}['y'], idata.{_PREDICTED}['y']) of the one that "
            "is meant"
        )
    seen, draws = observed[shared[0]], predicted[shared[0]]
    named = str(shared[0])
    if changed := _CHANGED.match(named):
        raise DataError(
            f"{named} of bambi is {changed[1]} where it was observed, and its draws are not: they "
            "cannot be compared. Write mixcheck.from_draws(observed, draws) with draws made "
            "likewise, and new random effects in each"
        )
    _require_one_layout(named, seen, draws)
    repeated = [axis for axis in draws.dims if axis in SAMPLE_AXES]
    stacked = np.asarray(draws.transpose(*repeated, *seen.dims)).reshape(-1, _size(seen))
    response = finite_numbers("observed", np.asarray(seen).ravel())
    constant = _variables(found, _CONSTANT) or {}
    table = _columns(named, seen, constant) if frame is None else _rows(frame, response.size)
    called = named if name is None else require_text("name", name, "poisson, bambi")
    posterior = _variables(found, _POSTERIOR) or {}
    parameters = _parameters(named, seen, repeated, draws, posterior, constant)
    y = response.astype(np.float64)
    densities = _log_densities(named, seen, repeated, len(stacked), _variables(found, _LIKELIHOOD))
    for trials in ({}, *_trials(table, stacked, parameters)):
        known = parameters | trials
        distribution = find_distribution(known, stacked, y, densities)
        if distribution is not None:
            used = {one: known[one] for one in distribution.parameters}
            effects = _effects(posterior, repeated, len(stacked))
            return PosteriorModel(y, distribution, used, effects, table, called)
    _warn_of_kept_parameters(named, list(parameters), densities is not None)
    return from_draws(response, stacked, draws_by="rows", frame=table, name=called)


def _rows(frame: Any, n: int) -> pd.DataFrame:
    table = as_frame(frame, "frame")
    if len(table) != n:
        raise DataError(
            f"frame must have one row an observation, {n}; found {len(table)}. Leave out the rows "
            "that the model did, such as those without a value"
        )
    return table


def _warn_of_kept_parameters(name: str, found: list[str], with_densities: bool) -> None:
    told = (
        f"{', '.join(found)} in the posterior" if found else "no parameter of it in the posterior"
    )
    reason = (
        f"the log densities in the group {_LIKELIHOOD} and the draws"
        if with_densities
        else "the draws"
    )
    warn(
        f"The distribution of {name} is not known: with {told}, {reason} are those of none that "
        "is known here. So the draws are used alone, which is not calibrated: random effects and "
        "other parameters behind them were found from these data, which lie closer to the means of "
        "such draws than the draws themselves. A variance ratio below 1, or residuals in the "
        "middle, say nothing against the model, and few failures nothing for it. Give the "
        "parameters of each response under the names that PyMC has for its distribution, with "
        "model.predict(idata, kind='response_params') of bambi, or pm.Deterministic('mu', ..) of "
        "PyMC, and pm.Data('n', ..) for what is known; for a binomial response of bambi give "
        "frame= with the column of trials. For a distribution that is truncated, censored, a "
        "mixture or your own write mixcheck.from_distribution(observed, distribution), of "
        "scipy.stats at one draw of the posterior; for draws with new random effects, "
        "mixcheck.from_draws(observed, draws).",
        DataWarning,
    )


def _parameters(
    name: str, seen: Any, repeated: list[Any], draws: Any, posterior: Any, constant: Any
) -> dict[str, FloatArray]:
    """Parameters of the distribution of each response, (S, n) or (S, 1), by their names.

    Probabilities of categories, (S, n, K), are named "categories".
    """
    sizes = dict(zip(draws.dims, draws.shape, strict=True))
    count = math.prod(sizes[axis] for axis in repeated)
    known: dict[str, FloatArray] = {}
    for parameter in PARAMETERS:
        words = (parameter, f"{name}_{parameter}", f"{name}_{_OLDER.get(parameter, parameter)}")
        drawn = (_drawn(posterior[word], seen, repeated) for word in words if word in posterior)
        values = next((one for one in drawn if one is not None and len(one) == count), None)
        if values is None:
            fixed = (_fixed(constant[word], seen) for word in words if word in constant)
            single = next((one for one in fixed if one is not None), None)
            values = None if single is None else np.broadcast_to(single, (count, single.size))
        if values is not None:
            known[parameter] = values
    for word in ("p", f"{name}_probs", f"{name}_p", f"{name}_mean"):
        if word in posterior and (of_all := _categories(posterior[word], seen, repeated, count)):
            known["categories"] = of_all[0]
            break
    return known


def _trials(
    frame: pd.DataFrame, draws: FloatArray, parameters: Mapping[str, FloatArray]
) -> Iterator[dict[str, FloatArray]]:
    """Whole numbers of the frame that no draw of a row is above: there may be trials among them."""
    lacking = [set(one.parameters) - set(parameters) for one in DISTRIBUTIONS]
    if {"n"} not in lacking or np.any(draws != np.rint(draws)):
        return
    most = draws.max(axis=0)
    for column in frame.columns:
        values = frame[column].to_numpy()
        if values.dtype.kind in "iu" and np.all(values >= most):
            yield {"n": np.broadcast_to(values.astype(np.float64), (len(draws), values.size))}


def _drawn(values: Any, seen: Any, repeated: list[Any]) -> FloatArray | None:
    """A parameter in each draw, (S, n) or (S, 1), or None where it has other axes.

    Axes without names have some of their own in PyMC: they are those of the response if they are
    as long.
    """
    axes = [axis for axis in values.dims if axis not in SAMPLE_AXES]
    if set(values.dims) != {*axes, *repeated}:
        return None
    ordered = np.asarray(values.transpose(*repeated, *axes), dtype=np.float64)
    shape = ordered.shape[len(repeated) :]
    count = math.prod(ordered.shape[: len(repeated)])
    of_draw = _of_rows(ordered.reshape(count, *shape), axes, seen)
    return None if of_draw is None else of_draw.reshape(count, -1)


def _fixed(values: Any, seen: Any) -> FloatArray | None:
    """A number that was given, for each observation or for all, (1, n) or (1, 1)."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        return None
    of_all = _of_rows(array.astype(np.float64)[None], list(values.dims), seen)
    return None if of_all is None else of_all.reshape(1, -1)


def _of_rows(values: FloatArray, axes: list[Any], seen: Any) -> FloatArray | None:
    """Values of S draws with these axes, along those of the response, (S, ..), or one for all."""
    if not axes:
        return values
    if values.shape[1:] == tuple(seen.shape) and not set(axes) & set(seen.dims):
        return values
    if not set(axes) <= set(seen.dims):
        return None
    order = [axis for axis in seen.dims if axis in axes]
    ordered = values.transpose(0, *(1 + axes.index(axis) for axis in order))
    shape = [size if axis in axes else 1 for axis, size in _axes(seen)]
    return np.broadcast_to(ordered.reshape(len(values), *shape), (len(values), *seen.shape))


def _categories(values: Any, seen: Any, repeated: list[Any], count: int) -> list[FloatArray]:
    """Probabilities of categories, [(S, n, K)], or nothing where it has other axes."""
    axes = [axis for axis in values.dims if axis not in SAMPLE_AXES]
    if set(values.dims) != {*axes, *repeated} or len(axes) != len(seen.dims) + 1:
        return []
    ordered = np.asarray(values.transpose(*repeated, *axes), dtype=np.float64)
    shape = ordered.shape[len(repeated) :]
    if math.prod(ordered.shape[: len(repeated)]) != count or shape[:-1] != tuple(seen.shape):
        return []
    return [ordered.reshape(count, _size(seen), shape[-1])]


def _log_densities(
    name: str, seen: Any, repeated: list[Any], count: int, written: Any
) -> FloatArray | None:
    """Log densities of the observations, (S, n), where the program wrote them."""
    if written is None or name not in written:
        return None
    values = written[name]
    axes = [axis for axis in values.dims if axis not in SAMPLE_AXES]
    if set(values.dims) != {*axes, *repeated} or len(axes) != len(seen.dims):
        return None
    ordered = np.asarray(values.transpose(*repeated, *axes))
    return ordered.reshape(count, -1) if ordered.size == count * _size(seen) else None


def _effects(posterior: Any, repeated: list[Any], count: int) -> dict[str, FloatArray]:
    """Random effects over their standard deviations, (S, m), as bambi names them: "1|site"."""
    found: dict[str, FloatArray] = {}
    for name in map(str, posterior):
        deviation = f"{name}_sigma"
        if "|" not in name or deviation not in posterior:
            continue
        axes = [axis for axis in posterior[name].dims if axis not in SAMPLE_AXES]
        # Deviations of several responses, as of categories, lie along an axis of their effects.
        scales = [axis for axis in axes if axis in posterior[deviation].dims]
        axes = scales + [axis for axis in axes if axis not in scales]
        if not (
            _has_draws(posterior[name], axes, repeated)
            and _has_draws(posterior[deviation], scales, repeated)
        ):
            continue
        values, scale = (
            np.asarray(posterior[one].transpose(*repeated, *rest), dtype=np.float64)
            for one, rest in ((name, axes), (deviation, scales))
        )
        effect, _, group = name.partition("|")
        term = f"{group} [{'Intercept' if effect == '1' else effect}]"
        with np.errstate(all="ignore"):
            width = math.prod(scale.shape[len(repeated) :])
            standard = values.reshape(count, width, -1) / scale.reshape(count, width, 1)
            standard = standard.reshape(count, -1)
        if np.isfinite(standard).all():
            found[term] = standard
    return found


def _has_draws(values: Any, axes: list[Any], repeated: list[Any]) -> bool:
    """Whether the draws of a parameter lie along the axes of those of the response."""
    return set(values.dims) == {*axes, *repeated}


def _variables(found: Any, group: str) -> Any:
    """Variables of a group by their names, or None."""
    try:
        inner = found[group]
    except (LookupError, AttributeError, TypeError, ValueError):
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
