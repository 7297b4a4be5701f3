"""A regression of independent responses that another program fitted, by its linear predictors.

Each response has the distribution of a family at its predictors ``eta_a = o_a + J_a theta`` (to
first order, where a predictor is not linear in the parameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import pandas as pd

from mixcheck.adapters.fitted_elsewhere import Estimates, FittedElsewhere
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families.derivatives import Information
from mixcheck.families.family import Family
from mixcheck.families.responses import Observed
from mixcheck.port import (
    Conditioning,
    ConvergenceFacts,
    DataRows,
    DataView,
    LikelihoodKind,
    ProbabilityTransform,
    ScoreProjection,
)
from mixcheck.predictive import (
    ConditionalDistribution,
    probability_transform,
    quantile_residuals,
)

__all__ = ["KnownTransform", "Reading", "Refitter", "Regression"]

# Directions with less than this share of the largest information are not estimated.
_RANK_TOLERANCE = 1e-10
# Scaled gradient below which an optimiser that did not say so has come to rest all the same.
_AT_REST = 1e-3


@dataclass(frozen=True, eq=False)
class Reading:
    """What a fitted regression says of its responses.

    Attributes
    ----------
    family : Family
    eta : tuple of K arrays (n,)
        Linear predictors in the order of the family.
    data : Observed
        The response, with numbers of trials.
    slopes : mapping of predictor to (n, P)
        ``J_a``: derivatives of the predictors in all estimated parameters.
    matrices : mapping of predictor to (n, p)
        Their model matrices.
    offset : (n,)
        Of the predictor of the mean.
    moments : int
        How many of the last parameters are not estimated by maximum likelihood.
    likelihood : str
        Its kind; "none" for estimates of estimating equations.
    """

    family: Family
    eta: tuple[FloatArray, ...]
    data: Observed
    slopes: Mapping[str, FloatArray]
    matrices: Mapping[str, FloatArray]
    offset: FloatArray
    moments: int = 0
    likelihood: LikelihoodKind = "full"

    @property
    def designs(self) -> Mapping[str, FloatArray]:
        """Model matrices as they are written, by predictor."""
        return self.matrices

    def given(self, data: Observed) -> Reading:
        """The same of another response, or of this one."""
        return replace(self, data=data)

    def fitted(self, mean: FloatArray) -> FloatArray:
        """What a response is fitted by, (n,), where `mean` is that of its predictors."""
        return mean

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """One response vector, (n,)."""
        return self.family.sample(self.eta, self.data.size, rng)

    def rows(self, some: IntArray) -> Reading:
        """Some rows, each as often as it is named."""
        return replace(
            self,
            eta=tuple(part[some] for part in self.eta),
            data=self.data.rows(some),
            slopes={name: part[some] for name, part in self.slopes.items()},
            matrices={name: part[some] for name, part in self.matrices.items()},
            offset=self.offset[some],
        )


class Refitter(Protocol):
    """Fits the model that was fitted elsewhere to another response, there."""

    def __call__(self, response: FloatArray) -> tuple[Reading, Estimates]:
        """The fit to a response, (n,), or a `MixcheckError` that says why there is none."""
        ...

    def rows(self, some: IntArray) -> Refitter:
        """The same for some rows, each as often as it is named and counted once."""
        ...


@dataclass(frozen=True, eq=False)
class KnownTransform:
    """Where responses stand in known distributions, found when it is asked for."""

    distribution: ConditionalDistribution
    response: FloatArray

    def __call__(self) -> ProbabilityTransform:
        """What is known of them, (1, n)."""
        below, mass, scores = probability_transform(self.distribution, self.response)
        return ProbabilityTransform.of(below[None], mass[None], scores[None], np.ones(1))


@dataclass(frozen=True, eq=False, repr=False)
class Regression(FittedElsewhere):
    """The port of a regression fitted elsewhere; see `mixcheck.port`.

    Attributes
    ----------
    reading : Reading
    refitter : Refitter
    """

    reading: Reading
    refitter: Refitter

    # ---- to be checked ---------------------------------------------------------------

    @property
    def family(self) -> Family:
        """The distribution of a response given its predictors."""
        return self.reading.family

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the data of the fit; there are no random effects to be conditioned on."""
        return self._see(self.reading.data, rng)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a response and see it likewise."""
        made = self.family.prepare(self.respond(rng), self.reading.data.size)
        return self._see(made, rng)

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response vector, (n,)."""
        return self.reading.sample(rng)

    def refit(self, response: FloatArray) -> Self:
        """Fit the same model to another response, (n,), by the program that fitted it.

        Raises
        ------
        ConvergenceError
            If that program finds no fit.
        """
        reading, estimates = self.refitter(np.asarray(response, dtype=np.float64))
        return replace(self, reading=reading, estimates=estimates)

    def _see(self, data: Observed, rng: np.random.Generator) -> DataView:
        reading = self.reading.given(data)
        given = ConditionalDistribution(self.family, reading.eta, data.size)
        mean, variance = given.mean(), given.variance()
        probability = given.probability if self.family.has_atoms else None
        names = self.family.predictors
        first = self.family.derivatives(data, reading.eta, 1).first
        return DataView(
            response=data.y,
            residuals=quantile_residuals(given, data.y, rng.random(data.y.size)),
            fitted=reading.fitted(mean),
            mean=mean,
            variance=variance,
            mode_mean=mean,
            mode_variance=variance,
            probability=probability,
            mode_probability=probability,
            transform=KnownTransform(given, data.y),
            predictors=dict(zip(names, reading.eta, strict=True)),
            scores=dict(zip(names, first, strict=True)),
        )

    def by_single_rows(self) -> tuple[Regression, IntArray | None]:
        """The same with a row that counts w times as w rows, and which row of `frame` each is."""
        if self.rows.counts is None:
            return self, None
        return self._by_single_rows

    @cached_property
    def _by_single_rows(self) -> tuple[Regression, IntArray]:
        counts = self.rows.counts
        assert counts is not None
        some = np.repeat(np.arange(counts.size), counts)
        made = Regression(
            self.rows.repeated(some),
            self.estimates,
            self.reading.rows(some),
            self.refitter.rows(some),
        )
        return made, some

    # ---- its estimates ---------------------------------------------------------------

    @property
    def coefficient_table(self) -> pd.DataFrame:
        """Estimates as the other program reports them."""
        return self.estimates.table

    @property
    def variance_components(self) -> pd.DataFrame:
        """None: there are no random effects."""
        return pd.DataFrame(columns=["group", "name", "variance", "sd", "corr"])

    @cached_property
    def convergence(self) -> ConvergenceFacts:
        """What the program says, and the gradient and curvature of the likelihood as found here."""
        gradient, eigenvalue = self._optimum
        said = self.estimates.converged
        rest = said or gradient < _AT_REST
        messages = (
            ()
            if rest
            else (
                "The optimiser of the other program says that it did not converge; fit again with "
                "more iterations or another method.",
            )
        )
        return ConvergenceFacts(
            converged=rest,
            gradient=gradient,
            smallest_eigenvalue=eigenvalue,
            evaluations=0,
            messages=messages,
        )

    @cached_property
    def _optimum(self) -> tuple[float, float]:
        """Largest gradient in units of standard errors, and the least scaled curvature."""
        derivatives = self.family.derivatives(self.reading.data, self.reading.eta, 2)
        bends = {pair: -part for pair, part in derivatives.second.items()}
        weights = self._counts
        slopes = self._slopes
        kept = slopes[0].shape[1] - self.reading.moments
        gradient = np.zeros(slopes[0].shape[1])
        for J, s in zip(slopes, derivatives.first, strict=True):
            gradient += J.T @ (weights * s)
        information = _information(slopes, bends, weights)[:kept, :kept]
        unit = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
        scaled = information / np.outer(unit, unit)
        values, vectors = np.linalg.eigh(scaled)
        errors = np.sqrt(np.einsum("ij,j,ij->i", vectors, _reciprocal(values), vectors)) / unit
        return float(np.max(np.abs(gradient[:kept] * errors), initial=0.0)), float(values[0])

    @property
    def _counts(self) -> FloatArray:
        counts = self.rows.counts
        n = self.reading.data.y.size
        return np.ones(n) if counts is None else counts.astype(np.float64)

    @property
    def _slopes(self) -> list[FloatArray]:
        n, known = self.reading.data.y.size, self.reading.slopes
        width = next(iter(known.values())).shape[1]
        return [known.get(name, np.zeros((n, width))) for name in self.family.predictors]

    def project_scores(self) -> ScoreProjection:
        """What the estimates take of the scores of the rows."""
        family, eta, slopes = self.family, self.reading.eta, self._slopes
        information = family.expected(self.reading.data, eta)[0]
        moved = _weigh(slopes, information)
        inflation = None
        if family.zero_part == "inflation" and "zi" not in family.predictors:
            zero = family.prepare(np.zeros(eta[0].size), self.reading.data.size)
            at_zero = family.derivatives(zero, eta, 1).first
            taken = np.zeros_like(slopes[0])
            for s, J in zip(at_zero, slopes, strict=True):
                taken += s[:, None] * J
            inflation = taken
        names, nothing = family.predictors, np.zeros((eta[0].size, 0))
        return ScoreProjection.of(
            {name: self.reading.matrices.get(name, nothing) for name in names},
            dict(zip(names, moved, strict=True)),
            _information(slopes, information, self._counts),
            inflation,
        )

    # ---- to be compared --------------------------------------------------------------

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """Of the responses, or none."""
        return self.reading.likelihood

    @property
    def fixed_matrices(self) -> Mapping[str, FloatArray]:
        """Model matrix of each linear predictor."""
        return self.reading.designs

    @property
    def random_terms(self) -> Mapping[str, tuple[str, FloatArray]]:
        """None."""
        return {}

    @property
    def data_rows(self) -> DataRows:
        """The rows of the fit and what they hold."""
        return DataRows(
            frame=self.frame,
            response=self.reading.data.y,
            size=self.reading.data.size,
            weights=None if self.rows.counts is None else self._counts,
            offsets={"mean": self.reading.offset},
            groups=self.rows.groups or {},
            used=self.rows.used,
            grouping=tuple(self.rows.groups or ()),
        )


def _weigh(slopes: list[FloatArray], information: Information) -> list[FloatArray]:
    """``sum_b V_ab J_b``, (n, P) for each predictor a."""
    out = [np.zeros_like(J) for J in slopes]
    for (a, b), weight in information.items():
        out[a] += weight[:, None] * slopes[b]
        if a != b:
            out[b] += weight[:, None] * slopes[a]
    return out


def _information(
    slopes: list[FloatArray], information: Information, counts: FloatArray
) -> FloatArray:
    """``sum_ab J_a' V_ab J_b``, (P, P)."""
    moved = _weigh(slopes, information)
    total: FloatArray = sum(
        (J.T @ (counts[:, None] * part) for J, part in zip(slopes, moved, strict=True)),
        np.zeros((slopes[0].shape[1],) * 2),
    )
    return total


def _reciprocal(values: FloatArray) -> FloatArray:
    """One over each eigenvalue that is more than rounding; zero for the others."""
    large = values > _RANK_TOLERANCE * max(float(values[-1]), 0.0)
    return np.divide(1.0, values, out=np.zeros_like(values), where=large)
