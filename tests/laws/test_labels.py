"""Labels of groups and levels, whatever holds them: found where they are the same, named if not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import UnseenLevelError

N = 96

# Storages of one kind of label hold the same labels.
NUMBERS: dict[str, Callable[[pd.Series[Any]], Any]] = {
    "int64": lambda g: g,
    "int8": lambda g: g.astype("int8"),
    "uint16": lambda g: g.astype("uint16"),
    "float": lambda g: g.astype(float),
    "nullable": lambda g: g.astype("Int64"),
    "arrow": lambda g: g.astype("int64[pyarrow]"),
    "category": lambda g: g.astype("category"),
    "object": lambda g: g.astype(object),
}
TEXT: dict[str, Callable[[pd.Series[Any]], Any]] = {
    "str": lambda g: g.astype(str),
    "object": lambda g: g.astype(str).astype(object),
    "string": lambda g: g.astype(str).astype("string"),
    "arrow": lambda g: g.astype(str).astype("string[pyarrow]"),
    "category": lambda g: g.astype(str).astype("category"),
}
DATES: dict[str, Callable[[pd.Series[Any]], Any]] = {
    "ns": lambda g: pd.to_datetime(g, unit="D").astype("datetime64[ns]"),
    "s": lambda g: pd.to_datetime(g, unit="D").astype("datetime64[s]"),
}
KINDS = {"numbers": NUMBERS, "text": TEXT, "dates": DATES}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Eight groups, and a response with effects of them."""
    rng = np.random.default_rng(8)
    g = np.arange(N) % 8
    x = rng.normal(size=N)
    y = x + rng.normal(0.0, 1.0, 8)[g] + rng.normal(0.0, 0.5, N)
    return pd.DataFrame({"y": y, "x": x, "g": g + 1})


@pytest.fixture(scope="module")
def fits(data: pd.DataFrame) -> dict[str, mc.GLMM]:
    """One fit for each kind of labels."""
    makers = {kind: next(iter(storages.values())) for kind, storages in KINDS.items()}
    return {
        kind: mc.glmm("y ~ x + (1 | g)", data.assign(g=make(data.g)))
        for kind, make in makers.items()
    }


@pytest.mark.parametrize(
    ("kind", "storage"), [(kind, s) for kind, storages in KINDS.items() for s in storages]
)
def test_every_storage_finds_its_groups(
    data: pd.DataFrame, fits: dict[str, mc.GLMM], kind: str, storage: str
) -> None:
    """New data predict the same from every storage of one kind, and fit the same model."""
    stored = data.assign(g=KINDS[kind][storage](data.g))
    np.testing.assert_array_equal(fits[kind].predict(stored), fits[kind].predict(data.assign(
        g=next(iter(KINDS[kind].values()))(data.g))))  # fmt: skip
    assert mc.glmm("y ~ x + (1 | g)", stored).llf == pytest.approx(fits[kind].llf, abs=1e-9)


@pytest.mark.parametrize("unseen", ["error", "zero"])
@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_is_named(
    data: pd.DataFrame, fits: dict[str, mc.GLMM], kind: str, other: str, unseen: Any
) -> None:
    """Labels of another kind are never taken for unseen ones: both kinds are in the message."""
    if kind == other:
        return
    for make in KINDS[other].values():
        with pytest.raises(UnseenLevelError, match=rf"`g` has {kind} in the fit and {other} in"):
            fits[kind].predict(data.assign(g=make(data.g)), unseen=unseen)


@pytest.mark.parametrize("effects", ["zero", "marginal"])
def test_labels_do_not_matter_without_groups(
    data: pd.DataFrame, fits: dict[str, mc.GLMM], effects: Any
) -> None:
    """Where groups are not used, neither their kind nor their presence counts."""
    for fit in fits.values():
        wanted = fit.predict(random_effects=effects)
        for new in (data, data.drop(columns="g"), data.assign(g=None)):
            np.testing.assert_allclose(fit.predict(new, random_effects=effects), wanted, rtol=1e-12)
