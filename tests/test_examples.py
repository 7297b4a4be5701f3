"""The examples of the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import mixcheck

MODULES = [
    module.name
    for module in pkgutil.walk_packages(mixcheck.__path__, "mixcheck.")
    if module.name != "mixcheck.__main__"
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    """Every example of a module gives what it shows."""
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
