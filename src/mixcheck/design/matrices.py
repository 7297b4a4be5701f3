"""Formula and data to the frozen Design that a fitter works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.covariances import STRUCTURES, Covariance, Sequential, covariance_of
from mixcheck.design.formula import ModelFormula, PredictorFormula, RandomTerm
from mixcheck.design.frames import (
    Columns,
    RowVector,
    as_frame,
    check_finite,
    missing_rows,
    pick_column,
    read_column,
    read_vector,
    require_columns,
    row_label,
)
from mixcheck.design.grouping import GroupKey, group_rows
from mixcheck.design.known import known_functions, known_values, require_functions
from mixcheck.design.levels import Related, Ties, read_relation
from mixcheck.design.plan import Plan, plan_formula
from mixcheck.design.rank import independent_columns
from mixcheck.design.recipes import Recipe, make_matrices
from mixcheck.design.response import make_response
from mixcheck.design.spelling import variant_notes
from mixcheck.errors import DataError, DataWarning, DesignError, UnknownColumnError
from mixcheck.notices import warn
from mixcheck.options import listed

__all__ = ["Design", "Predictor", "RandomBlock", "build_design"]

# A sequence may have this many positions for each row, and this many more.
_POSITIONS_EACH: Final = 20
_POSITIONS: Final = 10_000
# Below twice this many rows, a level every second row is nothing strange.
_MANY_ROWS: Final = 5


@dataclass(frozen=True, eq=False)
class RandomBlock:
    """One random term on the data.

    Attributes
    ----------
    name : str
        The term, ``(1 | herd)``.
    group : str
        Name of the grouping factor, ``herd`` or ``batch:cask``.
    effects : tuple of str, (q,)
        Names of the columns of Z.
    levels : pandas.Index, (m,)
        Labels of the levels, sorted (categories in their own order).
    codes : (n,)
        Level of every row; -1 where a new row has a level never seen.
    Z : (n, q)
        Effects of every row.
    covariance : Covariance
        Structure of the covariance of the effects of one level.
    positions : (n,) or None
        Which of the effects each row has, where it has one; Z is then a column of ones.
    relation : Related or None
        What relates the levels.
    """

    name: str
    group: str
    effects: tuple[str, ...]
    levels: pd.Index[Any]
    codes: IntArray
    Z: FloatArray
    covariance: Covariance
    positions: IntArray | None = None
    relation: Related | None = None

    @property
    def size(self) -> int:
        """Number of levels, or of positions of all levels."""
        return len(self.levels) * (1 if self.positions is None else len(self.effects))

    @property
    def division(self) -> str:
        """Name of what its effects belong to: the group, its times, or its levels as related."""
        if self.positions is not None:
            return f"{self.group} at {self.label}"
        return self.group if self.relation is None else f"{self.group} by {self.relation.name}"

    @property
    def label(self) -> str:
        """Its effects in a few words."""
        if self.positions is None:
            return ", ".join(self.effects)
        return f"{self.effects[0]} .. {self.effects[-1]}"

    @cached_property
    def index(self) -> IntArray:
        """Level of every row, or its position among those of all levels, (n,)."""
        if self.positions is None:
            return self.codes
        return self.codes * len(self.effects) + self.positions

    @cached_property
    def ties(self) -> Ties | None:
        """Which levels, or positions, are not independent."""
        if self.relation is not None:
            return self.relation.ties
        if self.positions is None:
            return None
        return Ties(np.repeat(np.arange(len(self.levels)), len(self.effects)), neighbours=True)


@dataclass(frozen=True, eq=False)
class Predictor:
    """One linear predictor on the data.

    Attributes
    ----------
    name : {"mean", "dispersion", "zi"}
        What it predicts.
    columns : tuple of str, (p,)
        Names of the columns of X.
    X : (n, p)
        Model matrix of full column rank.
    offset : (n,)
        Sum of the offsets.
    random : tuple of RandomBlock
        Random terms.
    aliased : tuple of str
        Columns left out because they are linear combinations of those before them.
    """

    name: str
    columns: tuple[str, ...]
    X: FloatArray
    offset: FloatArray
    random: tuple[RandomBlock, ...]
    aliased: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Design:
    """A model's data as arrays.

    Attributes
    ----------
    formula : ModelFormula
        What was asked for.
    response : (n,)
        Response; successes where `size` is given.
    size : (n,) or None
        Trials.
    weights : (n,) or None
        Prior weights.
    predictors : tuple of Predictor
        One for each predictor of the formula.
    frame : pandas.DataFrame
        The caller's rows that were used, with all columns and their index.
    rows : (n,)
        Positions of these rows in the caller's data.
    dropped : int
        Number of rows left out because a value is missing.
    notes : tuple of str
        Sentences on rows, columns and levels left out.
    recipes : mapping
        How each matrix is made from new data.
    keys : mapping
        How each grouping factor finds its levels in new data.
    kept : mapping
        Which columns of a predictor's recipe are in its X.
    offset_source : str or None
        Column of the offset given beside the formula; ``""`` where it was an array.
    labels : tuple of str
        Of a response of ordered categories.
    """

    formula: ModelFormula
    response: FloatArray
    size: FloatArray | None
    weights: FloatArray | None
    predictors: tuple[Predictor, ...]
    frame: pd.DataFrame
    rows: IntArray
    dropped: int
    notes: tuple[str, ...]
    recipes: Mapping[str, Recipe] = field(repr=False)
    keys: Mapping[tuple[str, ...], GroupKey] = field(repr=False)
    kept: Mapping[str, BoolArray] = field(repr=False)
    offset_source: str | None = None
    labels: tuple[str, ...] = ()

    def predictor(self, name: str) -> Predictor:
        """Predictor called `name`."""
        return {p.name: p for p in self.predictors}[name]


def build_design(
    formula: ModelFormula,
    data: object,
    *,
    weights: RowVector = None,
    offset: RowVector = None,
    ratio_is_trials: bool,
    categories: bool = False,
    context: Mapping[str, Any] | None = None,
) -> Design:
    """Make every array of a model.

    Rows with a missing value anywhere (response, predictors, groups, weights, offsets) are left
    out together. Transformations see the rows that are used.

    Parameters
    ----------
    formula : ModelFormula
        From ``parse_formula``.
    data : table
        pandas, polars, pyarrow, duckdb, or a dict of columns; never changed.
    weights, offset : str or array_like, (rows of data,), optional
        Prior weights, and a vector added to the predictor of the mean.
    ratio_is_trials : bool
        Whether ``k / n`` means k successes in n trials; otherwise it is a quotient.
    categories : bool
        Whether the response may be ordered categories.
    context : mapping, optional
        More functions for formulas, by name. Must pickle if the design is to.

    Raises
    ------
    UnknownColumnError
        For a name that is no column.
    DataError
        If no row is left, or values are not finite or not numbers.
    DesignError
        For a factor with one level, or effects that cannot be told apart.

    Warns
    -----
    DataWarning
        If rows or columns were left out.

    Examples
    --------
    >>> from mixcheck.design.formula import parse_formula
    >>> data = {"k": [1, 2, 0, 3], "n": [4, 4, 4, 4], "g": ["a", "a", "b", "b"]}
    >>> design = build_design(parse_formula("k / n ~ 1 + (1 | g)"), data, ratio_is_trials=True)
    >>> design.predictors[0].random[0].codes.tolist()
    [0, 0, 1, 1]
    """
    frame = as_frame(data)
    plan = plan_formula(formula)
    names = _names(plan, frame, known_functions(context), known_values(context))
    given = {
        "weights": read_vector(weights, frame, "weights"),
        "offset": read_vector(offset, frame, "offset"),
    }
    labels = {"weights": weights, "offset": offset}
    called = {key: v if isinstance(v, str) else key for key, v in labels.items()}
    picked = {name: pick_column(frame, name) for name in names}
    rows, notes = _complete_rows(frame, picked, {called[key]: v for key, v in given.items()})
    kept_rows = None if len(rows) == len(frame) else rows
    used = frame.copy(deep=False) if kept_rows is None else frame.iloc[rows]
    columns = {name: read_column(series, kept_rows) for name, series in picked.items()}
    vectors = {k: v if v is None or kept_rows is None else v[rows] for k, v in given.items()}
    _check_weights(vectors["weights"], used)
    made = make_matrices({**plan.computed, **plan.predictors}, columns, len(rows), context)
    response = make_response(
        formula.response,
        {key: made[key][0] for key in plan.computed},
        columns,
        used,
        ratio_is_trials=ratio_is_trials,
        categories=categories,
    )
    groups = {group: group_rows(group, columns) for group in plan.groups}
    _check_groups(groups, formula)
    predictors, kept = _predictors(
        formula, made, groups, vectors["offset"], used, called["offset"], context or {}
    )
    _require_parameters(predictors, formula)
    aloud = [*notes, *_alias_notes(predictors), *variant_notes(columns, names)]
    notes = [*aloud, *response.notes, *_level_notes(picked, columns)]
    _warn(aloud, plan, columns, len(rows))
    return Design(
        formula=formula,
        response=response.outcome,
        size=response.size,
        weights=vectors["weights"],
        predictors=predictors,
        frame=used,
        rows=rows,
        dropped=len(frame) - len(rows),
        notes=tuple(notes),
        recipes={key: made[key][1] for key in plan.predictors},
        keys={group: key for group, (_, key) in groups.items()},
        kept=kept,
        offset_source=offset if isinstance(offset, str) else None if offset is None else "",
        labels=response.labels,
    )


def _names(
    plan: Plan, frame: pd.DataFrame, functions: frozenset[str], values: frozenset[str]
) -> tuple[str, ...]:
    """Columns that a model needs; fail for names that are nothing."""
    if len(frame) == 0:
        raise DataError("The data have no rows.")
    variables = plan.every_variable
    groups, available = plan.group_columns, set(frame.columns)
    if not available.issuperset(groups):
        require_columns(frame, groups, ())
    if not available.issuperset(variables):
        require_columns(frame, variables, values, functions=functions)
    if called := plan.every_function:
        require_functions(called, functions, list(frame.columns))
    return tuple(dict.fromkeys([*(v for v in variables if v in available), *groups]))


def _complete_rows(
    frame: pd.DataFrame,
    picked: Mapping[str, pd.Series[Any]],
    given: Mapping[str, FloatArray | None],
) -> tuple[IntArray, list[str]]:
    """Positions of the rows with nothing missing, and a note on the others."""
    found = {name: missing_rows(series) for name, series in picked.items()}
    found |= {name: np.isnan(v) for name, v in given.items() if v is not None and np.isnan(v).any()}
    present = {name: where for name, where in found.items() if where is not None}
    if not present:
        return np.arange(len(frame)), []
    missing = np.logical_or.reduce(list(present.values()))
    counts = ", ".join(f"`{name}` ({int(where.sum())})" for name, where in present.items())
    if missing.all():
        raise DataError(f"No row is left: every row misses a value. Missing: {counts}.")
    note = (
        f"{int(missing.sum())} of {len(frame)} rows were left out because values are missing: "
        f"{counts}."
    )
    return np.flatnonzero(~missing), [note]


def _check_weights(weights: FloatArray | None, frame: pd.DataFrame) -> None:
    if weights is None:
        return
    check_finite(weights, ("weights",), frame)
    if weights.min() < 0:
        i = int(weights.argmin())
        raise DataError(f"weights must be >= 0, but is {weights[i]} in {row_label(frame, i)}.")
    if not weights.any():
        raise DataError("All weights are zero; no row counts.")


def _check_groups(
    groups: Mapping[tuple[str, ...], tuple[IntArray, GroupKey]], formula: ModelFormula
) -> None:
    """Refuse one level only, save for one series, which varies in time."""
    compared = {
        term.group
        for _, part in formula.predictors
        for term in part.random
        if not STRUCTURES[term.structure].sequential
    }
    for names, (_, key) in groups.items():
        if len(key.levels) < 2 and names in compared:
            raise DesignError(
                f"The grouping factor `{':'.join(names)}` has one level only "
                f"({key.levels.tolist()[0]!r}) in the rows used; the variance between levels "
                "cannot be estimated. Remove its random terms."
            )


def _predictors(
    formula: ModelFormula,
    made: Mapping[str, tuple[FloatArray, Recipe]],
    groups: Mapping[tuple[str, ...], tuple[IntArray, GroupKey]],
    offset: FloatArray | None,
    frame: pd.DataFrame,
    called: str,
    context: Mapping[str, Any],
) -> tuple[tuple[Predictor, ...], dict[str, BoolArray]]:
    predictors, kept = [], {}
    for name, parsed in formula.predictors:
        X, recipe = made[name]
        columns = recipe.columns
        check_finite(X, columns, frame)
        keep = independent_columns(X)
        whole = bool(keep.all())
        blocks = tuple(
            _block(term, X, *made[f"{name} random {i}"], *groups[term.group], frame, context)
            for i, term in enumerate(parsed.random)
        )
        _check_overlap(blocks)
        kept[name] = keep
        predictors.append(
            Predictor(
                name=name,
                columns=columns if whole else tuple(compress(columns, keep)),
                X=X if whole else np.asfortranarray(X[:, keep]),
                offset=_sum_offsets(name, parsed, made, offset, frame, called),
                random=blocks,
                aliased=() if whole else tuple(compress(columns, ~keep)),
            )
        )
    return tuple(predictors), kept


def _block(
    term: RandomTerm,
    X: FloatArray,
    Z: FloatArray,
    recipe: Recipe,
    codes: IntArray,
    key: GroupKey,
    frame: pd.DataFrame,
    context: Mapping[str, Any],
) -> RandomBlock:
    effects = recipe.columns
    if Z is not X:
        check_finite(Z, effects, frame)
    covariance, positions, relation = covariance_of(term.structure, len(effects)), None, None
    if isinstance(covariance, Sequential):
        positions, Z = Z[:, 0].astype(np.intp), np.ones((len(Z), 1))
        _require_few_positions(term, len(key.levels), len(effects), len(Z))
    if STRUCTURES[term.structure].related:
        relation = _relation(term, key, context)
    return RandomBlock(
        str(term), term.group_name, effects, key.levels, codes, Z, covariance, positions, relation
    )


def _relation(term: RandomTerm, key: GroupKey, context: Mapping[str, Any]) -> Related:
    """The matrix that a term names, for the levels of its group."""
    (name,) = term.arguments
    if name not in context:
        raise UnknownColumnError(
            f"`{name}`, the matrix of `{term}`, is not in context=; write "
            f"context={{{name!r}: frame}}, a DataFrame labelled by the levels of "
            f"`{term.group_name}`."
        )
    return read_relation(context[name], name, key.levels, term.group_name)


def _require_few_positions(term: RandomTerm, m: int, q: int, n: int) -> None:
    """Refuse times in another unit than that of their steps."""
    if m * q > _POSITIONS_EACH * n + _POSITIONS:
        raise DesignError(
            f"`{term}` has {q:,} steps from the first time to the last for {n:,} rows in {m:,} "
            "levels: its times must be whole numbers of steps, such as year - 1990 or "
            "minutes %/% 10. Divide them in the data."
        )


def _check_overlap(blocks: tuple[RandomBlock, ...]) -> None:
    """Fail if two terms give one effect to one group."""
    seen: dict[tuple[str, str], str] = {}
    for block in blocks:
        for effect in block.effects:
            other = seen.setdefault((block.division, effect), block.name)
            if other != block.name:
                raise DesignError(
                    f"`{other}` and `{block.name}` both give `{effect}` to `{block.group}`; their "
                    "variances cannot be told apart. Write `0 +` in one, or `(x || g)` for "
                    "independent effects."
                )


def _sum_offsets(
    name: str,
    parsed: PredictorFormula,
    made: Mapping[str, tuple[FloatArray, Recipe]],
    extra: FloatArray | None,
    frame: pd.DataFrame,
    called: str,
) -> FloatArray:
    total = np.zeros(len(frame))
    for i, text in enumerate(parsed.offsets):
        total += made[f"{name} offset {i}"][0][:, 0]
        check_finite(total, (f"offset({text})",), frame)
    if name == "mean" and extra is not None:
        check_finite(extra, (called,), frame)
        total += extra
    return total


def _require_parameters(predictors: tuple[Predictor, ...], formula: ModelFormula) -> None:
    """Refuse a part, or a model, that has no coefficient and was not asked to have none."""
    for predictor, (name, parsed) in zip(predictors, formula.predictors, strict=True):
        empty = not predictor.columns and not predictor.random
        if empty and name != "mean" and not parsed.offsets:
            raise DesignError(
                f"The {name} predictor has no column left (`{parsed.fixed}` is zero in every row "
                "used), which would fix it at a number that nobody chose; write '~ 1'."
            )
    if not any(predictor.columns or predictor.random for predictor in predictors):
        raise DesignError(
            "The model has no coefficient and no random effect, so there is nothing to estimate; "
            "write `y ~ 1` for an intercept."
        )


def _level_notes(picked: Mapping[str, pd.Series[Any]], columns: Columns) -> list[str]:
    notes = []
    for name, series in picked.items():
        used = columns[name]
        if not isinstance(used, pd.Categorical):
            continue
        dtype = series.dtype
        if not isinstance(dtype, pd.CategoricalDtype):
            continue
        if len(dtype.categories) > len(used.categories):
            unused = dtype.categories.difference(used.categories, sort=False)
            shown = ", ".join(repr(level) for level in unused[:5])
            more = ", .." if len(unused) > 5 else ""
            notes.append(f"{len(unused)} unused level(s) of `{name}` left out: {shown}{more}.")
    return notes


def _alias_notes(predictors: tuple[Predictor, ...]) -> list[str]:
    return [
        f"{len(p.aliased)} column(s) of the {p.name} predictor were left out because they are "
        f"linear combinations of the others: {listed(p.aliased)}."
        for p in predictors
        if p.aliased
    ]


def _warn(notes: list[str], plan: Plan, columns: Columns, n: int) -> None:
    """Say aloud what was left out or looks strange, and that text looks like numbers."""
    for note in notes:
        warn(note, DataWarning)
    lookups = dict.fromkeys(name for part in plan.predictors.values() for name in part.lookups)
    for name in lookups:
        values = columns[name]
        if isinstance(values, pd.Categorical) and len(values.categories) > n / 2 >= _MANY_ROWS:
            warn(
                f"Column `{name}` is text or categories with {len(values.categories)} levels in "
                f"{n} rows, each an effect of its own; if it is numbers, use pd.to_numeric.",
                DataWarning,
            )
