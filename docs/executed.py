"""An extension of Sphinx: the Python of a page runs, with what it prints and draws below it.

The blocks of one page share a namespace, as cells of a notebook do. What a block prints follows as
text; its last expression as it would be shown in a notebook; and figures as SVG in the colours of
the page. Assertions at the top level are for the tests, which run the same blocks, and are left out
of what is shown.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from itertools import count
from typing import Any

import matplotlib
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from mixcheck.display.svg import PAGE_STYLE, figure_to_svg

DRAWN = plt.Axes


def shown_source(source: str) -> str:
    """The block without its assertions."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assert):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (
                (node.end_lineno or node.lineno) - node.lineno + 1
            )
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def run(source: str, space: dict[str, Any], page: str) -> tuple[str, object]:
    """What a block prints, and the value of the last line that is shown, if it is an expression."""
    body = ast.parse(source).body
    last = next((one for one in reversed(body) if not isinstance(one, ast.Assert)), None)
    printed, value = io.StringIO(), None
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("error")
        for one in body:
            if one is last and isinstance(one, ast.Expr):
                value = eval(compile(ast.Expression(one.value), page, "eval"), space)
            else:
                exec(compile(ast.Module([one], []), page, "exec", dont_inherit=True), space)
    return printed.getvalue(), value


def is_drawn(value: object) -> bool:
    """Whether the value is axes, which their picture stands for."""
    return isinstance(value, DRAWN) or (
        isinstance(value, tuple) and bool(value) and all(isinstance(one, DRAWN) for one in value)
    )


def results(printed: str, value: object, names: Iterator[str]) -> list[nodes.Node]:
    """What is shown below a block."""
    found: list[nodes.Node] = []
    if printed.strip():
        found.append(as_text(printed.rstrip("\n")))
    if value is not None and not is_drawn(value):
        html = getattr(value, "_repr_html_", None)
        found.append(as_text(repr(value)) if html is None else as_html(html()))
    for number in plt.get_fignums():
        figure = plt.figure(number)
        title = next((ax.get_title(loc="left") for ax in figure.axes), "")
        svg = figure_to_svg(figure, prefix=next(names), label=title or "figure")
        wide = " wide" if len(figure.axes) > 1 else ""
        found.append(as_html(f'<figure class="drawn{wide}">{svg}</figure>'))
    plt.close("all")
    return found


def as_text(text: str) -> nodes.Node:
    """Printed text."""
    return nodes.literal_block(text, text, language="text", classes=["output"])


def as_html(html: str) -> nodes.Node:
    """HTML of a notebook; its title is no title of the page."""
    html = re.sub(r"<h1>(.*?)</h1>", r'<p class="title">\1</p>', html, flags=re.DOTALL)
    html = re.sub(r"<(/?)h[23]\b", r"<\1h4", html)
    return nodes.raw("", f'<div class="output">{html}</div>', format="html")


def execute(app: Sphinx, doctree: nodes.document) -> None:
    """Run the Python of a page that was read from Markdown."""
    page = app.env.docname
    blocks = [
        block for block in doctree.findall(nodes.literal_block) if block.get("language") == "python"
    ]
    space: dict[str, Any] = {"__name__": "__docs__"}
    names = (f"figure{k}" for k in count())
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **PAGE_STYLE, "backend": "Agg"}):
        for block in blocks:
            source = block.astext()
            try:
                printed, value = run(source, space, page)
            except Exception as error:
                raise ExtensionError(f"{page}: {error!r} in\n{source}", error) from error
            left, place = shown_source(source), block.parent.index(block)
            block.parent[place + 1 : place + 1] = results(printed, value, names)
            if left:
                block.rawsource = left
                block.children = [nodes.Text(left)]
            else:
                block.parent.remove(block)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
