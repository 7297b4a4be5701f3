"""Files that hold tables."""

from __future__ import annotations

import io

import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.command.table_files import read_file, read_stream

TABLE = pd.DataFrame({"y": [3, 1, 2, 5], "g": ["a", "b", "a", "b"], "x": [0.5, 1.5, 2.5, 0.1]})


@pytest.mark.parametrize(
    ("ending", "separator", "said"),
    [
        (".csv", ";", "separated by semicolons, and commas are needed; write --sep ';'"),
        (".csv", "\t", "separated by tabs, and .* write --sep tab, or call it .tsv"),
        (".csv", "|", "separated by vertical bars"),
        (".tsv", ",", "separated by commas, and tabs are needed"),
    ],
)
def test_other_separators_are_named(tmp_path, ending, separator, said):
    """A file of one column whose name holds a separator is told which one it has."""
    path = tmp_path / f"data{ending}"
    TABLE.to_csv(path, sep=separator, index=False)
    with pytest.raises(mc.DataError, match=said):
        read_file(path)
    if ending == ".csv":
        with pytest.raises(mc.DataError, match="standard input are separated by"):
            read_stream(io.StringIO(path.read_text()))


def test_one_column_is_a_table():
    """A single column is no mistake, nor is a semicolon within one of several names."""
    assert read_stream(io.StringIO("y\n1\n2\n")).shape == (2, 1)
    assert list(read_stream(io.StringIO("a;b,c\n1,2\n")).columns) == ["a;b", "c"]


def test_columns_do_not_move():
    """Lines with more fields than names are refused; the labels that R writes are labels."""
    with pytest.raises(mc.DataError, match="more fields than its line of names"):
        read_stream(io.StringIO("y,x\n1,2,\n3,4,\n"))
    with pytest.raises(mc.DataError, match="more fields than its line of names"):
        read_stream(io.StringIO("y,x\n1,2,3,4\n5,6,7,8\n"))
    with pytest.raises(mc.DataError, match="more fields than its line of names"):
        read_stream(io.StringIO("y,x\n0,2,\n1,4,\n"))
    labelled = read_stream(io.StringIO('"y","x"\n"1",5,6\n"2",7,8\n'))
    assert labelled["y"].tolist() == [5, 7]


def test_a_name_that_is_there_twice():
    """Columns of one name are told apart, with a warning that says how."""
    with pytest.warns(mc.DataWarning, match=r"several columns called 'y'; .* called 'y\.1'"):
        table = read_stream(io.StringIO("y,y,x\n1,2,3\n"))
    assert list(table.columns) == ["y", "y.1", "x"]


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_damaged_files(tmp_path, ending):
    """Wherever a file is damaged, its reader's own words do not show."""
    path = tmp_path / f"data.{ending}"
    getattr(TABLE, f"to_{ending}")(path)
    whole = path.read_bytes()
    refused = set()
    for start in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
        try:
            read_file(path)
        except mc.DataError as error:
            refused.add(str(error))
    assert refused == {f"{path} cannot be read as {ending}: its content is no {ending}"}


def test_what_is_no_text(tmp_path):
    """Bytes of zero, and text in UTF-16, are no CSV; a folder and an endless name no file."""
    path = tmp_path / "data.csv"
    for content in (b"\0" * 500, "y,x\n1,2\n".encode("utf-16"), b"y,x\n1,\xe4\n"):
        path.write_bytes(content)
        with pytest.raises(mc.DataError, match="not text in UTF-8"):
            read_file(path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(mc.DataError, match="is a folder"):
        read_file(tmp_path / "folder.csv")
    with pytest.raises(mc.DataError, match="cannot be read: file name too long"):
        read_file(tmp_path / ("x" * 300 + ".csv"))
    with pytest.raises(mc.DataError, match="standard input is closed"):
        read_stream(None)
