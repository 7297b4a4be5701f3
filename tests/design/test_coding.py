"""Terms to columns."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from mixcheck.design import coding
from mixcheck.design.coding import Coding, pieces_of, require_room, require_time
from mixcheck.errors import DesignError

F = Coding("f", levels=pd.Index(["a", "b", "c"]))
G = Coding("g", levels=pd.Index(["u", "v"]))
X = Coding("x")
CODINGS = [F, G, X]

# Positions in CODINGS, and the columns.
COLUMNS = {
    ((), (0,)): ["Intercept", "f[T.b]", "f[T.c]"],
    ((0,), (1,)): ["f[a]", "f[b]", "f[c]", "g[T.v]"],
    ((), (2,), (2, 0)): ["Intercept", "x", "x:f[T.b]", "x:f[T.c]"],
    ((), (2, 0)): ["Intercept", "x:f[a]", "x:f[b]", "x:f[c]"],
    ((0, 1),): ["f[a]:g[u]", "f[b]:g[u]", "f[c]:g[u]", "f[a]:g[v]", "f[b]:g[v]", "f[c]:g[v]"],
    # R codes g by contrasts here, since f lies within f:x.
    ((), (0, 2), (0, 1)): [
        "Intercept", "f[a]:x", "f[b]:x", "f[c]:x", "f[a]:g[T.v]", "f[b]:g[T.v]", "f[c]:g[T.v]"],
}  # fmt: skip


@pytest.mark.parametrize(("terms", "columns"), COLUMNS.items(), ids=str)
def test_columns(terms: tuple[tuple[int, ...], ...], columns: list[str]) -> None:
    """Factors are coded in full where nothing before spans them."""
    pieces = pieces_of(terms, CODINGS)
    assert [label for piece in pieces for label in piece.labels(CODINGS)] == columns
    assert sum(piece.width(CODINGS) for piece in pieces) == len(columns)


def test_full_rank() -> None:
    """Whatever the terms, the columns are independent on a complete layout."""
    cells = list(itertools.product(range(3), range(2), np.linspace(-1.0, 1.3, 7)))
    values = [
        np.array([c[0] for c in cells]),
        np.array([c[1] for c in cells]),
        np.array([[c[2]] for c in cells]),
    ]
    every = [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    for size in range(1, 9):
        for terms in itertools.combinations(every, size):
            pieces = pieces_of(terms, CODINGS)
            made = [c for piece in pieces for c in piece.columns(CODINGS, values)]
            matrix = np.column_stack([np.broadcast_to(c, (len(cells),)) for c in made])
            assert np.linalg.matrix_rank(matrix) == matrix.shape[1], terms


def test_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit, or takes hours, is refused with its size."""
    monkeypatch.setattr(coding, "_memory", lambda: 2**30)
    require_room(10_000, 1_000, "c")
    with pytest.raises(DesignError, match=r"50 columns for 1000000 rows and needs 0\.4 GB, more"):
        require_room(1_000_000, 50, "c")
    with pytest.raises(DesignError, match=r"hours for every fit; `c` gives .*\(1 \| c\)"):
        require_time(40_000, 20_000, "c")


def test_products_of_many_factors() -> None:
    """A product of eight factors is one piece, and more factors than can be are refused."""
    many = [Coding(f"b{i}", levels=pd.Index([False, True])) for i in range(11)]
    (piece,) = pieces_of([tuple(range(8))], many)
    assert piece.width(many) == 256
    with pytest.raises(DesignError, match=r"has 2\^11 columns at least"):
        pieces_of([tuple(range(11))], many)
