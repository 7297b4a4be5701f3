"""``mixcheck explain``: what a check asks, and how it is written."""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import re

from mixcheck import checks
from mixcheck.checks.check import Check
from mixcheck.command.checks import PASSED
from mixcheck.errors import UnknownCheckError

__all__ = ["EXAMPLE", "HELP", "add", "run"]

HELP = "what a check asks, its statistic and effect, and how it is written"
EXAMPLE = "mixcheck explain dispersion"
# Where the documentation has a page for each check.
PAGES = "docs/checks"


def add(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    parser.add_argument(
        "check", metavar="CHECK", nargs="?", help="such as dispersion; without one, all are listed"
    )


def run(options: argparse.Namespace) -> int:
    """Say what is known of a check."""
    known = _known()
    if options.check is None:
        longest = max(map(len, known))
        print("\n".join(f"{name:{longest}}  {_first_line(kind)}" for name, kind in known.items()))
        return PASSED
    spelled = {_plain(name): name for name in known}
    asked = _plain(options.check)
    if asked not in spelled:
        near = [spelled[one] for one in difflib.get_close_matches(asked, spelled, 3)]
        hint = f"did you mean {', '.join(near)}?" if near else "mixcheck explain lists all"
        raise UnknownCheckError(f"no check is called {options.check!r}; {hint}")
    name = spelled[asked]
    kind = known[name]
    needed = {
        one.name: "..."
        for one in inspect.signature(kind).parameters.values()
        if one.default is one.empty
    }
    print(f"{kind.__qualname__}\n{'=' * len(kind.__qualname__)}\n\n{inspect.getdoc(kind)}\n")
    print(f"Failing and passing, with what to try: {PAGES}/{name}.md")
    print(f"In Python: {kind.__qualname__}({', '.join(needed)})")
    print(f"In a file of a suite: {json.dumps({'kind': name} | needed)}")
    return PASSED


def _known() -> dict[str, type[Check]]:
    """Checks that can be written in a file, by their kind."""
    found = [getattr(checks, name) for name in checks.__all__]
    kinds = [one for one in found if isinstance(one, type) and issubclass(one, Check)]
    named = [one for one in kinds if one is not Check]
    return {one.kind: one for one in sorted(named, key=lambda one: one.kind)}


def _first_line(kind: type[Check]) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0]


def _plain(name: str) -> str:
    """A name without what kinds and classes are written apart by."""
    return re.sub(r"[\s_-]", "", name).lower()
