"""Linear mixed models: estimates from cross products, on the user's scale.

A Gaussian response with the identity link and one residual variance is estimated from cross
products (:mod:`mixcheck.fitting.likelihood.cross_products`) by the profiled deviance
(:mod:`mixcheck.fitting.likelihood.profiled_deviance`), which does not see the rows. What the rest
of the library asks for beyond the estimates (modes, covariance) is computed when it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.gaussian_search import find_optimum
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.pivoted_cholesky import above_diagonal, entries_of, to_lower
from mixcheck.fitting.latent.factorization import factorize
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.cross_products import take_moments
from mixcheck.fitting.likelihood.mode import Mode, System, evaluate_density
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_deviance import Profile, ProfiledDeviance
from mixcheck.fitting.likelihood.profiled_jointly import absorb_jointly

__all__ = [
    "Centred",
    "centre_effects",
    "covariance_of_gaussian",
    "deviations_of_gaussian",
    "estimate_gaussian",
    "is_profiled",
]

# Residuals of this many times the rounding of the response are nothing.
_ROUNDING = 8.0
# With no pivot of a scaled information smaller than this every direction has curvature.
_REGULAR = 1e-4


def is_profiled(problem: Problem) -> bool:
    """Whether a problem is estimated from cross products, by any method.

    The likelihood of a linear mixed model is known: Laplace's approximation, quadrature and
    penalised quasi-likelihood all are exact.
    """
    return problem.products is not None


def estimate_gaussian(
    problem: Problem, method: Method, previous: FloatArray | None = None
) -> Optimum:
    """Maximise the likelihood of a linear mixed model, or its restricted likelihood.

    Parameters
    ----------
    problem : Problem
    method : Method
    previous : (P,), optional
        Estimates to start from.

    Raises
    ------
    ConvergenceError
        If the model reproduces the responses exactly.
    """
    products = problem.products
    assert products is not None
    moments = take_moments(products, problem.X[0], problem.data.y - problem.offsets[0])
    if moments.size == 0.0 or moments.noise * _ROUNDING > 1.0:
        raise ConvergenceError(_exact_by_fixed(problem))
    deviance = ProfiledDeviance(products, moments, restricted=method.restricted)
    profile, count = find_optimum(problem, deviance, previous)
    fit = GaussianFit(problem, method, deviance, profile)
    return GaussianOptimum(fit, count)


def _exact_by_fixed(problem: Problem) -> str:
    y = problem.data.y - problem.offsets[0]
    if np.ptp(y) == 0.0:
        less = " less its offset" if problem.offsets[0].any() else ""
        return (
            f"the response{less} is constant, so the model reproduces the responses exactly and "
            "there is no residual variance to estimate; check that the response is the column "
            "that was meant"
        )
    return (
        "the model reproduces the responses exactly by its fixed effects alone, so there is no "
        "residual variance to estimate; leave out the predictor that is a function of the "
        "response, or write fewer fixed effects"
    )


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """A linear mixed model at its optimum, in the units of its cross products.

    Attributes
    ----------
    problem : Problem
    method : Method
    deviance : ProfiledDeviance
    profile : Profile
        With its Hessian.
    """

    problem: Problem
    method: Method
    deviance: ProfiledDeviance
    profile: Profile

    @cached_property
    def deviation(self) -> float:
        """Residual standard deviation, ``sigma = sqrt(r^2 / nu)``, in units of `size`."""
        return math.sqrt(self.profile.square / self.deviance.degrees)

    @cached_property
    def turned(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Relative Lambda of the user's effects, and its rotation.

        ``L = C M O``, where M is Lambda of the products, C the change of covariates, and O the
        rotation that makes L lower triangular.
        """
        lower, rotations = [], []
        for root, change in zip(self.profile.roots, self.deviance.products.changes, strict=True):
            triangle, turn = to_lower(change @ root)
            lower.append(triangle)
            rotations.append(turn)
        return lower, rotations

    @cached_property
    def psi(self) -> FloatArray:
        """All parameters, (P,): beta, log sigma and theta on the scale of the user.

        ``beta = beta_0 + size U gamma`` with the coefficients gamma of the orthonormal columns and
        their units U, ``log sigma = log(sigma size) - shift`` with sigma in units of `size`, and
        theta are the entries of ``sigma size L``.
        """
        moments, products = self.deviance.moments, self.deviance.products
        beta = moments.base + moments.size * (products.units @ self.profile.coefficients)
        log_sd = math.log(self.deviation) + math.log(moments.size) - products.weights.shift
        theta = np.empty(self.problem.n_theta)
        for term in self.problem.terms:
            root = self.turned[0][term.factor][term.columns, term.columns]
            theta[term.theta] = root[entries_of(term)]
        return np.concatenate([beta, [log_sd], self._scale_of_theta * theta])

    @property
    def _scale_of_theta(self) -> float:
        """``sigma size``: what takes a relative Lambda to the units of the response."""
        return self.deviation * self.deviance.moments.size

    @cached_property
    def value(self) -> float:
        """Minus twice the log-likelihood of the responses.

        ``D + c + 2 nu log(size)``: the profiled deviance D is that of the response over `size`,
        and c is of known deviations of the rows (`Weights.constant`). The restricted likelihood
        integrates over beta and D over gamma, which adds ``-2 log |det U|``.
        """
        at = self.deviance
        out = self.profile.deviance + at.products.weights.constant
        out += 2.0 * at.degrees * math.log(at.moments.size)
        if at.restricted:
            out -= 2.0 * float(np.linalg.slogdet(at.products.units)[1])
        return out

    @cached_property
    def mode(self) -> Mode:
        """Conditional modes of the random effects, with what the likelihood says there."""
        problem, (lower, rotations) = self.problem, self.turned
        roots = [self._scale_of_theta * root for root in lower]
        u = [
            turn.T @ (root.T @ w) / self.deviation
            for root, w, turn in zip(
                self.profile.roots, self.profile.scores, rotations, strict=True
            )
        ]
        point = evaluate_density(problem, problem.fixed(self.psi), roots, u, 3)
        products = self.deviance.products
        turned = [root @ turn for root, turn in zip(self.profile.roots, rotations, strict=True)]
        factorization = factorize(problem.latent, products.gram, turned)
        assert factorization is not None
        return Mode(point, System(factorization, self.gram, observed=True), roots, 0)

    @cached_property
    def gram(self) -> Gram:
        """``Z'WZ`` of the user's covariates."""
        products = self.deviance.products
        back = [np.linalg.inv(change) for change in products.changes]
        scale = self._scale_of_theta**-2.0
        return {
            (f, g): scale * np.einsum("ba,bcP,cd->adP", back[f], block, back[g])
            for (f, g), block in products.gram.items()
        }

    # ---- uncertainty -----------------------------------------------------------------

    @property
    def hessian(self) -> FloatArray:
        """Hessian of the profiled deviance, ``d^2 D / d theta d theta'``, (k, k)."""
        assert self.profile.hessian is not None
        return self.profile.hessian

    @cached_property
    def information(self) -> FloatArray:
        """Hessian of the deviance in all parameters, (P, P), in the units of the products.

        The profiled one with what profiling took: ``D_ab = H_ab + D_ac D_cc^-1 D_cb``.
        """
        at, here = self.deviance, self.profile
        p, k = at.p, here.theta.size
        variance = self.deviation**2
        out = np.zeros((p + 1 + k,) * 2)
        out[:p, :p] = 2.0 * here.information / variance
        out[p, p] = 4.0 * at.degrees
        if not k:
            return out
        square, cross = _turns_of_square(at, here)
        rate = -2.0 * square / variance
        out[p, p + 1 :] = out[p + 1 :, p] = rate
        inner = self.hessian + rate[:, None] * (rate / out[p, p])
        if not self.method.joint:
            mixed = 2.0 * cross / variance
            out[:p, p + 1 :], out[p + 1 :, :p] = mixed, mixed.T
            if p:
                _, along, info = lapack.dposv(out[:p, :p], mixed)
                if info:
                    along = np.linalg.solve(out[:p, :p], mixed)
                inner = inner + mixed.T @ along
        out[p + 1 :, p + 1 :] = inner
        return out

    @cached_property
    def inner_root(self) -> FloatArray:
        """R (P, P): ``R R'`` is the inverse of `information`.

        Directions without curvature have no length.
        """
        information = self.information
        deviations = np.sqrt(np.maximum(information.diagonal(), 1e-300))
        scaled = information / deviations / deviations[:, None]
        values, vectors, info = lapack.dsyevd(scaled, lower=1)
        if info:
            values, vectors = np.linalg.eigh(scaled)
        lengths = np.where(values > 1e-12, 1.0 / np.sqrt(np.maximum(values, 1e-12)), 0.0)
        out: FloatArray = vectors * lengths / deviations[:, None]
        return out

    @cached_property
    def root(self) -> FloatArray:
        """``J R``: the same of the Hessian of the deviance in the user's psi, J the Jacobian."""
        out: FloatArray = self.jacobian @ self.inner_root
        return out

    @property
    def root_of_fixed(self) -> FloatArray:
        """Rows of the fixed effects, which the covariance parameters do not move, (p, P).

        Of `root`, or of that by Cholesky's factorisation, which is shorter: ``H = D L L' D`` gives
        ``R = D^-1 L^-T``.
        """
        at, inner = self.deviance, None
        if "inner_root" not in self.__dict__:
            information = self.information
            deviations = np.sqrt(np.maximum(information.diagonal(), 1e-300))
            lower, info = lapack.dpotrf(information / deviations / deviations[:, None], lower=1)
            if info == 0 and min(lower.diagonal().tolist()) > _REGULAR:
                inner = lapack.dtrtri(lower, lower=1)[0].T[: at.p] / deviations[: at.p, None]
        inner = self.inner_root[: at.p] if inner is None else inner
        out: FloatArray = at.moments.size * (at.products.units @ inner)
        return out

    @cached_property
    def jacobian(self) -> FloatArray:
        """Derivatives of the user's parameters in those of the products, (P, P).

        These are gamma, log sigma and the entries of M. With ``beta = beta_0 + size U gamma`` and
        theta the entries of ``sigma size L``, ``L = C M O``: ``d beta / d gamma = size U``,
        ``d theta / d log sigma = theta``, and ``d theta / d M_ab = sigma size dL`` with dL for
        ``dM = e_a e_b'``.
        """
        at, problem = self.deviance, self.problem
        p, size = at.p, self.psi.size
        out = np.zeros((size, size))
        out[:p, :p] = at.moments.size * at.products.units
        out[p, p] = 1.0
        out[p + 1 :, p] = self.psi[p + 1 :]
        lower, rotations = self.turned
        for term in problem.terms:
            f, own, where = term.factor, term.columns, term.theta
            change = at.products.changes[f][own, own]
            root, turn = lower[f][own, own], rotations[f][own, own]
            rows = self.profile.entries.rows[where] - own.start
            columns = self.profile.entries.columns[where] - own.start
            # ``M E_rc O``, one for each entry (r, c) of Lambda.
            moved = change.T[rows][:, :, None] * turn[columns][:, None]
            down, along = entries_of(term)
            turned = _turn(root, moved)[:, down, along].T
            here = slice(p + 1 + where.start, p + 1 + where.stop)
            out[here, here] = self._scale_of_theta * turned
        return out

    @cached_property
    def largest_slope(self) -> float:
        """Gradient of the profiled deviance per standard error, ``sqrt(g' |H|^-1 g)``."""
        if not self.hessian.size:
            return 0.0
        return math.sqrt(self.profile.newton[1])

    def scaled_roots(self) -> list[FloatArray]:
        """Lambda of the user's effects in units of the precision that one level gives of them.

        ``sqrt(sum w / m) diag(s) C M``, with the root mean square s of each covariate and m levels.
        Up to a rotation, which changes none of its singular values.
        """
        products, out = self.deviance.products, []
        for f, (change, root) in enumerate(zip(products.changes, self.profile.roots, strict=True)):
            rows = products.weights.sum / products.latent.factors[f].m
            out.append((math.sqrt(rows) * products.sizes[f])[:, None] * (change @ root))
        return out


def _turn(root: FloatArray, moved: FloatArray) -> FloatArray:
    """DL for ``L = M O`` from each ``dM O``, (k, q, q): the rotation keeps L triangular.

    ``dL = dM O + L K`` with ``K = O' dO`` skew. Since ``L^-1 dL = L^-1 dM O + K`` has nothing
    above the diagonal, K is there ``-(L^-1 dM O)``, and its negative below.
    """
    if not moved[:, above_diagonal(len(root))].any():
        return moved
    size = float(np.abs(root).max()) or 1.0
    safe = root + np.diag(np.where(root.diagonal() < 1e-10 * size, 1e-10 * size, 0.0))
    skew = np.triu(np.linalg.solve(safe, moved), 1)
    out: FloatArray = np.tril(moved - root @ (skew - skew.swapaxes(1, 2)))
    return out


def _turns_of_square(at: ProfiledDeviance, here: Profile) -> tuple[FloatArray, FloatArray]:
    """``dr^2/dtheta`` (k,) and ``-dr^2/dbeta dtheta / 2`` (p, k), fixed effects held."""
    entries, k = here.entries, here.theta.size
    absorbed = absorb_jointly(at, here) if here.absorbed is None else here.absorbed
    square, cross = np.empty(k), np.empty((at.p, k))
    for f, (root, w, shares) in enumerate(zip(here.roots, here.scores, absorbed, strict=True)):
        own = entries.factors == f if len(absorbed) > 1 else slice(None)
        a, c = entries.rows[own], entries.columns[own]
        square[own] = -2.0 * (w @ w.T @ root)[a, c]
        cross[:, own] = ((shares + shares.swapaxes(1, 2)) @ root)[:, a, c]
    return square, cross


class GaussianEvaluation(Evaluation):
    """The deviance at the estimates; whatever else is found when it is asked for."""

    def __init__(self, fit: GaussianFit) -> None:
        self.__dict__.update(fit=fit, deviance=fit.value)

    fit: GaussianFit

    @property
    def psi(self) -> FloatArray:
        """All parameters."""
        return self.fit.psi

    @cached_property
    def gradient(self) -> FloatArray:
        """Nothing, at the optimum."""
        return np.zeros(self.fit.psi.size)

    def scaled_roots(self, problem: Problem) -> list[FloatArray]:
        """Lambda of each factor in units of the precision of its levels."""
        return self.fit.scaled_roots()

    @property
    def mode(self) -> Mode:
        """Conditional modes."""
        return self.fit.mode

    @property
    def gram(self) -> Gram:
        """Cross products of the random effects."""
        return self.fit.gram


class GaussianOptimum(Optimum):
    """The optimum of a linear mixed model; what it says is computed when it is asked for."""

    def __init__(self, fit: GaussianFit, evaluations: int) -> None:
        self.__dict__.update(
            fit=fit, evaluation=GaussianEvaluation(fit), hessian=None, evaluations=evaluations
        )

    fit: GaussianFit

    @property
    def psi(self) -> FloatArray:
        """All parameters."""
        return self.fit.psi

    @property
    def gradient(self) -> float:
        """Gradient of the profiled deviance per standard error, ``sqrt(g' |H|^-1 g)``."""
        return self.fit.largest_slope

    @property
    def smallest_eigenvalue(self) -> float:
        """Smallest eigenvalue of ``H_ab / sqrt(|H_aa H_bb|)``, H of the profiled deviance."""
        return self.fit.profile.least_curvature

    @cached_property
    def scale(self) -> FloatArray:
        """Whitening of the parameters: R with ``R' H R = I``, H the Hessian of the deviance."""
        return self.fit.root


def covariance_of_gaussian(optimum: Optimum) -> FloatArray | None:
    """Covariance of the estimates, (P, P), where it is known in closed form.

    ``2 H^-1 = 2 R R'``, H the Hessian of the deviance, which is minus twice the log-likelihood.
    """
    if not isinstance(optimum, GaussianOptimum):
        return None
    out: FloatArray = 2.0 * optimum.fit.root @ optimum.fit.root.T
    return out


def deviations_of_gaussian(optimum: Optimum) -> FloatArray | None:
    """Standard errors of the fixed effects, (p,), where they are known without the others.

    ``(2 R R')_jj^(1/2)`` of the rows of the fixed effects in the root R of ``H^-1``.
    """
    if not isinstance(optimum, GaussianOptimum):
        return None
    root = optimum.fit.root_of_fixed
    out: FloatArray = np.sqrt(2.0 * np.einsum("ij,ij->i", root, root))
    return out


@dataclass(frozen=True, eq=False)
class Centred:
    """A linear mixed model with centred covariates of its random effects, at its optimum.

    Attributes
    ----------
    problem : Problem
    theta : (k,)
        In the units of the response.
    errors : (k,)
        Approximate standard errors of theta.
    """

    problem: Problem
    theta: FloatArray
    errors: FloatArray


def centre_effects(optimum: Optimum) -> Centred | None:
    """The same model with centred random effects; None where none are far from zero."""
    if not isinstance(optimum, GaussianOptimum):
        return None
    fit = optimum.fit
    products, unit = fit.deviance.products, fit.deviation * fit.deviance.moments.size
    if not any(np.triu(change, 1).any() for change in products.changes):
        return None
    problem = replace(fit.problem, latent=products.latent)
    theta = np.empty(problem.n_theta)
    for term in problem.terms:
        root = fit.profile.roots[term.factor][term.columns, term.columns]
        theta[term.theta] = to_lower(root)[0][entries_of(term)]
    spread = np.sqrt(2.0 / np.maximum(np.abs(fit.hessian.diagonal()), 1e-300))
    return Centred(problem, unit * theta, unit * spread)
