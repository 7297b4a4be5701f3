"""Values of every kind as Python expressions, and what an argument allows.

Everything is kept as text that `eval` reads in `namespace`, so that a call that went wrong can
be printed as one line and made again.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from mixcheck.port import Checkable, Comparable, port_of

# True: the argument must be taken; False: it must be refused; None: either is an answer.
Allowed = bool | None
Domain = Callable[[Any], Allowed]

ANYTHING: tuple[str, ...] = (
    *("None", "True", "False", "0", "1", "-1", "2", "3", "10**30", "-10**30"),
    *("1.0", "1.5", "-0.5", "0.05", "0.0", "float('nan')", "float('inf')", "-float('inf')"),
    *("1e300", "-1e300", "5e-324", "1j", "complex(0.5, 0)", "Decimal('0.5')", "Fraction(1, 2)"),
    *("Decimal('NaN')", "''", "' '", "'x'", "'g'", "'no such thing'", "'y ~ x'", "'None'", "'1'"),
    *("'a\\x1b[31mb'", "'\\ud800'", "'\\0'", "'é'", "'long ' * 500", "'{x}'", "'a\\nb'"),
    *("b'x'", "bytearray(b'x')", "[]", "[1, 2]", "[[1], [1, 2]]", "['x', 'g']", "[None]", "[[]]"),
    *("()", "(1,)", "('x', 1)", "{}", "{'a': 1}", "{1: 2}", "{'a': [1, 2]}", "set()", "{1, 2}"),
    *("frozenset({'x'})", "range(3)", "range(48)", "iter([1, 2])", "(i for i in range(3))"),
    *("object()", "int", "str", "len", "print", "lambda: None", "lambda *a: 1 / 0", "mc", "np"),
    *("Ellipsis", "NotImplemented", "ValueError('x')", "ValueError", "slice(1)", "type"),
    *("np.float64(0.5)", "np.float32(0.5)", "np.int64(3)", "np.uint8(3)", "np.bool_(True)"),
    *("np.float64('nan')", "np.str_('x')", "np.complex128(1j)", "np.array(1.0)", "np.array('x')"),
    *("np.zeros(0)", "np.zeros(3)", "np.ones(48)", "np.zeros((2, 3))", "np.zeros((2, 2, 2))"),
    *("np.array(['a', 'b'])", "np.array([1, 'a', None], dtype=object)", "np.arange(48) / 7"),
    *("np.array([[1], [1, 2]], dtype=object)", "np.full(48, np.nan)", "np.full(48, np.inf)"),
    *("np.full(48, 1j)", "np.array(['a'] * 48)", "np.zeros(48, dtype='M8[ns]')", "np.ones(47)"),
    *("np.ma.masked", "np.ma.array([1.0, 2.0], mask=[0, 1])", "np.ones(3, dtype='V4')"),
    *("np.ma.array(np.ones(48), mask=np.arange(48) == 3)", "np.zeros(48, dtype=bool)"),
    *("np.zeros(3, dtype=[('a', 'f8'), ('b', 'i4')])", "np.random.default_rng(1)"),
    *("np.datetime64('2020-01-01')", "np.timedelta64(1, 'D')", "dt.date(2020, 1, 1)"),
    *("dt.datetime(2020, 1, 1)", "dt.timedelta(1)", "pd.Timestamp('2020')", "pd.NaT", "pd.NA"),
    *("pd.Series([1.0, 2.0])", "pd.Series(dtype=float)", "pd.Series(np.ones(48))", "pd.Index([1])"),
    *("pd.Series(np.ones(48), index=range(100, 148))", "pd.Series(['a'] * 48)", "pd.DataFrame()"),
    *("pd.Categorical(['a', 'b'] * 24)", "pd.DataFrame({'a': [1, 2]})", "pd.Series([[1]] * 48)"),
    *("pd.Series([1, pd.NA] * 24, dtype='Int64')", "pd.Series([1 + 1j] * 48)", "pd.Interval(0, 1)"),
    *("pl.Series([1.0, 2.0])", "pl.Series([1.0] * 48)", "pa.array([1, 2])", "Path('.')"),
    *("Path('no/such/file')", "re.compile('x')", "fit('poisson')", "made('report')", "mc.GLMM"),
    *(
        "made('residuals')",
        "made('draws')",
        "made('suite')",
        "mc.checks.Zeros()",
        "mc.checks.Zeros",
    ),
    *("np.float16(0.5)", "np.longdouble(0.5)", "np.array(None)", "np.array(3)", "np.array(True)"),
    *("np.int64(-1)", "np.uint64(2**64 - 1)", "np.float64(1e300)", "np.float32('inf')", "10**400"),
    *("memoryview(b'x')", "b'\\xff'", "np.bytes_(b'x')", "np.array([], dtype=object)", "{'x'}"),
    *("pd.Timedelta(1, 'D')", "pd.Period('2020')", "pd.array([1, None])", "pd.Categorical([])"),
    *("pd.Index(['x', 'g'])", "pd.MultiIndex.from_tuples([(1, 2)])", "pd.Series(['x', 'g'])"),
    *("pd.Series(np.ones(48), index=[0] * 48)", "pd.Series(np.ones(48), index=[pd.NA] * 48)"),
    *("pd.Series(['a', None] * 24, dtype='category')", "pd.Series(np.ones(48, dtype='f2'))"),
    *("pd.DataFrame({1: [1.0] * 48})", "pd.DataFrame(index=range(48))", "pd.Series([pd.NA] * 48)"),
    *("np.ones(48, dtype='f2')", "np.ones(48, dtype=object)", "np.full(48, None)", "[np.nan] * 48"),
    *("zip([1], [2])", "map(str, [1])", "enumerate('x')", "reversed([1])", "{}.keys()"),
    *("mc.families.Poisson()", "mc.families.Poisson", "mc.Policy()", "mc.Policy", "made('policy')"),
)


def whole(least: int, most: int) -> Domain:
    """Whole numbers from `least`; more than `most` is never asked for."""

    def allows(value: Any) -> Allowed:
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
            return None if _looks_whole(value) else False
        if int(value) < least:
            return False
        return True if int(value) <= most else None

    return allows


def _looks_whole(value: Any) -> bool:
    """Numbers with the value of a whole one in another type: taken or refused, as it likes."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf":
        return float(value).is_integer()
    return isinstance(value, float | np.floating) and float(value).is_integer()


def choice(*words: str) -> Domain:
    """One of some words."""
    return lambda value: isinstance(value, str) and value in words


def flag(value: Any) -> Allowed:
    """True or False."""
    if isinstance(value, np.bool_):
        return None
    return isinstance(value, bool)


def number(low: float, high: float) -> Domain:
    """Numbers strictly between two limits."""

    def allows(value: Any) -> Allowed:
        if isinstance(value, bool | np.bool_):
            return False
        if isinstance(value, numbers.Real):
            try:
                return low < float(value) < high
            except OverflowError:
                return False
        if type(value).__name__ in ("Decimal", "Fraction"):
            return None
        return None if isinstance(value, np.ndarray) and value.ndim == 0 else False

    return allows


def seed(value: Any) -> Allowed:
    """None, or a whole number from 0."""
    if value is None:
        return True
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        return False
    return int(value) >= 0


def workers(value: Any) -> Allowed:
    """None, or a whole number that is not 0."""
    if value is None:
        return True
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        return False
    return None if abs(int(value)) > 4 else int(value) != 0


def progress(value: Any) -> Allowed:
    """None, True, False or a function of two numbers."""
    if value is None or isinstance(value, bool):
        return True
    return None if callable(value) or isinstance(value, np.bool_) else False


def seconds(value: Any) -> Allowed:
    """None, or a positive number that is finite."""
    if value is None:
        return True
    if isinstance(value, bool | np.bool_ | np.timedelta64) or not isinstance(value, numbers.Real):
        return False
    return None if not isinstance(value, int | float) else bool(0.0 < value < float("inf"))


def optional(domain: Domain) -> Domain:
    """None, or what `domain` allows."""
    return lambda value: True if value is None else domain(value)


def either(*domains: Domain) -> Domain:
    """What one of several domains allows."""

    def allows(value: Any) -> Allowed:
        answers = [domain(value) for domain in domains]
        if any(answer is True for answer in answers):
            return True
        return None if any(answer is None for answer in answers) else False

    return allows


def of_type(*types: Any) -> Domain:
    """Instances of some types."""
    return lambda value: isinstance(value, types) and not isinstance(value, type)


def some_of(*types: Any) -> Domain:
    """Instances of some types may be taken, other things may not."""
    return lambda value: None if isinstance(value, types) else False


def column(value: Any) -> Allowed:
    """Names of columns: texts, and numbers where a table has them."""
    named = isinstance(value, str | int | np.integer) and not isinstance(value, bool)
    return None if named else False


def unsure(value: Any) -> Allowed:
    """Anything may be taken or refused."""
    return None


def comparable(value: Any) -> Allowed:
    """Models with a likelihood."""
    return None if isinstance(port_of(value), Comparable) and not isinstance(value, type) else False


def checkable(value: Any) -> Allowed:
    """Models that can be checked."""
    return isinstance(port_of(value), Checkable) and not isinstance(value, type)
