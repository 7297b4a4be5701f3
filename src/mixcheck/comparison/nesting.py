"""Whether one model is a special case of another, judged by their matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.comparison.column_space import extra_rank, spans
from mixcheck.comparison.same_data import order_of
from mixcheck.port import Comparable, Traceable, port_of
from mixcheck.port.row_hashes import digest

__all__ = [
    "added_fixed",
    "added_random",
    "contains",
    "covariance_parameters",
    "known_effects",
    "part_words",
    "vanishing_parts",
    "why_not_nested",
]

_BESIDE_FAMILY = ("link", "method", "hessian")
_LIKELIHOOD = ("family", *_BESIDE_FAMILY)


def why_not_nested(smaller: Comparable, larger: Comparable) -> str:
    """The first reason why `smaller` is not a special case of `larger`; empty if it is one.

    The columns of each matrix of fixed effects must lie in the space of the larger model's,
    and those of each random term in that of one term of the larger model whose grouping factor
    divides the rows alike. Names of columns, factors, levels and terms play no part, and neither
    does the order of the rows. The family of the smaller model may be a limit of the larger one's.
    """
    narrow, wide = _facts(smaller, larger), _facts(larger, larger)
    vanishing = vanishing_parts(smaller, larger)
    return (
        _other_likelihood(smaller, larger, _BESIDE_FAMILY if vanishing else _LIKELIHOOD)
        or _fixed_outside(narrow, wide)
        or _cannot_vanish(wide, vanishing)
        or _random_outside(narrow, wide)
        or _not_larger(smaller, larger)
    )


def vanishing_parts(smaller: Comparable, larger: Comparable) -> tuple[str, ...]:
    """Predictors of the larger model at whose ends its family is the smaller model's.

    Such as the dispersion of a negative binomial that comes to a Poisson; none where the families
    are one, or where one is not a limit of the other.
    """
    family, other = (port_of(model).description.get("family") for model in (smaller, larger))
    if family == other or not isinstance(larger, Traceable) or family not in larger.family_limits:
        return ()
    known = port_of(smaller).fixed_matrices
    return tuple(name for name in port_of(larger).fixed_matrices if name not in known)


def contains(larger: Comparable, smaller: Comparable) -> bool:
    """Whether every distribution of the smaller model is one of the larger, or a limit of them.

    A family may be the limit of another, as its dispersion or its zero part runs to an end:
    that needs a predictor that can run there in all rows at once. A hurdle holds the family that
    it truncates where its zero part has a value for each mean. An intercept for each level of f
    in g, ``(1 | g:f)``, is contained in an effect of f in g, ``(0 + f | g)``, as one of its
    covariances. Models may be equal.
    """
    narrow, wide = _facts(smaller, larger), _facts(larger, larger)
    family, other = (port_of(model).description.get("family") for model in (smaller, larger))
    if family != other and not (isinstance(larger, Traceable) and isinstance(family, str)):
        return False
    if family != other and isinstance(larger, Traceable):
        saturated = family in larger.whole_families and _is_saturated(narrow, wide)
        if family not in larger.family_limits and not saturated:
            return False
    further = [X for name, X in wide.fixed.items() if name not in narrow.fixed]
    return (
        not _other_likelihood(smaller, larger, _BESIDE_FAMILY)
        and all(spans(X, np.ones((len(X), 1))) for X in further)
        and not _fixed_outside(narrow, wide)
        and all(
            _within(term, wide.terms) or _crosses_within(term, wide.terms)
            for term in narrow.terms.values()
        )
        and covariance_parameters(larger) >= covariance_parameters(smaller)
    )


def _is_saturated(smaller: _Facts, larger: _Facts) -> bool:
    """Whether the zero part of the larger model has a free value for each mean of the smaller."""
    if smaller.terms or "mean" not in smaller.fixed or "zi" not in larger.fixed:
        return False
    X, zi = smaller.fixed["mean"], larger.fixed["zi"]
    parts = [X, *(values[:, None] for values in smaller.offsets.values())]
    cells = np.unique(np.column_stack(parts), axis=0, return_inverse=True)[1].reshape(-1)
    count = int(cells.max(initial=-1)) + 1
    return count <= zi.shape[1] and spans(zi, np.eye(count)[cells])


def covariance_parameters(model: Comparable) -> int:
    """Number of variances and covariances that are estimated."""
    return model.n_parameters - sum(int(X.shape[1]) for X in port_of(model).fixed_matrices.values())


def added_fixed(smaller: Comparable, larger: Comparable) -> int:
    """Number of fixed effects that the larger model adds."""
    known = _facts(smaller, larger).fixed
    return sum(
        extra_rank(X, known[name]) if name in known else int(X.shape[1])
        for name, X in larger.fixed_matrices.items()
    )


def added_random(smaller: Comparable, larger: Comparable) -> tuple[str, ...]:
    """Names of the larger model's random terms with effects that the smaller model has not.

    A term that only correlates effects of the smaller model is not among them.
    """
    known = list(_facts(smaller, larger).terms.values())
    return tuple(
        name
        for name, term in _facts(larger, larger).terms.items()
        if not spans(_effects_beside(term, known), term.Z)
    )


def known_effects(smaller: Comparable, larger: Comparable, name: str) -> FloatArray:
    """Effects of the smaller model, (n, ..), that share predictor and group with a term."""
    term = _facts(larger, larger).terms[name]
    return _effects_beside(term, list(_facts(smaller, larger).terms.values()))


@dataclass(frozen=True, eq=False)
class _Term:
    """A random term: its predictor, a name of its division of the rows, and its effects.

    ``codes``, (n,), are the levels themselves where they are known.
    """

    predictor: str
    factor: str
    Z: FloatArray
    codes: IntArray | None = None


@dataclass(frozen=True, eq=False)
class _Facts:
    """What a model adds up, row by row in the order of the model that it is held against."""

    fixed: Mapping[str, FloatArray]
    offsets: Mapping[str, FloatArray]
    terms: Mapping[str, _Term]


def _facts(model: Comparable, reference: Comparable) -> _Facts:
    order = order_of(reference, model)

    def arranged(values: FloatArray) -> FloatArray:
        return values if order is None else values[order]

    fixed = {name: arranged(X) for name, X in port_of(model).fixed_matrices.items()}
    groups: Mapping[str, IntArray] = {}
    offsets: Mapping[str, FloatArray] = {}
    if isinstance(model, Traceable):
        data = model.data_rows
        offsets = {name: arranged(values) for name, values in data.offsets.items()}
        groups = {
            name: codes if order is None else codes[order] for name, codes in data.groups.items()
        }
    first = next(iter(fixed), "")
    terms: dict[str, _Term] = {}
    for name, (group, Z) in port_of(model).random_terms.items():
        lead, separator, _ = name.partition(": ")
        predictor = lead if separator and lead in fixed else first
        factor = _division(groups[group]) if group in groups else group
        terms[name] = _Term(predictor, factor, arranged(Z), groups.get(group))
    return _Facts(fixed, offsets, terms)


def _division(codes: IntArray) -> str:
    """One text for all codings that divide the rows alike."""
    return digest(pd.factorize(codes)[0].astype(np.int64))


def _effects_beside(term: _Term, known: list[_Term]) -> FloatArray:
    """All columns of the same predictor and grouping factor, (n, ..)."""
    columns = [
        other.Z
        for other in known
        if (other.predictor, other.factor) == (term.predictor, term.factor)
    ]
    return np.column_stack(columns) if columns else term.Z[:, :0]


def _other_likelihood(
    smaller: Comparable, larger: Comparable, items: Sequence[str] = _LIKELIHOOD
) -> str:
    for item in items:
        one, other = port_of(smaller).description.get(item), port_of(larger).description.get(item)
        if one != other:
            return f"they differ in their {item} ({one} and {other})"
    return ""


def _fixed_outside(smaller: _Facts, larger: _Facts) -> str:
    for name, X in smaller.fixed.items():
        if name not in larger.fixed:
            return f"only the smaller model has a predictor of its {name}"
        if not spans(larger.fixed[name], X):
            return (
                f"some fixed effects of the smaller model ({name}) are no combination of those "
                "of the larger one"
            )
        if not _same_origin(smaller, larger, name):
            return f"they differ in an offset or a precision ({name})"
    return ""


def part_words(name: str) -> str:
    """What a predictor is called in a sentence."""
    return {"zi": "zero part", "df": "degrees of freedom"}.get(name, name)


def _cannot_vanish(larger: _Facts, vanishing: Sequence[str]) -> str:
    for name in vanishing:
        X = larger.fixed[name]
        if not spans(X, np.ones((len(X), 1))):
            return f"without an intercept the {part_words(name)} cannot vanish in all rows"
    return ""


def _same_origin(smaller: _Facts, larger: _Facts, name: str) -> bool:
    """Whether the larger model reaches the smaller one's predictor for all that is added to it."""
    if name not in smaller.offsets or name not in larger.offsets:
        return True
    shift = (smaller.offsets[name] - larger.offsets[name])[:, None]
    return not shift.any() or spans(larger.fixed[name], shift)


def _random_outside(smaller: _Facts, larger: _Facts) -> str:
    for name, term in smaller.terms.items():
        if not _within(term, larger.terms):
            return f"no random term of the larger model contains {name!r}, of the same groups"
    return ""


def _not_larger(smaller: Comparable, larger: Comparable) -> str:
    if larger.n_parameters <= smaller.n_parameters:
        return (
            f"the larger model has {larger.n_parameters} parameters and the smaller one "
            f"{smaller.n_parameters}"
        )
    if covariance_parameters(larger) < covariance_parameters(smaller):
        return "the smaller model has correlations of random effects that the larger one has not"
    return ""


def _within(term: _Term, known: Mapping[str, _Term]) -> bool:
    return any(
        (term.predictor, term.factor) == (other.predictor, other.factor) and spans(other.Z, term.Z)
        for other in known.values()
    )


def _crosses_within(term: _Term, known: Mapping[str, _Term]) -> bool:
    """Whether a term of the levels g:f is one of f within g, whose covariance is free."""
    return any(
        other.predictor == term.predictor and _is_crossing(term, other) for other in known.values()
    )


def _is_crossing(term: _Term, other: _Term) -> bool:
    """Whether the effects of a term have a covariance that effects of another may have.

    Rows of the other term's matrix are cells. Where they are the levels of the term within each
    group of the other, and each cell has an indicator in the space of the matrix, independent
    effects of the cells are linear combinations of the other term's effects.
    """
    if term.codes is None or other.codes is None:
        return False
    cells = np.unique(other.Z, axis=0, return_inverse=True)[1].reshape(-1)
    count = int(cells.max(initial=-1)) + 1
    if count > other.Z.shape[1]:
        return False
    places = other.codes * count + cells
    both = np.column_stack([places, term.codes])
    same = len(np.unique(places)) == len(np.unique(term.codes)) == len(np.unique(both, axis=0))
    each = (np.eye(count)[cells][:, :, None] * term.Z[:, None, :]).reshape(len(cells), -1)
    return same and spans(other.Z, each)
