"""The verb `check`."""

from __future__ import annotations

from typing import cast

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.checks.check import Check, Suite
from mixcheck.errors import OptionError
from mixcheck.execution.progress import Progress
from mixcheck.port import Checkable, Conditioning, Divided, Ported, parts_of
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.policy import Policy
from mixcheck.report.report import Report
from mixcheck.simulation import Calibration

__all__ = ["check"]


@answer_calls
def check(
    model: Residuals | Checkable | Ported | Divided,
    suite: Suite | Check | None = None,
    *,
    seed: int | None = None,
    draws: int | None = None,
    calibration: Calibration | None = None,
    conditioning: Conditioning = "posterior",
    policy: Policy | None = None,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Report:
    """Check a model: the standard suite, or another.

    Parameters
    ----------
    model : Checkable, Residuals or PartitionedGLMM
        Of a fit over partitions it is one report of all of them, by sums over partitions.
    suite : Suite or Check, optional
        ``Suite.standard(model)`` by default.
    seed, draws, calibration, conditioning, policy, time_limit, n_jobs, progress
        As in `Suite.run`.

    Returns
    -------
    Report

    Raises
    ------
    OptionError
        As `Suite.run`, or if `suite` is neither a suite nor a check.
    """
    if suite is None and not isinstance(model, Residuals) and parts_of(model) is None:
        # Seen once: for the choice of the checks, and by them.
        model = residuals(
            cast("Checkable | Ported", model),
            conditioning=conditioning,
            seed=seed,
            draws=draws,
            calibration=calibration,
        )
        seed = draws = calibration = None
    chosen = Suite.standard(model) if suite is None else suite
    if isinstance(chosen, Check):
        chosen = Suite((chosen,))
    if not isinstance(chosen, Suite):
        raise OptionError(
            f"suite must be a Suite or a Check, found {shown(chosen)}; write Zeros() & Dispersion()"
        )
    return chosen.run(
        model,
        seed=seed,
        draws=draws,
        calibration=calibration,
        conditioning=conditioning,
        policy=policy,
        time_limit=time_limit,
        n_jobs=n_jobs,
        progress=progress,
    )
