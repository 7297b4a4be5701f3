"""What a fit to parts says of its parameters, and what it asks its parts for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design import apply_design
from mixcheck.design.frames import as_frame
from mixcheck.errors import OptionError, UnseenLevelError
from mixcheck.fitting.estimation.constant_groups import wide_terms
from mixcheck.fitting.estimation.information import judge_convergence, number_singular
from mixcheck.fitting.latent.roots import units_of
from mixcheck.fitting.likelihood.approximation import Approximation
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.partitions.after_fit import effects_of, moves_of
from mixcheck.fitting.partitions.whole import Whole, look_at_levels, number_of
from mixcheck.fitting.predictive.data_view import name_terms
from mixcheck.fitting.predictive.prediction import fixed_predictors
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.predictions import (
    PredictedRows,
    PredictionRequest,
    point_values,
    predict,
)
from mixcheck.port import ConvergenceFacts
from mixcheck.trial_values import may_overflow

__all__ = ["PartsEstimates"]


@dataclass(frozen=True, eq=False, repr=False)
class PartsEstimates(Estimates):
    """A fit to rows in parts; `design` and `problem` are those of the few rows that show them.

    Attributes
    ----------
    whole : Whole or None
        The parts, which hold their rows and modes.
    separated : int
        Rows that predictors tell exactly.
    """

    whole: Whole | None = None
    separated: int = 0

    @property
    def parts(self) -> Whole:
        """The parts."""
        assert self.whole is not None
        return self.whole

    @property
    def nobs(self) -> int:
        """Number of observations of all parts."""
        return self.parts.n

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of levels of each grouping factor in all parts."""
        return dict(self.parts.levels)

    @property
    def frame(self) -> pd.DataFrame:
        """No table holds all rows."""
        self._refuse("its rows lie in parts, and no table holds all of them")

    @property
    def mode(self) -> Mode:
        """Modes stay with the parts."""
        self._refuse("its conditional modes lie in parts")

    def _refuse(self, why: str) -> NoReturn:
        raise OptionError(f"this is not there for a fit over partitions: {why}; {INSTEAD}")

    @property
    def number(self) -> int:
        """Of the evaluation at the estimates, whose modes the parts hold."""
        number = number_of(self.optimum.evaluation)
        assert number is not None
        return number

    @property
    def laplace(self) -> Approximation:
        """How the likelihood is approximated."""
        assert isinstance(self.method, Approximation)
        return self.method

    @cached_property
    def _determining(self) -> tuple[Term, ...]:
        # They are refused before the search.
        return ()

    @cached_property
    def _wide(self) -> tuple[Term, ...]:
        return wide_terms(self.problem, self.optimum)

    @property
    def _separated_rows(self) -> int:
        return self.separated

    @cached_property
    def _scaled_roots(self) -> list[FloatArray]:
        """Lambda of each factor in units of the precision that one level gives of it."""
        at = self.optimum.evaluation
        levels = look_at_levels(self.parts, at, self.laplace)
        theta = at.psi[self.problem.n_beta :]
        scaled = [units_of(root).copy() for root in self.problem.roots(theta)]
        for term, precision, m in zip(self.problem.terms, levels.precision, levels.m, strict=True):
            size = np.sqrt(np.maximum(precision / m, 0.0))
            scaled[term.factor][term.columns] *= size[:, None]
        return scaled

    @cached_property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped."""
        found = number_singular(self.problem, self._scaled_roots)
        facts = judge_convergence(
            self.optimum,
            self.covariance,
            tuple(self.problem.terms[number].block.name for number in found),
            self._limits,
            self._explain_limits() if self._limits else (),
        )
        if not found:
            return facts
        names = name_terms(self.problem)
        return replace(facts, singular_effects=tuple(names[number] for number in found))

    @cached_property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, a frame of levels x effects per grouping factor."""
        at = self.optimum
        found = self.parts.ask(effects_of, at.psi, self.number, self.laplace)
        out: dict[str, pd.DataFrame] = {}
        for group in found[0]:
            terms = [
                pd.concat([one[group][k][1] for one in found]) for k in range(len(found[0][group]))
            ]
            whole = terms[0]
            for other in terms[1:]:
                whole = whole.join(other)
            out[group] = whole.sort_index()
        return out

    def predict(self, request: PredictionRequest) -> pd.Series[float]:
        """What is predicted of new rows."""
        if request.data is None:
            self._refuse("predictions are made of new rows, predict(data)")
        if request.random_effects != "auto" or not self.problem.terms:
            return predict(self, request)
        quantity = request.quantity(self)
        names = (request.link_part,) if request.scale == "link" else quantity.names
        with may_overflow():
            rows = self._predict_levels(request, names)
            values = point_values(self, request, rows)
        return pd.Series(values, rows.index, name="predicted")

    def _predict_levels(self, request: PredictionRequest, names: tuple[str, ...]) -> PredictedRows:
        """Linear predictors of new rows, with the effects that the parts have of their levels."""
        new = as_frame(request.data)
        design, problem = self.design, self.problem
        predictors = apply_design(
            design, new, unseen="zero", offset=request.offset, predictors=names
        )
        betas = dict(zip(self.family.predictors, problem.beta_slices, strict=True))
        fixed = fixed_predictors(predictors, [self.optimum.psi[betas[p.name]] for p in predictors])
        eta: dict[str, FloatArray] = dict(zip([p.name for p in predictors], fixed, strict=True))
        offset = np.zeros(len(new)) if design.offset_source == "" else request.offset
        found = self.parts.ask(moves_of, new, offset, self.optimum.psi, self.number, self.laplace)
        for one in predictors:
            moved = np.sum([moves[one.name] for moves, _ in found], axis=0)
            for block in one.random:
                moved = np.where(np.isnan(block.Z).any(axis=1), np.nan, moved)
            eta[one.name] = eta[one.name] + moved
        for group in found[0][1]:
            self._require_known(
                group, new, np.any([known[group] for _, known in found], axis=0), request, eta
            )
        zero = np.zeros(len(new))
        whole = tuple(eta.get(name, zero) for name in self.family.predictors)
        return PredictedRows(new.index, predictors, whole, {})

    def _require_known(
        self,
        group: str,
        new: pd.DataFrame,
        known: Any,
        request: PredictionRequest,
        eta: dict[str, FloatArray],
    ) -> None:
        """Refuse levels that no part has, unless their effects are to be zero."""
        if request.unseen == "zero" or known.all():
            return
        columns = next(
            key.columns for names, key in self.design.keys.items() if ":".join(names) == group
        )
        missing = new[list(columns)].isna().any(axis=1).to_numpy()
        strange = new[list(columns)][~known & ~missing]
        if len(strange):
            labels = strange.astype(str).agg(":".join, axis=1).unique()
            raise UnseenLevelError(
                f"Grouping factor `{group}` has level(s) "
                f"{', '.join(repr(v) for v in labels[:5])} that the model has never seen. Ask for "
                "unseen='zero' to predict them with random effects of zero."
            )
        for values in eta.values():
            values[missing] = np.nan


INSTEAD = "fit.part(k) is the fit of one part, with all that a fit has"
