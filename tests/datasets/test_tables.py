"""The published tables."""

from __future__ import annotations

import pandas as pd
import pytest

from mixcheck.datasets import available, describe, load
from mixcheck.design import build_design, parse_formula
from mixcheck.errors import OptionError

# Rows and columns, and sums of columns, by R 4.2.2 (validation/datasets/extract.R).
SUMS = {
    "Dyestuff2": ((30, 2), {"Yield": 169.968}),
    "Orthodont": ((108, 4), {"distance": 2594.5, "age": 1188}),
    "Owls": ((599, 8), {"SiblingNegotiation": 4025, "BroodSize": 2631}),
    "Pastes": ((60, 4), {"strength": 3603.2}),
    "Salamanders": ((644, 9), {"count": 852}),
    "bacteria": ((220, 6), {"week": 980}),
    "cbpp": ((56, 4), {"incidence": 99, "size": 842}),
    "epil": ((236, 9), {"y": 1948, "base": 7368, "age": 6688}),
    "grouseticks": ((403, 7), {"TICKS": 2567, "HEIGHT": 186283}),
    "multicenter": ((30, 4), {"n": 503, "sideeffect": 155}),
    "seeds": ((21, 5), {"r": 424, "n": 831, "x1": 10, "x2": 11}),
    "sleepstudy": ((180, 3), {"Reaction": 53731.4205, "Days": 810}),
}

LEVELS = {
    ("cbpp", "period"): ["1", "2", "3", "4"],
    ("cbpp", "herd"): [str(i) for i in range(1, 16)],
    ("grouseticks", "YEAR"): ["95", "96", "97"],
    ("bacteria", "trt"): ["placebo", "drug", "drug+"],
    ("epil", "trt"): ["placebo", "progabide"],
    ("Salamanders", "mined"): ["yes", "no"],
    ("Salamanders", "spp"): ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"],
    ("Owls", "FoodTreatment"): ["Deprived", "Satiated"],
    ("Orthodont", "Sex"): ["Male", "Female"],
    ("Pastes", "cask"): ["a", "b", "c"],
    ("seeds", "plate"): [str(i) for i in range(1, 22)],
    ("multicenter", "group"): ["A", "B"],
}


@pytest.mark.parametrize("name", available())
def test_sums(name: str) -> None:
    """Shapes and sums are those of the source."""
    frame = load(name)
    shape, sums = SUMS[name]
    assert frame.shape == shape
    assert not frame.isna().any().any()
    for column, total in sums.items():
        assert frame[column].sum() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize(("place", "levels"), LEVELS.items(), ids=str)
def test_levels(place: tuple[str, str], levels: list[str]) -> None:
    """Levels are text in the order of the source."""
    name, column = place
    assert list(load(name)[column].cat.categories) == levels


@pytest.mark.parametrize("name", available())
def test_example(name: str) -> None:
    """The formula of the description fits its columns."""
    about = describe(name)
    trials = "/" in about.example.split("~")[0] or name == "bacteria"
    design = build_design(parse_formula(about.example), load(name), ratio_is_trials=trials)
    assert design.dropped == 0
    assert about.source in str(about)
    assert about.licence in str(about)


def test_fresh() -> None:
    """Each call gives a frame of its own."""
    first = load("cbpp")
    first.loc[0, "size"] = -1
    assert load("cbpp").loc[0, "size"] == 14
    assert isinstance(first, pd.DataFrame)


def test_unknown() -> None:
    """A name that does not exist is an error with a near one."""
    with pytest.raises(OptionError, match="Did you mean 'sleepstudy'"):
        load("sleep_study")
