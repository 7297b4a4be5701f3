"""Weights of models by their scores of what was left out: stacking and pseudo-BMA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_choice, require_draws, require_seed, shown
from mixcheck.arrays import FloatArray
from mixcheck.comparison.score_difference import ScoreDifference
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.execution.streams import Purpose, stream

__all__ = ["LeftOutScores", "Weighting", "align_scores", "model_weights", "stack", "weigh"]

Weighting: TypeAlias = Literal["stacking", "pseudo-bma", "pseudo-bma+"]

# The mean log score of stacked weights is this close to its maximum.
_GAP = 1e-9
_MOST_STEPS = 20000


@runtime_checkable
class LeftOutScores(Protocol):
    """Log scores of units left out, which can be matched to those of another model."""

    @property
    def scores(self) -> pd.Series[float]:
        """Log score of each unit."""
        ...

    def minus(self, other: Any) -> ScoreDifference:
        """The difference to another model on the same units."""
        ...

    def matched(self, other: Any) -> pd.Series[float]:
        """The scores of another model in the order of these units."""
        ...


@answer_calls
def model_weights(
    scores: Mapping[str, LeftOutScores],
    *,
    method: Weighting = "stacking",
    draws: int = 1000,
    seed: int = 1,
) -> pd.Series[float]:
    r"""Weights of models by how well they predict what was left out.

    ``"stacking"`` gives the weights with which the mixture of the predictions scores best,

    .. math:: \max_w \sum_i \log \sum_k w_k p_k(y_i \mid y_{-i}),
        \quad w_k \ge 0, \quad \sum_k w_k = 1 .

    Two models that predict alike share a weight, and a model that is poor alone has some if it is
    right where the others are wrong. ``"pseudo-bma"`` gives each model a share of
    :math:`\exp` of its total score; ``"pseudo-bma+"`` averages these over the Bayesian bootstrap
    of the units, which takes the uncertainty of the totals into account.

    Parameters
    ----------
    scores : mapping of name to RowScores, GroupScores or FoldScores
        Of at least two models, on the same units.
    method : {"stacking", "pseudo-bma", "pseudo-bma+"}
    draws : int
        Of the Bayesian bootstrap.
    seed : int
        Of the Bayesian bootstrap.

    Returns
    -------
    Series, (k,)
        A weight for each model, by name; they sum to one.

    Raises
    ------
    OptionError
        If something does not hold scores of `mixcheck.loo`, `mixcheck.logo` or `mixcheck.kfold`.
    ComparisonError
        If there are fewer than two models, or the units differ.

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), Using stacking to average Bayesian predictive
    distributions, Bayesian Analysis 13, 917-1007.

    Examples
    --------
    >>> import mixcheck as mc
    >>> seizures = mc.datasets.load("epil")
    >>> formula = "y ~ lbase * trt + lage + V4 + (1 | subject)"
    >>> fits = {f: mc.glmm(formula, seizures, family=f) for f in ("poisson", "nbinom2")}
    >>> scores = {name: mc.loo(fit) for name, fit in fits.items()}
    >>> mc.model_weights(scores).round(2).to_dict()
    {'poisson': 0.12, 'nbinom2': 0.88}
    """
    require_choice("method", method, get_args(Weighting))
    count = require_draws(draws)
    chosen = require_seed(seed)
    if chosen is None:
        raise OptionError("seed=None: weights are those of a seed; write seed=1")
    return weigh(align_scores(scores), method, count, chosen)


def align_scores(scores: object) -> pd.DataFrame:
    """Log scores of several models on the units of the first, (n, k).

    Raises
    ------
    OptionError, ComparisonError
    """
    if not isinstance(scores, Mapping):
        raise OptionError(
            f"model_weights needs scores by the names of their models, found {shown(scores)}; "
            'write {"first": mc.loo(a), "second": mc.loo(b)}'
        )
    if len(scores) < 2:
        raise ComparisonError(
            f"model_weights needs at least two models, found {len(scores)}; "
            'write {"first": mc.loo(a), "second": mc.loo(b)}'
        )
    for label, result in scores.items():
        if isinstance(result, type) or not isinstance(result, LeftOutScores):
            raise OptionError(
                f"{shown(label)} is {shown(result)}, and weights are those of scores of what was "
                "left out, by mc.loo, mc.logo or mc.kfold"
            )
    first = next(iter(scores.values()))
    for other in scores.values():
        # Refuses scores of another kind, of other data and of other units.
        first.minus(other)
    table = {str(label): first.matched(one).to_numpy() for label, one in scores.items()}
    return pd.DataFrame(table, first.scores.index)


def weigh(
    scores: pd.DataFrame, method: Weighting, draws: int = 1000, seed: int = 1
) -> pd.Series[float]:
    """Weights of the columns of a table of log scores, (k,)."""
    values = scores.to_numpy(dtype=np.float64)
    if method == "stacking":
        weights = stack(values)
    elif method == "pseudo-bma":
        weights = _shares(values.sum(axis=0))
    else:
        weights = _bootstrapped(values, draws, seed)
    return pd.Series(weights, scores.columns, name=method)


def _shares(totals: FloatArray) -> FloatArray:
    """Shares of ``exp(total)`` along the last axis."""
    shares: FloatArray = np.exp(totals - logsumexp(totals, axis=-1, keepdims=True))
    return shares


def _bootstrapped(values: FloatArray, draws: int, seed: int) -> FloatArray:
    """``E share(n d' s)``, d Dirichlet(1, .., 1) weights of the units (Yao et al., section 3.4)."""
    rng = stream(seed, Purpose.COMPARE, 0)
    n = values.shape[0]
    out = np.zeros(values.shape[1])
    for _ in range(draws):
        out += _shares(n * (rng.dirichlet(np.ones(n)) @ values))
    return out / draws


def stack(values: FloatArray) -> FloatArray:
    """Weights w with the largest ``sum_i log sum_k w_k exp(values_ik)``, (k,).

    The problem is convex. With ``g_k`` the mean of ``exp(values_ik)`` over the mixture of row i,
    the mean score of the weights is within ``max_k g_k - 1`` of the maximum: a gap that is known,
    and that steps of the EM algorithm, which never lower the score, close where the search of
    scipy leaves one.

    Examples
    --------
    >>> stack(np.log([[0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])).round(4)
    array([0.5, 0.5])
    """
    density = np.exp(values - values.max(axis=1, keepdims=True))
    start = np.full(density.shape[1], 1.0 / density.shape[1])
    weights = _searched(density, start)
    for _ in range(_MOST_STEPS):
        slope = np.mean(density / (density @ weights)[:, None], axis=0)
        if slope.max() - 1.0 <= _GAP:
            break
        weights = weights * slope
        weights /= weights.sum()
    return weights


def _searched(density: FloatArray, start: FloatArray) -> FloatArray:
    """The weights by sequential quadratic programming; the start where that went nowhere."""
    from scipy.optimize import LinearConstraint, minimize

    def loss(w: FloatArray) -> tuple[float, FloatArray]:
        mixture = np.maximum(density @ w, 1e-300)
        return -float(np.mean(np.log(mixture))), -np.mean(density / mixture[:, None], axis=0)

    search: Any = minimize
    found = search(
        loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * start.size,
        constraints=LinearConstraint(np.ones((1, start.size)), 1.0, 1.0),
        options={"ftol": 1e-14, "maxiter": 500},
    )
    # What the EM steps start from must be positive, or it stays at zero.
    reached: FloatArray = np.asarray(found.x, dtype=np.float64)
    weights: FloatArray = np.maximum(np.where(np.isfinite(reached), reached, start), 1e-12)
    weights /= weights.sum()
    return weights if loss(weights)[0] <= loss(start)[0] else start
