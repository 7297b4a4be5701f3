"""Linear hypotheses in text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.errors import OptionError
from mixcheck.inference.hypotheses import read_hypotheses

NAMES = ["Intercept", "period[T.2]", "x", "x:z", "z", "log(df)", "x1", "zi: x", "bs(x, df=4)[1]"]


@pytest.mark.parametrize(
    ("text", "terms", "value"),
    [
        ("x", {"x": 1}, 0),
        ("x = z", {"x": 1, "z": -1}, 0),
        ("x - 2*x1 = 0.5", {"x": 1, "x1": -2}, 0.5),
        ("period[T.2] = 2 * (x - z) / 4 + 1", {"period[T.2]": 1, "x": -0.5, "z": 0.5}, 1),
        ("-x + -(z) = -1e-1", {"x": -1, "z": -1}, -0.1),
        ("x:z", {"x:z": 1}, 0),
        ("zi: x = x", {"zi: x": 1, "x": -1}, 0),
        ("log(df) * 3", {"log(df)": 3}, 0),
        ("bs(x, df=4)[1] = x", {"bs(x, df=4)[1]": 1, "x": -1}, 0),
        ("`x1` + (1 + 1) * Intercept", {"x1": 1, "Intercept": 2}, 0),
    ],
)
def test_what_is_read(text: str, terms: dict[str, float], value: float) -> None:
    """Names with signs of their own, numbers on both sides, parentheses."""
    found = read_hypotheses(text, NAMES)
    np.testing.assert_allclose(found.L, [[terms.get(name, 0.0) for name in NAMES]], atol=1e-15)
    np.testing.assert_allclose(found.value, [value], atol=1e-15)


def test_several() -> None:
    """Commas, lists, and matrices with names."""
    assert read_hypotheses("x = 1, z", NAMES).names == ("x = 1", "z")
    assert read_hypotheses(["x", "z = x, x1"], NAMES).names == ("x", "z = x", "x1")
    row = np.eye(9)[:1] - 2.5 * np.eye(9)[2:3]
    assert read_hypotheses(row, NAMES).names == ("Intercept - 2.5 * x",)
    frame = pd.DataFrame(row, index=["difference"])
    assert read_hypotheses(frame, NAMES).names == ("difference",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x * z", "not linear"),
        ("x / z", "divides"),
        ("x / 0", "divides"),
        ("x2 = 0", "write one of Intercept"),
        ("x[T.3]", "write one of Intercept"),
        ("1 = 0", "about no coefficient"),
        ("x - x", "about no coefficient"),
        ("x == 3", "no coefficient begins here"),
        ("x < 3", "is wanted here"),
        ("(x", "closing parenthesis"),
        ("x = 1e999", "too large"),
        ("", "no coefficient begins here"),
        ("(" * 60 + "x", "too many"),
        ("__import__('os')", "no coefficient begins here"),
    ],
)
def test_what_is_not(text: str, message: str) -> None:
    """With the place."""
    with pytest.raises(OptionError, match=message) as caught:
        read_hypotheses(text, NAMES)
    assert str(caught.value).startswith("in ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [np.eye(3), 3.5, None, [[np.nan] * 9], []])
def test_no_hypotheses(given: object) -> None:
    """Matrices of other shapes, and what is none."""
    with pytest.raises(OptionError, match="hypotheses"):
        read_hypotheses(given, NAMES)
