"""The points of importance sampling around the conditional modes, and sums over them.

The notation is that of `mixcheck.fitting.likelihood.importance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import ndtri

from mixcheck.arrays import FloatArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import Root, TiedRoot, units_of, weigh
from mixcheck.fitting.likelihood.adjoint import Direct
from mixcheck.fitting.likelihood.components import ComponentRoots, Components
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Sampler", "Sums"]

# Rows times draws that are evaluated at once.
_BLOCK = 40_000
# Bits of a Sobol point: half a step keeps it off the ends of the unit interval.
_BITS = 30


def _draw(sizes: tuple[int, ...], draws: int, seed: int) -> list[FloatArray]:
    """``Phi^-1`` of scrambled Sobol points, for the components of each size.

    An array (components, size, draws) for each size.
    """
    from scipy.stats import qmc

    streams = np.random.SeedSequence(seed).spawn(len(sizes))
    by_size: dict[int, list[FloatArray]] = {}
    for size, stream in zip(sizes, streams, strict=True):
        sobol = qmc.Sobol(size, bits=_BITS, seed=np.random.default_rng(stream))
        by_size.setdefault(size, []).append(ndtri(sobol.random(draws) + 0.5 ** (_BITS + 1)).T)
    return [np.stack(by_size[size]) for size in sorted(by_size)]


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
class Sums:
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
class Sampler:
    """The points at given parameters."""

    problem: Problem
    base: Sequence[FloatArray]
    mode: Mode
    parts: Components
    roots: ComponentRoots
    draws: int
    seed: int

    @cached_property
    def centre(self) -> FloatArray:
        """Modes, (N,)."""
        return np.concatenate([u.ravel() for u in self.mode.point.u])

    @cached_property
    def at_mode(self) -> FloatArray:
        """Joint log density f of each component at its mode, ``sum l_i - u'u / 2``, (C,)."""
        rows: FloatArray = self.parts.row_sums @ self.mode.point.derivatives.value
        parts = zip(self.mode.roots, self.mode.point.u, strict=True)
        squares = np.concatenate([(u * weigh(root, u)).ravel() for root, u in parts])
        density: FloatArray = rows - 0.5 * (self.parts.effect_sums @ squares)
        return density

    def _pull(self, u: FloatArray) -> FloatArray:
        """``K^-1 w`` where levels are tied, u elsewhere, (N, B)."""
        out = []
        for root, effects in zip(self.mode.roots, self._by_level(u), strict=True):
            if isinstance(root, TiedRoot):
                flat = effects.transpose(0, 2, 1).reshape(-1, effects.shape[1])
                flat = root.dependence.solve(flat)
                effects = flat.reshape(len(effects), -1, effects.shape[1]).transpose(0, 2, 1)
            out.append(effects.reshape(-1, u.shape[1]))
        return np.concatenate(out)

    def deviances(self, total: FloatArray) -> FloatArray:
        """Deviance of each component, (C,), from the sums of its weights.

        ``log det H - 2 (f(u_hat) + log mean_k w_k)``.
        """
        return self.roots.log_dets - 2.0 * (self.at_mode + np.log(total / self.draws))

    def _by_level(self, u: FloatArray) -> Iterator[FloatArray]:
        """The effects (q, m, B) of each factor."""
        for start, factor in zip(self.parts.starts, self.problem.latent.factors, strict=False):
            yield u[start : start + factor.q * factor.m].reshape(factor.q, factor.m, -1)

    def _factors(self, u: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Lambda and the effects (q, m, B) of each factor."""
        for root, effects in zip(self.mode.roots, self._by_level(u), strict=True):
            yield units_of(root), effects

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
                [np.tensordot(root, b, 1).reshape(-1, count) for root, b in self._factors(u)]
            )
            eta = [np.tile(part, (count, 1)) for part in self.base]
            for k, Z in parts.maps.items():
                eta[k] += (Z @ effects).T
            d = problem.derivatives_of_copies(eta, 1)
            value = d.value.reshape(count, -1)
            pull = self._pull(u)
            joint = parts.row_sums @ value.T - 0.5 * (parts.effect_sums @ (u * pull))
            lengths = np.concatenate([np.einsum("csb,csb->cb", points, points) for points in some])
            with np.errstate(over="ignore"):
                weight = np.exp(joint - self.at_mode[:, None] + 0.5 * lengths)
            first = [part.reshape(count, -1) for part in d.first]
            yield _Block(some, u, pull, weight, eta, value, first)

    def sum(self) -> Sums | None:
        """Sums over all points; None where they are not finite."""
        parts, latent = self.parts, self.problem.latent
        total, squares = np.zeros(parts.sizes.size), np.zeros(parts.sizes.size)
        coef = [np.zeros(self.problem.n) for _ in self.base]
        roots = [np.zeros((factor.q, *factor.shape)) for factor in latent.factors]
        slopes = np.zeros(self.centre.size)
        spread = [np.zeros((*members.shape, members.shape[1])) for members in parts.members]
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
                np.tensordot(root.T, b, 1).reshape(-1, rows.shape[1])
                for root, b in self._factors(scores)
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
        return Sums(total, squares, coef, roots, slopes, spread, ties)

    def differentiate(self, sums: Sums) -> tuple[Direct, Gram]:
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
        u = [effects[:, :, 0] for effects in self._by_level(slopes)]
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
            f: self._slopes(f, A, values, shares, sums)
            for f, A in _with_parameters(self.mode.roots).items()
        }
        return Direct(coef, roots, u, moved), entries

    def _slopes(
        self,
        f: int,
        K: Dependence,
        values: FloatArray,
        shares: FloatArray,
        sums: Sums,
    ) -> FloatArray:
        """Derivative in the parameters of K: through H, and the density of w."""
        parts, levels = self.parts, np.arange(self.problem.latent.factors[f].m)
        known = shares[parts.starts[f] : parts.starts[f + 1]] * sums.ties[f]
        diagonal = values[parts.ties_of(f, levels, levels)[0]]
        beside = np.zeros(levels.size)
        known_beside = K.precision()[1]
        assert known_beside is not None
        inner = np.flatnonzero(known_beside[:-1])
        beside[inner] = values[parts.ties_of(f, inner, inner + 1)[0]]
        return K.log_det_slope(diagonal + known[0], beside + known[1])


def _with_parameters(roots: Sequence[Root]) -> dict[int, Dependence]:
    """How levels are tied, for each factor of which that has parameters."""
    tied = {f: root.dependence for f, root in enumerate(roots) if isinstance(root, TiedRoot)}
    return {f: A for f, A in tied.items() if A.n_parameters}


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
