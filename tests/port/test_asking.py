"""Which models meet a protocol."""

import pytest

from mixcheck import OptionError, check, datasets, glmm
from mixcheck.checks import Uniformity
from mixcheck.port import Checkable, Comparable, Enumerable, Refittable, port_of


class Around:
    """A class that hands on what it does not have."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


class NotAgain(Around):
    """One that says it cannot be fitted again."""

    refit = None


class Refits(Refittable):
    """A class of somebody else that is derived from a protocol."""


@pytest.fixture(scope="module")
def port():
    """A linear mixed model."""
    return port_of(glmm("Reaction ~ Days + (1 | Subject)", datasets.load("sleepstudy")))


def test_a_class_around_a_model_is_what_the_model_is(port):
    """What it hands on counts, however deep; what the model has not, it has not."""
    for protocol in (Checkable, Refittable, Comparable):
        assert isinstance(port, protocol)
        assert isinstance(Around(port), protocol)
        assert isinstance(Around(Around(port)), protocol)
        assert not isinstance(Around(object()), protocol)
    assert not isinstance(port, Enumerable)
    assert not isinstance(Around(port), Enumerable)


def test_a_method_of_none_is_none(port):
    """The usual way to say that a method is not there."""
    assert isinstance(NotAgain(port), Checkable)
    assert not isinstance(NotAgain(port), Refittable)


def test_a_class_derived_from_a_protocol_is_asked_by_its_name(port):
    """Such a class is no protocol."""
    assert not isinstance(Around(port), Refits)
    assert not isinstance(port, Refits)


def test_it_is_checked_as_the_model_is(port):
    """With the same p-value; what it hands on must be a model."""
    asked = {"seed": 3, "draws": 19, "calibration": "plug-in"}
    alone = check(port, Uniformity(), **asked)
    around = check(Around(port), Uniformity(), **asked)
    assert around.findings[0].pvalue == alone.findings[0].pvalue
    with pytest.raises(OptionError, match="Around"):
        check(Around(object()), Uniformity(), seed=3)
