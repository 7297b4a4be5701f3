"""CONTRIBUTING.md knows the house."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTED = dict(
    re.findall(
        r"^- `(mixcheck/[^`]+)`: (.+)$",
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
)


def test_every_file_has_its_line():
    """Every source file is listed with the first line of its docstring, and no other file."""
    source = ROOT / "src"
    first_lines = {
        path.relative_to(source).as_posix(): _first_line(path) for path in source.rglob("*.py")
    }
    assert first_lines == LISTED


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (text or "").partition("\n")[0]
