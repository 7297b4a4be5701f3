"""Recipes: how the text of one part becomes a matrix, on this data and on new data.

A part made of an intercept and plain columns is trivial and is built here. Everything else
goes through formulaic, all such parts of a model in one structured formula.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import DataMismatchWarning, FormulaicError
from formulaic.parser.types import Factor
from formulaic.transforms import TRANSFORMS
from scipy.special import expit, logit

from mixcheck.arrays import FloatArray
from mixcheck.design.frames import Column, Columns
from mixcheck.design.grouping import kind_of, write_cast
from mixcheck.errors import DataError, DesignError, FormulaError, UnseenLevelError

__all__ = [
    "CONTEXT",
    "FormulaicRecipe",
    "Part",
    "PlainRecipe",
    "Recipe",
    "as_numbers",
    "functions_of",
    "known_functions",
    "make_matrices",
    "read_part",
]

CONTEXT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "sqrt": np.sqrt,
        "log1p": np.log1p,
        "expm1": np.expm1,
        "logit": logit,
        "expit": expit,
        "abs": np.abs,
        "sin": np.sin,
        "cos": np.cos,
        "tan": np.tan,
        "tanh": np.tanh,
        "floor": np.floor,
        "factor": TRANSFORMS["C"],
    }
)
# lag() would see only the rows used, and take the wrong neighbours without a word.
_OFFERED: Final = (
    frozenset(TRANSFORMS) | frozenset(CONTEXT) | frozenset(dir(builtins))
) - frozenset({"lag"})
_CODED: Final = re.compile(r"(?:C|factor)\(\s*(?:`([^`]+)`|([^\W\d][\w.]*))\s*[,)]")


@dataclass(frozen=True)
class Part:
    """Text of one matrix, parsed.

    Attributes
    ----------
    text : str
        Right side in formulaic's language.
    lookups : tuple of str
        Columns that stand there as such.
    variables : tuple of str
        Every name, of columns and of functions.
    plain : tuple of str or None
        Columns, in order, where there is nothing but an intercept and columns; else None.
    intercept : bool
        Whether there is an intercept.
    """

    text: str
    lookups: tuple[str, ...]
    variables: tuple[str, ...]
    plain: tuple[str, ...] | None
    intercept: bool


@lru_cache(maxsize=1024)
def read_part(text: str) -> Part:
    """Parse the text of one matrix.

    Examples
    --------
    >>> read_part("1 + x + log(z)").variables
    ('x', 'log', 'z')
    """
    terms = list(Formula(text))
    factors = [factor for term in terms for factor in term.factors]
    lookups = [f.expr for f in factors if f.eval_method is Factor.EvalMethod.LOOKUP]
    variables = [name for factor in factors for name in _variables(factor)]
    simple = all(
        len(t.factors) == 1 and (t.factors[0].expr == "1" or t.factors[0].expr in lookups)
        for t in terms
    )
    return Part(
        text,
        tuple(dict.fromkeys(lookups)),
        tuple(dict.fromkeys(variables)),
        tuple(t.factors[0].expr for t in terms if t.factors[0].expr != "1") if simple else None,
        any(term == "1" for term in terms),
    )


def _variables(factor: Factor) -> list[str]:
    """Names in a factor, in the order written."""
    if factor.eval_method is not Factor.EvalMethod.PYTHON:
        return [str(v) for v in factor.required_variables]
    quoted: list[str] = []

    def hold(match: re.Match[str]) -> str:
        quoted.append(match.group(1))
        return f"_quoted_{len(quoted) - 1}_"

    plain = re.sub("`([^`]+)`", hold, factor.expr)
    try:
        tree = ast.parse(plain, mode="eval")
    except SyntaxError as error:
        raise FormulaError(f"`{factor.expr}` is no Python expression: {error.msg}.") from error
    bound = {
        a.arg for node in ast.walk(tree) if isinstance(node, ast.Lambda) for a in node.args.args
    }
    bound |= {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    names = sorted(
        (node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in bound),
        key=lambda node: node.col_offset,
    )
    held = {f"_quoted_{i}_": name for i, name in enumerate(quoted)}
    return [held.get(node.id, node.id) for node in names]


def functions_of(context: Mapping[str, Any] | None) -> dict[str, Any]:
    """Functions of formulas: ours, and the caller's before ours."""
    return {**CONTEXT, **(context or {})}


def known_functions(context: Mapping[str, Any] | None) -> frozenset[str]:
    """Names that a formula may use without a column of that name."""
    return _OFFERED | frozenset(context or ())


class Recipe(ABC):
    """One matrix, ready to be made again from new data."""

    __slots__ = ()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""

    @abstractmethod
    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix, (n, p), of new data with no value missing.

        Raises
        ------
        UnseenLevelError
            For a level of a categorical predictor that the model has not seen.
        """


@dataclass(frozen=True, eq=False)
class PlainColumn:
    """One column as it stands: numbers, or indicators of levels."""

    name: str
    levels: pd.Index[Any] | None
    full: bool

    @property
    def labels(self) -> list[str]:
        """Names of its columns of the matrix."""
        if self.levels is None:
            return [self.name]
        mark = "" if self.full else "T."
        return [f"{self.name}[{mark}{level}]" for level in self.levels[0 if self.full else 1 :]]

    def fill(self, out: FloatArray, data: Columns) -> None:
        """Write its columns into `out`, (n, width)."""
        values = data[self.name]
        if self.levels is None:
            out[:, 0] = as_numbers(values, self.name)
            return
        codes = level_codes(values, self.levels, self.name)
        for k in range(out.shape[1]):
            np.equal(codes, k if self.full else k + 1, out=out[:, k])


@final
@dataclass(frozen=True, eq=False)
class PlainRecipe(Recipe):
    """An intercept and columns as they stand, treatment coded."""

    intercept: bool
    parts: tuple[PlainColumn, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        first = ("Intercept",) if self.intercept else ()
        return (*first, *(label for part in self.parts for label in part.labels))

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix, (n, p), of new data with no value missing."""
        widths = [len(part.labels) for part in self.parts]
        X = np.empty((n, int(self.intercept) + sum(widths)), order="F")
        at = int(self.intercept)
        X[:, :at] = 1.0
        for part, width in zip(self.parts, widths, strict=True):
            part.fill(X[:, at : at + width], data)
            at += width
        return X


@final
@dataclass(frozen=True, eq=False)
class FormulaicRecipe(Recipe):
    """A matrix by formulaic, with the state of its transformations and codings."""

    spec: ModelSpec
    levels: Mapping[str, tuple[Any, ...]]
    context: Mapping[str, Any] | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.spec.column_names)

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix, (n, p), of new data with no value missing."""
        for name, levels in self.levels.items():
            if name in data:
                level_codes(data[name], pd.Index(list(levels)), name)
        matrix = _guarded(
            lambda: self.spec.get_model_matrix(
                _table(data, n), context=functions_of(self.context), na_action="ignore"
            )
        )
        return _as_float(matrix, n)


def make_matrices(
    parts: Mapping[str, Part], data: Columns, n: int, context: Mapping[str, Any] | None
) -> dict[str, tuple[FloatArray, Recipe]]:
    """Matrix, (n, p), and recipe of every part, from columns with no value missing.

    Raises
    ------
    DataError
        If an expression cannot be evaluated, or a column has a type no model can use.
    DesignError
        If a categorical predictor has one level only.
    """
    made: dict[str, tuple[FloatArray, Recipe]] = {}
    for key, part in parts.items():
        _check_lookups(part, data)
        if part.plain is not None:
            recipe = _plain_recipe(part.plain, part.intercept, data)
            made[key] = (recipe.evaluate(data, n), recipe)
    rest = tuple((key, part.text) for key, part in parts.items() if part.plain is None)
    if rest:
        made.update(_by_formulaic(rest, data, n, context))
    return made


def _check_lookups(part: Part, data: Columns) -> None:
    for name in part.lookups:
        values = data[name]
        if isinstance(values, pd.Categorical):
            _check_levels(name, list(values.categories))
        elif isinstance(values, pd.Series):
            raise DataError(
                f"Column `{name}` is of type {values.dtype}, which is no number and no category. "
                f"Make a number of it, such as {{({name} - {name}.min()).dt.days}} for dates."
            )


def _check_levels(name: str, levels: Sequence[object]) -> None:
    if len(levels) < 2:
        only = f" ({levels[0]!r})" if len(levels) else ""
        raise DesignError(
            f"The categorical predictor `{name}` has one level only{only} in the rows used; "
            "an effect cannot be estimated. Remove it from the formula."
        )


def _plain_recipe(names: Sequence[str], intercept: bool, data: Columns) -> PlainRecipe:
    spanned = intercept
    parts = []
    for name in names:
        values = data[name]
        if isinstance(values, pd.Categorical):
            parts.append(PlainColumn(name, values.categories, full=not spanned))
            spanned = True
        else:
            parts.append(PlainColumn(name, None, full=False))
    return PlainRecipe(intercept, tuple(parts))


def _by_formulaic(
    parts: tuple[tuple[str, str], ...], data: Columns, n: int, context: Mapping[str, Any] | None
) -> dict[str, tuple[FloatArray, Recipe]]:
    """Matrices of one structured formula, so that parts share what they evaluate."""
    formula = _structured(tuple(text for _, text in parts))
    matrices = _guarded(
        lambda: formula.get_model_matrix(
            _table(data, n), context=functions_of(context), output="numpy", na_action="ignore"
        )
    )
    made: dict[str, tuple[FloatArray, Recipe]] = {}
    for i, (key, _) in enumerate(parts):
        matrix = matrices[f"part{i}"]
        spec = matrix.model_spec
        made[key] = (_as_float(matrix, n), FormulaicRecipe(spec, _levels(spec), context))
    return made


@lru_cache(maxsize=256)
def _structured(texts: tuple[str, ...]) -> Formula:
    return Formula(**{f"part{i}": text for i, text in enumerate(texts)})


def _table(data: Columns, n: int) -> pd.DataFrame:
    columns = {
        name: values.reset_index(drop=True) if isinstance(values, pd.Series) else values
        for name, values in data.items()
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(n), copy=False)


def _levels(spec: ModelSpec) -> dict[str, tuple[Any, ...]]:
    """Levels of every column that is coded as such, by name of the column."""
    levels: dict[str, tuple[Any, ...]] = {}
    for expression, (_, state) in spec.encoder_state.items():
        if "categories" not in state:
            continue
        categories = tuple(state["categories"])
        _check_levels(expression, categories)
        match = _CODED.match(expression)
        if match:
            levels[match.group(1) or match.group(2)] = categories
        else:
            levels[expression] = categories
    return levels


def _guarded(evaluate: Callable[[], Any]) -> Any:
    """Result of formulaic, its errors and its warning of unknown levels in our words."""
    try:
        # What is not finite is named by row and column afterwards.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            return evaluate()
    except DataMismatchWarning as found:
        raise UnseenLevelError(str(found).split(" They are being")[0]) from found
    except (FormulaicError, ValueError, TypeError, NameError) as error:
        reason = str(error).split("\n")[0].strip().rstrip(".")
        raise DataError(f"The formula cannot be evaluated on these data: {reason}.") from error


def _as_float(matrix: Any, n: int) -> FloatArray:
    values = np.asarray(matrix)
    if values.shape[0] != n:
        values = np.empty((n, 0)) if values.size == 0 else values
    try:
        return np.asarray(values, dtype=np.float64, order="F")
    except (TypeError, ValueError) as error:
        raise DataError(
            f"An expression of the formula gives {values.dtype} values, not numbers: {error}."
        ) from error


def as_numbers(values: Column, name: str) -> FloatArray:
    """Column as float64.

    Raises
    ------
    DataError
        If it is no numbers.
    """
    if isinstance(values, np.ndarray):
        return values.astype(np.float64, copy=False)
    kind = "text" if isinstance(values, pd.Categorical) else str(getattr(values, "dtype", "?"))
    raise DataError(f"Column `{name}` must be numbers, but holds {kind}; use pd.to_numeric on it.")


def level_codes(values: Column, levels: pd.Index[Any], name: str) -> Any:
    """Position of every value among the levels, (n,).

    Raises
    ------
    UnseenLevelError
        If a value is none of them.
    """
    if isinstance(values, pd.Categorical) and values.categories is levels:
        return values.codes
    found: pd.Index[Any] = pd.Index(values)
    codes = levels.get_indexer(found)
    if codes.min(initial=0) < 0:
        unseen = found[codes < 0].unique().tolist()
        raise UnseenLevelError(
            f"Column `{name}` has level(s) {', '.join(repr(v) for v in unseen[:5])} that the model "
            f"has never seen; it knows {', '.join(repr(v) for v in levels[:10].tolist())}. "
            f"{_remedy(levels, found, name)}"
        )
    return codes


def _remedy(levels: pd.Index[Any], found: pd.Index[Any], name: str) -> str:
    old, new = kind_of(levels), kind_of(found)
    if old == new:
        return "Remove these rows, or fit the model again with them."
    return f"The fit has {old} there and the new data {new}: {write_cast(old, name)}."
