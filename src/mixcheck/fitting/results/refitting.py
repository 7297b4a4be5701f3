"""The part of a fit that makes new data of the same kind, and fits the model again to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import align_rows, read_numbers
from mixcheck.arguments.options import require_choice, require_draws, require_generator
from mixcheck.arrays import FloatArray
from mixcheck.design.frames import row_label
from mixcheck.errors import DataError, MixcheckError, OptionError
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.families.responses import SupportError
from mixcheck.fitting.estimation.by_iterations import estimate_by_iterations
from mixcheck.fitting.estimation.constant_groups import estimate_determined
from mixcheck.fitting.estimation.curvature import whitening_at
from mixcheck.fitting.estimation.cut_deviance import find_remainder
from mixcheck.fitting.estimation.estimate import estimate, joint_around, re_estimate
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.estimation.identification import require_variation
from mixcheck.fitting.estimation.limit_search import estimate_at_limits, has_limits
from mixcheck.fitting.estimation.limits import find_limits, within_limits
from mixcheck.fitting.estimation.one_step import step_from
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.profile import ProfileLikelihood
from mixcheck.fitting.estimation.sizes import require_room_for_draws
from mixcheck.fitting.estimation.stacked_refits import StackedRefits, stacks
from mixcheck.fitting.estimation.start import FixedFit, fit_without_random_effects
from mixcheck.fitting.estimation.wide_groups import integrate_alike, integrate_wide
from mixcheck.fitting.likelihood.copies import join_responses
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.remainder import Remainder
from mixcheck.fitting.likelihood.score_table import ScoreTable, tabulate_scores
from mixcheck.fitting.likelihood.step_table import StepTable, tabulate_step
from mixcheck.fitting.predictive.data_view import Viewpoint, respond
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.port import CONDITIONINGS, Conditioning

__all__ = ["TOGETHER_ROWS", "Refitting"]

# Responses that are fitted together have at most so many rows: a column of them stays in the
# processor's cache. Beyond so many responses nothing is gained, and with fewer than two it is lost.
TOGETHER_ROWS = 16_384
_TOGETHER = 256


@dataclass(frozen=True, eq=False, repr=False)
class Refitting(Estimates):
    """A fit that can be simulated from, and made again; its attributes are those of `Estimates`."""

    @cached_property
    def _view(self) -> Viewpoint:
        return Viewpoint(self.problem, self.optimum.psi)

    def view_at(self, psi: FloatArray) -> Viewpoint:
        """The rows seen at other parameters, (P,)."""
        return self._view.of_refit(self.problem, psi)

    def simulate(
        self, draws: int = 1, *, seed: int | None = None, conditioning: Conditioning = "marginal"
    ) -> pd.DataFrame:
        """See `GLMM.simulate`."""
        count = require_draws(draws)
        require_choice("conditioning", conditioning, CONDITIONINGS)
        require_room_for_draws(count, self.nobs)
        chosen = choose_seed(seed)
        columns = {
            k: self._simulate_one(conditioning, stream(chosen, Purpose.SIMULATE, k))
            for k in range(count)
        }
        return pd.DataFrame(columns, index=self.frame.index)

    def _simulate_one(self, conditioning: Conditioning, rng: np.random.Generator) -> FloatArray:
        from mixcheck.fitting.predictive.posterior import draw_posterior

        view = self._view
        if conditioning == "marginal":
            u = view.new_effects(rng)
        elif conditioning == "mode":
            u = self.mode.point.u
        else:
            u = draw_posterior(self.problem, view.base, self.mode, rng).u
        return self.problem.to_design(respond(view, u, rng))

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response, (n,), with new random effects."""
        return self._simulate_one("marginal", require_generator("rng", rng))

    def refit(self, response: ArrayLike) -> Self:
        """See `GLMM.refit`."""
        aligned = align_rows(response, self.frame.index, "response", "the rows used (fit.frame)")
        problem = self._with_estimable(aligned)
        if self._at_limits or problem.latent.iterative:
            # Another response may have its limits, or its remainder, elsewhere.
            return self._estimate_anew(problem)
        optimum = re_estimate(problem, self.optimum.psi, self._root, self.method)
        return self._settled(problem, optimum)

    @property
    def _at_limits(self) -> bool:
        at = self.optimum
        return self.limits is not None or at.flat > 0 or at.integrated

    def _settled(self, problem: Problem, optimum: Optimum) -> Self:
        """The refit whose search has ended there, if it was the right search."""
        if has_limits(problem, optimum):
            return self._estimate_anew(problem)
        if self.method.joint:
            exact = integrate_alike(problem, self.method)
        else:
            exact = integrate_wide(problem, optimum)
        return self.again(problem, exact or optimum)

    def again(self, problem: Problem, optimum: Optimum) -> Self:
        """A fit of the same model that shares with this one what depends on the design alone."""
        fit = type(self)(self.design, problem, optimum, self.method)
        fit.__dict__["_labels"] = self._labels
        fit.__dict__["_view"] = self._view.of_refit(problem, optimum.psi)
        return fit

    def read_responses(self, responses: Any) -> tuple[FloatArray, pd.Index[Any]]:
        """Several responses in the order of the rows used, (n, B), and their names.

        Raises
        ------
        DataError
            If they are not numbers, or belong to other rows.
        """
        aligned = align_rows(responses, self.frame.index, "response", "the rows used (fit.frame)")
        values = read_numbers(aligned, "the new responses")
        if len(values) != self.nobs or values.shape[1] == 0:
            raise DataError(
                f"the new responses have shape {values.shape}; {self.nobs} rows are needed, one "
                "for each row used in the fit, and a column for each response"
            )
        named = isinstance(responses, pd.DataFrame)
        return values, responses.columns if named else pd.RangeIndex(values.shape[1])

    def refit_many(
        self, responses: FloatArray, *, one_step: bool = False
    ) -> list[Self | Exception]:
        """Fit the same model to each column of `responses`, (n, B); see `refit`.

        With `one_step` a refit ends after one Newton step from these estimates. Where the
        estimates have a limit, or are found in another way than by such steps (restricted and
        pseudo-likelihoods, linear mixed models but those of many crossed effects), it is a whole
        refit.
        """
        size = min(_TOGETHER, TOGETHER_ROWS // max(1, self.nobs))
        if size < 2 or self._stacked is None:
            return [self._refit_or_say(response, one_step) for response in responses.T]
        out: list[Self | Exception] = []
        for start in range(0, responses.shape[1], size):
            out += self._refit_together(responses.T[start : start + size], one_step)
        return out

    @cached_property
    def _stacked(self) -> StackedRefits | None:
        """How several responses are fitted together; None where each is fitted by itself."""
        method = self.method
        if self._at_limits or not isinstance(method, Laplace):
            return None
        if not stacks(self.problem, method):
            return None
        return StackedRefits(self._view.copies, self.optimum.psi, self._root, method)

    def _refit_together(self, responses: FloatArray, one_step: bool) -> list[Self | Exception]:
        """Refits to each row of responses, (b, n); alone where the stacked search has no end."""
        assert self._stacked is not None
        problems = [self._with_response_or_say(response) for response in responses]
        data = [problem.data for problem in problems if isinstance(problem, Problem)]
        fit = self._stacked.step if one_step else self._stacked.fit
        optima = iter(fit(join_responses(data), len(data)) if data else ())
        out: list[Self | Exception] = []
        for response, problem in zip(responses, problems, strict=True):
            if isinstance(problem, Exception):
                out.append(problem)
                continue
            optimum = next(optima)
            if optimum is None:
                out.append(self._refit_or_say(response, one_step))
            else:
                end = self.again if one_step else self._settled
                out.append(_or_say(partial(end, problem, optimum)))
        return out

    def _with_response_or_say(self, response: FloatArray) -> Problem | Exception:
        return _or_say(partial(self._with_estimable, response))

    def _refit_or_say(self, response: FloatArray, one_step: bool) -> Self | Exception:
        fit = self._step if one_step and self._takes_steps else self.refit
        return _or_say(partial(fit, response))

    @property
    def _takes_steps(self) -> bool:
        """Whether the estimates of a response may be approximated by a step from these."""
        searched = not self._at_limits and not self.method.joint
        return searched and (not is_profiled(self.problem) or self._remainder is not None)

    def _step(self, response: FloatArray) -> Self:
        """The fit after one Newton step from these estimates towards those of a response."""
        problem = self._with_estimable(response)
        optimum = step_from(
            problem,
            self.optimum.psi,
            self._root,
            self.method.approximation,
            self._remainder,
            self._table,
        )
        return self.again(problem, optimum)

    @cached_property
    def _remainder(self) -> Remainder | None:
        return find_remainder(self.problem, self.optimum.evaluation, self.method.approximation)

    @cached_property
    def _table(self) -> ScoreTable | StepTable | None:
        """Of the deviance here of every response, or of scores; None where nothing is saved."""
        if self.method.approximation.tabulates and self._remainder is None:
            table = tabulate_step(self.problem, self.optimum.evaluation, self._root)
            if table is not None:
                return table
        return tabulate_scores(self.problem, self.optimum.psi)

    def _with_estimable(self, response: ArrayLike) -> Problem:
        """The problem of another response, from which the model can be estimated."""
        problem = self._with_response(response)
        self.family.require_estimable(problem.data)
        require_variation(problem)
        return problem

    def _with_response(self, response: ArrayLike) -> Problem:
        y = read_numbers(response, "the new response")
        if y.shape != (self.nobs,):
            raise DataError(
                f"the new response has shape {y.shape}; {(self.nobs,)} is needed, "
                "one value for each row used in the fit"
            )
        try:
            return self.problem.with_response(y)
        except SupportError as error:
            raise error.named(partial(row_label, self.frame)) from None

    def profile_likelihood(self, *, of_means: bool) -> ProfileLikelihood:
        """The likelihood at its maximum, to be followed away from it.

        Parameters
        ----------
        of_means : bool
            Whether coefficients of the mean are to be held.

        Raises
        ------
        OptionError
            If there is no likelihood that could be followed.
        """
        method, whole = self.method, self.optimum.psi
        if method.kind == "pseudo":
            raise OptionError(
                f"a fit by {method} has no profile likelihood: its pseudo-likelihood is that of "
                'another working response at other parameters; write method="bootstrap", or '
                'fit the model with method="laplace"'
            )
        if self._determining or self.optimum.integrated:
            raise OptionError(
                "the groups determine the responses, so that the likelihood is integrated in "
                'another way at other parameters; write method="bootstrap"'
            )
        problem, scale, kept = self.problem, self._root, np.arange(whole.size)
        psi = whole
        if self.limits is not None:
            problem, inner, kept = within_limits(problem, self.limits, self.optimum, method)
            psi, scale = inner.psi, inner.scale
        if not method.joint:
            return ProfileLikelihood(problem, method, psi, scale, whole, kept)
        if of_means:
            raise OptionError(
                f"by {method} the fixed effects of the mean are found together with the random "
                'ones, so that none can be held; write parameters="random", or fit the model '
                'with method="laplace" without reml=True'
            )
        joint, outer = joint_around(problem, psi, scale)
        held = problem.X[0].shape[1]
        return ProfileLikelihood(joint.problem, method, joint.outer(psi), outer, whole, kept[held:])

    def estimate_again(self, problem: Problem) -> Optimum:
        """The optimum of a problem with the same method, and perhaps other columns."""
        return self._estimate_anew(problem).optimum

    def _estimate_anew(self, problem: Problem) -> Self:
        if problem.latent.iterative:
            optimum, remainder = estimate_by_iterations(
                replace(problem, remainder=None), self.method
            )
            known = replace(problem, remainder=remainder)
            return type(self)(self.design, known, optimum, self.method)
        fixed = fit_without_random_effects(problem)
        limits = find_limits(problem, fixed)

        def search(known: Problem, start: FixedFit, *, tails: bool = False) -> Optimum:
            determined = estimate_determined(known) or integrate_alike(known, self.method, start)
            if determined is not None:
                return determined
            found = estimate(known, self.method, start, tails=tails)
            left = self.method.joint or found.on_tail
            exact = None if left else integrate_wide(known, found)
            return exact or found

        optimum, limits = estimate_at_limits(problem, limits, fixed, self.method, search)
        return type(self)(self.design, problem, optimum, self.method, limits=limits)

    @cached_property
    def _root(self) -> FloatArray:
        """S with ``S' D'' S = I``, which whitens the deviance at this optimum, (P, P)."""
        return whitening_at(self.optimum, self.covariance)


Made = TypeVar("Made")


def _or_say(make: Callable[[], Made]) -> Made | Exception:
    """What is made, or the error that says why there is nothing."""
    try:
        return make()
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return error
