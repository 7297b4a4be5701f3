"""Configuration of the documentation: Sphinx, MyST Markdown and numpydoc, without network."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "docs")]

import mixcheck  # noqa: E402

project = "mixcheck"
author = "the authors of mixcheck"
project_copyright = "the authors of mixcheck, BSD 3-Clause License"
release = mixcheck.__version__
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "executed", "mathml", "accessible"]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
# Single backticks in docstrings are names of the library where there is one of that name.
default_role = "py:obj"
smartquotes = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

toc_object_entries = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = f"mixcheck {release}"
html_static_path = ["_static"]
html_css_files = ["mixcheck.css"]
html_show_sourcelink = False
html_copy_source = False
# Both have contrast above 4.5:1 on their ground.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#00694d",
        "color-brand-content": "#00694d",
        "color-brand-visited": "#5b4b8a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#45c9a2",
        "color-brand-content": "#45c9a2",
        "color-brand-visited": "#b9a7e8",
    },
}
