"""Where a null hypothesis lies on a boundary, and which distribution follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.comparison.chi_bar_square import (
    ChiBarSquare,
    chi_square,
    half_and_half,
    orthant_mixture,
)
from mixcheck.comparison.column_space import spans
from mixcheck.comparison.nesting import added_random, known_effects, part_words, vanishing_parts
from mixcheck.errors import ComparisonError
from mixcheck.port import Comparable, Covarying

__all__ = ["Reference", "boundary_reference"]

# Largest condition number of a correlation matrix of variances that is still used.
_CONDITION = 1e8


@dataclass(frozen=True)
class Reference:
    """The distribution of a likelihood-ratio statistic under the null hypothesis.

    Attributes
    ----------
    mixture : ChiBarSquare
    reason : str
        A sentence on where it comes from; empty for the ordinary chi-square.
    """

    mixture: ChiBarSquare
    reason: str = ""


def boundary_reference(smaller: Comparable, larger: Comparable) -> Reference:
    """The limit of the likelihood-ratio statistic of nested models.

    New variances are half-lines, and so are a dispersion and a zero inflation at whose end the
    family is the simpler one; whatever else is new (fixed effects, covariances with effects of
    the simpler model) is free and adds degrees of freedom. The variances of the simpler model
    must be positive.

    Raises
    ------
    ComparisonError
        If something new has parameters that do not exist under the null hypothesis (Davies 1977).

    References
    ----------
    Davies (1977), Biometrika 64, 247-254; Self & Liang (1987), Journal of the American
    Statistical Association 82, 605-610; Stram & Lee (1994), Biometrics 50, 1171-1177; Baey,
    Cournede & Kuhn (2019), Computational Statistics and Data Analysis 135, 107-122.
    """
    df = larger.n_parameters - smaller.n_parameters
    vanishing = vanishing_parts(smaller, larger)
    if vanishing:
        return _at_limit_of_family(smaller, larger, vanishing, df)
    if not added_random(smaller, larger):
        return Reference(chi_square(df))
    if not isinstance(larger, Covarying):
        return _bound(df, "this model does not say how its random effects covary")
    estimates = larger.covariance_estimates
    lost = [name for name in added_random(smaller, larger) if name in estimates.vanishing]
    if lost:
        raise ComparisonError(
            f"where the variance of {lost[0].partition(': ')[2]} is zero, its correlation does not "
            "exist, so that the likelihood ratio has no known distribution under the simpler "
            "model; write mixcheck.bootstrap_lrt"
        )
    new = new_effects(smaller, larger)
    joint = {(term, frozenset((i, j))) for term, i, j in estimates.entries if i != j}
    if any(
        (term, frozenset((i, j))) in joint for term, i in new for other, j in new if other == term
    ):
        return _bound(df, "several correlated random effects are new at once")
    if len(new) == 1:
        return Reference(half_and_half(df - 1), "One variance is zero under the null hypothesis")
    places = [estimates.entries.index((term, i, i)) for term, i in new]
    covariance = estimates.covariance[np.ix_(places, places)]
    if not _is_regular(estimates.values[places], covariance):
        return _bound(df, "a new variance is estimated as zero, so its precision is unknown")
    mixture = orthant_mixture(covariance).shift(df - len(new))
    reason = (
        f"{len(new)} variances are zero under the null hypothesis; the weights follow from the "
        "covariance of their estimates"
    )
    if mixture.error:
        reason += f", by simulation with a standard error of {mixture.error:.1g}"
    return Reference(mixture, reason)


def _at_limit_of_family(
    smaller: Comparable, larger: Comparable, vanishing: Sequence[str], df: int
) -> Reference:
    """Where one or more predictors of the larger model are at an end of their range."""
    for name in vanishing:
        grouped = any(term.startswith(f"{name}: ") for term in larger.random_terms)
        if larger.fixed_matrices[name].shape[1] > 1 or grouped:
            raise ComparisonError(
                f"where the {part_words(name)} of the larger model is at its end, what it depends "
                "on does not exist, so that the likelihood ratio has no known distribution under "
                "the simpler model; write mixcheck.bootstrap_lrt"
            )
    if len(vanishing) > 1 or added_random(smaller, larger):
        return _bound(df, "several parameters are on their boundary at once")
    part = part_words(vanishing[0])
    return Reference(
        half_and_half(df - 1),
        f"Under the null hypothesis the {part} of the larger model is at an end",
    )


def new_effects(smaller: Comparable, larger: Comparable) -> list[tuple[str, int]]:
    """Term and position of each random effect that the smaller model has not."""
    out: list[tuple[str, int]] = []
    for name in added_random(smaller, larger):
        Z = larger.random_terms[name][1]
        known: FloatArray = known_effects(smaller, larger, name)
        for j in range(Z.shape[1]):
            if not spans(known, Z[:, [j]]):
                out.append((name, j))
                known = np.column_stack([known, Z[:, j]])
    return out


def _bound(df: int, why: str) -> Reference:
    """The largest p-value that any cone of this dimension allows.

    The weights of odd and of even degrees of freedom each sum to one half (Shapiro 1987).
    """
    return Reference(
        half_and_half(df - 1),
        f"The weights of the mixture are unknown ({why}): this is the largest p-value that they "
        "allow, and the test is conservative. mixcheck.bootstrap_lrt needs no weights",
    )


def _is_regular(values: FloatArray, covariance: FloatArray) -> bool:
    variances = np.diag(covariance)
    if not (np.all(np.isfinite(covariance)) and np.all(values > 0.0) and np.all(variances > 0.0)):
        return False
    scale = np.sqrt(variances)
    return bool(np.linalg.cond(covariance / np.outer(scale, scale)) < _CONDITION)
