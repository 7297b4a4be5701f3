"""Nesting by matrices."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixcheck as mc
from mixcheck.comparison.nesting import (
    added_fixed,
    added_random,
    contains,
    covariance_parameters,
    why_not_nested,
)
from mixcheck.port import port_of

from .conftest import Known, N, X


def _with(columns: int, effects: int) -> Known:
    """A model with the first powers of x, fixed and (correlated) random."""
    powers = np.vander(np.linspace(-1.0, 1.0, N), 6, increasing=True)
    covariance = effects * (effects + 1) // 2
    return Known(
        n_parameters=columns + covariance,
        fixed_matrices={"mean": powers[:, :columns]},
        random_terms={"t": ("g", powers[:, :effects])} if effects else {},
    )


SIZES = st.tuples(st.integers(1, 4), st.integers(0, 3))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SIZES, SIZES)
def test_nested_where_both_parts_are(small, large):
    """Powers of x are nested exactly where neither part is smaller and one is larger."""
    nested = not why_not_nested(_with(*small), _with(*large))
    assert nested == (small != large and small[0] <= large[0] and small[1] <= large[1])


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SIZES, SIZES, SIZES)
def test_nesting_is_transitive(one, two, three):
    """A model nested in a nested model is nested."""
    a, b, c = (_with(*sizes) for sizes in (one, two, three))
    if not why_not_nested(a, b) and not why_not_nested(b, c):
        assert not why_not_nested(a, c)


def test_what_is_added():
    """The fixed effects, random terms and covariance parameters that are new are counted."""
    small, large = _with(1, 1), _with(3, 2)
    assert added_fixed(small, large) == 2
    assert added_random(small, large) == ("t",)
    assert (covariance_parameters(small), covariance_parameters(large)) == (1, 3)


def test_correlating_adds_no_effect():
    """A term that joins the effects of two terms of one group is not new."""
    apart = Known(random_terms={"a": ("g", X[:, :1]), "b": ("g", X[:, 1:])})
    together = Known(random_terms={"c": ("g", X)})
    assert added_random(apart, together) == ()


@pytest.fixture(scope="module")
def table():
    """Twenty groups of ten, a factor across them, and a Gaussian response."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(20), 10)
    data = pd.DataFrame({"g": g, "b": np.tile(np.arange(5), 40)})
    data["x"], data["z"] = rng.normal(size=(2, 200))
    return data.assign(y=1.0 + data["x"] / 2.0 + rng.normal(size=20)[g] + rng.normal(size=200))


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_a_factor_is_what_its_levels_hold(table):
    """Of one name with other memberships it is another factor; glmmTMB's test has p = 0.1075."""
    larger = mc.glmm("y ~ x + z + (1 | g)", table)
    right = mc.glmm("y ~ x + (1 | g)", table)
    permuted = table.assign(g=np.random.default_rng(1).permutation(table["g"].to_numpy()))
    wrong = mc.glmm("y ~ x + (1 | g)", permuted)
    assert mc.lrt(right, larger).pvalue == pytest.approx(0.1075, abs=5e-5)
    for pair in ((wrong, larger), (right, mc.glmm("y ~ x + z + (1 | g)", permuted))):
        with pytest.raises(mc.ComparisonError, match="no random term of the larger model"):
            mc.lrt(*pair)
    assert mc.compare({"a": wrong, "b": larger}).to_frame()["lrt_pvalue"].isna().all()


@settings(deadline=None, derandomize=True, max_examples=4)
@given(st.permutations(range(20)), st.randoms(use_true_random=False))
def test_order_and_labels_play_no_part(table, levels, rng):
    """The test is the same in another order of rows and with other labels of the levels."""
    order = list(range(len(table)))
    rng.shuffle(order)
    other = table.assign(g=table["g"].map(dict(enumerate(levels)))).iloc[order]
    smaller, larger = "y ~ x + (1 | g)", mc.glmm("y ~ x + z + (1 | g)", table)
    expected = mc.lrt(mc.glmm(smaller, table), larger).pvalue
    for data in (other, other.reset_index(drop=True)):
        assert mc.lrt(mc.glmm(smaller, data), larger).pvalue == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_a_crossing_has_no_order(table):
    """g:b and b:g are one factor."""
    smaller, larger = mc.glmm("y ~ 1 + (1 | g:b)", table), mc.glmm("y ~ 1 + (1|g) + (1|b:g)", table)
    assert mc.lrt(smaller, larger).df == 1


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_precision_is_part_of_the_model(table):
    """A model with another precision is no special case: its likelihood may be higher."""
    weighted = table.assign(p=np.where(table["b"] > 2, 4.0, 1.0))
    smaller = mc.glmm("y ~ 1 + (1 | g)", weighted)
    larger = mc.glmm("y ~ x + (1 | g)", weighted, precision="p")
    with pytest.raises(mc.ComparisonError, match="offset or a precision"):
        mc.lrt(smaller, larger)
    free = mc.glmm("y ~ 1 + (1 | g)", weighted, dispersion="~ log(p)")
    assert mc.lrt(mc.glmm("y ~ 1 + (1 | g)", weighted, precision="p"), free).df == 1
    assert contains(port_of(free), port_of(smaller))


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
@pytest.mark.parametrize("effects", ["0 + f", "f", "0 + f + x"])
def test_crossed_intercepts_are_effects_within_groups(effects):
    """(1 | g/f) is (f | g) with equal variances and covariances, whatever the coding of f."""
    rng = np.random.default_rng(5)
    g, f = np.repeat(np.arange(20), 9), np.tile(np.arange(3), 60)
    shared, own = rng.normal(size=20)[g], rng.normal(size=(20, 3))[g, f]
    data = pd.DataFrame({"g": g, "f": [f"level {k}" for k in f], "x": rng.normal(size=180)})
    data = data.assign(h=rng.permutation(data["f"]), y=shared + own + rng.normal(size=180))
    data = data.iloc[1:].sample(frac=1.0, random_state=1)
    larger = mc.glmm(f"y ~ 1 + ({effects} | g)", data)
    smaller = mc.glmm("y ~ 1 + (1 | g/f)", data)
    other = mc.glmm("y ~ 1 + (1 | g/h)", data)
    if effects == "0 + f + x":
        # Rows of its matrix are no cells, and a model that is held is not recognised.
        assert not contains(port_of(larger), port_of(smaller))
        return
    assert smaller.llf <= larger.llf
    assert contains(port_of(larger), port_of(smaller))
    assert not contains(port_of(smaller), port_of(larger))
    assert not contains(port_of(larger), port_of(other))
    with pytest.raises(mc.ComparisonError, match="is a special case"):
        mc.vuong(smaller, larger)
    with pytest.raises(mc.ComparisonError, match="ties its random effects"):
        mc.lrt(smaller, larger)
    assert math.isfinite(mc.vuong(other, larger).variance_pvalue)
