"""Levels that are one word in several spellings."""

from __future__ import annotations

import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixcheck.design import apply_design, build_design, parse_formula
from mixcheck.design.spelling import find_variants, plain_spelling, variant_of
from mixcheck.errors import DataWarning, UnseenLevelError

words = st.text(st.characters(codec="utf-8", categories=("L",)), min_size=1, max_size=8)
CHANGES = {
    "capitals": str.swapcase,
    "before": lambda text: " " + text,
    "behind": lambda text: text + "\t",
    "no-break": lambda text: text + "\u00a0",
    "zero-width": lambda text: text + "\u200b",
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "accent": lambda text: text + "\u0301",
}


@pytest.mark.slow
@given(words, st.sampled_from(sorted(CHANGES)))
def test_a_change_of_spelling_is_none(word: str, change: str) -> None:
    """Capitals, blanks, accents and the form of a letter do not make another word."""
    varied = CHANGES[change](word)
    # Letters such as the small iota below have capitals that are letters of their own.
    if change == "capitals" and varied.swapcase() != word:
        return
    assert plain_spelling(varied) == plain_spelling(word)
    groups = find_variants(dict.fromkeys([word, varied, "another word"]))
    assert groups == ([] if varied == word else [(word, varied)])


def test_other_words_stay_apart() -> None:
    """Digits, signs and letters make words; numbers beside each other are not one number."""
    assert find_variants(["a", "b", "a1", "a-1", "a_1", "1 1", "11", "", 1, "1"]) == []
    assert find_variants(["forest edge", "Forest  Edge", "forestedge"]) != []


@pytest.mark.parametrize(
    "pair",
    [
        ("north-west", "north west"), ("north_west", "Northwest"), ("a-b", "a\u2013b"),
        ("o'brien", "o\u2019brien"), ("1", "1.0"), ("12.00", "12"), ("\u22121", "-1"),
    ],
)  # fmt: skip
def test_signs_that_printing_has_in_several_kinds(pair: tuple[str, str]) -> None:
    """Dashes, quotes, hyphens between words and ``.0`` make no other word."""
    assert find_variants(pair) == [pair]


@pytest.mark.parametrize(
    "pair", [("N-P", "NP"), ("-1", "1"), ("1.5", "15"), ("2.0", "20"), ("1", "01"), ("a.", "a")]
)
def test_signs_of_codes_and_numbers_stay(pair: tuple[str, str]) -> None:
    """A sign within a code or a number tells it from another."""
    assert find_variants(pair) == []


def table(levels: list[str]) -> pd.DataFrame:
    """Forty rows with these levels in turn."""
    y = np.random.default_rng(1).normal(size=40)
    return pd.DataFrame({"y": y, "f": [levels[i % len(levels)] for i in range(40)]})


FOREST = ["forest", "forest ", "Forest", "FOREST", "meadow"]


@pytest.mark.parametrize("formula", ["y ~ f", "y ~ 1 + (1 | f)", "y ~ C(f)", "y ~ f + (1 | f)"])
@pytest.mark.parametrize("kind", ["str", "category"])
def test_variants_are_named_once(formula: str, kind: str) -> None:
    """One warning names them, for predictors and grouping factors, and the notes keep it."""
    data = table(FOREST).astype({"f": kind})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        design = build_design(parse_formula(formula), data, ratio_is_trials=False)
    (only,) = [str(w.message) for w in caught]
    assert only in design.notes
    for level in FOREST[:4]:
        assert repr(level) in only
    assert "meadow" not in only


def test_variants_in_the_response() -> None:
    """Two spellings of one word are no two outcomes without a word of warning."""
    data = pd.DataFrame({"y": ["yes", "Yes"] * 20, "x": np.arange(40.0)})
    with pytest.warns(DataWarning, match="'Yes', 'yes'"):
        build_design(parse_formula("y ~ x"), data, ratio_is_trials=True)


@pytest.mark.filterwarnings("error")
def test_clean_levels_are_silent() -> None:
    """Different words give no warning, nor do numbers, nor the rows that are left out."""
    build_design(parse_formula("y ~ f"), table(["a", "b"]), ratio_is_trials=False)
    build_design(parse_formula("y ~ f"), table(FOREST).query("f == 'forest' or f == 'meadow'"),
                 ratio_is_trials=False)  # fmt: skip


def test_new_levels_in_another_spelling() -> None:
    """A new level that is a known one but for its spelling is named beside it."""
    assert variant_of("Meadow ", ["forest", "meadow"]) == "meadow"
    assert variant_of(3, [3]) is None
    for formula in ("y ~ f", "y ~ 1 + (1 | f)"):
        design = build_design(parse_formula(formula), table(["a", "b"]), ratio_is_trials=False)
        with pytest.raises(UnseenLevelError, match="'A' is 'a' in another spelling"):
            apply_design(design, {"f": ["A"]}, unseen="error")


@pytest.mark.parametrize(
    "levels",
    [["forest", "Forest "], ["for\u00eat", "foret"], ["a b", "a  b"], ["a\u00a0b", "A b", "ab"],
     ["\u00e9", "e\u0301"], ["Stra\u00dfe", "STRASSE"], ["x\u200b", "x"], ["\uff11", "1"]],
)  # fmt: skip
def test_what_the_warning_says_to_write_merges_them(levels: list[str]) -> None:
    """The expression of the warning makes one level of the spellings that it names."""
    data = table([*levels, "other"])
    with pytest.warns(DataWarning, match="differ by capitals") as caught:
        build_design(parse_formula("y ~ f"), data, ratio_is_trials=False)
    written = str(caught[0].message).partition("such as with ")[2].rstrip(".")
    merged = eval(written, {"__builtins__": {}}, {"data": data})
    assert merged.nunique() == 2
