import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from mixcheck.display.render import to_markdown, to_text
from mixcheck.errors import OptionError

laws = settings(deadline=None, derandomize=True, max_examples=60)
ANSI = re.compile("\x1b\\[[0-9;]*m")

PAGE = Document(
    "Report",
    (
        Paragraph("One check of two contradicts the model. " * 4, Badge("FAIL", "bad")),
        Table(
            ("check", "verdict", "effect", "p"),
            (
                ("dispersion", Badge("FAIL", "bad"), "variance ratio 2.3 [1.9, 2.8]", PValue(1e-5)),
                ("zeros", Badge("PASS", "good"), "zeros ratio 1.1", PValue(0.25)),
            ),
            caption="Two checks",
        ),
        Section(Heading("dispersion", 3), (Paragraph("Too large."),), Badge("FAIL", "bad")),
    ),
)


def test_text_columns_are_aligned():
    """Text starts and numbers end at the same column of every row."""
    lines = to_text(PAGE).splitlines()
    start = next(row for row, line in enumerate(lines) if line.startswith("check"))
    head, rule, first, second = lines[start : start + 4]
    assert head.index("verdict") == first.index("FAIL") == second.index("PASS")
    assert head.index("effect") == first.index("variance") == second.index("zeros r")
    assert len(rule) == len(first) == len(second) == len(head)


@laws
@given(st.integers(44, 200))
def test_text_fits_the_width(width):
    """No line is wider than the terminal, and no word of the table is lost."""
    text = to_text(PAGE, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert all(word in text for word in ("dispersion", "FAIL", "< 0.001", "0.250"))


def test_too_narrow():
    """A width that no table fits is refused."""
    with pytest.raises(OptionError, match="at least 40"):
        to_text(PAGE, width=10)


def test_colour_is_decoration():
    """Without the colour codes the coloured text is the plain text."""
    coloured = to_text(PAGE, color=True)
    assert coloured != to_text(PAGE)
    assert ANSI.sub("", coloured) == to_text(PAGE)


def test_wide_characters_are_aligned():
    """East Asian names count two columns a character."""
    table = Table(("name", "p"), (("検定", 1.5), ("zeros", 2.5)))
    lines = to_text(Document("t", (table,))).splitlines()[-2:]
    assert lines == ["検定   1.5", "zeros  2.5"]


@laws
@given(st.text(max_size=40))
def test_no_control_character_reaches_the_terminal(name):
    """A hostile name can neither steer the terminal nor break a row."""
    table = Table(("check", "p"), ((f"a{name}", 0.5),))
    text = to_text(Document("t", (table, Paragraph(f"b{name}"))))
    assert all(mark == "\n" or mark.isprintable() or mark == " " for mark in text)


@laws
@given(st.text(alphabet="|*_<>[]`\\#&\n a", max_size=20))
def test_markdown_rows_keep_their_cells(name):
    """A hostile name leaves a Markdown table with its columns and without markup."""
    table = Table(("check", "p"), ((f"a{name}", 0.5),))
    row = to_markdown(Document("t", (table,))).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
    assert "<" not in row.replace("\\<", "")


def test_an_empty_table_is_text():
    """Columns without a head or a cell, as of a model without fixed effects, are drawn."""
    shown = to_text(Document("t", (Table(("", "estimate"), ()), Table(("",), ((None,),)))))
    assert "estimate" in shown


@pytest.mark.parametrize(
    "text", ["@channel", "https://x.org", "HTTP://x.org", "www.x.org", "#12", "GH-12", "a@b.org"]
)
def test_markdown_calls_nobody_and_links_nowhere(text):
    """Names of levels cannot mention people, link, or refer to an issue in a comment."""
    table = Table(("level", "n"), ((text, 1),))
    page = to_markdown(Document(text, (Paragraph(f"see {text}"), table)))
    assert text not in page.replace("\\", "")
    assert text in page.replace("\\", "").replace("\N{WORD JOINER}", "")


def test_markdown_has_everything():
    """Markdown shows headings, badges and aligned columns."""
    text = to_markdown(PAGE)
    assert text.startswith("# Report\n")
    assert "| --- | --- | --- | ---: |" in text
    assert "**FAIL**" in text
    assert "### dispersion — FAIL" in text


FACTS = Document("Fit", (Facts((("formula", "y ~ x + " * 12 + "z"), ("rows", 1200))),))


def test_facts_stand_below_each_other():
    """Their values begin in one column, and long ones go on below themselves."""
    lines = to_text(FACTS, width=50).splitlines()[3:]
    start = lines[0].index("y ~ x")
    assert lines[0].startswith("formula")
    assert all(line[:start].strip() == "" for line in lines[1:-1])
    assert lines[-1] == "rows".ljust(start) + "1,200"
    assert max(map(len, lines)) <= 50


def test_facts_are_a_list_in_markdown():
    """With markup escaped."""
    assert to_markdown(FACTS).splitlines()[-1] == "- rows: 1,200"
    assert "- formula: y \\~ x" in to_markdown(FACTS)
