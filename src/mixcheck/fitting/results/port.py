"""The port of our own fits: what simulation, checks, comparison and the verbs of a fit ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import read_array, read_numbers
from mixcheck.arguments.options import require_choice, require_generator, require_whole, shown
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design import read_counts
from mixcheck.design.frames import as_frame
from mixcheck.design.nodes import unquote_name
from mixcheck.design.response_scale import log_derivative
from mixcheck.errors import ComparisonError, DataError, OptionError
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.information import conditional_variances
from mixcheck.fitting.estimation.limits import within_limits
from mixcheck.fitting.influence.by_group import (
    Grouping,
    differentiate_groups,
    find_grouping,
    group_logliks,
    predict_group,
)
from mixcheck.fitting.influence.by_row import find_row_posterior, predict_rows
from mixcheck.fitting.influence.conditional_df import perturb, usual_method
from mixcheck.fitting.influence.row_removal import remove_rows
from mixcheck.fitting.influence.subset_refits import fit_without
from mixcheck.fitting.predictive.data_view import observe
from mixcheck.fitting.predictive.observations import Seen, observe_many
from mixcheck.fitting.predictive.replicates import replicate, replicate_many
from mixcheck.fitting.predictive.score_projection import project_scores
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.coefficients import gather_part
from mixcheck.fitting.results.covariances import estimate_covariances
from mixcheck.fitting.results.data_rows import describe_rows, digest_fit
from mixcheck.fitting.results.levels import describe_levels
from mixcheck.fitting.results.prediction_slopes import (
    combine,
    mean_of,
    predict_moving,
    prediction_columns,
)
from mixcheck.fitting.results.refitting import TOGETHER_ROWS, Refitting
from mixcheck.fitting.results.single_rows import expand_rows
from mixcheck.fitting.results.small_samples import small_samples_of
from mixcheck.fitting.results.variance_parts import (
    columns_without,
    divide_variance,
    mean_terms,
)
from mixcheck.inference.contrasts import Contrasts
from mixcheck.port import (
    PERTURBATION_METHODS,
    Combinations,
    Conditioning,
    CovarianceEstimates,
    DataRows,
    DataView,
    GroupDerivatives,
    LikelihoodKind,
    MovingPrediction,
    PartEstimates,
    PerturbationMethod,
    Perturbations,
    PredictionOf,
    RowPosterior,
    ScoreProjection,
    TermLevels,
    VarianceParts,
)
from mixcheck.port.variance import MeanOf

__all__ = ["GlmmPort"]


@dataclass(frozen=True, eq=False, repr=False)
class GlmmPort(Refitting):
    """A fitted model as every room sees it that stands above `fitting`; see `mixcheck.port`.

    Its attributes are those of `Estimates`.
    """

    # ---- predictions ---------------------------------------------------------------------

    @property
    def link_name(self) -> str:
        """Link of the mean."""
        return self.family.link.name

    @property
    def row_weights(self) -> FloatArray | None:
        """How many rows each stands for, (n,); None for one each."""
        weights = self.problem.weights
        return None if weights is None else self.problem.to_design(weights)

    def read_rows(self, data: object) -> pd.DataFrame:
        """A table of any kind as a frame."""
        return as_frame(data)

    def prediction_columns(self, of: PredictionOf) -> dict[str, bool]:
        """Columns that a prediction uses, and whether each has levels."""
        return prediction_columns(self, of)

    def predict_moving(self, data: pd.DataFrame, of: PredictionOf) -> MovingPrediction:
        """Predict rows, without groups, with the derivatives of what is predicted."""
        return predict_moving(self, data, of)

    def mean_of(self, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean at values of its linear predictor, and its derivative, (k,) each."""
        return mean_of(self, predictor)

    def combine(self, slopes: FloatArray, ddf: str) -> Combinations:
        """Covariance and degrees of freedom of functions with these derivatives, (k, P)."""
        return combine(self, slopes, ddf)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Fixed terms of the mean that can be left out."""
        return tuple(dict.fromkeys(":".join(t) for t in mean_terms(self) if t))

    def variance_parts(self, mean: MeanOf) -> VarianceParts:
        """The variance of the mean's predictor, divided."""
        return divide_variance(self, mean)

    def without_term(self, term: str) -> Self:
        """The same model fitted without a fixed term of the mean, and what contains it."""
        problem, stays = columns_without(self, term)
        part = self.design.predictor("mean")
        columns = tuple(c for c, s in zip(part.columns, stays.tolist(), strict=True) if s)
        made = replace(part, X=part.X[:, stays], columns=columns, aliased=())
        predictors = tuple(made if p is part else p for p in self.design.predictors)
        design = replace(self.design, predictors=predictors)
        optimum = estimate(problem, self.method)
        return replace(self, design=design, problem=problem, optimum=optimum, limits=None)

    # ---- the port ------------------------------------------------------------------------

    @property
    def coefficient_table(self) -> pd.DataFrame:
        """Coefficients with errors, tests and 95 % intervals; see `GLMM.coefficients`."""
        return tabulate_coefficients(self, "auto", 0.95)

    @cached_property
    def observed(self) -> FloatArray:
        """The response fitted, (n,); successes for a binomial."""
        return self.problem.to_design(self.problem.data.y)

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the data of the fit; random choices come from `rng`."""
        return observe(self._view, self.mode, conditioning, require_generator("rng", rng))

    def observe_many(
        self,
        fits: Sequence[Self],
        conditioning: Conditioning,
        rngs: Sequence[np.random.Generator],
        times: int = 1,
    ) -> list[tuple[DataView, ...] | Exception]:
        """See the data of each of some refits of this fit, as often as `observe` with its stream.

        Returns
        -------
        list of tuple of DataView, or Exception
            An error where data could not be seen.
        """
        streams = [require_generator("rngs", rng) for rng in rngs]
        size = max(1, TOGETHER_ROWS // self.nobs)
        if self.problem.latent.tied or size < 2:
            size = 1
        seen = [Seen(fit._view, fit.mode) for fit in fits]
        out: list[tuple[DataView, ...] | Exception] = []
        for start in range(0, len(seen), size):
            some = slice(start, start + size)
            out += observe_many(self._view.copies, seen[some], conditioning, streams[some], times)
        return out

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a data set, with new random effects, and see it likewise."""
        return replicate(self._view, conditioning, require_generator("rng", rng))

    def replicate_many(
        self, conditioning: Conditioning, rngs: Sequence[np.random.Generator]
    ) -> list[DataView | Exception]:
        """Simulate a data set from each of several streams, and see them: as `replicate` does.

        Returns
        -------
        list of DataView or Exception
            An error where there is no data set.
        """
        streams = [require_generator("rngs", rng) for rng in rngs]
        return replicate_many(self._view, conditioning, streams)

    def project_scores(self) -> ScoreProjection:
        """What the estimates of the fixed effects take of the scores of the rows."""
        view, eta = self._view, self.mode.point.eta
        return view.keep("scores", lambda: project_scores(self.problem, view.roots, eta))

    @property
    def term_levels(self) -> dict[str, TermLevels]:
        """How the conditional modes of each term vary over data of the model."""
        mode = self.mode
        given = conditional_variances(self.problem, mode.system.factorization, mode.roots)
        return describe_levels(self.problem, mode.roots, given)

    def by_single_rows(self) -> tuple[GlmmPort, IntArray | None]:
        """The same fit with a row of weight w as w rows, and which row of `frame` each is.

        Its estimates are these, since the likelihoods are one. Rows of weight zero are none.

        Raises
        ------
        DataError
            If a weight is not a whole number, or the rows have no room in memory.
        """
        counts = read_counts(self.design)
        if counts is None:
            return self, None
        return self._by_single_rows

    @cached_property
    def _by_single_rows(self) -> tuple[GlmmPort, IntArray]:
        counts = read_counts(self.design)
        assert counts is not None
        design, problem, optimum, limits, rows = expand_rows(self, counts)
        fit = GlmmPort(design, problem, optimum, self.method, self.notes, limits)
        fit.__dict__["convergence"] = self.convergence
        return fit, rows

    @cached_property
    def data_digest(self) -> dict[str, str]:
        """Digests of the rows, the response, the weights and the offset of the mean."""
        return digest_fit(self, self.data_rows)

    @cached_property
    def data_rows(self) -> DataRows:
        """The rows of the fit and what they hold."""
        return describe_rows(self)

    def response_log_slope(self, column: str) -> FloatArray:
        """``log |dg / dy|`` of the response g in a column y of the data, (n,)."""
        response = self.design.formula.response
        if response.kind == "single" and unquote_name(response.parts[0]) == column:
            return np.zeros(self.nobs)
        if response.kind != "single" or self.family.discrete:
            raise OptionError(
                f"`{self.design.formula.left_side}` has probabilities and no density, so its "
                f"likelihood has no scale such as that of {shown(column)}; leave scale= out"
            )
        return log_derivative(response.parts[0], column, self.frame)

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """What `llf` is the logarithm of, and whether it is what was maximised."""
        return "penalised" if self.priors else self.method.kind

    @property
    def fixed_matrices(self) -> dict[str, FloatArray]:
        """Model matrix of each linear predictor, (n, p)."""
        return {part.name: part.X for part in self.design.predictors}

    @property
    def random_terms(self) -> dict[str, tuple[str, FloatArray]]:
        """Each random term: grouping factor, and the (n, q) matrix of its effects."""
        return {
            f"{part.name}: {block.name}": (block.division, block.Z)
            for part in self.design.predictors
            for block in part.random
        }

    @property
    def part_estimates(self) -> dict[str, PartEstimates]:
        """Coefficients of each linear predictor that has predictors, by term."""
        lost = dict(zip(self._names, np.isinf(self._deviations).tolist(), strict=True))
        return {
            part.name: gather_part(
                self.design,
                part,
                self.optimum.psi[where],
                self.covariance[where, where],
                [lost.get(self._name(part, column), False) for column in part.columns],
            )
            for part, where in zip(self.design.predictors, self.problem.beta_slices, strict=False)
            if part.name in self.design.recipes
        }

    def contrasts(self, L: FloatArray, ddf: str = "auto") -> Contrasts:
        """Linear combinations of what is in `params`, with their degrees of freedom.

        Parameters
        ----------
        L : (k, p)
            One combination a row, in the order of `params`.
        ddf : str
            See `mixcheck.GLMM.coefficients`.

        Returns
        -------
        Contrasts
            Estimates (k,), covariance (k, k) and df (k,); of all together the degrees of freedom
            and the scale of an F statistic.
        """
        return small_samples_of(self).contrasts(L, ddf)

    @cached_property
    def covariance_estimates(self) -> CovarianceEstimates:
        """Variances and covariances of the random effects with their sampling covariance."""
        place = slice(self.problem.n_beta, None)
        return estimate_covariances(
            self.problem, self._theta, self.covariance[place, place], self._constant
        )

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
            If the log-likelihood is not a sum over these levels.
        """
        grouping = find_grouping(self.design, self.problem, group)
        psi = self.optimum.psi if estimates is None else self._read_estimates(estimates, grouping)
        values = group_logliks(self.problem, self.method, grouping, psi)
        return pd.Series(values, grouping.levels, name="loglik")

    def _read_estimates(self, estimates: ArrayLike, grouping: Grouping) -> FloatArray:
        psi = read_numbers(estimates, "estimates")
        allowed = (self.optimum.psi.shape, (len(grouping.levels), self.optimum.psi.size))
        if psi.shape not in allowed or not np.isfinite(psi).all():
            raise DataError(
                f"estimates must be finite numbers of shape {allowed[0]}, or {allowed[1]} for "
                f"each level its own; found shape {psi.shape}"
            )
        return psi

    def group_derivatives(self, group: str | None = None) -> GroupDerivatives:
        """Gradient and information of the log-likelihood of each level.

        Raises
        ------
        OptionError
            If the log-likelihood is not a sum over these levels, or is not maximised.
        """
        if self.priors:
            raise OptionError(
                "with priors the derivatives of the groups do not add up to zero at the estimates; "
                "fit the model without priors="
            )
        grouping = find_grouping(self.design, self.problem, group)
        return differentiate_groups(
            self.problem, self.method, grouping, self.optimum.psi, self._root
        )

    def predict_group(self, group: str | None, k: int) -> float:
        """Joint log density of level number k, the model being fitted without it."""
        grouping = find_grouping(self.design, self.problem, group)
        level = require_whole("k", k, 0, len(grouping.levels) - 1)
        return predict_group(
            self.problem, self.method, grouping, level, self.optimum.psi, self._root
        )

    def row_removals(self) -> dict[str, dict[str, FloatArray]]:
        """What the scores of a row move in the coefficients where it is left out."""
        order, names = self.problem.to_design, self.problem.family.predictors
        finite = np.where(np.isfinite(self.covariance), self.covariance, 0.0)
        covariances = {k: finite[w, w] for k, w in enumerate(self.problem.beta_slices)}
        eta = self.mode.point.eta
        taken = remove_rows(self.problem, self._view.roots, eta, covariances)
        return {
            part: {of: order(rows) for of, rows in zip(names, by_score, strict=True)}
            for part, by_score in zip(names, taken, strict=True)
        }

    def coefficients_without(self, rows: BoolArray) -> dict[str, FloatArray]:
        """Coefficients of each linear predictor, the model being fitted without some rows, (n,)."""
        left = np.asarray(rows, dtype=np.bool_)[self.problem.order]
        _, optimum = fit_without(self.problem, left, self.optimum.psi, self._root, self.method)
        return {
            part.name: optimum.psi[where].copy()
            for part, where in zip(self.design.predictors, self.problem.beta_slices, strict=False)
            if part.name in self.design.recipes
        }

    def row_posterior(self, response: FloatArray | None = None) -> RowPosterior:
        """Posterior of each row's mean predictor given the data, or another response, (n,)."""
        problem = self.problem if response is None else self._with_response(response)
        return find_row_posterior(problem, self.optimum.psi, self.covariance, self._view.ranks)

    def predict_row(self, row: int) -> RowPosterior:
        """Posterior of one row's mean predictor, the model being fitted without that row."""
        rows = np.zeros(self.nobs, dtype=bool)
        rows[require_whole("row", row, 0, self.nobs - 1)] = True
        return self.predict_rows(rows)

    def predict_rows(self, rows: BoolArray) -> RowPosterior:
        """Posterior of the mean predictors of some rows, the model being fitted without them."""
        given = read_array(rows, "rows")
        if given.dtype != bool or given.shape != (self.nobs,) or given.all() or not given.any():
            raise OptionError(
                f"rows={shown(rows)} must be {self.nobs} truth values, some but not all of which "
                "are True"
            )
        return predict_rows(self.problem, self.method, given, self.optimum.psi, self._root)

    @property
    def conditional_llf(self) -> float:
        """Log-likelihood at the conditional modes with every constant kept."""
        return float(self.mode.point.derivatives.value.sum())

    @property
    def conditional_rows(self) -> FloatArray:
        """Parts of `conditional_llf`: each row's log density, times its weight, (n,)."""
        return self.problem.to_design(self.mode.point.derivatives.value)

    @property
    def usual_perturbation(self) -> PerturbationMethod:
        """The cheapest of the methods that is known to be right for such a model."""
        return usual_method(self.problem, self.optimum)

    def perturb(self, method: PerturbationMethod) -> Perturbations:
        """How the fit follows its data: derivatives, one step of a refit, or refits."""
        require_choice("method", method, PERTURBATION_METHODS)
        singular = bool(self.convergence.singular)
        if self._determining:
            raise ComparisonError(
                "the groups determine the responses, so that the conditional likelihood is one "
                "whatever the rest of the model: it has no conditional AIC. Leave the term "
                f"{self._determining[0].block.name} out, or compare by aic"
            )
        if self.optimum.integrated:
            raise ComparisonError(
                "the groups all but determine the responses, and the likelihood was integrated "
                "exactly in place of the approximation that a conditional AIC differentiates. "
                f"Leave the term {self.problem.terms[0].block.name} out, or compare by aic"
            )
        if self.priors and not self.problem.terms:
            raise ComparisonError(
                "a model with priors and without random effects has no conditional AIC here: its "
                "degrees of freedom are fewer than its coefficients. Fit it without priors="
            )
        if self.family.categories:
            raise ComparisonError(
                "the conditional AIC is not known for ordered categories, whose responses are no "
                "numbers to perturb: compare by aic, mixcheck.loo or mixcheck.logo"
            )
        problem, optimum = self.problem, self.optimum
        if self.limits is not None:
            # Responses at their limit would not have been others.
            problem, optimum, _ = within_limits(problem, self.limits, optimum, self.method)
        return perturb(problem, self.method, optimum, method, singular=singular)
