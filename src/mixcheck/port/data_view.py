"""One data set, observed or simulated, as one model sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import ndtri

from mixcheck.arrays import BoolArray, FloatArray, IntArray

__all__ = ["CONDITIONINGS", "Conditioning", "DataView", "FoundTransform", "ProbabilityTransform"]

# What a probability beside one is known to.
_DIGITS = 1e-16

Conditioning: TypeAlias = Literal["posterior", "marginal", "mode"]


CONDITIONINGS: tuple[Conditioning, ...] = ("posterior", "marginal", "mode")


@dataclass(frozen=True, eq=False)
class ProbabilityTransform:
    """Where responses stand in their distributions, at J values of what is not known of these.

    Given the data the linear predictors of a row are as good as normal, and J nodes with their
    weights stand for that distribution: an average over them is one over draws of the random
    effects, without their noise. Where nothing is random J is 1.

    Attributes
    ----------
    masses : callable
        To `below` and `mass`, where these are asked for.
    middles : callable
        To `scores`, where these are asked for.
    weights : (J,)
        They sum to one.
    averaged : callable, optional
        To `squares`, where these are asked for and are known sooner than the scores.
    """

    masses: Callable[[], tuple[FloatArray, FloatArray]]
    middles: Callable[[], FloatArray]
    weights: FloatArray
    averaged: Callable[[], FloatArray] | None = None

    @staticmethod
    def of(
        below: FloatArray, mass: FloatArray, scores: FloatArray, weights: FloatArray
    ) -> ProbabilityTransform:
        """Of arrays that are there, (.., J, n), with weights (J,)."""
        return ProbabilityTransform(lambda: (below, mass), lambda: scores, weights)

    @staticmethod
    def known(below: FloatArray, mass: FloatArray) -> ProbabilityTransform:
        """Of known distributions, by probabilities (n,); scores to the digits of one less these."""
        middle = np.clip(below + 0.5 * mass, _DIGITS, 1.0 - _DIGITS)
        return ProbabilityTransform.of(below[None], mass[None], ndtri(middle)[None], np.ones(1))

    @cached_property
    def _masses(self) -> tuple[FloatArray, FloatArray]:
        return self.masses()

    @property
    def below(self) -> FloatArray:
        """``P(Y < y)``, (.., J, n)."""
        return self._masses[0]

    @property
    def mass(self) -> FloatArray:
        """``P(Y = y)``, (.., J, n); zero where a response has a density."""
        return self._masses[1]

    @cached_property
    def scores(self) -> FloatArray:
        """``Phi^-1(P(Y < y) + P(Y = y) / 2)``, (.., J, n), to its own digits in both tails."""
        return self.middles()

    @cached_property
    def squares(self) -> FloatArray:
        """Mean squares of the scores of each row, (.., n)."""
        if self.averaged is not None and "scores" not in self.__dict__:
            return self.averaged()
        squares: FloatArray = np.einsum("...jn,j->...n", self.scores**2, self.weights)
        return squares

    def rows(self, selected: BoolArray | IntArray) -> ProbabilityTransform:
        """Some rows (a mask or positions)."""
        return ProbabilityTransform(
            lambda: (self.below[..., selected], self.mass[..., selected]),
            lambda: self.scores[..., selected],
            self.weights,
            lambda: self.squares[..., selected],
        )

    def __reduce__(self) -> tuple[Callable[..., ProbabilityTransform], tuple[FloatArray, ...]]:
        return ProbabilityTransform.of, (self.below, self.mass, self.scores, self.weights)


@dataclass(frozen=True, eq=False)
class FoundTransform:
    """What `DataView.transform` is where it is known already."""

    found: ProbabilityTransform

    def __call__(self) -> ProbabilityTransform:
        """What is known."""
        return self.found


@dataclass(frozen=True, eq=False)
class DataView:
    """One data set, observed or simulated, as one model sees it.

    Under a correct model with known parameters, the realisation of the observed data
    and those of replicate data sets have the same joint distribution; every null
    distribution rests on that.

    What random choices there are move the residuals, what is given the random effects, and these.
    The response, the fitted values and what is given the modes are the same whenever one model
    sees one data set. A view of many data sets has their axes before those below.

    Attributes
    ----------
    response : (n,)
        The data: counts, successes or real values.
    residuals : (n,)
        Scaled quantile residuals, strictly between 0 and 1.
    fitted : (n,)
        Mean response with every random effect at zero.
    mean, variance : (n,)
        Moments of the response given the random effects that `conditioning` asks for
        (drawn, integrated out, or at their mode).
    mode_mean, mode_variance : (n,)
        Moments of the response given the conditional modes of the random effects.
    effects : mapping of term name to (m, q)
        Standardised random effects, independent standard normal under a correct model;
        empty where the model has none or `conditioning` integrates them out.
    probability : callable or None
        ``probability(k)`` is the (n,) array of P(Y = k) under the same random effects
        as `mean`; None for a response without probability masses.
    transform : callable or None
        ``transform()`` says where each response stands in its distribution, with what the data say
        of the random effects that `conditioning` asks for and without a draw; None where only
        draws of the response are known.
    mode_probability : callable or None
        As `probability`, given the conditional modes.
    predictors : mapping of part to (n,)
        Linear predictors ("mean", "dispersion", "zi" ..) at the conditional modes of the random
        effects; empty where only draws are known.
    scores : mapping of part to (n,)
        Derivative of each row's log density in that linear predictor, at the same modes.
    modes : mapping of term name to (m, q)
        Conditional modes of the random effects, by the names of `effects`.
    estimates : (p,)
        Of the parameters that the data are seen with all but those of the mean: coefficients of
        other parts, variances of random effects. None where they are not known.
    """

    response: FloatArray
    residuals: FloatArray
    fitted: FloatArray
    mean: FloatArray
    variance: FloatArray
    mode_mean: FloatArray
    mode_variance: FloatArray
    effects: Mapping[str, FloatArray] = field(default_factory=dict)
    probability: Callable[[float], FloatArray] | None = None
    transform: Callable[[], ProbabilityTransform] | None = None
    mode_probability: Callable[[float], FloatArray] | None = None
    predictors: Mapping[str, FloatArray] = field(default_factory=dict)
    scores: Mapping[str, FloatArray] = field(default_factory=dict)
    modes: Mapping[str, FloatArray] = field(default_factory=dict)
    estimates: FloatArray = field(default_factory=lambda: np.empty(0))

    def rows(self, selected: BoolArray | IntArray) -> DataView:
        """Keep some rows (a mask or positions); random effects, being of groups, are dropped."""
        return DataView(
            response=self.response[..., selected],
            residuals=self.residuals[..., selected],
            fitted=self.fitted[..., selected],
            mean=self.mean[..., selected],
            variance=self.variance[..., selected],
            mode_mean=self.mode_mean[..., selected],
            mode_variance=self.mode_variance[..., selected],
            probability=_some_masses(self.probability, selected),
            transform=None if self.transform is None else _SomeTransforms(self.transform, selected),
            mode_probability=_some_masses(self.mode_probability, selected),
            predictors=_SomeRows(self.predictors, selected),
            scores=_SomeRows(self.scores, selected),
            estimates=self.estimates,
        )


def _some_masses(
    whole: Callable[[float], FloatArray] | None, selected: BoolArray | IntArray
) -> _SomeMasses | None:
    return None if whole is None else _SomeMasses(whole, selected)


@dataclass(frozen=True, eq=False)
class _SomeMasses:
    """Probability masses of some rows; unlike a function made here, it pickles."""

    whole: Callable[[float], FloatArray]
    selected: BoolArray | IntArray

    def __call__(self, k: float) -> FloatArray:
        return self.whole(k)[..., self.selected]


@dataclass(frozen=True, eq=False)
class _SomeTransforms:
    """Where some rows stand."""

    whole: Callable[[], ProbabilityTransform]
    selected: BoolArray | IntArray

    def __call__(self) -> ProbabilityTransform:
        return self.whole().rows(self.selected)


@dataclass(frozen=True, eq=False)
class _SomeRows(Mapping[str, FloatArray]):
    """Some rows of each vector of a mapping, taken when they are asked for."""

    whole: Mapping[str, FloatArray]
    selected: BoolArray | IntArray

    def __getitem__(self, part: str) -> FloatArray:
        return self.whole[part][..., self.selected]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole)

    def __len__(self) -> int:
        return len(self.whole)
