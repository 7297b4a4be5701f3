"""The command itself: its verbs, and errors as sentences and exit codes.

Its exit code is the verdict: 0 if no check fails, 1 if one does, 3 if some could not be decided.
2 means that it could not run, and 130 that it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import NoReturn, TextIO, cast

from mixcheck import __version__
from mixcheck.command.configuration import expand
from mixcheck.command.outputs import require_outputs
from mixcheck.command.pulse import Pulse
from mixcheck.command.terminal import complain, described, warning_line
from mixcheck.display.terminal import Output, on_a_terminal
from mixcheck.errors import MixcheckError
from mixcheck.notices import heard_by

__all__ = ["main", "make_parser"]

COULD_NOT_RUN, INTERRUPTED = 2, 130

# What each does is loaded when it is asked for.
VERBS = {
    "fit": "fit a model and print its estimates",
    "check": "fit a model and check it",
    "suggest": "check a model, and try those that answer what fails",
    "compare": "fit several models and rank them",
    "select": "choose among the models within a formula",
    "inclusion": "how often a search would choose each term again",
    "average": "weight several models and average their coefficients or predictions",
    "kfold": "score a model on rows that it was fitted without",
    "exact-lrt": "test one variance of a linear mixed model",
    "explain": "what a check asks, and how it is written",
    "demo": "a model that fails its checks, and one that passes",
}


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
    pulse = Pulse(Output(sys.stderr, needed=False))
    errors = Output(sys.stderr, needed=False, before=pulse.clear)
    output = Output(sys.stdout, before=pulse.clear)
    with redirect_stderr(cast(TextIO, errors)):
        return _run(sys.argv[1:] if arguments is None else arguments, output, pulse)


def _run(arguments: Sequence[str], output: Output, pulse: Pulse) -> int:
    """The command, with errors as sentences."""
    try:
        words = expand(arguments)
    except (MixcheckError, OSError) as error:
        complain(str(error))
        return COULD_NOT_RUN
    options = make_parser(words).parse_args(words)
    try:
        with redirect_stdout(cast(TextIO, output)), heard_by(warning_line):
            require_outputs(options)
            asked = getattr(options, "progress", None)
            options.progress = None if asked is False else pulse.tell
            with pulse.beating(asked):
                code: int = options.run(options)
            output.flush()
            return code
    except KeyboardInterrupt:
        complain("interrupted; nothing is decided")
        return INTERRUPTED
    except (MixcheckError, OSError) as error:
        complain(str(error))
    except MemoryError:
        complain("the memory was used up; use fewer rows, a smaller model or fewer --jobs")
    except (Exception, SystemExit) as error:
        # Neither an error that nobody foresaw nor an exit in the code of a user is a verdict.
        complain(f"an unexpected {described(error)}; please report it")
    return COULD_NOT_RUN


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are a sentence and an example, instead of a list of all options."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what to write."""
        complain(message)
        example = (self.epilog or "example:\n  mixcheck demo").partition("\n\n")[0]
        described = on_a_terminal(f"{example}\nall options: {self.prog} --help")
        print(described, file=sys.stderr)
        raise SystemExit(COULD_NOT_RUN)


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of the verbs; of some words, only the one that is asked for has its options."""
    parser = _Parser(
        prog="mixcheck", description="Fit, check and compare generalized linear mixed models."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, words_of in VERBS.items():
        child = commands.add_parser(
            name, help=words_of, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if words is None or name in words:
            verb = import_module(f"mixcheck.command.verbs.{name.replace('-', '_')}")
            child.description = f"{verb.HELP[:1].upper()}{verb.HELP[1:]}."
            epilog = [f"example:\n  {verb.EXAMPLE}", getattr(verb, "EPILOG", "")]
            child.epilog = "\n\n".join(part for part in epilog if part)
            child.add_argument(
                "--config", metavar="FILE", help="options, from a file of .json, .toml or .yaml"
            )
            verb.add(child)
            child.set_defaults(run=verb.run)
    return parser
