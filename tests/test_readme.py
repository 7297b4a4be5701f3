"""The README: its code runs, and its commands are those that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mixcheck
from mixcheck.command.main import make_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEST_COMMAND = 'python -m pip install ".[test]" && python -m pytest -n auto'


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def _remarked(code: str) -> list[str]:
    """What comments at the ends of lines say is printed."""
    return re.findall(r"# (?:.*: )?([-\d.]+(?: [-\d.]+)*)$", code, flags=re.MULTILINE)


@pytest.mark.slow
def test_python_blocks_run(capsys, tmp_path, monkeypatch):
    """The Python blocks run one after another, and print what the text says."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for block in _blocks("python"):
        exec(compile(block, "README.md", "exec"), space)
    out = capsys.readouterr().out
    for shown in (*"".join(_blocks("text")).splitlines(), *_remarked("".join(_blocks("python")))):
        assert shown in out
    assert list(tmp_path.iterdir()) == []


def test_commands_exist():
    """The lines of the command line are words that the command understands."""
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("mixcheck ")]
    assert len(commands) == 2
    for line in commands:
        words = [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', line)]
        assert make_parser().parse_args(words[1:]).run


def test_the_test_command_is_the_one_that_is_run():
    """The gate runs the very test command of the README."""
    assert TEST_COMMAND in README
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert TEST_COMMAND in gate


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link):
    """Links to files of the repository lead to files."""
    assert (ROOT / link).exists()


def test_the_citation_names_this_version():
    """The version to be cited is the one that is here."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {mixcheck.__version__}\n" in text
