"""The public verb: formula and data in, fitted model out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.design import (
    Design,
    ModelFormula,
    build_design,
    divide_dispersion,
    has_terms,
    parse_formula,
    with_shapes,
    without_intercept,
)
from mixcheck.design.frames import row_label
from mixcheck.errors import (
    BoundaryWarning,
    ConvergenceError,
    ConvergenceWarning,
    DesignError,
    FamilyError,
    OptionError,
    SeparationError,
    SeparationWarning,
)
from mixcheck.execution.memory import keep_memory
from mixcheck.families import Family, get_family
from mixcheck.families.zero_part import add_zeros
from mixcheck.fitting.estimation.by_iterations import estimate_by_iterations
from mixcheck.fitting.estimation.constant_groups import estimate_determined, may_be_wide, wide_terms
from mixcheck.fitting.estimation.estimate import estimate, estimate_refined
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.estimation.gaussian_chains import estimate_chains
from mixcheck.fitting.estimation.identification import require_identified
from mixcheck.fitting.estimation.limit_search import estimate_at_limits
from mixcheck.fitting.estimation.limits import Limits, find_limits
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.ordered import separated_beside_thresholds
from mixcheck.fitting.estimation.sizes import fit_to_size
from mixcheck.fitting.estimation.start import FixedFit, fit_without_random_effects
from mixcheck.fitting.estimation.wide_groups import integrate_alike, integrate_wide
from mixcheck.fitting.likelihood.approximation import Approximation, Method
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import HessianKind
from mixcheck.fitting.likelihood.penalty import read_priors
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.methods import MethodName, read_method
from mixcheck.fitting.results.explanations import explain_complete, explain_unidentified
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.notices import warn
from mixcheck.port import ConvergenceFacts
from mixcheck.priors import Prior

__all__ = [
    "glmm",
    "parse_parts",
    "require_estimable",
    "require_overlap",
    "warn_of",
    "with_trials",
]


@answer_calls
def glmm(
    formula: str,
    data: object,
    *,
    family: str | Family | type[Family] = "gaussian",
    zi: str | None = None,
    dispersion: str | None = None,
    weights: str | ArrayLike | None = None,
    precision: str | None = None,
    offset: str | ArrayLike | None = None,
    method: MethodName = "laplace",
    nodes: int | Literal["auto"] = "auto",
    hessian: HessianKind = "observed",
    reml: bool = False,
    draws: int | None = None,
    seed: int | None = None,
    priors: Mapping[str, Prior] | None = None,
    context: Mapping[str, Any] | None = None,
) -> GLMM:
    """Fit a generalized linear mixed model by maximum likelihood.

    Parameters
    ----------
    formula : str
        ``"y ~ x + (1 + x | g)"`` in the language of lme4: ``(x || g)``, ``(1 | a/b)``,
        ``(1 | a:b)``, several terms nested or crossed, ``offset(log(e))``; structures as in
        ``ar1(0 + t | g)``, ``cs(0 + visit | g)`` and ``propto(1 | species, K)``. A binomial
        response is ``k / n``, ``cbind(k, n - k)`` or 0/1. Operators are R's. A formula is data:
        it is never executed, and has only functions of a fixed list and of `context`.
    data : table
        pandas, polars, pyarrow, duckdb or a dict of columns; never changed.
    family : str or Family
        "gaussian", "binomial", "poisson", "t", "ordinal", .., or
        ``mc.families.Binomial(link="probit")``.
    zi : str, optional
        Formula of a zero part on the logit scale, such as ``"~ 1"`` or ``"~ x + (1 | g)"``:
        more zeros than the family has, or, for a family without zeros (truncated counts,
        gamma, lognormal), zeros of their own. ``"~ 0"`` is not a zero part, as in glmmTMB.
    dispersion : str, optional
        Formula of the log dispersion of a family that has one, such as ``"~ x"``.
    weights : str or (n,), optional
        Multipliers of each row's log density: a row of weight two is two rows (frequency
        weights), save that ``nobs`` and BIC count it as one; residuals and checks have both
        rows, and need whole numbers. For a binomial response in one column, the number of trials
        of the proportion. A Series is matched with `data` by its index.
    precision : str, optional
        Column of positive numbers by which the variance of each row is divided, such as the
        number of measurements behind a mean (``weights`` of lme4's lmer): "gaussian", and
        "gamma", whose shape they multiply. It is an offset of the dispersion.
    offset : str or (n,), optional
        Added to the predictor of the mean; a Series is matched by its index.
    method : {"laplace", "agq", "importance", "profiled", "pql"}
        Laplace approximation, or adaptive Gauss-Hermite quadrature (one grouping factor with
        up to three random effects a level), or importance sampling around the conditional modes
        (any random effects, crossed ones too; a maximum likelihood fit up to the Monte Carlo
        error in ``fit.convergence.integration``). "profiled" finds the fixed effects of the mean
        together with the random ones (nAGQ = 0 of lme4): fast, and less accurate. "pql" is
        penalised quasi-likelihood (MSPL; RSPL with ``reml=True``), for parity with SAS, SPSS
        and MATLAB: it has no likelihood of the responses.
    nodes : int or "auto"
        Quadrature nodes per dimension; "auto" raises them until the log-likelihood settles
        to 1e-5.
    hessian : {"observed", "expected"}
        Information in the Laplace approximation: the observed one (as TMB), or the expected
        one (as lme4; the same for canonical links).
    reml : bool
        Restricted likelihood: the fixed effects of the mean are integrated out under a flat
        prior, which takes the bias from variances. Exact for a Gaussian response with the
        identity link; otherwise within the Laplace approximation. Standard errors of the fixed
        effects are then given the variances.
    draws : int, optional
        Points of importance sampling for the random effects that meet, a power of two; 1024 by
        default. They are the same in each evaluation and in each refit.
    seed : int, optional
        Another scrambling of these points.
    priors : mapping of str to Prior, optional
        Distributions from `mixcheck.priors`, by the names of coefficients as `GLMM.params` has
        them, and ``"sd(group)"``, ``"sd(group, effect)"`` or ``"cor(group)"`` for standard
        deviations and correlations of random effects. The estimates are then posterior modes
        (MAP): coefficients that predictors separate, and variances that would be zero, have
        finite and positive ones. `GLMM.llf` is the likelihood without the priors, and
        `GLMM.log_posterior` has them; there is no AIC, BIC or likelihood-ratio test.
    context : mapping, optional
        Functions and constants for the formula, by name. Functions are called, and so trusted;
        values of rows are columns of the data.

    Returns
    -------
    GLMM

    Raises
    ------
    FormulaError, UnknownColumnError, DataError, FamilyError, OptionError
        For a wrong call.
    DesignError
        For a model that the data cannot identify.
    SeparationError
        If predictors separate the responses completely.
    ConvergenceError
        If the likelihood is nowhere finite, or the weights of importance sampling degenerate.

    Warns
    -----
    ConvergenceWarning, BoundaryWarning, SeparationWarning, DataWarning

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software 67(1);
    Kristensen et al. (2016), Journal of Statistical Software 70(5).

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(fit.llf, 4)
    -92.0263
    """
    way = read_method(method, nodes=nodes, hessian=hessian, reml=reml, draws=draws, seed=seed)
    chosen = get_family(family)
    if zi is not None and has_terms(zi, "zi"):
        chosen = add_zeros(chosen)
    design = _design(formula, data, chosen, zi, dispersion, weights, precision, offset, context)
    chosen = chosen.adapt(design.response, design.labels)
    design = with_shapes(design, chosen.shapes, chosen.predictors)
    asked = {
        **{"formula": formula, "family": get_family(family), "zi": zi, "dispersion": dispersion},
        **{"precision": precision, "method": method, "nodes": nodes, "hessian": hessian},
        **{"reml": reml, "draws": draws, "seed": seed, "priors": priors, "context": context},
    }
    design = replace(design, asked={**design.asked, **asked})
    keep_memory()
    problem = arrange(design, chosen)
    penalty = read_priors(priors, design, problem)
    if penalty is not None:
        _require_marginal(way)
        problem = replace(problem, penalty=penalty)
    problem = fit_to_size(problem, way)
    require_identified(problem)
    known = estimate_chains(problem, way)
    if known is not None or is_profiled(problem):
        fixed, limits = None, None
    else:
        fixed = fit_without_random_effects(problem)
        limits = find_limits(problem, fixed)
        require_estimable(design, problem, limits)
        if limits is None:
            require_overlap(design, problem, fixed)
    try:
        fit = _fit(design, problem, fixed, limits, way, known)
    except MemoryError as error:
        raise DesignError(
            f"the memory was used up by a model of {problem.n:,} rows, {problem.n_beta:,} fixed "
            f"effects and {sum(f.q * f.m for f in problem.latent.factors):,} random effects; fit "
            "a smaller model, or fewer rows"
        ) from error
    warn_of(fit.convergence)
    return fit


def _require_marginal(method: Method) -> None:
    """Refuse priors where what is maximised is not a function of all parameters."""
    if method.joint:
        raise OptionError(
            f"priors= belong to all parameters, and by {method} the fixed effects of the mean are "
            "none of those that are searched; leave method and reml out"
        )


def _fit(
    design: Design,
    problem: Problem,
    fixed: FixedFit | None,
    limits: Limits | None,
    method: Method,
    known: Optimum | None = None,
) -> GLMM:
    method.require(problem)
    if problem.latent.iterative:
        return _fit_by_iterations(design, problem, limits, method)
    if fixed is None:
        optimum = known or estimate(problem, method)
        method = method.refine(problem, optimum.evaluation)
        return GLMM(GlmmPort(design, problem, optimum, method, design.notes))
    chosen = method

    def search(known: Problem, start: FixedFit, *, tails: bool = False) -> Optimum:
        nonlocal chosen
        determined = estimate_determined(known) or integrate_alike(known, method, start)
        if determined is not None:
            chosen = method.settle()
            return determined
        if method.settled or not isinstance(method, Approximation):
            optimum = estimate(known, method, start, tails=tails)
        else:
            optimum, chosen = _estimate_finely(known, method, start, tails=tails)
        left = method.joint or optimum.on_tail
        exact = None if left else integrate_wide(known, optimum)
        if exact is not None:
            chosen = method.settle()
            return exact
        return optimum

    optimum, limits = estimate_at_limits(problem, limits, fixed, method, search)
    fit = GlmmPort(design, problem, optimum, chosen, design.notes, limits)
    # The fit itself knows its limits already; a copy would look for them again.
    further = fit.limit_notes
    return GLMM(replace(fit, notes=(*design.notes, *further)) if further else fit)


def _fit_by_iterations(
    design: Design, problem: Problem, limits: Limits | None, method: Method
) -> GLMM:
    """The fit of crossed effects without a matrix of their pairs."""
    if limits is not None:
        raise DesignError(
            "the crossed random effects are too many for a matrix of their pairs, and estimates "
            "without a finite value are not found by iterations: leave out one of the crossed "
            "terms, or the predictors that separate the responses"
        )
    optimum, remainder = estimate_by_iterations(problem, method)
    note = (
        "The crossed random effects are too many for a matrix of their pairs. The log determinant "
        "of their system is estimated by probes, and the log-likelihood known to a standard error "
        f"of {0.5 * remainder.error:.1g}."
    )
    known = replace(problem, remainder=remainder)
    return GLMM(GlmmPort(design, known, optimum, method, (*design.notes, note)))


def _estimate_finely(
    problem: Problem, method: Approximation, start: FixedFit, *, tails: bool
) -> tuple[Optimum, Approximation]:
    """As fine as it takes; where groups all but determine responses nothing is fine enough."""
    try:
        return estimate_refined(problem, method, start, tails=tails)
    except ConvergenceError:
        if not may_be_wide(problem):
            raise
        method = method.settle()
        optimum = estimate(problem, method, start)
        if not wide_terms(problem, optimum):
            raise
        return optimum, method


def _design(
    formula: str,
    data: object,
    family: Family,
    zi: str | None,
    dispersion: str | None,
    weights: str | ArrayLike | None,
    precision: str | None,
    offset: str | ArrayLike | None,
    context: Mapping[str, Any] | None,
) -> Design:
    parsed = parse_parts(formula, family, zi, dispersion, precision, data)
    design = build_design(
        parsed,
        data,
        weights=weights,
        offset=offset,
        ratio_is_trials=family.takes_trials,
        categories=family.takes_categories,
        context=context,
    )
    if family.takes_categories:
        design = without_intercept(design)
    return with_trials(design, family.name) if family.takes_trials else design


def parse_parts(
    formula: str,
    family: Family,
    zi: str | None,
    dispersion: str | None,
    precision: str | None,
    data: object,
) -> ModelFormula:
    """The formulas of all predictors; see `glmm`.

    Raises
    ------
    FormulaError, OptionError, DataError
    """
    if dispersion is not None and "dispersion" not in family.predictors:
        raise OptionError(
            f"the {family.name} family has no dispersion to model; leave "
            f"dispersion={shown(dispersion)} "
            "out, or add a random effect for each observation"
        )
    if precision is not None and family.precision_power is None:
        raise OptionError(
            f"precision={shown(precision)} divides a variance, and that of the {family.name} "
            'family is not free for it: it belongs to "gaussian" and "gamma". For rows that stand '
            "for several, write weights=; for exposures, offset="
        )
    given = {"dispersion": dispersion, "zi": zi}
    parts = {name: given[name] for name in family.predictors if name in given}
    parts = {name: "~ 1" if part is None else part for name, part in parts.items()}
    parsed = parse_formula(formula, **parts)
    if precision is not None and family.precision_power is not None:
        parsed = divide_dispersion(parsed, precision, family.precision_power, data)
    return parsed


def with_trials(design: Design, family: str) -> Design:
    """A design whose weights are trials only where the response does not have them."""
    y, size, weights = design.response, design.size, design.weights
    if weights is None:
        return design
    if size is None:
        # A proportion in one column with weights: the weights are its trials.
        wrong = np.flatnonzero((y < 0.0) | (y > 1.0))
        if wrong.size:
            raise FamilyError(
                f"A {family} response in one column with weights=, which are its trials, is the "
                f"proportion of successes, from 0 to 1; {wrong.size} of {y.size} rows are not: "
                f"{y[wrong[0]]:g} in {row_label(design.frame, int(wrong[0]))}. For counts write "
                "successes / trials, or cbind(successes, failures), without weights="
            )
        return replace(design, response=y * weights, size=weights, weights=None)
    if design.formula.response.kind == "ratio" and np.array_equal(size, weights) and size.max() > 1:
        counts, trials = design.formula.response.parts
        raise OptionError(
            f"the response `{counts} / {trials}` has its trials, and weights= are the same numbers "
            "once more, so that each row would count as many times as it has trials; leave "
            "weights= out"
        )
    return design


def require_overlap(design: Design, problem: Problem, fixed: FixedFit) -> None:
    """Refuse predictors that tell ordered categories exactly with thresholds that follow.

    Raises
    ------
    SeparationError
    """
    moved = separated_beside_thresholds(problem, fixed)
    if moved:
        raise SeparationError(explain_complete([design.predictors[0].columns[j] for j in moved]))


def require_estimable(design: Design, problem: Problem, limits: Limits | None) -> None:
    """Refuse a model of which a whole part has no estimate at all.

    Raises
    ------
    DesignError, SeparationError
    """
    parts = () if limits is None else limits.parts
    for part, found in zip(design.predictors, parts, strict=False):
        if found is None or not found.complete:
            continue
        if not found.rows.any():
            raise DesignError(explain_unidentified(part.name, problem.family))
        if part is design.predictors[0]:
            moving = np.flatnonzero(found.direction)
            raise SeparationError(explain_complete([part.columns[j] for j in moving]))


def warn_of(facts: ConvergenceFacts) -> None:
    """Warn of what is wrong where a search ended."""
    category: type[Warning]
    if not facts.converged:
        category = ConvergenceWarning
    elif facts.limits:
        category = SeparationWarning
    elif facts.singular:
        category = BoundaryWarning
    else:
        return
    warn(" ".join(facts.messages), category)
