"""One data set, observed or simulated, as one model sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mixcheck.arrays import BoolArray, FloatArray, IntArray

__all__ = ["CONDITIONINGS", "Conditioning", "DataView"]

Conditioning: TypeAlias = Literal["posterior", "marginal", "mode"]


CONDITIONINGS: tuple[Conditioning, ...] = ("posterior", "marginal", "mode")


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
    tails : (n,) or None
        Probability of what lies beyond each residual on its side, ``min(r, 1 - r)``, to its own
        digits; None where residuals are ranks among draws, which know no tails.
    mode_probability : callable or None
        As `probability`, given the conditional modes.
    predictors : mapping of part to (n,)
        Linear predictors ("mean", "dispersion", "zi" ..) at the conditional modes of the random
        effects; empty where only draws are known.
    scores : mapping of part to (n,)
        Derivative of each row's log density in that linear predictor, at the same modes.
    modes : mapping of term name to (m, q)
        Conditional modes of the random effects, by the names of `effects`.
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
    tails: FloatArray | None = None
    mode_probability: Callable[[float], FloatArray] | None = None
    predictors: Mapping[str, FloatArray] = field(default_factory=dict)
    scores: Mapping[str, FloatArray] = field(default_factory=dict)
    modes: Mapping[str, FloatArray] = field(default_factory=dict)

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
            tails=None if self.tails is None else self.tails[..., selected],
            mode_probability=_some_masses(self.mode_probability, selected),
            predictors=_SomeRows(self.predictors, selected),
            scores=_SomeRows(self.scores, selected),
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
