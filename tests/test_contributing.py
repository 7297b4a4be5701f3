"""The list of files is current; ``python tests/test_contributing.py`` writes it anew."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "developers" / "files.md"
ROOMS = (
    "mixcheck",
    *(
        f"mixcheck/{room}"
        for room in (
            "arguments",
            "execution",
            "codec",
            "display",
            "families",
            "design",
            "inference",
            "port",
            "design/covariances",
            "fitting",
            "fitting/latent",
            "fitting/likelihood",
            "fitting/estimation",
            "fitting/predictive",
            "fitting/influence",
            "fitting/results",
            "fitting/partitions",
            "adapters",
            "adapters/statsmodels",
            "elsewhere",
            "report",
            "checks",
            "marginal",
            "comparison",
            "selection",
            "datasets",
            "plots",
            "command",
            "command/verbs",
        )
    ),
)


def _files() -> dict[str, str]:
    """First line of the docstring of every source file, room by room."""
    source = ROOT / "src"
    lines = {path.relative_to(source): _first_line(path) for path in source.rglob("*.py")}
    ordered = sorted(lines, key=lambda path: (ROOMS.index(path.parent.as_posix()), path.name))
    return {path.as_posix(): lines[path] for path in ordered}


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().removeprefix('"""').removesuffix('"""')


def _listed() -> list[tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^- `(mixcheck/[^`]+)`: (.+)$", text, flags=re.MULTILINE)


def test_every_file_has_its_line():
    """Every source file is listed with the first line of its docstring, room by room."""
    assert _listed() == list(_files().items())


def test_rooms_stand_together():
    """The files of one room are listed in one place."""
    rooms = [room for room, _ in groupby(name.rpartition("/")[0] for name, _ in _listed())]
    assert len(rooms) == len(set(rooms))


def test_links_of_the_page_lead_somewhere():
    """CONTRIBUTING.md links to files that exist, and is a page and no more."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert len(text.splitlines()) < 60


if __name__ == "__main__":
    head, _, _ = PAGE.read_text(encoding="utf-8").partition("\n- `mixcheck/")
    lines = "\n".join(f"- `{name}`: {line}" for name, line in _files().items())
    PAGE.write_text(f"{head}\n{lines}\n", encoding="utf-8")
