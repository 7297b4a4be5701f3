"""The frozen result of a fit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtr

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design import Design, Predictor, apply_design
from mixcheck.display.document import Cell, Places
from mixcheck.errors import ComparisonError, DataError, OptionError
from mixcheck.families import Family
from mixcheck.fitting.adequacy import compare_with_quadrature
from mixcheck.fitting.covariances import estimate_covariances
from mixcheck.fitting.data_response import perturb
from mixcheck.fitting.estimation import hessian_at, re_estimate
from mixcheck.fitting.groupwise import (
    differentiate_groups,
    find_grouping,
    group_logliks,
    predict_group,
)
from mixcheck.fitting.inference import (
    conditional_variances,
    find_runaway,
    find_singular,
    invert_information,
    judge_convergence,
    wald_intervals,
)
from mixcheck.fitting.method import Method
from mixcheck.fitting.mode import Mode, scale
from mixcheck.fitting.optimize import Optimum
from mixcheck.fitting.prediction import fixed_predictors, random_contribution, random_variance
from mixcheck.fitting.problem import Problem, Term
from mixcheck.fitting.pseudo import generalised_chi_square, linearise
from mixcheck.fitting.realisation import View, marginal_mean, observe, replicate, respond
from mixcheck.fitting.rowwise import find_row_posterior, predict_row
from mixcheck.fitting.summary import Summary, summarise
from mixcheck.model import (
    ApproximationFacts,
    Conditioning,
    ConvergenceFacts,
    CovarianceEstimates,
    GroupDerivatives,
    PerturbationMethod,
    Perturbations,
    Realisation,
    RowPosterior,
)
from mixcheck.streams import Purpose, choose_seed, stream

__all__ = ["GLMM", "RandomEffects", "Scale"]

RandomEffects = Literal["auto", "zero", "marginal"]
Scale = Literal["response", "link"]

_PSEUDO = (
    "The estimates maximise a pseudo-likelihood: that of a working response, not of the responses. "
    "There is no AIC, BIC or likelihood-ratio test of it, and variances are biased downwards where "
    'groups hold little information. Write method="laplace" or "agq" for a likelihood.'
)


@dataclass(frozen=True, eq=False, repr=False)
class GLMM:
    """A fitted generalized linear mixed model, made by :func:`mixcheck.glmm`.

    Names follow statsmodels; outputs are pandas objects.

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
    """

    design: Design
    problem: Problem
    optimum: Optimum
    method: Method
    notes: tuple[str, ...] = ()

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
        return {t.block.group: len(t.block.levels) for t in self.problem.terms}

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
            _shown_name(part, column)
            for part in self.design.predictors
            if not _is_constant_dispersion(part)
            for column in part.columns
        ]

    @cached_property
    def params(self) -> pd.Series[float]:
        """Fixed effects; those of other predictors than the mean behind its name."""
        return pd.Series(self.optimum.psi[self._shown], self._names, name="estimate")

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of all estimates (fixed effects, then theta), (P, P).

        From the observed information of the marginal likelihood, so that the uncertainty
        of the variances is in the standard errors of the fixed effects.
        """
        hessian = self.optimum.hessian
        if hessian is None:
            hessian = hessian_at(self.problem, self.optimum, self.method)
        return invert_information(hessian, self.optimum.scale)

    def cov_params(self) -> pd.DataFrame:
        """Covariance of the fixed effects."""
        held = self.covariance[np.ix_(self._shown, self._shown)]
        return pd.DataFrame(held, self._names, self._names)

    @cached_property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects."""
        return pd.Series(self._deviations, self._names, name="std_error")

    @cached_property
    def _deviations(self) -> FloatArray:
        """Standard errors of the fixed effects shown, (s,); infinite without an estimate."""
        deviations = np.sqrt(np.diag(self.covariance)[self._shown])
        lost = set(self._runaway)
        return np.where([name in lost for name in self._names], np.inf, deviations)

    @cached_property
    def _runaway(self) -> tuple[str, ...]:
        """Fixed effects without a finite estimate."""
        names = [
            _shown_name(part, column) for part in self.design.predictors for column in part.columns
        ]
        return find_runaway(self.optimum, names)

    @property
    def tvalues(self) -> pd.Series[float]:
        """Estimates over standard errors."""
        return (self.params / self.bse).rename("z")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided Wald p-values from the normal distribution."""
        return pd.Series(2.0 * ndtr(-np.abs(self.tvalues.to_numpy())), self._names, name="pvalue")

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Wald intervals of the fixed effects, columns ``low`` and ``high``.

        Parameters
        ----------
        alpha : float
            One minus the confidence.
        """
        estimates = self.optimum.psi[self._shown]
        held = wald_intervals(estimates, self._deviations, alpha)
        return pd.DataFrame(held, self._names, ["low", "high"])

    @property
    def dispersion(self) -> float | None:
        """Constant dispersion parameter (Gaussian: residual standard deviation), or None."""
        for k, part in enumerate(self.design.predictors):
            if _is_constant_dispersion(part):
                value = self.optimum.psi[self.problem.beta_slices[k]]
                return float(self.family.links[k].inverse(value)[0])
        return None

    # ---- likelihood ----------------------------------------------------------------------

    @property
    def reml(self) -> bool:
        """Whether the fixed effects of the mean were integrated out."""
        return self.method.reml

    @property
    def llf(self) -> float:
        """Log-likelihood by `method`, every constant kept.

        The marginal one; with REML the restricted one; with PQL that of the working response,
        which is no likelihood of the data.
        """
        return -0.5 * self.optimum.evaluation.deviance

    @property
    def aic(self) -> float:
        """Marginal AIC.

        Raises
        ------
        ComparisonError
            For PQL, which has no likelihood of the responses.
        """
        self._require_likelihood("AIC")
        return -2.0 * self.llf + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Marginal BIC, with the number of observations.

        Raises
        ------
        ComparisonError
            For PQL, which has no likelihood of the responses.
        """
        self._require_likelihood("BIC")
        return -2.0 * self.llf + float(np.log(self.nobs)) * self.n_parameters

    def _require_likelihood(self, criterion: str) -> None:
        if not self.method.likelihood:
            raise ComparisonError(
                f"a fit by pql has no {criterion}: its pseudo-likelihood is that of a working "
                "response, which is another one for every model. Fit the model with "
                'method="laplace" to compare it'
            )

    @property
    def df_resid(self) -> int:
        """Observations minus parameters."""
        return self.nobs - self.n_parameters

    # ---- random effects ------------------------------------------------------------------

    @property
    def _theta(self) -> FloatArray:
        return self.optimum.psi[self.problem.n_beta :]

    @property
    def _mode(self) -> Mode:
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

    def _covariance_of(self, term: Term) -> FloatArray:
        root = term.covariance.factor(self._theta[term.theta])
        return root @ root.T

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations of the random effects.

        One row an effect, then one row a pair of correlated effects (its variance is the
        covariance); a constant dispersion of a Gaussian model is the row ``Residual``.
        """
        rows: list[tuple[str, str, float, float, float]] = []
        for term in self.problem.terms:
            rows.extend(_component_rows(term, self._covariance_of(term)))
        if self.dispersion is not None and self.family.name == "gaussian":
            rows.append(("Residual", "", self.dispersion**2, self.dispersion, np.nan))
        return pd.DataFrame(rows, columns=["group", "name", "variance", "sd", "corr"])

    def _by_group(self, values: Mapping[int, FloatArray]) -> dict[str, pd.DataFrame]:
        """Arrays (q, m) per factor as frames of levels x effects."""
        out: dict[str, pd.DataFrame] = {}
        for term in self.problem.terms:
            held = values[term.factor][term.columns].T
            part = self.design.predictors[term.predictor].name
            names = [e if part == "mean" else f"{part}: {e}" for e in term.block.effects]
            frame = pd.DataFrame(held, index=term.block.levels, columns=names)
            before = out.get(term.block.group)
            out[term.block.group] = frame if before is None else before.join(frame)
        return out

    @cached_property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, a frame of levels x effects per grouping factor."""
        mode = self._mode
        held = [scale(root, u) for root, u in zip(mode.roots, mode.point.u, strict=True)]
        return self._by_group(dict(enumerate(held)))

    @cached_property
    def random_effects_sd(self) -> dict[str, pd.DataFrame]:
        """Conditional standard deviations of the random effects given the estimates."""
        mode = self._mode
        held = conditional_variances(self.problem, mode.system.factorization, mode.roots)
        return self._by_group({f: np.sqrt(v) for f, v in enumerate(held)})

    # ---- convergence ---------------------------------------------------------------------

    @cached_property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped; a refit knows no curvature."""
        covariance = self.covariance if self.optimum.hessian is not None else None
        singular = find_singular(self.problem, self._theta, self._mode.system.gram)
        return judge_convergence(self.optimum, covariance, singular, self._runaway)

    def approximation(self) -> ApproximationFacts:
        """Compare with the same model fitted by quadrature until its likelihood settles."""
        fixed = [_shown_name(part, c) for part in self.design.predictors for c in part.columns]
        names = [*fixed, *(f"theta of {name}" for name in self.theta.index)]
        return compare_with_quadrature(
            self.problem, self.method, self.optimum, self.covariance, names
        )

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self.convergence.converged

    # ---- prediction ----------------------------------------------------------------------

    @cached_property
    def fittedvalues(self) -> pd.Series[float]:
        """Mean response at the conditional modes (binomial: a probability)."""
        mean = self.family.mean(tuple(self._mode.point.eta), None)
        return pd.Series(self.problem.to_design(mean), self.frame.index, name="fitted")

    @cached_property
    def resid_pearson(self) -> pd.Series[float]:
        """Pearson residuals at the conditional modes."""
        eta, data = tuple(self._mode.point.eta), self.problem.data
        mean = self.family.mean(eta, data.size)
        held = (data.y - mean) / np.sqrt(self.family.variance(eta, data.size))
        return pd.Series(self.problem.to_design(held), self.frame.index, name="resid_pearson")

    def predict(
        self,
        data: object = None,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Literal["error", "zero"] = "error",
        scale: Scale = "response",
        offset: str | ArrayLike | None = None,
    ) -> pd.Series[float]:
        """Predict the mean.

        Parameters
        ----------
        data : table, optional
            New rows; the rows of the fit by default.
        random_effects : {"auto", "zero", "marginal"}
            Conditional modes of known levels; every random effect at zero; or the mean over
            the distribution of the random effects (population average).
        unseen : {"error", "zero"}
            With "auto": a level of a grouping factor that the fit has not seen raises, or
            gets a random effect of zero.
        scale : {"response", "link"}
            Mean (binomial: a probability) or linear predictor.
        offset : str or array_like, optional
            Needed where the model was fitted with an offset given as an array.

        Returns
        -------
        Series, (n,)
            Aligned with `data`; NaN where a predictor is missing.

        Raises
        ------
        UnseenLevelError
            Naming column and level.
        OptionError, DataError

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
        >>> float(fit.predict(cbpp.head(1), random_effects="zero").round(3).iloc[0])
        0.198
        """
        _require_option("random_effects", random_effects, ("auto", "zero", "marginal"))
        _require_option("scale", scale, ("response", "link"))
        _require_option("unseen", unseen, ("error", "zero"))
        if random_effects == "marginal" and scale == "link":
            raise OptionError(
                'random_effects="marginal" averages means, not predictors: '
                'write scale="response", or random_effects="zero"'
            )
        parts, index = self._predictors_for(data, random_effects, unseen, offset)
        betas = [self.optimum.psi[where] for where in self.problem.beta_slices]
        eta = fixed_predictors(parts, betas)
        if random_effects == "auto":
            held = self._modes_by_term()
            eta = tuple(
                e + random_contribution(p, held[p.name]) for e, p in zip(eta, parts, strict=True)
            )
        if scale == "link":
            values = eta[0]
        elif random_effects == "marginal":
            variance = random_variance(parts[0], self._covariances_by_term())
            values = marginal_mean(self.family, eta, variance)
        else:
            values = self.family.mean(eta, None)
        return pd.Series(values, index, name="predicted")

    def _predictors_for(
        self,
        data: object,
        random_effects: RandomEffects,
        unseen: Literal["error", "zero"],
        offset: str | ArrayLike | None,
    ) -> tuple[tuple[Predictor, ...], pd.Index[Any]]:
        if data is None:
            return self.design.predictors, self.frame.index
        allow: Literal["error", "zero"] = unseen if random_effects == "auto" else "zero"
        parts = apply_design(self.design, data, unseen=allow, offset=offset)
        index = data.index if isinstance(data, pd.DataFrame) else None
        return parts, pd.RangeIndex(parts[0].offset.size) if index is None else index

    def _modes_by_term(self) -> dict[str, dict[str, FloatArray]]:
        out: dict[str, dict[str, FloatArray]] = {p.name: {} for p in self.design.predictors}
        mode = self._mode
        for term in self.problem.terms:
            b = scale(mode.roots[term.factor], mode.point.u[term.factor])[term.columns].T
            out[self.design.predictors[term.predictor].name][term.block.name] = b
        return out

    def _covariances_by_term(self) -> dict[str, FloatArray]:
        # Names of terms are unique within one predictor only; the mean is the first.
        return {
            t.block.name: self._covariance_of(t) for t in self.problem.terms if t.predictor == 0
        }

    # ---- simulation and refit --------------------------------------------------------------

    @cached_property
    def _view(self) -> View:
        return View(self.problem, self.optimum.psi)

    def simulate(
        self, draws: int = 1, *, seed: int | None = None, conditioning: Conditioning = "marginal"
    ) -> pd.DataFrame:
        """Simulate responses from the fitted model.

        Parameters
        ----------
        draws : int
            Number of data sets.
        seed : int, optional
            Data set k depends on the seed and on k alone.
        conditioning : {"marginal", "mode", "posterior"}
            New random effects, those at the conditional modes, or draws given the data.

        Returns
        -------
        DataFrame, (n, draws)
            Counts of successes for a binomial.

        Raises
        ------
        OptionError
        """
        if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
            raise OptionError(f"draws={draws!r} must be a whole number from 1; write draws=1")
        chosen = choose_seed(seed)
        columns = {
            k: self._simulate_one(conditioning, stream(chosen, Purpose.SIMULATE, k))
            for k in range(draws)
        }
        return pd.DataFrame(columns, index=self.frame.index)

    def _simulate_one(self, conditioning: Conditioning, rng: np.random.Generator) -> FloatArray:
        from mixcheck.fitting.posterior import draw_posterior

        view = self._view
        if conditioning == "marginal":
            u = view.new_effects(rng)
        elif conditioning == "mode":
            u = self._mode.point.u
        elif conditioning == "posterior":
            u = draw_posterior(self.problem, view.base, self._mode, rng).u
        else:
            raise OptionError(
                f"conditioning={conditioning!r} is unknown; write 'marginal', 'mode' or 'posterior'"
            )
        return self.problem.to_design(respond(view, u, rng))

    def refit(self, response: ArrayLike) -> Self:
        """Fit the same model to another response, starting from this fit.

        Parameters
        ----------
        response : (n,)
            In the order of the rows used; successes for a binomial.

        Returns
        -------
        GLMM
            Its standard errors are computed when they are asked for.

        Raises
        ------
        DataError, FamilyError
        """
        try:
            y = np.asarray(response, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("the new response must be numbers, one for each row used") from error
        if y.shape != (self.nobs,):
            raise DataError(
                f"the new response has shape {y.shape}; {(self.nobs,)} is needed, "
                "one value for each row used in the fit"
            )
        problem = self.problem.with_response(y)
        optimum = re_estimate(problem, self.optimum.psi, self._root, self.method)
        return type(self)(self.design, problem, optimum, self.method)

    @cached_property
    def _root(self) -> FloatArray:
        """Scale for a refit: whitens the deviance at this optimum."""
        values, vectors = np.linalg.eigh(0.5 * self.covariance)
        root: FloatArray = vectors * np.sqrt(np.maximum(values, 1e-12 * values.max()))
        return root

    # ---- the port ------------------------------------------------------------------------

    @property
    def frame(self) -> pd.DataFrame:
        """The caller's rows that were used, with all columns and their index."""
        return self.design.frame

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        return self.family.discrete

    @cached_property
    def observed(self) -> FloatArray:
        """The response fitted, (n,); successes for a binomial."""
        return self.problem.to_design(self.problem.data.y)

    @property
    def description(self) -> dict[str, str | int | float | bool | None]:
        """What the model is: formula, family, link, method, numbers of rows and groups."""
        return {
            "formula": self.formula,
            "family": self.family.name,
            "link": self.family.link.name,
            "method": str(self.method),
            "nobs": self.nobs,
            **{f"levels of {group}": m for group, m in self.n_groups.items()},
            self._llf_name: self.llf,
        }

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> Realisation:
        """See the data of the fit; random choices come from `rng`."""
        return observe(self._view, self._mode, conditioning, rng)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> Realisation:
        """Simulate a data set, with new random effects, and see it likewise."""
        return replicate(self._view, conditioning, rng)

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response, (n,), with new random effects."""
        return self._simulate_one("marginal", rng)

    @cached_property
    def data_digest(self) -> dict[str, str]:
        """Digests of the rows, the response, the weights and the offset of the mean.

        For PQL the response is the working one, whose pseudo-likelihood `llf` is.
        """
        to = self.problem.to_design
        size, weights = self.problem.data.size, self.problem.weights
        response = [self.observed, None if size is None else to(size)]
        if not self.method.likelihood:
            response.append(to(linearise(self.problem, self._mode.point.eta).data.y))
        return {
            "rows": _digest(self.design.rows.astype(np.int64)),
            "response": _digest(*response),
            "weights": _digest(None if weights is None else to(weights)),
            "offset": _digest(self.design.predictors[0].offset),
        }

    @property
    def fixed_matrices(self) -> dict[str, FloatArray]:
        """Model matrix of each linear predictor, (n, p)."""
        return {part.name: part.X for part in self.design.predictors}

    @property
    def random_terms(self) -> dict[str, tuple[str, FloatArray]]:
        """Each random term: grouping factor, and the (n, q) matrix of its effects."""
        return {
            f"{part.name}: {block.name}": (block.group, block.Z)
            for part in self.design.predictors
            for block in part.random
        }

    @cached_property
    def covariance_estimates(self) -> CovarianceEstimates:
        """Variances and covariances of the random effects with their sampling covariance."""
        held = slice(self.problem.n_beta, None)
        return estimate_covariances(self.problem, self._theta, self.covariance[held, held])

    def group_levels(self, group: str | None = None) -> pd.Index[Any]:
        """Levels of a grouping factor or column; the coarsest grouping factor by default."""
        return find_grouping(self.design, self.problem, group).levels

    def group_loglik(
        self, group: str | None = None, estimates: FloatArray | None = None
    ) -> pd.Series[float]:
        """Marginal log-likelihood of each level of a factor that contains all others, (G,).

        Parameters
        ----------
        group : str, optional
            A grouping factor or a column; the coarsest grouping factor by default.
        estimates : (P,) or (G, P), optional
            Parameters in place of the estimates, or for each level its own.

        Raises
        ------
        OptionError
            If the log-likelihood is no sum over these levels.
        """
        grouping = find_grouping(self.design, self.problem, group)
        psi = self.optimum.psi if estimates is None else estimates
        values = group_logliks(self.problem, self.method, grouping, psi)
        return pd.Series(values, grouping.levels, name="loglik")

    def group_derivatives(self, group: str | None = None) -> GroupDerivatives:
        """Gradient and information of the log-likelihood of each level."""
        grouping = find_grouping(self.design, self.problem, group)
        return differentiate_groups(
            self.problem, self.method, grouping, self.optimum.psi, self._root
        )

    def predict_group(self, group: str | None, k: int) -> float:
        """Joint log density of level number k, the model being fitted without it."""
        grouping = find_grouping(self.design, self.problem, group)
        return predict_group(self.problem, self.method, grouping, k, self.optimum.psi, self._root)

    def row_posterior(self, response: FloatArray | None = None) -> RowPosterior:
        """Posterior of each row's mean predictor given the data, or another response, (n,)."""
        problem = self.problem if response is None else self.problem.with_response(response)
        return find_row_posterior(problem, self.optimum.psi, self.covariance, self._view.ranks)

    def predict_row(self, row: int) -> RowPosterior:
        """Posterior of one row's mean predictor, the model being fitted without that row."""
        return predict_row(self.problem, self.method, row, self.optimum.psi, self._root)

    @property
    def conditional_llf(self) -> float:
        """Log-likelihood at the conditional modes with every constant kept."""
        return float(self._mode.point.derivatives.value.sum())

    def perturb(self, method: PerturbationMethod) -> Perturbations:
        """How the fit follows its data: derivatives, one step of a refit, or refits."""
        singular = bool(self.convergence.singular)
        return perturb(self.problem, self.method, self.optimum, method, singular=singular)

    # ---- display -------------------------------------------------------------------------

    def summary(self) -> Summary:
        """What was fitted, variances, coefficients with Wald tests, and remarks."""
        facts: dict[str, Cell] = {
            "formula": self.formula,
            "family": f"{self.family.name} ({self.family.link.name})",
            "method": str(self.method),
            "observations": self.nobs,
            **{f"levels of {group}": m for group, m in self.n_groups.items()},
            **self._likelihood_facts,
        }
        interval = self.conf_int()
        fixed = pd.DataFrame(
            {
                "estimate": self.params,
                "std error": self.bse,
                "z": self.tvalues,
                "pvalue": self.pvalues,
                "low": interval["low"],
                "high": interval["high"],
            }
        )
        remarks = (*self.notes, *self.convergence.messages)
        if not self.method.likelihood:
            remarks = (*remarks, _PSEUDO)
        return summarise(
            "Generalized linear mixed model", facts, self.variance_components, fixed, remarks
        )

    @property
    def _llf_name(self) -> str:
        if not self.method.likelihood:
            return "pseudo-log-likelihood"
        return "restricted log-likelihood" if self.reml else "log-likelihood"

    @property
    def _likelihood_facts(self) -> dict[str, Cell]:
        facts: dict[str, Cell] = {self._llf_name: Places(self.llf, 4)}
        if self.method.likelihood:
            return facts | {"AIC": Places(self.aic, 4), "BIC": Places(self.bic, 4)}
        chi_square = generalised_chi_square(self.problem, self._mode)
        return facts | {"generalised chi-square": Places(chi_square, 4)}

    def __repr__(self) -> str:
        return (
            f"<GLMM {self.formula!r}, {self.family!r}: "
            f"{self.nobs} observations, {self._llf_name} {self.llf:.4f}>"
        )


def _shown_name(part: Predictor, column: str) -> str:
    """Name of a fixed effect: bare for the mean, behind its predictor for others."""
    return column if part.name == "mean" else f"{part.name}: {column}"


def _is_constant_dispersion(part: Predictor) -> bool:
    return part.name == "dispersion" and part.columns == ("Intercept",) and not part.random


def _component_rows(
    term: Term, covariance: FloatArray
) -> list[tuple[str, str, float, float, float]]:
    group, effects = term.block.group, term.block.effects
    sd = np.sqrt(np.diag(covariance))
    rows = [(group, e, float(s**2), float(s), np.nan) for e, s in zip(effects, sd, strict=True)]
    if term.block.structure == "diag":
        return rows
    for i in range(len(effects)):
        for j in range(i):
            product = float(sd[i] * sd[j])
            corr = float(covariance[i, j]) / product if product > 0.0 else np.nan
            names = f"{effects[j]}, {effects[i]}"
            rows.append((group, names, float(covariance[i, j]), np.nan, corr))
    return rows


def _digest(*arrays: object) -> str:
    held = hashlib.sha256()
    for array in arrays:
        held.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return held.hexdigest()[:16]


def _require_option(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(
            f"{name}={value!r} is unknown; write one of " + ", ".join(repr(a) for a in allowed)
        )
