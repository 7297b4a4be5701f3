"""What ``plot()`` of a fit and of residuals shows."""

from __future__ import annotations

from mixcheck import checks
from mixcheck.display.document import Picture
from mixcheck.display.plotting import provide
from mixcheck.plots.from_checks import DRAWS, pictures_of
from mixcheck.port import Checkable, Ported
from mixcheck.quantile_residuals import Residuals

__all__ = ["of_fit", "of_residuals"]


def of_residuals(residuals: Residuals, *, draws: int = DRAWS) -> tuple[Picture, ...]:
    """Against uniform quantiles, and along the fitted values."""
    asked = (checks.Uniformity(), checks.Quantiles())
    return pictures_of(residuals, asked, seed=None, draws=draws, skip=True)


def of_fit(
    fit: Checkable | Ported, *, seed: int | None = None, draws: int = DRAWS
) -> tuple[Picture, ...]:
    """Residuals by themselves and along the fitted values, their spread, and random effects."""
    asked = (
        checks.Uniformity(),
        checks.Quantiles(),
        checks.Spread(),
        checks.RandomEffects(),
    )
    return pictures_of(fit, asked, seed=seed, draws=draws, skip=True)


provide("fit", of_fit)
provide("residuals", of_residuals)
