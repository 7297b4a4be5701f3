"""Pages for those who come from other programs: what stands in their right columns runs."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt

matplotlib.use("Agg")

HOWTO = Path(__file__).parents[1] / "docs" / "howto"
PAGES = sorted(path.name for path in HOWTO.glob("from-*.md"))
TABLES = [page for page in PAGES if page != "from-dharma.md"]
# Optimisers of statsmodels stop at a gradient of 1e-5 and, of mixed models, before.
SAME = 0.02


def rows_of(page: str) -> list[tuple[str, list[str]]]:
    """Cells of tables whose right column is what to write here, with the code that they hold."""
    text = (HOWTO / page).read_text(encoding="utf-8")
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        head, _, *rows = table.splitlines()
        if not head.endswith("| mixcheck |"):
            continue
        for row in rows:
            left, right = re.split(r"(?<!\\)\|", row)[1:3]
            found.append((left, _code(right)))
    return found


def _code(cell: str) -> list[str]:
    return [code.replace(r"\|", "|") for code in re.findall(r"`([^`]+)`", cell)]


def space_of(page: str) -> dict[str, Any]:
    """What the Python of the page defines."""
    text = (HOWTO / page).read_text(encoding="utf-8")
    space: dict[str, Any] = {"__name__": "__docs__"}
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(block, page, "exec", dont_inherit=True), space)
    return space


def executable(code: str) -> str | None:
    """A call as it stands, arguments of `glmm` in one; None for words."""
    if re.match(r"(mc|m|p|fit|lmm|em|zeros)\.|-2", code):
        return code
    try:
        call = ast.parse(f"f({code})", mode="eval").body
    except SyntaxError:
        return None
    if isinstance(call, ast.Call) and call.keywords and not call.args:
        return f'mc.glmm("y ~ x + f + (1 | g)", d, {code})'
    return None


@pytest.mark.slow
@pytest.mark.parametrize("page", TABLES)
@pytest.mark.filterwarnings("ignore")
def test_what_is_to_be_written_runs(page):
    """Every call of a right column runs, with what the page defines."""
    space, run = space_of(page), 0
    for _, right in rows_of(page):
        for code in filter(None, map(executable, right)):
            exec(compile(code, f"{page}: {code}", "exec"), dict(space))
            run += 1
    plt.close("all")
    assert run >= 0.8 * len(rows_of(page))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_models_of_statsmodels_are_the_same():
    """Likelihoods of both columns agree, or the first estimates where one is restricted."""
    space, compared = space_of("from-statsmodels.md"), 0
    for left, right in rows_of("from-statsmodels.md"):
        theirs = [eval(code, dict(space)) for code in _code(left)]
        ours = [eval(code, dict(space)) for code in right]
        a, b = theirs[0], ours[0]
        if not (hasattr(a, "llf") and hasattr(b, "llf")) or "BayesMixed" in left:
            continue
        compared += 1
        k = len(b.params)
        same = abs(a.llf - b.llf) < SAME or np.allclose(a.params[:k], b.params, rtol=SAME)
        assert same, left
    plt.close("all")
    assert compared > 10
