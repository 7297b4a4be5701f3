"""The command ``mixcheck``: demo, check and compare.

It ends with 0 if every check passes, 1 if one fails, and 2 if it could not run.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mixcheck import __version__
from mixcheck.errors import DataError, MixcheckError, MixcheckWarning, OptionError

if TYPE_CHECKING:
    import pandas as pd

    from mixcheck.fitting.fitted import GLMM

__all__ = ["main"]

PASSED, FAILED, COULD_NOT_RUN = 0, 1, 2

_PROGRESS_SECONDS = 0.2
_DATASET = "dataset:"
_DATA_HELP = (
    'a file ending in .csv, .tsv, .parquet or .feather; "-" for CSV on standard input; or '
    "dataset:NAME for a shipped data set, such as dataset:grouseticks"
)
_EXIT_HELP = "exit code: 0 every check passes, 1 a check fails, 2 could not run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit code: 0 if every check passes, 1 if one fails, 2 if it could not run.

    Examples
    --------
    >>> main(["check", "dataset:nobody", "--formula", "y ~ 1 + (1 | g)", "--family", "poisson"])
    2
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        with _warnings_as_lines():
            _require_folders(options)
            return run(options)
    except (MixcheckError, OSError) as error:
        print(f"mixcheck: {error}", file=sys.stderr)
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
    parser.description = "Fit a model and run the standard checks."
    parser.add_argument("data", metavar="DATA", help=_DATA_HELP)
    parser.add_argument(
        "--formula", required=True, help='such as "y ~ x + (1 | group)"; it is never executed'
    )
    parser.add_argument("--family", required=True, help="such as poisson")
    _add_model(parser)
    parser.add_argument(
        "--seed", type=int, help="of all random numbers; drawn and shown if left out"
    )
    parser.add_argument("--draws", type=int, help="simulated data sets (default 1000)")
    parser.add_argument(
        "--refits", type=int, default=0, help="fit the model again to so many of them"
    )
    parser.add_argument("--jobs", type=int, help="processes; -1 for all cores")
    parser.add_argument("--alpha", type=float, default=0.05, help="level of all checks together")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write the report as HTML")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the report as JSON")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write the report as JUnit XML")
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
    parser.add_argument("--criterion", choices=("aic", "bic"), default="aic")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write the table as HTML")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the table as JSON")
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
        colour=_colour(sys.stdout),
    )
    return PASSED


def _run_check(options: argparse.Namespace) -> int:
    from mixcheck.checks.suite import run_checks
    from mixcheck.report.policy import Policy

    policy = Policy(alpha=options.alpha)
    data = read_table(options.data)
    fit = _fit(options, data, options.formula, options.family)
    report = run_checks(
        fit,
        seed=options.seed,
        draws=options.draws,
        refits=options.refits,
        policy=policy,
        n_jobs=options.jobs,
        progress=_progress_line() if options.progress else None,
    )
    print(f"{fit.formula}, {fit.family.name}: {fit.nobs} observations, ", end="")
    print(f"log-likelihood {fit.llf:.4f}\n")
    print(report.to_text(width=_width(), colour=_colour(sys.stdout)))
    print(f"\nSeed: {report.provenance['seed']}")
    for write, path in (
        (report.to_html, options.report),
        (report.to_json, options.json),
        (report.to_junit, options.junit),
    ):
        _write(write, path)
    return PASSED if report.ok else FAILED


def _run_compare(options: argparse.Namespace) -> int:
    from mixcheck.comparison.table import compare

    pairs = _pairs(options.formula, options.family)
    data = read_table(options.data)
    models = [_fit(options, data, formula, family) for formula, family in pairs]
    table = compare(models, criterion=options.criterion)
    print(table.to_text(width=_width(), colour=_colour(sys.stdout)))
    _write(table.to_html, options.report)
    _write(table.to_json, options.json)
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
    OSError
        If there is no such file.

    Examples
    --------
    >>> read_table("dataset:cbpp").shape
    (56, 4)
    """
    if source.startswith(_DATASET):
        from mixcheck.datasets import load

        return load(source.removeprefix(_DATASET))
    return _read_stream(sys.stdin) if source == "-" else _read_file(Path(source))


def _read_stream(stream: TextIO) -> pd.DataFrame:
    import pandas as pd

    return _parsed(lambda: pd.read_csv(stream), "standard input", "CSV")


def _read_file(path: Path) -> pd.DataFrame:
    import pandas as pd

    readers: dict[str, Callable[[], pd.DataFrame]] = {
        ".csv": lambda: pd.read_csv(path),
        ".tsv": lambda: pd.read_csv(path, sep="\t"),
        ".parquet": lambda: pd.read_parquet(path),
        ".feather": lambda: pd.read_feather(path),
    }
    ending = path.suffix.lower()
    if ending not in readers:
        hint = _dataset_hint(str(path))
        raise DataError(
            f"cannot tell the format of {str(path)!r}; a file ends in {', '.join(readers)}{hint}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return _parsed(readers[ending], str(path), ending.removeprefix("."))


def _dataset_hint(name: str) -> str:
    from mixcheck.datasets import available

    return f". For the shipped data set write {_DATASET}{name}" if name in available() else ""


def _parsed(read: Callable[[], pd.DataFrame], source: str, format_: str) -> pd.DataFrame:
    """The table, with whatever its reader raises about its content as one of our errors."""
    try:
        return read()
    except ImportError as error:
        raise DataError(
            f"reading {format_} needs pyarrow; python -m pip install pyarrow"
        ) from error
    except OSError:
        raise
    except Exception as error:
        raise DataError(f"{source} cannot be read as {format_}: {_one_line(error)}") from error


def _require_folders(options: argparse.Namespace) -> None:
    """Refuse an output file whose folder is missing before any time is spent."""
    for name in ("report", "json", "junit"):
        path: Path | None = getattr(options, name, None)
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(f"--{name}: there is no folder {str(path.parent)!r}")


def _write(write: Callable[[Path], Any], path: Path | None) -> None:
    if path is not None:
        write(path)
        print(f"Wrote {path}")


# ---- the terminal ------------------------------------------------------------------------


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show our own warnings as one line on standard error, without a place in the source."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", MixcheckWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
            if issubclass(category, MixcheckWarning):
                print(f"mixcheck: warning: {message}", file=sys.stderr)
            else:
                usual(message, category, *place)

        warnings.showwarning = show  # type: ignore[assignment] # as its documentation allows
        yield


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


def _colour(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ
