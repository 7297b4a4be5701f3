"""Intervals of predictions: of a mean, by the delta method, and of a new response."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.options import require_choice
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design.formula import unquote_name
from mixcheck.design.frames import as_frame, read_vector
from mixcheck.errors import ConvergenceError, DataError, OptionError
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.predictive.category_sets import predict_categories, shortest_runs
from mixcheck.fitting.predictive.predictive_mixture import mix
from mixcheck.fitting.predictive.predictor_spread import (
    PredictorSpread,
    spread_at_modes,
    spread_of_fixed,
    variance_slopes,
)
from mixcheck.fitting.predictive.quantities import Quantity, Rates, Working, differentiate
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.predictions import (
    PredictedRows,
    PredictionRequest,
    point_values,
    predict_rows,
)
from mixcheck.inference.wald import normal_quantile
from mixcheck.trial_values import may_overflow

__all__ = ["IntervalOf", "gradient", "known_covariance", "lost_rows", "predict_interval"]

IntervalOf = Literal["confidence", "prediction"]

_COLUMNS = ["predicted", "std_error", "low", "high"]
# The logarithmic link holds its inverse at exp(700).
_HELD = 1e300


def predict_interval(
    fit: Estimates,
    request: PredictionRequest,
    interval: str,
    level: float,
    trials: str | ArrayLike | None,
) -> pd.DataFrame:
    """See `GLMM.predict`."""
    require_choice("interval", interval, ("confidence", "prediction"))
    z = normal_quantile(level)
    quantity = request.quantity(fit)
    with may_overflow():
        if interval == "confidence":
            if trials is not None:
                raise OptionError(
                    "trials= are those of a new response, and a mean is a probability: leave it "
                    'out, or write interval="prediction"'
                )
            return _confidence(fit, request, quantity, z)
        return _prediction(fit, request, level, trials)


# ---- of a mean -------------------------------------------------------------------------------


def _confidence(
    fit: Estimates, request: PredictionRequest, quantity: Quantity, z: float
) -> pd.DataFrame:
    names = (request.link_part,) if request.scale == "link" else quantity.names
    rows = predict_rows(fit, request, names)
    values = point_values(fit, request, rows)
    spread = _spread(fit, request, rows)
    if request.scale == "link":
        error = _deviations(fit, spread)[0]
        ends = np.column_stack([values - z * error, values + z * error])
    elif len(spread.names) == 1 and not _is_averaged(rows):
        error, ends = _through_predictor(fit, quantity, rows, spread, z)
    else:
        error = _delta_errors(fit, quantity, rows, spread)
        ends = _on_working_scale(quantity.working, values, error, z)
    table = np.column_stack([values, error, ends])
    table[rows.missing] = np.nan
    return pd.DataFrame(table, rows.index, _COLUMNS)


def _is_averaged(rows: PredictedRows) -> bool:
    return any(bool(np.any(v > 0.0)) for v in rows.variances.values())


def known_covariance(fit: Estimates) -> FloatArray:
    """Covariance of the estimates, (P, P), zero for what has no finite one."""
    out = fit.covariance.copy()
    lost = fit.infinite_positions
    out[lost], out[:, lost] = 0.0, 0.0
    return out


def _spread(fit: Estimates, request: PredictionRequest, rows: PredictedRows) -> PredictorSpread:
    if request.random_effects != "auto" or not fit.problem.terms:
        return spread_of_fixed(fit.problem, rows.parts)
    units = np.sqrt(np.maximum(known_covariance(fit).diagonal(), 0.0))
    return spread_at_modes(fit.problem, _mode(fit), fit.optimum.psi, units, rows.parts)


def _mode(fit: Estimates) -> Mode:
    """Conditional modes at the estimates, with the observed information."""
    problem, psi = fit.problem, fit.optimum.psi
    roots = problem.roots(psi[problem.n_beta :])
    mode = find_mode(problem, problem.fixed(psi), roots, list(fit.mode.point.u))
    if mode is None:
        raise ConvergenceError(
            "no conditional mode was found at the estimates; see fit.convergence"
        )
    return mode


def _deviations(fit: Estimates, spread: PredictorSpread) -> FloatArray:
    """Standard error of each predictor, (k, n); infinite where an estimate is."""
    variance = np.einsum("aan->an", spread.covariance(known_covariance(fit)))
    lost = (spread.slopes[:, :, fit.infinite_positions] != 0.0).any(axis=2)
    return np.where(lost, np.inf, np.sqrt(np.maximum(variance, 0.0)))


def _through_predictor(
    fit: Estimates, quantity: Quantity, rows: PredictedRows, spread: PredictorSpread, z: float
) -> tuple[FloatArray, FloatArray]:
    """Standard error by the delta method, and the quantity at the ends of its predictor."""
    (k,), (link,), eta = quantity.places, quantity.links, rows.eta
    deviation = _deviations(fit, spread)[0]
    rate = np.abs(differentiate(quantity, eta, {}).in_predictor[0])
    error = np.where(
        np.isinf(deviation), np.inf, rate * np.where(np.isinf(deviation), 0, deviation)
    )
    at = [eta[k] - z * deviation, eta[k] + z * deviation]
    ends = [quantity.value((*eta[:k], end, *eta[k + 1 :])) for end in at]
    ends = [np.where(np.abs(end) > _HELD, np.copysign(np.inf, end), end) for end in ends]
    low, high = np.minimum(*ends), np.maximum(*ends)
    crosses = (at[0] < 0.0) & (at[1] > 0.0)
    if link.name == "sqrt":
        low = np.where(crosses, quantity.value((*eta[:k], 0.0 * eta[k], *eta[k + 1 :])), low)
    if link.name == "inverse":
        # Beside a predictor of zero the mean goes to infinity, on the side of the estimate.
        above = eta[k] > 0.0
        low, high = (
            np.where(crosses & ~above, -np.inf, np.where(crosses, high, low)),
            np.where(crosses & above, np.inf, np.where(crosses, low, high)),
        )
    return error, np.column_stack([low, high])


def gradient(
    fit: Estimates, rows: PredictedRows, spread: PredictorSpread, rates: Rates
) -> FloatArray:
    """``dq/dpsi = sum_k dq/deta_k deta_k/dpsi + dq/dv dv/dpsi`` of a quantity q, (n, P).

    v are the variances of the random parts that it is averaged over.
    """
    J: FloatArray = np.einsum("kn,knp->np", rates.in_predictor, spread.slopes)
    for part, rate in zip(rows.parts, rates.in_variance, strict=True):
        if part.name in rows.variances:
            J += rate[:, None] * variance_slopes(fit.problem, fit.optimum.psi, part)
    return J


def lost_rows(fit: Estimates, J: FloatArray) -> BoolArray:
    """Functions that depend on a coefficient of the mean without a finite estimate, (k,).

    Parameters beside the mean that run to an end are held there.
    """
    place = fit.problem.beta_slices[0]
    return np.asarray((J[:, place][:, fit.infinite_positions[place]] != 0.0).any(axis=1))


def _delta_errors(
    fit: Estimates, quantity: Quantity, rows: PredictedRows, spread: PredictorSpread
) -> FloatArray:
    """``sqrt(J C J' + f' V f)``, (n,), f the derivatives in the predictors, J in parameters."""
    rates = differentiate(quantity, rows.eta, rows.variances)
    J = gradient(fit, rows, spread, rates)
    variance = np.einsum("np,pq,nq->n", J, known_covariance(fit), J)
    variance += np.einsum("an,bn,abn->n", rates.in_predictor, rates.in_predictor, spread.given)
    return np.where(lost_rows(fit, J), np.inf, np.sqrt(np.maximum(variance, 0.0)))


def _on_working_scale(
    working: Working, values: FloatArray, error: FloatArray, z: float
) -> FloatArray:
    """``g(x -+ z s / |g'(x)|)`` of values ``g(x)`` with standard errors s, (n, 2)."""
    place = working.there(values)
    inside = np.isfinite(place)
    slope = np.abs(working.slope(np.where(inside, place, 0.0)))
    reach = z * np.divide(error, slope, out=np.zeros(error.size), where=slope > 0.0)
    ends = [working.back(place - reach), working.back(place + reach)]
    ends = [np.where(inside, end, values) for end in ends]
    return np.column_stack([np.minimum(*ends), np.maximum(*ends)])


# ---- of a new response -----------------------------------------------------------------------


def _prediction(
    fit: Estimates, request: PredictionRequest, level: float, trials: str | ArrayLike | None
) -> pd.DataFrame:
    _require_response(fit, request, trials)
    size = _new_size(fit, request, trials)
    rows = predict_rows(fit, request, fit.family.predictors)
    values = point_values(fit, request, rows)
    spread = _spread(fit, request, rows)
    lost = np.isinf(_deviations(fit, spread)[spread.names.index("mean")])
    covariance = _joint_covariance(fit, rows, spread)
    known = ~rows.missing & np.isfinite(covariance).all(axis=(0, 1)) & ~lost
    if fit.family.categories:
        return _category_sets(fit, rows, values, covariance, known, level)
    if size is not None:
        known &= size > 0.0
    use = np.flatnonzero(known)
    table = np.column_stack([values, *np.full((3, values.size), np.nan)])
    table[lost & ~rows.missing, 1:] = np.inf, *fit.family.mean_range
    if use.size:
        mixture = mix(
            fit.family,
            tuple(e[use] for e in rows.eta),
            covariance[:, :, use],
            rows.variances.get("mean", np.zeros(values.size))[use],
            None if size is None else size[use],
        )
        unit = 1.0 if size is None else size[use]
        tail = 0.5 * (1.0 - level)
        table[use, 1] = np.sqrt(mixture.moments()[1]) / unit
        table[use, 2] = mixture.quantile(tail) / unit
        table[use, 3] = mixture.quantile(1.0 - tail) / unit
    return pd.DataFrame(table, rows.index, _COLUMNS)


def _category_sets(
    fit: Estimates,
    rows: PredictedRows,
    values: FloatArray,
    covariance: FloatArray,
    known: BoolArray,
    level: float,
) -> pd.DataFrame:
    """The shortest run of categories that holds a new response, its ends by their labels."""
    use = np.flatnonzero(known)
    labels = np.array([*fit.family.categories], dtype=object)
    error, mass = np.full((2, values.size), np.nan)
    low, high = np.full((2, values.size), np.nan, dtype=object)
    if use.size:
        probabilities = predict_categories(
            fit.family,
            tuple(e[use] for e in rows.eta),
            covariance[:, :, use],
            rows.variances.get("mean", np.zeros(values.size))[use],
        )
        first, last, mass[use] = shortest_runs(probabilities, level)
        low[use], high[use] = labels[first], labels[last]
        y = np.array([*fit.family.categories.values()])
        mean = probabilities @ y
        error[use] = np.sqrt(np.sum(probabilities * (y - mean[:, None]) ** 2, axis=1))
    columns = [values, error, low, high, mass]
    return pd.DataFrame(dict(zip([*_COLUMNS, "probability"], columns, strict=True)), rows.index)


def _require_response(
    fit: Estimates, request: PredictionRequest, trials: str | ArrayLike | None
) -> None:
    if request.scale == "link" or request.part != "response":
        raise OptionError(
            'interval="prediction" is of a new response: leave scale= and part= out, or write '
            'interval="confidence"'
        )
    if trials is not None and not fit.family.takes_trials:
        raise OptionError(
            f"a response of the {fit.family.name} family has no trials: leave trials= out"
        )


def _joint_covariance(fit: Estimates, rows: PredictedRows, spread: PredictorSpread) -> FloatArray:
    """Covariances of the predictors and the deviation of the mean's random part, (K + 1, .., n).

    The derivative of the deviation is that of the variance v over ``2 sqrt(v)``.
    """
    K, n = len(fit.family.predictors), len(rows.index)
    order = [spread.names.index(name) for name in fit.family.predictors]
    slopes = np.zeros((K + 1, n, fit.optimum.psi.size))
    slopes[:K] = spread.slopes[order]
    given = np.zeros((K + 1, K + 1, n))
    given[:K, :K] = spread.given[np.ix_(order, order)]
    for part in rows.parts:
        variance = rows.variances.get(part.name)
        if variance is None:
            continue
        if part.name == "mean":
            deviation = np.sqrt(variance)
            slope = variance_slopes(fit.problem, fit.optimum.psi, part)
            some = deviation > 0.0
            slopes[K, some] = slope[some] / (2.0 * deviation[some, None])
        else:
            k = fit.family.predictors.index(part.name)
            given[k, k] += variance
    return PredictorSpread(("",) * (K + 1), slopes, given).covariance(known_covariance(fit))


def _new_size(
    fit: Estimates, request: PredictionRequest, trials: str | ArrayLike | None
) -> FloatArray | None:
    """Trials of each new response, (n,); None for a family without."""
    if not fit.family.takes_trials:
        return None
    response, frame = fit.design.formula.response, fit.frame
    if request.data is not None:
        frame = as_frame(request.data)
    if trials is not None:
        size = read_vector(trials, frame, "trials")
    elif request.data is None:
        return np.ones(len(frame)) if fit.design.size is None else fit.design.size
    elif fit.design.size is None or bool(np.all(fit.design.size == 1.0)):
        return np.ones(len(frame))
    else:
        column = response.parts[-1] if response.kind == "ratio" else ""
        name = unquote_name(column) or column
        if name not in frame.columns:
            raise DataError(
                "a new response of successes needs its numbers of trials: write "
                f"trials= with a column or numbers{f', or add `{name}` to the data' * bool(name)}"
            )
        size = read_vector(name, frame, "trials")
    assert size is not None
    wrong = (size < 1.0) | (size != np.floor(size)) & ~np.isnan(size) | np.isinf(size)
    if wrong.any():
        found = float(size[np.flatnonzero(wrong)[0]])
        raise DataError(f"trials must be whole numbers from 1; found {found:g}")
    return size
