"""Pictures that checks make, from one pass of replicates with the estimates held."""

from __future__ import annotations

from mixcheck import checks
from mixcheck.arguments.options import require_draws
from mixcheck.checks.check import Check
from mixcheck.checks.verb import check
from mixcheck.display.document import Picture
from mixcheck.errors import DataError
from mixcheck.port import Checkable, Ported
from mixcheck.quantile_residuals import Residuals
from mixcheck.report.finding import Finding, Skipped

__all__ = ["DRAWS", "outcomes_of", "picture_of", "pictures_of"]

# Replicates behind a band.
DRAWS = 199


def pictures_of(
    model: Checkable | Ported | Residuals,
    asked: tuple[Check, ...],
    *,
    seed: int | None,
    draws: int,
    skip: bool = False,
) -> tuple[Picture, ...]:
    """The pictures of some checks from one pass.

    Parameters
    ----------
    model : Checkable or Residuals
    asked : tuple of Check
    seed : int or None
    draws : int
    skip : bool
        Whether checks that do not apply are left out, and not an error.

    Raises
    ------
    DataError
        If a check does not apply, with its reason.
    """
    found: list[Picture] = []
    for outcome in outcomes_of(model, asked, seed, draws):
        picture = outcome.picture if isinstance(outcome, Finding) else None
        if picture is not None:
            found.append(picture)
        elif not skip:
            reason = getattr(outcome, "reason", "") or getattr(outcome, "detail", "")
            raise DataError(f"{outcome.check} has no picture: {reason}")
    return tuple(found)


def picture_of(
    model: Checkable | Ported | Residuals, asked: Check, seed: int | None, draws: int
) -> Picture:
    """The picture of one check; see `pictures_of`."""
    return pictures_of(model, (asked,), seed=seed, draws=draws)[0]


def outcomes_of(
    model: Checkable | Ported | Residuals,
    asked: tuple[Check, ...],
    seed: int | None,
    draws: int,
) -> tuple[Finding | Skipped, ...]:
    """What some checks found, with the estimates held."""
    number = require_draws(draws, least=19)
    plan = model.replicates if isinstance(model, Residuals) else None
    subject = model if plan is None else plan.model
    chosen = seed if plan is None or seed is not None else plan.seed
    report = check(
        subject,
        checks.Suite(asked),
        seed=chosen,
        draws=number,
        calibration="plug-in",
        conditioning="posterior" if plan is None else plan.conditioning,
    )
    return tuple(report.findings)
