"""An extension of Sphinx: pages that can be read by ear and by keyboard.

Tables without a head lose the empty one; landmarks have names, captions of the contents a level,
and text that scrolls sideways is reached by the tabulator.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

MENDED = (
    (r'<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="Pages">'),
    (r'<aside class="toc-drawer([^"]*)">', r'<aside class="toc-drawer\1" aria-label="This page">'),
    (r'role="heading">', 'role="heading" aria-level="2">'),
    (r'<th class="head[^"]*">(?:<p></p>)?</th>', "<td></td>"),
    (r"<pre>", '<pre tabindex="0">'),
    (r'<div class="table-wrapper([^"]*)">', r'<div class="table-wrapper\1" tabindex="0">'),
)


def without_empty_heads(app: Sphinx, doctree: nodes.document) -> None:
    """Take the head off tables that state facts."""
    for head in list(doctree.findall(nodes.thead)):
        if not head.astext().strip():
            head.parent.remove(head)


def mend(app: Sphinx, failed: Exception | None) -> None:
    """Mend what the theme leaves out, page by page."""
    if failed is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        mended = page
        for found, better in MENDED:
            mended = re.sub(found, better, mended)
        if mended != page:
            path.write_text(mended, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", without_empty_heads)
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
