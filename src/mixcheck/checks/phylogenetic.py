"""Do residuals of related species resemble each other? Names are matched, never positions."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.dependence import Places, pearson_residuals
from mixcheck.checks.newick import read_newick
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
)
from mixcheck.display.document import NullPlot
from mixcheck.errors import OptionError
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Phylogenetic"]

_LEAST_LEVELS = 8
# Differences of relatedness below this, relative to the largest, are rounding.
_ROUNDING = 1e-12


@final
@dataclass(frozen=True, repr=False)
class Phylogenetic(Check):
    """Whether residuals of related levels, such as species, resemble each other.

    Null hypothesis: Pearson residuals given the modes are as correlated among relatives as in
    data of the model. With ``r_k`` the sum of the residuals of level k over the square root of
    their number, and ``W`` the relatedness, centred by rows and columns and without its
    diagonal, the statistic is ``sum_kl W_kl r_k r_l / (sum_kl |W_kl| mean(r^2))``: Moran's
    coefficient with weights that say who is related more than others are. Effect: "residual
    correlation" of relatives in excess of the mean of the replicates; 0 under the model.

    Parameters
    ----------
    column : str
        Column with the name of the level of each row.
    tree : str or DataFrame
        A tree in Newick's format with branch lengths, where the relatedness of two species is
        the length of the way from the root that they share; or a square frame of relatedness
        with the same names in index and columns.

    Raises
    ------
    OptionError
        If the tree cannot be read, or the frame is not square, symmetric and named.

    References
    ----------
    Gittleman & Kot (1990), Adaptation: statistics and a null model for estimating
    phylogenetic effects, Syst. Zool. 39, 227-241.
    """

    kind: ClassVar[str] = "phylogenetic"
    least_rows: ClassVar[int] = _LEAST_LEVELS

    column: str
    tree: str = field()

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise OptionError(f"column must be the name of a column, found {shown(self.column)}")
        if isinstance(self.tree, pd.DataFrame):
            object.__setattr__(self, "tree", _written(self.tree))
        if not isinstance(self.tree, str):
            raise OptionError(
                "tree must be a text in Newick's format, such as '((a:1,b:1):1,c:2);', or a square "
                f"frame of relatedness; found {shown(self.tree)}"
            )
        relatedness(self.tree)

    @property
    def name(self) -> str:
        """The kind and the column."""
        return f"{self.kind} [{self.column}]"

    def __repr__(self) -> str:
        return f"Phylogenetic({self.column!r}, {shown(self.tree)})"

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows whose level is in the tree."""
        related = relatedness(self.tree)
        labels = column_of(context.frame, self.column).astype("str")
        codes = pd.Index(related.index).get_indexer(labels)
        present = column_of(context.frame, self.column).notna().to_numpy(dtype=np.bool_)
        strangers = sorted(set(labels[(codes < 0) & present]))
        if strangers:
            named = ", ".join(map(shown, strangers[:5]))
            raise OptionError(
                f"the tree has no {named}, which {self.column} holds; its names must be those of "
                f"the data, such as {shown(related.index[0])}"
            )
        known = np.flatnonzero(present)
        levels, compact = np.unique(codes[known], return_inverse=True)
        if levels.size < _LEAST_LEVELS:
            reason = f"{self.column} has {levels.size} levels; at least {_LEAST_LEVELS} are needed."
            return (Skipped(self.name, self.kind, reason),)
        weights = _contrasts(related.to_numpy()[np.ix_(levels, levels)])
        if not weights.any():
            reason = f"All levels of {self.column} are equally related in this tree."
            return (Skipped(self.name, self.kind, reason),)
        places = Places.of(compact.reshape(-1))
        inner = _RelatedStatistic(self.name, self.kind, self.column, places, weights)
        if known.size == context.n:
            return (inner,)
        remark = left_out(context.n - known.size, self.column)
        return (RowStatistic(self.name, self.kind, inner, known, remark),)


def _contrasts(related: FloatArray) -> FloatArray:
    """``W_ij - W_i. - W_.j + W_..``, zero on the diagonal: what all share is in the intercept."""
    apart = related[~np.eye(len(related), dtype=np.bool_)]
    if np.ptp(apart) <= _ROUNDING * np.abs(related).max():
        return np.zeros_like(related)
    centred = related - related.mean(axis=0) - related.mean(axis=1)[:, None] + related.mean()
    np.fill_diagonal(centred, 0.0)
    return np.asarray(centred, dtype=np.float64)


def relatedness(tree: str) -> pd.DataFrame:
    """The relatedness that the text of a check describes."""
    if not tree.lstrip().startswith(","):
        return read_newick(tree)
    return pd.read_csv(io.StringIO(tree), index_col=0, dtype={0: str})


def _written(frame: pd.DataFrame) -> str:
    """A frame of relatedness as text, which compares, hashes and is stored."""
    names = [str(name) for name in frame.index]
    if names != [str(name) for name in frame.columns] and set(names) == set(
        map(str, frame.columns)
    ):
        frame = frame[frame.index]
    if names != [str(name) for name in frame.columns] or len(set(names)) < len(names):
        raise OptionError(
            "the frame of relatedness needs the same names, each once, in its index and its columns"
        )
    try:
        values = frame.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full(frame.shape, np.nan)
    if not np.isfinite(values).all() or not np.allclose(values, values.T, rtol=1e-8, atol=0.0):
        raise OptionError("the frame of relatedness must hold finite numbers and be symmetric")
    written: Any = pd.DataFrame(values, index=names, columns=names).to_csv()
    return str(written)


@final
@dataclass(frozen=True, eq=False)
class _RelatedStatistic(CheckStatistic):
    """Moran's coefficient with relatedness (m, m) for weights."""

    column: str
    places: Places
    weights: FloatArray

    def numbers(self, data_view: DataView) -> FloatArray:
        sums = self.places.gather(pearson_residuals(data_view))
        size = float(np.mean(sums**2))
        if size == 0.0:
            return np.zeros(1)
        return np.array([sums @ self.weights @ sums / (np.sum(np.abs(self.weights)) * size)])

    def finding(self, sample: NullSample) -> Finding:
        centre = sample.mean()
        value = float(sample.numbers[0]) - centre
        low, high = (sample.quantile(level) - centre for level in (0.025, 0.975))
        finding = self.found(
            sample,
            null=f"residuals of related levels of {self.column} are as in data of the model",
            effect=Effect("residual correlation", value, value - high, value - low, 0.0),
            alternative="two-sided",
            n=self.places.counts.size,
            references=("Gittleman & Kot (1990), Syst. Zool. 39, 227-241",),
        )
        picture = NullPlot(
            sample.statistics[1:].copy(),
            float(sample.numbers[0]),
            title=f"Correlation of residuals among relatives of {self.column}",
            x_label="weighted correlation of Pearson residuals",
        )
        return replace(finding, picture=picture, subject={"column": self.column})
