"""The walls of the house, as pyproject.toml draws them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "mixcheck"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 60
LONGEST_FILE = 500
FORBIDDEN_NAMES = {"utils", "common", "helpers", "core", "base"}


LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_every_contract_is_kept():
    """The import contracts are all there and all kept."""
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    found = subprocess.run(
        [sys.executable, "-c", LINT, *config], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "4 kept, 0 broken" in found.stdout


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node; no expression holds one."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, block, ()):
            yield child
            yield from _statements(child)


def test_no_files_import_each_other_in_a_circle():
    """Files can be read one after the other, each after all that it imports.

    Imports count wherever they stand: within functions and for types only, too.
    """
    graph = grimp.build_graph("mixcheck", cache_dir=None)
    unread = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(unread) == len(MODULES)
    assert any(unread.values())

    def ends() -> set[str]:
        """Files that need nothing unread, or that nothing unread needs: in no circle."""
        needed = set().union(*unread.values())
        return {name for name, needs in unread.items() if not needs or name not in needed}

    while found := ends():
        unread = {name: needs - found for name, needs in unread.items() if name not in found}
    assert unread == {}


def test_modules_are_typed_and_named_well():
    """A module has a docstring, postponed annotations where it defines anything, and a name."""
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert re.match(r'r?"""\S', text), path
        assert path.stem not in FORBIDDEN_NAMES, path
        defines = re.search(r"^(async def|def|class) ", text, re.MULTILINE)
        future = re.search(r"^from __future__ import ", text, re.MULTILINE)
        assert future or not defines, path


def test_no_file_is_long():
    """A file has one purpose, and fewer than 500 lines with all that is said in it."""
    lengths = {path.name: path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert lengths
    assert {name: length for name, length in lengths.items() if length >= LONGEST_FILE} == {}


def test_no_function_is_long():
    """No function has more than 60 lines of code, its docstring left out."""
    looked = [path for path in MODULES if _longest_stretch(path) > LONGEST]
    lengths = {
        f"{path.stem}.{node.name}": _code_lines(node)
        for path in looked
        for node in _statements(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def _longest_stretch(path: Path) -> int:
    """Most lines from a function to the next definition outside it: no fewer than the function has.

    Files in which it is short need not be parsed, which takes all the time.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    starts = [
        (row, len(found.group(1)), found.group(2) != "class")
        for row, line in enumerate(lines)
        if (found := re.match(r"( *)(async def|def|class) ", line))
    ]
    longest = 0
    for k, (row, indent, is_function) in enumerate(starts):
        after = (other for other, depth, _ in starts[k + 1 :] if depth <= indent)
        if is_function:
            longest = max(longest, next(after, len(lines)) - row)
    return longest


def _code_lines(node: ast.FunctionDef) -> int:
    body = node.body
    if ast.get_docstring(node) is not None:
        body = body[1:]
    return sum(child.end_lineno - child.lineno + 1 for child in body)
