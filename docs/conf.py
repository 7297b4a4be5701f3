"""Configuration of the documentation: Sphinx, MyST Markdown and numpydoc, without network."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import mixcheck  # noqa: E402

project = "mixcheck"
author = "the authors of mixcheck"
project_copyright = "the authors of mixcheck, BSD 3-Clause License"
release = mixcheck.__version__
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
# Single backticks in docstrings are names of the library where there is one of that name.
default_role = "py:obj"
smartquotes = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

toc_object_entries = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

html_theme = "alabaster"
html_title = f"mixcheck {release}"
html_static_path = ["_static"]
html_css_files = ["mixcheck.css"]
html_show_sourcelink = False
html_theme_options = {
    "description": "Fit, check and compare generalized linear mixed models.",
    "fixed_sidebar": True,
    "page_width": "1240px",
    "body_max_width": "940px",
    "sidebar_width": "240px",
    "body_text_align": "left",
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
