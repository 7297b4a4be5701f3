"""Which models may be compared."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.comparison.same_data import (
    is_reml,
    require_one_likelihood,
    require_same_data,
)

from .conftest import Known, X


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


def _reml(**given) -> Known:
    return Known(description={"method": "REML"}, **given)


def test_reml_is_recognised():
    """The method says whether the likelihood is a restricted one."""
    assert is_reml(_reml())
    assert not is_reml(Known())


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
