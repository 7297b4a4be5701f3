"""The deviance by adaptive Gauss-Hermite quadrature, and its exact gradient.

With one grouping factor the likelihood is a product over its levels. The integral over the
q effects of a level is taken at nodes ``u_k = u_hat + L^-T z_k`` (``L L'`` the observed H of
the level at its mode) with weights ``w_k``:

``log int = -1/2 log det H + log sum_k w_k exp(f(u_k) + z_k'z_k / 2)``,

f the joint log density. The sums over nodes are relative to the mode of each level and
their logarithms are added, so that nothing overflows however many levels there are. One
node is the Laplace approximation. The gradient is that of this very expression: nodes move
with the modes and with L.

References
----------
Pinheiro & Bates (1995), J. Comput. Graph. Stat. 4, 12-35; Liu & Pierce (1994), Biometrika
81, 624-629. Derivative of the Cholesky factor: Murray (2016), arXiv:1602.07527, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from mixcheck.arguments.options import as_whole, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import Root, scale
from mixcheck.fitting.latent.small_matrices import solve_upper
from mixcheck.fitting.likelihood.adjoint import Direct, find_adjoint, largest_variance, pull_back
from mixcheck.fitting.likelihood.approximation import (
    Approximation,
    Expansion,
    Option,
    objective_of,
)
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.trial_values import may_overflow

__all__ = ["GaussHermite", "require_quadrature"]

# Rows of all nodes whose derivatives are computed together: a column of them stays in the
# processor's cache, and of small data a call for each node would cost more than its numbers.
_ROWS = 16_384
# A grid over more effects of a level than this has too many nodes.
_MOST_EFFECTS = 3
# Nodes where none are given, and tried where they are to settle; how far two successive
# log-likelihoods may then differ.
_SOME = 25
_LADDER = (1, 5, 9, 13, 17, 21, 25, 31, 41, 51, 71, 101, 151, 201)
_AGREEMENT = 1e-5
_MOST_NODES = 201


def _read_nodes(value: object) -> int | None:
    if isinstance(value, str) and value == "auto":
        return None
    whole = as_whole(value)
    if whole is None or not 1 <= whole <= _MOST_NODES:
        raise OptionError(
            f'nodes={shown(value)} must be a whole number from 1 to {_MOST_NODES}, or "auto"'
        )
    return whole


_NODES = Option(
    "nodes",
    _read_nodes,
    'nodes={value} needs quadrature; write method="agq" too, or leave nodes out',
    idle=1,
)


@dataclass(frozen=True)
class GaussHermite(Approximation):
    """Adaptive Gauss-Hermite quadrature.

    Attributes
    ----------
    nodes : int
        Per dimension.
    settled : bool
        Whether these are the nodes to take; otherwise `refine` finds them.
    """

    nodes: int = _SOME
    settled: bool = True

    spelling: ClassVar[str] = "agq"
    takes: ClassVar[Mapping[str, Option]] = {"nodes": _NODES}
    refusals: ClassVar[Mapping[str, str]] = {
        "reml": "reml=True integrates over the fixed effects too, which quadrature by groups "
        'cannot: write method="laplace", or leave reml out'
    }

    def __str__(self) -> str:
        return f"adaptive quadrature, {self.nodes} nodes"

    @classmethod
    def of(cls, **given: Any) -> Self:
        """With a number of nodes, or with one to be found."""
        return cls(**given, settled="nodes" in given)

    @property
    def preliminary(self) -> Approximation | None:
        """The search begins at the optimum of Laplace's approximation."""
        return Laplace()

    @property
    def fineness(self) -> int:
        """Nodes per dimension."""
        return self.nodes

    def settle(self) -> Self:
        """The same with the nodes that it has."""
        return replace(self, settled=True)

    def require(self, problem: Problem) -> None:
        """Refuse a model whose integral does not factorise; see `require_quadrature`."""
        problem.require_independent_levels(self.spelling)
        require_quadrature(problem)

    def evaluate(
        self,
        problem: Problem,
        psi: FloatArray,
        start: list[FloatArray],
        *,
        chord: Factorization | None = None,
        close: bool = False,
        sloped: bool = True,
        near: float = 0.0,
    ) -> Evaluation:
        """Deviance and its exact gradient; see `Approximation.evaluate`.

        ``D = 2 h(u_hat) + log det H - 2 sum_j log I_j``, I_j the `_Sums.total` of level j.
        """
        base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
        mode = find_mode(problem, base, roots, start, chord=chord, close=close)
        if mode is None:
            return Evaluation(psi, np.inf, np.full(psi.size, np.nan), None)
        factorization = mode.system.factorization
        sums = _sum_nodes(problem, base, mode, self._rule(problem))
        log_integrals = float(np.log(sums.total).sum())
        deviance = 2.0 * mode.point.energy + factorization.log_det() - 2.0 * log_integrals
        spread = largest_variance(problem, factorization.inverse_entries())
        return Evaluation(psi, deviance, _gradient(problem, psi, mode, sums), mode, spread)

    def expand(self, problem: Problem, at: Evaluation) -> Expansion:
        """The log density enters at the nodes, and through the mode and H of each level."""
        mode = at.mode
        assert mode is not None
        base, factor = problem.fixed(at.psi), problem.latent.factors[0]
        rule = self._rule(problem)
        sums = _sum_nodes(problem, base, mode, rule)
        direct, entries = _differentiate(mode, sums)
        curvature = problem.observed(mode.point.derivatives)
        visited = list(_iterate_nodes(problem, base, mode, rule))
        return Expansion(
            weights=[factor.sums.spread(w / sums.total) for nodes in visited for w in nodes.weight],
            eta=[list(eta) for nodes in visited for eta in zip(*nodes.eta, strict=True)],
            values=[value for nodes in visited for value in nodes.value],
            adjoint=find_adjoint(problem, mode, curvature, entries, direct.u),
        )

    def _rule(self, problem: Problem) -> _Rule:
        return _rule(self.nodes, problem.latent.factors[0].q)

    @may_overflow()
    def refine(self, problem: Problem, at: Evaluation) -> Self:
        """Raise the nodes until two successive log-likelihoods agree, twice.

        The error of adaptive quadrature does not fall monotonically with the nodes, so one
        agreement may be an accident. Where the data bound the effect of a level on one side
        only (the zero part of a site without additional zeros), its distribution given them is
        skew, and a rule around its mode converges slowly: for an nbinom1 model of the
        salamanders with an intercept of each site in both parts, 51 nodes in each dimension are
        off by 1e-3, 67 by 2e-4.

        Raises
        ------
        ConvergenceError
            If the largest rule has not settled.
        """
        if self.settled:
            return self
        before, agreed = None, 0
        most = _LADDER[-1] if problem.latent.factors[0].q == 1 else _LADDER[-1] // _MOST_EFFECTS
        ladder = [k for k in _LADDER if k <= most]
        for nodes in ladder:
            tried = replace(self, nodes=nodes, settled=True)
            llf = -0.5 * objective_of(problem, tried)(at.psi, at).deviance
            agreed = agreed + 1 if before is not None and abs(llf - before) < _AGREEMENT else 0
            if agreed == 2:
                return tried
            before = llf
        if before is None or not np.isfinite(before):
            raise ConvergenceError(
                "the log-likelihood has no finite value at the estimates; divide responses, "
                "predictors or offsets that are extremely large"
            )
        raise ConvergenceError(
            f'nodes="auto" found no number of nodes up to {ladder[-1]} at which the log-likelihood '
            f"settles to {_AGREEMENT:g}; give two numbers, such as nodes={ladder[-2]} and "
            f"nodes={ladder[-1]}, and compare"
        )


def require_quadrature(problem: Problem) -> None:
    """Refuse a model whose integral does not factorise.

    Raises
    ------
    OptionError
    """
    factors = problem.latent.factors
    if len(factors) != 1:
        found = ", ".join(dict.fromkeys(t.block.group for t in problem.terms)) or "none"
        raise OptionError(
            f'method="agq" needs exactly one grouping factor; found {found}. Write method="laplace"'
        )
    if factors[0].q > _MOST_EFFECTS:
        raise OptionError(
            f'method="agq" takes at most {_MOST_EFFECTS} random effects for each level; found '
            f'{factors[0].q}. Write method="laplace", or fewer random slopes'
        )


@dataclass(frozen=True, eq=False)
class _Rule:
    """Product rule over q standard normal variables: nodes (k, q), log weights (k,)."""

    nodes: FloatArray
    log_weights: FloatArray


@lru_cache(maxsize=64)
def _rule(nodes: int, q: int) -> _Rule:
    """Nodes and log weights of ``int exp(z'z/2) g(z) exp(-z'z/2) dz / sqrt(2 pi)^q``."""
    z, w = hermegauss(nodes)
    log_w = np.log(w) - 0.5 * np.log(2.0 * np.pi) + 0.5 * z**2
    grid = np.array(list(product(range(nodes), repeat=q)))
    return _Rule(z[grid], log_w[grid].sum(axis=1))


@dataclass(frozen=True, eq=False)
class _Sums:
    """Weighted sums over the nodes, relative to the mode of each level.

    Attributes
    ----------
    total : (m,)
        ``sum_k w_k exp(f(u_k) - f(u_hat) + z'z/2)``.
    coef : list of (n,)
        First derivatives of the rows' log densities, weighted and normalised.
    roots : (q, q)
        ``sum_jk p_jk (Z' l')_j u_jk'``.
    u : (q, m)
        ``sum_k p_jk df/du (u_jk)``.
    spread : (q, q, m)
        ``sum_k p_jk df/du (u_jk) z_k'``.
    """

    total: FloatArray
    coef: list[FloatArray]
    roots: FloatArray
    u: FloatArray
    spread: FloatArray


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Some nodes: places z (b, q), effects u (b, q, m), weights (b, m), predictors, derivatives.

    Predictors are (b, n), ``value`` and ``first`` are the log density of the rows and its first
    derivatives in the predictors, (b, n).
    """

    z: FloatArray
    u: FloatArray
    weight: FloatArray
    eta: list[FloatArray]
    value: FloatArray
    first: list[FloatArray]


def _iterate_nodes(
    problem: Problem, base: Sequence[FloatArray], mode: Mode, rule: _Rule
) -> Iterator[_Nodes]:
    """The nodes ``u_k = u_hat + L^-T z_k``, ``H = L L'``, some at a time.

    Their weights are ``w_k exp(f(u_k) - f(u_hat) + z_k'z_k / 2)``, f the joint log density of the
    responses and effects of a level.
    """
    factor, centre, root = problem.latent.factors[0], mode.point.u[0], mode.roots[0]
    lower = nested_factors(mode.system.factorization).blocks(0)
    q, m = factor.shape
    back = solve_upper(lower, np.broadcast_to(np.eye(q)[:, :, None], (q, q, m)))
    at_mode = factor.sums(mode.point.derivatives.value) - 0.5 * np.einsum(
        "qm,qm->m", centre, centre
    )
    together = max(1, _ROWS // max(problem.n, 1))
    for begin in range(0, len(rule.nodes), together):
        z = rule.nodes[begin : begin + together]
        u = centre + np.einsum("abm,kb->kam", back, z)
        eta = [np.tile(part, (len(z), 1)) for part in base]
        for column, effect in zip(factor.columns, _apply(root, u).swapaxes(0, 1), strict=True):
            rows = effect[:, factor.sums.index]
            eta[column.predictor] += rows if column.covariate is None else rows * column.covariate
        d = problem.derivatives_of_copies(eta, 1)
        value, *first = (x.reshape(len(z), -1) for x in (d.value, *d.first))
        joint = _sum_levels(factor, value) - 0.5 * np.einsum("kqm,kqm->km", u, u)
        weight = np.exp(joint - at_mode + rule.log_weights[begin : begin + together, None])
        yield _Nodes(z, u, weight, eta, value, first)


def _apply(root: Root, u: FloatArray) -> FloatArray:
    """``Lambda u`` for effects of several nodes, (b, q, m)."""
    b, q, m = u.shape
    return scale(root, u.swapaxes(0, 1).reshape(q, b * m)).reshape(q, b, m).swapaxes(0, 1)


def _sum_levels(factor: Factor, rows: FloatArray) -> FloatArray:
    """Sums over the rows of each level, (b, n) to (b, m)."""
    index = factor.sums.index + factor.m * np.arange(len(rows))[:, None]
    return Summation(index.ravel(), len(rows) * factor.m)(rows.ravel()).reshape(len(rows), -1)


def _sum_nodes(problem: Problem, base: Sequence[FloatArray], mode: Mode, rule: _Rule) -> _Sums:
    """The sums of `_Sums`, ``p_jk`` being the weight of a node over their sum."""
    root, factor = mode.roots[0], problem.latent.factors[0]
    q, m = factor.shape
    total, u_sum, spread = np.zeros(m), np.zeros((q, m)), np.zeros((q, q, m))
    coef = [np.zeros(problem.n) for _ in base]
    roots = np.zeros((q, q, m))
    for nodes in _iterate_nodes(problem, base, mode, rule):
        u, weight = nodes.u, nodes.weight
        scores = np.stack([_scores(factor, column, nodes.first) for column in factor.columns], 1)
        slope = weight[:, None] * (_apply(root.T, scores) - u)
        total += weight.sum(axis=0)
        u_sum += slope.sum(axis=0)
        spread += np.einsum("kam,kb->abm", slope, nodes.z)
        roots += np.einsum("km,kam,kbm->abm", weight, scores, u)
        rows = weight[:, factor.sums.index]
        for target, first in zip(coef, nodes.first, strict=True):
            target += np.einsum("kn,kn->n", rows, first)
    normal = factor.sums.spread(1.0 / total)
    sums = (roots / total).sum(axis=2)
    return _Sums(total, [normal * c for c in coef], sums, u_sum / total, spread / total)


def _scores(factor: Factor, column: Column, first: Sequence[FloatArray]) -> FloatArray:
    """``z' l'`` of one effect of each level, (b, m)."""
    rows = first[column.predictor]
    return _sum_levels(factor, rows if column.covariate is None else rows * column.covariate)


def _gradient(problem: Problem, psi: FloatArray, mode: Mode, sums: _Sums) -> FloatArray:
    direct, entries = _differentiate(mode, sums)
    curvature = problem.observed(mode.point.derivatives)
    return pull_back(problem, psi, mode, curvature, mode.system.gram, entries, direct)


def _differentiate(mode: Mode, sums: _Sums) -> tuple[Direct, Gram]:
    """Derivatives of the deviance with the modes and H held, and in H.

    In H, ``V`` of ``log det H``, and ``-2 sum_k p_jk f'(u_k) z_k'`` in ``T = L^-T`` brought to H.
    """
    factorization = mode.system.factorization
    direct = Direct([-2.0 * c for c in sums.coef], [-2.0 * sums.roots], [-2.0 * sums.u])
    inverse = factorization.inverse_entries()[0, 0]
    lower = nested_factors(factorization).blocks(0)
    return direct, {(0, 0): inverse + _root_adjoint(lower, -2.0 * sums.spread)}


def _root_adjoint(lower: FloatArray, spread: FloatArray) -> FloatArray:
    """From the derivative in ``T = L^-T`` to that in the symmetric ``H = L L'``, (q, q, m)."""
    q, _, m = lower.shape
    identity = np.broadcast_to(np.eye(q)[:, :, None], (q, q, m))
    T = solve_upper(lower, identity)
    # tr(A' dT) = -tr(T A' T dL'), so the derivative in L is the lower triangle of -T A' T.
    d_lower = -np.einsum("abm,cbm,cdm->adm", T, spread, T)
    inner = np.einsum("bam,bcm->acm", lower, d_lower * np.tri(q)[:, :, None])
    half = (np.tri(q, k=-1) + 0.5 * np.eye(q))[:, :, None]
    one_sided = np.einsum("abm,bcm,dcm->adm", T, inner * half, T)
    out: FloatArray = 0.5 * (one_sided + one_sided.swapaxes(0, 1))
    return out
