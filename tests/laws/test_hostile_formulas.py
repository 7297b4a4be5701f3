"""A formula is data: nothing in it, nor in the name of a column, is ever executed."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixcheck as mc
from mixcheck.command import main
from mixcheck.design import build_design, parse_formula
from mixcheck.design.formula import quote_name, unquote_name
from mixcheck.errors import MixcheckError

SECONDS = 1.0

SCRIPTS = [
    "__import__('os').system('touch pwned')", "__import__('os').system('touch pwned') + x",
    "exit()", "quit()", "open('pwned', 'w')", "exec('exit()')", "eval('exit()')",
    "compile('1', '', 'eval')",
    "breakpoint()", "input()", "globals()", "locals()", "vars()", "getattr(x, 'a')", "print(x)",
    "setattr(x, 'a', 1)", "type(x)", "dir(x)", "id(x)", "help()", "memoryview(x)", "super()",
    "x.__class__", "x.__class__.__mro__[1].__subclasses__()", "().__class__.__bases__",
    "''.__class__", "x.values", "x.to_csv('pwned')", "x.to_pickle('pwned')", "x.map(exec)",
    "np.savetxt('pwned', x)", "np.load('pwned')", "np.ctypeslib", "np.f2py", "np.lib.npyio.os",
    "np.testing.measure('1')", "np.vectorize(exec)", "np.fromfile('pwned')", "np.__dict__",
    "np.frompyfunc(exec, 1, 1)", "np.asarray(x)", "np.apply_along_axis(exec, 0, x)",
    "[i for i in x]", "{i for i in x}", "{i: i for i in x}", "(i for i in x)", "[*x]", "f(*x)",
    "(lambda: x)()", "(lambda x: x)(x)", "(y := x)", "f'{x}'", "f\"{exit()}\"", "x[0]", "x[x > 0]",
    "x if x else z", "x and z", "x or z", "not x", "x is z", "await x", "yield x", "x @ z", "*x",
    "**x", "x; z", "import os", "del x", "x = 1", "x <- 1", "x << z", "x->z", "`x`()", "'a'()",
    "`__import__`('os')", "log(x)(x)", "log.reduce(x)", "expit.__self__", "pd.read_pickle('pwned')",
    "os.system('touch pwned')", "sys.exit()", "subprocess.run('id')", "system('touch pwned')",
    "do.call('system', 'id')", "eval(parse(text='1'))", "get('x')", "x$y", "base::system('id')",
    "@x", "log(x, __import__('os'))", "log(exec)", "I(exec)", "C(f, exec('1'))", "C(f, [exit()])",
    "bs(x, df=exit())", "poly(x, open('pwned', 'w'))", "cut(x, exit())", "Q(exit())",
    "I(10**10**10**10 * x)", "I(9**9**9**9)", "I(1e308 * 10 * x)", "I(1:100000000)",
    "poly(x, 10**9)", "bs(x, df=10**9)", "cut(x, 10**9)", "interaction(x, x, x, x, x, x)",
    "{{{{x.a}}}}", "{" * 5000 + "x" + "}" * 5000, "(" * 5000 + "x" + ")" * 5000, "-" * 5000 + "x",
    "!" * 5000 + "b", "x" + "+x" * 5_000, "{x" + "+x" * 5000 + "}", "I(x" + "**x" * 3000 + ")",
    "log(" * 3000 + "x" + ")" * 3000, "(x+z+b)**1000000000", "(x+z+b+f+g+h)**30", "x" * 100_001,
    "(1|g" + "+g" * 1200 + ")", "(1|g" + "/g" * 1200 + ")", "(1|g" + ":g" * 5000 + ")",
    "(x+z+b+f+g+h+y)^7*(x:z+b)^9", "x~z", "(x~z|g)", "(g~x|g)", "[y]", "{[y]}", "\\x", "\x00",
    "\ud800", "x\u202ez", "`" * 999, "'" * 999, "((((((((|g))))))))", "(1|g)(1|g)",
    "offset(offset(x))",
    "offset(x, z)", "offset(exit())", "+".join(f"(x{i}|g)" for i in range(300)),
]  # fmt: skip


@functools.cache
def table() -> pd.DataFrame:
    """Columns of every kind."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "y": rng.poisson(3, 48), "x": rng.normal(size=48), "z": rng.uniform(1, 2, 48),
            "b": rng.random(48) < 0.5, "f": ["p", "q", "r"] * 16, "g": np.repeat(range(6), 8),
            "h": [1, 2] * 24,
        }
    )  # fmt: skip


@pytest.fixture(autouse=True)
def traps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever a script would reach raises SystemError, which no code of ours catches."""
    monkeypatch.chdir(tmp_path)

    def trap(*_: object, **__: object) -> None:
        raise SystemError("executed")

    monkeypatch.setattr(os, "system", trap)
    monkeypatch.setattr(os, "popen", trap)
    monkeypatch.setattr(subprocess, "run", trap)


def outcome(parts: dict[str, str]) -> str:
    """What is said of a formula on the table; nothing where it has a meaning."""
    try:
        others = {name: part for name, part in parts.items() if name != "text"}
        build_design(parse_formula(parts["text"], **others), table(), ratio_is_trials=False)
    except MixcheckError as error:
        return str(error)
    return ""


PLACES: list[Callable[[str], dict[str, str]]] = [
    lambda s: {"text": f"y ~ {s}"},
    lambda s: {"text": f"y ~ {{{s}}} + (1 | g)"},
    lambda s: {"text": f"y ~ I({s})"},
    lambda s: {"text": f"{s} ~ x"},
    lambda s: {"text": f"log({s}) ~ x"},
    lambda s: {"text": f"y ~ x + offset({s})"},
    lambda s: {"text": f"y ~ ({s} | g)"},
    lambda s: {"text": f"y ~ (1 | {s})"},
    lambda s: {"text": "y ~ x", "zi": f"~ {s}"},
    lambda s: {"text": "y ~ x", "dispersion": f"~ {s}"},
]


@pytest.mark.filterwarnings("ignore::mixcheck.DataWarning")
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, id=str(i), marks=[pytest.mark.slow] if i % 3 else [])
        for i, script in enumerate(SCRIPTS)
    ],
)
def test_scripts(script: str, tmp_path: Path) -> None:
    """Every script, in every place of a formula, ends soon in our error or is arithmetic."""
    refused = 0
    for place in PLACES:
        begin = time.process_time()
        said = outcome(place(script))
        refused += bool(said)
        assert len(said) < 2000
        assert time.process_time() - begin < SECONDS
    assert refused or script.startswith("(x+z+b")
    assert list(tmp_path.iterdir()) == []


NAMES = ["x", "z", "b", "f", "np", "os", "exit", "exec", "open", "__import__", "__class__", "log"]


def expressions() -> st.SearchStrategy[str]:
    """Python expressions of every kind of node."""
    leaf = st.sampled_from([*NAMES, "1", "0", "2.5", "'a'", "None", "True", "...", "b'a'", "1j"])
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds("{}({})".format, st.sampled_from(NAMES), inner),
            st.builds("{}.{}".format, inner, st.sampled_from(NAMES)),
            st.builds("({})({})".format, inner, inner),
            st.builds("{}[{}]".format, inner, inner),
            st.builds("[{} for i in {}]".format, inner, inner),
            st.builds("{{{}: {}}}".format, inner, inner),
            st.builds("(lambda i: {})".format, inner),
            st.builds("(i := {})".format, inner),
            st.builds("({} if {} else {})".format, inner, inner, inner),
            st.builds("({} {} {})".format, inner, st.sampled_from(
                ["+", "-", "*", "/", "//", "%", "**", "^", "|", "&", "<<", "@", "and", "is", "in",
                 "==", "<", "not in", ","]), inner),
            st.builds("(*{},)".format, inner),
            st.builds("log({}, base={})".format, inner, inner),
        ),
        max_leaves=8,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::mixcheck.DataWarning")
@given(expressions(), st.sampled_from(PLACES))
def test_any_python_expression(script: str, place: Callable[[str], dict[str, str]]) -> None:
    """Generated expressions of Python end in our error, or in numbers of the allowed kind."""
    begin = time.process_time()
    outcome(place(script))
    assert time.process_time() - begin < SECONDS


def test_the_generator_writes_python() -> None:
    """The expressions above are Python, so that an interpreter would run them."""
    seen: list[str] = []

    @given(expressions())
    @settings(deadline=None, derandomize=True, max_examples=100)
    def collect(script: str) -> None:
        try:
            ast.parse(script.strip(), mode="eval")
        except SyntaxError:
            return
        seen.append(script)

    collect()
    assert len(seen) > 60


@given(st.text(max_size=20))
def test_names_read_back(name: str) -> None:
    """Every text is the name of a column when it is quoted, and of that column alone."""
    if name:
        assert unquote_name(quote_name(name)) == name
        predictor = parse_formula(f"y ~ {quote_name(name)} + (1 | {quote_name(name)})").predictor(
            "mean"
        )
        assert predictor.random[0].group == (name,)


WICKED = [
    "x`)) + I(__import__('os').system('touch pwned')*0.0+x) + offset(log(`x",
    "x` + {__import__('os').system('touch pwned')*0.0+x} + `x", "a`b", "a\\`b", "a\\", "{x}", "x~z",
    "(1 | g)", "1", "0", "", " ", "a\nb", "`", "``", "x + z", "~", "|", "Intercept", "TRUE", "None",
    "np", "np.log", "class", "é", "e\u0301", "\U0001f600", "x.y", "x y", "'", '"', "%%", "\\`",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in WICKED if name.strip()], ids=repr)
def test_precision_takes_any_name(name: str) -> None:
    """A column of precisions is that column, whatever it is called, and adds no coefficient."""
    rng = np.random.default_rng(3)
    g = np.repeat(range(8), 5)
    d = pd.DataFrame({"r": rng.normal(size=40) + rng.normal(0, 2, 8)[g], "g": g})
    w = rng.uniform(1, 4, 40)
    fit = mc.glmm("r ~ 1 + (1 | g)", d.assign(**{name: w}), precision=name)
    plain = mc.glmm("r ~ 1 + (1 | g)", d.assign(w=w), precision="w")
    assert fit.llf == plain.llf
    assert list(fit.params.index) == list(plain.params.index)


@pytest.mark.parametrize("name", [name for name in WICKED if name.strip()], ids=repr)
def test_any_name_in_a_formula(name: str) -> None:
    """A quoted name is its column in terms, expressions, offsets, responses and bars."""
    rng = np.random.default_rng(4)
    v = rng.uniform(1, 2, 30)
    d = pd.DataFrame({"r": rng.normal(size=30), "g": np.repeat(range(6), 5)})
    q = quote_name(name)
    text = "log({0}) ~ {0} + I({0}^2) + offset(sqrt({0})) + ({0} | g) + r:{0}"
    one = build_design(parse_formula(text.format(q)), d.assign(**{name: v}), ratio_is_trials=False)
    two = build_design(parse_formula(text.format("v")), d.assign(v=v), ratio_is_trials=False)
    np.testing.assert_array_equal(one.predictors[0].X, two.predictors[0].X)
    np.testing.assert_array_equal(one.response, two.response)
    np.testing.assert_array_equal(one.predictors[0].offset, two.predictors[0].offset)
    assert len(set(one.predictors[0].columns)) == one.predictors[0].X.shape[1]


@pytest.mark.parametrize("name", [WICKED[1], "a`b", "a b"], ids=repr)
def test_suggestions_quote_names(name: str, tmp_path: Path) -> None:
    """What is suggested for a column is a model of that column."""
    rng = np.random.default_rng(5)
    v = rng.normal(size=200)
    d = pd.DataFrame({"y": rng.poisson(np.exp(0.5 + 0.8 * v)), "g": np.repeat(range(20), 10)})
    fit = mc.glmm("y ~ 1 + (1 | g)", d.assign(**{name: v}), family="poisson")
    report = mc.check(fit, mc.checks.Trend(name), seed=1, draws=60, calibration="plug-in")
    best = mc.suggest(report, most=1).best_fit
    assert best is not None
    assert set(best.params.index) <= {"Intercept", name, f"I({quote_name(name)} ** 2)"}
    assert list(tmp_path.iterdir()) == []


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command refuses a script with exit code 2 and one sentence, and executes nothing."""
    table().to_csv(tmp_path / "t.csv", index=False)
    for script in ("{exit()}", "{__import__('os').system('touch pwned') + x} + (1|g)", "{quit()}"):
        code = main(["check", "t.csv", "--formula", f"y ~ {script}", "--family", "poisson"])
        assert code == 2
        assert "Traceback" not in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
