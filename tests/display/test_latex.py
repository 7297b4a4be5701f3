"""LaTeX: tables that compile, and text in which nothing is a command."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.display.document import (
    Badge,
    Document,
    Facts,
    Heading,
    Paragraph,
    PValue,
    Section,
    Table,
)
from mixcheck.display.latex import to_latex

HOSTILE = r"a_b & 50% of $x^2$ #1 {~} \input{/etc/passwd} <|>"


def test_a_table():
    """Columns of numbers stand to the right, with minus signs and p-values."""
    table = Table(
        ("term", "estimate", "p"), (("x", -1234.5, PValue(0.0001)), ("z", 2e-9, PValue(0.2)))
    )
    assert to_latex(Document("", (table,))).splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"term & estimate & p \\",
        r"\midrule",
        r"x & $-1{,}234$ & $<$ 0.001 \\",
        r"z & $2 \times 10^{-9}$ & 0.200 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_what_is_missing_is_a_dash():
    """NaN and None."""
    assert r"x & -- & -- \\" in to_latex(
        Document("", (Table(("", "a", "b"), (("x", None, np.nan),)),))
    )


def test_nothing_is_a_command():
    """Every special character of names and labels is text."""
    blocks = (
        Paragraph(HOSTILE, Badge("FAIL", "bad")),
        Facts(((HOSTILE, HOSTILE),)),
        Section(Heading(HOSTILE, 2), (Table((HOSTILE,), ((HOSTILE,),), caption=HOSTILE),)),
    )
    text = to_latex(Document("", blocks))
    known = (
        "begin|end|toprule|midrule|bottomrule|paragraph|textbf|textbackslash|textasciitilde"
        "|textasciicircum|textbar|textless|textgreater|raggedright|arraybackslash|linewidth|noindent|mbox"
    )
    rest = re.sub(rf"\\({known})\b|\\[&%$#_{{}}]|\\\\", "", text)
    assert "\\" not in rest
    assert not set("%$#_^~") & set(rest)


def test_a_bracket_after_a_line_break_is_no_argument():
    """A row that begins with an interval."""
    assert r"{}[0, 1] \\" in to_latex(Document("", (Table(("interval",), (("[0, 1]",),)),)))


@pytest.mark.parametrize("form", ["to_latex", "to_markdown"])
def test_every_table_has_both_forms(form):
    """Summaries, reports, comparisons, tests, means, profiles and selections."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    smaller = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    held = (
        fit.summary(),
        mc.check(fit, mc.checks.Zeros(), seed=1, draws=19, calibration="plug-in"),
        mc.compare({"a": smaller, "b": fit}),
        mc.lrt(smaller, fit),
        mc.emmeans(fit, "period"),
        fit.profile("period[T.2]"),
        mc.select("incidence / size ~ period + (1 | herd)", cbpp, families=["binomial"]),
    )
    mark = "\\begin{tabular}" if form == "to_latex" else "| ---"
    for one in held:
        assert mark in getattr(one, form)(), type(one).__name__


def _specification(table: Table) -> tuple[str, str]:
    """The environment of a table, and its columns."""
    begin = re.search(r"\\begin\{(\w+)\}\{(.*)\}", to_latex(Document("", (table,))))
    assert begin
    return begin[1], begin[2]


def test_long_texts_are_paragraphs_that_fit_in_a_line():
    """Their widths are shares of a line, and room is left for what is between columns."""
    long = "a sentence that has many more words than a line of a paper could ever have in it"
    kind, columns = _specification(Table(("a", "b", "n"), ((long, long, 1), ("x", "y", 2))))
    shares = [float(share) for share in re.findall(r"p\{([\d.]+)\\linewidth\}", columns)]
    assert kind == "tabular"
    assert len(shares) == 2
    assert 0.7 < sum(shares) < 0.9
    assert columns.endswith("r")


def test_what_is_too_wide_all_the_same_is_made_smaller():
    """Twelve columns of numbers have nothing to be broken."""
    table = Table(tuple("abcdefghijkl"), ((1234.5678,) * 12,))
    text = to_latex(Document("", (table,)))
    assert text.startswith("\\noindent\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}")
    assert text.endswith("\\end{tabular}%\n}")


def test_a_table_longer_than_a_page_is_broken():
    """By ``longtable``, with its head on each page."""
    kind, _ = _specification(Table(("a", "n"), tuple((f"row {k}", k) for k in range(60))))
    assert kind == "longtable"


def test_a_table_begins_below_its_heading():
    """A text stands beside it."""
    table = Table(("a",), (("x",),))
    blocks = (Section(Heading("One", 2), (table,)), Section(Heading("Two", 2), (Paragraph("So."),)))
    text = to_latex(Document("", blocks))
    assert "\\paragraph{One}\\mbox{}\n\n\\begin{tabular}" in text
    assert "\\paragraph{Two}\n\nSo." in text
