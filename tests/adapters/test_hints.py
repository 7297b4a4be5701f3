"""What is said of models that keep too little."""

from __future__ import annotations

import pytest

import mixcheck as mc
from mixcheck.adapters.hints import WAYS
from mixcheck.errors import OptionError


@pytest.mark.parametrize("package", sorted(WAYS))
def test_each_package_is_told_what_to_write(package):
    """The message names the class, the package and a call that exists here."""
    kind = type("Model", (), {"__module__": f"{package}.models"})
    with pytest.raises(OptionError, match=f"Model of {package} is not checked as it is") as caught:
        mc.check(kind())
    assert "mixcheck." in str(caught.value)


def test_a_class_that_meets_the_port_is_taken():
    """A subclass of another package's class may have the methods itself."""
    own = mc.from_draws([1, 2], [[1, 2], [2, 3], [0, 1]])
    names = ("frame", "discrete", "description", "observe", "replicate", "available")
    methods = {name: getattr(own, name) for name in (*names, "replicate_number")}
    kind = type("Model", (), {"__module__": "sklearn.base", **methods})
    assert mc.replicate(kind(), seed=1, draws=2) is not None
