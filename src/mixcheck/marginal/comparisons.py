"""Comparisons: predictions with a column at one value, beside those with it at another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_choice, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.inference.wald import normal_quantile
from mixcheck.marginal.averages import Asked, averages_of, read_asked
from mixcheck.marginal.effects import Effects
from mixcheck.marginal.grid import levels_of
from mixcheck.marginal.linear import Functions, average_rows, say
from mixcheck.port import Ported, Predicting

__all__ = ["ComparisonKind", "comparisons"]

ComparisonKind: TypeAlias = Literal["difference", "ratio", "odds ratio"]
_KINDS = ("difference", "ratio", "odds ratio")


@answer_calls
def comparisons(
    model: Ported | Predicting,
    column: str,
    *,
    change: float | Sequence[float] | Literal["reference", "pairwise", "consecutive"] | None = None,
    kind: ComparisonKind = "difference",
    data: object = None,
    by: str | Sequence[str] | None = None,
    average: bool = True,
    scale: Literal["response", "link"] = "response",
    random_effects: Literal["zero", "marginal"] = "zero",
    level: float = 0.95,
    ddf: str = "auto",
) -> Effects:
    """Compare predictions in which one column has been changed and nothing else.

    Parameters
    ----------
    model : fitted model
    column : str
        A column that the fixed part uses.
    change : number, two numbers, or {"reference", "pairwise", "consecutive"}, optional
        Of a column of numbers: by how much it grows from its value in each row, 1 by default; or
        from which value to which. Of a column with levels: each level against the first, the
        default; every pair; or each against the one before.
    kind : {"difference", "ratio", "odds ratio"}
        Of averages, where these are taken: a ratio is that of two averages.
    data : table, optional
        Rows in which the column is changed; those of the fit by default.
    by : str or sequence of str, optional
        Columns of the rows within whose combinations predictions are averaged.
    average : bool
        One comparison over all rows, or one for each row.
    scale : {"response", "link"}
        Of the mean, or of its linear predictor (differences alone).
    random_effects : {"zero", "marginal"}
        Random effects of zero, or means averaged over their distribution.
    level : float
        The confidence of each interval.
    ddf : str
        Degrees of freedom, as of `mixcheck.GLMM.coefficients`.

    Returns
    -------
    Effects

    Raises
    ------
    OptionError, UnknownColumnError

    Notes
    -----
    Errors are by the delta method; those of ratios, and their intervals, on the scale of the
    logarithm.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> found = mc.comparisons(fit, "period", random_effects="marginal")
    >>> found.to_frame()[["contrast", "estimate", "low", "high"]].round(3)
      contrast  estimate    low   high
    0    2 - 1    -0.119 -0.196 -0.043
    1    3 - 1    -0.130 -0.207 -0.053
    2    4 - 1    -0.159 -0.238 -0.079
    """
    asked = read_asked(model, "comparisons", data, by, average, scale, random_effects, [column])
    require_choice("kind", kind, _KINDS)
    if scale == "link" and kind != "difference":
        raise OptionError('linear predictors have differences: write kind="difference"')
    normal_quantile(level)
    pairs = _pairs_of(asked, column, change)
    L, labels = averages_of(asked)
    made: dict[Any, Functions] = {}

    def at(key: Any, values: Any) -> Functions:
        if key not in made:
            rows = asked.rows.assign(**{column: values})
            made[key] = average_rows(L, asked.model.predict_moving(rows, asked.of))
        return made[key]

    frames, functions = [], []
    for words, (low_key, low), (high_key, high) in pairs:
        functions.append(_compare(at(low_key, low), at(high_key, high), kind))
        head = {"term": column, "contrast": words}
        frames.append(pd.concat([pd.DataFrame(head, labels.index), labels], axis=1))
    joint = Functions(
        np.concatenate([f.estimates for f in functions]), np.vstack([f.slopes for f in functions])
    )
    said = say(joint, asked.model.combine(joint.slopes, ddf), level)
    estimate, error, low_end, high_end = joint.estimates, said.std_error, said.low, said.high
    if kind != "difference":
        with np.errstate(over="ignore"):
            estimate, low_end, high_end = np.exp(estimate), np.exp(low_end), np.exp(high_end)
        error = np.where(np.isinf(error), np.inf, estimate * np.where(np.isinf(error), 0.0, error))
    return Effects(
        labels=pd.concat(frames, ignore_index=average),
        estimate=estimate,
        std_error=error,
        df=said.df,
        low=low_end,
        high=high_end,
        statistic=said.statistic,
        pvalue=said.pvalue,
        scale=f"{kind}s",
        level=float(level),
        notes=asked.notes,
    )


def _pairs_of(asked: Asked, column: str, change: Any) -> list[tuple[str, Any, Any]]:
    """Words, and key and values of the column on both sides, of each comparison."""
    frame, rows = asked.model.frame, asked.rows
    if asked.columns[column]:
        way = "reference" if change is None else change
        require_choice("change", way, ("reference", "pairwise", "consecutive"))
        levels = levels_of(frame[column])
        m = len(levels)
        numbers = {
            "reference": [(0, j) for j in range(1, m)],
            "consecutive": [(j - 1, j) for j in range(1, m)],
            "pairwise": [(i, j) for i in range(m) for j in range(i + 1, m)],
        }[way]
        columns = [_constant(frame[column], level, rows) for level in levels]
        return [
            (f"{levels[j]} - {levels[i]}", (i, columns[i]), (j, columns[j])) for i, j in numbers
        ]
    own = rows[column].to_numpy(dtype=np.float64)
    if change is None or (isinstance(change, int | float) and not isinstance(change, bool)):
        step = 1.0 if change is None else float(change)
        if np.isfinite(step) and step != 0.0:
            return [(f"{step:+g}", ("own", own), ("moved", own + step))]
    elif isinstance(change, list | tuple | np.ndarray) and len(change) == 2:
        try:
            low, high = (float(v) for v in change)
        except (TypeError, ValueError):
            low = high = np.nan
        if np.isfinite([low, high]).all() and low != high:
            sides = [np.full(len(rows), v) for v in (low, high)]
            return [(f"{high:g} - {low:g}", ("low", sides[0]), ("high", sides[1]))]
    raise OptionError(
        f"change={shown(change)} must be a number other than zero, or two different numbers, for "
        f"{column}, a column of numbers"
    )


def _constant(old: pd.Series[Any], level: Any, rows: pd.DataFrame) -> Any:
    values = pd.Series([level] * len(rows), index=rows.index)
    if isinstance(old.dtype, pd.CategoricalDtype):
        return values.astype(old.dtype)
    return values


def _compare(low: Functions, high: Functions, kind: ComparisonKind) -> Functions:
    """The difference, of logarithms or of logits for ratios."""
    if kind == "difference":
        return Functions(high.estimates - low.estimates, high.slopes - low.slopes)
    sides = [_logarithm(side, kind) for side in (low, high)]
    return Functions(sides[1].estimates - sides[0].estimates, sides[1].slopes - sides[0].slopes)


def _logarithm(of: Functions, kind: ComparisonKind) -> Functions:
    known: FloatArray = np.where(np.isnan(of.estimates), 0.5, of.estimates)
    most = 1.0 if kind == "odds ratio" else np.inf
    if (known <= 0.0).any() or (known >= most).any():
        wanted = "between 0 and 1" if kind == "odds ratio" else "positive"
        raise OptionError(f'a mean is not {wanted}, and has no {kind}: write kind="difference"')
    if kind == "ratio":
        return of.through(np.log(known), 1.0 / known)
    return of.through(np.log(known) - np.log1p(-known), 1.0 / (known * (1.0 - known)))
