"""SVG of pictures: its own, of the page's colours, whatever the user's style."""

import functools
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from mixcheck.display.document import NullPlot, QuantilePlot, ResidualPlot
from mixcheck.display.figures import MOST_POINTS, RASTERISE_ABOVE
from mixcheck.display.svg import to_svg
from mixcheck.errors import OptionError


@functools.cache
def drawn(picture, **options):
    """An SVG that several tests look at."""
    return to_svg(picture, **options)


def ids_of(svg):
    """Every id of an SVG."""
    return re.findall(r'\bid="([^"]*)"', svg)


def references_of(svg):
    """Every id that an SVG refers to."""
    return re.findall(r'(?:href="#|url\(#)([^")]*)', svg)


def test_svg_is_deterministic_and_themable(picture):
    """The same picture gives the same well-formed SVG, its text in the page's colour."""
    svg = drawn(picture, prefix="f1")
    assert svg == to_svg(picture, prefix="f1")
    ElementTree.fromstring(svg)
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "#ffffff" not in svg


def test_svg_ids_are_its_own(picture):
    """Every id has the prefix, is unique, and no reference dangles."""
    svg = drawn(picture, prefix="f1")
    ids = ids_of(svg)
    assert len(ids) == len(set(ids)) > 0
    assert all(name.startswith("f1-") for name in ids)
    assert set(references_of(svg)) <= set(ids)


def test_svg_is_self_contained(picture):
    """No style sheet, no metadata and nothing to fetch; text stays text."""
    svg = drawn(picture, prefix="f1")
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert "<text" in svg
    assert all(link.startswith("data:") for link in re.findall(r'href="([^#"][^"]*)"', svg))


def test_svg_does_not_depend_on_the_users_style(picture):
    """A user's rcParams neither change the SVG nor are changed."""
    plain = drawn(picture, prefix="f1")
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20.0, "text.color": "blue"}):
        before = dict(matplotlib.rcParams)
        assert to_svg(picture, prefix="f1") == plain
        assert dict(matplotlib.rcParams) == before


def test_svg_has_a_name():
    """The title says what is shown, escaped, and words like ids are left alone in text."""
    picture = NullPlot(np.arange(5.0), 7.0, x_label='id="x" url(#y)')
    svg = to_svg(picture, label='zeros: <FAIL> & "more"')
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == 'zeros: <FAIL> & "more"'
    assert root.find("{http://www.w3.org/2000/svg}title").text == 'zeros: <FAIL> & "more"'
    assert 'id="x" url(#y)' in "".join(root.itertext())


def test_bad_prefix():
    """A prefix that is no identifier is refused."""
    with pytest.raises(OptionError, match="a letter followed by"):
        to_svg(NullPlot(np.arange(5.0), 7.0), prefix='"><script>')


def test_many_points_are_rasterised_and_thinned():
    """Above the limits points become an image, fewer are drawn and the label says so."""
    n = MOST_POINTS + 1_000
    x = np.linspace(0.0, 1.0, n)
    few = to_svg(ResidualPlot(x[: RASTERISE_ABOVE - 1], x[: RASTERISE_ABOVE - 1]))
    assert "data:image/png" not in few
    for picture in (ResidualPlot(x, x), QuantilePlot(x, x)):
        svg = to_svg(picture)
        assert "data:image/png" in svg
        assert f"({MOST_POINTS:,} of {n:,} points drawn)" in svg


def test_dollars_are_dollars():
    """Two dollars in a label are no formula."""
    svg = to_svg(NullPlot(np.arange(5.0), 7.0, x_label="from $5 to $9"))
    assert "from $5 to $9" in svg
