"""Names of arguments elsewhere, in the calls that answer them and in the documentation.

Running this file writes the table of the documentation anew.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

import mixcheck as mc
from mixcheck.arguments.foreign_names import (
    FOREIGN_ATTRIBUTES,
    FOREIGN_NAMES,
    find_answer,
    find_attribute,
    plain_name,
)

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "from-r.md"
START, END = "| argument elsewhere | of | here |", "\n\n"


def table() -> str:
    """The names as a table in Markdown."""
    rows = [START, "|---|---|---|"]
    for row in FOREIGN_NAMES:
        names = ", ".join("one more model" if n == "*" else f"`{n}`" for n in row.names.split())
        verbs = ", ".join(f"`{verb}`" for verb in row.verbs) or f"what takes `{row.own}`"
        answer = row.answer.replace("|", r"\|")
        rows.append(f"| {names} | {verbs} | {answer} |")
    return "\n".join(rows)


def test_the_page_has_the_table() -> None:
    """The documentation says what the calls answer, word for word."""
    assert table() + END in PAGE.read_text()


def test_every_name_is_answered_once() -> None:
    """No two rows answer one name for one function."""
    seen = set()
    for row in FOREIGN_NAMES:
        for name in row.names.split():
            for place in row.verbs or (f"with {row.own}",):
                key = (plain_name(name), place)
                assert key not in seen, key
                seen.add(key)


@pytest.mark.parametrize("row", FOREIGN_NAMES, ids=lambda row: row.names.split()[0])
def test_rows_speak_of_functions_and_arguments_that_exist(row) -> None:
    """A row names functions of ours, or an argument that some function has."""
    import inspect

    callables = {n: getattr(mc, n) for n in dir(mc) if inspect.isfunction(getattr(mc, n))}
    methods = {
        name: member
        for cls in (mc.GLMM, mc.Report, mc.Comparison, mc.Policy, mc.checks.Check)
        for name, member in inspect.getmembers(cls, inspect.isfunction)
    }
    everything = {**methods, **callables}
    assert bool(row.verbs) != bool(row.own)
    for verb in row.verbs:
        assert verb in everything
    if row.own:
        names = {p for f in everything.values() for p in inspect.signature(f).parameters}
        assert row.own in names | set(inspect.signature(mc.Policy).parameters)


def test_no_row_answers_for_an_argument_that_is_there() -> None:
    """An argument that a function has come to take is not answered as one that it lacks."""
    import inspect

    everything = {n: getattr(mc, n) for n in mc.__all__ if inspect.isfunction(getattr(mc, n))}
    everything |= dict(inspect.getmembers(mc.GLMM, inspect.isfunction))
    for row in FOREIGN_NAMES:
        named = set(map(plain_name, row.names.split()))
        for verb in row.verbs:
            offered = set(map(plain_name, inspect.signature(everything[verb]).parameters))
            assert not offered & named, (verb, offered & named, row.answer)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: fit.predict(se_fit=True), 'write interval="confidence"'),
        (lambda fit: fit.predict(type="zprob"), 'part="zi"'),
        (lambda fit: mc.compare([fit], second_ord=True), 'criterion="aicc"'),
        (lambda fit: mc.select(fit.formula, fit.frame, m_lim=2), "write max_terms="),
        (lambda fit: mc.emmeans(fit, specs="period"), "write names="),
        (lambda fit: mc.glmm(fit.formula, fit.frame, autocor="ar"), "ar1"),
        (lambda fit: mc.glmm(fit.formula, fit.frame, rcov="~ units"), "propto"),
        (lambda fit: mc.glmm(fit.formula, fit.frame, max_coef_bound=10), "priors="),
    ],
)
def test_calls_are_answered_with_what_there_is(call, said: str, cbpp: mc.GLMM) -> None:
    """Answers speak of what the library can do today."""
    with pytest.raises(mc.UnknownArgumentError, match=said):
        call(cbpp)


def test_spelling_does_not_count() -> None:
    """Dots, underscores and capitals are those of the other program."""
    offered = ("data", "random_effects", "reml")
    for name in ("re.form", "re_form", "ReForm", "REform"):
        assert find_answer(name, "predict", offered).startswith('write random_effects="zero"')
    assert find_answer("RE_ML", "anything", offered).startswith("write reml=")
    assert find_answer("nothing_like_it", "predict", offered) == ""


@pytest.mark.parametrize("names", FOREIGN_ATTRIBUTES)
def test_a_fit_answers_names_that_it_does_not_have(names: str, cbpp: mc.GLMM) -> None:
    """What to write in their place can be written, and is no such name itself."""
    answers = FOREIGN_ATTRIBUTES[names].replace("mixcheck.lrt(smaller, fit)", "mixcheck.lrt")
    for answer in answers.split(", or "):
        eval(answer, {"mixcheck": mc, "fit": cbpp})
    for name in names.split():
        assert find_attribute(name)
        with pytest.raises(AttributeError, match=f"a fit has no {name}; write "):
            getattr(cbpp, name)


def test_a_name_that_nobody_knows_is_answered_as_python_does(cbpp: mc.GLMM) -> None:
    """`hasattr`, copies and pickles ask for names that are not there."""
    assert not hasattr(cbpp, "nothing_like_it")
    assert copy.deepcopy(cbpp).llf == cbpp.llf
    with pytest.raises(AttributeError, match="'GLMM' object has no attribute 'nothing_like_it'"):
        _ = cbpp.nothing_like_it


def _write() -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(START)
    PAGE.write_text(before + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    _write()
