"""The template of a family: all that follows from its density, distribution function and draws.

A new family is a subclass of `Template`, or of `LogMeanTemplate` where the density is written
in the logarithm of the mean, with its properties, its support, the derivatives of its log
density in its parameters, their expectation, its variance, distribution function and draws.
Links, the chain rule, blocks of rows, the edges of the domain and refusals are here.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import FamilyError
from mixcheck.families.chain_rule import (
    NEAR_ZERO,
    compose_derivatives,
    compose_expected,
    continue_evenly,
    take_log,
    take_mean,
)
from mixcheck.families.derivatives import Derivatives, Expected, Predictors
from mixcheck.families.family import Family
from mixcheck.families.links import Link, Log
from mixcheck.families.responses import Observed, read_response, refuse_size, require_support
from mixcheck.families.row_chunks import Compute, derive_in_blocks, derive_inside

__all__ = ["LogMeanTemplate", "Template"]

# So far from an end of its range the average is taken to be at least.
_FROM_END = 0.1


@dataclass(frozen=True, init=False, repr=False)
class Template(Family):
    """A family whose parameters are a mean, and logarithms of what else there is.

    Attributes
    ----------
    support : tuple of str
        What a response must be, and what to write for another: a half and a whole sentence.
    """

    predictors: ClassVar[tuple[str, ...]] = ("mean", "dispersion")
    mean_predictors: ClassVar[tuple[str, ...]] = ("mean",)
    discrete: ClassVar[bool] = False
    support: ClassVar[tuple[str, str]] = ("be finite", "Drop the rows or correct the values.")

    @property
    def links(self) -> tuple[Link, ...]:
        """Link of the mean, and the log link of each other parameter."""
        return (self.link, *(Log() for _ in self.predictors[1:]))

    def fourth(self, d: Derivatives) -> FloatArray | None:
        """Fourth derivative in the one predictor, (n,), where those of lower order tell it.

        Parameters
        ----------
        d : Derivatives
            Of third order; a row may be multiplied by a weight, and so is what is returned.
        """
        return None

    # ---- what a family writes ------------------------------------------------------------

    def derive_outer(
        self, data: Observed, mu: FloatArray, others: Predictors, order: int
    ) -> Derivatives:
        """Log density and its derivatives in the mean (0) and the other predictors."""
        raise NotImplementedError

    def expect_outer(self, mu: FloatArray, others: Predictors) -> Expected:
        """Expected information in the same, and its derivatives in them."""
        raise NotImplementedError

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``; of whole ``y`` where the family is discrete."""
        raise NotImplementedError

    def contains(self, y: FloatArray) -> BoolArray | None:
        """Whether a finite response is inside the support, ``(n,)``; None for all real numbers."""
        return None

    def constant(self, y: FloatArray) -> FloatArray:
        """The part of the log density that is free of every parameter, ``(n,)``."""
        return np.zeros(y.shape)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray | None:
        """Where every derivative is a float, ``(n,)``, or None for everywhere."""
        return None

    def hold(self, data: Observed, eta: Predictors) -> Predictors:
        """Predictors beyond an end at that end, where the log density is constant there."""
        return eta

    def finite_at_zero(self, data: Observed) -> BoolArray:
        """Rows that are possible at a mean of zero, ``(n,)``."""
        return np.zeros(data.y.shape, dtype=np.bool_)

    # ---- what follows --------------------------------------------------------------------

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives in predictors that are inside the domain."""
        mu, inner = take_mean(self.link, eta[0])
        outer = self.derive_outer(data, mu, eta[1:], order)
        return compose_derivatives(outer, (inner, *(None for _ in eta[1:])), order)

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check a response against the support; see `Family.prepare`."""
        refuse_size(self.name, size)
        values = read_response(y, "response")
        inside = self.contains(values)
        if inside is not None:
            required, instead = self.support
            fact = f"A {self.name} response must {required}"
            require_support(inside, values, fact, instead)
        return Observed(values, None, self.constant(values))

    def log_density(self, data: Observed, eta: Predictors) -> FloatArray:
        """Log density, or log probability, ``(n,)``."""
        return self.derivatives(data, eta, 0).value

    def derivatives(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives; see `Family.derivatives`."""
        return derive_in_blocks(self._derive_block, data, eta, order)

    def _derive_block(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        return self.derive_held(self.derive, data, eta, order)

    def derive_held(
        self, derive: Compute, data: Observed, eta: Predictors, order: int
    ) -> Derivatives:
        """Derivatives by a function that is good inside the domain only."""
        if order > 0 and self.link.name == "sqrt":
            near = (np.abs(eta[0]) < NEAR_ZERO) & self.finite_at_zero(data)
            if near.any():
                moved = (np.where(near, NEAR_ZERO, eta[0]), *eta[1:])
                return continue_evenly(self.derive_held(derive, data, moved, order), near, eta[0])
        bounded = self.hold(data, eta)
        inside = self.find_inside(data, bounded)
        if inside is None:
            return derive(data, bounded, order)
        return derive_inside(derive, inside, data, bounded, order)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, in closed form."""
        mu, inner = take_mean(self.link, eta[0])
        outer = self.expect_outer(mu, eta[1:])
        return compose_expected(*outer, (inner, *(None for _ in eta[1:])))

    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Mean, ``(n,)``."""
        return self.link.inverse(eta[0])

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``; one array where the response is continuous."""
        if self.discrete:
            below = self.cumulate(np.ceil(y) - 1.0, eta, size)
            return below, self.cumulate(np.floor(y), eta, size)
        upto = self.cumulate(y, eta, size)
        return upto, upto

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Refused: a continuous response equals no value with positive probability."""
        raise FamilyError(
            f"The {self.name} family is continuous and gives no value a positive probability; "
            "use cdf or log_density."
        )

    def start(self, data: Observed) -> FloatArray:
        """The response, and halfway to its average where it is not a mean itself, ``(n,)``."""
        y, (low, high) = data.y, self.mean_range
        inside = (y > low) & (y < high)
        if inside.all():
            return y
        average = np.clip(y.mean(), low + _FROM_END, high - _FROM_END)
        return np.where(inside, y, 0.5 * (y + average))


@dataclass(frozen=True, init=False, repr=False)
class LogMeanTemplate(Template):
    """A family with a positive mean and one more parameter, written in the logarithms of both."""

    mean_range: ClassVar[tuple[float, float]] = (0.0, np.inf)

    @abstractmethod
    def derive_logs(
        self, data: Observed, mu: FloatArray, log_mu: FloatArray, log_d: FloatArray, order: int
    ) -> Derivatives:
        """Derivatives in the log mean (0) and the log dispersion (1)."""

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives in predictors that are inside the domain."""
        mu, log_mu, inner = take_log(self.link, eta[0])
        outer = self.derive_logs(data, mu, log_mu, eta[1], order)
        return compose_derivatives(outer, (inner, None), order)
