"""Priors of the parameters of a problem: which parameter has which, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.priors import Prior

__all__ = ["LogPrior", "OfCoefficient", "OfTerm"]


@dataclass(frozen=True)
class OfCoefficient:
    """The prior of one coefficient: its predictor, and its column there."""

    predictor: int
    column: int
    prior: Prior


@dataclass(frozen=True)
class OfTerm:
    """The prior of the deviation of one effect of a random term, or of a correlation of two."""

    term: int
    effects: tuple[int, ...]
    prior: Prior


@dataclass(frozen=True)
class LogPrior:
    """Priors of the parameters of a problem.

    Attributes
    ----------
    words : mapping of str to str
        Each prior as it is written, by the name of its parameter.
    coefficients : tuple
    terms : tuple
    """

    words: Mapping[str, str]
    coefficients: tuple[OfCoefficient, ...]
    terms: tuple[OfTerm, ...]

    def of_coefficients(self, places: Sequence[slice], psi: FloatArray) -> tuple[float, FloatArray]:
        """``sum_j log p_j(beta_j)`` and its gradient, (n_beta,).

        `places` are those of each predictor's coefficients in `psi`.
        """
        value, gradient = 0.0, np.zeros(places[-1].stop)
        for coefficient in self.coefficients:
            j = places[coefficient.predictor].start + coefficient.column
            value += coefficient.prior.log_density(float(psi[j]), "coefficient")
            gradient[j] += coefficient.prior.slope(float(psi[j]))
        return value, gradient

    def information(self, places: Sequence[slice], psi: FloatArray) -> FloatArray:
        """``-d2 log p / d beta^2`` of the fixed effects, or a positive number for it, (n_beta,)."""
        out = np.zeros(places[-1].stop)
        for coefficient in self.coefficients:
            j = places[coefficient.predictor].start + coefficient.column
            out[j] += coefficient.prior.information(float(psi[j]))
        return out

    def bounds(self, predictor: int, p: int) -> BoolArray:
        """Which columns of a predictor have a prior, and so a finite estimate, (p,)."""
        out = np.zeros(p, dtype=np.bool_)
        out[
            [
                coefficient.column
                for coefficient in self.coefficients
                if coefficient.predictor == predictor
            ]
        ] = True
        return out

    def bounds_term(self, number: int) -> bool:
        """Whether the deviations of a random term have a prior, and so finite estimates."""
        return any(term.term == number and len(term.effects) == 1 for term in self.terms)

    def keep(self, kept: Sequence[BoolArray]) -> LogPrior:
        """The priors where some columns of each predictor, (p_k,), are kept: theirs are."""
        coefficients = tuple(
            replace(
                coefficient, column=int(kept[coefficient.predictor][: coefficient.column].sum())
            )
            for coefficient in self.coefficients
            if kept[coefficient.predictor][coefficient.column]
        )
        return replace(self, coefficients=coefficients)
