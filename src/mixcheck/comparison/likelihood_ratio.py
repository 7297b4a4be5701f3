"""The likelihood-ratio test of nested models."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import chdtrc

from mixcheck.comparison.nesting import (
    added_fixed,
    added_random,
    covariance_parameters,
    why_not_nested,
)
from mixcheck.comparison.same_data import (
    formula_of,
    require_comparable,
    require_one_likelihood,
    require_same_data,
)
from mixcheck.display.document import Document, Paragraph, PValue, Table
from mixcheck.display.render import to_fragment, to_text
from mixcheck.errors import ComparisonError
from mixcheck.model import Comparable, Converging

__all__ = ["LikelihoodRatio", "lrt"]

# A log-likelihood is a sum over observations, wrong by about 1e-9 of its size where the
# optimiser stopped at a scaled gradient of 1e-6.
_ABSOLUTE_ERROR = 1e-6
_RELATIVE_ERROR = 1e-8

_BOUNDARY = (
    "The larger model has further random effects, and a variance of zero lies on the boundary of "
    "what is possible: the chi-square distribution then gives a p-value that is too large, about "
    "twice the right one for a single variance. The test is conservative."
)


@dataclass(frozen=True)
class LikelihoodRatio:
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
        From the chi-square distribution with `df` degrees of freedom.
    boundary : bool
        Whether a variance lies on its boundary under the null, which makes `pvalue` too large.
    notes : tuple of str
        Sentences on what the p-value rests on.
    """

    null: str
    statistic: float
    df: int
    pvalue: float
    boundary: bool
    notes: tuple[str, ...] = ()

    def document(self) -> Document:
        """The test as a page."""
        table = Table(("statistic", "df", "p"), ((self.statistic, self.df, PValue(self.pvalue)),))
        notes = tuple(Paragraph(note, quiet=True) for note in self.notes)
        null = Paragraph(f"Null hypothesis: {self.null}.")
        return Document("Likelihood-ratio test", (null, table, *notes))

    def __str__(self) -> str:
        return to_text(self.document())

    def _repr_html_(self) -> str:
        return to_fragment(self.document())


def lrt(smaller: Comparable, larger: Comparable) -> LikelihoodRatio:
    """Test a model against a larger one that contains it.

    Nesting is judged by the column spaces of the model matrices, never by names of terms.

    Parameters
    ----------
    smaller, larger : Comparable
        Fitted to the same data, with one family, link and method.

    Returns
    -------
    LikelihoodRatio

    Raises
    ------
    ComparisonError
        If the data differ, the models are not nested, or the larger one did not reach its
        optimum (its likelihood is below that of the smaller one).
    OptionError
        If one of them has no likelihood.

    References
    ----------
    Self & Liang (1987), Journal of the American Statistical Association 82, 605-610, for
    variances on the boundary.

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
    for model in (smaller, larger):
        require_comparable(model, "lrt")
    named = {"the smaller model": smaller, "the larger model": larger}
    require_same_data(named)
    require_one_likelihood(named)
    _require_nested(smaller, larger)
    statistic = _statistic(smaller, larger)
    df = larger.n_parameters - smaller.n_parameters
    boundary = bool(added_random(smaller, larger))
    return LikelihoodRatio(
        null=_null_words(smaller, larger),
        statistic=statistic,
        df=df,
        pvalue=float(chdtrc(df, statistic)),
        boundary=boundary,
        notes=_notes(boundary, smaller, larger),
    )


def _require_nested(smaller: Comparable, larger: Comparable) -> None:
    reason = why_not_nested(smaller, larger)
    if not reason:
        return
    if not why_not_nested(larger, smaller):
        raise ComparisonError(
            f"{formula_of(larger)!r} is nested in {formula_of(smaller)!r}, not the other way "
            "round; write lrt(smaller, larger) with the simpler model first"
        )
    raise ComparisonError(
        f"{formula_of(smaller)!r} is not nested in {formula_of(larger)!r}: {reason}. A "
        "likelihood-ratio test needs nested models; rank others by mixcheck.compare"
    )


def _statistic(smaller: Comparable, larger: Comparable) -> float:
    statistic = 2.0 * (larger.llf - smaller.llf)
    rounding = _ABSOLUTE_ERROR + _RELATIVE_ERROR * abs(larger.llf)
    if statistic < -rounding:
        raise ComparisonError(
            f"the likelihood-ratio statistic is {statistic:.6g}, and it cannot be negative: the "
            f"larger model {formula_of(larger)!r} did not reach its optimum. See its .convergence, "
            "and fit it again, for example with centred and scaled predictors"
        )
    return max(statistic, 0.0)


def _null_words(smaller: Comparable, larger: Comparable) -> str:
    return (
        f"{formula_of(smaller)} describes the data as well as {formula_of(larger)}, that is, "
        f"{_parameter_words(smaller, larger)}"
    )


def _parameter_words(smaller: Comparable, larger: Comparable) -> str:
    parts = []
    fixed = added_fixed(smaller, larger)
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


def _notes(boundary: bool, smaller: Comparable, larger: Comparable) -> tuple[str, ...]:
    stopped = tuple(
        f"{formula_of(model)} did not converge: the statistic is not to be trusted."
        for model in (smaller, larger)
        if isinstance(model, Converging) and not model.convergence.converged
    )
    return (*((_BOUNDARY,) if boundary else ()), *stopped)
