"""Whether the approximation of the likelihood is good enough for the estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_number
from mixcheck.checks.check import Check
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.codec.shapes import Finite
from mixcheck.port import Approximate, ApproximationFacts
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["LaplaceAdequacy"]

INTEGRALS = "Joe (2008), Comput. Stat. Data Anal. 52, 5066-5074"
DRAWS = "Pinheiro & Bates (1995), J. Comput. Graph. Stat. 4, 12-35"
SERIES = "Shun & McCullagh (1995), J. R. Stat. Soc. B 57, 749-760"
# One more parameter costs this much of the log-likelihood in AIC.
MOST_MISSED = 1.0
# Monte Carlo errors are deviations of few numbers: the 97.5 % point of t with 7 degrees of freedom.
REACH = 2.36


@final
@dataclass(frozen=True, repr=False)
class LaplaceAdequacy(Check):
    """Whether the approximation of the likelihood is good enough for the estimates.

    An exact fact, without a p-value: with one grouping factor the model is fitted again by
    adaptive quadrature, with as many nodes as it takes for the log-likelihood to settle; with
    several by importance sampling around the conditional modes, with as many draws as it takes
    to know the shift to a hundredth of a standard error. Where importance weights degenerate
    (Pareto shape of their tail above 0.7), as they do with hundreds of crossed random effects,
    the next term of Laplace's expansion tells what it misses and where the estimates move, both to
    leading order. Effect: "largest shift" of a parameter
    (fixed effect, dispersion or entry of a covariance factor) in standard errors; 0 for an exact
    likelihood. Its interval is that of the Monte Carlo error of importance sampling; a tolerance
    inside is UNDECIDED.

    The finding also gives the two log-likelihoods, what the approximation misses of the
    log-likelihood at the estimates, and how many of the draws count. Where it misses more than
    1, as much as a parameter costs in AIC, a shift within the tolerance is WARN: models that
    differ in their random effects are not to be compared by such log-likelihoods. Skipped where
    none of the three can be had: the next term is that of up to 3,000 independent random effects
    of the mean and 10,000 rows.

    Parameters
    ----------
    tolerance : float
        Shift, in standard errors, up to which the approximation is good enough.

    References
    ----------
    Joe (2008), Accuracy of Laplace approximation for discrete response mixed models,
    Comput. Stat. Data Anal. 52, 5066-5074. Pinheiro & Bates (1995), Approximations to the
    log-likelihood function in the nonlinear mixed-effects model, J. Comput. Graph. Stat. 4,
    12-35, for importance sampling. Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed
    importance sampling, J. Mach. Learn. Res. 25(72), for the Pareto shape. Shun & McCullagh
    (1995), Laplace approximation of high dimensional integrals, J. R. Stat. Soc. B 57, 749-760,
    for the next term.

    Examples
    --------
    >>> import mixcheck as mc
    >>> ticks = mc.datasets.load("grouseticks")
    >>> fit = mc.glmm("TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", ticks, family="poisson")
    >>> mc.check(fit, mc.checks.LaplaceAdequacy())["laplace adequacy"].effect.value < 0.1
    True
    """

    kind: ClassVar[str] = "laplace-adequacy"
    needs: ClassVar[type] = Approximate
    about_rows: ClassVar[bool] = False

    tolerance: Finite = 0.25

    def __post_init__(self) -> None:
        tolerance = require_number("tolerance", self.tolerance, 0.0, example=0.25)
        object.__setattr__(self, "tolerance", tolerance)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The fact, from a fit by quadrature or importance sampling."""
        model = context.model
        assert isinstance(model, Approximate)
        facts = model.approximation()
        if facts.unavailable:
            return (Skipped(self.name, self.kind, facts.unavailable),)
        within = abs(facts.shift - self.tolerance) <= REACH * facts.shift_error
        holds = None if within and facts.shift_error else facts.shift <= self.tolerance
        finding = Finding(
            check=self.name,
            kind=self.kind,
            null=f"no estimate is off by more than {self.tolerance:g} standard errors",
            statistic=facts.shift,
            pvalue=None,
            alternative="greater",
            effect=_shift(facts),
            n=context.n,
            holds=holds,
            references=_references(facts),
            detail=_told(facts),
            caution=self._caution(facts, decided=holds is not None),
        )
        return (finding,)

    def _caution(self, facts: ApproximationFacts, *, decided: bool) -> str:
        """What should be known where the estimates are good enough, or nothing is decided."""
        if not decided:
            return (
                f"the tolerance of {self.tolerance:g} lies within the Monte Carlo error of the "
                f"shift, {facts.shift_error:.2g}"
            )
        if facts.shift <= self.tolerance and abs(facts.missed) > MOST_MISSED:
            return (
                f"the log-likelihood is off by {facts.missed:+.2f} at the estimates, which matters "
                "where models are compared that differ in their random effects"
            )
        return ""


def _shift(facts: ApproximationFacts) -> Effect:
    """The shift and how far it may be off by Monte Carlo error; without one, no interval."""
    if not facts.shift_error:
        return Effect("largest shift", facts.shift, np.nan, np.nan, 0.0)
    half = REACH * facts.shift_error
    low, high = max(0.0, facts.shift - half), facts.shift + half
    return Effect("largest shift", facts.shift, low, high, 0.0)


def _references(facts: ApproximationFacts) -> tuple[str, ...]:
    if facts.expanded:
        return INTEGRALS, SERIES
    return (INTEGRALS, DRAWS) if facts.effective_draws else (INTEGRALS,)


def _told(facts: ApproximationFacts) -> str:
    """What was compared, in sentences."""
    error = f", with a Monte Carlo error of {facts.missed_error:.2g}" if facts.missed_error else ""
    counted = (
        f" Where their weights are worst, {facts.effective_draws:.0f} of the draws count."
        if facts.effective_draws
        else ""
    )
    return (
        f"Against {facts.reference}: {facts.parameter} moves most; the log-likelihood is "
        f"{facts.llf:.4f} here and {facts.reference_llf:.4f} there. At the estimates the "
        f"approximation misses {facts.missed:+.4f} of it{error}.{counted}"
    )
