"""Which models may be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.same_data import (
    is_reml,
    other_values,
    require_one_likelihood,
    require_same_data,
)
from mixcheck.port import port_of

from .conftest import Known, Traced, X


@pytest.fixture(scope="module")
def cbpp():
    """The data, with an offset and weights to use."""
    data = mc.datasets.load("cbpp")
    return data.assign(exposure=np.log(data["size"]), importance=1.5)


def _pair(cbpp, data=None, formula="incidence ~ 1 + (1 | herd)", **options):
    reference = mc.glmm("incidence ~ 1 + (1 | herd)", cbpp, family="poisson")
    return reference, mc.glmm(formula, cbpp if data is None else data, family="poisson", **options)


def test_missing_row(cbpp):
    """One row less is named with both numbers, and the remedy is to leave it out before."""
    pair = _pair(cbpp, cbpp.iloc[1:])
    with pytest.raises(mc.ComparisonError, match=r"rows \(56 and 55 observations\).*dropna"):
        mc.compare(pair)


def test_other_rows_of_the_same_number(cbpp):
    """As many rows, but others, are found by their digest."""
    with pytest.raises(mc.ComparisonError, match="differ in their r"):
        mc.compare(_pair(cbpp.iloc[1:], cbpp.iloc[:-1]))


def test_other_response(cbpp):
    """Another response is named."""
    with pytest.raises(mc.ComparisonError, match="differ in their response"):
        mc.compare(_pair(cbpp, cbpp.assign(incidence=cbpp["incidence"] + 1)))


def test_offset(cbpp):
    """An offset that only one of them has is named."""
    pair = _pair(cbpp, formula="incidence ~ 1 + offset(exposure) + (1 | herd)")
    with pytest.raises(mc.ComparisonError, match="differ in their offset"):
        mc.compare(pair)


def test_weights(cbpp):
    """Weights that only one of them has are named."""
    with pytest.raises(mc.ComparisonError, match="differ in their weights"):
        mc.compare(_pair(cbpp, weights="importance"))


def test_labels_are_named(cbpp):
    """The message says which of the models disagree."""
    one, other = _pair(cbpp, weights="importance")
    with pytest.raises(mc.ComparisonError, match="'a' and 'c'"):
        require_same_data({"a": one, "b": one, "c": other})


def _reml(**given) -> Traced:
    return Traced(likelihood_kind="restricted", **given)


def test_reml_is_recognised():
    """The model says whether the likelihood is a restricted one; words play no part."""
    assert is_reml(_reml())
    assert not is_reml(Traced())
    assert not is_reml(Known(description={"method": "reml"}))


def test_reml_beside_ml():
    """A restricted likelihood is never held against a full one."""
    with pytest.raises(mc.ComparisonError, match="'r' was fitted by REML and 'm' by maximum"):
        require_one_likelihood({"m": Known(), "r": _reml()})


def test_reml_with_other_fixed_effects():
    """Restricted likelihoods need one space of fixed effects; its basis does not matter."""
    turned = {"mean": X @ np.array([[1.0, 2.0], [0.0, 3.0]])}
    require_one_likelihood({"a": _reml(), "b": _reml(fixed_matrices=turned)})
    with pytest.raises(mc.ComparisonError, match="REML with different fixed effects"):
        require_one_likelihood({"a": _reml(), "b": _reml(fixed_matrices={"mean": X[:, :1]})})


def _counts(rows: int = 30) -> pd.DataFrame:
    """Counts in five groups crossed with three, and labels that are no positions."""
    rng = np.random.default_rng(7)
    data = pd.DataFrame(
        {
            "g": np.arange(rows) % 5,
            "h": [f"h{k}" for k in np.arange(rows) // 5 % 3],
            "x": rng.integers(0, 3, rows).astype(float),
            "w": rng.uniform(0.5, 2.0, rows).round(2),
        },
        index=[f"row {k}" for k in range(rows)],
    )
    return data.assign(y=rng.poisson(2.0, rows).astype(float))


def _differing(one: pd.DataFrame, other: pd.DataFrame, **options) -> str:
    """What two fits are said to differ in; empty where they can be compared."""
    formula = "y ~ 1 + (1 | g) + (1 | h)"
    models = [port_of(mc.glmm(formula, data, family="poisson", **options)) for data in (one, other)]
    try:
        require_same_data(dict(zip("ab", models, strict=True)))
    except mc.ComparisonError as error:
        return str(error).partition("differ in their ")[2].partition(";")[0]
    return ""


ALIKE = {
    "order": lambda d: d.sample(frac=1.0, random_state=3),
    "index": lambda d: d.reset_index(drop=True),
    "order and index": lambda d: d.sample(frac=1.0, random_state=4).reset_index(drop=True),
    "duplicated labels": lambda d: d.set_axis([0] * len(d)),
    "labels of two levels": lambda d: d.set_axis(pd.MultiIndex.from_product([range(5), range(6)])),
    "labels of several kinds": lambda d: d.sample(frac=1.0, random_state=9).set_axis(
        pd.Index([(k,) if k % 2 else k for k in range(len(d))], tupleize_cols=False)
    ),
    "order and duplicated labels": lambda d: d.sample(frac=1.0, random_state=5).set_axis(
        [0, 1] * (len(d) // 2)
    ),
    "levels": lambda d: d.assign(g=d["g"].map(lambda k: f"level {(k * 3) % 5}")),
    "all": lambda d: (
        d.assign(
            g=d["g"].map(lambda k: (k * 2) % 5 + 10), h=d["h"].map({"h0": 2, "h1": 0, "h2": 1})
        )
        .sample(frac=1.0, random_state=6)
        .reset_index(drop=True)
    ),
    "storage": lambda d: d.assign(y=d["y"].astype("int8"), x=d["x"].astype("float32")),
    "a new column": lambda d: d.assign(new=1.0).sample(frac=1.0, random_state=7),
    "a column that was centred": lambda d: d.assign(x=d["x"] - d["x"].mean()),
}
OTHERS = {
    "a response": (lambda d: d.assign(y=np.append(d["y"].to_numpy()[:-1], 9.0)), "response"),
    "responses exchanged": (lambda d: d.assign(y=d["y"].to_numpy()[::-1]), "response"),
    "a row": (lambda d: d.iloc[1:], "rows (30 and 29 observations)"),
    "a row for another": (lambda d: d.iloc[[0, 0, *range(2, len(d))]], "rows"),
    "another table": (lambda d: d.set_axis(range(len(d))).assign(x=1.0), "rows"),
}


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
@pytest.mark.parametrize("change", ALIKE.values(), ids=ALIKE)
def test_equal_up_to_order_index_and_labels(change):
    """Data that are equal up to the order, index and labels of rows and levels are the same."""
    data = _counts()
    assert _differing(data, change(data)) == ""
    assert _differing(change(data), data) == ""


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
@pytest.mark.parametrize(("change", "said"), OTHERS.values(), ids=OTHERS)
def test_other_data(change, said):
    """Other responses and other rows are found and named."""
    data = _counts()
    assert _differing(data, change(data)) == said


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
@pytest.mark.parametrize("option", ["weights", "offset"])
def test_vectors_in_another_order(option):
    """Weights and offsets belong to rows: in another order of all they are the same, else not."""
    data = _counts()
    turned = data.sample(frac=1.0, random_state=8)
    assert _differing(data, turned, **{option: "w"}) == ""
    other = turned.assign(w=turned["w"].to_numpy()[::-1])
    assert _differing(data, other, **{option: "w"}) == option


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_weights_of_one():
    """Weights that are all one are no weights."""
    data = _counts()
    formula = "y ~ 1 + (1 | g) + (1 | h)"
    plain = mc.glmm(formula, data, family="poisson")
    ones = mc.glmm(formula, data.assign(w=1), family="poisson", weights="w")
    require_same_data({"plain": port_of(plain), "ones": port_of(ones)})
    assert port_of(plain).data_digest == port_of(ones).data_digest


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_trials(cbpp):
    """As many successes out of other numbers of trials are other data."""
    models = {
        name: port_of(mc.glmm("incidence / size ~ 1 + (1 | herd)", data, family="binomial"))
        for name, data in (("a", cbpp), ("b", cbpp.assign(size=cbpp["size"] + 1)))
    }
    with pytest.raises(mc.ComparisonError, match="differ in their trials"):
        require_same_data(models)


def test_missing_value_before_and_after():
    """A fit that left a row out and a fit of the table without it are of the same rows."""
    data = _counts()
    data.loc["row 0", "y"] = np.nan
    with pytest.warns(mc.errors.DataWarning):
        before = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    after = mc.glmm("y ~ x + (1 | g)", before.frame, family="poisson")
    require_same_data({"a": port_of(before), "b": port_of(after)})
    assert port_of(before).data_digest == port_of(after).data_digest


def test_columns_that_changed():
    """A column of both formulas that holds other values is named, and only such a one."""
    data = _counts()
    fits = [
        port_of(mc.glmm("y ~ x + (1 | g)", table, family="poisson"))
        for table in (data, data.assign(x=2.0 * data["x"], w=0.0).sample(frac=1.0, random_state=1))
    ]
    assert other_values(*fits) == ("x",)
    assert "x holds other values" in mc.compare(fits).remarks[-1]


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_labels_of_other_depth():
    """Labels of two and of three levels name no common rows, which are known by contents then."""
    data = _counts()
    deep = pd.MultiIndex.from_product([range(5), range(2), range(3)])
    flat = pd.MultiIndex.from_product([range(5), range(6)])
    assert _differing(data.set_axis(deep), data.set_axis(flat)) == ""
    assert _differing(data.set_axis(flat), data.set_axis(deep)) == ""


def test_names_of_levels_are_no_change():
    """A factor under other names of its levels is what it was; of other rows it is not."""
    data = _counts()
    renamed = data.assign(g=data["g"].map(lambda k: f"level {k}"))
    permuted = data.assign(g=data["g"].to_numpy()[::-1] % 3)
    first, *others = (
        port_of(mc.glmm("y ~ x + (1 | g)", table, family="poisson"))
        for table in (data, renamed, permuted)
    )
    assert [other_values(first, other) for other in others] == [(), ("g",)]
