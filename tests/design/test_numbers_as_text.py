"""Numbers that were read as text: refused as levels, with how to read them."""

from __future__ import annotations

import io
import re
import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import DataError, DataWarning

pytestmark = pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
N = 120
RNG = np.random.default_rng(5)
_FULL = {code: 0xFEE0 + code for code in range(0x21, 0x7F)}
_ARABIC = str.maketrans("0123456789.", "٠١٢٣٤٥٦٧٨٩٫")
NUMBERS = RNG.uniform(0, 25, N).round(1)


def _table(**columns) -> pd.DataFrame:
    return pd.DataFrame({"y": RNG.poisson(2, N), "g": np.arange(N) % 10, **columns})


def _fit(data: pd.DataFrame, formula: str = "y ~ x + (1 | g)", family: str = "poisson") -> mc.GLMM:
    return mc.glmm(formula, data, family=family)


def _follow(said: str, data: pd.DataFrame) -> None:
    """Write what a message says to write for a column."""
    advice = re.search(r"as (data\['x'\] = pd\.to_numeric\(.*?\))(?= with| \(--|: |\. )", said)
    assert advice is not None
    exec(advice[1], {"data": data, "pd": pd})


def _with_commas(numbers: np.ndarray) -> list[str]:
    return [f"{number:.1f}".replace(".", ",") for number in numbers]


@pytest.mark.parametrize("dtype", [object, "str", "string"])
def test_decimal_commas_are_refused(dtype):
    """Each number would be a level; the mark is named."""
    data = _table(x=pd.Series(_with_commas(NUMBERS), dtype=dtype))
    with pytest.raises(DataError, match=r"`x` is text with \d+ levels, all .* decimal=','"):
        _fit(data)
    with pytest.raises(DataError, match="decimal=','"):
        _fit(data, "x ~ y + (1 | g)", "gaussian")
    with pytest.raises(DataError, match="decimal=','"):
        _fit(data, "y ~ 1 + (x | g)")


def test_points_and_slips_are_refused():
    """What is no number among them is named."""
    texts = [f"{number:.1f}" for number in NUMBERS]
    with pytest.raises(DataError, match=r"pd.to_numeric\(data\['x'\]\)\."):
        _fit(_table(x=texts))
    texts[3], texts[40] = "<0.1", "broken"
    with pytest.raises(DataError, match=r"2 not: '<0.1', 'broken'.*errors='coerce'"):
        _fit(_table(x=texts))
    with pytest.raises(DataError, match="thousands="):
        _fit(_table(x=[f"{1000 * number:,.1f}" for number in NUMBERS]))


def test_the_advice_makes_numbers():
    """What the message says to write, written."""
    data = _table(x=[f"{number:.1f}" for number in NUMBERS])
    data["x"] = pd.to_numeric(data["x"])
    assert list(_fit(data).params.index) == ["Intercept", "x"]


def test_levels_that_are_meant_are_kept():
    """Few levels, whole codes, categories, and `factor`, are taken at their word."""
    few = RNG.choice(["0,5", "1,0", "2,5"], N)
    assert len(_fit(_table(x=few)).params) == 3
    codes = RNG.permutation(np.arange(N) % 12).astype(str)
    assert len(_fit(_table(x=codes)).params) == 12
    rounded = _with_commas(NUMBERS // 2 + 0.5)
    assert len(_fit(_table(x=pd.Categorical(rounded))).params) == 13
    assert len(_fit(_table(x=rounded), "y ~ factor(x) + (1 | g)").params) == 13
    grouped = _fit(_table(x=_with_commas(NUMBERS)), "y ~ 1 + (1 | x)")
    assert grouped.n_groups["x"] > 50


def test_codes_with_a_slip_are_warned_of():
    """Whole numbers may be codes; a stray text among them is named before the fit."""
    codes = RNG.permutation(np.arange(N) % 12).astype(str)
    codes[codes == "7"] = "unknown"
    with pytest.warns(DataWarning, match="11 of them numbers, such as '0', and 1 not: 'unknown'"):
        _fit(_table(x=codes))


def test_a_response_of_words():
    """There is nothing to make numbers of."""
    with pytest.raises(DataError, match="'high', 'low', 'mid', which are no numbers"):
        _fit(_table(x=RNG.choice(["low", "high", "mid"], N)), "x ~ 1 + (1 | g)", "gaussian")


def test_units_are_named_and_come_off():
    """Percent signs say that whole numbers are numbers; other units need a fraction."""
    covers = [f"{cover} %" for cover in RNG.integers(0, 101, N)]
    with pytest.raises(DataError, match=r"such as '\d+ %'\. Take '%' off.*--unit '%'") as stopped:
        _fit(_table(x=covers))
    data = _table(x=covers)
    _follow(str(stopped.value), data)
    assert list(_fit(data).params.index) == ["Intercept", "x"]
    masses = [f"{number:.1f} kg".replace(".", ",") for number in NUMBERS]
    with pytest.raises(DataError, match="--unit 'kg' --decimal ','"):
        _fit(_table(x=masses))
    plots = [f"{plot}b" for plot in RNG.permutation(np.arange(N) % 12)]
    assert len(_fit(_table(x=plots)).params) == 12


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{:,.1f}", r"with thousands=',' \(pandas"),
        ("{:_.1f}", None),
    ],
)
def test_marks_are_told_apart(written, said):
    """Of a point and a comma the last is that of the fraction."""
    texts = [written.format(1000 * number) for number in NUMBERS]
    if said is None:
        texts = [text.replace(".", ",").replace("_", ".") for text in texts]
        said = r"with decimal=',' and thousands='\.' \(pandas"
    with pytest.raises(DataError, match=said):
        _fit(_table(x=texts))


def test_dates_as_text_are_told():
    """Each day would be a level; `factor` says that it is meant."""
    days = pd.Timestamp("2023-05-01") + pd.to_timedelta(np.arange(N) % 30, unit="D")
    data = _table(x=[f"{day:%d.%m.%Y}" for day in days])
    with pytest.warns(DataWarning, match=r"30 levels, which are dates.*write days\(x\)"):
        assert len(_fit(data).params) == 30
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        assert len(_fit(data, "y ~ factor(x) + (1 | g)").params) == 30
    data["x"] = pd.to_datetime(data["x"], format="%d.%m.%Y")
    assert list(_fit(data, "y ~ days(x) + (1 | g)").params.index) == ["Intercept", "days(x)"]


@pytest.mark.parametrize(
    ("write", "factor"),
    [
        (lambda v: f"{v}\u00a0%", 1.0),
        (lambda v: f"{v} %" if v % 2 else f"{v}%", 1.0),
        (lambda v: f"{v / 2:.1f}".replace(".", ",") + " €", 0.5),
        (lambda v: f"{v / 2:.1f} mg/L", 0.5),
        (lambda v: f"{v}°C", 1.0),
        (lambda v: f"{v / 2:.1f} m²", 0.5),
        (lambda v: f"{1000 * v + 0.5:,.1f}".translate(str.maketrans(",.", "\u00a0,")), 1000.0),
        (lambda v: f"{1000 * v + 0.5:,.1f}".replace(",", "’"), 1000.0),
        (lambda v: f"{v / 2:.1f}" if v % 2 else f"{v / 2:.1f}".replace(".", ","), 0.5),
        (lambda v: f"{v / 2:.1f}" if v != 7 else "<0.1", 0.5),
        (lambda v: f"{v} %" if v != 7 else "<0.1 %", 1.0),
        (lambda v: f"${v / 2:.2f}", 0.5),
        (lambda v: f"${v}", 1.0),
        (lambda v: f"£{v}" if v != 7 else "n/a", 1.0),
        (lambda v: f"{v}€", 1.0),
        (lambda v: f"€ {v / 2:.2f}".replace(".", ","), 0.5),
        (lambda v: f"CHF {v / 2:.2f}", 0.5),
        (lambda v: f"US$ {1000 * v + 0.5:,.1f}", 1000.0),
        (lambda v: f"\N{FULLWIDTH DOLLAR SIGN}{v}", 1.0),
        (lambda v: f"\N{MINUS SIGN}{v}", -1.0),
        (lambda v: f"\N{EN DASH}{v}", -1.0),
        (lambda v: f"\N{MINUS SIGN}{v / 2:.1f} kg".replace(".", ","), -0.5),
        (lambda v: f"\N{MINUS SIGN}${v / 2:.1f}", -0.5),
        (lambda v: f"-{v} °C", -1.0),
        (lambda v: f"{1000 * v + 0.5:,.1f}".replace(",", "\N{THIN SPACE}"), 1000.0),
        (lambda v: f"{2000 * v:,}".replace(",", "\N{NO-BREAK SPACE}"), 2000.0),
        (lambda v: f"{2000 * v:,} EUR".replace(",", "\N{NARROW NO-BREAK SPACE}"), 2000.0),
        (lambda v: str(v).translate(_FULL), 1.0),
        (lambda v: f"{v / 2:.1f}".translate(_FULL), 0.5),
        (lambda v: f"{v / 2:.1f}".replace(".", ",").translate(_FULL), 0.5),
        (lambda v: f"{v}%".translate(_FULL), 1.0),
        (lambda v: f"-{v}".translate(_FULL), -1.0),
        (lambda v: f"{v / 2:.1f}".translate(_ARABIC), 0.5),
    ],
)
def test_what_is_said_is_what_works(write, factor):
    """Written as it stands, it makes the numbers that are meant."""
    values = RNG.permutation(np.arange(N) % 40) + 1
    data = _table(x=[write(value) for value in values])
    with pytest.raises(DataError, match=r"Make numbers of it|Take '") as stopped:
        _fit(data)
    _follow(str(stopped.value), data)
    wanted = np.where(data["x"].isna(), np.nan, factor * values + (0.5 if factor == 1000 else 0.0))
    np.testing.assert_allclose(data["x"], wanted)
    assert np.count_nonzero(data["x"].isna()) <= 4


@pytest.mark.parametrize(
    ("write", "decimal", "thousands"),
    [
        (lambda v: f"{100_000 * v:,}", ".", ","),
        (lambda v: f"{100_000 * v:,}".replace(",", "."), ",", "."),
        (lambda v: f"{100_000 * v + 0.5:,.1f}".translate(str.maketrans(",.", ".,")), ",", "."),
        (lambda v: f"{100_000 * v + 0.5:,.1f}".replace(",", "'"), ".", "'"),
        (lambda v: f"{100_000 * v:,}".replace(",", " "), ".", " "),
        (lambda v: f"{v / 2:.1f}".replace(".", ",") if v != 7 else "low", ",", None),
    ],
)
def test_a_table_is_read_again_as_is_said(write, decimal, thousands):
    """With the arguments of the message pandas reads numbers."""
    values = RNG.permutation(np.arange(N) % 40) + 1
    texts = [write(value) for value in values]
    with pytest.raises(DataError, match=r"pandas\.read_csv") as stopped:
        _fit(_table(x=texts))
    told = re.search(r"again with (.*?) \(pandas", str(stopped.value))
    assert told is not None
    arguments = eval(f"dict({told[1].replace(', and', ',').replace(' and', ',')})")
    assert arguments.get("decimal", ".") == decimal
    assert arguments.get("thousands") == thousands
    read = pd.read_csv(io.StringIO("\n".join(["x", *texts])), sep=";", **arguments)["x"]
    assert read.dtype == np.float64 or read.dtype == np.int64
    ratio = (read / values).dropna()
    assert ratio.max() / ratio.min() < 1.01


@pytest.mark.parametrize(("mark", "other"), [(",", "thousands=','"), (".", "thousands='.'")])
def test_a_mark_that_may_be_either_is_said(mark, other):
    """Before three digits a comma stands between thousands, or before a fraction."""
    texts = [f"{value:,}".replace(",", mark) for value in RNG.integers(200, 60_000, N)]
    with pytest.raises(DataError, match="stands between thousands") as stopped:
        _fit(_table(x=texts))
    assert other in str(stopped.value)
    small = [f"{value:.3f}".replace(".", mark) for value in RNG.uniform(0, 2, N)]
    with pytest.raises(DataError, match="numbers") as stopped:
        _fit(_table(x=small))
    assert "thousands" not in str(stopped.value)


@pytest.mark.parametrize(
    "write",
    [
        lambda v: f"E{v}.9",
        lambda v: f"1.{v}.2",
        lambda v: str(1990 + v),
        lambda v: f"{v}:30",
        lambda v: f"{v}/2",
        lambda v: f"0{v + 1000}",
        lambda v: f"{v}E5",
        lambda v: f"0x{v:x}",
        lambda v: f"{v}-{v + 4}",
        lambda v: f"({v}.5, {v + 1}.5]",
        lambda v: f"044 123 {v + 100}",
        lambda v: f"A{v}",
        lambda v: f"2019-Q{v}",
        lambda v: f"2019-{v}",
        lambda v: f"<{v}",
        lambda v: f">{v}.5",
        lambda v: f"{v}th",
        lambda v: f"{v}",
        lambda v: f"#{v}",
        lambda v: f"{v}\N{EN DASH}{v + 4}",
        lambda v: f"TRY{v}",
        lambda v: f"EUR {v}",
        lambda v: f"v{v}.5",
        lambda v: f"{v}組".translate(_FULL),
        lambda v: f"2 {v + 100}",
        lambda v: f"p.{v}",
        lambda v: f"{v} and {v + 1}.5",
        lambda v: f"${v}-${v + 5}",
    ],
)
def test_codes_are_levels(write):
    """What only looks like numbers is taken at its word, in new rows too."""
    data = _table(x=[write(value) for value in RNG.permutation(np.arange(N) % 12) + 10])
    fit = _fit(data)
    assert len(fit.params) == 12
    np.testing.assert_allclose(fit.predict(data.iloc[:5]), fit.predict(data)[:5])


def test_new_rows_are_told_how_their_text_becomes_numbers():
    """Where the fit had numbers."""
    fit = _fit(_table(x=NUMBERS))
    new = _table(x=_with_commas(NUMBERS))
    with pytest.raises(DataError, match=r"`x` must be numbers, but holds text.*decimal=','"):
        fit.predict(new)
    new = _table(x=[f"{number} %" for number in NUMBERS])
    with pytest.raises(DataError, match="Take '%' off") as stopped:
        fit.predict(new)
    _follow(f"{stopped.value} ", new)
    np.testing.assert_allclose(fit.predict(new), fit.predict(_table(x=NUMBERS)))
    with pytest.raises(DataError, match="'a', which are no numbers"):
        fit.predict(_table(x=["a"] * N))
