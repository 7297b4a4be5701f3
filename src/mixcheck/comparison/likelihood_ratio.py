"""The likelihood-ratio test of nested models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_choice
from mixcheck.comparison.boundary import Reference, boundary_reference
from mixcheck.comparison.chi_bar_square import chi_square
from mixcheck.comparison.nesting import (
    added_fixed,
    added_random,
    contains,
    covariance_parameters,
    part_words,
    vanishing_parts,
    why_not_nested,
)
from mixcheck.comparison.record import Record
from mixcheck.comparison.same_data import (
    formula_of,
    require_comparable,
    require_one_likelihood,
    require_same_data,
)
from mixcheck.display.document import Document, Paragraph, PValue, Table
from mixcheck.errors import ComparisonError
from mixcheck.port import Comparable, Converging, Ported

__all__ = ["Boundary", "LikelihoodRatio", "likelihood_ratio", "lrt", "null_words", "require_nested"]

Boundary: TypeAlias = Literal["chi-bar-square", "chi-square"]

# A log-likelihood is a sum over observations, wrong by about 1e-9 of its size where the
# optimiser stopped at a scaled gradient of 1e-6.
_ABSOLUTE_ERROR = 1e-6
_RELATIVE_ERROR = 1e-8

_PLAIN = (
    "Under the null hypothesis a variance is zero, or another parameter at an end of its range, "
    "which is the boundary of what is possible: the chi-square distribution then gives a p-value "
    "that is too large, about twice the right one for a single such parameter. The test is "
    "conservative."
)


@answer_methods
@dataclass(frozen=True)
class LikelihoodRatio(Record):
    """A likelihood-ratio test.

    Attributes
    ----------
    null : str
        The null hypothesis, in words.
    statistic : float
        Twice the difference of the log-likelihoods.
    df : int
        Number of parameters that the larger model adds.
    pvalue : float
        From the distribution that `weights` describe.
    boundary : bool
        Whether a variance, a dispersion or a zero inflation lies on its boundary under the null
        hypothesis.
    weights : tuple of (int, float)
        The reference distribution: degrees of freedom of chi-squares and their weights.
    weight_error : float
        Standard error of the weights, where they were simulated.
    notes : tuple of str
        Sentences on what the p-value rests on.
    """

    null: str
    statistic: float
    df: int
    pvalue: float
    boundary: bool
    weights: tuple[tuple[int, float], ...]
    weight_error: float = 0.0
    notes: tuple[str, ...] = ()

    def document(self) -> Document:
        """The test as a page."""
        law = " + ".join(
            f"chi-square({df})" if weight == 1.0 else f"{weight:.4g} chi-square({df})"
            for df, weight in self.weights
        )
        table = Table(
            ("statistic", "df", "distribution", "p"),
            ((self.statistic, self.df, law, PValue(self.pvalue)),),
        )
        notes = tuple(Paragraph(note, quiet=True) for note in self.notes)
        null = Paragraph(f"Null hypothesis: {self.null}.")
        return Document("Likelihood-ratio test", (null, table, *notes))

    def to_frame(self) -> pd.DataFrame:
        """One row: statistic, df, pvalue, boundary."""
        return pd.DataFrame(
            {
                "statistic": [self.statistic],
                "df": [self.df],
                "pvalue": [self.pvalue],
                "boundary": [self.boundary],
            }
        )


@answer_calls
def lrt(
    smaller: Comparable | Ported,
    larger: Comparable | Ported,
    *,
    boundary: Boundary | None = None,
) -> LikelihoodRatio:
    """Test a model against a larger one that contains it.

    Nesting is judged by the column spaces of the model matrices, never by names of terms.

    Parameters
    ----------
    smaller, larger : Comparable
        Fitted to the same data, with one link and method. Families are one, or that of the
        smaller model is a limit of the larger one's: Poisson of a negative binomial, binomial of
        a beta-binomial, Gaussian of a t, any family of its zero inflation.
    boundary : {"chi-bar-square", "chi-square"}, optional
        The distribution of the statistic under the null hypothesis. By default it follows from
        what differs: where the larger model has further random effects, or a further dispersion
        or zero inflation, the null hypothesis lies on the boundary and the distribution is a
        mixture of chi-squares; otherwise it is the chi-square, as it is wherever
        ``"chi-square"`` is asked for.

    Returns
    -------
    LikelihoodRatio

    Raises
    ------
    ComparisonError
        If the data differ, the models are not nested, or the larger one did not reach its
        optimum (its likelihood is below that of the smaller one).
    OptionError
        If one of them has no likelihood, or `boundary` is unknown.

    Notes
    -----
    One new variance, or one dispersion or zero inflation at whose end the family is that of the
    smaller model, beside q new covariances and fixed effects, gives equal parts of chi-squares
    with q and q + 1 degrees of freedom. Several new independent variances give
    weights that depend on the covariance of their estimates. Several correlated random effects
    that are new at once give a p-value that is only known to be no larger than the one
    reported, as the notes of the result then say. All of it holds for many groups, and where
    the variances of the simpler model are positive; `mixcheck.bootstrap_lrt` needs neither.

    References
    ----------
    Chernoff (1954), Annals of Mathematical Statistics 25, 573-578; Self & Liang (1987), Journal
    of the American Statistical Association 82, 605-610; Stram & Lee (1994), Biometrics 50,
    1171-1177; Baey, Cournede & Kuhn (2019), Computational Statistics and Data Analysis 135,
    107-122.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> null = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    >>> full = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> test = mc.lrt(null, full)
    >>> test.df, round(test.statistic, 2), test.pvalue < 0.001
    (3, 25.61, True)
    """
    if boundary is not None:
        require_choice("boundary", boundary, ("chi-bar-square", "chi-square"), ", or leave it out")
    simple, wide = require_nested(smaller, larger, "lrt")
    statistic = likelihood_ratio(simple, wide)
    df = wide.n_parameters - simple.n_parameters
    on_boundary = bool(added_random(simple, wide) or vanishing_parts(simple, wide))
    plain = Reference(chi_square(df), _PLAIN if on_boundary else "")
    reference = plain if boundary == "chi-square" else boundary_reference(simple, wide)
    return LikelihoodRatio(
        null=null_words(simple, wide),
        statistic=statistic,
        df=df,
        pvalue=reference.mixture.sf(statistic),
        boundary=on_boundary,
        weights=reference.mixture.weights,
        weight_error=reference.mixture.error,
        notes=_notes(reference, simple, wide),
    )


def require_nested(smaller: object, larger: object, what: str) -> tuple[Comparable, Comparable]:
    """Ports of two models, the smaller one within the larger one.

    Raises
    ------
    ComparisonError, OptionError
    """
    simple, wide = require_comparable(smaller, what), require_comparable(larger, what)
    named = {"the smaller model": simple, "the larger model": wide}
    require_same_data(named)
    require_one_likelihood(named)
    _require_order(simple, wide, what)
    return simple, wide


def _require_order(smaller: Comparable, larger: Comparable, what: str) -> None:
    reason = why_not_nested(smaller, larger)
    if not reason:
        return
    if not why_not_nested(larger, smaller):
        raise ComparisonError(
            f"{formula_of(larger)!r} is nested in {formula_of(smaller)!r}, not the other way "
            f"round; write {what}(smaller, larger) with the simpler model first"
        )
    wider = larger.n_parameters > smaller.n_parameters
    one_family = smaller.description.get("family") == larger.description.get("family")
    if wider and one_family and contains(larger, smaller):
        raise ComparisonError(
            f"{formula_of(smaller)!r} is a special case of {formula_of(larger)!r} by a covariance "
            f"that ties its random effects, and {what} knows none of these; rank them by "
            "mixcheck.compare"
        )
    raise ComparisonError(
        f"{formula_of(smaller)!r} is not nested in {formula_of(larger)!r}: {reason}. A "
        "likelihood-ratio test needs nested models; rank others by mixcheck.compare"
    )


def likelihood_ratio(smaller: Comparable, larger: Comparable) -> float:
    """``2 (l_larger - l_smaller)``.

    Raises
    ------
    ComparisonError
        If it is negative beyond rounding.
    """
    statistic = 2.0 * (larger.llf - smaller.llf)
    rounding = _ABSOLUTE_ERROR + _RELATIVE_ERROR * abs(larger.llf)
    if statistic < -rounding:
        raise ComparisonError(
            f"the likelihood-ratio statistic is {statistic:.6g}, and it cannot be negative: the "
            f"larger model {formula_of(larger)!r} did not reach its optimum. See its .convergence, "
            "and fit it again, for example with centred and scaled predictors"
        )
    return max(statistic, 0.0)


def null_words(smaller: Comparable, larger: Comparable) -> str:
    """The null hypothesis of a likelihood-ratio test."""
    return (
        f"{formula_of(smaller)} describes the data as well as {formula_of(larger)}, that is, "
        f"{_parameter_words(smaller, larger)}"
    )


def _parameter_words(smaller: Comparable, larger: Comparable) -> str:
    parts, vanishing = [], vanishing_parts(smaller, larger)
    if vanishing:
        families = (model.description.get("family") for model in (larger, smaller))
        ends = " and ".join(part_words(name) for name in vanishing)
        parts.append("{} is {}, at the end of its {}".format(*families, ends))
    fixed = added_fixed(smaller, larger)
    fixed -= sum(int(larger.fixed_matrices[name].shape[1]) for name in vanishing)
    if fixed:
        parts.append(f"{fixed} further fixed effect{'s are' if fixed > 1 else ' is'} zero")
    terms = added_random(smaller, larger)
    if terms:
        main = next(iter(larger.fixed_matrices), "")
        names = ", ".join(term.removeprefix(f"{main}: ") for term in terms)
        parts.append(f"no variance of {names} beyond those of the simpler model")
    elif covariance_parameters(larger) > covariance_parameters(smaller):
        parts.append("random effects of one group are uncorrelated")
    return " and ".join(parts)


def _notes(reference: Reference, smaller: Comparable, larger: Comparable) -> tuple[str, ...]:
    notes = [f"{reference.reason.removesuffix('.')}."] if reference.reason else []
    notes += [
        f"{formula_of(model)} did not converge: the statistic is not to be trusted."
        for model in (smaller, larger)
        if isinstance(model, Converging) and not model.convergence.converged
    ]
    if reference.reason and isinstance(smaller, Converging) and smaller.convergence.singular:
        notes.append(
            "The simpler model has a variance estimated as zero, where the distribution of the "
            "statistic is not known; mixcheck.bootstrap_lrt simulates it."
        )
    return tuple(notes)
