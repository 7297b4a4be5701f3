"""The search for the estimates of many copies of a problem at once.

Each copy has its own BFGS search with backtracking, that of
:mod:`mixcheck.fitting.estimation.optimize`, with one whitening: the Hessian of the fit to which all
copies are refits. The copies go in step, one look each at a time, and a copy takes its next step
when its own modes are found well enough. What stands beside a copy changes nothing of its search.

A copy whose search meets what a single search has other means for (a pole, predictors outside the
domain of a link, an H that is not positive definite, no progress) is given up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.fitting.estimation.optimize import REFIT_TOLERANCE
from mixcheck.fitting.estimation.quasi_newton import POLE
from mixcheck.fitting.latent.small_matrices import by_copy
from mixcheck.fitting.likelihood.copies import Batch
from mixcheck.fitting.likelihood.laplace import HessianKind
from mixcheck.fitting.likelihood.mode import stalls
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.stacked_laplace import Look, follow, look_at

__all__ = ["Ends", "search_copies"]

# Looks and halvings after which a copy is given up.
_MOST_LOOKS = 120
_MOST_HALVINGS = 12
# The modes are known well enough where the root of the decrement is this share of the gradient,
# and at the end to the last digit.
_SHARE = 3e-3
_COARSEST, _FINEST = 1e-8, 1e-16
_AT_REST = 1e-14
# As for a single search: sufficient decrease, growth of steps, rounding of the deviance.
_SUFFICIENT = 1e-4
_GROWTH = 3.0
_ROUNDING = 1e-11
# Steps in a row that promise less than rounding and do not halve the gradient.
_IDLE = 4
# Copies are looked at in shares of all of them, so that few sizes occur.
_SHARES = 8


@dataclass(frozen=True, eq=False)
class Ends:
    """Where the searches of B copies ended.

    Attributes
    ----------
    psi : (B, P)
    u : list of (q, B m)
        Modes.
    found : (B,) bool
        Whether a copy came to rest; what was given up holds no estimates.
    evaluations : (B,) int
        Of the deviance with its gradient.
    """

    psi: FloatArray
    u: list[FloatArray]
    found: BoolArray
    evaluations: IntArray


def search_copies(
    batch: Batch,
    start: FloatArray,
    scale: FloatArray,
    information: HessianKind,
) -> Ends:
    """Minimise the Laplace deviance of each copy.

    Parameters
    ----------
    batch : Batch
    start : (P,) or (B, P)
        Of all copies, or of each.
    scale : (P, P)
        Whitening: ``psi = start + scale z``.
    information : {"observed", "expected"}
    """
    search = _Search(batch, start, scale, information)
    search.run()
    return Ends(search.psi, search.joined(), search.found, search.evaluations)


class _Search:
    """Where the searches stand; arrays with one row a copy."""

    def __init__(
        self,
        batch: Batch,
        start: FloatArray,
        scale: FloatArray,
        information: HessianKind,
    ) -> None:
        B, P = batch.count, start.shape[-1]
        self.batch, self.scale = batch, scale
        self.start = np.broadcast_to(start, (B, P))
        self.information, self.rounding = information, 2.0 * batch.rounding
        self.psi = self.start.copy()
        self.u = [np.zeros((f.q, B, f.m)) for f in batch.copies.one.latent.factors]
        self.found = np.zeros(B, dtype=np.bool_)
        self.evaluations, self.looks = np.zeros(B, dtype=np.intp), np.zeros(B, dtype=np.intp)
        # Accepted points, and steps from them.
        self.z, self.gradient = np.zeros((B, P)), np.zeros((B, P))
        self.deviance, self.spread = np.full(B, np.inf), np.full(B, np.inf)
        self.inverse = np.tile(np.eye(P), (B, 1, 1))
        self.direction, self.slope = np.zeros((B, P)), np.zeros(B)
        self.length, self.halvings = np.ones(B), np.zeros(B, dtype=np.intp)
        self.smallest, self.idle = np.full(B, np.inf), np.zeros(B, dtype=np.intp)
        # The search for the modes at one point.
        self.energy, self.decrement = np.full(B, np.inf), np.full(B, np.inf)
        self.before = [part.copy() for part in self.u]

    def joined(self) -> list[FloatArray]:
        """The effects of all copies, (q, B m)."""
        return [part.reshape(len(part), -1) for part in self.u]

    def run(self) -> None:
        """Search until every copy is at rest or given up."""
        going = np.arange(self.batch.count)
        while going.size:
            chosen = self._fill(going)
            still = np.isin(chosen, going, assume_unique=True)
            going = np.setdiff1d(going, self._advance(chosen, still), assume_unique=True)

    def _fill(self, going: IntArray) -> IntArray:
        """The copies that are looked at: those that go on, and some at rest."""
        B = self.batch.count
        share = max(1, -(-B // _SHARES))
        size = min(B, -(-going.size // share) * share)
        others = np.setdiff1d(np.arange(B), going, assume_unique=True)
        return np.sort(np.concatenate([going, others[: size - going.size]]))

    def _advance(self, chosen: IntArray, going: BoolArray) -> IntArray:
        """Look at some copies and take their next steps; those that go on no further."""
        copies, problem = self.batch.copies, self.batch.problem(chosen)
        psi = self.psi[chosen]
        u = [part[:, chosen].reshape(len(part), -1) for part in self.u]
        look = look_at(copies, problem, psi, u, self.information)
        g = np.matmul(self.scale.T, look.gradient[:, :, None])[:, :, 0]
        largest = np.abs(g).max(axis=1, initial=0.0)
        self.looks[chosen[going]] += 1
        over = look.overshoots(self.energy[chosen], self.rounding[chosen])
        known = self._knows_modes(chosen, look, largest) & ~over
        finite = np.isfinite(look.energy + look.decrement)
        lost = (~finite & ~over) | (known & ~look.usable)
        lost = going & (lost | (self.looks[chosen] > _MOST_LOOKS))
        rest = known & going & ~lost & (largest < REFIT_TOLERANCE)
        stepping = known & going & ~rest & ~lost
        lost |= self._step(chosen, stepping, look, g)
        self._follow(problem, chosen, going & ~lost, over, look)
        self._keep_modes(chosen, known, over, look)
        arrived = known & going & ~lost
        self.evaluations[chosen[arrived]] += 1
        self.found[chosen[rest]] = True
        ended: IntArray = chosen[lost | rest]
        return ended

    # ---- the modes at one point -------------------------------------------------------------

    def _knows_modes(self, chosen: IntArray, look: Look, largest: FloatArray) -> BoolArray:
        """Whether a look was near enough to the modes for its gradient."""
        finest = np.where(largest < REFIT_TOLERANCE, _AT_REST, _FINEST)
        enough = np.clip(np.nan_to_num(_SHARE * largest) ** 2, finest, _COARSEST)
        stalled = stalls(look.decrement, self.decrement[chosen], look.energy)
        known: BoolArray = (look.decrement <= enough) | stalled
        return known

    def _keep_modes(self, chosen: IntArray, known: BoolArray, over: BoolArray, look: Look) -> None:
        """What the next look of a search for modes compares itself with."""
        on = chosen[~known & ~over]
        self.energy[on] = look.energy[~known & ~over]
        least = np.minimum(self.decrement[chosen], look.decrement)
        self.decrement[on] = least[~known & ~over]
        self.energy[chosen[known]] = np.inf
        self.decrement[chosen[known]] = np.inf

    def _follow(
        self, problem: Problem, chosen: IntArray, going: BoolArray, over: BoolArray, look: Look
    ) -> None:
        """Where the next look is at: the modes predicted, or halfway back."""
        count = chosen.size
        psi = np.where(going[:, None], self.psi[chosen], look.psi)
        after = follow(self.batch.copies, problem, look, psi)
        back, on = going & over, going & ~over
        for part, kept, new, here in zip(
            self.u, self.before, after, look.mode.point.u, strict=True
        ):
            new, here = (by_copy(rows, count) for rows in (new, here))
            kept[:, chosen[on]] = here[:, on]
            part[:, chosen[on]] = new[:, on]
            part[:, chosen[back]] = 0.5 * (kept[:, chosen[back]] + here[:, back])

    # ---- the parameters ----------------------------------------------------------------------

    def _step(self, chosen: IntArray, here: BoolArray, look: Look, g: FloatArray) -> BoolArray:
        """Accept or shorten the steps of copies whose modes are known; those that are given up."""
        lost = np.zeros(chosen.size, dtype=np.bool_)
        at = chosen[here]
        if not at.size:
            return lost
        deviance, spread = look.deviance[here], look.spread[here]
        noise = np.maximum(_ROUNDING * (1.0 + np.abs(self.deviance[at])), self.rounding[at])
        bound = self.deviance[at] + _SUFFICIENT * self.length[at] * self.slope[at] + noise
        first = np.isinf(self.deviance[at])
        pole = ~first & (spread > np.maximum(POLE, self.spread[at]))
        accepted = (first | (deviance <= bound)) & ~pole
        shorter = ~accepted & ~pole
        self._shorten(at[shorter], deviance[shorter])
        idle = self._accept(at[accepted], first[accepted], look, here, accepted, g)
        gone = pole | (self.halvings[at] > _MOST_HALVINGS)
        gone[accepted] |= idle
        lost[here] = gone
        z = self.z[at] + self.length[at][:, None] * self.direction[at]
        self.psi[at] = self.start[at] + np.matmul(self.scale, z[:, :, None])[:, :, 0]
        return lost

    def _shorten(self, at: IntArray, deviance: FloatArray) -> None:
        """Go to the minimum of the parabola through value, slope and new value."""
        length, slope = self.length[at], self.slope[at]
        excess = deviance - self.deviance[at] - length * slope
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(excess > 0.0, -0.5 * length * slope / excess, 0.5)
        self.length[at] *= np.minimum(0.5, np.maximum(0.1, share))
        self.halvings[at] += 1

    def _accept(
        self,
        at: IntArray,
        first: BoolArray,
        look: Look,
        here: BoolArray,
        accepted: BoolArray,
        g: FloatArray,
    ) -> BoolArray:
        """Move to the points that were looked at, and set out again; whether that is idle."""
        new = g[here][accepted]
        moved = self.length[at][:, None] * self.direction[at]
        self._update_inverse(at[~first], moved[~first], (new - self.gradient[at])[~first])
        self.z[at] += moved
        self.gradient[at] = new
        self.deviance[at] = look.deviance[here][accepted]
        self.spread[at] = look.spread[here][accepted]
        direction = -np.matmul(self.inverse[at], new[:, :, None])[:, :, 0]
        size = np.sqrt((direction * direction).sum(axis=1))
        reach = _GROWTH * np.maximum(np.sqrt((moved * moved).sum(axis=1)), 1.0)
        reach = np.where(first, np.inf, reach)
        direction *= np.where(size > reach, reach / np.maximum(size, 1e-300), 1.0)[:, None]
        self.direction[at] = direction
        self.slope[at] = (new * direction).sum(axis=1)
        self.length[at], self.halvings[at] = 1.0, 0
        largest = np.abs(new).max(axis=1, initial=0.0)
        blind = (-self.slope[at] < self.rounding[at]) & (largest > 0.5 * self.smallest[at])
        self.idle[at] = np.where(blind, self.idle[at] + 1, 0)
        self.smallest[at] = np.minimum(self.smallest[at], largest)
        idle: BoolArray = self.idle[at] >= _IDLE
        return idle

    def _update_inverse(self, at: IntArray, s: FloatArray, y: FloatArray) -> None:
        """BFGS update of each inverse Hessian, as `quasi_newton.update_inverse`."""
        sy = (s * y).sum(axis=1)
        sizes = np.sqrt((s * s).sum(axis=1) * (y * y).sum(axis=1))
        curved = sy > 1e-10 * sizes
        at, s, y, sy = at[curved], s[curved], y[curved], sy[curved]
        left = np.matmul(self.inverse[at], y[:, :, None])[:, :, 0]
        outer = s[:, :, None] * s[:, None, :]
        mixed = left[:, :, None] * s[:, None, :]
        share = (1.0 + (y * left).sum(axis=1) / sy) / sy
        self.inverse[at] += share[:, None, None] * outer
        self.inverse[at] -= (mixed + mixed.swapaxes(1, 2)) / sy[:, None, None]
