"""A linear mixed model that another program fitted, by the random effects of its groups.

Of each group ``y = X beta + M u + sigma e``, with u and e standard normal and ``M = Z L``, L a root
of the covariance of the effects. Given y, u is normal with the covariance
``C = (I + M'M / sigma^2)^-1`` and the mean ``C M' (y - X beta) / sigma^2``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.adapters.fitted_elsewhere import FittedElsewhere
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families import Gaussian
from mixcheck.families.family import Family
from mixcheck.port import (
    Conditioning,
    ConvergenceFacts,
    DataRows,
    DataView,
    LikelihoodKind,
    ProbabilityTransform,
)
from mixcheck.predictive import (
    ConditionalDistribution,
    known_normal,
    probability_transform,
    quantile_residuals,
)

__all__ = ["Effects", "Group", "LinearMixed", "root_of"]

_NODES: Final = 7
# Searches over roots of the covariance stop this near to its boundary: a correlation of one, and a
# variance of zero in units of that of the errors.
_SINGULAR: Final = 1e-6
_NOTHING: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Effects:
    """The random effects that the groups have names for.

    Attributes
    ----------
    group : str
        Name of the grouping factor.
    names : tuple of q str
        Names of the effects of a group; none where there are components only.
    matrix : (n, q)
        ``Z``.
    levels : Index, (m,)
    """

    group: str
    names: tuple[str, ...]
    matrix: FloatArray
    levels: pd.Index[Any]

    @property
    def label(self) -> str:
        """Name of the term."""
        return f"{self.group} [{', '.join(self.names)}]"


@dataclass(frozen=True, eq=False)
class Group:
    """One group: its rows, and what is known of its random effects given any response.

    Attributes
    ----------
    rows : (k,) int
    effects : (k, q)
        ``M``: what each standardised effect adds to the rows.
    root : (q, q)
        A root of C.
    solve : (q, k)
        ``C M' / sigma^2``.
    """

    rows: IntArray
    effects: FloatArray
    root: FloatArray
    solve: FloatArray

    @staticmethod
    def of(rows: IntArray, effects: FloatArray, scale: float) -> Group:
        """What is known at a residual variance."""
        precision = np.eye(effects.shape[1]) + effects.T @ effects / scale
        lower = np.linalg.cholesky(precision)
        root = np.linalg.inv(lower).T
        return Group(rows, effects, root, root @ root.T @ effects.T / scale)


@dataclass(frozen=True, eq=False, repr=False)
class LinearMixed(FittedElsewhere):
    """The port of a linear mixed model fitted elsewhere; see `mixcheck.port`.

    Attributes
    ----------
    X : (n, p)
        Model matrix of the mean.
    effects : Effects
    response, fixed : (n,)
        The data, and ``X beta``.
    scale : float
        Variance of the errors.
    covariance : (q, q)
        Of the effects of a group.
    variances : mapping of str to float
        Of the variance components.
    members : tuple of Group
    restricted : bool
        Whether the likelihood is restricted (REML).
    refitter : callable
        Fits the model to another response, (n,), where this one was fitted.
    """

    X: FloatArray
    effects: Effects
    response: FloatArray
    fixed: FloatArray
    scale: float
    covariance: FloatArray
    variances: Mapping[str, float]
    members: tuple[Group, ...]
    restricted: bool
    refitter: Callable[[FloatArray], LinearMixed]

    # ---- to be checked ---------------------------------------------------------------

    @property
    def family(self) -> Family:
        """The distribution of a response given its predictors."""
        return Gaussian()

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the data, with one draw of the random effects from their distribution given these."""
        modes = self._modes(self.response)
        drawn = [
            mode + group.root @ rng.standard_normal(mode.size)
            for mode, group in zip(modes, self.members, strict=True)
        ]
        return self._see(self.response, modes, drawn, conditioning)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate random effects and a response, and see it with these effects."""
        effects, response = self._simulate(rng)
        return self._see(response, self._modes(response), effects, conditioning)

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response, (n,), with new random effects."""
        return self._simulate(rng)[1]

    def refit(self, response: FloatArray) -> LinearMixed:
        """Fit the same model to another response, (n,), by the program that fitted it.

        Raises
        ------
        ConvergenceError
            If that program finds no fit.
        """
        return self.refitter(np.asarray(response, dtype=np.float64))

    def _simulate(self, rng: np.random.Generator) -> tuple[list[FloatArray], FloatArray]:
        effects: list[FloatArray] = [
            rng.standard_normal((group.root.shape[0],)) for group in self.members
        ]
        noise = np.sqrt(self.scale) * rng.standard_normal(self.nobs)
        return effects, self._predictor(effects) + noise

    def _modes(self, response: FloatArray) -> list[FloatArray]:
        rest = response - self.fixed
        return [group.solve @ rest[group.rows] for group in self.members]

    def _predictor(self, effects: list[FloatArray]) -> FloatArray:
        out = self.fixed.copy()
        for group, u in zip(self.members, effects, strict=True):
            out[group.rows] += group.effects @ u
        return out

    def _given(self, mean: FloatArray, variance: FloatArray) -> ConditionalDistribution:
        return ConditionalDistribution(Gaussian(), (mean, 0.5 * np.log(variance)), None)

    def _see(
        self,
        response: FloatArray,
        modes: list[FloatArray],
        effects: list[FloatArray],
        conditioning: Conditioning,
    ) -> DataView:
        at_mode, errors = self._predictor(modes), np.full(self.nobs, self.scale)
        used = {"posterior": effects, "mode": modes}.get(conditioning)
        if used is None:
            given = self._given(self.fixed, self.scale + self._spread[0])
        else:
            given = self._given(self._predictor(used), errors)
        rest = (response - at_mode) / self.scale
        return DataView(
            response=response,
            residuals=quantile_residuals(given, response, np.full(self.nobs, 0.5)),
            fitted=self.fixed,
            mean=given.mean(),
            variance=given.variance(),
            mode_mean=at_mode,
            mode_variance=errors,
            effects={} if used is None else self._named(used, False),
            modes=self._named(modes, True),
            transform=NormalTransform(self, response, given, at_mode, conditioning),
            predictors={"mean": at_mode, "dispersion": 0.5 * np.log(errors)},
            scores={"mean": rest, "dispersion": self.scale * rest**2 - 1.0},
        )

    @cached_property
    def _spread(self) -> tuple[FloatArray, FloatArray]:
        """Variance of the random part of each row, (n,): before the data, and given them."""
        before, after = np.zeros(self.nobs), np.zeros(self.nobs)
        for group in self.members:
            before[group.rows] = np.einsum("kq,kq->k", group.effects, group.effects)
            left = group.effects @ group.root
            after[group.rows] = np.einsum("kq,kq->k", left, left)
        return before, after

    def _named(self, effects: list[FloatArray], scaled: bool) -> dict[str, FloatArray]:
        """Effects of the groups by term, (m, q), in their own units or standardised."""
        q = len(self.effects.names)
        if not q:
            return {}
        whole = np.stack([u[:q] for u in effects])
        return {self.effects.label: whole @ root_of(self.covariance).T if scaled else whole}

    # ---- its estimates ---------------------------------------------------------------

    @property
    def coefficient_table(self) -> pd.DataFrame:
        """Coefficients as the other program reports them."""
        return self.estimates.table.iloc[: self.X.shape[1]]

    @property
    def n_groups(self) -> Mapping[str, int]:
        """Number of levels of the grouping factor."""
        return {self.effects.group: len(self.effects.levels)}

    @property
    def variance_components(self) -> pd.DataFrame:
        """Variances of the random effects, of components, and of the errors.

        One that is nothing beside that of the errors, by which a term is singular, is zero.
        """
        found = np.diag(self.covariance)
        found = np.where(found <= _NOTHING * self.scale, 0.0, found)
        variances = dict(zip(self.effects.names, found.tolist(), strict=True))
        rows = [(self.effects.group, name, value) for name, value in variances.items()]
        rows += [("component", name, value) for name, value in self.variances.items()]
        rows.append(("residual", "", self.scale))
        frame = pd.DataFrame(rows, columns=["group", "name", "variance"])
        return frame.assign(sd=np.sqrt(frame["variance"]), corr=np.nan)

    @cached_property
    def random_effects(self) -> Mapping[str, pd.DataFrame]:
        """Conditional modes of the effects of the groups."""
        named = self._named(self._modes(self.response), True)
        return {self.effects.group: self._framed(next(iter(named.values())))} if named else {}

    @cached_property
    def random_effects_sd(self) -> Mapping[str, pd.DataFrame]:
        """Their conditional standard deviations."""
        if not self.effects.names:
            return {}
        q, L = len(self.effects.names), root_of(self.covariance)
        roots = [L @ group.root[:q] for group in self.members]
        deviations = np.sqrt([np.einsum("ij,ij->i", root, root) for root in roots])
        return {self.effects.group: self._framed(deviations)}

    def _framed(self, values: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.effects.levels, columns=list(self.effects.names))

    @cached_property
    def convergence(self) -> ConvergenceFacts:
        """What the program says, and the gradient of the fixed effects as found here."""
        X, rest = self.X, self.response - self.fixed
        weighed, score = X / self.scale, X.T @ rest / self.scale
        information = X.T @ weighed
        for group in self.members:
            inner = X[group.rows].T @ group.effects / self.scale
            information -= inner @ group.root @ group.root.T @ inner.T
            score -= inner @ (group.solve @ rest[group.rows])
        values, vectors = np.linalg.eigh(information)
        errors = np.sqrt(np.einsum("ij,j,ij->i", vectors, 1.0 / values, vectors))
        unit = np.sqrt(np.diag(information))
        scaled = np.linalg.eigvalsh(information / np.outer(unit, unit))
        said = self.estimates.converged
        message = (
            "The optimiser of the other program says that it did not converge; fit by another "
            "method of it."
        )
        zero = _is_singular(self.covariance, self.scale)
        term = self.effects.label
        return ConvergenceFacts(
            converged=said,
            gradient=float(np.max(np.abs(score * errors))),
            smallest_eigenvalue=float(scaled[0]),
            evaluations=0,
            singular=(term,) if zero else (),
            singular_effects=(term,) if zero else (),
            messages=() if said else (message,),
        )

    # ---- to be compared --------------------------------------------------------------

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """Of the responses, or restricted."""
        return "restricted" if self.restricted else "full"

    @property
    def fixed_matrices(self) -> Mapping[str, FloatArray]:
        """The model matrix of the mean."""
        return {"mean": self.X}

    @property
    def random_terms(self) -> Mapping[str, tuple[str, FloatArray]]:
        """The effects of the groups, with their matrix."""
        if not self.effects.names:
            return {}
        name = self.effects.group
        return {f"mean: {name}": (name, self.effects.matrix)}

    @property
    def data_rows(self) -> DataRows:
        """The rows of the fit and what they hold."""
        groups = self.rows.groups or {}
        return DataRows(
            frame=self.frame,
            response=self.response,
            size=None,
            weights=None,
            offsets={"mean": np.zeros(self.nobs)},
            groups=groups,
            used=self.rows.used,
            grouping=tuple(groups),
        )


@dataclass(frozen=True, eq=False)
class NormalTransform:
    """Where responses stand, with what the data say of their random effects and without a draw."""

    model: LinearMixed
    response: FloatArray
    given: ConditionalDistribution
    at_mode: FloatArray
    conditioning: Conditioning

    def __call__(self) -> ProbabilityTransform:
        """At nodes of the normal predictor of each row, (J, n)."""
        weights, distributions = np.ones(1), [self.given]
        if self.conditioning == "posterior":
            model = self.model
            deviation = np.full(model.nobs, 0.5 * np.log(model.scale))
            spread = model._spread[1][None, None]
            eta = (self.at_mode, deviation)
            weights, distributions = known_normal(Gaussian(), eta, [0], spread, None, _NODES)
        each = [probability_transform(one, self.response) for one in distributions]
        below, mass, scores = (np.stack(parts) for parts in zip(*each, strict=True))
        return ProbabilityTransform.of(below, mass, scores, weights)


def root_of(covariance: FloatArray) -> FloatArray:
    """A root of a covariance that may be singular, (q, q)."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _is_singular(covariance: FloatArray, scale: float) -> bool:
    """Whether a variance is nothing beside that of the errors, or a correlation is one."""
    if not covariance.size:
        return False
    variances = np.diag(covariance)
    if (variances <= _NOTHING * scale).any():
        return True
    unit = np.sqrt(variances)
    return bool(np.linalg.eigvalsh(covariance / np.outer(unit, unit))[0] < _SINGULAR)
