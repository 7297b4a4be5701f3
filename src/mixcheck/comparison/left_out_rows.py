"""A model seen row by row, each row predicted from the others: residuals for any check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.comparison.cavity import (
    average_cdf,
    average_moments,
    average_probability,
    find_cavity,
)
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.port import (
    Conditioning,
    Converging,
    DataView,
    FoundTransform,
    ProbabilityTransform,
    RowPosterior,
    port_of,
)

__all__ = ["LeftOutRows"]

# Residuals are kept strictly inside (0, 1).
_INSIDE = 1e-12


@dataclass(frozen=True, eq=False)
class LeftOutRows:
    """A model whose residuals are those of rows left out.

    Attributes
    ----------
    model : Rowwise and Checkable
        Refittable too, where checks are to use refits.
    """

    model: Any

    @property
    def frame(self) -> pd.DataFrame:
        """Data of the rows used."""
        frame: pd.DataFrame = self.model.frame
        return frame

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        return bool(port_of(self.model).discrete)

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """That of the model, and which residuals these are."""
        return {**self.model.description, "residuals": "leave-one-out"}

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the observed data, each row predicted from the others."""
        return _realise(port_of(self.model).row_posterior(), self.discrete, conditioning, rng)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a data set and see it likewise."""
        posterior = port_of(self.model).row_posterior(self.model.respond(rng))
        return _realise(posterior, self.discrete, conditioning, rng)

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response vector with new random effects."""
        response: FloatArray = self.model.respond(rng)
        return response

    def refit(self, response: FloatArray) -> LeftOutRows:
        """Fit the model to another response."""
        refitted = self.model.refit(response)
        if isinstance(refitted, Converging) and not refitted.convergence.converged:
            raise ConvergenceError("the refit did not converge")
        return LeftOutRows(refitted)


def _realise(
    posterior: RowPosterior, discrete: bool, conditioning: Conditioning, rng: np.random.Generator
) -> DataView:
    if conditioning != "posterior":
        raise OptionError(
            f"conditioning={shown(conditioning)} is not for leave-one-out residuals, which are "
            'given the other rows; leave it out or write "posterior"'
        )
    distribution, cavity = posterior.distribution, find_cavity(posterior)
    below, upto = average_cdf(distribution, cavity)
    jitter = rng.random(below.size)[posterior.ranks]
    mass = upto - below
    mean, variance = average_moments(distribution, cavity)
    mode_mean, mode_variance = distribution.moments(posterior.predictor)
    return DataView(
        response=posterior.response,
        residuals=np.clip(below + jitter * mass, _INSIDE, 1.0 - _INSIDE),
        transform=FoundTransform(ProbabilityTransform.known(below, mass)),
        fitted=posterior.fixed_mean,
        mean=mean,
        variance=variance,
        mode_mean=mode_mean,
        mode_variance=mode_variance,
        probability=(lambda k: average_probability(distribution, cavity, k)) if discrete else None,
    )
