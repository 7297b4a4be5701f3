"""Trees in Newick's format."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.checks.newick import read_newick
from mixcheck.errors import OptionError


def test_shared_ways_are_the_covariance_of_a_brownian_motion():
    """By hand: two species share 1 of 2, a third nothing."""
    shared = read_newick("(('Homo sapiens':1,Pan_t:1)hominini:2[&95],'it''s':3)root;")
    assert list(shared.index) == ["Homo sapiens", "Pan_t", "it's"]
    np.testing.assert_allclose(shared, [[1, 2 / 3, 0], [2 / 3, 1, 0], [0, 0, 1]])


def test_deep_trees_need_no_recursion():
    """A comb of 1,500 leaves."""
    text = "(" * 1499 + "a0:1" + "".join(f",a{k}:1):1" for k in range(1, 1500)) + ";"
    shared = read_newick(text)
    assert shared.shape == (1500, 1500)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Newick"),
        ("abc", "Newick"),
        ("(a,b);", "lengths"),
        ("((a:1,b:1)", "Newick"),
        ("a:1,b:1);", "Newick"),
        ("(a:1,b:-1);", "number from 0, found '-1'"),
        ("(a:1,b:x);", "found 'x'"),
        ("(a:1,a:1);", "two leaves of the tree are called 'a'"),
    ],
)
def test_what_is_no_tree_is_answered(text, words):
    """With an example of one."""
    with pytest.raises(OptionError, match=words):
        read_newick(text)
