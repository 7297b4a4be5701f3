"""The criteria that models are ranked by."""

from __future__ import annotations

import pickle

import pytest

import mixcheck as mc
from mixcheck.command.main import make_parser
from mixcheck.comparison.registry import CRITERIA, get_criterion


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_each_is_a_public_function(name):
    """A criterion is called as its function is, and goes to workers and back."""
    found = get_criterion(name)
    assert (found.name, found.function) == (name, getattr(mc, name))
    assert name in found.heading.lower()
    assert pickle.loads(pickle.dumps(found)) == found


def test_unknown_criterion():
    """What is no criterion is refused with those that are."""
    with pytest.raises(mc.OptionError, match=r"'aic', 'aicc', 'bic', .*'tic', or a f"):
        get_criterion("r2")
    with pytest.raises(mc.OptionError, match="must be a name"):
        get_criterion(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_one_vocabulary(name):
    """The table, the search and the command rank by the same criteria, to the same numbers."""
    cbpp = mc.datasets.load("cbpp")
    texts = {"constant": "incidence / size ~ 1 + (1 | herd)"}
    texts["seasonal"] = "incidence / size ~ period + (1 | herd)"
    table = mc.compare(
        {label: mc.glmm(text, cbpp, family="binomial") for label, text in texts.items()},
        criterion=name,
    )
    found = mc.select(texts["seasonal"], cbpp, family="binomial", criterion=name)
    assert table.heading == found.criterion
    searched = {model.description["formula"]: model.value for model in found.models}
    assert searched[texts["seasonal"]] == pytest.approx(table.best.criterion, rel=1e-9)
    words = ["compare", "dataset:cbpp", "--formula", "y ~ x", "--family", "poisson"]
    assert make_parser().parse_args([*words, "--criterion", name]).criterion == name
