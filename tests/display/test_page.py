import re
from html.parser import HTMLParser

import numpy as np
import pytest

from mixcheck.display.document import (
    Badge,
    Document,
    Figure,
    Heading,
    NullPlot,
    Paragraph,
    Section,
    Table,
)
from mixcheck.display.page import MARKS, to_fragment, to_html

HOSTILE = '<script>alert(1)</script>" onload="x" \'&amp; </style>'
VOID = {"meta", "br", "img", "link"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; an unbalanced tag is an error."""

    def __init__(self, page):
        super().__init__()
        self.stack, self.tags, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        """Open a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag without content."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Close the tag that is open."""
        assert self.stack.pop() == tag

    def handle_data(self, data):
        """Collect text."""
        self.text += data


def document(name="zeros"):
    """A page with everything, its name in every place."""
    picture = NullPlot(np.arange(9.0), 12.0, x_label=name, title=name)
    card = Section(
        Heading(name, 3),
        (Paragraph(f"About {name}."), Figure(picture, f"Caption {name}", f"Alt {name}")),
        Badge("FAIL", "bad"),
    )
    table = Table((name, "p"), ((name, 0.5),), caption=name)
    lead = Paragraph(name, Badge("FAIL", "bad"))
    return Document(name, (lead, table, Section(Heading(name), (card, card), grid=True)))


@pytest.fixture(scope="module", params=[to_html, to_fragment], ids=["page", "fragment"])
def render(request):
    """Each of the two forms of HTML."""
    return request.param


@pytest.fixture(scope="module")
def page(render):
    """The document in it, written once."""
    return render(document())


def test_nothing_is_fetched(page):
    """There is no script, no style sheet, no image or font that lies elsewhere."""
    tags = Outline(page).tags
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name in ("href", "xlink:href", "src"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []


def test_ids_are_unique(page):
    """Every id of a page occurs once, twice the same figure included."""
    ids = [attributes["id"] for _, attributes in Outline(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10


@pytest.mark.slow
def test_fragments_do_not_share_ids():
    """Two different fragments can stand in one notebook."""
    first, second = (
        {attributes.get("id") for _, attributes in Outline(to_fragment(document(name))).tags}
        for name in ("zeros", "trend")
    )
    assert first & second == {None}


def test_hostile_names_are_text(render):
    """Markup in a name is shown, not obeyed, wherever the name is used."""
    outline = Outline(render(document(HOSTILE)))
    assert "script" not in {tag for tag, _ in outline.tags}
    assert all("onload" not in attributes for _, attributes in outline.tags)
    assert outline.text.count(HOSTILE) >= 6


def test_verdict_is_readable_without_colour(page):
    """A badge has its word and a mark, which readers of the screen skip."""
    outline = Outline(page)
    assert "✗FAIL" in outline.text
    assert len(set(MARKS.values())) == len(MARKS)
    assert ("span", {"class": "mark", "aria-hidden": "true"}) in outline.tags


def test_semantics(page):
    """Tables have scopes and captions, figures a name, and parts of a page are landmarks."""
    tags = Outline(page).tags
    scopes = [attributes.get("scope") for tag, attributes in tags if tag == "th"]
    assert scopes == ["col", "col", "row"]
    assert [attributes["aria-label"] for tag, attributes in tags if tag == "svg"] == [
        "Alt zeros"
    ] * 2
    sections = [attributes for tag, attributes in tags if tag == "section"]
    parts = [attributes["id"] for tag, attributes in tags if tag == "h2" and "id" in attributes]
    named = [one["aria-labelledby"] for one in sections if "aria-labelledby" in one]
    assert named == (parts if page.startswith("<!DOCTYPE") else [])


def test_page_serves_light_dark_and_paper():
    """One file has both colour schemes and a print style; a fragment leaves the page alone."""
    page = to_html(document())
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    fragment = to_fragment(document())
    style = fragment[fragment.index("<style>") + 7 : fragment.index("</style>")]
    selectors = re.findall(r"^ *([^{}@\n][^{}\n]*)\{", style, flags=re.MULTILINE)
    assert selectors
    assert all(
        part.strip().startswith(".mixcheck") for text in selectors for part in text.split(",")
    )


def test_cells_have_the_names_of_their_columns():
    """On a phone, where a row is a block; what a badge says needs none."""
    named = to_html(Document("", (Table(("m", "formula", "n"), (("a", "y ~ x", 3),)),)))
    assert 'data-of="formula"' in named
    assert 'data-of="n"' in named
    row = ("zeros", Badge("PASS", "good"), "zero ratio 1.1", 3)
    judged = to_html(Document("", (Table(("check", "verdict", "effect", "n"), (row,)),)))
    assert re.findall(r'data-of="(\w+)"', judged) == ["n"]


def test_fragments_have_no_landmarks():
    """A notebook may show many fits, with sections of one name; a page has a landmark for each."""
    document = Document("", (Section(Heading("Fixed effects", 2), (Paragraph("So."),)),))
    assert "aria-labelledby" in to_html(document)
    assert "aria-labelledby" not in to_fragment(document)
