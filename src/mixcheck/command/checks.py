"""Checks in words: the arguments of `mixcheck.check` as options, and the verdict as a number."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mixcheck.arguments.options import require_seed, require_whole, require_workers, tell_renamed
from mixcheck.checks.check import Suite
from mixcheck.checks.verb import check
from mixcheck.command.pulse import doing
from mixcheck.command.signature_options import add_options, given
from mixcheck.errors import ChecksFailed, OptionError
from mixcheck.report.policy import Policy, Verdict
from mixcheck.simulation import replicate

if TYPE_CHECKING:
    from mixcheck.fitting.results.glmm_fit import GLMM
    from mixcheck.report.report import Report

__all__ = [
    "EXIT_HELP",
    "FAILED",
    "PASSED",
    "UNDECIDED",
    "add_checks",
    "add_progress",
    "add_suite",
    "check_model",
    "policy_of",
    "require_numbers",
    "suite_of",
    "verdict_code",
]

PASSED, FAILED, UNDECIDED = 0, 1, 3
CALLED = {"n_jobs": "jobs"}
# Shown in a way of its own.
OWN = ("progress",)
EXIT_HELP = (
    "exit code: 0 no check fails, 1 a check fails (with --strict: or does not pass), 2 could not "
    "run, 3 a check is UNDECIDED (more --draws), or every one SKIPPED, "
    "130 interrupted"
)


def add_checks(parser: argparse.ArgumentParser) -> None:
    """How a model is checked."""
    described_by = (Suite.run, replicate)
    add_options(parser, check, called=CALLED, without=OWN, described_by=described_by)
    parser.add_argument("--refits", type=int, help=argparse.SUPPRESS)
    add_suite(parser)
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="exit code 1 unless every check passes: WARN, UNDECIDED and SKIPPED count as failures",
    )


def add_suite(parser: argparse.ArgumentParser) -> None:
    """Which checks, and how they are judged."""
    parser.add_argument("--alpha", type=float, help="level of all checks together (default 0.05)")
    written = "file of the {}, which ends in .json, .toml or .yaml (default: {})"
    for name, default in (("suite", "the standard checks"), ("policy", "--alpha")):
        parser.add_argument(f"--{name}", metavar="FILE", help=written.format(name, default))


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Whether progress is shown."""
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="say on standard error how far it is (default: on a terminal, and elsewhere after "
        "five seconds without a word)",
    )


def suite_of(options: argparse.Namespace) -> Suite | None:
    """The checks of a file; None for those by default."""
    return None if options.suite is None else Suite.from_file(options.suite)


def policy_of(options: argparse.Namespace) -> Policy | None:
    """What is acceptable: by a file, or at a level; None if neither was given."""
    if options.policy is None:
        return None if options.alpha is None else Policy(alpha=options.alpha)
    if options.alpha is not None:
        raise OptionError("--alpha is part of a policy; write it into the file of --policy")
    return Policy.from_file(options.policy)


def require_numbers(options: argparse.Namespace) -> None:
    """Refuse wrong numbers before a model is fitted."""
    held = vars(options)
    if held.get("refits") is not None:
        count = require_whole("--refits", options.refits, least=0)
        today = f"--calibration refit --draws {count}" if count else "--calibration plug-in"
        tell_renamed(f"--refits {count}", today)
        options.calibration = "refit" if count else "plug-in"
        if count:
            options.draws = count
    if "draws" in held:
        require_whole("--draws", options.draws)
    if "seed" in held:
        require_seed(options.seed)
    if "jobs" in held:
        require_workers(options.jobs, "--jobs")


def check_model(options: argparse.Namespace, fit: GLMM, suite: Suite | None) -> Report:
    """The report of a model."""
    doing("checking the model")
    return check(
        fit,
        suite,
        policy=policy_of(options),
        progress=options.progress,
        **given(options, check, CALLED, OWN),
    )


def verdict_code(report: Report, *, strict: bool) -> int:
    """The exit code that says what the report found."""
    try:
        report.assert_ok(strict=strict)
    except ChecksFailed:
        return FAILED if strict or Verdict.FAIL in report.verdicts.values() else UNDECIDED
    return PASSED if report.decided else UNDECIDED
