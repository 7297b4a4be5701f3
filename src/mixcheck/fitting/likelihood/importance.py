"""The deviance by importance sampling around the conditional modes, and its exact gradient.

Levels that meet in some row, directly or through others, make a component, and the likelihood is
a product over components, however factors are nested or crossed. The integral over the random
effects of a component is an average over points ``u_k = u_hat + L^-T z_k`` (``L L'`` the observed
H of the component at its mode, ``z_k`` standard normal):

``log int = -1/2 log det H + log 1/K sum_k exp(f(u_k) + z_k'z_k / 2)``,

f the joint log density. The ``z_k`` are scrambled Sobol points, others in each component, that
stay the same however the parameters move: the deviance is a smooth function of these, and its
gradient is that of this very expression, points moving with the modes and with L. Other
scramblings say how large the Monte Carlo error of the log-likelihood is.

Levels that are tied, ``w = A u`` with ``K = A A'``, are one component too. Points are then drawn in
w, where H is ``S = Lambda' Z'WZ Lambda + K^-1`` and ``log det H = log det S + log det K``.

References
----------
Pinheiro & Bates (1995), Journal of Computational and Graphical Statistics 4, 12-35, for the
importance sampling; Owen (1998), Journal of Complexity 14, 466-489, for scrambled points; Durbin &
Koopman (1997), Biometrika 84, 669-684, for common random numbers in a simulated likelihood.
Tail index of the weights: Zhang & Stephens (2009), Technometrics 51, 316-325; Vehtari, Simpson,
Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25(72).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.special import ndtri

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.levels import Dependence
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.layout import Factor, Gram, Latent
from mixcheck.fitting.latent.roots import Root, TiedRoot, embed, units_of
from mixcheck.fitting.latent.small_matrices import sandwich
from mixcheck.fitting.likelihood.adjoint import Direct, find_adjoint, largest_variance, pull_back
from mixcheck.fitting.likelihood.approximation import (
    Approximation,
    Expansion,
    Option,
    require_random_effects,
)
from mixcheck.fitting.likelihood.by_group import GroupSums, differentiate_groups
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.objective import Evaluation, GroupEvaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.options import as_whole, require_seed, shown

__all__ = ["Importance"]

# Rows times draws that are evaluated at once.
_BLOCK = 40_000
# A component of more effects than this has too large a matrix, and weights without hope.
_MOST_EFFECTS = 2_000
# Scramblings that tell the Monte Carlo error.
_SCRAMBLINGS = 8
# Bits of a Sobol point: half a step keeps it off the ends of the unit interval.
_BITS = 30
# Averages of weights with a heavier tail than this are not to be trusted (Vehtari et al. 2024).
_HEAVIEST = 0.7
# The tail is fitted to so many of the largest weights, and to no fewer than these.
_FEWEST = 5
_FEWEST_DRAWS, _MOST_DRAWS = 64, 2**20


def _read_draws(value: object) -> int | None:
    if value is None:
        return None
    whole = as_whole(value)
    if whole is None or whole.bit_count() != 1 or not _FEWEST_DRAWS <= whole <= _MOST_DRAWS:
        raise OptionError(
            f"draws={shown(value)} must be a power of two from {_FEWEST_DRAWS} to {_MOST_DRAWS:,}, "
            "such as 1024: the points of a Sobol sequence are even in these numbers"
        )
    return whole


_NEEDS = 'needs importance sampling; write method="importance" too, or leave'
_DRAWS = Option("draws", _read_draws, f"draws={{value}} {_NEEDS} draws out")
_SEED = Option("seed", require_seed, f"seed={{value}} {_NEEDS} seed out")


@dataclass(frozen=True)
class Importance(Approximation):
    """Importance sampling around the conditional modes.

    Attributes
    ----------
    draws : int
        Points for each component, a power of two.
    seed : int
        Of the scrambling.
    """

    draws: int = 1024
    seed: int = 0

    spelling: ClassVar[str] = "importance"
    splits: ClassVar[bool] = True
    even: ClassVar[bool] = False
    takes: ClassVar[Mapping[str, Option]] = {"draws": _DRAWS, "seed": _SEED}
    refusals: ClassVar[Mapping[str, str]] = {
        "reml": "reml=True integrates over the fixed effects too, which importance sampling of the "
        'random effects does not: write method="laplace", or leave reml out'
    }

    def __str__(self) -> str:
        return f"importance sampling, {self.draws} draws"

    @property
    def preliminary(self) -> Approximation | None:
        """The search begins at the optimum of Laplace's approximation."""
        return Laplace()

    @property
    def fineness(self) -> int:
        """Points for each component."""
        return self.draws

    def require(self, problem: Problem) -> None:
        """Refuse a model without random effects, or with too many that meet.

        Raises
        ------
        OptionError
        """
        require_random_effects(problem, self)
        largest = int(_components_of(problem.latent).sizes.max())
        if largest > _MOST_EFFECTS:
            raise OptionError(
                f'method="importance" draws the random effects that meet together, at most '
                f'{_MOST_EFFECTS:,}; found {largest:,}. Write method="laplace"'
            )

    def evaluate(
        self,
        problem: Problem,
        psi: FloatArray,
        start: list[FloatArray],
        *,
        chord: Factorization | None = None,
        close: bool = False,
    ) -> Evaluation:
        """Deviance and its exact gradient; see `Approximation.evaluate`."""
        base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
        mode = find_mode(problem, base, roots, start, chord=chord, close=close)
        sampler = None if mode is None else self._sampler(problem, psi, mode)
        sums = None if sampler is None else sampler.sum()
        if mode is None or sampler is None or sums is None:
            return Evaluation(psi, np.inf, np.full(psi.size, np.nan), None)
        deviance = float(sampler.deviances(sums.total).sum())
        direct, entries = sampler.differentiate(sums)
        sums_of_levels = zip(mode.roots, direct.roots, strict=True)
        direct = replace(direct, roots=[embed(r, stack.sum(axis=2)) for r, stack in sums_of_levels])
        curvature = problem.observed(mode.point.derivatives)
        gradient = pull_back(problem, psi, mode, curvature, mode.system.gram, entries, direct)
        spread = largest_variance(problem, mode.system.factorization.inverse_entries())
        return Evaluation(psi, deviance, gradient, mode, spread)

    def expand(self, problem: Problem, at: Evaluation) -> Expansion:
        """The log density enters at the points, and through the modes and H."""
        sampler, sums = self._at(problem, at)
        mode = sampler.mode
        direct, entries = sampler.differentiate(sums)
        curvature = problem.observed(mode.point.derivatives)
        weights: list[FloatArray] = []
        eta: list[list[FloatArray]] = []
        values: list[FloatArray] = []
        for block in sampler.blocks():
            shares = (block.weight / sums.total[:, None])[sampler.parts.rows]
            weights.extend(np.ascontiguousarray(shares.T))
            values.extend(block.value)
            eta.extend([list(point) for point in zip(*block.eta, strict=True)])
        adjoint = find_adjoint(problem, mode, curvature, entries, direct.u)
        return Expansion(weights, eta, values, adjoint)

    def split(
        self, problem: Problem, whole: Evaluation, mode: Mode, codes: IntArray
    ) -> GroupEvaluation:
        """Deviance of each group, a sum over its components, and its gradient."""
        sampler, sums = self._at(problem, whole)
        by_group = GroupSums.of(problem, codes)
        places = np.empty(sampler.parts.sizes.size, dtype=np.intp)
        places[sampler.parts.rows] = codes
        deviance = by_group.at(places, sampler.deviances(sums.total))
        direct, entries = sampler.differentiate(sums)
        curvature = problem.observed(mode.point.derivatives)
        gradient = differentiate_groups(
            problem, whole.psi, mode, curvature, whole.gram, entries, direct, by_group
        )
        return GroupEvaluation(deviance, gradient, whole)

    def verify(self, problem: Problem, at: Evaluation) -> None:
        """Refuse estimates at which the weights have degenerated.

        The criterion is the shape of a generalised Pareto distribution fitted to the largest
        weights of each component: above 0.7 their averages are not to be trusted.

        Raises
        ------
        ConvergenceError
        """
        if at.mode is None:
            return
        facts = self._tails(problem, at)
        heaviest = facts["largest Pareto shape of the weights"]
        if heaviest > _HEAVIEST:
            raise ConvergenceError(
                "the importance weights have degenerated: the Pareto shape of their tail is "
                f"{heaviest:.2f}, and above {_HEAVIEST} averages of weights are not to be trusted; "
                f"{facts['smallest effective number of draws']:.0f} of {self.draws} draws count. "
                f'Write more draws, such as draws={4 * self.draws}, or method="laplace"'
            )

    def facts(self, problem: Problem, at: Evaluation) -> Mapping[str, float]:
        """How far the draws go, and the Monte Carlo error by other scramblings."""
        sampler, _ = self._at(problem, at)
        found = []
        for seed in range(1, _SCRAMBLINGS + 1):
            blocks = sampler.blocks(self.seed + seed)
            total = np.sum([block.weight.sum(axis=1) for block in blocks], axis=0)
            found.append(-0.5 * float(sampler.deviances(total).sum()))
        error = float(np.std(found, ddof=1))
        return {
            **self._tails(problem, at),
            "Monte Carlo standard error of the log-likelihood": error,
        }

    def _tails(self, problem: Problem, at: Evaluation) -> dict[str, float]:
        sampler, sums = self._at(problem, at)
        weights = np.concatenate([block.weight for block in sampler.blocks()], axis=1)
        return {
            "smallest effective number of draws": float((sums.total**2 / sums.squares).min()),
            "largest Pareto shape of the weights": max(_tail_shape(row) for row in weights),
        }

    def _sampler(self, problem: Problem, psi: FloatArray, mode: Mode) -> _Sampler | None:
        """None where H is not positive definite to rounding."""
        parts = _components_of(problem.latent)
        roots = _root_components(parts, mode)
        if roots is None:
            return None
        return _Sampler(problem, problem.fixed(psi), mode, parts, roots, self.draws, self.seed)

    def _at(self, problem: Problem, at: Evaluation) -> tuple[_Sampler, _Sums]:
        """The points at parameters where the deviance is finite."""
        assert at.mode is not None
        sampler = self._sampler(problem, at.psi, at.mode)
        sums = None if sampler is None else sampler.sum()
        if sampler is None or sums is None:
            raise ConvergenceError("the likelihood is not finite at these parameters")
        return sampler, sums


def _tail_shape(weights: FloatArray) -> float:
    """Shape of the generalised Pareto distribution of the largest weights.

    The estimate of Zhang & Stephens (2009), drawn to 1/2 as by ten weights more (Vehtari et al.
    2024).
    """
    ordered = np.sort(weights)
    count = int(min(0.2 * ordered.size, 3.0 * np.sqrt(ordered.size)))
    excess = ordered[-count:] - ordered[-count - 1]
    excess = excess[excess > 1e-12 * ordered[-1]]
    n = excess.size
    if n < _FEWEST:
        return 0.0
    m = 30 + int(np.sqrt(n))
    rate = 1.0 / excess[-1] + (1.0 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (
        3.0 * excess[int(n / 4 + 0.5) - 1]
    )
    shape = np.log1p(-rate[:, None] * excess).mean(axis=1)
    profile = n * (np.log(-rate / shape) - shape - 1.0)
    posterior = np.exp(profile - profile.max())
    best = float(rate @ posterior / posterior.sum())
    found = float(np.log1p(-best * excess).mean())
    return float((n * found + 10.0 * 0.5) / (n + 10.0))


# ---- components ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Components:
    """Levels that meet, directly or through others, and the random effects of each such set.

    Random effects are numbered one factor after the other, in each of them effect by effect.
    The square matrices of all components are kept one after the other in one array.

    Attributes
    ----------
    rows : (n,) int
        Component of each row.
    effects : (N,) int
        Component of each random effect.
    sizes : (C,) int
        Random effects of each component, never falling.
    place : (N,) int
        Number of each random effect in its component.
    starts : (F + 1,) int
        Where the effects of each factor begin.
    """

    latent: Latent
    rows: IntArray
    effects: IntArray
    sizes: IntArray
    place: IntArray
    starts: IntArray

    @cached_property
    def matrix_starts(self) -> IntArray:
        """Where the matrix of each component begins, and the last ends."""
        return np.concatenate([[0], np.cumsum(self.sizes**2)])

    @cached_property
    def members(self) -> list[IntArray]:
        """Random effects of the components of each size, (components, size)."""
        order = np.lexsort((self.place, self.effects))
        ends = np.cumsum(self.sizes)[:-1]
        parts = np.split(order, ends)
        sizes = np.unique(self.sizes)
        return [np.stack([p for p in parts if p.size == s]) for s in sizes]

    def matrices(self, values: FloatArray) -> list[FloatArray]:
        """Views of the matrices of each size, (components, size, size)."""
        out, at = [], 0
        for members in self.members:
            count, s = members.shape
            out.append(values[at : at + count * s * s].reshape(count, s, s))
            at += count * s * s
        return out

    def addresses(self, key: tuple[int, int]) -> tuple[IntArray, IntArray]:
        """Where the entries of a Gram block stand in the matrices, and those mirrored."""
        f, g = key
        pair = self.latent.pairs[key]
        (q, m), (r, k) = self.latent.factors[f].shape, self.latent.factors[g].shape
        left = (self.starts[f] + np.arange(q)[:, None] * m + pair.left)[:, None]
        right = (self.starts[g] + np.arange(r)[:, None] * k + pair.right)[None]
        return self.places_of(left, right), self.places_of(right, left)

    def places_of(self, left: IntArray, right: IntArray) -> IntArray:
        """Where the entries of random effects of one component stand in the matrices."""
        component = self.effects[left]
        start, size = self.matrix_starts[component], self.sizes[component]
        return start + self.place[left] * size + self.place[right]

    def ties_of(self, f: int, levels: IntArray, others: IntArray) -> IntArray:
        """Where the entries of levels of a factor with others stand, for each of its effects."""
        q, m = self.latent.factors[f].shape
        first = self.starts[f] + m * np.arange(q)[:, None]
        return self.places_of(first + levels, first + others)

    @cached_property
    def maps(self) -> dict[int, sparse.csr_array]:
        """Z of each predictor in all random effects, (n, N)."""
        n = self.rows.size
        out = {}
        for k in self.latent.random_predictors:
            columns, values = [], []
            for start, factor in zip(self.starts, self.latent.factors, strict=False):
                for c, column in enumerate(factor.columns):
                    if column.predictor == k:
                        columns.append(start + c * factor.m + factor.sums.index)
                        one = column.covariate
                        values.append(np.ones(n) if one is None else one)
            rows = np.tile(np.arange(n), len(columns))
            entries = np.concatenate(values), (rows, np.concatenate(columns))
            out[k] = sparse.csr_array(entries, shape=(n, self.effects.size))
        return out

    @cached_property
    def row_sums(self) -> sparse.csr_array:
        """Sums over the rows of each component, (C, n)."""
        return _indicator(self.rows, self.sizes.size)

    @cached_property
    def effect_sums(self) -> sparse.csr_array:
        """Sums over the random effects of each component, (C, N)."""
        return _indicator(self.effects, self.sizes.size)


def _indicator(codes: IntArray, size: int) -> sparse.csr_array:
    entries = np.ones(codes.size), (codes, np.arange(codes.size))
    return sparse.csr_array(entries, shape=(size, codes.size))


def _first_tied(factor: Factor) -> IntArray:
    """The first of the levels that each level is tied to."""
    assert factor.ties is not None
    first: IntArray = np.searchsorted(factor.ties.blocks, factor.ties.blocks)
    return first


@lru_cache(maxsize=2)
def _components_of(latent: Latent) -> _Components:
    from scipy.sparse.csgraph import connected_components

    factors = latent.factors
    firsts = np.cumsum([0, *(factor.m for factor in factors)])
    pairs = [(key, pair) for key, pair in latent.pairs.items() if key[0] < key[1]]
    left = np.concatenate([[0], *(firsts[f] + pair.left for (f, _), pair in pairs)])
    right = np.concatenate([[0], *(firsts[g] + pair.right for (_, g), pair in pairs)])
    tied = [(a + _first_tied(f), a, f.m) for a, f in zip(firsts, factors, strict=False) if f.ties]
    left = np.concatenate([left, *(first for first, _, _ in tied)])
    right = np.concatenate([right, *(a + np.arange(m) for _, a, m in tied)])
    entries = np.ones(left.size), (left.astype(np.intp), right.astype(np.intp))
    links = sparse.csr_array(entries, shape=(firsts[-1], firsts[-1]))
    count, labels = connected_components(links, directed=False)
    parts = [np.tile(labels[a : a + f.m], f.q) for a, f in zip(firsts, factors, strict=False)]
    sizes = np.bincount(np.concatenate(parts), minlength=count)
    order = np.argsort(sizes, kind="stable")
    rank = np.empty(count, dtype=np.intp)
    rank[order] = np.arange(count)
    effects, sizes = rank[np.concatenate(parts)], sizes[order]
    place = np.empty(effects.size, dtype=np.intp)
    counted = np.arange(effects.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place[np.argsort(effects, kind="stable")] = counted
    rows = rank[labels[factors[0].sums.index]]
    starts = np.cumsum([0, *(factor.q * factor.m for factor in factors)])
    return _Components(latent, rows, effects, sizes, place, starts)


@dataclass(frozen=True, eq=False)
class _Roots:
    """Square roots of H, or S, of the components of each size, (components, size, size).

    Attributes
    ----------
    lower : list of array
        L.
    steps : list of array
        ``T = L^-T``.
    log_dets : (C,)
        ``log det S`` and, shared among components, ``log det K``.
    """

    lower: list[FloatArray]
    steps: list[FloatArray]
    log_dets: FloatArray


def _root_components(parts: _Components, mode: Mode) -> _Roots | None:
    """None if H is not positive definite to rounding."""
    values = np.zeros(parts.matrix_starts[-1])
    shared = 0.0
    for f, (factor, root) in enumerate(zip(parts.latent.factors, mode.roots, strict=True)):
        levels = np.arange(factor.m)
        if not isinstance(root, TiedRoot):
            values[parts.ties_of(f, levels, levels)] = 1.0
            continue
        shared += factor.q * root.dependence.log_det() / parts.sizes.size
        for here, others, entries in _precision_entries(root.dependence, levels):
            values[parts.ties_of(f, here, others)] = entries
    for (f, g), block in mode.system.gram.items():
        entries = sandwich(units_of(mode.roots[f]), block, units_of(mode.roots[g]))
        here, mirrored = parts.addresses((f, g))
        values[here] += entries
        if f != g:
            values[mirrored] += entries
    try:
        lower = [_cholesky(matrix) for matrix in parts.matrices(values)]
    except np.linalg.LinAlgError:
        return None
    steps = [_invert(L).swapaxes(1, 2) for L in lower]
    log_dets = [2.0 * np.log(np.einsum("cii->ci", L)).sum(axis=1) for L in lower]
    return _Roots(lower, steps, np.concatenate(log_dets) + shared)


def _precision_entries(
    dependence: Dependence, levels: IntArray
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """``K^-1``: levels, others, and its entries there; nothing where they are independent."""
    precision, beside = dependence.precision()
    if beside is None:
        here, others = (part.ravel() for part in np.meshgrid(levels, levels, indexing="ij"))
        yield here, others, precision.ravel()
        return
    yield levels, levels, precision
    # The last of a block has nothing beside it, and the next level is in another component.
    inner = np.flatnonzero(beside[:-1])
    yield inner, inner + 1, beside[inner]
    yield inner + 1, inner, beside[inner]


def _cholesky(matrices: FloatArray) -> FloatArray:
    return np.linalg.cholesky(matrices).astype(np.float64, copy=False)


def _invert(matrices: FloatArray) -> FloatArray:
    return np.linalg.inv(matrices).astype(np.float64, copy=False)


# ---- points --------------------------------------------------------------------------------


def _draw(sizes: tuple[int, ...], draws: int, seed: int) -> list[FloatArray]:
    """Standard normal points of the components of each size, (components, size, draws)."""
    from scipy.stats import qmc

    streams = np.random.SeedSequence(seed).spawn(len(sizes))
    held: dict[int, list[FloatArray]] = {}
    for size, stream in zip(sizes, streams, strict=True):
        sobol = qmc.Sobol(size, bits=_BITS, seed=np.random.default_rng(stream))
        held.setdefault(size, []).append(ndtri(sobol.random(draws) + 0.5 ** (_BITS + 1)).T)
    return [np.stack(held[size]) for size in sorted(held)]


@lru_cache(maxsize=2)
def _draw_once(sizes: tuple[int, ...], draws: int, seed: int) -> list[FloatArray]:
    """The same, kept for the evaluations of a search and its refits."""
    return _draw(sizes, draws, seed)


@dataclass(frozen=True, eq=False)
class _Block:
    """Some of the points.

    Attributes
    ----------
    z : list of (components, size, B)
    u : (N, B)
        Standardised random effects; w where levels are tied.
    pull : (N, B)
        Derivative of half their squares, u, or ``K^-1 w`` of ``w'K^-1 w / 2``.
    weight : (C, B)
        Relative to the joint density at the modes.
    eta : list of (B, n)
        Predictors.
    value : (B, n)
        Log density of each row.
    first : list of (B, n)
        Its derivatives.
    """

    z: list[FloatArray]
    u: FloatArray
    pull: FloatArray
    weight: FloatArray
    eta: list[FloatArray]
    value: FloatArray
    first: list[FloatArray]


@dataclass(frozen=True, eq=False)
class _Sums:
    """Weighted sums over the points.

    Attributes
    ----------
    total, squares : (C,)
        Of the weights ``w_k = exp(f(u_k) - f(u_hat) + z_k'z_k / 2)`` and their squares.
    coef : list of (n,)
        Of first derivatives of the rows' log densities.
    roots : list of (q, q, m)
        ``sum_k w_k (Z' l')_j u_jk'``.
    u : (N,)
        ``sum_k w_k df/du (u_k)``.
    spread : list of (components, size, size)
        ``sum_k w_k df/du (u_k) z_k'``.
    ties : mapping of int to (2, m)
        ``sum_k w_k w_jk^2`` and ``sum_k w_k w_jk w_(j+1)k`` of tied levels whose K has parameters.
    """

    total: FloatArray
    squares: FloatArray
    coef: list[FloatArray]
    roots: list[FloatArray]
    u: FloatArray
    spread: list[FloatArray]
    ties: dict[int, FloatArray]


@dataclass(frozen=True, eq=False)
class _Sampler:
    """The points at given parameters."""

    problem: Problem
    base: Sequence[FloatArray]
    mode: Mode
    parts: _Components
    roots: _Roots
    draws: int
    seed: int

    @cached_property
    def centre(self) -> FloatArray:
        """Modes, (N,)."""
        parts = zip(self.mode.roots, self.mode.point.u, strict=True)
        return np.concatenate([_spread(root, u).ravel() for root, u in parts])

    @cached_property
    def at_mode(self) -> FloatArray:
        """Joint log density of each component at its mode, (C,)."""
        rows: FloatArray = self.parts.row_sums @ self.mode.point.derivatives.value
        u = np.concatenate([part.ravel() for part in self.mode.point.u])
        held: FloatArray = rows - 0.5 * (self.parts.effect_sums @ u**2)
        return held

    def _pull(self, u: FloatArray) -> FloatArray:
        """``K^-1 w`` where levels are tied, u elsewhere, (N, B)."""
        out = []
        for root, held in zip(self.mode.roots, self._by_level(u), strict=True):
            if isinstance(root, TiedRoot):
                A, flat = root.dependence, held.transpose(0, 2, 1).reshape(-1, held.shape[1])
                flat = A.whiten_transposed(A.whiten(flat))
                held = flat.reshape(len(held), -1, held.shape[1]).transpose(0, 2, 1)
            out.append(held.reshape(-1, u.shape[1]))
        return np.concatenate(out)

    def deviances(self, total: FloatArray) -> FloatArray:
        """Deviance of each component, (C,)."""
        return self.roots.log_dets - 2.0 * (self.at_mode + np.log(total / self.draws))

    def _by_level(self, u: FloatArray) -> Iterator[FloatArray]:
        """The effects (q, m, B) of each factor."""
        for start, factor in zip(self.parts.starts, self.problem.latent.factors, strict=False):
            yield u[start : start + factor.q * factor.m].reshape(factor.q, factor.m, -1)

    def _factors(self, u: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Lambda and the effects (q, m, B) of each factor."""
        for root, held in zip(self.mode.roots, self._by_level(u), strict=True):
            yield units_of(root), held

    def blocks(self, seed: int | None = None) -> Iterator[_Block]:
        """The points in turn, by the scrambling of another seed where one is given."""
        parts, problem = self.parts, self.problem
        sizes = tuple(parts.sizes.tolist())
        if seed is None:
            z = _draw_once(sizes, self.draws, self.seed)
        else:
            z = _draw(sizes, self.draws, seed)
        width = max(1, _BLOCK // problem.n)
        for start in range(0, self.draws, width):
            some = [points[:, :, start : start + width] for points in z]
            count = some[0].shape[2]
            u = np.empty((self.centre.size, count))
            for members, step, points in zip(parts.members, self.roots.steps, some, strict=True):
                u[members] = step @ points
            u += self.centre[:, None]
            effects = np.concatenate(
                [np.tensordot(root, held, 1).reshape(-1, count) for root, held in self._factors(u)]
            )
            eta = [np.tile(part, (count, 1)) for part in self.base]
            for k, Z in parts.maps.items():
                eta[k] += (Z @ effects).T
            d = problem.derivatives_of_copies(eta, 1)
            value = d.value.reshape(count, -1)
            pull = self._pull(u)
            joint = parts.row_sums @ value.T - 0.5 * (parts.effect_sums @ (u * pull))
            lengths = np.concatenate([np.einsum("csb,csb->cb", held, held) for held in some])
            with np.errstate(over="ignore"):
                weight = np.exp(joint - self.at_mode[:, None] + 0.5 * lengths)
            first = [part.reshape(count, -1) for part in d.first]
            yield _Block(some, u, pull, weight, eta, value, first)

    def sum(self) -> _Sums | None:
        """Sums over all points; None where they are not finite."""
        parts, latent = self.parts, self.problem.latent
        total, squares = np.zeros(parts.sizes.size), np.zeros(parts.sizes.size)
        coef = [np.zeros(self.problem.n) for _ in self.base]
        roots = [np.zeros((factor.q, *factor.shape)) for factor in latent.factors]
        slopes = np.zeros(self.centre.size)
        spread = [np.zeros((*held.shape, held.shape[1])) for held in parts.members]
        tied = _with_parameters(self.mode.roots)
        ties = {f: np.zeros((2, latent.factors[f].m)) for f in tied}
        for block in self.blocks():
            total += block.weight.sum(axis=1)
            squares += (block.weight**2).sum(axis=1)
            rows = block.weight[parts.rows]
            weighted = [rows * d.T for d in block.first]
            for target, d in zip(coef, weighted, strict=True):
                target += d.sum(axis=1)
            scores = np.zeros(block.u.shape)
            for k, Z in parts.maps.items():
                scores += Z.T @ weighted[k]
            pulled = [
                np.tensordot(root.T, held, 1).reshape(-1, rows.shape[1])
                for root, held in self._factors(scores)
            ]
            slope = np.concatenate(pulled) - block.weight[parts.effects] * block.pull
            slopes += slope.sum(axis=1)
            both = zip(self._factors(scores), self._factors(block.u), strict=True)
            for stack, ((_, a), (_, b)) in zip(roots, both, strict=True):
                stack += np.einsum("imb,jmb->ijm", a, b)
            for square, members, z in zip(spread, parts.members, block.z, strict=True):
                square += slope[members] @ z.swapaxes(1, 2)
            for f, squares_of in ties.items():
                where = slice(parts.starts[f], parts.starts[f + 1])
                w, shares = block.u[where], block.weight[parts.effects[where]]
                squares_of[0] += (shares * w * w).sum(axis=1)
                squares_of[1, :-1] += (shares[:-1] * w[:-1] * w[1:]).sum(axis=1)
        if not (np.isfinite(total).all() and total.min() > 0.0):
            return None
        return _Sums(total, squares, coef, roots, slopes, spread, ties)

    def differentiate(self, sums: _Sums) -> tuple[Direct, Gram]:
        """Derivatives of the deviance with the modes and H held, by level, and in H."""
        parts, latent = self.parts, self.problem.latent
        normal = 1.0 / sums.total
        shares = normal[parts.effects]
        coef = [-2.0 * normal[parts.rows] * part for part in sums.coef]
        roots = [
            -2.0 * stack * shares[start : start + stack.shape[2]]
            for start, stack in zip(parts.starts, sums.roots, strict=False)
        ]
        slopes = -2.0 * shares * sums.u
        w = [held[:, :, 0] for held in self._by_level(slopes)]
        u = [_spread_transposed(root, held) for root, held in zip(self.mode.roots, w, strict=True)]
        values = np.empty(parts.matrix_starts[-1])
        done = 0
        for target, lower, step, spread in zip(
            parts.matrices(values), self.roots.lower, self.roots.steps, sums.spread, strict=True
        ):
            each = normal[done : done + target.shape[0], None, None]
            done += target.shape[0]
            target[:] = step @ step.swapaxes(1, 2)
            target += _root_adjoint(lower, step, -2.0 * each * spread)
        entries = Gram({key: values[parts.addresses(key)[0]] for key in latent.pairs})
        moved = {
            f: self._slopes(f, A, w[f], values, shares, sums)
            for f, A in _with_parameters(self.mode.roots).items()
        }
        return Direct(coef, roots, u, moved), entries

    def _slopes(
        self,
        f: int,
        A: Dependence,
        d_w: FloatArray,
        values: FloatArray,
        shares: FloatArray,
        sums: _Sums,
    ) -> FloatArray:
        """Derivative in the parameters of K: through ``S``, the density of w, and ``w = A u``."""
        parts, levels = self.parts, np.arange(d_w.shape[1])
        known = shares[parts.starts[f] : parts.starts[f + 1]] * sums.ties[f]
        diagonal = values[parts.ties_of(f, levels, levels)[0]]
        beside = np.zeros(levels.size)
        known_beside = A.precision()[1]
        assert known_beside is not None
        inner = np.flatnonzero(known_beside[:-1])
        beside[inner] = values[parts.ties_of(f, inner, inner + 1)[0]]
        slopes = A.log_det_slope(diagonal + known[0], beside + known[1])
        u = self.mode.point.u[f]
        return slopes + A.outer(d_w, u, A.spread(u))


def _with_parameters(roots: Sequence[Root]) -> dict[int, Dependence]:
    """How levels are tied, for each factor of which that has parameters."""
    tied = {f: root.dependence for f, root in enumerate(roots) if isinstance(root, TiedRoot)}
    return {f: A for f, A in tied.items() if A.n_parameters}


def _spread(root: Root, u: FloatArray) -> FloatArray:
    """``w = A u``, (q, m)."""
    return root.dependence.spread(u) if isinstance(root, TiedRoot) else u


def _spread_transposed(root: Root, s: FloatArray) -> FloatArray:
    """``A' s``, (q, m)."""
    return root.dependence.spread_transposed(s) if isinstance(root, TiedRoot) else s


def _root_adjoint(lower: FloatArray, step: FloatArray, spread: FloatArray) -> FloatArray:
    """From the derivative in ``T = L^-T`` to that in the symmetric ``H = L L'``.

    ``tr(A' dT) = -tr(T A' T dL')``, so the derivative in L is the lower triangle of ``-T A' T``;
    from there to H as in Murray (2016), arXiv:1602.07527, section 4.
    """
    d_lower = -np.tril(step @ spread.swapaxes(1, 2) @ step)
    inner = np.tril(lower.swapaxes(1, 2) @ d_lower)
    diagonal = np.arange(lower.shape[1])
    inner[:, diagonal, diagonal] *= 0.5
    one_sided = step @ inner @ step.swapaxes(1, 2)
    out: FloatArray = 0.5 * (one_sided + one_sided.swapaxes(1, 2))
    return out
