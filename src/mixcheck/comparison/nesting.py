"""Whether one model is a special case of another, judged by their matrices."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.comparison.column_space import extra_rank, spans
from mixcheck.model import Comparable

__all__ = [
    "added_fixed",
    "added_random",
    "covariance_parameters",
    "known_effects",
    "why_not_nested",
]

_Term: TypeAlias = tuple[str, str, FloatArray]

_LIKELIHOOD = ("family", "link", "method", "hessian")


def why_not_nested(smaller: Comparable, larger: Comparable) -> str:
    """The first reason why `smaller` is no special case of `larger`; empty if it is one.

    The columns of each matrix of fixed effects must lie in the space of the larger model's,
    and those of each random term in that of one term of the larger model with the same
    grouping factor. Names of columns and terms play no part.
    """
    return (
        _other_likelihood(smaller, larger)
        or _fixed_outside(smaller, larger)
        or _random_outside(smaller, larger)
        or _not_larger(smaller, larger)
    )


def covariance_parameters(model: Comparable) -> int:
    """Number of variances and covariances that are estimated."""
    return model.n_parameters - sum(int(X.shape[1]) for X in model.fixed_matrices.values())


def added_fixed(smaller: Comparable, larger: Comparable) -> int:
    """Number of fixed effects that the larger model adds."""
    known = smaller.fixed_matrices
    return sum(
        extra_rank(X, known[name]) if name in known else int(X.shape[1])
        for name, X in larger.fixed_matrices.items()
    )


def added_random(smaller: Comparable, larger: Comparable) -> tuple[str, ...]:
    """Names of the larger model's random terms with effects that the smaller model has not.

    A term that only correlates effects of the smaller model is not among them.
    """
    known = list(_terms(smaller).values())
    return tuple(
        name
        for name, term in _terms(larger).items()
        if not spans(_effects_beside(term, known), term[2])
    )


def known_effects(smaller: Comparable, larger: Comparable, name: str) -> FloatArray:
    """Effects of the smaller model, (n, ..), that share predictor and group with a term."""
    return _effects_beside(_terms(larger)[name], list(_terms(smaller).values()))


def _effects_beside(term: _Term, known: list[_Term]) -> FloatArray:
    """All columns of the same predictor and grouping factor, (n, ..)."""
    predictor, group, Z = term
    columns = [wide for other, factor, wide in known if (other, factor) == (predictor, group)]
    return np.column_stack(columns) if columns else Z[:, :0]


def _other_likelihood(smaller: Comparable, larger: Comparable) -> str:
    for item in _LIKELIHOOD:
        one, other = smaller.description.get(item), larger.description.get(item)
        if one != other:
            return f"they differ in their {item} ({one} and {other})"
    return ""


def _fixed_outside(smaller: Comparable, larger: Comparable) -> str:
    matrices = larger.fixed_matrices
    for name, X in smaller.fixed_matrices.items():
        if name not in matrices:
            return f"only the smaller model has a predictor of its {name}"
        if not spans(matrices[name], X):
            return (
                f"some fixed effects of the smaller model ({name}) are no combination of those "
                "of the larger one"
            )
    return ""


def _random_outside(smaller: Comparable, larger: Comparable) -> str:
    known = _terms(larger)
    for name, term in _terms(smaller).items():
        if not _within(term, known):
            return f"no random term of the larger model contains {name!r}"
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


def _terms(model: Comparable) -> dict[str, _Term]:
    """Predictor, grouping factor and matrix of each random term."""
    predictors = model.fixed_matrices
    first = next(iter(predictors), "")
    terms: dict[str, _Term] = {}
    for name, (group, Z) in model.random_terms.items():
        lead, separator, _ = name.partition(": ")
        terms[name] = (lead if separator and lead in predictors else first, group, Z)
    return terms


def _within(term: _Term, known: dict[str, _Term]) -> bool:
    predictor, group, Z = term
    return any(
        predictor == other and group == factor and spans(wide, Z)
        for other, factor, wide in known.values()
    )
