"""Sentences on parameters without a finite estimate: what is so, why, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families import Family
from mixcheck.port.estimates import Limit, LimitReason

__all__ = ["explain_complete", "explain_edge", "explain_limits", "explain_unidentified"]

# Names that a sentence lists.
_SHOWN = 5
# A predictor this close to an edge, over the median distance from it, is held by the edge.
_AT_EDGE = 1e-4
_OTHERS = (
    "What is shown for them stands for infinity and has no standard error; all other estimates "
    "and the log-likelihood are those of the limit."
)
_EVERY = (
    "The groups determine the responses: within every group all responses are alike, so that the "
    "standard deviation of {names} has no finite estimate; the fixed effects that go with it have "
    "no finite estimate and no standard error. Take one row for each group, or leave the term out."
)
_MOST = (
    "The model all but determines the responses: its random effects, with the predictors beside "
    "them, tell nearly every group exactly, so that the standard deviation of {names} is so large "
    "that it is not to be told from an infinite one; the fixed effects that go with it have no "
    "finite estimate and no standard error. The numbers shown for them are where the search "
    "stopped, and no estimates; nor is the log-likelihood the largest, since its approximation "
    "does not hold for such groups. Leave the term out, or predictors that tell the responses "
    "within the groups."
)
_STANDS = " The numbers shown for them stand for infinity, and are no estimates."
_NEARLY = (
    "The model all but determines the responses: its random effects, with the predictors beside "
    "them, tell nearly every group exactly, so that of the standard deviation of {names} no more "
    "than the order is known, if it is finite; the fixed effects that go with it are known in "
    "units of it only and have no standard error. What is shown is where the likelihood itself "
    "is largest, by integration, since the approximation asked for does not hold for such "
    "groups. Leave the term out, or predictors that tell the responses within the groups."
)
_PLAIN = {
    "dispersion": (
        "No finite estimate: {names}, because the responses vary no more than they would without "
        "the dispersion of the family (as poisson counts or binomial successes do, or a Gaussian "
        "response whose residual error is taken up by effects such as those of ar1). Write the "
        "family without a dispersion, or a simpler dispersion="
    ),
    "zero part": (
        "No finite estimate: {names}, because the data show no zeros there beyond those that the "
        "rest of the model explains. Leave zi= out, or write a simpler one"
    ),
    "shape": (
        "No finite estimate: {names}, because the responses are distributed as in the simpler "
        "family at its end (the Gaussian, for degrees of freedom of a t). Write that family"
    ),
    "flat": (
        "No finite estimate: {names}, because the likelihood no longer changes along it where the "
        "search ended. Remove or merge the predictors behind it"
    ),
}


def _quote(names: Sequence[str], where: str = " (all in fit.convergence.runaway)") -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return shown if more <= 0 else f"{shown} and {more} more{where}"


def _named(limits: Sequence[Limit], reason: LimitReason) -> list[str]:
    return [limit.parameter for limit in limits if limit.reason == reason]


def explain_limits(
    limits: Sequence[Limit],
    rows: int = 0,
    every: Sequence[str] = (),
    most: Sequence[str] = (),
    *,
    integrated: bool = False,
) -> tuple[str, ...]:
    """One sentence with its remedy for each reason.

    Parameters
    ----------
    limits : sequence of Limit
    rows : int
        How many rows a separation tells exactly.
    every, most : sequence of str
        Random terms whose groups determine the responses, and those whose groups nearly do.
    integrated : bool
        Whether the likelihood of the latter was integrated exactly.
    """
    out = []
    separated, unidentified = _named(limits, "separation"), _named(limits, "not identified")
    if separated:
        out.append(
            f"Separation: the coefficients of {_quote(separated)} have no finite estimate, "
            f"because they predict some responses exactly ({rows} rows). {_OTHERS} Remove or "
            "merge predictors, or pool levels."
        )
    if unidentified:
        out.append(
            f"The coefficients of {_quote(unidentified)} cannot be told from the data: the rows "
            "that they stand for count nothing, or another part of the model explains them "
            f"already. {_OTHERS} Remove them, or the same term of the other part."
        )
    if every:
        out.append(_EVERY.format(names=", ".join(every)) + _STANDS)
    if most:
        out.append((_NEARLY if integrated else _MOST).format(names=", ".join(most)))
    for reason in ("dispersion", "zero part", "shape", "flat"):
        # Thresholds run away with the groups that determine categories, as fixed effects do.
        found = () if reason == "shape" and (every or most) else _named(limits, reason)
        if found:
            out.append(_PLAIN[reason].format(names=_quote(found)) + ".")
    return tuple(out)


def explain_complete(names: Sequence[str]) -> str:
    """Why a model whose predictors tell every response has no estimate."""
    return (
        f"complete separation: the predictors {_quote(names, '')} tell every response exactly, so "
        "their coefficients have no finite estimate. Remove or merge predictors, or pool levels."
    )


def explain_unidentified(part: str, family: Family) -> str:
    """Why no response says anything of a whole part of a model."""
    if part == "dispersion":
        instead = (
            'Write family="binomial", or give the number of trials'
            if family.takes_trials
            else "Write a family without a dispersion"
        )
        return (
            f"the dispersion of the {family.name} family is not identified by these responses: one "
            f"trial a row has no variation beyond its mean. {instead}."
        )
    return (
        f"the {part} of the {family.name} family is not identified: no response says anything of "
        "it, because all are zero. Leave that part out, or write a model of the zeros alone."
    )


def explain_edge(family: Family, eta: FloatArray) -> str:
    """A sentence where predictors of the mean, (n,), lie at the edge of what a link allows, or "".

    A count of zero is likeliest at a mean of zero: where predictors would be negative the largest
    likelihood lies at the edge of the parameters that can be, and its gradient is not zero there.
    """
    for edge, mean in zip(family.domain, family.mean_range, strict=True):
        if not (family.may_leave and np.isfinite(edge)):
            continue
        distance = np.abs(eta - edge)
        held = int(np.count_nonzero(distance < _AT_EDGE * np.median(distance)))
        if held:
            rows = "a row" if held == 1 else f"{held} rows"
            return (
                f"The search ended where the mean of {rows} is {mean:g}, at the edge of what the "
                f"{family.link.name} link allows: the likelihood has no optimum inside. Estimates "
                "and standard errors are not valid; choose a link that has a mean for every "
                "predictor, such as log for counts and logit for shares."
            )
    return ""
