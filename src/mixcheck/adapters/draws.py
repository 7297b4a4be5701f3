"""A model known by its draws alone: responses simulated elsewhere, in R, Stan or PyMC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, final

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixcheck.arrays import FloatArray
from mixcheck.calls import answer_calls
from mixcheck.errors import DataError, OptionError
from mixcheck.model import Conditioning, Realisation
from mixcheck.ranks import randomised_rank, rank_residuals

__all__ = ["DrawsModel", "from_draws"]

AnyArray: TypeAlias = NDArray[Any]

# Numbers of one block of the pool while it is sorted: about 16 MB.
BLOCK_NUMBERS = 2_000_000


class _RankTable(NamedTuple):
    """Rank of every draw within its row of the pool: (m, n) counts below, and of its equals."""

    less: AnyArray
    equal: AnyArray | int


@dataclass(frozen=True, eq=False)
class _PoolProbability:
    """P(Y = k) of each row, read off the pool; each k is counted once."""

    pool: AnyArray
    known: dict[float, FloatArray] = field(default_factory=dict)

    def __call__(self, k: float) -> FloatArray:
        if k not in self.known:
            self.known[k] = np.mean(self.pool == k, axis=0)
        return self.known[k]


@final
@dataclass(frozen=True, eq=False)
class DrawsModel:
    """Observed responses and draws of them; made by `from_draws`.

    The observed data and the m draws form a pool of m + 1 data sets, exchangeable under a
    correct model. Each is ranked among all the others, and all share the moments of the pool,
    so that a draw taken for the data is treated exactly as the data are.

    Attributes
    ----------
    pool : (m + 1, n) array
        The observed response in row 0, one draw in each further row.
    fitted : (n,) array
    frame : DataFrame, (n, ..)
    discrete : bool
    """

    pool: AnyArray
    fitted: FloatArray
    frame: pd.DataFrame
    discrete: bool

    @property
    def available(self) -> int:
        """How many draws there are, m."""
        return len(self.pool) - 1

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What is known of the model."""
        return {
            "model": "known by its draws",
            "observations": self.pool.shape[1],
            "draws available": self.available,
            "discrete response": self.discrete,
        }

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> Realisation:
        """See the observed data; the draws decide the conditioning, whatever is asked for."""
        response = self.pool[0].astype(np.float64)
        return self._see(response, rank_residuals(response, self.pool[1:], rng))

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> Realisation:
        """See one draw, chosen at random, as the observed data are seen."""
        return self.replicate_number(int(rng.integers(self.available)), conditioning, rng)

    def replicate_number(
        self, k: int, conditioning: Conditioning, rng: np.random.Generator
    ) -> Realisation:
        """See draw `k` as the observed data are seen, ranked among the rest of the pool."""
        table = self._ranks
        equal = table.equal if isinstance(table.equal, int) else table.equal[k]
        ranks = randomised_rank(table.less[k], equal, self.available, rng)
        return self._see(self.pool[k + 1].astype(np.float64), ranks)

    def _see(self, response: FloatArray, ranks: FloatArray) -> Realisation:
        mean, variance = self._moments
        return Realisation(
            response=response,
            residuals=ranks,
            fitted=self.fitted,
            mean=mean,
            variance=variance,
            mode_mean=mean,
            mode_variance=variance,
            probability=self._probability if self.discrete else None,
        )

    @cached_property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        return pool_moments(self.pool)

    @cached_property
    def _ranks(self) -> _RankTable:
        return _rank_table(self.pool)

    @cached_property
    def _probability(self) -> _PoolProbability:
        return _PoolProbability(self.pool)


@answer_calls
def from_draws(
    observed: ArrayLike,
    draws: ArrayLike,
    *,
    fitted: ArrayLike | None = None,
    frame: Any = None,
    discrete: bool | None = None,
    draws_by: Literal["rows", "columns"] | None = None,
) -> DrawsModel:
    """A model that is known by draws of its response, made by any other program.

    Draw the random effects anew for each draw, or from their distribution given the data, to
    have calibrated residuals; draws with random effects fixed at their modes have not.

    Parameters
    ----------
    observed : (n,)
        The response; a Series gives its index.
    draws : (m, n) or (n, m)
        Simulated responses. Which axis is which follows from n; where m = n, say `draws_by`.
    fitted : (n,), optional
        Mean response with every random effect at zero; by default the mean of observed and draws.
    frame : DataFrame of n rows, optional
        Columns for checks by group or against a predictor, pandas or any other eager frame.
    discrete : bool, optional
        Whether the response has probability masses; by default, whether all are integers.
    draws_by : {"rows", "columns"}, optional
        Whether one draw is a row or a column of `draws`.

    Returns
    -------
    DrawsModel
        Has as many replicate data sets as draws, and cannot be fitted again.

    Raises
    ------
    DataError
        If lengths disagree, there are fewer than two draws, or something is not finite.
    OptionError
        If `draws` is square and `draws_by` is not given, or `draws_by` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> model = from_draws(rng.poisson(2.0, 30), rng.poisson(2.0, (99, 30)))
    >>> model.available, model.discrete
    (99, True)
    """
    y = np.asarray(observed)
    if y.ndim != 1 or y.size == 0:
        raise DataError(f"observed must be one non-empty vector, found shape {y.shape}")
    by_rows = _oriented(np.asarray(draws), y.size, draws_by)
    pool = np.concatenate([_numbers("observed", y)[None, :], _numbers("draws", by_rows)])
    return DrawsModel(
        pool=pool,
        fitted=pool_moments(pool)[0] if fitted is None else _vector("fitted", fitted, y.size),
        frame=_frame(frame, observed, y.size),
        discrete=_all_integers(pool) if discrete is None else bool(discrete),
    )


def _oriented(draws: AnyArray, n: int, draws_by: str | None) -> AnyArray:
    """The draws as (m, n)."""
    if draws_by not in (None, "rows", "columns"):
        raise OptionError(f'draws_by must be "rows" or "columns", found {draws_by!r}')
    if draws.ndim != 2 or n not in draws.shape:
        raise DataError(
            f"draws must be a matrix with {n} columns (or {n} rows), one for each observation, "
            f"found shape {draws.shape}"
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


def _numbers(name: str, values: AnyArray) -> AnyArray:
    """The values as finite numbers, integers kept as they are."""
    if values.dtype == np.bool_:
        return values.astype(np.int8)
    if values.dtype.kind not in "iuf":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(
                f"{name} must hold numbers, found {values.dtype}; code categories as integers"
            ) from None
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise DataError(f"{name} holds {bad} values that are NaN or infinite; leave them out")
    return values


def _vector(name: str, values: ArrayLike, n: int) -> FloatArray:
    vector = _numbers(name, np.asarray(values)).astype(np.float64)
    if vector.shape != (n,):
        raise DataError(f"{name} must be a vector of {n} numbers, found shape {vector.shape}")
    return vector


def _frame(frame: Any, observed: ArrayLike, n: int) -> pd.DataFrame:
    if frame is None:
        index = observed.index if isinstance(observed, pd.Series) else None
        return pd.DataFrame({"response": np.asarray(observed)}, index=index)
    try:
        table: pd.DataFrame = nw.from_native(frame, eager_only=True).to_pandas()
    except TypeError:
        raise DataError(
            f"frame must be a data frame, found {type(frame).__name__}; write pandas.DataFrame(..)"
        ) from None
    if len(table) != n:
        raise DataError(f"frame must have one row an observation, {n}; found {len(table)}")
    return table


def _all_integers(pool: AnyArray) -> bool:
    if pool.dtype.kind in "iu":
        return True
    return all(bool(np.all(row == np.rint(row))) for row in pool)


def pool_moments(pool: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (divisor m) of each column of an (m + 1, n) pool, each (n,)."""
    size = len(pool)
    mean: FloatArray = np.add.reduce(pool, axis=0, dtype=np.float64) / size
    squares = np.zeros_like(mean)
    for row in pool:
        deviation = row - mean
        squares += deviation * deviation
    return mean, squares / (size - 1)


def _rank_table(pool: AnyArray) -> _RankTable:
    """Counts below and of equals, within its column, for rows 1 .. m of an (m + 1, n) pool."""
    size, n = pool.shape
    dtype = np.uint16 if size <= np.iinfo(np.uint16).max else np.uint32
    less = np.empty((size - 1, n), dtype=dtype)
    equal = np.zeros((size - 1, n), dtype=dtype)
    for columns in _column_blocks(size, n):
        below, ties = _block_ranks(np.ascontiguousarray(pool[:, columns].T))
        less[:, columns] = below[:, 1:].T
        equal[:, columns] = ties[:, 1:].T
    return _RankTable(less, equal if equal.any() else 0)


def _column_blocks(size: int, n: int) -> Iterator[slice]:
    width = max(1, BLOCK_NUMBERS // size)
    return (slice(start, start + width) for start in range(0, n, width))


def _block_ranks(rows: AnyArray) -> tuple[AnyArray, AnyArray]:
    """For each entry of a (r, size) block: how many in its row are less, how many more equal it."""
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    changes = ordered[:, 1:] != ordered[:, :-1]
    position = np.arange(rows.shape[1])
    first = np.zeros_like(order)
    first[:, 1:] = np.where(changes, position[1:], 0)
    np.maximum.accumulate(first, axis=1, out=first)
    last = np.full_like(order, position[-1])
    last[:, :-1] = np.where(changes, position[:-1], position[-1])
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    less, equal = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(less, order, first, axis=1)
    np.put_along_axis(equal, order, last - first, axis=1)
    return less, equal
