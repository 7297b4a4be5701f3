"""Whether predictors say so nearly the same that their coefficients are hardly known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_number
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.codec.shapes import Finite
from mixcheck.display.document import Caterpillar
from mixcheck.port import Estimating, PartEstimates
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Collinearity", "inflation_factors"]

# Correlations whose determinant is below this are singular.
_SINGULAR = 1e-12


@final
@dataclass(frozen=True, repr=False)
class Collinearity(Check):
    """Whether predictors are so alike that the data hardly tell their coefficients apart.

    An exact fact, without a p-value: the largest variance inflation factor of a term, from the
    covariance of the estimates. A term of several coefficients has
    ``(det R_tt det R_oo / det R)^(1 / q)``, with R the correlation of the estimates without the
    intercept, q the number of coefficients, t the term and o all others; of one coefficient it
    is the common factor ``1 / (1 - R^2)``. Terms that an interaction contains, and interactions,
    are left out: their factors depend on where the predictors have their zero. A large factor is
    no fault of the model, so it warns and never fails. Effect: "variance inflation"; 1 for a
    term that is unrelated to all others.

    Parameters
    ----------
    threshold : float
        Factor from which it warns.

    References
    ----------
    Fox & Monette (1992), Generalized collinearity diagnostics, J. Am. Stat. Assoc. 87, 178-183.
    """

    kind: ClassVar[str] = "collinearity"
    needs: ClassVar[type] = Estimating
    about_rows: ClassVar[bool] = False

    threshold: Finite = 10.0

    def __post_init__(self) -> None:
        threshold = require_number("threshold", self.threshold, 1.0, example=10.0)
        object.__setattr__(self, "threshold", threshold)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The fact, of all parts of the model."""
        model = context.model
        assert isinstance(model, Estimating)
        factors = _all_factors(model.part_estimates)
        if not factors:
            reason = "Fewer than two terms can be compared: interactions and what they contain, "
            reason += "and terms without a finite estimate, are left out."
            return (Skipped(self.name, self.kind, reason),)
        worst = max(factors, key=lambda term: factors[term])
        largest = factors[worst]
        finding = Finding(
            check=self.name,
            kind=self.kind,
            null=f"no term inflates the variance of another by a factor of {self.threshold:g}",
            statistic=largest,
            pvalue=None,
            alternative="greater",
            effect=Effect("variance inflation", largest, np.nan, np.nan, 1.0),
            n=context.n,
            holds=True,
            caution=(
                f"the variance of {worst} is {largest:.3g} times that without the others"
                if largest > self.threshold
                else ""
            ),
            references=("Fox & Monette (1992), J. Am. Stat. Assoc. 87, 178-183",),
            detail="Standard errors allow for it; it says which questions the data cannot answer.",
            subject={"term": worst},
            picture=_picture(factors, self.threshold),
        )
        return (finding,)


def _picture(factors: Mapping[str, float], threshold: float) -> Caterpillar:
    """Each term with a line from 1 to its factor."""
    names = sorted(factors, key=lambda term: factors[term])
    values = np.array([factors[name] for name in names])
    return Caterpillar(
        tuple(names),
        values,
        np.ones(values.size),
        values,
        values > threshold,
        1.0,
        title="Variance inflation by term",
        x_label="variance inflation factor, from 1",
    )


def _all_factors(parts: Mapping[str, PartEstimates]) -> dict[str, float]:
    """Factors of the terms of all parts, those but the mean by the name of the part as well."""
    found: dict[str, float] = {}
    for part, estimates in parts.items():
        for term, factor in inflation_factors(estimates).items():
            found[term if part == "mean" else f"{part}: {term}"] = factor
    return found


def inflation_factors(estimates: PartEstimates) -> dict[str, float]:
    """Generalised variance inflation factor, per coefficient, of each term of a part.

    ``(det R_tt det R_oo / det R)^(1 / q)``; infinite where R is singular.
    """
    terms = [term for term in dict.fromkeys(estimates.terms) if term]
    alone = [term for term in terms if _stands_alone(term, terms)]
    known = np.isfinite(np.diag(estimates.covariance))
    kept = known & np.array([bool(term) for term in estimates.terms])
    if len(terms) < 2 or not kept.any():
        return {}
    covariance = estimates.covariance[np.ix_(kept, kept)]
    deviations = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviations, deviations)
    of = [term for term, keep in zip(estimates.terms, kept, strict=True) if keep]
    found = {}
    for term in alone:
        own = np.array([other == term for other in of])
        if own.any() and not own.all():
            found[":".join(term)] = _factor(correlation, own)
    return found


def _stands_alone(term: tuple[str, ...], terms: list[tuple[str, ...]]) -> bool:
    return len(term) == 1 and not any(set(term) < set(other) for other in terms)


def _factor(correlation: FloatArray, own: BoolArray) -> float:
    whole = np.linalg.slogdet(correlation)
    if whole.sign <= 0.0 or whole.logabsdet < np.log(_SINGULAR):
        return float("inf")
    apart = sum(
        float(np.linalg.slogdet(correlation[np.ix_(rows, rows)]).logabsdet) for rows in (own, ~own)
    )
    return float(np.exp((apart - whole.logabsdet) / np.count_nonzero(own)))
