"""The summary of a fit as a document."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from mixcheck.display.document import (
    Cell,
    Document,
    Facts,
    Heading,
    Paragraph,
    Places,
    PValue,
    Section,
    Table,
)
from mixcheck.display.shown import Shown
from mixcheck.fitting.estimation.pql import generalised_chi_square
from mixcheck.fitting.results.coefficient_table import describe_ddf, tabulate_coefficients
from mixcheck.fitting.results.estimates import Estimates

__all__ = ["Summary", "summarise"]

_PSEUDO = (
    "The estimates maximise a pseudo-likelihood: that of a working response, not of the responses. "
    "There is no AIC, BIC or likelihood-ratio test of it, and variances are biased downwards where "
    'groups hold little information. Write method="laplace" or "agq" for a likelihood.'
)
_MAP = (
    "The estimates are posterior modes, their errors those of the curvature of the log-posterior "
    "density, and their tests not those of a likelihood. There is no AIC, BIC or likelihood-ratio "
    "test; logo and loo score a fit with priors as any other."
)


@dataclass(frozen=True, repr=False)
class Summary(Shown):
    """A fit laid out for reading: text when printed, a table in a notebook.

    Attributes
    ----------
    page : Document
    """

    page: Document

    def document(self) -> Document:
        """The fit as a page."""
        return self.page

    def __str__(self) -> str:
        return self.to_text(width=88)

    __repr__ = __str__


def _coefficients(fit: Estimates, ddf: str) -> tuple[Table, Paragraph]:
    """Estimates, errors and intervals to one number of decimals a row, tests, and whose."""
    rows: list[tuple[Cell, ...]] = []
    table = tabulate_coefficients(fit, ddf, 0.95)
    for name, row in zip(fit.fixed_names, table.itertuples(index=False), strict=True):
        estimate, error, df, t, p, low, high = (float(value) for value in row)
        places = _places(error)
        estimated = (Places(v, places) for v in (estimate, error))
        bounds = (Places(v, places) for v in (low, high))
        # A test of a shape against a number nobody named says nothing.
        tested = (math.nan, math.nan) if name in fit.shape_names else (t, p)
        test = (Places(df, 1), Places(tested[0], 2), PValue(tested[1]))
        rows.append((name, *estimated, *test, *bounds))
    names = ("", "estimate", "std error", "df", "t", "pvalue", "low", "high")
    words = describe_ddf(fit, table.attrs["ddf"])
    return Table(names, tuple(rows)), Paragraph(f"Tests and 95 % intervals: {words}.")


def _places(error: float) -> int:
    """Decimals that show a standard error with four significant digits."""
    if not (math.isfinite(error) and error > 0.0):
        return 4
    return min(max(3 - math.floor(math.log10(error)), 0), 9)


def _components(frame: pd.DataFrame) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for group, name, variance, sd, corr in frame.itertuples(index=False, name=None):
        places = _places(abs(sd if math.isfinite(sd) else variance))
        estimated = (Places(v, places) for v in (variance, sd))
        rows.append((str(group), str(name), *estimated, Places(corr, 3)))
    return Table(tuple(map(str, frame.columns)), tuple(rows))


def summarise(fit: Estimates, ddf: str = "auto") -> Summary:
    """Lay out a fit: what was fitted, random part, fixed part, remarks.

    Degrees of freedom are those of `GLMM.coefficients`.
    """
    facts: dict[str, Cell] = {
        "formula": fit.formula_words,
        "family": f"{fit.family.name} ({fit.family.link.name})",
        "method": fit.method_words,
        **{f"prior of {name}": words for name, words in fit.priors.items()},
        "observations": fit.nobs,
        **{f"levels of {group}": m for group, m in fit.n_groups.items()},
        **_shape_facts(fit),
        **_likelihood_facts(fit),
        **{name: Places(value, 4) for name, value in fit.convergence.integration.items()},
    }
    sections = [
        Section(Heading("Fit"), (Facts(tuple(facts.items())),)),
        Section(Heading("Fixed effects"), _coefficients(fit, ddf)),
    ]
    if len(fit.variance_components):
        random = _components(fit.variance_components)
        sections.insert(1, Section(Heading("Random effects"), (random,)))
    remarks = dict.fromkeys((*fit.notes, *fit.convergence.messages))
    if fit.method.kind == "pseudo":
        remarks[_PSEUDO] = None
    if fit.priors:
        remarks[_MAP] = None
    if remarks:
        sections.append(Section(Heading("Remarks"), tuple(map(Paragraph, remarks))))
    return Summary(Document("Generalized linear mixed model", tuple(sections)))


def _shape_facts(fit: Estimates) -> dict[str, Cell]:
    """Shapes whose link is not the identity, on their own scale."""
    links = dict(zip(fit.family.predictors, fit.family.links, strict=True))
    return {
        str(name): f"{row.estimate:.4g} (95 % from {row.low:.4g} to {row.high:.4g})"
        for name, row in fit.shapes.iterrows()
        if links[str(name)].name != "identity"
    }


def _likelihood_facts(fit: Estimates) -> dict[str, Cell]:
    facts: dict[str, Cell] = {fit.llf_name: Places(fit.llf, 4)}
    if fit.priors:
        return facts | {"log-posterior density": Places(fit.log_posterior, 4)}
    if fit.method.kind != "pseudo":
        return facts | {"AIC": Places(fit.aic, 4), "BIC": Places(fit.bic, 4)}
    chi_square = generalised_chi_square(fit.problem, fit.mode)
    return facts | {"generalised chi-square": Places(chi_square, 4)}
