"""What several fits of one design see of their responses, at once.

Refits of one model to many responses are copies of one problem, each with its own parameters,
as :mod:`mixcheck.fitting.predictive.replicates` has copies with the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import MixcheckError
from mixcheck.fitting.likelihood.copies import Copies, join_responses
from mixcheck.fitting.likelihood.mode import Mode, is_normal
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.data_view import (
    AtModes,
    RowsAtModes,
    Viewpoint,
    beside_mean,
    make_views,
    observe,
    require_conditioning,
    see_modes,
    see_undrawn,
    see_with,
)
from mixcheck.fitting.predictive.posterior import (
    draw_posterior,
    has_scalar_levels,
    join_levels,
    sweep_copies,
)
from mixcheck.fitting.predictive.posterior_inversion import Peak, invert_distributions
from mixcheck.fitting.predictive.transforms import known_spread, system_at
from mixcheck.port import Conditioning, DataView

__all__ = ["Seen", "observe_many"]

Views: TypeAlias = tuple[DataView, ...]
"""One data set, seen several times."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A fit to be observed.

    Attributes
    ----------
    view : Viewpoint
        Its problem at its estimates.
    mode : Mode
        The conditional modes there.
    """

    view: Viewpoint
    mode: Mode


def observe_many(
    copies: Copies,
    fits: Sequence[Seen],
    conditioning: Conditioning,
    rngs: Sequence[np.random.Generator],
    times: int = 1,
) -> list[Views | Exception]:
    """See the data of each fit, as often as `data_view.observe` does with its stream.

    Parameters
    ----------
    copies : Copies
        Of the design of all of them.
    fits : sequence of Seen
    conditioning : {"posterior", "marginal", "mode"}
    rngs : sequence of Generator
        One for each fit.
    times : int
        How often, each time with the next random numbers; 0 for once with the random effects at
        their modes, where nothing is asked that depends on a draw of them. There are no residuals
        then: they are nan.

    Returns
    -------
    list of tuple of DataView, or Exception
        An error where data could not be seen.
    """
    require_conditioning(conditioning)
    if not fits:
        return []
    if times == 0 and conditioning == "posterior":
        return _see_undrawn(copies, fits)
    joined, posterior = _stacked_view(copies, fits), conditioning == "posterior"
    times = max(times, 1)
    invert = posterior and has_scalar_levels(joined.problem) and not is_normal(joined.problem)
    before = [rng.bit_generator.state for rng in rngs]
    sweeps = posterior and not invert and _is_swept(joined.problem)
    drawn = _sweep_all(joined, fits, rngs, times) if sweeps else None
    lost = list(range(len(fits))) if sweeps and drawn is None else []
    chances = drawn or [
        [_draw_chance(fit, rng, posterior and not sweeps, invert) for _ in range(times)]
        for fit, rng in zip(fits, rngs, strict=True)
    ]
    lost += _invert(joined, fits, chances) if invert else []
    found = _see_all(joined, fits, chances, conditioning)
    for k in lost:
        # What is not drawn together takes its random numbers in another way.
        rngs[k].bit_generator.state = before[k]
        found[k] = _observe_alone(fits[k], conditioning, rngs[k], times)
    return found


def _is_swept(problem: Problem) -> bool:
    """Whether effects are drawn by sweeps, of factors with independent levels."""
    return bool(problem.latent.factors) and not is_normal(problem) and not problem.latent.tied


def _sweep_all(
    joined: Viewpoint, fits: Sequence[Seen], rngs: Sequence[np.random.Generator], times: int
) -> list[list[_Chance]] | None:
    """What is random of each look at each data set; None where they cannot be drawn together."""
    out: list[list[_Chance]] = [[] for _ in fits]
    for _ in range(times):
        modes = [fit.mode for fit in fits]
        u = sweep_copies(joined.problem, joined.base, joined.roots, modes, rngs)
        if u is None:
            return None
        parts = zip(*(np.split(part, len(fits), axis=1) for part in u), strict=True)
        for chances, fit, rng, own in zip(out, fits, rngs, parts, strict=True):
            rows = rng.random(fit.view.problem.n)[fit.view.ranks]
            chances.append(_Chance(list(own), np.zeros(0), rows))
    return out


def _see_all(
    joined: Viewpoint,
    fits: Sequence[Seen],
    chances: Sequence[Sequence[_Chance]],
    conditioning: Conditioning,
) -> list[Views | Exception]:
    """What is seen by these chances; one by one where something is wrong with some."""
    try:
        u, at_modes = _at_modes(joined, fits)
        passes = []
        for chance in zip(*chances, strict=True):
            uniform = np.concatenate([one.rows for one in chance])
            u = join_levels([one.u for one in chance])
            passes.append(list(see_with(joined, at_modes, u, conditioning, uniform)))
        return list(zip(*passes, strict=True))
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError):
        pairs = zip(fits, chances, strict=True)
        return [_see_alone(fit, chance, conditioning) for fit, chance in pairs]


def _at_modes(joined: Viewpoint, fits: Sequence[Seen]) -> tuple[list[FloatArray], AtModes]:
    """Modes of all fits, and what is seen with these."""
    u = join_levels([fit.mode.point.u for fit in fits])
    # What the search for the modes knows there is not computed again.
    eta, scores = (
        tuple(one[0] if len(fits) == 1 else np.concatenate(one) for one in zip(*each, strict=True))
        for each in (
            [fit.mode.point.eta for fit in fits],
            [fit.mode.point.derivatives.first for fit in fits],
        )
    )
    known = RowsAtModes(eta, scores)
    return u, see_modes(joined, u, _spread_of(joined, u, fits), len(fits), known)


def _see_undrawn(copies: Copies, fits: Sequence[Seen]) -> list[Views | Exception]:
    """One look at each data set with the effects at their modes, and without residuals."""
    try:
        joined = _stacked_view(copies, fits)
        u, at_modes = _at_modes(joined, fits)
        return [(view,) for view in see_undrawn(joined, at_modes, u)]
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        if len(fits) == 1:
            return [error]
    return [_see_undrawn(copies, [fit])[0] for fit in fits]


def _spread_of(
    joined: Viewpoint, u: Sequence[FloatArray], fits: Sequence[Seen]
) -> Callable[[], FloatArray]:
    """How well the predictors of all fits are known: all at once where nothing is crossed."""

    def find() -> FloatArray:
        whole = None
        if len(fits) > 1 and not joined.problem.latent.schur_factors:
            whole = system_at(joined.problem, joined.roots, joined.eta(u))
        if whole is not None:
            return known_spread(joined.problem, joined.roots, [whole])()
        each = [known_spread(f.view.problem, f.mode.roots, [f.mode.system])() for f in fits]
        return np.concatenate(each, axis=2)

    return find


@dataclass(eq=False)
class _Chance:
    """What is random of one look at a data set.

    Attributes
    ----------
    u : list of (q, m)
        Random effects that the data are seen with.
    levels : (m,)
        Uniform numbers by which they are drawn, where distributions are inverted.
    rows : (n,)
        Uniform numbers of the rows.
    """

    u: list[FloatArray]
    levels: FloatArray
    rows: FloatArray


def _draw_chance(fit: Seen, rng: np.random.Generator, posterior: bool, invert: bool) -> _Chance:
    """The random numbers of a look, in the order in which `data_view.observe` takes them."""
    u, levels = fit.mode.point.u, np.zeros(0)
    if invert:
        levels = rng.random(u[0].size)
    elif posterior:
        u = draw_posterior(fit.view.problem, fit.view.base, fit.mode, rng).u
    return _Chance(u, levels, rng.random(fit.view.problem.n)[fit.view.ranks])


def _see_alone(
    fit: Seen, chances: Sequence[_Chance], conditioning: Conditioning
) -> Views | Exception:
    views: list[DataView] = []
    try:
        for chance in chances:
            spread = known_spread(fit.view.problem, fit.mode.roots, [fit.mode.system])
            modes = fit.mode.point.u
            views += make_views(fit.view, modes, chance.u, conditioning, chance.rows, spread)
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return error
    return tuple(views)


def _stacked_view(copies: Copies, fits: Sequence[Seen]) -> Viewpoint:
    """The view of all fits, one after another; of the only one its own."""
    if len(fits) == 1:
        return fits[0].view
    psi = np.array([fit.view.psi for fit in fits])
    data = join_responses([fit.view.problem.data for fit in fits])
    out = Viewpoint(copies.stack(len(fits)).with_data(data), psi)
    roots = copies.roots(psi)
    variances = beside_mean(copies.one, psi, roots, fits[0].view.information_of_levels)
    out.__dict__.update(base=copies.fixed(psi), roots=roots, variances=variances)
    return out


def _observe_alone(
    fit: Seen, conditioning: Conditioning, rng: np.random.Generator, times: int
) -> Views | Exception:
    try:
        return tuple(observe(fit.view, fit.mode, conditioning, rng) for _ in range(times))
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return error


def _invert(
    joined: Viewpoint, fits: Sequence[Seen], chances: Sequence[Sequence[_Chance]]
) -> list[int]:
    """Draw the effects of all fits from their distributions given the data; and where one fails."""
    peaks = [Peak.of(fit.mode) for fit in fits]
    peak = Peak(
        np.concatenate([one.centre for one in peaks]), np.concatenate([one.width for one in peaks])
    )
    uniform = np.concatenate([[one.levels for one in some] for some in chances], axis=1)
    found = invert_distributions(joined.problem, joined.base, joined.roots, peak, uniform)
    lost = []
    for k, drawn in enumerate(np.split(found, len(fits), axis=1)):
        if not np.isfinite(drawn).all():
            lost.append(k)
            continue
        for chance, u in zip(chances[k], drawn, strict=True):
            chance.u = [u[None]]
    return lost
