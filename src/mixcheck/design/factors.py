"""Functions of formulas that make or change factors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.design.values import (
    Coded,
    Value,
    as_levels,
    as_logical,
    as_number,
    categorical,
    constants,
    text_levels,
)
from mixcheck.errors import DataError, UnseenLevelError

__all__ = [
    "CONTRASTS",
    "coded",
    "contrast",
    "crossed",
    "cut",
    "factor",
    "if_else",
    "matches",
    "relevel",
    "spelled",
]

State = dict[str, Any]
_MOST: Final = 1000

CONTRASTS: Final = {
    "contr.treatment": "TreatmentContrasts",
    "contr.sum": "SumContrasts",
    "contr.helmert": "HelmertContrasts",
    "contr.poly": "PolyContrasts",
    "contr.SAS": "SASContrasts",
    "contr.diff": "DiffContrasts",
    "Treatment": "TreatmentContrasts",
    "Sum": "SumContrasts",
    "Helmert": "HelmertContrasts",
    "Poly": "PolyContrasts",
    "Diff": "DiffContrasts",
}


def contrast(name: str, base: Value = None) -> Any:
    """Contrasts by the name that R or patsy has for them."""
    import formulaic.transforms.contrasts as known

    kind = getattr(known, CONTRASTS[name])
    if base is None:
        return kind()
    if len(constants(base, name)) != 1:
        raise DataError(f"`{name}` has one base, a level in quotes.")
    if CONTRASTS[name] != "TreatmentContrasts":
        raise DataError(f"`{name}` has no base; only contr.treatment(base='a') has.")
    (label,) = constants(base, f"{name}(base)")
    return kind(base=int(label) if isinstance(label, float) and label.is_integer() else label)


def coded(value: Value, contrasts: Any, levels: Value, text: str, n: int) -> Value:
    """Categories with contrasts: ``C(f, contr.sum)``."""
    values = factor(value, levels, None, text, n)
    if contrasts is None:
        return values
    if isinstance(contrasts, str):
        name = next((k for k in (contrasts, f"contr.{contrasts}") if k in CONTRASTS), None)
        contrasts = contrasts if name is None else contrast(name)
    if not hasattr(contrasts, "get_coding_matrix"):
        contrasts = _own_contrasts(contrasts, len(values.categories), text)
    base = getattr(contrasts, "base", None)
    known = values.categories.tolist()
    if isinstance(base, int) and not isinstance(base, bool):
        # R counts positions where others name labels; only where both agree is it clear.
        if not 1 <= base <= len(known) or known[base - 1] != base:
            raise DataError(
                f"The base of `{text}` must be a level in quotes, and the levels are "
                f"{', '.join(repr(level) for level in known[:10])}; to choose the reference of "
                "numbers, write relevel(factor(g), ref='2')."
            )
    elif isinstance(base, str) and base not in map(str, known):
        raise DataError(
            f"{base!r} is no level of `{text}`; they are "
            f"{', '.join(repr(level) for level in known[:10])}."
        )
    elif isinstance(base, str):
        contrasts = type(contrasts)(base=known[list(map(str, known)).index(base)])
    return Coded(values, contrasts)


def _own_contrasts(contrasts: Any, n_levels: int, text: str) -> Any:
    """Contrasts given as a matrix, one row a level, or as a dict of columns."""
    from formulaic.transforms.contrasts import CustomContrasts

    columns = list(contrasts.values()) if isinstance(contrasts, dict) else None
    try:
        table = np.asarray(contrasts if columns is None else np.column_stack(columns), np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[0] != n_levels or table.shape[1] == 0:
        raise DataError(
            f"The contrasts of `{text}` must be contr.treatment, contr.sum, contr.helmert, "
            f"contr.poly, contr.SAS or contr.diff, or a matrix with a row for each of {n_levels} "
            "levels, given in context=."
        )
    return CustomContrasts(table if columns is None else contrasts)


def factor(value: Value, levels: Value, labels: Value, text: str, n: int) -> pd.Categorical[Any]:
    """A factor, with the order of its levels if given, and other labels.

    Raises
    ------
    UnseenLevelError
        For values that are none of the levels given.
    """
    values = as_levels(value, text, n)
    if levels is not None:
        order = list(dict.fromkeys(_labels_of(values, constants(levels, text))))
        position = {label: i for i, label in enumerate(order)}
        codes = np.array([position.get(level, -1) for level in values.categories])[values.codes]
        if (codes < 0).any():
            outside = values.categories[np.unique(values.codes[codes < 0])].tolist()
            raise UnseenLevelError(
                f"`{text}` leaves out the level(s) {', '.join(map(_quoted, outside[:5]))} "
                "of the data; name every level, or leave these rows out of the data."
            )
        values = categorical(codes, order)
    if labels is not None:
        given = constants(labels, text)
        if len(given) != len(values.categories) or len(set(map(str, given))) != len(given):
            raise DataError(
                f"`{text}` needs one label for each of {len(values.categories)} levels."
            )
        values = categorical(values.codes, list(map(str, given)))
    return values.remove_unused_categories()


def spelled(value: Value, text: str, n: int) -> pd.Categorical[Any]:
    """Levels as text, in the order of text: ``"10"`` stands before ``"2"``, as in R."""
    values = as_levels(value, text, n)
    labels = np.array([_shown(level) for level in values.categories], dtype=object)
    return text_levels(labels[values.codes])


def _labels_of(values: pd.Categorical[Any], wanted: list[Any]) -> list[Any]:
    """Levels as they are in the data, of labels as they are written."""
    by_text = {str(level): level for level in values.categories}
    by_text |= {
        text: level
        for text, level in (("TRUE", True), ("FALSE", False))
        if any(known is level for known in values.categories.tolist())
    }
    return [by_text.get(_shown(label), label) for label in wanted]


def _quoted(label: Any) -> str:
    return repr(label) if isinstance(label, str) else str(label)


def _shown(label: Any) -> str:
    whole = isinstance(label, float) and label.is_integer()
    return str(int(label)) if whole else str(label)


def relevel(value: Value, ref: Value, state: State, text: str, n: int) -> pd.Categorical[Any]:
    """A factor with another level first.

    Raises
    ------
    DataError
        If there is no such level.
    """
    values = as_levels(value, text, n)
    wanted = _labels_of(values, constants(ref, text))
    if len(wanted) != 1:
        raise DataError(f"`{text}` needs one level for ref.")
    label = wanted[0]
    known = values.categories.tolist()
    if isinstance(ref, float) and known[int(ref) - 1 : int(ref)] != [label]:
        shown = ", ".join(f"'{_shown(level)}'" for level in known[:10])
        raise DataError(
            f"The ref of `{text}` is a number, which R takes as the position of a level; write the "
            f"level in quotes, one of {shown}."
        )
    if not state and label not in known:
        raise DataError(
            f"`{text}`: {label!r} is no level; they are {', '.join(map(repr, known[:10]))}."
        )
    state["fitted"] = True
    if label not in known:
        return values
    return values.reorder_categories([label, *(level for level in known if level != label)])


def crossed(parts: tuple[Value, ...], separator: str, text: str, n: int) -> pd.Categorical[Any]:
    """The combinations of several factors that occur, the first varying fastest."""
    factors = [as_levels(part, text, n) for part in parts]
    if not factors:
        raise DataError(f"`{text}` needs factors to combine.")
    labels = list(
        zip(
            *(f.categories.astype(str).to_numpy(dtype=object)[f.codes] for f in factors),
            strict=True,
        )
    )
    codes = list(zip(*(f.codes.tolist() for f in reversed(factors)), strict=True))
    order = {code: separator.join(label) for code, label in sorted(zip(codes, labels, strict=True))}
    levels = list(order.values())
    if len(set(levels)) < len(levels):
        raise DataError(f"`{text}`: two combinations have one label; give another sep=.")
    position = {code: i for i, code in enumerate(order)}
    return categorical([position[code] for code in codes], levels)


def cut(
    value: Value,
    breaks: Value,
    labels: Value,
    state: State,
    text: str,
    *,
    include_lowest: bool,
    right: bool,
    digits: int = 3,
) -> Value:
    """Intervals of numbers, named as R names them; their numbers for ``labels=False``.

    Raises
    ------
    DataError
        If a value lies in no interval.
    """
    x = np.atleast_1d(as_number(value, text))
    if not state:
        state["breaks"] = _breaks(x, [float(as_number(b, text)) for b in constants(breaks, text)])
    edges = state["breaks"]
    at = np.searchsorted(edges, x, side="left" if right else "right") - 1
    if include_lowest and right:
        at[x == edges[0]] = 0
    if include_lowest and not right:
        at[x == edges[-1]] = len(edges) - 2
    outside = (at < 0) | (at > len(edges) - 2)
    if outside.any():
        raise DataError(
            f"`{text}` has no interval for {x[outside][0]:g}, and for {int(outside.sum())} row(s); "
            "write wider breaks, such as c(-Inf, 0, Inf), or include.lowest=True."
        )
    if labels is False:
        return at + 1.0
    if labels is not None:
        names = list(map(str, constants(labels, text)))
    else:
        names = _interval_names(edges, digits, include_lowest=include_lowest, right=right)
    if len(set(names)) != len(edges) - 1:
        raise DataError(f"`{text}` needs one label for each of {len(edges) - 1} intervals.")
    return categorical(at, names).remove_unused_categories()


def _breaks(x: Any, given: list[float]) -> Any:
    """Edges in increasing order; a number of intervals stands for equal ones."""
    if len(given) > 1:
        edges = np.unique(np.array(given))
        if len(edges) < len(given):
            raise DataError("cut() needs breaks that differ, and has one of them twice.")
        return edges
    count = given[0]
    if not (count.is_integer() and 2 <= count <= _MOST):
        raise DataError(
            f"cut() needs two breaks at least, or a number of intervals from 2 to {_MOST}."
        )
    low, high = float(x.min()), float(x.max())
    edges = np.linspace(low, high, int(count) + 1)
    # R moves the outer edges by a thousandth, so that they lie within.
    edges[0], edges[-1] = low - (high - low) / 1000, high + (high - low) / 1000
    return edges


def _interval_names(edges: Any, least: int, *, include_lowest: bool, right: bool) -> list[str]:
    tried = range(min(max(least, 1), 17), 17)
    digits = next((d for d in tried if len({f"{e:.{d}g}" for e in edges}) == len(edges)), 17)
    shown = [("-Inf" if e < 0 else "Inf") if np.isinf(e) else f"{e:.{digits}g}" for e in edges]
    opening, closing = ("(", "]") if right else ("[", ")")
    names = [f"{opening}{a},{b}{closing}" for a, b in pairwise(shown)]
    if include_lowest and right:
        names[0] = "[" + names[0][1:]
    if include_lowest and not right:
        names[-1] = names[-1][:-1] + "]"
    return names


def if_else(test: Value, yes: Value, no: Value, text: str, n: int) -> Value:
    """One value where a condition holds, another elsewhere; text makes a factor."""
    condition = as_logical(test, text)
    if np.ndim(condition) == 0 and any(isinstance(part, np.ndarray) for part in (yes, no)):
        raise DataError(f"The condition of `{text}` is one value; it must hold a column.")
    if not (isinstance(yes, str | pd.Categorical) or isinstance(no, str | pd.Categorical)):
        if all(_is_logical(part) for part in (yes, no)):
            return np.where(condition, yes, no)  # type: ignore[arg-type]
        chosen = np.where(condition, as_number(yes, text), as_number(no, text))
        return chosen if chosen.ndim else float(chosen)
    if any(isinstance(part, float | np.ndarray) for part in (yes, no)):
        raise DataError(
            f"`{text}` is text in some rows and numbers in others; write both in quotes, or "
            "numbers for both."
        )
    parts = [
        np.full(n, part, dtype=object)
        if isinstance(part, str)
        else np.asarray(as_levels(part, text, n), dtype=object)
        for part in (yes, no)
    ]
    chosen = np.where(np.broadcast_to(condition, (n,)), parts[0], parts[1])
    return text_levels(chosen)


def _is_logical(value: Value) -> bool:
    return isinstance(value, bool) or (isinstance(value, np.ndarray) and value.dtype.kind == "b")


def matches(value: Value, wanted: Value, text: str) -> Any:
    """Whether each value is among a list of constants."""
    listed = constants(wanted, text)
    if isinstance(value, Coded):
        value = value.categories
    if isinstance(value, pd.Categorical):
        shown = {_shown(item) for item in listed}
        levels = np.array([_shown(level) in shown for level in value.categories], dtype=np.bool_)
        return levels[value.codes]
    numbers = [as_number(item, text) for item in listed]
    return np.isin(as_number(value, text), numbers)
