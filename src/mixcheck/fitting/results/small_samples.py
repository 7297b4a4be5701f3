"""Linear combinations of the coefficients of a fit, with the degrees of freedom of their tests.

Which degrees of freedom a fit has by default follows from what is known of its model. For a linear
mixed model they are those of Kenward and Roger, at the restricted estimates of the variances; for
all others those of containment: the levels that tell an estimate are counted. Where these are few,
standard errors are taken at the restricted estimates too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from mixcheck.arguments.options import require_choice
from mixcheck.arrays import FloatArray
from mixcheck.errors import MixcheckError, OptionError
from mixcheck.fitting.estimation.estimate import estimate, fixed_covariance
from mixcheck.fitting.estimation.marginal_covariance import (
    MOST_EFFECTS,
    MarginalCovariance,
    kenward_roger_at,
)
from mixcheck.fitting.influence.by_group import (
    differentiate_groups,
    find_grouping,
    require_separable,
)
from mixcheck.fitting.influence.cluster_scores import of_derivatives, of_linear_model
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.restricted import restricted_of
from mixcheck.inference.between_within import between_within_df
from mixcheck.inference.cluster_robust import ClusterRobust
from mixcheck.inference.containment import RandomColumns, containment_df
from mixcheck.inference.contrasts import Contrasts
from mixcheck.inference.kenward_roger import KenwardRoger
from mixcheck.inference.satterthwaite import joint_satterthwaite_df, satterthwaite_df

__all__ = ["DegreesOfFreedom", "SmallSamples", "regular", "small_samples_of"]

DegreesOfFreedom: TypeAlias = Literal[
    "auto",
    "kenward-roger",
    "satterthwaite",
    "restricted-containment",
    "containment",
    "between-within",
    "normal",
]

# With more levels than this, restricted estimates of variances are those of maximum likelihood to
# a few percent, and nothing is fitted again.
_FEW_LEVELS = 30
# Entries of a contrast below this share of the largest are rounding.
_ZERO = 1e-12


_KNOWN = "_small_samples"


def small_samples_of(fit: Estimates) -> SmallSamples:
    """What is known of the coefficients of a fit; it is computed once."""
    known: SmallSamples = fit.__dict__.setdefault(_KNOWN, SmallSamples(fit))
    return known


@dataclass(frozen=True, eq=False)
class SmallSamples:
    """Covariances and degrees of freedom of the coefficients of one fit.

    Attributes
    ----------
    fit : Estimates
    """

    fit: Estimates

    def contrasts(self, L: FloatArray, ddf: str = "auto", cluster: str | None = None) -> Contrasts:
        """Linear combinations of what is in `params`.

        Parameters
        ----------
        L : (k, p)
            One combination a row, in the order of `params`.
        ddf : str
            See `mixcheck.GLMM.coefficients`.
        cluster : str, optional
            Likewise.

        Raises
        ------
        OptionError
            If the degrees of freedom are not defined for this model.
        """
        require_choice("ddf", ddf, get_args(DegreesOfFreedom))
        rows = np.where(np.abs(L) > _ZERO * np.abs(L).max(axis=1, keepdims=True), L, 0.0)
        estimate_ = rows @ self.fit.optimum.psi[self.fit.fixed_positions]
        if cluster is not None:
            if ddf != "auto":
                raise OptionError(
                    f'cluster= has degrees of freedom of its own; leave out ddf="{ddf}"'
                )
            known = self._robust(cluster)
            joint, scale = known.joint(rows)
            V = self._spread(rows, known.covariance)
            return Contrasts(estimate_, V, known.df(rows), joint, scale, f"cluster {cluster}")
        if ddf == "auto":
            return self._by_default(rows, estimate_)
        return self._by(ddf, rows, estimate_)

    def _by_default(self, L: FloatArray, estimate_: FloatArray) -> Contrasts:
        few = self._containment[: self._of_mean].min(initial=np.inf) <= _FEW_LEVELS
        rules = ("kenward-roger", "satterthwaite", *(["restricted-containment"] if few else []))
        for ddf in rules:
            if not self._refusal(ddf):
                try:
                    return self._by(ddf, L, estimate_)
                except (MixcheckError, np.linalg.LinAlgError):
                    continue
        return self._by("containment", L, estimate_)

    def _by(self, ddf: str, L: FloatArray, estimate_: FloatArray) -> Contrasts:
        if ddf == "normal":
            k = len(L)
            covariance = self._spread(L, self._observed)
            return Contrasts(estimate_, covariance, np.full(k, np.inf), np.inf, 1.0, ddf)
        if ddf in ("containment", "between-within"):
            return self._by_levels(L, estimate_, self._observed, ddf)
        refusal = self._refusal(ddf)
        if refusal:
            raise OptionError(f'ddf="{ddf}" {refusal}; write ddf="{self._alternative(ddf)}"')
        if ddf == "restricted-containment":
            return self._by_levels(L, estimate_, self._at_restricted, ddf)
        return self._in_mean(ddf, L, estimate_)

    def _by_levels(
        self, L: FloatArray, estimate_: FloatArray, covariance: FloatArray, ddf: str
    ) -> Contrasts:
        """With degrees of freedom that are counted from the design."""
        df = _smallest(L, self._between_within if ddf == "between-within" else self._containment)
        joint = float(df.min(initial=np.inf))
        return Contrasts(estimate_, self._spread(L, covariance), df, joint, 1.0, ddf)

    # ---- linear mixed models -------------------------------------------------------------

    def _refusal(self, ddf: str) -> str:
        """Why these degrees of freedom are not defined for the model; empty if they are."""
        if ddf == "restricted-containment":
            return self._no_restricted
        fit = self.fit
        problem = fit.problem
        if not problem.family.is_linear:
            link = problem.family.link.name
            return (
                f"is for a Gaussian response with the identity link, not {fit.family.name} ({link})"
            )
        if problem.penalty is not None:
            return "is not defined with priors"
        if problem.latent.iterative:
            return "needs a matrix of all pairs of the crossed random effects, which are too many"
        if problem.latent.random_predictors not in ((), (0,)):
            return "is not defined with random effects in the dispersion"
        if fit.infinite_names:
            return "is not defined where a parameter has no finite estimate"
        if not problem.X[0].shape[1]:
            return "is about coefficients of the mean, and there are none"
        if ddf == "satterthwaite":
            return ""
        if problem.X[1].shape[1] != 1 or np.ptp(problem.X[1]) > 0.0:
            return "needs one residual variance, and here it has a model"
        if any(term.tied or term.covariance.basis is None for term in problem.terms):
            return "needs a covariance that is linear in its parameters, as of (x | g) or (x || g)"
        if len(problem.latent.factors) > 1 and problem.latent.size > MOST_EFFECTS:
            return f"needs a dense matrix of {problem.latent.size} random effects"
        return ""

    def _alternative(self, ddf: str) -> str:
        if ddf == "kenward-roger" and not self._refusal("satterthwaite"):
            return "satterthwaite"
        return "containment"

    @cached_property
    def _at(self) -> MarginalCovariance:
        return MarginalCovariance(self.fit.problem, self.fit.optimum.psi)

    @cached_property
    def _restricted(self) -> MarginalCovariance:
        """At the restricted estimates of the variances."""
        problem, fit = self.fit.problem, self.fit
        if fit.reml:
            return self._at
        psi = estimate(problem, Laplace(restricted=True)).psi
        return MarginalCovariance(problem, psi)

    @cached_property
    def _kenward_roger(self) -> KenwardRoger:
        return kenward_roger_at(self._restricted)

    @cached_property
    def _slopes(self) -> tuple[FloatArray, FloatArray]:
        """Derivatives of C in the variance parameters, and their sampling covariance."""
        p = self.fit.problem.X[0].shape[1]
        return self._at.slopes(), self.fit.covariance[p:, p:]

    def _in_mean(self, ddf: str, L: FloatArray, estimate_: FloatArray) -> Contrasts:
        """Contrasts of the coefficients of the mean; those of the dispersion are normal."""
        fit = self.fit
        p = fit.problem.X[0].shape[1]
        at = self._restricted if ddf == "kenward-roger" else self._at
        # X U = Q, so that the coefficients are U times those of Q.
        units = at.orthonormal[1]
        inner = L[:, :p] @ units
        if ddf == "kenward-roger":
            known = self._kenward_roger
            own, df = known.adjusted, known.df(inner)
            joint, scale = known.joint(inner)
        else:
            slopes, of_parameters = self._slopes
            own = at.covariance
            df = satterthwaite_df(inner, own, slopes, of_parameters)
            joint, scale = joint_satterthwaite_df(inner, own, slopes, of_parameters), 1.0
        covariance = self._observed.copy()
        covariance[:p, p:], covariance[p:, :p] = 0.0, 0.0
        covariance[:p, :p] = units @ own @ units.T
        df = np.where(np.any(inner != 0.0, axis=1), df, np.inf)
        return Contrasts(estimate_, L @ covariance @ L.T, df, joint, scale, ddf)

    # ---- restricted estimates of other models --------------------------------------------

    @property
    def _of_mean(self) -> int:
        return int(self.fit.problem.X[0].shape[1])

    @property
    def _no_restricted(self) -> str:
        """Why there are no errors at restricted estimates; empty if there are."""
        if not (self._of_mean and self.fit.problem.terms):
            return "is about coefficients of the mean beside random effects"
        if restricted_of(self.fit) is None:
            return (
                "needs a restricted likelihood: Laplace's approximation, no priors, finite "
                "estimates, and crossed effects that are not too many"
            )
        return ""

    @cached_property
    def _at_restricted(self) -> FloatArray:
        """Covariance of what is in `params`, with variances estimated as for few levels, (p, p).

        To that of the fit is added what the covariance of the coefficients of the mean, given
        all other parameters, gains from their estimates to the restricted ones.
        """
        fit, out, p = self.fit, self._observed.copy(), self._of_mean
        restricted = restricted_of(fit)
        assert restricted is not None
        if restricted is not fit:
            scale: FloatArray = np.asarray(
                np.linalg.cholesky(regular(fit.covariance)), dtype=np.float64
            )
            here = fixed_covariance(fit.problem, fit.optimum.psi, scale, restricted.method)
            out[:p, :p] += restricted.covariance[:p, :p] - here
        return out

    # ---- clusters ------------------------------------------------------------------------

    def _robust(self, cluster: str) -> ClusterRobust:
        """What the clusters say of what is in `params`; it is computed once for each column."""
        known: dict[str, ClusterRobust] = self.__dict__.setdefault("_clusters", {})
        if cluster not in known:
            known[cluster] = self._look_at_clusters(cluster)
        return known[cluster]

    def _look_at_clusters(self, cluster: str) -> ClusterRobust:
        fit = self.fit
        if fit.infinite_names or fit.priors or fit.method.kind == "pseudo":
            raise OptionError(
                "cluster= needs a likelihood that was maximised, and finite estimates; leave it out"
            )
        grouping = find_grouping(fit.design, fit.problem, cluster)
        if len(grouping.levels) < 2:
            raise OptionError(f"cluster={cluster!r} has one level only; choose another column")
        positions = fit.fixed_positions
        mean = positions.size == fit.problem.X[0].shape[1]
        if mean and not self._refusal("satterthwaite"):
            require_separable(fit.problem, grouping)
            return of_linear_model(self._at, grouping.codes)
        scale: FloatArray = np.asarray(
            np.linalg.cholesky(regular(fit.covariance)), dtype=np.float64
        )
        derivatives = differentiate_groups(
            fit.problem, fit.method, grouping, fit.optimum.psi, scale
        )
        return of_derivatives(derivatives, positions)

    # ---- all models ----------------------------------------------------------------------

    @cached_property
    def _observed(self) -> FloatArray:
        """Covariance of what is in `params`, by the observed information, (p, p)."""
        return self.fit.cov_params().to_numpy(dtype=np.float64)

    @staticmethod
    def _spread(L: FloatArray, covariance: FloatArray) -> FloatArray:
        """``L C L'``, where an infinite variance counts for the combinations that it is in."""
        lost = np.isinf(covariance.diagonal())
        if not lost.any():
            out: FloatArray = L @ covariance @ L.T
            return out
        finite = covariance.copy()
        finite[lost], finite[:, lost] = 0.0, 0.0
        out = L @ finite @ L.T
        within = np.any(L[:, lost] != 0.0, axis=1)
        out[within], out[:, within] = np.nan, np.nan
        out[within, within] = np.inf
        return out

    @cached_property
    def _containment(self) -> FloatArray:
        """Degrees of freedom of each coefficient in `params`, (p,)."""
        return self._count_levels("containment")

    @cached_property
    def _between_within(self) -> FloatArray:
        return self._count_levels("between-within")

    def _count_levels(self, ddf: str) -> FloatArray:
        """Part by part; shapes of the family are normal."""
        fit = self.fit
        out = np.full(fit.problem.n_beta, np.inf)
        weights = fit.design.weights
        total = float(fit.nobs if weights is None else weights.sum())
        for part, where in zip(fit.design.predictors, fit.problem.beta_slices, strict=True):
            if part.name in fit.family.shapes or not part.X.shape[1]:
                continue
            if ddf == "containment":
                estimated = part.name == "mean" and "dispersion" in fit.family.predictors
                terms = [RandomColumns(b.index, b.Z) for b in part.random]
                out[where] = containment_df(part.X, terms, total if estimated else np.inf)
            else:
                codes = [block.codes for block in part.random]
                out[where] = between_within_df(part.X, codes, total)
        return out[fit.fixed_positions]


def regular(covariance: FloatArray) -> FloatArray:
    """``C + 1e-8 diag(C)``, next to zero 1e-8 of the largest: regular on the boundary, too."""
    sizes = covariance.diagonal()
    least = 1e-8 * float(sizes.max())
    out: FloatArray = covariance + np.diag(np.maximum(1e-8 * sizes, least * (sizes <= least)))
    return out


def _smallest(L: FloatArray, df: FloatArray) -> FloatArray:
    """Of each row of L the smallest df of the coefficients that take part, (k,)."""
    out: FloatArray = np.where(L != 0.0, df, np.inf).min(axis=1, initial=np.inf)
    return out
