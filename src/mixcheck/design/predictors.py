"""The linear predictors of a model on its data: matrices, random terms and offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.covariances import STRUCTURES, Covariance, Sequential, covariance_of
from mixcheck.design.frames import check_finite
from mixcheck.design.grouping import GroupKey
from mixcheck.design.levels import Related, Ties, read_relation
from mixcheck.design.model_formula import ModelFormula, PredictorFormula, RandomTerm
from mixcheck.design.rank import independent_columns
from mixcheck.design.recipes import Recipe
from mixcheck.errors import DesignError, UnknownColumnError

__all__ = ["Offset", "Predictor", "RandomBlock", "make_predictors", "require_parameters"]

# A sequence may have this many positions for each row, and this many more.
_POSITIONS_EACH: Final = 20
_POSITIONS: Final = 10_000


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
    key : GroupKey
        Labels of the m levels, sorted (categories in their own order).
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
    key: GroupKey
    codes: IntArray
    Z: FloatArray
    covariance: Covariance
    positions: IntArray | None = None
    relation: Related | None = None

    @property
    def levels(self) -> pd.Index[Any]:
        """Labels of the levels, (m,)."""
        return self.key.levels

    @property
    def m(self) -> int:
        """Number of levels."""
        return self.key.size

    @property
    def size(self) -> int:
        """Number of levels, or of positions of all levels."""
        return self.m * (1 if self.positions is None else len(self.effects))

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
    def is_intercept(self) -> bool:
        """Whether its one effect is an intercept of every row."""
        return self.Z.shape[1] == 1 and bool((self.Z == 1.0).all())

    @cached_property
    def mean_squares(self) -> FloatArray:
        """``Z'Z / n``, (q, q)."""
        out: FloatArray = self.Z.T @ self.Z / len(self.Z)
        return out

    @cached_property
    def independent(self) -> BoolArray:
        """Which effects are not linear combinations of those before them, (q,)."""
        return independent_columns(self.Z)

    @cached_property
    def ties(self) -> Ties | None:
        """Which levels, or positions, are not independent."""
        if self.relation is not None:
            return self.relation.ties
        if self.positions is None:
            return None
        return Ties(np.repeat(np.arange(self.m), len(self.effects)), neighbours=True)


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
class Offset:
    """An offset given beside the formula, and how its caller wrote it."""

    numbers: FloatArray | None
    called: str


def make_predictors(
    formula: ModelFormula,
    made: Mapping[str, tuple[FloatArray, Recipe]],
    groups: Mapping[tuple[str, ...], tuple[IntArray, GroupKey]],
    offset: Offset,
    frame: pd.DataFrame,
    context: Mapping[str, Any],
    known: Mapping[str, BoolArray] | None = None,
) -> tuple[tuple[Predictor, ...], dict[str, BoolArray]]:
    """The predictors of a formula, and which columns of their matrices are in their X.

    Parameters
    ----------
    formula : ModelFormula
    made : mapping
        Matrix and recipe of each part.
    groups : mapping
        Codes and key of each grouping factor.
    offset : Offset
    frame : DataFrame
        The rows used.
    context : mapping
        See `mixcheck.design.build_design`.
    known : mapping, optional
        Which columns stay, where other rows have their say in it.
    """
    predictors, kept = [], {}
    for name, parsed in formula.predictors:
        X, recipe = made[name]
        columns = recipe.columns
        if recipe.is_intercept:
            keep, whole = np.ones(1, dtype=np.bool_), True
        else:
            check_finite(X, columns, frame)
            keep = independent_columns(X) if known is None else known[name]
            whole = bool(keep.all())
        blocks = tuple(
            _block(term, X, keep, *made[f"{name} random {i}"], *groups[term.group], frame, context)
            for i, term in enumerate(parsed.random)
        )
        _check_overlap(blocks)
        kept[name] = keep
        predictors.append(
            Predictor(
                name=name,
                columns=columns if whole else tuple(compress(columns, keep)),
                X=X if whole else np.asfortranarray(X[:, keep]),
                offset=_sum_offsets(name, parsed, made, offset, frame),
                random=blocks,
                aliased=() if whole else tuple(compress(columns, ~keep)),
            )
        )
    return tuple(predictors), kept


def _block(
    term: RandomTerm,
    X: FloatArray,
    keep: BoolArray,
    Z: FloatArray,
    recipe: Recipe,
    codes: IntArray,
    key: GroupKey,
    frame: pd.DataFrame,
    context: Mapping[str, Any],
) -> RandomBlock:
    effects = recipe.columns
    if Z is not X and not recipe.is_intercept:
        check_finite(Z, effects, frame)
    covariance, positions, relation = covariance_of(term.structure, len(effects)), None, None
    if isinstance(covariance, Sequential):
        positions, Z = Z[:, 0].astype(np.intp), np.ones((len(Z), 1))
        _require_few_positions(term, key.size, len(effects), len(Z))
    if STRUCTURES[term.structure].related:
        relation = _relation(term, key, context)
    block = RandomBlock(
        str(term), term.group_name, effects, key, codes, Z, covariance, positions, relation
    )
    if Z is X or recipe.is_intercept:
        # It is known already.
        block.__dict__["independent"] = keep if Z is X else np.ones(1, dtype=np.bool_)
    return block


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
    beside: Offset,
    frame: pd.DataFrame,
) -> FloatArray:
    total = np.zeros(len(frame))
    for i, text in enumerate(parsed.offsets):
        total += made[f"{name} offset {i}"][0][:, 0]
        check_finite(total, (f"offset({text})",), frame)
    if name == "mean" and beside.numbers is not None:
        check_finite(beside.numbers, (beside.called,), frame)
        total += beside.numbers
    return total


def require_parameters(predictors: tuple[Predictor, ...], formula: ModelFormula) -> None:
    """Refuse a part, or a model, that has no coefficient and was not asked to have none.

    Raises
    ------
    DesignError
    """
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
