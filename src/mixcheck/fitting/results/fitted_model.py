"""What was fitted, the names of its coefficients, and which of them have no finite estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, IntArray
from mixcheck.design import Design, Predictor
from mixcheck.families import Family
from mixcheck.families.facts import FamilyFacts
from mixcheck.fitting.estimation.constant_groups import determined_terms, is_constant_in, wide_terms
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.estimation.information import find_runaway
from mixcheck.fitting.estimation.limits import Limits, mute_rows, reason_at
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.results.explanations import explain_limits
from mixcheck.port.estimates import Limit, LimitReason

__all__ = ["FittedModel"]


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel(FamilyFacts):
    """A model with its data and its optimum, and the names of what is estimated.

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

    @cached_property
    def _shown(self) -> IntArray:
        """Positions of the fixed effects in `params`: all but a constant dispersion."""
        keep: list[int] = []
        for part, where in zip(self.design.predictors, self.problem.beta_slices, strict=True):
            if not _is_constant_dispersion(part):
                keep.extend(range(where.start, where.stop))
        return np.asarray(keep, dtype=np.intp)

    @property
    def shown_columns(self) -> list[tuple[str, str]]:
        """Predictor and column of each name in `params`."""
        return [(part.name, column) for part, column in self._shown_parts]

    @property
    def _shown_parts(self) -> list[tuple[Predictor, str]]:
        shown = (p for p in self.design.predictors if not _is_constant_dispersion(p))
        return [(part, column) for part in shown for column in part.columns]

    @cached_property
    def _names(self) -> list[str]:
        return [self._name(part, column) for part, column in self._shown_parts]

    def _name(self, part: Predictor, column: str) -> str:
        """Name of a fixed effect: bare for the mean, behind its predictor for others."""
        if part.name == "mean":
            return column
        if part.name not in self.family.shapes:
            return f"{part.name}: {column}"
        link = self.family.links[self.family.predictors.index(part.name)].name
        return part.name if link == "identity" else f"{link}({part.name})"

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
    def shape_names(self) -> list[str]:
        """Names of the shapes in `params`."""
        return [self._name(self.design.predictor(name), "") for name in self.family.shapes]

    @property
    def priors(self) -> Mapping[str, str]:
        """Priors of parameters, by the names under which they were given."""
        return {} if self.problem.penalty is None else self.problem.penalty.words

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


def _is_constant_dispersion(part: Predictor) -> bool:
    return part.name == "dispersion" and part.columns == ("Intercept",) and not part.random
