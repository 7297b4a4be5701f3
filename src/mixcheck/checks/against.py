"""What residuals are looked at against: fitted values, a number, or a factor of the data."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.checks.rank_basis import RankBasis
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
)
from mixcheck.errors import OptionError
from mixcheck.options import shown
from mixcheck.report.finding import Skipped

__all__ = ["FITTED", "Against", "ask_against", "is_number", "known_rows", "require_against"]

FITTED = "fitted"


class Against(Protocol):
    """A check that asks against fitted values or a column."""

    @property
    def against(self) -> str:
        """The word "fitted", or the name of a column."""
        ...

    @property
    def name(self) -> str:
        """Name of its finding."""
        ...

    @property
    def kind(self) -> str:
        """Short name of the check."""
        ...

    def of_numbers(self, x: FloatArray, basis: RankBasis, *, follows: bool) -> CheckStatistic:
        """Against numbers (n,); `follows` where each data set has fitted values of its own."""
        ...

    def of_levels(self, codes: IntArray, levels: tuple[str, ...]) -> CheckStatistic:
        """Against a factor: codes (n,) of its levels."""
        ...


def require_against(against: object) -> None:
    """Refuse what is neither "fitted" nor the name of a column."""
    if not isinstance(against, str) or not against:
        raise OptionError(
            f'against must be "fitted" or the name of a column, found {shown(against)}'
        )


def ask_against(check: Against, context: CheckContext) -> tuple[Outcome, ...]:
    """One statistic, of the rows where the predictor is known, or why there is none."""
    if check.against == FITTED:
        return (_of_numbers(check, context.observed.fitted, follows=True),)
    column = column_of(context.frame, check.against)
    known = np.flatnonzero(known_rows(column))
    if known.size == context.n:
        return (_of_column(check, column),)
    if not known.size:
        return (Skipped(check.name, check.kind, f"No row has a value of {check.against}."),)
    inner = _of_column(check, column.iloc[known])
    if isinstance(inner, Skipped):
        return (inner,)
    remark = left_out(context.n - known.size, check.against)
    return (RowStatistic(check.name, check.kind, inner, known, remark),)


def _of_column(check: Against, column: pd.Series[Any]) -> CheckStatistic | Skipped:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _of_numbers(check, np.asarray(column.astype("int64"), dtype=np.float64))
    if is_number(column):
        return _of_numbers(check, np.asarray(column, dtype=np.float64))
    codes, levels = pd.factorize(column, sort=True)
    names = tuple(str(level) for level in levels)
    if 1 < len(names) < codes.size:
        return check.of_levels(codes, names)
    what = "only one level" if len(names) < 2 else "a level for each row"
    return Skipped(check.name, check.kind, f"The factor {check.against} has {what}.")


def _of_numbers(
    check: Against, x: FloatArray, *, follows: bool = False
) -> CheckStatistic | Skipped:
    basis = RankBasis.of(x)
    if basis is None:
        what = "fitted values are" if follows else f"predictor {check.against} is"
        return Skipped(check.name, check.kind, f"The {what} the same in every row.")
    return check.of_numbers(x, basis, follows=follows)


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers, and not true and false."""
    return pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind != "b"


def known_rows(column: pd.Series[Any]) -> BoolArray:
    """Where the column has a value, and a finite one if it holds numbers."""
    known: BoolArray = column.notna().to_numpy(dtype=np.bool_)
    if is_number(column):
        finite: BoolArray = np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return known & finite
    return known
