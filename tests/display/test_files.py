"""Files are whole under their name, whatever happens while they are written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import mixcheck as mc
from mixcheck.display.files import require_writable, write_file
from mixcheck.errors import OutputError

OLD = "OLD REPORT"


def test_a_file_is_written_and_given_back(tmp_path):
    """The text comes back, and stands in the file as UTF-8; without a path nothing is written."""
    path = tmp_path / "a.html"
    assert write_file("é", path) == "é"
    assert path.read_bytes() == "é".encode()
    assert write_file("x", None) == "x"
    assert write_file("again", str(path)) == "again"
    assert [file.name for file in tmp_path.iterdir()] == ["a.html"]


def test_surrogates_are_written_as_escapes(tmp_path):
    """What no file can hold is written visibly."""
    write_file("level \udc80", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "level \\udc80"


@pytest.mark.skipif(os.name == "nt", reason="permissions are those of POSIX")
def test_permissions_and_links_are_kept(tmp_path):
    """A new file has the mode of any, an old one its own, and a link still points to its file."""
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    new, old, link = tmp_path / "new", tmp_path / "old", tmp_path / "link"
    write_file("x", new)
    assert new.stat().st_mode == (tmp_path / "plain").stat().st_mode
    old.write_text(OLD, encoding="utf-8")
    old.chmod(0o640)
    link.symlink_to(old)
    write_file("NEW", link)
    assert link.is_symlink()
    assert old.read_text(encoding="utf-8") == "NEW"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
def test_what_is_no_regular_file_is_written_to():
    """/dev/null stays what it is."""
    write_file("x" * 10_000, "/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("path", ["missing/a.html", ".", "a" * 5000, "\ud800", "file/below"])
def test_what_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, path):
    """A missing folder, a folder, a name too long or of no encoding, a file taken for a folder."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text(OLD, encoding="utf-8")
    with pytest.raises(mc.OutputError, match="cannot be written") as seen:
        write_file("x", path)
    assert "codec" not in str(seen.value)
    with pytest.raises(mc.OutputError, match="--report: "):
        require_writable(Path(path), "--report")
    assert os.listdir(tmp_path) == ["file"]
    assert Path("file").read_text(encoding="utf-8") == OLD


@pytest.mark.parametrize("path", [3, b"a", "", "a\0b", ["a"], object()])
def test_what_is_no_path_is_refused(path):
    """Only a text or a path names a file."""
    with pytest.raises(mc.OptionError, match="path must be the path of a file"):
        write_file("x", path)


SCRIPT = """
import os, resource, sys
import mixcheck as mc
from mixcheck.report.finding import Effect, Finding

folder, fault = sys.argv[1:]
effect = Effect("zeros ratio", 1.1, 0.8, 1.4, 1.0)
found = Finding("zeros", "zeros", "as many as predicted " * 200, 1.0, 0.4, "two-sided", effect, 50)
report = mc.Report((found,))
if fault == "full disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99))
writers = {"html": report.to_html, "json": report.to_json, "xml": report.to_junit}
for ending, write in writers.items():
    try:
        write(f"{folder}/old.{ending}")
        print("written")
    except mc.OutputError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="limits are those of POSIX")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    """Every form of a report, on a disk that fills up: the old file whole, nothing beside it."""
    names = ["old.html", "old.json", "old.xml"]
    for name in names:
        (tmp_path / name).write_text(OLD, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "full disk"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for name, line in zip(names, lines, strict=True):
        assert f"{name}' cannot be written: file too large; the file of that name is as it" in line
        assert (tmp_path / name).read_text(encoding="utf-8") == OLD
    assert sorted(os.listdir(tmp_path)) == names


UNWRITABLE = """
import os, sys
from pathlib import Path
import mixcheck as mc
from mixcheck.display.files import require_writable, write_file
from mixcheck.errors import OutputError

folder = Path(sys.argv[1])
if os.geteuid() == 0:  # root may write anywhere
    os.setuid(65534)
for write in (lambda p: require_writable(p, "--report"), lambda p: write_file("NEW", p)):
    try:
        write(folder / "old.html")
        print("written")
    except mc.OutputError as error:
        print(error)
print((folder / "old.html").read_text())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="permissions are those of POSIX")
def test_a_folder_that_takes_no_file():
    """The folder is named before any time is spent, and the old file stays."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "old.html").write_text(OLD, encoding="utf-8")
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", UNWRITABLE, name], capture_output=True, text=True, check=True
        )
        folder.chmod(0o755)
    first, second, third = done.stdout.splitlines()
    assert first.startswith("--report: ")
    assert "no file can be written in the folder" in first
    assert "permission denied; the file of that name is as it was" in second
    assert third == OLD


def test_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch):
    """Ctrl-C before the file takes its name: the old one whole, nothing beside it."""
    path = tmp_path / "old.html"
    path.write_text(OLD, encoding="utf-8")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file("NEW", path)
    assert path.read_text(encoding="utf-8") == OLD
    assert os.listdir(tmp_path) == ["old.html"]


def test_a_very_long_path_is_cut_in_the_message(tmp_path):
    """Its beginning and its end are named, and the message stays short."""
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_file("text", tmp_path / ("long " * 500))
    assert len(str(caught.value)) < 400
