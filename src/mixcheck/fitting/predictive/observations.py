"""What several fits of one design see of their responses, at once.

Refits of one model to many responses are copies of one problem, each with its own parameters,
as :mod:`mixcheck.fitting.predictive.replicates` has copies with the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import MixcheckError
from mixcheck.fitting.likelihood.copies import Copies, join_responses
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.predictive.data_view import Viewpoint, require_conditioning, see
from mixcheck.fitting.predictive.posterior import (
    Peak,
    draw_posterior,
    has_scalar_levels,
    invert_distributions,
    sweep,
)
from mixcheck.fitting.predictive.replicates import Replica
from mixcheck.port import Conditioning

__all__ = ["Seen", "observe_many"]


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
) -> list[Replica]:
    """See the data of each fit, as `data_view.observe` does.

    Parameters
    ----------
    copies : Copies
        Of the design of all of them.
    fits : sequence of Seen
    conditioning : {"posterior", "marginal", "mode"}
    rngs : sequence of Generator
        One for each fit.

    Returns
    -------
    list of DataView or Exception
        An error where data could not be seen.
    """
    require_conditioning(conditioning)
    if not fits:
        return []
    modes = [fit.mode.point.u for fit in fits]
    joined = _stacked_view(copies, fits)
    drawn = _draw(joined, fits, rngs) if conditioning == "posterior" else modes
    uniform = [
        rng.random(copies.one.n)[fit.view.ranks] for fit, rng in zip(fits, rngs, strict=True)
    ]
    try:
        at = _join(modes), _join(drawn)
        return list(see(joined, *at, conditioning, np.concatenate(uniform), len(fits)))
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError):
        parts = zip(fits, drawn, uniform, strict=True)
        return [_see_alone(fit, u, conditioning, numbers) for fit, u, numbers in parts]


def _see_alone(
    fit: Seen, u: list[FloatArray], conditioning: Conditioning, uniform: FloatArray
) -> Replica:
    try:
        (seen,) = see(fit.view, fit.mode.point.u, u, conditioning, uniform)
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return error
    return seen


def _join(effects: Sequence[Sequence[FloatArray]]) -> list[FloatArray]:
    """Effects of all copies, (q, c m) for each factor."""
    return [np.concatenate(parts, axis=1) for parts in zip(*effects, strict=True)]


def _stacked_view(copies: Copies, fits: Sequence[Seen]) -> Viewpoint:
    """The view of all fits, one after another."""
    psi = np.array([fit.view.psi for fit in fits])
    data = join_responses([fit.view.problem.data for fit in fits])
    out = Viewpoint(copies.stack(len(fits)).with_data(data), psi)
    out.__dict__.update(base=copies.fixed(psi), roots=copies.roots(psi))
    return out


def _draw(
    joined: Viewpoint, fits: Sequence[Seen], rngs: Sequence[np.random.Generator]
) -> list[list[FloatArray]]:
    """A draw of the random effects of each fit, given its data."""
    if not has_scalar_levels(joined.problem):
        parts = zip(fits, rngs, strict=True)
        return [draw_posterior(f.view.problem, f.view.base, f.mode, rng).u for f, rng in parts]
    peaks = [Peak.of(fit.mode) for fit in fits]
    peak = Peak(
        np.concatenate([one.centre for one in peaks]), np.concatenate([one.width for one in peaks])
    )
    uniform = np.concatenate([rng.random(peaks[0].centre.size) for rng in rngs])
    found = invert_distributions(joined.problem, joined.base, joined.roots, peak, uniform)
    return [
        [u[None]]
        if np.isfinite(u).all()
        else sweep(fit.view.problem, fit.view.base, fit.mode, rng).u
        for u, fit, rng in zip(np.split(found, len(fits)), fits, rngs, strict=True)
    ]
