"""What residuals are looked at against: fitted values, a number, or a factor of the data."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.checks.rank_basis import RankBasis
from mixcheck.checks.regressor import FITTED, FactorLevels, RankCurve, Regressor
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
)
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped

__all__ = [
    "FITTED",
    "Against",
    "ask_against",
    "is_number",
    "known_rows",
    "numbers_of",
    "remark_on",
    "remark_on_codes",
    "require_against",
]

# Fewer whole numbers than this are two levels, or one, whatever they are taken for.
FEW_CODES = 3


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

    def along(self, regressor: Regressor) -> CheckStatistic:
        """The statistic of the ranks of a number, or of the levels of a factor."""
        ...


def require_against(against: object, factor: object = False) -> None:
    """Refuse what is neither "fitted" nor the name of a column, and levels of what has none."""
    if not isinstance(against, str) or not against:
        raise OptionError(
            f'against must be "fitted" or the name of a column, found {shown(against)}'
        )
    if not isinstance(factor, bool):
        raise OptionError(f"factor must be True or False, found {shown(factor)}")
    if factor and against == FITTED:
        raise OptionError("factor=True is for a column of codes, and fitted values have no levels")


def remark_on(against: str, context: CheckContext) -> str:
    """What a column may be taken for that it is not: codes for numbers, fitted values for it."""
    if against == FITTED:
        if FITTED not in context.frame.columns:
            return ""
        return (
            "This is against the fitted values of the model. The data have a column called "
            '"fitted" too: rename it to look at it.'
        )
    column = column_of(context.frame, against)
    if not pd.api.types.is_integer_dtype(column.dtype):
        return ""
    return remark_on_codes(against, int(column.nunique()), context.n)


def remark_on_codes(against: str, distinct: int, n: int) -> str:
    """What whole numbers may be, where n rows have so many of them; or ""."""
    if not FEW_CODES <= distinct <= n // 2:
        return ""
    return (
        f"The {distinct} whole numbers of {against} are taken as amounts; if they are codes of "
        f"levels, write Trend({against!r}, factor=True)."
    )


def ask_against(
    check: Against, context: CheckContext, *, factor: bool = False
) -> tuple[Outcome, ...]:
    """One statistic, of the rows where the predictor is known, or why there is none."""
    if check.against == FITTED:
        return (_of_numbers(check, context.observed.fitted, follows=True),)
    column = column_of(context.frame, check.against)
    known = np.flatnonzero(known_rows(column))
    if factor:
        column = column.astype(object)
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
        return check.along(FactorLevels(check.against, codes, names))
    what = "only one level" if len(names) < 2 else "a level for each row"
    return Skipped(check.name, check.kind, f"The factor {check.against} has {what}.")


def _of_numbers(
    check: Against, x: FloatArray, *, follows: bool = False
) -> CheckStatistic | Skipped:
    basis = RankBasis.of(x)
    if basis is None:
        what = "fitted values are" if follows else f"predictor {check.against} is"
        return Skipped(check.name, check.kind, f"The {what} the same in every row.")
    return check.along(RankCurve(check.against, x, basis, follows))


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds real numbers, and not true and false."""
    return pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind not in "bc"


def known_rows(column: pd.Series[Any]) -> BoolArray:
    """Where the column has a value, and a finite one if it holds numbers."""
    known: BoolArray = column.notna().to_numpy(dtype=np.bool_)
    if is_number(column):
        finite: BoolArray = np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return known & finite
    return known


def numbers_of(column: pd.Series[Any]) -> FloatArray:
    """Numbers of a column that holds such, (n,), NaN where it has none or none that is finite."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    out: FloatArray = np.where(known_rows(column), values, np.nan)
    return out
