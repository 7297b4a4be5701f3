"""A model known by its draws alone: responses simulated elsewhere, in R, Stan or PyMC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixcheck.adapters.layout import finite_numbers, stack_draws
from mixcheck.adapters.plausibility import require_one_kind, warn_of_strangeness
from mixcheck.arguments.alignment import align_rows, read_array
from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_flag, require_text
from mixcheck.arrays import FloatArray
from mixcheck.design.frames import as_frame
from mixcheck.errors import DataError
from mixcheck.port import Conditioning, DataView
from mixcheck.ranks import randomised_rank, rank_residuals

__all__ = ["DrawsModel", "from_draws"]

AnyArray: TypeAlias = NDArray[Any]

# Numbers of one block of the pool while it is sorted: about 16 MB.
BLOCK_NUMBERS = 2_000_000
_INTEGERS = tuple(map(np.dtype, ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")))


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
@dataclass(frozen=True, eq=False, repr=False)
class DrawsModel:
    """Observed responses and draws of them; made by `from_draws`.

    The observed data and the m draws form a pool of m + 1 data sets, exchangeable under a
    correct model. Each is ranked among all the others, and all share the moments of the pool,
    so that a draw taken for the data is treated exactly as the data are.

    Attributes
    ----------
    pool : (m + 1, n) array
        The observed response in row 0, one draw in each further row; whole numbers as the smallest
        integers that hold them.
    fitted : (n,) array
    frame : DataFrame, (n, ..)
    discrete : bool
    name : str
        What reports call the model; empty where it was not said.
    """

    pool: AnyArray
    fitted: FloatArray
    frame: pd.DataFrame
    discrete: bool
    name: str = ""

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"<DrawsModel {name}{self.available} draws of {self.pool.shape[1]} observations>"

    @property
    def available(self) -> int:
        """How many draws there are, m."""
        return len(self.pool) - 1

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What is known of the model."""
        return {
            "model": self.name or "known by its draws",
            "observations": self.pool.shape[1],
            "draws available": self.available,
            "discrete response": self.discrete,
        }

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the observed data; the draws decide the conditioning, whatever is asked for."""
        ranks = rank_residuals(self.pool[0], self.pool[1:], rng)
        return self._see(self.pool[0].astype(np.float64), ranks)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See one draw, chosen at random, as the observed data are seen."""
        return self.replicate_number(int(rng.integers(self.available)), conditioning, rng)

    def replicate_number(
        self, k: int, conditioning: Conditioning, rng: np.random.Generator
    ) -> DataView:
        """See draw `k` as the observed data are seen, ranked among the rest of the pool."""
        table = self._ranks
        equal = table.equal if isinstance(table.equal, int) else table.equal[k]
        ranks = randomised_rank(table.less[k], equal, self.available, rng)
        return self._see(self.pool[k + 1].astype(np.float64), ranks)

    def _see(self, response: FloatArray, ranks: FloatArray) -> DataView:
        mean, variance = self._moments
        return DataView(
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
    draws: Any,
    *,
    fitted: ArrayLike | None = None,
    frame: Any = None,
    discrete: bool | None = None,
    draws_by: Literal["rows", "columns"] | None = None,
    name: str | None = None,
) -> DrawsModel:
    """A model that is known by draws of its response, made by any other program.

    Draw the random effects anew for each draw, or from their distribution given the data, to
    have calibrated residuals; draws with random effects fixed at their modes have not.

    Parameters
    ----------
    observed : (n,)
        The response; a Series gives its index, by which `fitted` and `frame` are matched.
    draws : (m, n) or (n, m)
        Simulated responses. Which axis is which follows from n; where m = n, say `draws_by`.
        Chains and draws may be axes of their own, (chains, draws, n), and an xarray object or
        an ArviZ InferenceData or DataTree is taken as it is.
    fitted : (n,), optional
        Mean response with every random effect at zero; by default the mean of observed and draws.
    frame : table of n rows, optional
        Columns for checks by group or against a predictor: pandas, polars, pyarrow, duckdb or a
        dict of columns.
    discrete : bool, optional
        Whether the response has probability masses; by default, whether all are integers.
    draws_by : {"rows", "columns"}, optional
        Whether one draw is a row or a column of `draws`.
    name : str, optional
        What reports call the model.

    Returns
    -------
    DrawsModel
        Has as many replicate data sets as draws, and cannot be fitted again.

    Raises
    ------
    DataError
        If lengths or labels disagree, there are fewer than two draws, something is not finite, or
        draws are successes and failures of one binomial response.
    OptionError
        If `draws` is square and `draws_by` is not given, or `draws_by` is unknown.

    Warns
    -----
    DataWarning
        If draws fall into two kinds that alternate, are whole numbers where `observed` has
        fractions, or most of `observed` lies outside of all.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> model = from_draws(rng.poisson(2.0, 30), rng.poisson(2.0, (99, 30)))
    >>> model.available, model.discrete
    (99, True)
    """
    y = read_array(observed, "observed")
    if y.ndim != 1 or y.size == 0:
        raise DataError(f"observed must be one non-empty vector, found shape {y.shape}")
    y = finite_numbers("observed", y)
    labels = observed.index if isinstance(observed, pd.Series) else None
    by_rows = stack_draws(draws, y.size, draws_by, labels)
    require_one_kind(by_rows)
    warn_of_strangeness(y, by_rows)
    whole = _are_whole(y) and all(map(_are_whole, by_rows))
    pool = _pooled(y, by_rows, whole)
    table = _frame(frame, y, y.size, labels)
    return DrawsModel(
        pool=pool,
        fitted=pool_moments(pool)[0] if fitted is None else _vector(fitted, table.index),
        frame=table,
        discrete=whole if discrete is None else require_flag("discrete", discrete),
        name="" if name is None else require_text("name", name, "poisson, brms"),
    )


def _vector(values: Any, index: pd.Index[Any]) -> FloatArray:
    aligned = align_rows(values, index, "fitted", "observed")
    vector = finite_numbers("fitted", read_array(aligned, "fitted")).astype(np.float64)
    if vector.shape != (len(index),):
        raise DataError(
            f"fitted must be a vector of {len(index)} numbers, found shape {vector.shape}"
        )
    return vector


def _frame(frame: Any, y: AnyArray, n: int, labels: pd.Index[Any] | None) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame({"response": y}, index=labels)
    table = as_frame(frame, "frame")
    if len(table) != n:
        raise DataError(f"frame must have one row an observation, {n}; found {len(table)}")
    if labels is None or not isinstance(frame, pd.DataFrame):
        return table
    aligned: pd.DataFrame = align_rows(table, labels, "frame", "observed")
    return aligned


def _pooled(y: AnyArray, draws: AnyArray, whole: bool) -> AnyArray:
    """The response and its draws, (m + 1, n); whole numbers in the smallest integers for them.

    Counts then take a quarter or an eighth of the memory of the draws, and as much less to read.
    """
    dtype = np.result_type(y, draws)
    if whole:
        least, most = min(y.min(), draws.min()), max(y.max(), draws.max())
        fits = (one for one in _INTEGERS if _holds(one, least, most))
        dtype = next((one for one in fits if one.itemsize <= dtype.itemsize), dtype)
    pool = np.empty((len(draws) + 1, y.size), dtype=dtype)
    pool[0], pool[1:] = y, draws
    return pool


def _are_whole(values: AnyArray) -> bool:
    return values.dtype.kind in "iu" or bool(np.all(values == np.rint(values)))


def _holds(dtype: np.dtype[Any], least: Any, most: Any) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= int(least) and int(most) <= limits.max)


def pool_moments(pool: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (divisor m) of each column of an (m + 1, n) pool, each (n,)."""
    size = len(pool)
    with np.errstate(over="ignore", invalid="ignore"):
        mean: FloatArray = np.add.reduce(pool, axis=0, dtype=np.float64) / size
        squares = np.zeros_like(mean)
        for row in pool:
            deviation = row - mean
            squares += deviation * deviation
    if not np.isfinite(squares).all():
        raise DataError("observed and draws are so large that their variance has no finite value")
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
