"""The documentation: its code runs, its links lead somewhere, and the reference is complete."""

from __future__ import annotations

import inspect
import re
import time
from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot as plt

import mixcheck as mc
from mixcheck.command.main import make_parser

matplotlib.use("Agg")

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    path.relative_to(DOCS).as_posix()
    for path in DOCS.rglob("*.md")
    if "_build" not in path.relative_to(DOCS).parts
)
ROOMS = ("checks", "datasets", "families")
# Seconds of processor time: the same whatever else the machine does.
LONGEST = 10.0
# Two sentences: an end, a space, and a capital. Initials and "e.g." end no sentence.
TWO_SENTENCES = re.compile(r"(?<![A-Z])(?<!vs)[.!?]\)? [A-Z]")


def _read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _read(page), flags=re.DOTALL | re.MULTILINE)


def _prose(page: str) -> list[str]:
    """Lines outside code, directives, tables and headings."""
    text = re.sub(r"^```.*?^```", "", _read(page), flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if line and not line.startswith(("|", "#", ":::"))]


def test_there_are_pages():
    """The pages are found at all."""
    assert {"index.md", "tutorial.md", "howto/failed-checks.md"} < set(PAGES)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page, "python")])
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """The Python blocks of a page run one after another, quickly, and leave no file behind."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {"__name__": "__docs__"}
    started = time.process_time()
    for block in _blocks(page, "python"):
        exec(compile(block, page, "exec", dont_inherit=True), space)
        plt.close("all")
    assert time.process_time() - started < LONGEST
    assert list(tmp_path.iterdir()) == []


# The list of files is made of docstrings.
@pytest.mark.parametrize("page", [page for page in PAGES if page != "developers/files.md"])
def test_one_sentence_a_line(page):
    """A line of text, of a list too, holds one sentence."""
    plain = [re.sub(r"`[^`]*`|^\d+\.", "X", line.replace("*", "")) for line in _prose(page)]
    assert [line for line in plain if TWO_SENTENCES.search(line)] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """Links to other pages lead to files."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", _read(page))
    assert [link for link in links if not ((DOCS / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_names_exist(page):
    """Whatever is written as ``mc.something`` exists."""
    for dotted in set(re.findall(r"\bmc((?:\.[A-Za-z_]\w*)+)", _read(page))):
        found: object = mc
        for name in dotted[1:].split("."):
            assert hasattr(found, name), f"mc{dotted} is no name of mixcheck"
            found = getattr(found, name)


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page):
    """Lines of the command line are words that the command understands."""
    lines = [line for block in _blocks(page, "sh") for line in block.splitlines()]
    for line in lines:
        if line.startswith("mixcheck "):
            words = [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', line)]
            assert make_parser().parse_args(words[1:]).run


def test_reference_is_complete():
    """Every public name has an entry in the reference, once; rooms have a page of theirs."""
    entries = re.findall(
        r"^\.\. auto(?:function|class|exception|data|module):: mixcheck\.(\w+)$",
        "\n".join(_read(page) for page in PAGES if page.startswith("reference/")),
        flags=re.MULTILINE,
    )
    assert sorted(entries) == sorted(set(entries))
    assert set(mc.__all__) - set(entries) == set()


CHECKS = {
    one.kind: one
    for one in vars(mc.checks).values()
    if inspect.isclass(one)
    and issubclass(one, mc.checks.Check)
    and getattr(one, "kind", None) in mc.checks.known_kinds()
}
WRAPPERS = {"by", "where", "named"}


@pytest.mark.parametrize("kind", sorted(CHECKS.keys() - WRAPPERS))
def test_every_check_has_a_page(kind):
    """It shows the check failing and passing, says what to do, and ends with its class."""
    page = _read(f"checks/{kind}.md")
    headings = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
    assert page.startswith(f"# {kind.replace('-', ' ').capitalize()}\n")
    assert headings[0] in ("It fails", "It warns")
    assert headings[1] == "It passes"
    assert {"What to try", "How it is written"} <= set(headings)
    assert f".. autoclass:: mixcheck.checks.{CHECKS[kind].__name__}\n" in page
    for block in _blocks(f"checks/{kind}.md", "python"):
        assert re.search(r"^report(\[.*\]|\.findings\[0\])$", block, flags=re.MULTILINE)


def test_pages_of_checks_are_listed():
    """The list of checks has the first line of each docstring, as `mixcheck explain` prints it."""
    rows = {
        kind: f"| [{kind.replace('-', ' ').capitalize()}]({kind}.md) "
        f"| {(inspect.getdoc(one) or '').splitlines()[0]} |"
        for kind, one in sorted(CHECKS.items())
        if kind not in WRAPPERS
    }
    listed = [line for line in _read("checks/index.md").splitlines() if line.startswith("| [")]
    assert listed == list(rows.values())


def test_the_gallery_has_every_picture():
    """Each function of `mixcheck.plots` is drawn in the gallery."""
    drawn = set(re.findall(r"^mc\.plots\.(\w+)\(", _read("gallery.md"), flags=re.MULTILINE))
    assert drawn == set(mc.plots.__all__) - {"data"}


def test_every_option_of_the_command_is_explained():
    """The page of the command names every command and every option."""
    page = _read("reference/command-line.md")
    for parser in _parsers(make_parser()):
        for action in parser._actions:
            for option in action.option_strings:
                assert option.startswith("--no-") or option in ("-h", "--help") or option in page


def _parsers(parser: ArgumentParser) -> list[ArgumentParser]:
    inner = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    found = [parser]
    for action in inner:
        for child in action.choices.values():
            found += _parsers(child)
    return found
