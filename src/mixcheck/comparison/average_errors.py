"""Standard errors of averages over models, which take the choice of the model into account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.comparison.same_data import order_of
from mixcheck.errors import ConvergenceError, MixcheckError
from mixcheck.execution.parallel import map_batches
from mixcheck.execution.progress import Progress
from mixcheck.execution.streams import Purpose, stream
from mixcheck.execution.time_limits import TimeLimit
from mixcheck.port import BatchRefittable, Converging, Refittable, port_of
from mixcheck.simulation import count_together

__all__ = ["Averaged", "Read", "Readable", "Reweigh", "buckland_errors", "redraw"]

# With more failures among the refits than this share the others are not a sample of anything.
_MOST_FAILURES = 0.5


@runtime_checkable
class Averaged(Protocol):
    """A fitted model with coefficients that predicts, such as the result of `mixcheck.glmm`."""

    @property
    def params(self) -> pd.Series[float]:
        """Coefficients by name."""
        ...

    @property
    def bse(self) -> pd.Series[float]:
        """Their standard errors."""
        ...

    def predict(self, data: object = None, **options: Any) -> Any:
        """Mean of each row."""
        ...


@runtime_checkable
class Readable(Averaged, Protocol):
    """One that can be fitted again to many responses, the columns of a matrix."""

    def refit(self, response: Any) -> Any:
        """The fits."""
        ...


Reweigh: TypeAlias = Callable[[Mapping[str, Any]], FloatArray]
Read: TypeAlias = Callable[[Sequence[Any], FloatArray], FloatArray]


def buckland_errors(values: FloatArray, errors: FloatArray, weights: FloatArray) -> FloatArray:
    r"""Standard errors of weighted averages, (n,).

    They are :math:`\sum_k w_k \sqrt{s_k^2 + (x_k - \bar x)^2}`.

    Parameters
    ----------
    values, errors : (n, k)
        Of each model, with its standard errors.
    weights : (k,)
        They sum to one; a model of weight zero counts for nothing, whatever its errors.

    References
    ----------
    Buckland, Burnham & Augustin (1997), Biometrics 53, 603-618, equation 9.

    Examples
    --------
    >>> buckland_errors(np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]), np.array([0.5, 0.5]))
    array([1.])
    """
    used = weights > 0.0
    values, errors, weights = values[:, used], errors[:, used], weights[used]
    spread = values - (values @ weights)[:, None]
    out: FloatArray = np.hypot(errors, spread) @ weights
    return out


def redraw(
    models: Mapping[str, Any],
    weights: FloatArray,
    reweigh: Reweigh,
    read: Read,
    draws: int,
    seed: int,
    *,
    n_jobs: int | None = None,
    progress: Progress = None,
    limit: TimeLimit | None = None,
) -> tuple[FloatArray, tuple[tuple[str, int], ...]]:
    """What is read of models fitted again to responses simulated from their mixture.

    Data set k comes from one of the models, drawn by the weights, with new random effects. All
    models are fitted to it and weighted anew.

    Parameters
    ----------
    models : mapping of str to fitted model
    weights : (k,)
    reweigh : callable
        Takes the refits by name to weights, (k,).
    read : callable
        Takes refits and weights to numbers, (m,).
    draws, seed, n_jobs, progress
        As in `mixcheck.bootstrap_lrt`.
    limit : TimeLimit, optional
        Once it is passed no data set is begun.

    Returns
    -------
    values : (B, m)
        Without the data sets for which some refit failed.
    failures : tuple of (str, int)
        Why, and how often.

    Raises
    ------
    ConvergenceError
        If more than half of them failed.
    """
    first = next(iter(models.values()))
    orders = tuple(order_of(port_of(first), port_of(model)) for model in models.values())
    task = _Redraw(dict(models), weights, orders, reweigh, read, seed)
    rows = map_batches(
        task,
        range(draws),
        task.together,
        n_jobs=n_jobs,
        progress=progress,
        what="simulated data sets",
        limit=limit,
    )
    failures = tuple(Counter(row for row in rows if isinstance(row, str)).most_common())
    values = [row for row in rows if not isinstance(row, str)]
    if len(values) < (1.0 - _MOST_FAILURES) * len(rows):
        reason, number = failures[0]
        raise ConvergenceError(
            f"{len(rows) - len(values)} of {len(rows)} simulated data sets could not be fitted by "
            f'all models, most often ({number}) because: {reason}. Write errors="buckland", or '
            "leave that model out"
        )
    return np.array(values), failures


@dataclass(frozen=True, eq=False)
class _Redraw:
    """What is read of some data sets by their numbers, or why there is nothing.

    `orders` take rows of each model to the order of the first, where they differ.
    """

    models: dict[str, Any]
    weights: FloatArray
    orders: tuple[IntArray | None, ...]
    reweigh: Reweigh
    read: Read
    seed: int

    @property
    def together(self) -> int:
        """How many data sets are best fitted together."""
        ports = [port_of(model) for model in self.models.values()]
        batched = all(isinstance(port, BatchRefittable) for port in ports)
        return count_together(ports[0]) if batched else 1

    def __call__(self, numbers: range) -> list[FloatArray | str]:
        drawn = [self._respond(k) for k in numbers]
        usable = [one for one in drawn if not isinstance(one, str)]
        if not usable:
            return [one for one in drawn if isinstance(one, str)]
        matrix = np.column_stack(usable)
        fits = [
            model.refit(_rearranged(matrix, order))
            for model, order in zip(self.models.values(), self.orders, strict=True)
        ]
        found = iter([self._summarise(list(row)) for row in zip(*fits, strict=True)])
        return [one if isinstance(one, str) else next(found) for one in drawn]

    def _respond(self, k: int) -> FloatArray | str:
        """A response in the order of the rows of the first model."""
        rng = stream(self.seed, Purpose.COMPARE, k)
        chosen = int(rng.choice(self.weights.size, p=self.weights))
        model: Refittable = port_of(list(self.models.values())[chosen])
        order = self.orders[chosen]
        try:
            response = model.respond(rng)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return f"{type(error).__name__}: {error}"
        return response if order is None else response[order]

    def _summarise(self, fits: list[Any]) -> FloatArray | str:
        for name, fit in zip(self.models, fits, strict=True):
            if isinstance(fit, Exception):
                return f"{name}: {type(fit).__name__}: {fit}"
            port = port_of(fit)
            if isinstance(port, Converging) and not port.convergence.converged:
                return f"{name} did not converge"
        try:
            weights = self.reweigh(dict(zip(self.models, fits, strict=True)))
            values = self.read(fits, weights)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return f"{type(error).__name__}: {error}"
        return values if np.isfinite(values).all() else "a value is not finite"


def _rearranged(matrix: FloatArray, order: IntArray | None) -> FloatArray:
    """Rows of the first model in the order of another, whose row ``order[i]`` is row i."""
    if order is None:
        return matrix
    out = np.empty_like(matrix)
    out[order] = matrix
    return out
