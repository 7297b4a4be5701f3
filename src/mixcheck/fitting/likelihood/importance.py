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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mixcheck.arguments.options import as_whole, require_seed, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.latent.factorization import Factorization
from mixcheck.fitting.latent.roots import embed
from mixcheck.fitting.likelihood.adjoint import find_adjoint, largest_variance, pull_back
from mixcheck.fitting.likelihood.approximation import (
    Approximation,
    Expansion,
    Option,
    require_random_effects,
)
from mixcheck.fitting.likelihood.by_group import GroupSums, differentiate_groups
from mixcheck.fitting.likelihood.components import components_of, root_components
from mixcheck.fitting.likelihood.importance_points import Sampler, Sums
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.objective import Evaluation, GroupEvaluation
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["HEAVIEST", "Importance"]

# A component of more effects than this has too large a matrix, and weights without hope.
_MOST_EFFECTS = 2_000
# Scramblings that tell the Monte Carlo error.
_SCRAMBLINGS = 8
# Averages of weights with a heavier tail than this are not to be trusted (Vehtari et al. 2024).
HEAVIEST = 0.7
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
        largest = int(components_of(problem.latent).sizes.max())
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
        sloped: bool = True,
        near: float = 0.0,
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
        facts = self.tails(problem, at)
        heaviest = facts["largest Pareto shape of the weights"]
        if heaviest > HEAVIEST:
            raise ConvergenceError(
                "the importance weights have degenerated: the Pareto shape of their tail is "
                f"{heaviest:.2f}, and above {HEAVIEST} averages of weights are not to be trusted; "
                f"{facts['smallest effective number of draws']:.0f} of {self.draws} draws count. "
                f'Write more draws, such as draws={4 * self.draws}, or method="laplace"'
            )

    def facts(self, problem: Problem, at: Evaluation) -> Mapping[str, float]:
        """How far the draws go, and the Monte Carlo error by other scramblings.

        The error is the standard deviation of ``-D / 2`` over them.
        """
        sampler, _ = self._at(problem, at)
        found = []
        for seed in range(1, _SCRAMBLINGS + 1):
            blocks = sampler.blocks(self.seed + seed)
            total = np.sum([block.weight.sum(axis=1) for block in blocks], axis=0)
            found.append(-0.5 * float(sampler.deviances(total).sum()))
        error = float(np.std(found, ddof=1))
        return {
            **self.tails(problem, at),
            "Monte Carlo standard error of the log-likelihood": error,
        }

    def tails(self, problem: Problem, at: Evaluation) -> dict[str, float]:
        """How many draws count, and the heaviest tail of the weights, of the worst component.

        The effective number of draws is ``(sum w_k)^2 / sum w_k^2``.
        """
        sampler, sums = self._at(problem, at)
        weights = np.concatenate([block.weight for block in sampler.blocks()], axis=1)
        return {
            "smallest effective number of draws": float((sums.total**2 / sums.squares).min()),
            "largest Pareto shape of the weights": max(_tail_shape(row) for row in weights),
        }

    def _sampler(self, problem: Problem, psi: FloatArray, mode: Mode) -> Sampler | None:
        """None where H is not positive definite to rounding."""
        parts = components_of(problem.latent)
        roots = root_components(parts, mode)
        if roots is None:
            return None
        return Sampler(problem, problem.fixed(psi), mode, parts, roots, self.draws, self.seed)

    def _at(self, problem: Problem, at: Evaluation) -> tuple[Sampler, Sums]:
        """The points at parameters where the deviance is finite."""
        assert at.mode is not None
        sampler = self._sampler(problem, at.psi, at.mode)
        sums = None if sampler is None else sampler.sum()
        if sampler is None or sums is None:
            raise ConvergenceError("the likelihood is not finite at these parameters")
        return sampler, sums


def _tail_shape(weights: FloatArray) -> float:
    """Shape of the generalised Pareto distribution of the largest weights.

    Of their n excesses x over the next smaller weight, ``k = mean log(1 - b x)`` with b its mean
    under the profile likelihood ``n (log(-b / k) - k - 1)`` and a prior on a grid (Zhang &
    Stephens 2009), drawn to 1/2 as by ten weights more, ``(n k + 5) / (n + 10)`` (Vehtari et al.
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
