"""What is asked of a model that divides the variance of its predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.port.asking import Asked

__all__ = ["Approximation", "MeanOf", "Partitioned", "VarianceParts"]

Approximation = Literal["residual", "theoretical", "delta", "lognormal", "trigamma"]
"""How the variance of one response given its predictor is put on the scale of the predictor."""

MeanOf = Literal["null", "fitted"]
"""Mean at which it is: of the model without fixed effects, or of the model."""


@dataclass(frozen=True)
class VarianceParts:
    """Variances on the scale of the linear predictor of the mean.

    Attributes
    ----------
    fixed : float
        Of ``X beta`` over the rows.
    by_term : mapping of str to float
        Of each random term: ``z' Sigma z``, the mean over the rows.
    observation : mapping of Approximation to float
        Of one response given its predictor, by every approximation that the family has.
    mean : float
        The mean at which these are; NaN where none of them needs one.
    """

    fixed: float
    by_term: Mapping[str, float]
    observation: Mapping[Approximation, float]
    mean: float


@runtime_checkable
class Partitioned(Protocol, metaclass=Asked):
    """A model that divides the variance of its predictor, and can be simulated and refitted."""

    @property
    def term_names(self) -> tuple[str, ...]:
        """Fixed terms of the mean that can be left out."""
        ...

    def variance_parts(self, mean: MeanOf) -> VarianceParts:
        """The parts at the estimates."""
        ...

    def without_term(self, term: str) -> Partitioned:
        """The same model fitted without a fixed term of the mean, and what contains it."""
        ...

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """A response simulated with new random effects, (n,)."""
        ...

    def refit_many(self, responses: FloatArray) -> Sequence[Partitioned | Exception]:
        """The same model fitted to each column of responses, (n, B)."""
        ...
