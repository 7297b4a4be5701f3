"""Covariance parameters as a reader knows them, with their sampling covariance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design.covariances import Kind
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term
from mixcheck.inference.wald import fisher_intervals, log_intervals, normal_quantile
from mixcheck.port import CovarianceEstimates

__all__ = ["component_rows", "describe_parameters", "estimate_covariances"]

# Lambda Lambda' is quadratic where Lambda is linear in theta: central differences are exact.
_STEP = 1e-4
# Of other differences, relative to a parameter.
_RELATIVE = 1e-5
# Fisher's z of m groups has a standard error of 1 / sqrt(m) about; one below this is that of a
# correlation at an end of its own, or of effects without variance.
_NO_CURVATURE = 1e-4


def component_rows(
    term: Term, theta: FloatArray, constant: BoolArray | None = None
) -> list[tuple[str, str, float, float, float]]:
    """Group, name, variance or covariance, standard deviation and correlation.

    Parameters
    ----------
    term : Term
    theta : (k,)
    constant : (q,), optional
        Effects whose variance is none, whatever rounding is left of it.
    """
    group, covariance = term.block.group, term.covariance
    values = _natural(term, theta, constant)
    quantities = covariance.quantities(term.block.effects)
    sd = values[[q.kind == "sd" for q in quantities]]
    rows = []
    for quantity, value in zip(quantities, values.tolist(), strict=True):
        if quantity.kind == "sd":
            rows.append((group, quantity.name, value**2, value, np.nan))
            continue
        # Of several pairs with one correlation the covariances are one where the sds are.
        i, j = quantity.effects or (0, 0)
        shared = quantity.effects or sd.size == 1
        product = float(sd[i] * sd[j]) if shared else np.nan
        joint = value * product if product != 0.0 else 0.0
        rows.append((group, quantity.name, joint, np.nan, value))
    return rows


def _natural(term: Term, theta: FloatArray, constant: BoolArray | None) -> FloatArray:
    """Standard deviations, zero where there is no variance, and correlations of what has one."""
    values = term.covariance.natural(theta)
    if constant is None or not constant.any():
        return values
    quantities = term.covariance.quantities(term.block.effects)
    deviations = [k for k, quantity in enumerate(quantities) if quantity.kind == "sd"]
    several = len(deviations) == constant.size
    lost = constant if several else np.full(len(deviations), bool(constant.all()))
    values = values.copy()
    values[np.array(deviations)[lost]] = 0.0
    for k, quantity in enumerate(quantities):
        pair = lost[list(quantity.effects)] if quantity.effects and several else lost
        if quantity.kind == "correlation" and (pair.any() if quantity.effects else pair.all()):
            values[k] = np.nan
    return values


def estimate_covariances(
    problem: Problem,
    theta: FloatArray,
    covariance: FloatArray,
    constant: Sequence[BoolArray] | None = None,
) -> CovarianceEstimates:
    """Variances and covariances of the random effects by the delta method.

    Parameters
    ----------
    problem : Problem
    theta : (n_theta,)
    covariance : (n_theta, n_theta)
        Sampling covariance of theta.
    constant : sequence of (q,), optional
        Effects of each term whose variance is none.
    """
    lost = constant or [np.zeros(term.covariance.q, dtype=np.bool_) for term in problem.terms]
    entries: list[tuple[str, int, int]] = []
    values: list[float] = []
    slopes: list[FloatArray] = []
    names = {
        f"{problem.family.predictors[term.predictor]}: {term.block.name}": term
        for term in problem.terms
    }
    for (name, term), none in zip(names.items(), lost, strict=True):
        whole = _products(term, theta[term.theta])
        slope = np.zeros((*whole.shape, theta.size))
        slope[:, :, term.theta] = _slopes(term, theta[term.theta])
        pairs = term.covariance.correlated if len(whole) == term.covariance.q else np.ones((1, 1))
        for i, j in np.argwhere(np.tril(pairs)).tolist():
            entries.append((name, i, j))
            gone = none.size == len(whole) and (none[i] or none[j])
            values.append(0.0 if gone else float(whole[i, j]))
            slopes.append(slope[i, j])
    J = np.array(slopes).reshape(len(slopes), theta.size)
    vanishing = frozenset(name for name, term in names.items() if term.covariance.vanishing)
    return CovarianceEstimates(tuple(entries), np.array(values), J @ covariance @ J.T, vanishing)


def _products(term: Term, theta: FloatArray) -> FloatArray:
    root = term.units(theta)
    return root @ root.T


def _slopes(term: Term, theta: FloatArray) -> FloatArray:
    """``d Sigma / d theta_j`` with ``Sigma = Lambda Lambda'``, (q, q, n_theta), by differences."""
    steps = _STEP * np.eye(theta.size)
    return np.stack(
        [
            (_products(term, theta + step) - _products(term, theta - step)) / (2.0 * _STEP)
            for step in steps
        ],
        axis=-1,
    )


def describe_parameters(
    problem: Problem,
    theta: FloatArray,
    covariance: FloatArray,
    level: float,
    constant: Sequence[BoolArray] | None = None,
) -> pd.DataFrame:
    """Standard deviations and correlations with standard errors and intervals.

    By the delta method; intervals are symmetric in the logarithm of a standard deviation and in
    Fisher's z of a correlation.

    Parameters
    ----------
    problem : Problem
    theta : (n_theta,)
    covariance : (n_theta, n_theta)
        Sampling covariance of theta.
    level : float
        The confidence, between 0 and 1.
    constant : sequence of (q,), optional
        Effects of each term whose variance is none: they have no interval.
    """
    normal_quantile(level)
    rows = []
    for number, term in enumerate(problem.terms):
        own = theta[term.theta]
        values = _natural(term, own, None if constant is None else constant[number])
        J = _differentiate(term.covariance.natural, own)
        errors = np.sqrt(np.einsum("ij,jk,ik->i", J, covariance[term.theta, term.theta], J))
        quantities = term.covariance.quantities(term.block.effects)
        part = problem.family.predictors[term.predictor]
        for quantity, value, error in zip(quantities, values, errors, strict=True):
            low, high = _interval(quantity.kind, float(value), float(error), level)
            known = np.isfinite(low) and np.isfinite(high)
            low, high = (low, high) if known else (np.nan, np.nan)
            rows.append(
                (
                    part, term.block.group, quantity.kind, quantity.name, float(value),
                    float(error) if known else np.nan, low, high,
                )
            )  # fmt: skip
    names = ["part", "group", "kind", "name", "estimate", "std_error", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def _differentiate(function: Callable[[FloatArray], FloatArray], theta: FloatArray) -> FloatArray:
    """``(f(theta + h_j e_j) - f(theta - h_j e_j)) / 2 h_j``, (k, n_theta)."""
    steps = _RELATIVE * np.maximum(np.abs(theta), _RELATIVE)
    return np.stack(
        [
            (function(theta + step) - function(theta - step)) / (2.0 * size)
            for step, size in zip(np.diag(steps), steps, strict=True)
        ],
        axis=-1,
    )


def _interval(kind: Kind, value: float, error: float, level: float) -> tuple[float, float]:
    """NaN on the boundary of the parameters, where there is no standard error."""
    inside = value > 0.0 if kind == "sd" else abs(value) < 1.0
    if not (inside and error > 0.0 and np.isfinite(error)):
        return np.nan, np.nan
    if kind == "correlation" and error / ((1.0 - value) * (1.0 + value)) < _NO_CURVATURE:
        return np.nan, np.nan
    find = log_intervals if kind == "sd" else fisher_intervals
    low, high = find(np.array([value]), np.array([error]), level)[0].tolist()
    return low, high
