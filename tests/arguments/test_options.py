"""Arguments where they enter."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.arguments import options

FORMER = {"marginal": "conditional"}


def test_a_former_word_is_read_with_a_warning():
    """A word of the version before gives that of today; every other word is refused."""
    read = {"allowed": ("conditional", "link"), "former": FORMER}
    with pytest.warns(mc.RenamedWarning, match="scale='marginal'.*write scale='conditional'"):
        assert options.require_choice("scale", "marginal", **read) == "conditional"
    with pytest.raises(mc.OptionError, match="write 'conditional' or 'link'"):
        options.require_choice("scale", "response", **read)


ODD: tuple[Any, ...] = (
    [],
    {},
    {1, 2},
    b"x",
    1j,
    object(),
    np.zeros((2, 3)),
    np.array(1.0),
    np.array(["a", "b"]),
    pd.Series([1, 2]),
    pd.DataFrame({"a": [1]}),
    pd.NA,
    pd.NaT,
    np.datetime64("2020-01-01"),
    Decimal("1"),
    float("nan"),
    np.ma.masked,
    "a\x1b[31m\nb",
    "long " * 1000,
    10**6000,
    lambda: None,
    int,
)


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_shown_is_one_short_line(value: Any) -> None:
    """Whatever it is, a value is quoted on one line, short and without control characters."""
    text = options.shown(value)
    assert 0 < len(text) <= 80
    assert text.isprintable()


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_odd_arguments_end_in_one_sentence(value: Any) -> None:
    """An argument of a type that makes no sense raises OptionError, whatever is asked of it."""
    with pytest.raises(mc.OptionError, match="is unknown; write 'a' or 'b'"):
        options.require_choice("name", value, ("a", "b"))
    with pytest.raises(mc.OptionError, match="True or False"):
        options.require_flag("name", value)
    with pytest.raises(mc.OptionError, match="whole number from 1 to 9"):
        options.require_whole("name", value, 1, 9)
    with pytest.raises(mc.OptionError, match=r"between 0 and 0\.5"):
        options.require_number("name", value, 0.0, 0.5, example=0.1)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_whole_numbers(value: Any) -> None:
    """A whole number of any storage is an int."""
    whole = options.require_whole("draws", value)
    assert whole == 3
    assert type(whole) is int


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, np.bool_(True)])
def test_no_whole_numbers(value: Any) -> None:
    """Zero, truth values, floats and text are no counts."""
    with pytest.raises(mc.OptionError, match="draws must be a whole number of at least 1"):
        options.require_whole("draws", value)


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), Fraction(1, 4)])
def test_numbers(value: Any) -> None:
    """A number of any storage is a float."""
    assert options.require_number("alpha", value, 0.0, 1.0, example=0.05) == 0.25


@pytest.mark.parametrize("value", [0.0, 1, float("nan"), float("inf"), 10**400, True, "0.5"])
def test_no_numbers(value: Any) -> None:
    """The limits, NaN, infinities, truth values and text are not between 0 and 1."""
    with pytest.raises(mc.OptionError, match=r"between 0 and 1, such as alpha=0\.05"):
        options.require_number("alpha", value, 0.0, 1.0, example=0.05)


def test_seeds_workers_progress_and_paths() -> None:
    """None is a seed, a number of workers and no progress; zero workers are none."""
    assert options.require_seed(None) is None
    assert options.require_seed(np.int64(0)) == 0
    assert options.require_workers(-1) == -1
    assert options.require_workers(None) is None
    assert options.require_progress(None) is False
    assert options.require_path("path", "a.html").name == "a.html"
    for value in (0, "2", 1.0, True, []):
        with pytest.raises(mc.OptionError, match="n_jobs must be a whole number of workers"):
            options.require_workers(value)
    for value in (1, "yes", [], int):
        with pytest.raises(mc.OptionError, match="progress must be True, False or a function"):
            options.require_progress(value)
    for value in (None, "", "a\0b", b"a", 3):
        with pytest.raises(mc.OptionError, match="path must be the path of a file"):
            options.require_path("path", value)


@pytest.mark.parametrize("draws", [0, 10**9, 10**30, 1.5, "many"])
def test_numbers_of_draws_have_an_end(draws):
    """More than a hundred million would never end, and 10^30 are more than there are numbers."""
    with pytest.raises(mc.OptionError, match="draws must be a whole number from 1 to 100000000"):
        options.require_draws(draws)


def test_a_check_of_too_many_draws_is_refused():
    """In one sentence, before anything is drawn."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    with pytest.raises(mc.OptionError, match="draws must be"):
        mc.check(fit, draws=10**30)
