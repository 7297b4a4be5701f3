"""What the command says while it works."""

from __future__ import annotations

import io
import re
import time

import pytest

from mixcheck.command import main, pulse
from mixcheck.command.pulse import Pulse, doing
from mixcheck.display.terminal import Output

CBPP = ["dataset:cbpp", "--formula", "incidence / size ~ period + (1 | herd)"]
CBPP += ["--family", "binomial"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def hasty(monkeypatch):
    """A pulse that beats in hundredths of seconds."""
    for name, seconds in (("_SILENT", 0.03), ("_SOON", 0.02), ("_TICK", 0.005)):
        monkeypatch.setattr(pulse, name, seconds)


def test_lines_come_after_some_silence(hasty):
    """Whoever is silent is heard of; who speaks, or is quick, is not."""
    log = io.StringIO()
    with Pulse(Output(log)).beating() as beat:
        doing("fitting y ~ x to 9 rows")
        time.sleep(0.2)
        beat.tell(3, 10)
        time.sleep(0.2)
    lines = log.getvalue().splitlines()
    assert len(lines) > 3
    assert lines[0] == "mixcheck: fitting y ~ x to 9 rows, 0 s"
    assert re.fullmatch(r"mixcheck: fitting y ~ x to 9 rows, 3 of 10 done, 0 s", lines[-1])
    quick = io.StringIO()
    with Pulse(Output(quick)).beating() as beat:
        for _ in range(20):
            time.sleep(0.005)
            beat.clear()
    assert quick.getvalue() == ""


def test_nothing_is_said_where_nobody_asks(hasty):
    """``--no-progress`` is silent."""
    log = io.StringIO()
    with Pulse(Output(log)).beating(False):
        time.sleep(0.1)
    assert log.getvalue() == ""


def test_the_line_of_a_terminal_makes_way(hasty):
    """It changes in its place, and is gone before anything else is written, and at the end."""
    screen = _Terminal()
    beat = Pulse(Output(screen))
    other = Output(screen, before=beat.clear)
    with beat.beating():
        doing("searching")
        time.sleep(0.1)
        other.write("a warning\n")
        time.sleep(0.1)
    shown = screen.getvalue()
    assert "\r\x1b[Ksearching, 0 s" in shown
    assert "\r\x1b[Ka warning\n" in shown
    assert shown.endswith("\r\x1b[K")


def test_the_time_left_is_that_of_the_rest(monkeypatch):
    """What comes before the first is not counted to the others."""
    now = [0.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: now[0])
    beat = Pulse(Output(io.StringIO()))
    beat.begin("checking")
    now[0] = 100.0
    beat.tell(1, 200)
    assert beat.line() == "checking, 1 of 200 done, 1 min 40 s"
    now[0] = 110.0
    beat.tell(100, 200)
    assert beat.line() == "checking, 100 of 200 done, 1 min 50 s, about 10 s left"
    now[0] = 4000.0
    assert beat.line().startswith("checking, 100 of 200 done, 1 h 06 min")
    beat.begin("writing")
    assert beat.line() == "writing, 0 s"


def test_the_command_tells_what_it_does(hasty, monkeypatch, capsys):
    """Reading, fitting and checking have names, and the counts of the checks are there."""
    monkeypatch.setattr(pulse, "_SILENT", 0.0)
    main(["check", *CBPP, "--draws", "300", "--seed", "1"])
    out, err = capsys.readouterr()
    assert "mixcheck: checking the model" in err
    assert "of 300 done" in err
    assert "mixcheck:" not in out
    main(["check", *CBPP, "--draws", "300", "--seed", "1", "--no-progress"])
    assert capsys.readouterr().err == ""
