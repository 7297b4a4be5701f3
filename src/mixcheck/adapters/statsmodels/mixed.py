"""Linear mixed models of statsmodels: random effects whose distribution given the data is normal.

Of each group ``y = X beta + M u + sigma e``, with u and e standard normal and ``M = Z L``, L a root
of the covariance of the effects. Given y, u is normal with the covariance
``C = (I + M'M / sigma^2)^-1`` and the mean ``C M' (y - X beta) / sigma^2``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from mixcheck.adapters.regression import Estimates, Rows
from mixcheck.adapters.statsmodels.recipe import converged, tabulate
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError
from mixcheck.families import Gaussian
from mixcheck.port import (
    Conditioning,
    ConvergenceFacts,
    DataRows,
    DataView,
    LikelihoodKind,
    ProbabilityTransform,
)
from mixcheck.port.row_hashes import digest, hash_labels
from mixcheck.predictive import (
    ConditionalDistribution,
    known_normal,
    probability_transform,
    quantile_residuals,
)

__all__ = ["Group", "LinearMixed", "MixedDesign", "port_of_mixed"]

_NODES: Final = 7
# statsmodels searches roots of the covariance and stops this near to its boundary: a correlation
# of one, and a variance of zero in units of that of the errors.
_SINGULAR: Final = 1e-6
_NOTHING: Final = 1e-6


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


@dataclass(frozen=True, eq=False)
class MixedDesign:
    """What does not change with the response.

    Attributes
    ----------
    model : type
        `MixedLM`.
    exog : (n, p)
    groups, exog_re, exog_vc
        As the model was given them.
    reml : bool
    name : str
        Of the groups.
    effects : tuple of str
        Names of the effects of a group.
    levels : Index, (m,)
    """

    model: type
    exog: FloatArray
    groups: Any
    exog_re: Any
    exog_vc: Any
    reml: bool
    name: str
    effects: tuple[str, ...]
    levels: pd.Index[Any]

    def fit(self, response: FloatArray) -> Any:
        """The result for another response.

        Raises
        ------
        ConvergenceError
            If statsmodels finds none.
        """
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                model = self.model(
                    response, self.exog, self.groups, exog_re=self.exog_re, exog_vc=self.exog_vc
                )
                return model.fit(reml=self.reml)
        except Exception as error:
            raise ConvergenceError(
                f"statsmodels could not fit MixedLM to this response: {type(error).__name__}: "
                f"{error}"
            ) from error


@dataclass(frozen=True, eq=False)
class LinearMixed:
    """The port of a linear mixed model of statsmodels; see `mixcheck.port`.

    Attributes
    ----------
    design : MixedDesign
    response, fixed : (n,)
        The data, and ``X beta``.
    scale : float
        Variance of the errors.
    covariance : (q, q)
        Of the effects of a group.
    variances : mapping of str to float
        Of the variance components.
    members : tuple of Group
    rows : Rows
    estimates : Estimates
    """

    design: MixedDesign
    response: FloatArray
    fixed: FloatArray
    scale: float
    covariance: FloatArray
    variances: Mapping[str, float]
    members: tuple[Group, ...]
    rows: Rows
    estimates: Estimates

    discrete = False
    fits_variance = True
    fits_frequencies = False
    heavy_tailed = False

    def __repr__(self) -> str:
        return f"<statsmodels MixedLM: {self.description['formula']}, {self.nobs} rows>"

    @property
    def frame(self) -> pd.DataFrame:
        """The rows of the fit."""
        return self.rows.frame

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What the model is."""
        return self.estimates.facts

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

    def refit(self, response: FloatArray) -> Self:
        """Fit the same model to another response, (n,), by statsmodels."""
        result = self.design.fit(np.asarray(response, dtype=np.float64))
        made: Self = _read(type(self), result, self.design, self.rows, self.estimates.facts)
        return made

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
        q = len(self.design.effects)
        if not q:
            return {}
        whole = np.stack([u[:q] for u in effects])
        label = f"{self.design.name} [{', '.join(self.design.effects)}]"
        return {label: whole @ root_of(self.covariance).T if scaled else whole}

    # ---- its estimates ---------------------------------------------------------------

    @property
    def coefficient_table(self) -> pd.DataFrame:
        """Coefficients as statsmodels reports them."""
        return self.estimates.table.iloc[: self.design.exog.shape[1]]

    @property
    def variance_components(self) -> pd.DataFrame:
        """Variances of the random effects, of components, and of the errors."""
        variances = dict(zip(self.design.effects, np.diag(self.covariance).tolist(), strict=True))
        rows = [(self.design.name, name, value) for name, value in variances.items()]
        rows += [("component", name, value) for name, value in self.variances.items()]
        rows.append(("residual", "", self.scale))
        frame = pd.DataFrame(rows, columns=["group", "name", "variance"])
        return frame.assign(sd=np.sqrt(frame["variance"]), corr=np.nan)

    @property
    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()

    @cached_property
    def random_effects(self) -> Mapping[str, pd.DataFrame]:
        """Conditional modes of the effects of the groups."""
        named = self._named(self._modes(self.response), True)
        return {self.design.name: self._framed(next(iter(named.values())))} if named else {}

    @cached_property
    def random_effects_sd(self) -> Mapping[str, pd.DataFrame]:
        """Their conditional standard deviations."""
        if not self.design.effects:
            return {}
        q, L = len(self.design.effects), root_of(self.covariance)
        roots = [L @ group.root[:q] for group in self.members]
        deviations = np.sqrt([np.einsum("ij,ij->i", root, root) for root in roots])
        return {self.design.name: self._framed(deviations)}

    def _framed(self, values: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.design.levels, columns=list(self.design.effects))

    @cached_property
    def convergence(self) -> ConvergenceFacts:
        """What statsmodels says, and the gradient of the fixed effects as found here."""
        X, rest = self.design.exog, self.response - self.fixed
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
        message = "statsmodels says that MixedLM did not converge; fit it by another method=."
        zero = _is_singular(self.covariance, self.scale)
        term = f"{self.design.name} [{', '.join(self.design.effects)}]"
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
    def llf(self) -> float:
        """The log-likelihood, restricted where the fit is REML."""
        return self.estimates.llf

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters."""
        return self.estimates.n_parameters

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return self.response.size

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """Of the responses, or restricted."""
        return "restricted" if self.design.reml else "full"

    @property
    def family_limits(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def whole_families(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def fixed_matrices(self) -> Mapping[str, FloatArray]:
        """The model matrix of the mean."""
        return {"mean": self.design.exog}

    @property
    def random_terms(self) -> Mapping[str, tuple[str, FloatArray]]:
        """The effects of the groups, with their matrix."""
        if not self.design.effects:
            return {}
        matrix = np.asarray(self.design.exog_re, dtype=np.float64)
        return {f"mean: {self.design.name}": (self.design.name, matrix)}

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

    @cached_property
    def data_digest(self) -> Mapping[str, str]:
        """Digests of the rows and the response; there are no weights and no offset."""
        labels = hash_labels(self.frame.index)
        order = np.argsort(labels, kind="stable")
        return {
            "rows": digest(labels[order]),
            "response": digest(self.response[order], None),
            "weights": digest(None),
            "offset": digest(np.zeros(self.nobs)),
        }


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
        return ProbabilityTransform(below, mass, scores, weights)


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


def port_of_mixed(result: Any, rows: Rows, formula: str) -> LinearMixed:
    """The port of a `MixedLMResults`, of which `rows` and `formula` are known."""
    model = result.model
    codes, levels = pd.factorize(np.asarray(model.groups))
    name = _name_of(model, rows.frame, codes)
    re = _effect_names(model) if model.k_re else ()
    design = MixedDesign(
        model=type(model),
        exog=np.asarray(model.exog, dtype=np.float64),
        groups=np.asarray(model.groups),
        exog_re=np.asarray(model.exog_re, dtype=np.float64) if model.k_re else None,
        exog_vc=model.exog_vc if model.k_vc else None,
        reml=bool(model.reml),
        name=name,
        effects=re,
        levels=pd.Index(model.group_labels, name=name),
    )
    facts = {
        "formula": formula,
        "family": "gaussian",
        "link": "identity",
        "method": f"statsmodels MixedLM, {'REML' if model.reml else 'ML'}",
        "nobs": int(np.shape(model.exog)[0]),
        f"levels of {name}": len(levels),
    }
    used = tuple(dict.fromkeys((*rows.used, *((name,) if name in rows.frame else ()))))
    grouped = replace(rows, used=used, groups={name: np.asarray(codes, dtype=np.intp)})
    made: LinearMixed = _read(LinearMixed, result, design, grouped, facts)
    return made


def _effect_names(model: Any) -> tuple[str, ...]:
    """Columns of the random effects; statsmodels calls their intercept after the groups."""
    columns = np.asarray(model.exog_re, dtype=np.float64).reshape(len(model.endog), -1).T
    names = zip(model.data.exog_re_names, columns, strict=True)
    return tuple("Intercept" if (Z == 1.0).all() else str(name) for name, Z in names)


def _name_of(model: Any, frame: pd.DataFrame, codes: IntArray) -> str:
    """The column that makes the groups, if one of the table does; "group" otherwise."""
    for column in frame.columns:
        if np.array_equal(pd.factorize(frame[column])[0], codes):
            return str(column)
    return "group"


def _read(kind: Any, result: Any, design: MixedDesign, rows: Rows, facts: Mapping[str, Any]) -> Any:
    model, scale = result.model, float(result.scale)
    q, variances = len(design.effects), np.asarray(result.vcomp, dtype=np.float64)
    covariance = np.asarray(result.cov_re, dtype=np.float64).reshape(q, q)
    root, members = root_of(covariance), []
    for k, label in enumerate(model.group_labels):
        own = np.asarray(model.row_indices[label], dtype=np.intp)
        parts = [np.asarray(model.exog_re_li[k]) @ root] if q else []
        parts += [
            np.asarray(model.exog_vc.mats[j][k]) * np.sqrt(variance)
            for j, variance in enumerate(variances)
        ]
        members.append(Group.of(own, np.hstack(parts), scale))
    table = tabulate(result)
    llf = float(result.llf)
    count = model.k_fe + model.k_re2 + model.k_vc + 1
    names = list(model.exog_vc.names) if len(variances) else []
    return kind(
        design=design,
        response=np.asarray(model.endog, dtype=np.float64),
        fixed=design.exog @ np.asarray(result.fe_params, dtype=np.float64),
        scale=scale,
        covariance=covariance,
        variances=dict(zip(names, variances.tolist(), strict=True)),
        members=tuple(members),
        rows=rows,
        estimates=Estimates(table, llf, count, converged(result), {**facts, "log-likelihood": llf}),
    )
