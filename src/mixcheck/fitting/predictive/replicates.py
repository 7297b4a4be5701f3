"""Replicate data sets, many at once: one problem of which each is a copy.

A data set of a few hundred rows is small beside what a call of NumPy costs, and a check makes a
thousand of them. So data sets are put one after another, each with levels of its own. Their
modes are sought together, and each is held as soon as it is found, so that no data set depends
on those beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, MixcheckError
from mixcheck.families.responses import Observed
from mixcheck.fitting.latent.roots import Root, whiten_effects
from mixcheck.fitting.likelihood.mode import (
    ascent,
    build_system,
    find_mode,
    predictors,
    stalls,
)
from mixcheck.fitting.likelihood.modes_at_edges import find_mode_at_edge
from mixcheck.fitting.likelihood.points import DensityPoint
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.data_view import (
    Viewpoint,
    make_views,
    require_conditioning,
    respond,
)
from mixcheck.fitting.predictive.transforms import known_spread, system_at
from mixcheck.port import Conditioning, DataView

__all__ = ["Replica", "replicate", "replicate_many"]

Replica: TypeAlias = DataView | Exception
"""A replicate, or why there is none."""

# Newton's method squares the decrement: a step from below this ends below 1e-16, where the
# search for a single mode ends.
_LAST_STEP = 1e-9
_MAX_STEPS = 50
# The energy may rise by this much, relative to itself, through rounding alone.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A simulated data set: random effects, response, and what its residuals are drawn by."""

    u: list[FloatArray]
    y: FloatArray
    uniform: FloatArray


@dataclass(frozen=True, eq=False)
class Stack:
    """Copies of one view, one after another; all but the response.

    Attributes
    ----------
    view : Viewpoint
    copies : int
    """

    view: Viewpoint
    copies: int

    @property
    def problem(self) -> Problem:
        """The problem of all copies, with the response of the fit in each."""
        return self.view.copies.stack(self.copies)

    @cached_property
    def base(self) -> list[FloatArray]:
        """Predictors without random effects, (copies n,) each."""
        return [np.tile(part, self.copies) for part in self.view.base]

    def seen(self, data: Observed) -> Viewpoint:
        """The view of all copies with their responses."""
        out = Viewpoint(self.problem.with_data(data), self.view.psi)
        out.__dict__.update(base=self.base, roots=self.view.roots, variances=self.view.variances)
        return out


def replicate(view: Viewpoint, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
    """Simulate a data set from the model and see it.

    The simulated random effects are an exact draw from their distribution given the
    simulated response, so none has to be drawn again.

    Raises
    ------
    ConvergenceError
        If no conditional mode was found.
    """
    (found,) = replicate_many(view, conditioning, [rng])
    if isinstance(found, Exception):
        raise found
    return found


def replicate_many(
    view: Viewpoint, conditioning: Conditioning, rngs: Sequence[np.random.Generator]
) -> list[Replica]:
    """Simulate a data set from each random stream, and see it; the same data sets as one by one.

    Parameters
    ----------
    view : Viewpoint
    conditioning : {"posterior", "marginal", "mode"}
    rngs : sequence of Generator

    Returns
    -------
    list of DataView or Exception
        An error where a data set could not be simulated or its modes not be found.
    """
    require_conditioning(conditioning)
    out: list[Replica | _Drawn] = [_draw(view, rng) for rng in rngs]
    drawn = [one for one in out if isinstance(one, _Drawn)]
    found = iter(_see_or_say(view, conditioning, drawn))
    return [next(found) if isinstance(one, _Drawn) else one for one in out]


def _draw(view: Viewpoint, rng: np.random.Generator) -> _Drawn | MixcheckError:
    try:
        u = view.new_effects(rng)
        y = respond(view, u, rng)
    except MixcheckError as error:
        return error
    return _Drawn(u, y, rng.random(view.problem.n)[view.ranks])


def _see_or_say(view: Viewpoint, conditioning: Conditioning, drawn: list[_Drawn]) -> list[Replica]:
    """What was drawn as the model sees it; one by one where something is wrong with some."""
    if not drawn:
        return []
    if len(drawn) > 1 and view.problem.latent.tied:
        # What ties levels is laid out for one data set.
        return [found for one in drawn for found in _see_or_say(view, conditioning, [one])]
    try:
        return _see_all(view, conditioning, drawn)
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        if len(drawn) == 1:
            return [error]
    return [found for one in drawn for found in _see_or_say(view, conditioning, [one])]


def _see_all(view: Viewpoint, conditioning: Conditioning, drawn: list[_Drawn]) -> list[Replica]:
    stack = view.keep(("stack", len(drawn)), lambda: Stack(view, len(drawn)))
    y = np.concatenate([one.y for one in drawn])
    data = view.problem.family.prepare(y, stack.problem.data.size)
    u = [np.concatenate(parts, axis=1) for parts in zip(*(one.u for one in drawn), strict=True)]
    modes, lost = find_modes(view, data, u, len(drawn))
    uniform = np.concatenate([one.uniform for one in drawn])
    given = u if conditioning == "posterior" else modes
    joined = stack.seen(data)
    spread = _spread_of(view, joined, modes, len(drawn))
    seen: list[Replica] = list(
        make_views(joined, modes, given, conditioning, uniform, spread, len(drawn))
    )
    for k in lost:
        seen[k] = ConvergenceError(
            "no conditional mode was found for a simulated data set; "
            "the model may be close to a boundary: see fit.convergence"
        )
    return seen


def _spread_of(
    view: Viewpoint, joined: Viewpoint, modes: Sequence[FloatArray], copies: int
) -> Callable[[], FloatArray]:
    """How well the predictors of all copies are known: one by one what is crossed."""

    def of_one(k: int) -> FloatArray:
        n, data = view.problem.n, joined.problem.data
        rows = slice(k * n, (k + 1) * n)
        alone = Viewpoint(view.problem.with_data(data.rows(rows)), view.psi)
        u = [np.split(part, copies, axis=1)[k] for part in modes]
        system = system_at(alone.problem, alone.roots, alone.eta(u))
        if system is None:
            k = len(view.problem.latent.random_predictors)
            return np.zeros((k, k, n))
        return known_spread(alone.problem, alone.roots, [system])()

    def find() -> FloatArray:
        whole = None
        if copies == 1 or not joined.problem.latent.schur_factors:
            whole = system_at(joined.problem, joined.roots, joined.eta(modes))
        if whole is not None:
            return known_spread(joined.problem, joined.roots, [whole])()
        return np.concatenate([of_one(k) for k in range(copies)], axis=2)

    return find


def find_modes(
    view: Viewpoint, data: Observed, start: list[FloatArray], copies: int
) -> tuple[list[FloatArray], list[int]]:
    """Conditional modes of the random effects of each copy, and the copies without.

    Newton's method without step halving, ``u + H^-1 (Lambda' Z' l' - u)``, on all copies that are
    not at their mode. What is crossed, and a copy whose energy does not fall, is left to
    `find_mode`.

    Parameters
    ----------
    view : Viewpoint
        Of one copy.
    data : Observed
        Responses of all copies, (copies n,).
    start : list of (q, copies m)
    copies : int

    Returns
    -------
    u : list of (q, copies m)
    lost : list of int
        Copies without a finite mode; their `u` is the start.
    """
    search = _Search(view, data, start, copies)
    hard = list(range(copies)) if view.problem.latent.schur_factors else search.run()
    lost = [k for k in hard if not search.find_alone(k)]
    return search.joined(), lost


class _Search:
    """The search for the modes of many copies.

    Attributes
    ----------
    u : list of (q, copies, m)
        Where the search stands; at the mode of each copy in the end.
    """

    def __init__(
        self, view: Viewpoint, data: Observed, start: list[FloatArray], copies: int
    ) -> None:
        self.view, self.data, self.copies = view, data, copies
        self.start = [part.reshape(len(part), copies, -1) for part in start]
        self.u = [part.copy() for part in self.start]

    def joined(self) -> list[FloatArray]:
        """The effects of all copies, (q, copies m) per factor."""
        return [part.reshape(len(part), -1) for part in self.u]

    def run(self) -> list[int]:
        """Search; and the copies that this search is not for."""
        going = np.arange(self.copies)
        energy = np.full(self.copies, np.inf)
        least = np.full(self.copies, np.inf)
        hard: list[int] = []
        for _ in range(_MAX_STEPS):
            if not going.size:
                return hard
            chosen = self._fill(going)
            step, decrement, now = self._step(chosen)
            before = energy[chosen]
            with np.errstate(invalid="ignore"):
                fell = now <= before + _ROUNDING * (1.0 + np.abs(before))
            falls = (fell | np.isinf(before)) & np.isfinite(now) & np.isfinite(decrement)
            energy[chosen] = now
            still = np.isin(chosen, going)
            hard += chosen[still & ~falls].tolist()
            there = stalls(decrement, least[chosen], now)
            least[chosen] = np.minimum(least[chosen], decrement)
            move = still & falls & ~there
            for part, change in zip(self.u, step, strict=True):
                part[:, chosen[move]] += change[:, move]
            going = chosen[move & (decrement >= _LAST_STEP)]
        return [*hard, *going.tolist()]

    def _fill(self, going: IntArray) -> IntArray:
        """The copies that are looked at: a power of two in the whole, so that few sizes occur."""
        size = self.copies
        while (size + 1) // 2 >= going.size and size > 1:
            size = (size + 1) // 2
        others = np.setdiff1d(np.arange(self.copies), going)
        return np.sort(np.concatenate([going, others[: size - going.size]]))

    def take_rows(self, chosen: IntArray) -> Observed:
        """The responses of some copies."""
        if chosen.size == self.copies:
            return self.data
        held = self.data
        y, constant = (v.reshape(self.copies, -1)[chosen].ravel() for v in (held.y, held.constant))
        size = None if held.size is None else held.size[: y.size]
        return Observed(y, size, constant)

    def _step(self, chosen: IntArray) -> tuple[list[FloatArray], FloatArray, FloatArray]:
        """Newton's step (q, c, m) of some copies, their decrements (c,) and energies (c,).

        ``H^-1 g`` with ``g = Lambda' Z' l' - u``, ``g' H^-1 g``, and ``u'u / 2 - sum_i l_i``.
        """
        copies, view = chosen.size, self.view
        stack = view.keep(("stack", copies), lambda: Stack(view, copies))
        problem = stack.problem.with_data(self.take_rows(chosen))
        u = [part[:, chosen].reshape(len(part), -1) for part in self.u]
        eta = predictors(problem, stack.base, view.roots, u)
        alone = problem.latent.random_predictors == (0,)
        d = problem.derivatives_in_mean(eta) if alone else problem.derivatives(eta, 2)
        white = [whiten_effects(root, part) for root, part in zip(view.roots, u, strict=True)]
        point = DensityPoint(u, eta, d, 2, np.nan, problem.latent, white)
        energy = 0.5 * _by_copy([part * part for part in white], copies)
        energy = energy - point.derivatives.value.reshape(copies, -1).sum(axis=1)
        system = build_system(
            problem, view.roots, problem.observed(point.derivatives), observed=True
        )
        if system is None:
            return self._step_apart(chosen, energy)
        gradient = ascent(problem, view.roots, point)
        step = system.factorization.solve(gradient)
        decrement = _by_copy([a * b for a, b in zip(gradient, step, strict=True)], copies)
        return [part.reshape(len(part), copies, -1) for part in step], decrement, energy

    def _step_apart(
        self, chosen: IntArray, energy: FloatArray
    ) -> tuple[list[FloatArray], FloatArray, FloatArray]:
        """The same where the information of some copy is not positive definite: it has no step."""
        if chosen.size == 1:
            return [part[:, chosen] * np.nan for part in self.u], np.full(1, np.nan), energy
        halves = np.array_split(chosen, 2)
        found = [self._step(half) for half in halves]
        steps = [
            np.concatenate(parts, axis=1) for parts in zip(*(f[0] for f in found), strict=True)
        ]
        return steps, np.concatenate([f[1] for f in found]), energy

    def find_alone(self, k: int) -> bool:
        """Find the modes of one copy by themselves; whether there are any."""
        view, n = self.view, self.view.problem.n
        problem = view.problem.with_data(self.data.rows(slice(k * n, (k + 1) * n)))
        starts = [part[:, k] for part in self.start], problem.latent.zeros()
        for search in (_inner_mode, find_mode_at_edge):
            for start in starts:
                found = search(problem, view.base, view.roots, list(start))
                if found is not None:
                    for part, u in zip(self.u, found, strict=True):
                        part[:, k] = u
                    return True
        for part, begun in zip(self.u, self.start, strict=True):
            part[:, k] = begun[:, k]
        return False


def _inner_mode(
    problem: Problem, base: Sequence[FloatArray], roots: Sequence[Root], start: list[FloatArray]
) -> list[FloatArray] | None:
    """Modes at which the gradient is zero, (q, m) per factor; None where none is found."""
    mode = find_mode(problem, base, roots, start)
    return None if mode is None else mode.point.u


def _by_copy(parts: Sequence[FloatArray], copies: int) -> FloatArray:
    """Sums over all effects of each copy, (copies,)."""
    out = np.zeros(copies)
    for part in parts:
        out += part.reshape(len(part), copies, -1).sum(axis=(0, 2))
    return out
