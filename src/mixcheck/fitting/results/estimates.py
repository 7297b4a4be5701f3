"""What a fit says of its parameters: estimates, uncertainty, likelihood, convergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import ComparisonError
from mixcheck.fitting.estimation.curvature import covariance_at
from mixcheck.fitting.estimation.gaussian import deviations_of_gaussian, is_profiled
from mixcheck.fitting.estimation.information import (
    conditional_variances,
    find_constant,
    judge_convergence,
    measure_lost_digits,
    measure_rounding,
    number_singular,
)
from mixcheck.fitting.estimation.laplace_error import compare_with_finer, unavailable
from mixcheck.fitting.estimation.limits import within_limits
from mixcheck.fitting.latent.roots import scale
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.predictive.data_view import name_terms
from mixcheck.fitting.results.covariances import component_rows, describe_parameters
from mixcheck.fitting.results.explanations import explain_edge
from mixcheck.fitting.results.fitted_model import FittedModel
from mixcheck.inference.wald import wald_intervals, wald_pvalues
from mixcheck.port import ApproximationFacts, ConvergenceFacts

__all__ = ["Estimates"]


@lru_cache(maxsize=256)
def _index_of(names: tuple[str, ...]) -> pd.Index[str]:
    """Labels that fits of the same names share; each has views, which it may rename."""
    return pd.Index(list(names))


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Estimates(FittedModel):
    """Parameters of a fitted model and what is known of them, by the names of `mixcheck.GLMM`."""

    @property
    def description(self) -> dict[str, str | int | float | bool | None]:
        """What the model is: formula, family, link, method, numbers of rows and groups."""
        return {
            "formula": self.formula_words,
            "family": self.family.name,
            "link": self.family.link.name,
            "method": self.method_words,
            **{f"prior of {name}": words for name, words in self.priors.items()},
            "nobs": self.nobs,
            **{f"levels of {group}": m for group, m in self.n_groups.items()},
            self.llf_name: self.llf,
        }

    # ---- estimates -----------------------------------------------------------------------

    @cached_property
    def _labels(self) -> pd.Index[str]:
        """The names as pandas has them."""
        return _index_of(tuple(self._names))

    @cached_property
    def params(self) -> pd.Series[float]:
        """Fixed effects, then shapes on the scale of their link; see `GLMM.params`."""
        return pd.Series(self.optimum.psi[self._shown], self._labels.view(), name="estimate")

    def params_at(self, psi: FloatArray) -> dict[str, float]:
        """The same at parameters (P,), by name."""
        return dict(zip(self._names, psi[self._shown].tolist(), strict=True))

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
    def dispersion(self) -> float | None:
        """Constant dispersion parameter (Gaussian: residual standard deviation), or None."""
        return self.dispersion_at(self.optimum.psi)

    def dispersion_at(self, psi: FloatArray) -> float | None:
        """The same at parameters (P,)."""
        position = self.dispersion_position
        if position is None:
            return None
        link = self.family.links[self.family.predictors.index("dispersion")]
        return float(link.inverse(psi[position : position + 1])[0])

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
    def _scaled_roots(self) -> list[FloatArray] | None:
        """Lambda of each factor in units of the precision that one level gives, where it does."""
        # Beside wide groups the information of a level at its mode is none.
        integrated = self.optimum.integrated
        return None if integrated else self.optimum.evaluation.scaled_roots(self.problem)

    @cached_property
    def _constant(self) -> tuple[BoolArray, ...]:
        """Effects of each term whose variance is none, (q,)."""
        if self._scaled_roots is None:
            return tuple(np.zeros(term.covariance.q, dtype=np.bool_) for term in self.problem.terms)
        return find_constant(self.problem, self._scaled_roots)

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations of the random effects."""
        rows = [
            row
            for term, constant in zip(self.problem.terms, self._constant, strict=True)
            for row in component_rows(term, self.theta_of(term), constant)
        ]
        if self.dispersion is not None and self.family.normal_error:
            rows.append(("Residual", "", self.dispersion**2, self.dispersion, np.nan))
        return pd.DataFrame(rows, columns=["group", "name", "variance", "sd", "corr"])

    def covariance_parameters(self, level: float = 0.95) -> pd.DataFrame:
        """Standard deviations and correlations of the random effects, with intervals."""
        start = self.problem.n_beta
        return describe_parameters(
            self.problem, self._theta, self.covariance[start:, start:], level, self._constant
        )

    def by_group(self, values: Mapping[int, FloatArray]) -> dict[str, pd.DataFrame]:
        """Arrays (q, m) per factor as frames of levels x effects."""
        out: dict[str, pd.DataFrame] = {}
        for term in self.problem.terms:
            by_level = term.by_level(values[term.factor]).T
            frame = pd.DataFrame(by_level, index=term.block.levels, columns=self.effect_names(term))
            before = out.get(term.block.group)
            out[term.block.group] = frame if before is None else before.join(frame)
        return out

    def effect_names(self, term: Term) -> list[str]:
        """Names of the effects of a term: bare for the mean, behind their predictor for others."""
        part = self.design.predictors[term.predictor].name
        return [e if part == "mean" else f"{part}: {e}" for e in term.block.effects]

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
        scaled = self._scaled_roots
        found = () if scaled is None else number_singular(self.problem, scaled)
        singular = tuple(self.problem.terms[number].block.name for number in found)
        explanations = self._explain_limits() if self._limits else ()
        linear = is_profiled(self.problem) or self.problem.products_in_order is not None
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
