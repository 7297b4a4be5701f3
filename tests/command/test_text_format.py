"""Numbers, dates and characters of other countries, read as they are written."""

from __future__ import annotations

import io
import re
import shlex
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.command import main
from mixcheck.command.table_files import read_file
from mixcheck.command.text_format import TextFormat, with_numbers

RNG = np.random.default_rng(3)
N = 160
HEIGHTS = RNG.uniform(200, 2000, N).round(1)
COVERS = RNG.integers(0, 101, N)
DAYS = pd.Timestamp("2023-04-01") + pd.to_timedelta(RNG.integers(0, 90, N), unit="D")
SITES = RNG.choice([f"Wäldchen {k}" for k in range(12)], N)
COUNTS = RNG.poisson(3, N)
FORM = TextFormat(
    separator=";", decimal=",", thousands=".", units=("%",), dates="%d.%m.%Y", encoding="cp1252"
)
WORDS = ["--sep", ";", "--decimal", ",", "--thousands", ".", "--unit", "%", "--dates", "%d.%m.%Y"]
MODEL = ["--family", "poisson", "--formula", "y ~ `Höhe über NN` + cover + days(day) + (1 | site)"]


def _german(number: float) -> str:
    return f"{number:,.1f}".translate(str.maketrans(",.", ".,"))


@pytest.fixture
def messy(tmp_path):
    """A table as a spreadsheet in Germany writes it, with a blank line and a row of nothing."""
    lines = ["site;y;Höhe über NN;cover;day"]
    for site, y, height, cover, day in zip(SITES, COUNTS, HEIGHTS, COVERS, DAYS, strict=True):
        lines.append(f"{site};{y};{_german(height)};{cover} %;{day:%d.%m.%Y}")
    lines[5:5] = ["", ";;;;"]
    path = tmp_path / "messy.csv"
    path.write_bytes("\r\n".join(lines).encode("cp1252"))
    return path


def test_a_messy_table_is_read_as_it_is_written(messy):
    """All of its numbers and dates, to the last digit."""
    table = read_file(messy, FORM).dropna(how="all")
    np.testing.assert_array_equal(table["Höhe über NN"], HEIGHTS)
    np.testing.assert_array_equal(table["cover"], COVERS)
    np.testing.assert_array_equal(table["day"], DAYS)
    assert table["site"].tolist() == SITES.tolist()


def test_each_error_names_the_next_option(messy, capsys):
    """Who follows the messages word by word comes to the model."""
    words = ["fit", str(messy), *MODEL]
    for said, option in [
        ("--encoding cp1252", ["--encoding", "cp1252"]),
        ("--sep ';'", ["--sep", ";"]),
        ("--decimal ',' --thousands \".\"", ["--decimal", ",", "--thousands", "."]),
        ("--unit '%'", ["--unit", "%"]),
        ("--dates on the command line", ["--dates", "%d.%m.%Y"]),
    ]:
        assert main(words) == 2
        assert said in capsys.readouterr().err
        words += option
    assert main(words) == 0
    out = capsys.readouterr().out
    table = read_file(messy, FORM)
    with pytest.warns(mc.DataWarning, match="1 of 161 rows"):
        fit = mc.glmm(MODEL[-1], table, family="poisson")
    assert f"{fit.llf:.4f}" in out


def test_thousands_leave_dates_and_codes_alone():
    """Pandas takes the mark out wherever it stands; here groups of three are numbers."""
    frame = pd.DataFrame({"day": ["22.08.2023", "04.04.2023"], "code": ["1.23", "4.5"]})
    kept = with_numbers(frame, TextFormat(decimal=",", thousands="."))
    pd.testing.assert_frame_equal(kept, frame)


@pytest.mark.parametrize(
    ("texts", "form", "numbers"),
    [
        (["1,234.5", "-12", None], TextFormat(thousands=","), [1234.5, -12, np.nan]),
        (["1\u202f234,5", "7"], TextFormat(decimal=",", thousands=" "), [1234.5, 7]),
        (["1'234'567", "2.5e3"], TextFormat(thousands="'"), [1234567, 2500]),
        (["12.5 kg", "3kg", "4"], TextFormat(units=("%", "kg")), [12.5, 3, 4]),
        (["$16.50", "-$2", "$ -3", "4 $"], TextFormat(units=("$",)), [16.5, -2, -3, 4]),
        (["€ 1.003,20", "5"], TextFormat(decimal=",", thousands=".", units=("€",)), [1003.2, 5]),
        (["\N{MINUS SIGN}5.5", "12"], TextFormat(), [-5.5, 12]),
        (["１２．５", "－３", "٤"], TextFormat(), [12.5, -3, 4]),
        (["３％", "4 %"], TextFormat(units=("%",)), [3, 4]),
        (["1\N{THIN SPACE}234,5", "7"], TextFormat(decimal=",", thousands=" "), [1234.5, 7]),
    ],
)
def test_numbers(texts, form, numbers):
    """A column changes as a whole; a missing value stays one."""
    read = with_numbers(pd.DataFrame({"x": texts}), form)["x"]
    np.testing.assert_array_equal(read, numbers)
    mixed = with_numbers(pd.DataFrame({"x": [*texts, "much"]}), form)["x"]
    assert mixed.iloc[-1] == "much"
    assert mixed.iloc[0] == texts[0]


def test_codes_stay_text():
    """Two signs, or a number beside other text, are no numbers."""
    frame = pd.DataFrame({"a": ["--5", "1"], "b": ["A1", "2"], "c": ["-$-5", "$1"]})
    pd.testing.assert_frame_equal(with_numbers(frame, TextFormat(units=("$",))), frame)


def test_columns_of_one_name_and_none_at_all():
    """Positions count, not names; a column without values stays as it is."""
    frame = pd.DataFrame([["1 %", None, "3 %"]], columns=["x", "y", "x"])
    read = with_numbers(frame, TextFormat(units=("%",), dates="%Y"))
    assert read.iloc[0, [0, 2]].tolist() == [1.0, 3.0]
    assert read.iloc[:, 1].isna().all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--thousands", ",", "--decimal", ","], "cannot stand both"),
        (["--thousands", ".."], "--thousands is one mark"),
        (["--dates", "%Q"], "--dates is the form of a date"),
        (["--dates", "dd.mm.yyyy"], "write --dates %Y-%m-%d"),
        (["--encoding", "klingon"], "--encoding cp1252, latin-1 or utf-16"),
    ],
)
def test_options_that_are_none(messy, capsys, words, said):
    """What is wrong, and what to write."""
    base = ["--encoding", "cp1252"] if "--encoding" not in words else []
    assert main(["fit", str(messy), *MODEL, "--sep", ";", *base, *words]) == 2
    assert said in capsys.readouterr().err


def test_standard_input_in_another_encoding(messy, capsys, monkeypatch):
    """Of a pipe too."""
    pipe = io.TextIOWrapper(io.BytesIO(messy.read_bytes()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", pipe)
    assert main(["fit", "-", *MODEL, *WORDS, "--encoding", "cp1252"]) == 0
    assert re.search(r"observations +160\b", capsys.readouterr().out)


def test_what_is_no_text(capsys):
    """A data set that is shipped is not written in any way."""
    assert main(["fit", "dataset:cbpp", "--unit", "%", *MODEL]) == 2
    assert "--encoding" in capsys.readouterr().err


def test_dates_with_a_slip_are_told(tmp_path):
    """A column of dates that stays text says why."""
    days = [f"{day}.05.2023" for day in range(1, 31)] + ["31.06.2023"]
    path = tmp_path / "days.csv"
    path.write_text("\n".join(["day,site", *(f"{day},a" for day in days)]))
    with pytest.warns(mc.DataWarning, match=r"`day` stays text: 1 of its 31 .*'31\.06\.2023'"):
        read_file(path, TextFormat(dates="%d.%m.%Y"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", mc.DataWarning)
        table = read_file(path, TextFormat(dates="%d.%m.%Y", missing=("31.06.2023",)))
    assert table["day"].notna().sum() == 30
    assert table["day"].dtype.kind == "M"


@pytest.mark.parametrize(
    "texts",
    [
        [f"{k},5" for k in range(40)] + ["broken", "ill"],
        [f"{k} %" for k in range(40)] + ["<0.1 %"],
        [f"{k}.500,5" for k in range(1, 41)] + ["-"],
        [f"{k},5" for k in range(40)] + ["-/-", "--"],
        [f"{k}’500.5" for k in range(1, 41)],
        [f"{k}.5" for k in range(40)] + ["low"],
        [f"{k},5 mg/L" for k in range(40)],
        [f"${k}.50" for k in range(40)],
        [f"€ {k},20" for k in range(40)],
        [f"\N{MINUS SIGN}{k},5" for k in range(40)],
        [f"\N{MINUS SIGN}{k}.5" for k in range(40)] + ["low"],
        [f"{k}\N{NO-BREAK SPACE}500" for k in range(1, 41)],
        [f"{k}\N{THIN SPACE}500" for k in range(1, 41)],
        [f"{k}．５" for k in range(40)] + ["n.a."],
    ],
)
def test_options_that_a_message_names_read_the_column(tmp_path, capsys, texts):
    """Slips among numbers with commas, units and thousands too."""
    rows = [*texts, *texts, *texts]
    path = tmp_path / "x.csv"
    lines = [f"{text};{k % 7};{k % 5}" for k, text in enumerate(rows)]
    path.write_text("\n".join(["x;y;g", *lines]), encoding="utf-8")
    words = ["fit", str(path), "--sep", ";", "--family", "poisson", "--formula", "y ~ x + (1 | g)"]
    assert main(words) == 2
    said = re.search(r"(?<=[(; ])(--.*?) on the command line", capsys.readouterr().err)
    assert said is not None
    assert main([*words, *shlex.split(said[1])]) == 0
    coefficients = re.findall(r"^ *x\S*", capsys.readouterr().out, flags=re.MULTILINE)
    assert {one.strip() for one in coefficients} == {"x"}


TEXT = (
    "day;site;cover;n;y\n2023-05-01;a;56 %;1,5;3\n2023-05-02;b;3 %;2,5;0\n2023-05-03;b;x;3,5;-9\n"
)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"units": ("kg",)}, r"--unit 'kg' changed nothing: .*`day`, such as '2023-05-01', `site`"),
        ({"units": ("%",)}, r"--unit '%' .*; 2 of the 3 values of `cover` have it, .* 'x' not"),
        ({"dates": "%d.%m.%Y"}, r"--dates %d.%m.%Y changed nothing: no column is dates of that"),
        ({"thousands": "'"}, '--thousands "\'" changed nothing: no column is numbers with it betw'),
        ({"decimal": "_"}, r"--decimal '_' changed nothing: no number of the table has it"),
        ({"missing": ("n/a", "x")}, r"--missing 'n/a' changed nothing: no field of the table is"),
        ({"encoding": "cp1252"}, r"--encoding cp1252 changed nothing: all characters of"),
    ],
)
def test_what_changes_nothing_is_told(tmp_path, form, said):
    """One sentence for an option that was given by hand, with what was found."""
    path = tmp_path / "x.csv"
    path.write_text(TEXT)
    with pytest.warns(mc.DataWarning, match=said) as told:
        read_file(path, TextFormat(**({"separator": ";"} | form)))
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", mc.DataWarning)
        read_file(path, TextFormat(**({"separator": ";"} | form)), tell=False)


@pytest.mark.parametrize(
    "form",
    [
        {"units": ("%",), "missing": ("x",)},
        {"dates": "%Y-%m-%d"},
        {"decimal": ","},
        {"decimal": "."},
        {"missing": ("-9.0",)},
        {"encoding": "utf-8"},
    ],
)
def test_what_changes_something_is_not(tmp_path, form):
    """Nor what is said of a table as it would be read."""
    path = tmp_path / "x.csv"
    path.write_text(TEXT)
    with warnings.catch_warnings():
        warnings.simplefilter("error", mc.DataWarning)
        read_file(path, TextFormat(**({"separator": ";"} | form)))


def test_the_command_says_what_changes_nothing(tmp_path, capsys, monkeypatch):
    """On standard error, for a pipe too, and with the result as it was."""
    rows = [f"{k % 5};{k % 3};{k / 7}" for k in range(40)]
    text = "\n".join(["y;g;x", *rows])
    words = ["--sep", ";", "--unit", "kg", "--formula", "y ~ x + (1 | g)", "--family", "poisson"]
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert main(["fit", str(path), *words]) == 0
    of_file = capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["fit", "-", *words]) == 0
    of_pipe = capsys.readouterr()
    assert of_file.out == of_pipe.out
    for said in (of_file.err, of_pipe.err):
        assert said.count("--unit 'kg' changed nothing: no column is numbers with it; no") == 1


def test_text_of_ascii_is_not_looked_at_without_an_option():
    """Pandas has read its numbers; what it has left is text."""
    frame = pd.DataFrame({"a": ["1", "2"], "b": ["\N{MINUS SIGN}1", "2"]})
    read = with_numbers(frame, TextFormat())
    assert read["a"].tolist() == ["1", "2"]
    assert read["b"].tolist() == [-1.0, 2.0]
