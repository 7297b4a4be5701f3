"""What a fit says of its parameters: estimates, uncertainty, likelihood, convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design import Design, Predictor
from mixcheck.errors import ComparisonError
from mixcheck.families import Family
from mixcheck.fitting.estimation.constant_groups import determined_terms, is_constant_in, wide_terms
from mixcheck.fitting.estimation.curvature import covariance_at
from mixcheck.fitting.estimation.gaussian import deviations_of_gaussian, is_profiled
from mixcheck.fitting.estimation.information import (
    conditional_variances,
    find_runaway,
    judge_convergence,
    measure_lost_digits,
    measure_rounding,
    number_singular,
)
from mixcheck.fitting.estimation.laplace_error import compare_with_finer, unavailable
from mixcheck.fitting.estimation.limits import Limits, mute_rows, reason_at, within_limits
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum
from mixcheck.fitting.latent.roots import scale
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.predictive.data_view import name_terms
from mixcheck.fitting.results.covariances import component_rows, describe_parameters
from mixcheck.fitting.results.explanations import explain_edge, explain_limits
from mixcheck.inference.wald import wald_intervals, wald_pvalues
from mixcheck.port import ApproximationFacts, ConvergenceFacts
from mixcheck.port.estimates import Limit, LimitReason

__all__ = ["Estimates"]


@lru_cache(maxsize=256)
def _index_of(names: tuple[str, ...]) -> pd.Index[str]:
    """Labels that fits of the same names share; each has views, which it may rename."""
    return pd.Index(list(names))


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Parameters of a fitted model and what is known of them, by the names of `mixcheck.GLMM`.

    Attributes
    ----------
    design : Design
        Formula and data as arrays.
    problem : Problem
        The same, arranged for the fitter.
    optimum : Optimum
        Where the optimiser stopped.
    method : Method
        How the likelihood was approximated.
    notes : tuple of str
        Sentences on what was found before fitting: rows left out, separation.
    limits : Limits or None
        Coefficients that the support of the family shows to have no finite estimate.
    """

    design: Design
    problem: Problem
    optimum: Optimum
    method: Method
    notes: tuple[str, ...] = ()
    limits: Limits | None = None

    # ---- what was fitted -----------------------------------------------------------------

    @property
    def family(self) -> Family:
        """Distribution of the response, with the link of its mean."""
        return self.problem.family

    @property
    def formula(self) -> str:
        """The formula as it was written."""
        return self.design.formula.text

    @property
    def formula_words(self) -> str:
        """The formula with those of the other predictors that were asked for."""
        return "; ".join([self.formula, *self.design.formula.others])

    @property
    def method_words(self) -> str:
        """How the likelihood was approximated, and what was maximised."""
        return f"{self.method}, posterior mode (MAP)" if self.priors else str(self.method)

    @property
    def frame(self) -> pd.DataFrame:
        """The caller's rows that were used, with all columns and their index."""
        return self.design.frame

    @property
    def nobs(self) -> int:
        """Number of observations (rows used)."""
        return self.problem.n

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: fixed effects, covariance, dispersion."""
        return self.optimum.psi.size

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {t.block.group: t.block.m for t in self.problem.terms}

    # ---- estimates -----------------------------------------------------------------------

    @cached_property
    def _shown(self) -> IntArray:
        """Positions of the fixed effects in `params`: all but a constant dispersion."""
        keep: list[int] = []
        for part, where in zip(self.design.predictors, self.problem.beta_slices, strict=True):
            if not _is_constant_dispersion(part):
                keep.extend(range(where.start, where.stop))
        return np.asarray(keep, dtype=np.intp)

    @cached_property
    def _names(self) -> list[str]:
        return [
            self._name(part, column)
            for part in self.design.predictors
            if not _is_constant_dispersion(part)
            for column in part.columns
        ]

    def _name(self, part: Predictor, column: str) -> str:
        """Name of a fixed effect: bare for the mean, behind its predictor for others."""
        if part.name == "mean":
            return column
        if part.name not in self.family.shapes:
            return f"{part.name}: {column}"
        link = self.family.links[self.family.predictors.index(part.name)].name
        return part.name if link == "identity" else f"{link}({part.name})"

    @cached_property
    def _labels(self) -> pd.Index[str]:
        """The names as pandas has them."""
        return _index_of(tuple(self._names))

    @cached_property
    def params(self) -> pd.Series[float]:
        """Fixed effects, then shapes on the scale of their link; see `GLMM.params`."""
        return pd.Series(self.optimum.psi[self._shown], self._labels.view(), name="estimate")

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of all estimates (fixed effects, then theta), (P, P).

        From the observed information of the marginal likelihood, so that the uncertainty
        of the variances is in the standard errors of the fixed effects.
        """
        return covariance_at(self.problem, self.optimum, self.method)

    def cov_params(self) -> pd.DataFrame:
        """Covariance of the fixed effects; NaN beside an infinite variance."""
        covariance = self.covariance[np.ix_(self._shown, self._shown)]
        lost = np.isinf(self._deviations)
        covariance[lost], covariance[:, lost] = np.nan, np.nan
        covariance[lost, lost] = np.inf
        return pd.DataFrame(covariance, self._labels.view(), self._labels.view())

    @cached_property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects."""
        return pd.Series(self._deviations, self._labels.view(), name="std_error")

    @cached_property
    def _deviations(self) -> FloatArray:
        """Standard errors of the fixed effects shown, (s,); infinite without an estimate."""
        known = deviations_of_gaussian(self.optimum)
        deviations = np.sqrt(self.covariance.diagonal()[self._shown]) if known is None else known
        lost = {limit.parameter for limit in self._limits}
        if lost:
            deviations[[name in lost for name in self._names]] = np.inf
        return deviations

    @cached_property
    def _limits(self) -> tuple[Limit, ...]:
        """What has no finite estimate, and why."""
        if is_profiled(self.problem):
            return ()
        reasons = () if self.limits is None else self.limits.reasons
        known = [
            Limit(self._name(part, part.columns[j]), found[j])
            for part, found in zip(self.design.predictors, reasons, strict=False)
            for j in sorted(found)
        ]
        named = {limit.parameter for limit in known}
        others: list[tuple[str, LimitReason]] = [(name, "groups") for name in self._beside_groups]
        for name, reason in (*others, *self._runaway):
            if name not in named:
                known.append(Limit(name, reason))
                named.add(name)
        return tuple(known)

    @property
    def infinite_names(self) -> frozenset[str]:
        """Names in `params` of what has no finite estimate."""
        return frozenset(limit.parameter for limit in self._limits)

    @cached_property
    def infinite_positions(self) -> BoolArray:
        """Which of all parameters have no finite estimate, (P,)."""
        out = np.zeros(self.optimum.psi.size, dtype=np.bool_)
        columns = [(part, column) for part in self.design.predictors for column in part.columns]
        out[: len(columns)] = [self._name(*column) in self.infinite_names for column in columns]
        return out

    @cached_property
    def _determining(self) -> tuple[Term, ...]:
        """Random intercepts whose levels all have responses at one end."""
        return determined_terms(mute_rows(self.problem, self.limits))

    @cached_property
    def _wide(self) -> tuple[Term, ...]:
        """Random terms so wide that levels all but determine the responses."""
        wide = wide_terms(self.problem, self.optimum)
        return tuple(term for term in wide if term not in self._determining)

    @property
    def _beside_groups(self) -> list[str]:
        """Terms whose groups determine the responses, and the fixed effects beside them."""
        names = []
        for term in (*self._determining, *self._wide):
            part = self.design.predictors[term.predictor]
            names.append(self._name(part, term.block.name))
            lost = is_constant_in(self.problem, term) | (term in self._determining)
            names += [
                self._name(part, c) for c, gone in zip(part.columns, lost, strict=True) if gone
            ]
        return names

    @cached_property
    def _runaway(self) -> list[tuple[str, LimitReason]]:
        """Fixed effects in which the likelihood has no curvature, each with a reason."""
        known = self.optimum.curvature is not None or self.optimum.hessian is not None
        if not known or self.optimum.smallest_eigenvalue >= RUNAWAY:
            return []
        eta = self.problem.fixed(self.optimum.psi)
        ends = zip(self.design.predictors, eta, self.family.simplest, strict=True)
        reasons: dict[str, LimitReason] = {
            self._name(part, column): reason_at(
                part.name, simplest=part.name != "mean" and end in (0, np.sign(np.median(at)))
            )
            for part, at, end in ends
            for column in part.columns
        }
        return [(name, reasons[name]) for name in find_runaway(self.optimum, list(reasons))]

    @property
    def limit_notes(self) -> tuple[str, ...]:
        """Sentences on what the support of the family shows to have no finite estimate."""
        known = tuple(x for x in self._limits if x.reason in ("separation", "not identified"))
        return explain_limits(known, self._separated_rows)

    @property
    def _separated_rows(self) -> int:
        if self.limits is None:
            return 0
        rows = np.zeros(self.problem.n, dtype=np.bool_)
        for part, reasons in zip(self.limits.parts, self.limits.reasons, strict=True):
            if part is not None and "separation" in reasons.values():
                rows |= part.rows
        return int(rows.sum())

    @property
    def tvalues(self) -> pd.Series[float]:
        """Estimates over standard errors."""
        return (self.params / self.bse).rename("z")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided Wald p-values from the normal distribution."""
        z = np.asarray(self.tvalues, dtype=np.float64)
        return pd.Series(wald_pvalues(z), self._labels.view(), name="pvalue")

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Wald intervals of the fixed effects, columns ``low`` and ``high``."""
        estimates = self.optimum.psi[self._shown]
        interval = wald_intervals(estimates, self._deviations, level)
        return pd.DataFrame(interval, self._labels.view(), ["low", "high"])

    @property
    def fixed_names(self) -> list[str]:
        """Names in `params`."""
        return list(self._names)

    @property
    def fixed_positions(self) -> IntArray:
        """Where those in `params` stand among all parameters, (p,)."""
        return self._shown

    @property
    def dispersion_position(self) -> int | None:
        """Where a constant dispersion stands among all parameters, on the scale of its link."""
        parts = zip(self.design.predictors, self.problem.beta_slices, strict=True)
        return next((w.start for part, w in parts if _is_constant_dispersion(part)), None)

    @property
    def dispersion(self) -> float | None:
        """Constant dispersion parameter (Gaussian: residual standard deviation), or None."""
        for k, part in enumerate(self.design.predictors):
            if _is_constant_dispersion(part):
                value = self.optimum.psi[self.problem.beta_slices[k]]
                return float(self.family.links[k].inverse(value)[0])
        return None

    @property
    def shape_names(self) -> list[str]:
        """Names of the shapes in `params`."""
        return [self._name(self.design.predictor(name), "") for name in self.family.shapes]

    @property
    def shapes(self) -> pd.DataFrame:
        """See `GLMM.shapes`."""
        rows, interval = {}, self.conf_int()
        for name, shown in zip(self.family.shapes, self.shape_names, strict=True):
            link = self.family.links[self.family.predictors.index(name)]
            estimate, slope, *_ = link.derivatives(np.atleast_1d(self.params[shown]))
            given = interval.loc[shown].to_numpy()
            ends = np.where(given == np.inf, np.inf, link.inverse(given))
            error = float(np.abs(slope[0])) * float(self.bse[shown])
            rows[name] = [float(estimate[0]), error, *np.sort(ends).tolist()]
        names = ["estimate", "std_error", "low", "high"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=names)

    # ---- likelihood ----------------------------------------------------------------------

    @property
    def reml(self) -> bool:
        """Whether the fixed effects of the mean were integrated out."""
        return self.method.restricted

    @property
    def llf(self) -> float:
        """Log-likelihood by `method`, every constant kept."""
        return self.optimum.evaluation.llf

    @property
    def llf_name(self) -> str:
        """What `llf` is."""
        if self.method.kind == "pseudo":
            return "pseudo-log-likelihood"
        return "restricted log-likelihood" if self.reml else "log-likelihood"

    @property
    def log_posterior(self) -> float:
        """Log-likelihood and log prior density, `llf` without priors; the evidence is left out."""
        return -0.5 * self.optimum.evaluation.deviance

    @property
    def priors(self) -> Mapping[str, str]:
        """Priors of parameters, by the names under which they were given."""
        return {} if self.problem.penalty is None else self.problem.penalty.words

    @property
    def aic(self) -> float:
        """Marginal AIC."""
        self._require_likelihood("AIC")
        return -2.0 * self.llf + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Marginal BIC, with the number of observations."""
        self._require_likelihood("BIC")
        return -2.0 * self.llf + float(np.log(self.nobs)) * self.n_parameters

    def _require_likelihood(self, criterion: str) -> None:
        if self.priors:
            raise ComparisonError(
                f"a fit with priors has no {criterion}: its estimates are posterior modes, and not "
                "where the likelihood is largest. Fit the model without priors= to compare it, or "
                "score it by logo or loo"
            )
        if self.method.kind == "pseudo":
            raise ComparisonError(
                f"a fit by pql has no {criterion}: its pseudo-likelihood is that of a working "
                "response, which is another one for every model. Fit the model with "
                'method="laplace" to compare it'
            )

    # ---- random effects ------------------------------------------------------------------

    @property
    def _theta(self) -> FloatArray:
        return self.optimum.psi[self.problem.n_beta :]

    @property
    def mode(self) -> Mode:
        """Conditional modes at the estimates."""
        mode = self.optimum.evaluation.mode
        assert mode is not None
        return mode

    @cached_property
    def theta(self) -> pd.Series[float]:
        """Covariance parameters: entries of each term's Cholesky factor."""
        names = [
            f"{term.block.group}.{name}"
            for term in self.problem.terms
            for name in term.covariance.names(term.block.effects)
        ]
        return pd.Series(self._theta, names, name="theta")

    def theta_of(self, term: Term) -> FloatArray:
        """Covariance parameters of one term, (k,)."""
        return self._theta[term.theta]

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations of the random effects."""
        rows = [
            row for term in self.problem.terms for row in component_rows(term, self.theta_of(term))
        ]
        if self.dispersion is not None and self.family.normal_error:
            rows.append(("Residual", "", self.dispersion**2, self.dispersion, np.nan))
        return pd.DataFrame(rows, columns=["group", "name", "variance", "sd", "corr"])

    def covariance_parameters(self, level: float = 0.95) -> pd.DataFrame:
        """Standard deviations and correlations of the random effects, with intervals."""
        start = self.problem.n_beta
        return describe_parameters(
            self.problem, self._theta, self.covariance[start:, start:], level
        )

    def by_group(self, values: Mapping[int, FloatArray]) -> dict[str, pd.DataFrame]:
        """Arrays (q, m) per factor as frames of levels x effects."""
        out: dict[str, pd.DataFrame] = {}
        for term in self.problem.terms:
            by_level = term.by_level(values[term.factor]).T
            part = self.design.predictors[term.predictor].name
            names = [e if part == "mean" else f"{part}: {e}" for e in term.block.effects]
            frame = pd.DataFrame(by_level, index=term.block.levels, columns=names)
            before = out.get(term.block.group)
            out[term.block.group] = frame if before is None else before.join(frame)
        return out

    @cached_property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, a frame of levels x effects per grouping factor."""
        mode = self.mode
        effects = [scale(root, u) for root, u in zip(mode.roots, mode.point.u, strict=True)]
        return self.by_group(dict(enumerate(effects)))

    @cached_property
    def random_effects_sd(self) -> dict[str, pd.DataFrame]:
        """Conditional standard deviations of the random effects given the estimates."""
        mode = self.mode
        variances = conditional_variances(self.problem, mode.system.factorization, mode.roots)
        return self.by_group({f: np.sqrt(v) for f, v in enumerate(variances)})

    # ---- convergence ---------------------------------------------------------------------

    @cached_property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped; a refit knows no curvature."""
        covariance = self.covariance if self.optimum.hessian is not None else None
        found: Sequence[int] = ()
        if not self.optimum.integrated:
            # Beside wide groups the information of a level at its mode is none.
            scaled = self.optimum.evaluation.scaled_roots(self.problem)
            found = number_singular(self.problem, scaled)
        singular = tuple(self.problem.terms[number].block.name for number in found)
        explanations = self._explain_limits() if self._limits else ()
        linear = is_profiled(self.problem)
        facts = judge_convergence(
            self.optimum,
            covariance,
            singular,
            self._limits,
            explanations,
            lambda: measure_rounding(self.problem, self.optimum),
            # Standard errors of a linear mixed model shrink as its scores grow.
            lambda: 0.0 if linear else measure_lost_digits(self.problem, self.optimum),
            lambda: explain_edge(self.problem.family, self.mode.point.eta[0]),
            endless=bool(self._limits and self._wide) and not self.optimum.integrated,
        )
        integration = self._integration
        if not (found or integration):
            return facts
        names = name_terms(self.problem)
        singular_effects = tuple(names[number] for number in found)
        return replace(facts, singular_effects=singular_effects, integration=integration)

    def _explain_limits(self) -> tuple[str, ...]:
        """Sentences on what has no finite estimate."""
        parts = self.design.predictors
        every, most = (
            tuple(self._name(parts[t.predictor], t.block.name) for t in terms)
            for terms in (self._determining, self._wide)
        )
        return explain_limits(
            self._limits, self._separated_rows, every, most, integrated=self.optimum.integrated
        )

    @cached_property
    def _integration(self) -> Mapping[str, float]:
        """Facts on the approximation; a refit, which knows no curvature, does not ask for them."""
        if self.optimum.hessian is None or self._determining or self.optimum.integrated:
            return {}
        return self.method.approximation.facts(self.problem, self.optimum.evaluation)

    def approximation(self) -> ApproximationFacts:
        """Compare with quadrature, importance sampling, or the next term of the expansion."""
        fixed = [self._name(part, c) for part in self.design.predictors for c in part.columns]
        names = [*fixed, *(f"theta of {name}" for name in self.theta.index)]
        if self._determining:
            return unavailable(self.llf, "The groups determine the responses.")
        if self.optimum.integrated:
            return unavailable(self.llf, "The likelihood is integrated exactly.")
        problem, optimum, kept = self.problem, self.optimum, np.arange(self.optimum.psi.size)
        if self.limits is not None:
            problem, optimum, kept = within_limits(problem, self.limits, optimum, self.method)
        covariance = self.covariance[np.ix_(kept, kept)]
        kept_names = [names[j] for j in kept]
        return compare_with_finer(problem, self.method, optimum, covariance, kept_names)

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self.convergence.converged


def _is_constant_dispersion(part: Predictor) -> bool:
    return part.name == "dispersion" and part.columns == ("Intercept",) and not part.random
