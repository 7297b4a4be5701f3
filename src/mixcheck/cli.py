"""The command ``mixcheck``: demo, check and compare.

Its exit code is the verdict: 0 if no check fails, 1 if one does, 3 if some could not be decided.
2 means that it could not run, and 130 that it was interrupted.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from mixcheck import __version__
from mixcheck.comparison.registry import CRITERIA
from mixcheck.display.files import require_writable
from mixcheck.display.terminal import Output, on_a_terminal
from mixcheck.errors import DataError, MixcheckError, OptionError, OutputError
from mixcheck.notices import heard_by
from mixcheck.options import require_seed, require_whole, require_workers, tell_renamed
from mixcheck.simulation import CALIBRATIONS
from mixcheck.table_files import ENDINGS, read_file, read_stream

if TYPE_CHECKING:
    import pandas as pd

    from mixcheck.fitting.results.glmm_fit import GLMM
    from mixcheck.report.policy import Policy
    from mixcheck.report.report import Report

__all__ = ["main"]

PASSED, FAILED, COULD_NOT_RUN, UNDECIDED, INTERRUPTED = 0, 1, 2, 3, 130

_PROGRESS_SECONDS = 0.2
_DATASET = "dataset:"
_STANDARD = Path("-")
_DATA_HELP = (
    'a file ending in .csv, .tsv, .parquet or .feather; "-" for CSV on standard input; or '
    "dataset:NAME for a shipped data set, such as dataset:grouseticks"
)
_EXIT_HELP = (
    "exit code: 0 no check fails, 1 a check fails (with --strict: or does not pass), 2 could not "
    "run, 3 a check is UNDECIDED (more --draws), or every one SKIPPED, "
    "130 interrupted"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit code: 0 if no check fails, 1 if one fails (or, with ``--strict``, does not
        pass), 2 if it could not run, 3 if a check is undecided or nothing was decided, 130 if
        it was interrupted.

    Examples
    --------
    >>> main(["check", "dataset:nobody", "--formula", "y ~ 1 + (1 | g)", "--family", "poisson"])
    2
    """
    errors = Output(sys.stderr, needed=False)
    with redirect_stderr(cast(TextIO, errors)):
        return _run(arguments, Output(sys.stdout))


def _run(arguments: Sequence[str] | None, output: Output) -> int:
    """The command, with errors as sentences."""
    options = _parser().parse_args(arguments)
    try:
        with redirect_stdout(cast(TextIO, output)), heard_by(_warning_line):
            _require_outputs(options)
            code: int = options.run(options)
            output.flush()
            return code
    except KeyboardInterrupt:
        _complain("interrupted; nothing is decided")
        return INTERRUPTED
    except (MixcheckError, OSError) as error:
        _complain(str(error))
    except MemoryError:
        _complain("the memory was used up; use fewer rows, a smaller model or fewer --jobs")
    except (Exception, SystemExit) as error:
        # Neither an error that nobody foresaw nor an exit in the code of a user is a verdict.
        _complain(f"an unexpected {_described(error)}; please report it")
    return COULD_NOT_RUN


# ---- the words of the command ------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mixcheck",
        description="Fit, check and compare generalized linear mixed models.",
        epilog=_EXIT_HELP,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(
        commands.add_parser("demo", help="a model that fails its checks, and one that passes")
    )
    _add_check(commands.add_parser("check", help="fit a model and check it", epilog=_EXIT_HELP))
    _add_compare(commands.add_parser("compare", help="fit several models and rank them"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "From a Poisson model of salamanders that fails its checks to one that passes."
    )
    parser.add_argument("--report", metavar="FILE", type=Path, default=Path("mixcheck-demo.html"))
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (default 1)")
    parser.add_argument("--quick", action="store_true", help="fewer simulated data sets")
    _add_progress(parser)
    parser.set_defaults(run=_run_demo)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.description = "Fit a model and run the standard checks, or those of a file."
    parser.add_argument("data", metavar="DATA", help=_DATA_HELP)
    parser.add_argument(
        "--formula", required=True, help='such as "y ~ x + (1 | group)"; it is never executed'
    )
    parser.add_argument("--family", required=True, help="such as poisson")
    _add_model(parser)
    parser.add_argument(
        "--seed", type=int, help="of all random numbers; drawn and shown if left out"
    )
    parser.add_argument(
        "--draws", type=int, help="simulated data sets (default: as many as decide, 999 at most)"
    )
    parser.add_argument(
        "--calibration",
        choices=CALIBRATIONS,
        help="whether the model is fitted again to each of them (default: by the rows)",
    )
    parser.add_argument("--refits", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, help="processes; -1 for all cores")
    parser.add_argument("--alpha", type=float, help="level of all checks together (default 0.05)")
    written = "file of the {}, which ends in .json, .toml or .yaml (default: {})"
    for name, default in (("suite", "the standard checks"), ("policy", "--alpha")):
        parser.add_argument(f"--{name}", metavar="FILE", help=written.format(name, default))
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit code 1 unless every check passes: WARN, UNDECIDED and SKIPPED count as failures",
    )
    to_file = 'write the report as {}; "-" for standard output'
    for name, form in (("report", "HTML"), ("json", "JSON"), ("junit", "JUnit XML")):
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=to_file.format(form))
    _add_progress(parser)
    parser.set_defaults(run=_run_check)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.description = "Fit several models to the same data and rank them."
    parser.add_argument("data", metavar="DATA", help=_DATA_HELP)
    parser.add_argument(
        "--formula", action="append", required=True, help="give it once for each model"
    )
    parser.add_argument(
        "--family", action="append", required=True, help="once, or once for each formula"
    )
    _add_model(parser)
    parser.add_argument("--criterion", choices=tuple(CRITERIA), default="aic")
    to_file = 'write the table as {}; "-" for standard output'
    for name, form in (("report", "HTML"), ("json", "JSON")):
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=to_file.format(form))
    parser.set_defaults(run=_run_compare)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--link", help="of the mean, if not the family's own, such as probit")
    parser.add_argument(
        "--weights", metavar="COLUMN", help="copies of each row, or trials of a proportion"
    )
    parser.add_argument("--precision", metavar="COLUMN", help="divides the variance of each row")
    parser.add_argument("--offset", metavar="COLUMN", help="added to the predictor of the mean")


def _add_progress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=sys.stderr.isatty(),
        help="show progress on standard error (default: on a terminal)",
    )


# ---- the commands ------------------------------------------------------------------------


def _run_demo(options: argparse.Namespace) -> int:
    from mixcheck.demo import run_demo

    run_demo(
        options.report,
        seed=options.seed,
        quick=options.quick,
        progress=_progress_line() if options.progress else None,
        width=_width(),
        color=_color(sys.stdout),
    )
    return PASSED


def _run_check(options: argparse.Namespace) -> int:
    from mixcheck.checks.check import Suite, check

    policy = _policy(options)
    suite = None if options.suite is None else Suite.from_file(options.suite)
    _require_numbers(options)
    data = read_table(options.data)
    fit = _fit(options, data, options.formula, options.family)
    report = check(
        fit,
        suite,
        seed=options.seed,
        draws=options.draws,
        calibration=options.calibration,
        policy=policy,
        n_jobs=options.jobs,
        progress=_progress_line() if options.progress else None,
    )
    text = (
        f"{on_a_terminal(fit.formula)}, {fit.family.name}: {fit.nobs} observations, "
        f"log-likelihood {fit.llf:.4f}\n\n"
        f"{report.to_text(width=_width(), color=_color(_speaker(options)))}\n\n"
        f"Seed: {report.provenance['seed']}"
    )
    forms = {"report": report.to_html, "json": report.to_json, "junit": report.to_junit}
    _deliver(options, text, forms)
    return _verdict_code(report, strict=options.strict)


def _policy(options: argparse.Namespace) -> Policy:
    """What is acceptable: by a file, or at a level."""
    from mixcheck.report.policy import Policy

    if options.policy is None:
        return Policy() if options.alpha is None else Policy(alpha=options.alpha)
    if options.alpha is not None:
        raise OptionError("--alpha is part of a policy; write it into the file of --policy")
    return Policy.from_file(options.policy)


def _require_numbers(options: argparse.Namespace) -> None:
    """Refuse wrong numbers before the model is fitted."""
    if options.refits is not None:
        count = require_whole("--refits", options.refits, least=0)
        today = f"--calibration refit --draws {count}" if count else "--calibration plug-in"
        tell_renamed(f"--refits {count}", today)
        options.calibration = "refit" if count else "plug-in"
        options.draws = count or options.draws
    if options.draws is not None:
        require_whole("--draws", options.draws)
    require_seed(options.seed)
    require_workers(options.jobs, "--jobs")


def _verdict_code(report: Report, *, strict: bool) -> int:
    """The exit code that says what the report found."""
    from mixcheck.errors import ChecksFailed
    from mixcheck.report.policy import Verdict

    try:
        report.assert_ok(strict=strict)
    except ChecksFailed:
        return FAILED if strict or Verdict.FAIL in report.verdicts.values() else UNDECIDED
    return PASSED if report.decided else UNDECIDED


def _run_compare(options: argparse.Namespace) -> int:
    from mixcheck.comparison.table import compare

    pairs = _pairs(options.formula, options.family)
    data = read_table(options.data)
    models = [_fit(options, data, formula, family) for formula, family in pairs]
    table = compare(models, criterion=options.criterion)
    text = table.to_text(width=_width(), color=_color(_speaker(options)))
    _deliver(options, text, {"report": table.to_html, "json": table.to_json})
    return PASSED


def _pairs(formulas: list[str], families: list[str]) -> list[tuple[str, str]]:
    """Formula and family of each model; what is given once holds for all."""
    number = max(len(formulas), len(families))
    if number < 2:
        raise OptionError(
            "compare needs at least two models; give --formula (or --family) once for each"
        )
    if len(formulas) not in (1, number) or len(families) not in (1, number):
        raise OptionError(
            f"there are {len(formulas)} formulas and {len(families)} families; give each once, or "
            "once for each model"
        )
    return list(
        zip(formulas * (number // len(formulas)), families * (number // len(families)), strict=True)
    )


def _fit(options: argparse.Namespace, data: pd.DataFrame, formula: str, family: str) -> GLMM:
    from mixcheck.families import get_family
    from mixcheck.fitting.glmm import glmm

    chosen = get_family(family)
    if options.link is not None:
        chosen = type(chosen)(link=options.link)
    return glmm(
        formula,
        data,
        family=chosen,
        weights=options.weights,
        precision=options.precision,
        offset=options.offset,
    )


# ---- data and files ----------------------------------------------------------------------


def read_table(source: str) -> pd.DataFrame:
    """The table behind a word of the command line.

    Parameters
    ----------
    source : str
        A file ending in .csv, .tsv, .parquet or .feather, "-" or "dataset:NAME".

    Raises
    ------
    DataError
        If the ending is unknown, or the file cannot be read as what its ending says.
    OptionError
        If there is no data set of that name.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> read_table("dataset:cbpp").shape
    (56, 4)
    """
    if source.startswith(_DATASET):
        from mixcheck.datasets import load

        return load(source.removeprefix(_DATASET))
    if source == "-":
        return read_stream(sys.stdin)
    path = Path(source)
    if path.suffix.lower() not in ENDINGS:
        raise DataError(
            f"cannot tell the format of {source!r}; a file ends in {', '.join(ENDINGS)}"
            f"{_dataset_hint(source)}"
        )
    return read_file(path)


def _dataset_hint(name: str) -> str:
    from mixcheck.datasets import available

    return f". For the shipped data set write {_DATASET}{name}" if name in available() else ""


def _outputs(options: argparse.Namespace) -> dict[str, Path]:
    """Files that were asked for, by the name of their option."""
    named = {name: getattr(options, name, None) for name in ("report", "json", "junit")}
    return {name: path for name, path in named.items() if path is not None}


def _require_outputs(options: argparse.Namespace) -> None:
    """Refuse an output that cannot be written before any time is spent."""
    outputs = _outputs(options)
    streamed = [f"--{name}" for name, path in outputs.items() if path == _STANDARD]
    if len(streamed) > 1:
        raise OptionError(
            f"{' and '.join(streamed)} would all go to standard output; give one of them only"
        )
    files = {f"--{name}": path for name, path in outputs.items() if path != _STANDARD}
    taken = _read_files(options)
    for name, path in files.items():
        require_writable(path, name)
        target = os.path.realpath(path)
        if target in taken and not _is_special(target):
            raise OptionError(f"{name}: {str(path)!r} is {taken[target]} too; give another file")
        taken[target] = f"the file of {name}"


def _read_files(options: argparse.Namespace) -> dict[str, str]:
    """The files that are read, and what each of them is."""
    source = getattr(options, "data", _DATASET)
    named = source != "-" and not source.startswith(_DATASET)
    read = {"the file of the data": source if named else None}
    read |= {f"the file of --{name}": getattr(options, name, None) for name in ("suite", "policy")}
    return {os.path.realpath(path): what for what, path in read.items() if path is not None}


def _is_special(target: str) -> bool:
    """Whether something is no regular file, such as /dev/null, which takes everything."""
    return os.path.exists(target) and not os.path.isfile(target)


def _speaker(options: argparse.Namespace) -> TextIO:
    """Where sentences go: standard error where standard output takes a file."""
    return sys.stderr if _STANDARD in _outputs(options).values() else sys.stdout


def _deliver(
    options: argparse.Namespace, text: str, forms: Mapping[str, Callable[[Path | None], str]]
) -> None:
    """Write the files, each of them whatever becomes of the others; then print the text.

    Raises
    ------
    OutputError
        After all of that, if some file could not be written.
    """
    lost, told = [], []
    for name, path in _outputs(options).items():
        try:
            content = forms[name](None if path == _STANDARD else path)
        except OutputError as error:
            lost.append(f"--{name}: {error}")
            continue
        if path == _STANDARD:
            print(content)
        else:
            told.append(f"Wrote {on_a_terminal(str(path))}")
    print("\n".join([text, *told]), file=_speaker(options))
    if lost:
        raise OutputError("; ".join(lost))


# ---- the terminal ------------------------------------------------------------------------


def _complain(text: str) -> None:
    print(f"mixcheck: {on_a_terminal(text)}", file=sys.stderr)


def _warning_line(message: str) -> None:
    """Show one of our warnings without a place in the source."""
    _complain(f"warning: {message}")


def _described(error: BaseException) -> str:
    """An error with its place, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {_one_line(error)}"


def _progress_line() -> Callable[[int, int], None]:
    """A line on standard error that says how far the checks are, now and then."""
    shown = -math.inf

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done < total and now - shown < _PROGRESS_SECONDS:
            return
        shown = now
        end = "\n" if done >= total else ""
        print(f"\rsimulated data sets: {done} of {total}", end=end, file=sys.stderr, flush=True)

    return show


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _width() -> int:
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)


def _color(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ
