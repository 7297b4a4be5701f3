"""Files that people write: data in three notations, or one sentence on what is wrong."""

from __future__ import annotations

import builtins
import os

import pytest

from mixcheck.codec.written_files import read_written
from mixcheck.errors import OptionError

SAME = {
    "a.json": '{"n": 3, "x": {"words": ["a", "b"], "on": true}}',
    "a.toml": 'n = 3\n[x]\nwords = ["a", "b"]\non = true\n',
    "a.yaml": "n: 3\nx:\n  words: [a, b]\n  'on': true\n",
    "a.YML": "\ufeff{n: 3, x: {words: [a, b], 'on': true}}",
}


def _read(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_written(path, "suite", lambda reader: reader.value)


@pytest.mark.parametrize("name", SAME)
def test_notations(tmp_path, name):
    """JSON, TOML and YAML of the same content are the same data."""
    expected = {"n": 3, "x": {"words": ["a", "b"], "on": True}}
    assert _read(tmp_path, name, SAME[name]) == expected


DEEP = "[" * 5000 + "]" * 5000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "{}", r"ends in \.json, \.toml, \.yaml, \.yml"),
        ("a.json", "{", "this is no JSON, so no suite can be read: it breaks in line 1, column 2"),
        ("a.toml", "a = ", "this is no TOML, so no suite can be read: invalid value"),
        ("a.yaml", "a: [1", "this is no YAML, so no suite can be read: it breaks in line 1, col"),
        ("a.yaml", "a: 1\n---\nb: 2", "this is no YAML"),
        ("a.json", '{"a": 1, "a": 2}', "'a' stands twice in one object; write it once"),
        ("a.toml", "a = 1\na = 2", "this is no TOML"),
        ("a.yaml", "x: [{a: 1, a: 2}]", "'a' stands twice in one mapping; write it once"),
        ("a.json", DEEP, "nested too deeply"),
        ("a.toml", f"a = {DEEP}", "nested too deeply"),
        ("a.toml", ".".join("a" * 100) + " = 1", "nested too deeply"),
        ("a.toml", ".".join("a" * 300) + " = 1", "a line with more than 200 points"),
        ("a.yaml", DEEP, "nested too deeply"),
        ("a.yaml", "[" * 70 + "]" * 70, "nested too deeply"),
        ("a.yaml", "a: &x [1]\nb: *x", r"it has an alias \(\*name\), which is not followed"),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "this is no YAML"),
        ("a.yaml", "a: 2020-99-99", "this is no YAML"),
        ("a.yaml", "? [1, 2]\n: 3", "this is no YAML"),
        ("a.yaml", "a: \x01", "this is no YAML"),
        ("a.json", b"\xff\xfe", "it is not text in UTF-8"),
        ("a.json", " " * 300_000, "larger than 65536 bytes, which is the most that is read"),
    ],
)
def test_what_is_refused(tmp_path, name, text, message):
    """Each is one short sentence that names the file."""
    with pytest.raises(OptionError, match=message) as caught:
        _read(tmp_path, name, text)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_what_is_no_file(tmp_path):
    """A folder, a pipe, a name of nothing, and what is no path are told apart."""
    folder, pipe = tmp_path / "folder.json", tmp_path / "pipe.json"
    folder.mkdir()
    os.mkfifo(pipe)
    for path, message in (
        (folder, "this is a folder; give a file"),
        (pipe, "this is no regular file"),
        (tmp_path / "none.json", "it cannot be read: no such file"),
        (3, "path must be the path of a file; found 3"),
        ("a\0.json", "path must be the path of a file"),
    ):
        with pytest.raises(OptionError, match=message):
            read_written(path, "suite", lambda reader: reader)


def test_what_is_made_names_the_file(tmp_path):
    """What refuses the data does not know the file, and the message does."""
    (tmp_path / "a.toml").write_text("n = 'x'")
    with pytest.raises(OptionError, match=r"a\.toml': this suite .* n must be a whole number"):
        read_written(tmp_path / "a.toml", "suite", lambda reader: reader.at("n").whole())


def test_without_pyyaml(tmp_path, monkeypatch):
    """Where PyYAML is not there the message says what to install, and what to write instead."""
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OptionError, match="pip install pyyaml, or write JSON or TOML"):
        _read(tmp_path, "a.yaml", "a: 1")
