"""Draws that cannot be what they are taken for: two kinds of them, other rows, another scale."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mixcheck.errors import DataError, DataWarning
from mixcheck.notices import warn

__all__ = ["require_one_kind", "warn_of_strangeness"]

AnyArray: TypeAlias = NDArray[Any]

# Pairs of draws that add up to one number by chance: each with a probability of at most one half.
_CERTAIN: Final = 40
# Draws from which means and ranges say something.
_ENOUGH: Final = 20
# Mean squared difference of every second draw from the others, in squared standard errors: about
# one for draws of one kind, and below this but once in a million however rows move together.
_TWO_KINDS: Final = 60.0
# Observations that are looked at: more would tell no more, and cost.
_LOOKED_AT: Final = 2_000
# Share of the observations outside of all their draws.
_OUTSIDE: Final = 0.5

_RECIPE: Final = (
    "simulate() in R gives both for a response cbind(successes, failures); keep the successes by "
    "sapply(simulate(fit, nsim = 1000), function(s) s[, 1])"
)


def require_one_kind(draws: AnyArray) -> None:
    """Refuse (m, n) draws of which two each add up to the same numbers of trials.

    Raises
    ------
    DataError
    """
    m = len(draws)
    if m < 4 or m % 2 or (draws.dtype.kind == "f" and not _whole(draws)):
        return
    halves = (draws[0::2], draws[1::2]), (draws[: m // 2], draws[m // 2 :])
    for (one, other), how in zip(halves, ("alternate", "follow each other"), strict=True):
        total = one[0].astype(np.float64) + other[0]
        if (one[-1] + other[-1].astype(np.float64) != total).any():
            continue
        varies = (one != one[0]).any(axis=0)
        if int(varies.sum()) * (m // 2 - 1) < _CERTAIN:
            continue
        if (one + other.astype(np.float64) == total).all():
            raise DataError(
                f"draws holds successes and failures, which {how} and add up to the same trials; "
                f"{_RECIPE}."
            )


def warn_of_strangeness(observed: AnyArray, draws: AnyArray) -> None:
    """Warn of draws of two kinds, of another scale, and of observations unlike their draws."""
    m = len(draws)
    if m > 1 and (draws[0] == draws[-1]).all() and (draws == draws[0]).all():
        warn(
            "all draws are one and the same, so nothing can be told from them; give responses that "
            "were simulated from the model, each with its own noise, and not its fitted values.",
            DataWarning,
        )
        return
    if m < _ENOUGH:
        return
    step = -(-observed.size // _LOOKED_AT)
    observed, draws = observed[::step], draws[:, ::step]
    if _kinds_differ(draws):
        warn(
            "draws falls into two kinds that alternate: every second draw has another mean than "
            f"those between; {_RECIPE}.",
            DataWarning,
        )
        return
    if not _whole(observed) and (draws[:_ENOUGH] == np.rint(draws[:_ENOUGH])).all():
        warn(
            "observed has fractions and draws are whole numbers; make sure that both are counts or "
            "both are proportions.",
            DataWarning,
        )
        return
    low, high = draws.min(axis=0), draws.max(axis=0)
    outside = float(np.mean((observed < low) | (observed > high)))
    if outside > _OUTSIDE:
        warn(
            f"observed lies outside of all draws in {outside:.0%} of the rows; make sure that "
            "draws are of the same response, on the same scale (counts or proportions) and in the "
            "same order of rows.",
            DataWarning,
        )


def _kinds_differ(draws: AnyArray) -> bool:
    """Whether the mean of every second draw is another than that of the others."""
    m = len(draws) - len(draws) % 2
    one, other = draws[0:m:2], draws[1:m:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        error = (one.var(axis=0) + other.var(axis=0)) / (m // 2 - 1)
        squares = (one.mean(axis=0) - other.mean(axis=0)) ** 2
    known = error > 0.0
    return bool(known.any() and np.mean(squares[known] / error[known]) > _TWO_KINDS)


def _whole(values: AnyArray) -> bool:
    """Whether all numbers, or those of the first two draws, are whole."""
    looked_at = values[:2] if values.ndim > 1 else values
    return bool((looked_at == np.rint(looked_at)).all())
