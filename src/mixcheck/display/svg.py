"""Pictures as SVG that takes its colours and its fonts from the page it stands on."""

from __future__ import annotations

import re
from html import escape
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mixcheck.display.document import Picture
from mixcheck.display.figures import draw, height_of
from mixcheck.errors import OptionError

__all__ = ["PAGE_STYLE", "figure_to_svg", "to_svg"]

# A colour that nothing else uses: it stands for the page's text until the SVG is written.
_FOREGROUND = "#010203"
_RASTER_DPI = 144
_FONTS = "var(--sans, system-ui, sans-serif)"

# A figure drawn in this style becomes SVG in the colours of the page by `figure_to_svg`.
PAGE_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mixcheck",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": _FOREGROUND,
    "text.usetex": False,
    "axes.edgecolor": _FOREGROUND,
    "axes.labelcolor": _FOREGROUND,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "xtick.color": _FOREGROUND,
    "ytick.color": _FOREGROUND,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
}


def to_svg(
    picture: Picture,
    *,
    width: float = 4.6,
    height: float | None = None,
    prefix: str = "figure",
    label: str = "",
) -> str:
    """One picture as an SVG element that takes its text colour from the page.

    Text and axes are ``currentColor`` on a transparent ground, so that one drawing serves
    a light and a dark page. The same picture always gives the same characters.

    Parameters
    ----------
    picture : Picture
    width, height : float
        Inches; the height follows from the picture where it is not given.
    prefix : str
        Put before every id, since the ids of all figures on a page share one space.
    label : str
        What the figure shows, in words; its title where empty.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", prefix):
        raise OptionError(
            f"a prefix is a letter followed by letters, digits, '-' or '_', found {prefix!r}"
        )
    style: dict[Any, Any] = {**dict(matplotlib.rcParamsDefault), **PAGE_STYLE}
    with matplotlib.rc_context(style):
        figure = Figure(
            figsize=(width, height_of(picture) if height is None else height), layout="constrained"
        )
        FigureCanvasSVG(figure)
        draw(picture, figure.subplots()).set_title("", loc="left")
        return figure_to_svg(figure, prefix=prefix, label=label or picture.title or "figure")


def figure_to_svg(figure: Figure, *, prefix: str, label: str) -> str:
    """A figure that was drawn in `PAGE_STYLE` as an SVG element; arguments as of `to_svg`."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", dpi=_RASTER_DPI, metadata={"Date": None})
    return _themed(buffer.getvalue(), prefix, label)


def _themed(svg: str, prefix: str, label: str) -> str:
    """The SVG element alone: page colours, prefixed ids, a title, no metadata, no global style."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # An inline style element would apply to the whole page.
    svg = re.sub(r"\s*<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]+>", lambda tag: _themed_tag(tag.group(), prefix), svg)
    name = escape(label)
    box = re.search(r'viewBox="([^"]*)"', svg)
    size = box.group(1) if box else "0 0 1 1"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{size}" role="img" aria-label="{name}" '
        f'style="stroke-linejoin: round; stroke-linecap: butt">\n <title>{name}</title>'
    )
    return head + svg[svg.index(">") + 1 :]


def _themed_tag(tag: str, prefix: str) -> str:
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = tag.replace("url(#", f"url(#{prefix}-").replace('href="#', f'href="#{prefix}-')
    tag = re.sub(r"font-family: [^;\"]*", f"font-family: {_FONTS}", tag)
    tag = re.sub(r"font: ([\d.]+px) [^;\"]*", rf"font: \1 {_FONTS}", tag)
    return tag.replace(_FOREGROUND, "currentColor")
