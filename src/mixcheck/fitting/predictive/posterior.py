"""Exact draws of the random effects given the data and the estimates.

The mean of a normal response: a draw from N(mode, H^-1). One scalar effect per level of one
factor: the density of each level is tabulated on a grid adapted to it and its distribution
function inverted. Everything else: a draw from the Laplace Gaussian, then Metropolis-within-Gibbs
sweeps over the factors. Given the other factors, the levels of one factor are independent, so a
whole factor is updated at once; each level is proposed from a multivariate t around its own
conditional mode, whose tails bound the ratio of target and proposal. Where levels are tied, their
independent blocks may be long: each is moved from where it is, by an autoregression that leaves
the Laplace Gaussian as it is, in steps short enough to be accepted (Neal 1998; Cotter et al.
2013).

References
----------
Neal (1998), Regression and classification using Gaussian process priors, Bayesian Statistics 6;
Cotter, Roberts, Stuart & White (2013), Statistical Science 28, 424-446.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.layout import Latent, Pair
from mixcheck.fitting.latent.roots import Root, scale, whiten_effects
from mixcheck.fitting.latent.small_matrices import solve_upper
from mixcheck.fitting.likelihood.mode import Mode, find_mode, is_normal, predictors, step_to_mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.posterior_inversion import invert_distribution, row_log_density

__all__ = [
    "PosteriorDraw",
    "draw_posterior",
    "has_scalar_levels",
    "join_levels",
    "sweep_copies",
]

_SWEEPS = 16
# Share of levels that no sweep has moved at which sweeps end.
_UNMOVED = 1e-4
# Rows for each level from which on a level is as good as normal around its mode.
_MANY_ROWS = 20
_MOST_HALVINGS = 40
# Stands for the log of zero where a difference would not be a number.
_LOWEST = -1e300
_T_DEGREES = 6.0
# Draws by which the length of a step of tied levels is chosen.
_PILOT = 6


@dataclass(frozen=True, eq=False)
class PosteriorDraw:
    """One draw of all random effects.

    Attributes
    ----------
    u : list of (q, m)
        Standardised random effects per factor.
    acceptance : float
        Smallest acceptance rate over factors; 1 for exact inversion.
    """

    u: list[FloatArray]
    acceptance: float


def draw_posterior(
    problem: Problem, base: Sequence[FloatArray], mode: Mode, rng: np.random.Generator
) -> PosteriorDraw:
    """Draw the random effects from their distribution given the data.

    Its density is proportional to ``exp(sum_i w_i l_i(eta_i(u)))`` times that of the effects
    before the data, ``exp(-u'u / 2)`` where levels are independent.

    Parameters
    ----------
    problem : Problem
    base : list of (n,)
        Predictors without random effects.
    mode : Mode
        Conditional modes at the same parameters.
    rng : Generator

    Returns
    -------
    PosteriorDraw
    """
    if not problem.latent.factors:
        return PosteriorDraw([], 1.0)
    if is_normal(problem):
        return PosteriorDraw(_draw_normal(problem, mode, rng), 1.0)
    if has_scalar_levels(problem):
        drawn = invert_distribution(problem, base, mode, rng)
        if drawn is not None:
            return PosteriorDraw([drawn], 1.0)
    return _sweep(problem, base, mode, rng)


def _draw_normal(problem: Problem, mode: Mode, rng: np.random.Generator) -> list[FloatArray]:
    """A draw from N(mode, H^-1): ``u_hat + L^-T e``, ``H = L L'``, e standard normal."""
    white = [rng.standard_normal(f.shape) for f in problem.latent.factors]
    spread = mode.system.factorization.apply_inverse_root(white)
    return [centre + part for centre, part in zip(mode.point.u, spread, strict=True)]


def has_scalar_levels(problem: Problem) -> bool:
    """Whether random effects are one for each of the independent levels of one factor."""
    latent = problem.latent
    return len(latent.factors) == 1 and latent.factors[0].q == 1 and not latent.tied


@dataclass(frozen=True, eq=False)
class _Block:
    """One factor as a problem of its own, the other factors held in the predictors."""

    index: int
    problem: Problem
    root: Root
    start: FloatArray


def _alone(problem: Problem, f: int, root: Root, start: FloatArray) -> _Block:
    factor = problem.latent.factors[f]
    levels = np.arange(factor.m)
    nested = int(factor.ties is None or factor.neighbours)
    latent = Latent((factor,), nested, {(0, 0): Pair(factor.sums, levels, levels)})
    return _Block(f, replace(problem, latent=latent), root, start)


def _sweep(
    problem: Problem, base: Sequence[FloatArray], mode: Mode, rng: np.random.Generator
) -> PosteriorDraw:
    """A draw by Metropolis within Gibbs, as `draw_posterior` where nothing can be inverted.

    A level that has moved is a draw given the other factors. So sweeps end once the share of
    levels that never moved, were moves independent, ``prod_s (1 - a_s)`` over sweeps s with a
    share of a_s accepted, is below `_UNMOVED`; tied levels move in short steps, and have all
    `_SWEEPS`.
    """
    white = [rng.standard_normal(f.shape) for f in problem.latent.factors]
    spread = mode.system.factorization.apply_inverse_root(white)
    u = _started(problem, base, mode, spread)
    blocks = [_alone(problem, f, mode.roots[f], mode.point.u[f]) for f in range(len(u))]
    shares: list[list[float]] = []
    unmoved = np.ones(len(u))
    while len(shares) < _SWEEPS and (problem.latent.tied or unmoved.max() > _UNMOVED):
        shares.append([])
        for block in blocks:
            others = _without(problem, base, mode.roots, u, block.index)
            update = _update if block.problem.latent.factors[0].ties is None else _update_tied
            u[block.index], accepted = update(block, others, u[block.index], rng)
            shares[-1].append(0.0 if accepted is None else float(accepted.mean()))
        unmoved *= 1.0 - np.array(shares[-1])
    return PosteriorDraw(u, float(np.mean(shares, axis=0).min()))


def join_levels(effects: Sequence[Sequence[FloatArray]]) -> list[FloatArray]:
    """Effects of several copies, (q, m) for each factor, one after another, (q, c m)."""
    return [np.concatenate(parts, axis=1) for parts in zip(*effects, strict=True)]


def sweep_copies(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    modes: Sequence[Mode],
    rngs: Sequence[np.random.Generator],
) -> list[FloatArray] | None:
    """The draws that sweeps make of each of several copies of a problem, all at once.

    Parameters
    ----------
    problem : Problem
        Of all copies, with independent levels.
    base : list of (c n,)
    roots : list of Root
    modes : sequence of Mode
        Of each copy.
    rngs : sequence of Generator
        One for each copy.

    Returns
    -------
    list of (q, c m) or None
        None where a factor of some copy has no conditional mode: each is then drawn by itself.
    """
    copies, factors = len(modes), problem.latent.factors
    centres = join_levels([mode.point.u for mode in modes])
    spreads = [
        mode.system.factorization.apply_inverse_root(
            [rng.standard_normal(part.shape) for part in mode.point.u]
        )
        for mode, rng in zip(modes, rngs, strict=True)
    ]
    u = [a + b for a, b in zip(centres, join_levels(spreads), strict=True)]
    if not np.isfinite(row_log_density(problem, predictors(problem, base, roots, u))).all():
        return None
    blocks = [_alone(problem, f, roots[f], centres[f]) for f in range(len(factors))]
    going, unmoved = np.ones(copies, dtype=np.bool_), np.ones((len(factors), copies))
    for _ in range(_SWEEPS):
        joined = _JoinedStreams(rngs, going)
        for f, block in enumerate(blocks):
            others = _without(problem, base, roots, u, f)
            after, accepted = _update(block, others, u[f], joined)
            if accepted is None:
                return None
            u[f] = np.where(np.repeat(going, factors[f].m // copies), after, u[f])
            unmoved[f] *= 1.0 - accepted.reshape(copies, -1).mean(axis=1)
        going = going & (unmoved.max(axis=0) > _UNMOVED)
        if not going.any():
            break
    return u


@dataclass(frozen=True, eq=False)
class _JoinedStreams:
    """Random numbers of levels of several copies, each from the stream of its copy.

    A copy that is at its end takes none.
    """

    rngs: Sequence[np.random.Generator]
    going: BoolArray

    def _join(self, make: Callable[[np.random.Generator, int], FloatArray], m: int) -> FloatArray:
        size, pairs = m // len(self.rngs), zip(self.rngs, self.going, strict=True)
        parts = [make(rng, size) if on else None for rng, on in pairs]
        idle = np.ones(next(part.shape for part in parts if part is not None))
        return np.concatenate([idle if part is None else part for part in parts], axis=-1)

    def standard_normal(self, shape: tuple[int, int]) -> FloatArray:
        """Standard normal numbers, (q, c m)."""
        return self._join(lambda rng, m: rng.standard_normal((shape[0], m)), shape[1])

    def chisquare(self, degrees: float, m: int) -> FloatArray:
        """Chi-squared numbers, (c m,)."""
        return self._join(lambda rng, size: rng.chisquare(degrees, size), m)

    def random(self, m: int) -> FloatArray:
        """Uniform numbers, (c m,)."""
        return self._join(lambda rng, size: rng.random(size), m)


def _started(
    problem: Problem, base: Sequence[FloatArray], mode: Mode, spread: Sequence[FloatArray]
) -> list[FloatArray]:
    """Draws from the Laplace Gaussian, nearer to the mode where one leaves the domain of a link.

    No step leads back for one factor while another one holds a predictor outside.
    """
    spread = [part.copy() for part in spread]
    for _ in range(_MOST_HALVINGS):
        u = [centre + part for centre, part in zip(mode.point.u, spread, strict=True)]
        density = row_log_density(problem, predictors(problem, base, mode.roots, u))
        outside = np.flatnonzero(~np.isfinite(density))
        if not outside.size:
            return u
        for part, factor in zip(spread, problem.latent.factors, strict=True):
            levels = np.unique(factor.sums.index[outside])
            if factor.ties is not None:
                levels = factor.ties.together(levels)
            part[:, levels] *= 0.5
    return [centre.copy() for centre in mode.point.u]


def _without(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    u: Sequence[FloatArray],
    f: int,
) -> list[FloatArray]:
    """Predictors with the random effects of factor f at zero."""
    if len(u) == 1:
        return list(base)
    others = [np.zeros_like(part) if g == f else part for g, part in enumerate(u)]
    return predictors(problem, base, roots, others)


def _update(
    block: _Block,
    base: Sequence[FloatArray],
    u: FloatArray,
    rng: np.random.Generator | _JoinedStreams,
) -> tuple[FloatArray, BoolArray | None]:
    """One independence Metropolis step for every level of a factor.

    Proposed is ``u' = c + L^-T t``, t multivariate t and ``H = L L'``; it is accepted with
    probability ``min(1, p(u') q(u) / (p(u) q(u')))``. Returned are the levels that were, (m,).

    References
    ----------
    Tierney (1994), Annals of Statistics 22, 1701-1762.
    """
    q, m = u.shape
    found = _normal_approximation(block, base)
    normal = rng.standard_normal((q, m))
    mixing = np.sqrt(rng.chisquare(_T_DEGREES, m) / _T_DEGREES)
    uniform = rng.random(m)
    if found is None:
        return u, None
    centre, lower = found
    proposal = centre + solve_upper(lower, (normal / mixing)[:, None])[:, 0]
    # A draw from the Laplace Gaussian may start where the target is zero: any move leaves it.
    current = np.maximum(_log_target(block, base, u), _LOWEST)
    ratio = _log_target(block, base, proposal) - current
    ratio += _log_proposal(lower, u - centre) - _log_proposal(lower, proposal - centre)
    accept: BoolArray = np.log(uniform) < ratio
    return np.where(accept, proposal, u), accept


def _normal_approximation(
    block: _Block, base: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray] | None:
    """Centre (q, m) and Cholesky factors (q, q, m) of what the levels of a factor look like.

    The conditional mode; of many rows a level one Newton step towards it from the joint mode is
    as good. Neither depends on where the levels are.
    """
    if block.problem.n < _MANY_ROWS * block.start.shape[1]:
        mode = find_mode(block.problem, base, [block.root], [block.start])
        found = None if mode is None else (mode.point.u, mode.system)
    else:
        found = step_to_mode(block.problem, base, [block.root], [block.start])
    return (
        None if found is None else (found[0][0], nested_factors(found[1].factorization).blocks(0))
    )


def _update_tied(
    block: _Block, base: Sequence[FloatArray], u: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, BoolArray | None]:
    """One step ``u' = c + sqrt(1 - s^2) (u - c) + s e``, ``e ~ N(0, H^-1)``, for every block.

    It is reversible for the Laplace Gaussian N(c, H^-1), so that a block is accepted by the
    ratio of ``r(u)``, the target over that Gaussian. The variance of log r under the Gaussian
    is taken from draws that do not depend on u; with ``3 s^2`` times it near one, steps are
    accepted (a cubic log r has a correlation of ``(1 - s^2)^(3/2)`` along a step).
    """
    factor = block.problem.latent.factors[0]
    assert factor.ties is not None
    mode = find_mode(block.problem, base, [block.root], [block.start])
    white = [rng.standard_normal(u.shape) for _ in range(_PILOT + 1)]
    uniform = rng.random(int(factor.ties.blocks[-1]) + 1)
    if mode is None:
        return u, None
    system, centre = mode.system, mode.point.u[0]
    *pilots, noise = (system.factorization.apply_inverse_root([part])[0] for part in white)
    ratios = [_log_ratio(block, base, mode, centre + part) for part in pilots]
    spread = np.nanmedian(np.var(ratios, axis=0, ddof=1)) if np.isfinite(ratios).any() else 1.0
    step = min(1.0, 1.0 / np.sqrt(3.0 * max(float(np.nan_to_num(spread, nan=1.0)), 1e-12)))
    proposal = centre + np.sqrt(1.0 - step * step) * (u - centre) + step * noise
    current = np.maximum(_log_ratio(block, base, mode, u), _LOWEST)
    accept: BoolArray = np.log(uniform) < _log_ratio(block, base, mode, proposal) - current
    return np.where(accept[factor.ties.blocks], proposal, u), accept


def _log_ratio(block: _Block, base: Sequence[FloatArray], mode: Mode, u: FloatArray) -> FloatArray:
    """``sum_i l_i - u'u / 2 + (u - c)' H (u - c) / 2`` by block: target over Gaussian."""
    factor = block.problem.latent.factors[0]
    assert factor.ties is not None
    eta = predictors(block.problem, base, [block.root], [u])
    density = factor.independent(row_log_density(block.problem, eta))
    moved = u - mode.point.u[0]
    b = scale(block.root, moved)
    quadratic = np.einsum("qm,qsm,sm->m", b, mode.system.gram[0, 0], b)
    further, white = whiten_effects(block.root, moved), whiten_effects(block.root, u)
    quadratic += np.einsum("qm,qm->m", further, further)
    levels = 0.5 * (quadratic - np.einsum("qm,qm->m", white, white))
    out: FloatArray = density + np.bincount(factor.ties.blocks, levels, density.size)
    return out


def _log_target(block: _Block, base: Sequence[FloatArray], u: FloatArray) -> FloatArray:
    """``sum_i l_i - u'u / 2`` of each level, (m,)."""
    eta = predictors(block.problem, base, [block.root], [u])
    values = block.problem.latent.factors[0].sums(row_log_density(block.problem, eta))
    out: FloatArray = values - 0.5 * np.einsum("qm,qm->m", u, u)
    return out


def _log_proposal(lower: FloatArray, centred: FloatArray) -> FloatArray:
    """``-(nu + q) / 2 log(1 + |L' x|^2 / nu)``: multivariate t with precision L L', (m,)."""
    q = centred.shape[0]
    white = np.einsum("ijm,im->jm", lower, centred)
    distance = np.einsum("qm,qm->m", white, white)
    out: FloatArray = -0.5 * (_T_DEGREES + q) * np.log1p(distance / _T_DEGREES)
    return out
