"""Numbers in words and digits, as every page shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mixcheck.display.document import Badge, Cell, Places, PValue

__all__ = ["DASH", "decimals_of", "format_cell", "format_number", "format_pvalue"]

DASH = "–"

# A p-value is never rounded onto one of these: 0.0499 is not 0.050.
_THRESHOLDS = (0.001, 0.01, 0.05, 0.1)


def decimals_of(values: Iterable[float], digits: int = 3, most: int = 6) -> int:
    """Decimals that give the numbers of a column so many significant digits at its median.

    Examples
    --------
    >>> decimals_of([1.2345, 0.02345, 0.51]), decimals_of([120.0, 4512.3]), decimals_of([])
    (3, 0, 3)
    """
    sizes = sorted(abs(v) for v in values if math.isfinite(v) and v != 0.0)
    if not sizes:
        return digits
    median = sizes[(len(sizes) - 1) // 2]
    return min(max(digits - 1 - math.floor(math.log10(median)), 0), most)


def format_number(value: float | None, digits: int = 3) -> str:
    """A number with the given significant digits; a dash where there is none.

    Whole numbers keep all their digits.

    Examples
    --------
    >>> format_number(1.23456), format_number(12345.0), format_number(0.00001234)
    ('1.23', '12,345', '1.23e-05')
    >>> format_number(None), format_number(-0.5), format_number(1234.5)
    ('–', '-0.5', '1,234')
    """
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if 1e3 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def format_pvalue(value: float | None) -> str:
    """A p-value with three decimals, more where rounding would reach a usual threshold.

    Examples
    --------
    >>> format_pvalue(0.0002), format_pvalue(0.0312), format_pvalue(0.04996), format_pvalue(None)
    ('< 0.001', '0.031', '0.04996', '–')
    """
    if value is None or math.isnan(value):
        return DASH
    if value < 0.001:
        return "< 0.001"
    for decimals in range(3, 7):
        shown = round(value, decimals)
        if shown == value or shown not in _THRESHOLDS:
            return f"{value:.{decimals}f}"
    return f"{value!r}"


def format_cell(cell: Cell) -> str:
    """A cell of a table in words and digits.

    Examples
    --------
    >>> [format_cell(cell) for cell in ("zeros", 0.25, PValue(0.0), Badge("PASS", "good"), None)]
    ['zeros', '0.25', '< 0.001', 'PASS', '–']
    >>> format_cell(Places(1234.5, 2))
    '1,234.50'
    """
    match cell:
        case str():
            return cell
        case Badge(word=word):
            return word
        case PValue(value=value):
            return format_pvalue(value)
        case Places(value=value, places=places):
            return f"{value:,.{places}f}" if math.isfinite(value) else format_number(value)
        case _:
            return format_number(cell)
