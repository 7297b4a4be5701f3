"""Linear mixed models on the way to no residual variance: what the likelihood does there.

With ``Lambda = t M`` and t growing, the square that is left falls as ``c / t^2`` where the random
effects reproduce the response, and the deviance is

``D(t) = 2 (r - nu) log t + O(1)``, r the rank of ``Z M`` beside the fixed effects.

Where any response is reproduced, ``r = nu`` for every M of full rank: the likelihood is finite
without a residual variance, and may be smaller there than at an optimum with one. With M of lower
rank, turned so that the response at hand is still reproduced, ``r < nu``, and it has no bound; the
largest local maximum is the estimate then. Where it is the response alone that is reproduced there
is none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.errors import ConvergenceError
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_deviance import Profile, ProfiledDeviance
from mixcheck.fitting.likelihood.profiled_jointly import least_residual

__all__ = [
    "NothingLeft",
    "explain_nothing_left",
    "is_next_to_nothing",
    "is_steep",
    "reproduces",
    "reproduces_anything",
]

# Residuals of this many times the rounding of the response are nothing.
_ROUNDING = 8.0
# The share that the solver of least squares reaches.
_SOLVED = 1e-13
# A share of the sum of squares below which it is asked whether anything need be left at all.
_NEXT_TO_NOTHING = 1e-6
# ``dD/dlog t`` is ``2 (r - nu)``: zero, or minus two and less.
_STEEP = -1.0
# What is left of noise of variance one that the effects reproduce.
_NOTHING = 1e-8

_UNBOUNDED = (
    "the model reproduces the responses exactly with its random effects, so the residual variance "
    "tends to zero and the likelihood is unbounded; leave out the grouping factor within which the "
    "response does not vary, or write a simpler random term"
)


class NothingLeft(Exception):
    """A search has come to where the residuals are rounding.

    Attributes
    ----------
    profile : Profile
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__("no residual variance")
        self.profile = profile


def is_next_to_nothing(deviance: ProfiledDeviance, found: Profile) -> bool:
    """Whether so little is left that nothing may be."""
    return found.square <= _NEXT_TO_NOTHING * deviance.products.weights.total


def reproduces(deviance: ProfiledDeviance, least: float | None = None) -> bool:
    """Whether fixed and random effects together reproduce the response to rounding."""
    least = least_residual(deviance) if least is None else least
    return least <= max(_ROUNDING * deviance.moments.noise, _SOLVED)


def is_steep(end: Profile) -> bool:
    """Whether the likelihood grows without bound, ``theta'dD/dtheta`` being minus two or less."""
    return float(end.gradient @ end.theta) < _STEEP


def reproduces_anything(deviance: ProfiledDeviance) -> bool:
    """Whether fixed and random effects together reproduce whatever the response is."""
    noise = np.random.default_rng(0).normal(size=len(deviance.products.Q))
    other = replace(deviance, moments=replace(deviance.moments, residual=noise))
    return least_residual(other) <= _NOTHING


def explain_nothing_left(problem: Problem, deviance: ProfiledDeviance) -> ConvergenceError:
    """The error of a model that leaves nothing over, or next to nothing."""
    least = least_residual(deviance)
    if not reproduces(deviance, least):
        return ConvergenceError(
            f"fixed and random effects together leave {least:.0e} of the deviation that the fixed "
            "effects leave, which is too little to be told from rounding in this model; leave out "
            "a grouping factor or a random slope within which the response hardly varies"
        )
    if not reproduces_anything(deviance):
        return ConvergenceError(_UNBOUNDED)
    blocks = [term.block for term in problem.terms]
    number = sum(block.m * block.Z.shape[1] for block in blocks)
    widest = max(blocks, key=lambda block: block.m * block.Z.shape[1])
    return ConvergenceError(
        f"the likelihood is largest where the residual variance is zero: {number} random effects "
        f"for {problem.n} rows reproduce any response, so that their variances and the residual "
        f"one cannot be told apart; leave out the term with nearly an effect for each row, "
        f"{widest.name} with {widest.m} levels, whose variance the residual one then holds"
    )
