"""What came of one call: a right answer, one clear sentence, or a fault."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import os
import pickle
import random
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from attack import truths
from attack.subjects import Ended
from attack.surface import Step, must_refuse

SECONDS = 10.0
LONGEST = 600

# What other libraries, and Python itself, say of a wrong value.
_FOREIGN = (
    r"Traceback",
    r"\b0x[0-9a-f]{6,}",
    r"<(?:class|function|built-in|module|bound method)\b",
    r"\bobject at\b",
    r"has no attribute",
    r"is not (?:subscriptable|iterable|callable\b(?!,))",
    r"unhashable",
    r"unsupported operand",
    r"not supported between",
    r"object of type",
    r"'NoneType'",
    r"got an? unexpected",
    r"positional argument",
    r"required argument",
    r"must be real number",
    r"bad operand",
    r"invalid literal",
    r"could not (?:convert|broadcast|be broadcast)",
    r"cannot (?:convert|cast|handle|be interpreted|reindex)",
    r"truth value of",
    r"ambiguous",
    r"setting an array",
    r"inhomogeneous",
    r"operands could",
    r"shape mismatch",
    r"\barray must ",
    r"\barrays? (?:is|were) ",
    r"input array",
    r"ufunc",
    r"dtype\(",
    r"casting",
    r"index \d+ is out",
    r"list index",
    r"tuple index",
    r"out of bounds",
    r"Length mismatch",
    r"All arrays must",
    r"Mixing dicts",
    r"If using all scalar",
    r"Unable to parse",
    r"No axis named",
    r"Duplicate",
    r"Buffer dtype",
    r"Can only",
    r"Cannot (?:set|mask|cast|convert|interpret|specify|losslessly|compare|index)",
    r"Expected object",
    r"Expecting ",
    r"Extra data:",
    r"Unterminated",
    r"Invalid (?:control|\\escape|comparison)",
    r"codec can't",
    r"surrogates",
    r"invalid syntax",
    r"unexpected EOF",
    r"was never closed",
    r"<unknown>",
    r"line \d+\)",
    r"[A-Z]\w+(?:Error|Exception|Warning)\b",
    r"numpy\.",
    r"pandas\.",
    r"np\.(?:float|int|bool|str|complex)",
    r"formulaic",
    r"patsy",
    r"FactorEvaluation",
    r"scipy",
    r"joblib",
    r"loky",
    r"pickl",
    r"Arrow(?:Invalid|Type)",
    r"narwhals",
    r"polars\.exceptions",
    r"SVD did",
    r"Singular matrix",
    r"singular matrix",
    r"positive definite",
    r"overflow",
    r"divide by zero",
    r"division by",
    r"invalid value encountered",
    r"math domain",
    r"Errno (?!2|13|20|21|28|36)",
    r"nan to integer",
    r"NaN to integer",
    r"recursion",
    r"too large to",
    r"int too ",
    r"bytes-like",
    r"null (?:byte|character)",
)
FOREIGN = re.compile("|".join(_FOREIGN))
# What stands in quotes is the caller's own, and so is what the text of the call has.
_OURS = "|".join(name for name in dir(mc) if name.endswith(("Error", "Warning", "Failed")))
_QUOTED = re.compile(
    rf"'[^']*'|`[^`]*`|\"[^\"]*\"|numpy\.random\.default_rng"
    r"|(?:\braised|=) ?[\w.]+"
    rf"|\b(?:{_OURS})\b"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Fault:
    """Something that must not be: what kind it is, where it arose, and in which words."""

    kind: str
    place: str
    words: str


@dataclass(frozen=True)
class Outcome:
    """What came of a call: an answer, or an error of ours, and the faults seen."""

    answer: Any
    raised: BaseException | None
    faults: tuple[Fault, ...]


class Hang(BaseException):
    """A call that takes longer than it may."""


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Stop a call by its processor time, which a busy machine does not stretch."""

    def stop(*_: Any) -> None:
        raise Hang

    here = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "SIGPROF") or not here:
        yield
        return
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _written_to(out: io.StringIO, err: io.StringIO) -> Iterator[None]:
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def judge(step: Step, names: dict[str, Any]) -> Outcome:
    """Make one call and say what came of it."""
    call, arguments, keywords = _prepared(step, names)
    before, held = _state(), _prints([*arguments, *keywords.values()])
    answer, raised = None, None
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        shown = warnings.showwarning
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                _at_most(SECONDS),
            ):
                answer = call(*arguments, **keywords)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raised = error
        leaked = list(warnings.filters) != filters or warnings.showwarning is not shown
    faults = [*_of_warnings(caught), *_of_state(before, leaked)]
    faults += _of_error(raised, step.text) if raised is not None else []
    if held != _prints([*arguments, *keywords.values()]):
        faults.append(Fault("an argument was changed", step.target, ""))
    printed = out.getvalue() and not any(value is print for value in keywords.values())
    if printed or (err.getvalue() and "progress" not in keywords):
        faults.append(Fault("printed", step.target, (out.getvalue() + err.getvalue())[:200]))
    if raised is None:
        faults += _of_rule(step, call, arguments, keywords)
        faults += [Fault("wrong answer", step.target or step.text, w) for w in _truths(answer)]
        if step.same_as:
            faults += _of_storage(step, answer, names)
    elif step.expected is True and isinstance(raised, mc.MixcheckError):
        faults.append(Fault("right call refused", _place(raised), str(raised)[:300]))
    elif step.same_as and isinstance(raised, mc.MixcheckError):
        faults += _of_storage(step, raised, names)
    return Outcome(answer, raised, tuple(dict.fromkeys(faults)))


def _prepared(step: Step, names: dict[str, Any]) -> tuple[Any, list[Any], dict[str, Any]]:
    """The callable and its arguments; a text that is no plain call is one itself."""
    tree = ast.parse(step.text, mode="eval").body
    whole = not step.target or step.target.startswith(".=") or not isinstance(tree, ast.Call)
    if whole or not isinstance(tree, ast.Call):
        code = compile(step.text, "<call>", "eval")
        return (lambda: eval(code, names)), [], {}

    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), "<argument>", "eval"), names)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = [value(node) for node in tree.args]
        keywords = {str(word.arg): value(word.value) for word in tree.keywords}
        return value(tree.func), arguments, keywords


# ---- errors and warnings -----------------------------------------------------------------


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if "/mixcheck/" in frame.filename.replace("\\", "/")]


def _place(error: BaseException) -> str:
    """The innermost line of ours."""
    frames = _frames(error)
    if not frames:
        return "outside"
    path = frames[-1].filename.replace("\\", "/").partition("/mixcheck/")[2]
    return f"{path}:{frames[-1].lineno} {frames[-1].name}"


def _of_error(error: BaseException, call: str) -> list[Fault]:
    place = _place(error)
    if isinstance(error, Hang):
        return [Fault("longer than 10 s", place, "")]
    if isinstance(error, mc.MixcheckError):
        return [Fault(f"message: {why}", place, words) for why, words in _of_message(error, call)]
    if isinstance(error, TypeError) and (not _frames(error) or _is_deliberate(error)):
        return []
    return [Fault(type(error).__name__, place, str(error)[:300])]


def _is_deliberate(error: TypeError) -> bool:
    """A keyword that Python, or a wrapper for it, does not know; a report as a truth value."""
    text = str(error)
    unknown = "unexpected keyword argument" in text or "positional argument" in text
    last = _frames(error)[-1]
    return ("raise TypeError" in (last.line or "")) or (unknown and "bind" in (last.line or ""))


def _of_message(error: mc.MixcheckError, call: str) -> list[tuple[str, str]]:
    text = str(error)
    if isinstance(error, mc.ChecksFailed):
        return []  # its message is a table
    return list(_of_words(text, call, marks=isinstance(error, mc.FormulaError)))


def _of_words(
    text: str, call: str = "", *, marks: bool = False, most: int = LONGEST
) -> Iterator[tuple[str, str]]:
    if not text.strip():
        yield "empty", ""
    if len(text) > most:
        yield "too long", text[:300]
    if text.count("\n") > (4 if marks else 0):
        yield "several lines", text[:300]
    found = CONTROL.search(text.replace("\n", " ").replace("\t", " "))
    if found:
        yield "control characters", repr(text)[:300]
    foreign = FOREIGN.search(_QUOTED.sub("''", text))
    if foreign and foreign.group().strip() not in call:
        yield f"foreign words {foreign.group().strip()!r}", text[:300]


def _of_warnings(caught: list[warnings.WarningMessage]) -> Iterator[Fault]:
    for item in caught:
        name = item.category.__name__
        if not issubclass(item.category, mc.MixcheckWarning):
            path = item.filename.replace("\\", "/").rpartition("site-packages/")[2]
            path = path.rpartition("/src/")[2]
            yield Fault(f"warning {name}", f"{path}:{item.lineno}", str(item.message)[:200])
        else:
            # A warning may join several facts.
            for why, words in _of_words(str(item.message), most=2 * LONGEST):
                yield Fault(f"warning text: {why}", name, words)


# ---- what a call must leave as it was ----------------------------------------------------


def _threads() -> Any:
    controller = mc_threads()
    return None if controller is None else [lib.num_threads for lib in controller.lib_controllers]


def mc_threads() -> Any:
    """The controller of BLAS threads, where it is there."""
    global _CONTROLLER
    if _CONTROLLER is None:
        from threadpoolctl import ThreadpoolController

        _CONTROLLER = ThreadpoolController()
    return _CONTROLLER


_CONTROLLER: Any = None
mc_threads()  # its first call sets a variable of the environment, as joblib does where it is first
importlib.import_module("joblib")


def _state() -> dict[str, Any]:
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "floating point": np.geterr(),
        "random numbers": (random.getstate(), pickle.dumps(np.random.get_state())),  # noqa: NPY002
        "threads": _threads(),
        "print options": np.get_printoptions(),
        "display options": pd.get_option("display.max_rows"),
        "recursion": sys.getrecursionlimit(),
        "path": list(sys.path),
    }


def _of_state(before: dict[str, Any], leaked: bool) -> list[Fault]:
    after = _state()
    faults = [
        Fault("left changed", name, _change(before[name], after[name]))
        for name in before
        if before[name] != after[name]
    ]
    return [*faults, *([Fault("left changed", "filters of warnings", "")] if leaked else [])]


def _change(before: Any, after: Any) -> str:
    if isinstance(before, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return ", ".join(f"{name}: {before.get(name)} {after.get(name)}" for name in names)[:300]
    return f"{before!r:.100} {after!r:.100}"


def _prints(arguments: list[Any]) -> list[bytes | None]:
    """A print of each argument that a call could change."""
    return [_print(value) for value in arguments]


def _print(value: Any) -> bytes | None:
    try:
        return pickle.dumps(_plain(value))
    except Exception:
        return None


def _plain(value: Any) -> Any:
    """What a value holds; what it remembers of itself may change."""
    if isinstance(value, pd.DataFrame):
        columns = [_plain(value.iloc[:, k]) for k in range(value.shape[1])]
        return repr(list(value.columns)), repr(list(value.index)), columns
    if isinstance(value, pd.Series):
        return (
            str(value.dtype),
            repr(value.name),
            repr(list(value.index)),
            [repr(item) for item in value],
        )
    if isinstance(value, np.ma.MaskedArray):
        return _plain(value.filled()), np.ma.getmaskarray(value).tolist()
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return [(key, _plain(item)) for key, item in value.items()]
    return value if isinstance(value, np.ndarray | str | bytes | int | float) else id(value)


# ---- answers -----------------------------------------------------------------------------


def _of_rule(
    step: Step, call: Any, arguments: list[Any], keywords: dict[str, Any]
) -> Iterator[Fault]:
    """Arguments that were taken although they must be refused."""
    if not step.target:
        return
    try:
        bound = inspect.signature(call).bind(*arguments, **keywords).arguments
    except (TypeError, ValueError):
        return
    for name, value in bound.items():
        if must_refuse(step.target, name, value):
            yield Fault("taken, not refused", f"{step.target} {name}", repr(value)[:100])


def _truths(answer: Any) -> list[str]:
    if isinstance(answer, Ended):
        return list(_of_command(answer))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(truths.verify(answer))
    except Exception as error:
        return [f"{type(error).__name__} at {_place(error)}: {str(error)[:200]}"]


def _of_command(ended: Ended) -> Iterator[str]:
    if ended.code not in range(5):
        yield f"exit code {ended.code}"
    if ended.code == 1 and "FAIL" not in ended.out:
        yield "exit code 1 without a failing check"
    if ended.code == 2 and not ended.err.strip():
        yield "exit code 2 without a word"
    if CONTROL.search(ended.err.replace("\n", " ").replace("\r", " ")):
        yield f"control characters: {ended.err[:200]!r}"
    for line in ended.err.splitlines():
        if line.startswith("mixcheck: "):
            for why, words in _of_words(line.removeprefix("mixcheck: ")):
                yield f"{why}: {words}"
        elif "Traceback" in line or "Error" in line:
            yield line[:300]


def _of_storage(step: Step, answer: Any, names: dict[str, Any]) -> Iterator[Fault]:
    """The same data in another storage give the same fit, or the same kind of error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = eval(step.same_as, names)
        except mc.MixcheckError as error:
            wanted = error
    if isinstance(wanted, mc.MixcheckError) or isinstance(answer, mc.MixcheckError):
        if type(wanted) is not type(answer):
            words = f"{answer!r:.150} where the table itself gives {wanted!r:.150}"
            yield Fault("storage changes the answer", step.target, words)
        return
    if not abs(answer.llf - wanted.llf) <= 1e-5 * (1.0 + abs(wanted.llf)):
        words = f"llf {answer.llf} where the table itself gives {wanted.llf}"
        yield Fault("storage changes the answer", step.target, words)
