"""Linear mixed models: a search that does not see the rows, and its end on the user's scale.

A Gaussian response with the identity link and one residual variance is estimated from cross
products (:mod:`mixcheck.fitting.cross_products`) by the profiled deviance
(:mod:`mixcheck.fitting.profiled_deviance`): Newton's method with one grouping factor, the
quasi-Newton search of :mod:`mixcheck.fitting.optimize` with several. What the rest of the
library asks for beyond the estimates (modes, covariance) is computed when it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.cross_products import take_moments
from mixcheck.fitting.factorization import factorize
from mixcheck.fitting.laplace import Evaluation
from mixcheck.fitting.latent import Gram
from mixcheck.fitting.method import Method
from mixcheck.fitting.mode import Mode, System, look
from mixcheck.fitting.optimize import Optimum, minimise
from mixcheck.fitting.problem import Problem, Term
from mixcheck.fitting.profiled_deviance import (
    Entries,
    Profile,
    ProfiledDeviance,
    absorb,
    average_information,
)

__all__ = ["covariance_of_gaussian", "estimate_gaussian", "is_profiled"]

# Newton's method stops where the next step promises less, in units of the deviance.
_DECREMENT = 1e-15
_MAX_STEPS = 200
_MAX_HALVINGS = 40
_MAX_ESCAPES = 5
# A step moves the largest entry of Lambda by this many times its size, or the size of the
# residual deviation, at most.
_GROWTH = 4.0
_SUFFICIENT = 1e-4
# A starting variance contributes at least this share of the information of a level.
_LEAST_SHRINKAGE = 0.1
# Eigenvalues of a Hessian below this share of the largest are none.
_FLAT = 1e-12
# Negative curvature, per unit of the scaled Hessian, that is not rounding.
_NEGATIVE = -1e-7
# A pivot of Lambda is this share of the largest one possible, at least.
_PIVOT = 0.1
# An entry of Lambda below this is tried at zero.
_TINY = 1e-4
# Residuals of this many times the rounding of the response are nothing.
_ROUNDING = 8.0
# Step of the differences of the gradient, in standard errors, over two pairs of points.
_STEP = 0.01
_STENCIL = ((1.0, 2.0 / 3.0), (2.0, -1.0 / 12.0))


def is_profiled(problem: Problem, method: Method) -> bool:
    """Whether a problem is estimated from cross products."""
    return method.name in ("laplace", "profiled") and problem.products is not None


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
    deviance = ProfiledDeviance(products, moments, restricted=method.reml)
    roots = _start(deviance) if previous is None else _restart(problem, deviance, previous)
    chart = Chart(problem.terms)
    if len(deviance.sizes) > 1:
        profile, count = _search_jointly(deviance, chart, roots)
    else:
        profile, count = _search(deviance, chart, roots)
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


_EXACT_BY_GROUPS = (
    "the model reproduces the responses exactly with its random effects, so the residual variance "
    "tends to zero and the likelihood is unbounded; leave out the grouping factor within which the "
    "response does not vary, or write a simpler random term"
)


# ---- the search --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Chart:
    """Parameters for covariance matrices, chosen where they are needed.

    Where the first variance of a correlated term is zero, a lower-triangular Lambda has a
    circle of equal covariances, on which a search stalls. With the rows in the order of a
    pivoted Cholesky factor what goes to zero is the end of the diagonal, and the deviance is
    smooth there.
    """

    terms: tuple[Term, ...]

    def at(self, roots: list[FloatArray]) -> tuple[Entries, FloatArray]:
        """Entries, and theta with the covariances of any `roots`."""
        factors, rows, columns, theta = [], [], [], []
        for term in self.terms:
            before, root = term.columns.start, roots[term.factor][term.columns, term.columns]
            order, held = _pivot(root) if _correlated(term) else (range(len(root)), root)
            for row, column in zip(*term.covariance.entries, strict=True):
                factors.append(term.factor)
                rows.append(before + order[row])
                columns.append(before + column)
                theta.append(held[row, column])
        places = (np.array(part, dtype=np.intp) for part in (factors, rows, columns))
        return Entries(*places), np.array(theta)

    def fits(self, here: Profile) -> bool:
        """Whether no row would be a far better pivot than the one that it stands behind."""
        for term in self.terms:
            if not _correlated(term):
                continue
            lower = term.covariance.factor(here.theta[term.theta])
            squares = lower * lower
            for c in range(len(lower) - 1):
                left = squares[c:, c:].sum(axis=1)
                if left[0] < _PIVOT * left.max():
                    return False
        return True


def _correlated(term: Term) -> bool:
    return term.block.structure == "us" and term.covariance.q > 1


def _pivot(root: FloatArray) -> tuple[list[int], FloatArray]:
    """Order of the rows, and lower-triangular L with ``L L' = S`` in that order."""
    held, order, rank, _ = lapack.dpstrf(root @ root.T, lower=1)
    lower = np.tril(held)
    lower[:, rank:] = 0.0
    return [int(k) - 1 for k in order], lower


def _diagonals(deviance: ProfiledDeviance) -> list[FloatArray]:
    """``sum z^2 W`` of each level, an array (q, m) per factor."""
    gram = deviance.products.gram
    return [gram[f, f][range(q), range(q)] for f, q in enumerate(deviance.sizes)]


def _least(w: FloatArray) -> FloatArray:
    """Starting deviations that each effect has at least, (q,)."""
    out: FloatArray = np.sqrt(_LEAST_SHRINKAGE / np.maximum(w.mean(axis=1), 1e-300))
    return out


def _start(deviance: ProfiledDeviance) -> list[FloatArray]:
    """Lambda by moment estimates from the scores of the levels, r ~ (0, w + s^2 w^2)."""
    roots = []
    for w, r in zip(_diagonals(deviance), deviance.moments.random, strict=True):
        excess = (r * r - w).sum(axis=1) / np.maximum((w * w).sum(axis=1), 1e-300)
        roots.append(np.diag(np.maximum(np.sqrt(np.maximum(excess, 0.0)), _least(w))))
    return roots


def _restart(
    problem: Problem, deviance: ProfiledDeviance, previous: FloatArray
) -> list[FloatArray]:
    """Lambda of a previous fit, off the boundary."""
    log_sd = previous[problem.beta_slices[1]][0] + deviance.products.weights.shift
    theta = previous[problem.n_beta :] / math.exp(log_sd)
    roots = []
    for root, change, w in zip(
        problem.roots(theta), deviance.products.changes, _diagonals(deviance), strict=True
    ):
        lower = _lower(np.linalg.solve(change, root).astype(np.float64))[0]
        low = np.maximum(_least(w) - lower.diagonal(), 0.0)
        roots.append(lower + np.diag(low))
    return roots


def _search(
    deviance: ProfiledDeviance, chart: Chart, roots: list[FloatArray]
) -> tuple[Profile, int]:
    """Newton's method with the curvature turned positive, off every saddle."""
    here, count = _first(deviance, chart, roots)
    for _ in range(_MAX_ESCAPES):
        here, used = _descend(deviance, chart, here)
        away = _escape(deviance, here)
        count += used
        if away is None:
            break
        here = away
    return _settle(deviance, here), count


def _first(
    deviance: ProfiledDeviance, chart: Chart, roots: list[FloatArray]
) -> tuple[Profile, int]:
    """The profile at a start, or nearer to no random effects where it is not finite."""
    for count in range(1, _MAX_HALVINGS):
        here = deviance(*chart.at(roots))
        if math.isfinite(here.deviance):
            return here, count
        roots = [0.3 * root for root in roots]
    raise ConvergenceError(_EXACT_BY_GROUPS)


def _floor(deviance: ProfiledDeviance) -> float:
    """``r^2`` below which the residuals are rounding."""
    return (_ROUNDING * deviance.moments.noise) ** 2 * deviance.products.weights.total


def _descend(deviance: ProfiledDeviance, chart: Chart, here: Profile) -> tuple[Profile, int]:
    count, floor = 0, _floor(deviance)
    for _ in range(_MAX_STEPS if here.theta.size else 0):
        if not chart.fits(here):
            here, count = deviance(*chart.at(here.roots)), count + 1
        assert here.hessian is not None
        step, decrement = _newton_step(here.gradient, here.hessian)
        if decrement < _DECREMENT:
            break
        after, used = _advance(deviance, here, step)
        count += used
        if after is None:
            break
        here = after
        if here.square < floor:
            raise ConvergenceError(_EXACT_BY_GROUPS)
    return here, count


def _newton_step(gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, float]:
    """The step with every curvature turned positive, and its decrement.

    Curvatures are those of parameters in units in which the diagonal is one: theirs may be
    very different.
    """
    units = np.sqrt(np.abs(hessian.diagonal()))
    units[units == 0.0] = 1.0
    values, vectors = np.linalg.eigh(hessian / units / units[:, None])
    sizes = np.maximum(np.abs(values), _FLAT)
    along = vectors.T @ (gradient / units)
    held = along / sizes
    return -(vectors @ held) / units, float(along @ held)


def _advance(
    deviance: ProfiledDeviance, here: Profile, step: FloatArray
) -> tuple[Profile | None, int]:
    reach = _GROWTH * max(float(np.abs(here.theta).max()), 1.0)
    longest = float(np.abs(step).max())
    if longest > reach:
        step = step * (reach / longest)
    slope = float(here.gradient @ step)
    noise = 1e-13 * (deviance.products.weights.total + abs(here.deviance))
    length = 1.0
    for count in range(1, _MAX_HALVINGS):
        after = deviance(here.entries, here.theta + length * step)
        if after.deviance <= here.deviance + _SUFFICIENT * length * slope:
            return after, count
        if after.deviance <= here.deviance + noise:
            # The rest is rounding: go on only as long as the gradient falls.
            smaller = np.abs(after.gradient).max() < np.abs(here.gradient).max()
            return (after if smaller else None), count
        if math.isfinite(after.deviance):
            excess = after.deviance - here.deviance - length * slope
            length *= min(0.5, max(0.1, -0.5 * length * slope / excess))
        else:
            length *= 0.25
    return None, count


def _escape(deviance: ProfiledDeviance, here: Profile) -> Profile | None:
    """A better point beside a saddle, or off a face that is not the optimum."""
    assert here.hessian is not None
    if not here.theta.size:
        return None
    values, vectors = np.linalg.eigh(here.hessian)
    if values[0] < _NEGATIVE * max(values[-1], 1.0):
        for length in (0.3, -0.3, 0.03, -0.03):
            after = deviance(here.entries, here.theta + length * vectors[:, 0])
            if after.deviance < here.deviance - 1e-9:
                return after
    return None


def _settle(deviance: ProfiledDeviance, here: Profile) -> Profile:
    """The same with tiny entries of the diagonal of Lambda at zero, where that is as good."""
    entries = here.entries
    # The first entry of each column stands on the diagonal.
    first = np.ones(here.theta.size, dtype=bool)
    first[1:] = (np.diff(entries.columns) != 0) | (np.diff(entries.factors) != 0)
    tiny = first & (np.abs(here.theta) < _TINY) & (here.theta != 0.0)
    if not tiny.any():
        return here
    after = deviance(here.entries, np.where(tiny, 0.0, here.theta))
    return after if after.deviance <= here.deviance + 1e-12 * abs(here.deviance) else here


def _search_jointly(
    deviance: ProfiledDeviance, chart: Chart, roots: list[FloatArray]
) -> tuple[Profile, int]:
    """BFGS, whitened by the average information; then the curvature."""
    here, count = _first(deviance, chart, roots)
    for _ in range(_MAX_ESCAPES):
        for _ in range(_MAX_ESCAPES):
            here, used = _descend_jointly(deviance, here)
            count += used
            if chart.fits(here):
                break
            here = deviance(*chart.at(here.roots))
        here = _settle(deviance, here)
        scale = _scale(deviance, here)
        hessian = _differentiate(deviance, here, scale)
        count += 4 * here.theta.size
        here = replace(here, hessian=hessian)
        away = _escape(deviance, here)
        if away is None:
            break
        here = away
    return _polish(deviance, here, hessian), count + 1


def _polish(deviance: ProfiledDeviance, here: Profile, hessian: FloatArray) -> Profile:
    """One Newton step, where it brings the gradient down."""
    step = _newton_step(here.gradient, hessian)[0]
    after = deviance(here.entries, here.theta + step)
    smaller = np.abs(after.gradient).max() < np.abs(here.gradient).max()
    return replace(after, hessian=hessian) if smaller else here


def _descend_jointly(deviance: ProfiledDeviance, here: Profile) -> tuple[Profile, int]:
    floor, entries = _floor(deviance), here.entries

    def objective(psi: FloatArray, nearby: Evaluation | None) -> Evaluation:
        at = deviance(entries, psi)
        if at.square < floor and math.isfinite(at.deviance):
            raise ConvergenceError(_EXACT_BY_GROUPS)
        return Evaluation(psi, at.deviance, at.gradient, None)

    scale = _scale(deviance, here)
    start = Evaluation(here.theta, here.deviance, here.gradient, None)
    optimum = minimise(objective, here.theta, scale, first=start, hessian=False)
    return deviance(entries, optimum.psi), optimum.evaluations + 1


def _scale(deviance: ProfiledDeviance, here: Profile) -> FloatArray:
    """Scale of theta in standard errors, about; that of an entry at zero is finite too.

    Across a boundary the deviance is of the fourth order, ``L^4 sum B^2``.
    """
    information = average_information(deviance, here)
    diagonals = _diagonals(deviance)
    for s, (f, a) in enumerate(zip(here.entries.factors, here.entries.rows, strict=True)):
        w = diagonals[f][a]
        shrunk = w / (1.0 + w * float(here.roots[f][a] @ here.roots[f][a]))
        information[s, s] = max(information[s, s], math.sqrt(2.0 * float(shrunk @ shrunk)))
    return _inverse_root(information)


def _inverse_root(matrix: FloatArray) -> FloatArray:
    """R with ``R R'`` the inverse, directions without curvature at a moderate length."""
    deviations = np.sqrt(
        np.maximum(matrix.diagonal(), 1e-12 * max(matrix.diagonal().max(), 1e-300))
    )
    values, vectors = np.linalg.eigh(matrix / np.outer(deviations, deviations))
    root: FloatArray = vectors / np.sqrt(np.maximum(values, 1e-4)) / deviations[:, None]
    return root


# ---- the end, on the user's scale --------------------------------------------------------


def _lower(root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower-triangular L and orthogonal O with ``M O = L``; the diagonal of L not negative."""
    if not np.triu(root, 1).any():
        signs = np.where(root.diagonal() < 0.0, -1.0, 1.0)
        return root * signs + 0.0, np.diag(signs)
    turned, upper = np.linalg.qr(root.T)
    signs = np.where(upper.diagonal() < 0.0, -1.0, 1.0)
    return np.tril((signs[:, None] * upper).T), turned * signs


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
        """Residual standard deviation, in units of `size`."""
        return math.sqrt(self.profile.square / self.deviance.degrees)

    @cached_property
    def turned(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Relative Lambda of the user's effects, lower triangular, and its rotation."""
        lower, rotations = [], []
        for root, change in zip(self.profile.roots, self.deviance.products.changes, strict=True):
            held, turn = _lower(change @ root)
            lower.append(held)
            rotations.append(turn)
        return lower, rotations

    @cached_property
    def psi(self) -> FloatArray:
        """All parameters, (P,)."""
        moments, products = self.deviance.moments, self.deviance.products
        beta = moments.base + moments.size * (products.units @ self.profile.coefficients)
        log_sd = math.log(self.deviation) + math.log(moments.size) - products.weights.shift
        theta = np.empty(self.problem.n_theta)
        for term in self.problem.terms:
            root = self.turned[0][term.factor][term.columns, term.columns]
            theta[term.theta] = term.covariance.pull_back(root)
        return np.concatenate([beta, [log_sd], self._scale_of_theta * theta])

    @property
    def _scale_of_theta(self) -> float:
        return self.deviation * self.deviance.moments.size

    @cached_property
    def value(self) -> float:
        """Minus twice the log-likelihood of the responses."""
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
        point = look(problem, problem.fixed(self.psi), roots, u, 3)
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
        """Hessian of the profiled deviance, (k, k)."""
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
        inner = self.hessian + np.outer(rate, rate) / out[p, p]
        if not (at.restricted or self.method.name == "profiled"):
            mixed = 2.0 * cross / variance
            out[:p, p + 1 :], out[p + 1 :, :p] = mixed, mixed.T
            if p:
                inner = inner + mixed.T @ np.linalg.solve(out[:p, :p], mixed)
        out[p + 1 :, p + 1 :] = inner
        return out

    @cached_property
    def root(self) -> FloatArray:
        """R (P, P): ``R R'`` is the inverse of the Hessian of the deviance of the user's psi.

        Directions without curvature have no length.
        """
        information = self.information
        deviations = np.sqrt(np.maximum(information.diagonal(), 1e-300))
        values, vectors = np.linalg.eigh(information / np.outer(deviations, deviations))
        lengths = np.where(values > 1e-12, 1.0 / np.sqrt(np.maximum(values, 1e-12)), 0.0)
        out: FloatArray = self.jacobian @ (vectors * lengths / deviations[:, None])
        return out

    @cached_property
    def jacobian(self) -> FloatArray:
        """Derivatives of the user's parameters in those of the products, (P, P)."""
        at, problem = self.deviance, self.problem
        p, size = at.p, self.psi.size
        out = np.zeros((size, size))
        out[:p, :p] = at.moments.size * at.products.units
        out[p, p] = 1.0
        out[p + 1 :, p] = self.psi[p + 1 :]
        lower, rotations = self.turned
        for term in problem.terms:
            f, held = term.factor, term.columns
            change = at.products.changes[f][held, held]
            root, turn = lower[f][held, held], rotations[f][held, held]
            entries, before = self.profile.entries, held.start
            for j in range(term.theta.start, term.theta.stop):
                unit = np.zeros_like(root)
                unit[entries.rows[j] - before, entries.columns[j] - before] = 1.0
                moved = change @ unit @ turn
                out[p + 1 + term.theta.start : p + 1 + term.theta.stop, p + 1 + j] = (
                    self._scale_of_theta * term.covariance.pull_back(_turn(root, moved))
                )
        return out

    @cached_property
    def largest_slope(self) -> float:
        """Gradient of the profiled deviance per standard error."""
        if not self.hessian.size:
            return 0.0
        return math.sqrt(_newton_step(self.profile.gradient, self.hessian)[1])

    @cached_property
    def smallest_curvature(self) -> float:
        """Smallest eigenvalue of the Hessian of the profiled deviance, its diagonal made one."""
        hessian = self.hessian
        if not hessian.size:
            return 1.0
        deviations = np.sqrt(np.maximum(np.abs(hessian.diagonal()), 1e-300))
        return float(np.linalg.eigvalsh(hessian / np.outer(deviations, deviations))[0])


def _turn(root: FloatArray, moved: FloatArray) -> FloatArray:
    """DL for ``L = M O`` from ``dM O``: the rotation moves so that L stays triangular."""
    above = np.triu(moved, 1)
    if not above.any():
        return moved
    size = float(np.abs(root).max()) or 1.0
    safe = root + np.diag(np.where(root.diagonal() < 1e-10 * size, 1e-10 * size, 0.0))
    skew = np.triu(np.linalg.solve(safe, moved), 1)
    out: FloatArray = np.tril(moved - root @ (skew - skew.T))
    return out


def _turns_of_square(at: ProfiledDeviance, here: Profile) -> tuple[FloatArray, FloatArray]:
    """``dr^2/dtheta`` (k,) and ``-dr^2/dbeta dtheta / 2`` (p, k), fixed effects held."""
    entries, k = here.entries, here.theta.size
    absorbed = absorb(at, here)
    square, cross = np.empty(k), np.empty((at.p, k))
    for s, (f, a, c) in enumerate(zip(entries.factors, entries.rows, entries.columns, strict=True)):
        root, w, d = here.roots[f], here.scores[f], absorbed[f]
        along = root[:, c] @ w
        square[s] = -2.0 * float(w[a] @ along)
        cross[:, s] = d[:, a] @ along + (root[:, c] @ d) @ w[a]
    return square, cross


def _differentiate(deviance: ProfiledDeviance, here: Profile, scale: FloatArray) -> FloatArray:
    """Hessian by differences of the gradient over two pairs of points: the error is h^4."""
    columns = []
    for direction in scale.T:
        total = np.zeros_like(here.theta)
        for factor, weight in _STENCIL:
            ahead, behind = (
                deviance(here.entries, here.theta + side * factor * _STEP * direction).gradient
                for side in (1.0, -1.0)
            )
            total += weight * (ahead - behind) / _STEP
        columns.append(total)
    slopes = np.column_stack(columns) @ np.linalg.inv(scale)
    out: FloatArray = 0.5 * (slopes + slopes.T)
    return out


class GaussianEvaluation(Evaluation):
    """The deviance at the estimates; the modes are found when they are asked for."""

    def __init__(self, fit: GaussianFit) -> None:
        held = {
            "fit": fit,
            "psi": fit.psi,
            "deviance": fit.value,
            "gradient": np.zeros(fit.psi.size),
        }
        self.__dict__.update(held)

    fit: GaussianFit

    @property
    def mode(self) -> Mode:
        """Conditional modes."""
        return self.fit.mode

    @property
    def gram(self) -> Gram:
        """Cross products of the random effects."""
        return self.fit.gram


class GaussianOptimum(Optimum):
    """The optimum of a linear mixed model; its scale is computed when it is asked for."""

    def __init__(self, fit: GaussianFit, evaluations: int) -> None:
        held = {
            "fit": fit,
            "psi": fit.psi,
            "evaluation": GaussianEvaluation(fit),
            "gradient": fit.largest_slope,
            "hessian": None,
            "smallest_eigenvalue": fit.smallest_curvature,
            "evaluations": evaluations,
        }
        self.__dict__.update(held)

    fit: GaussianFit

    @cached_property
    def scale(self) -> FloatArray:
        """Whitening of the parameters."""
        return self.fit.root


def covariance_of_gaussian(optimum: Optimum) -> FloatArray | None:
    """Covariance of the estimates, (P, P), where it is known in closed form."""
    if not isinstance(optimum, GaussianOptimum):
        return None
    # The deviance is twice minus the log-likelihood.
    out: FloatArray = 2.0 * optimum.fit.root @ optimum.fit.root.T
    return out
