"""The examples of the docstrings run."""

from __future__ import annotations

import doctest
import importlib.util
import pkgutil

import pytest

import mixcheck

MODULES = [
    module.name
    for module in pkgutil.walk_packages(mixcheck.__path__, "mixcheck.")
    if ">>>" in (importlib.util.find_spec(module.name).loader.get_source(module.name) or "")
]
LONG = (
    "mixcheck.checks.laplace_adequacy",
    "mixcheck.selection.inclusion",
    "mixcheck.selection.suggestions",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in MODULES],
)
def test_examples_run(name):
    """Every example of a module gives what it shows."""
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0
