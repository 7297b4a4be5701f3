"""Objects stay where they were made, answer in order, and are made again where they are lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import mixcheck as mc
from mixcheck.execution.crews import LocalCrew, ProcessCrew


def _maker(k):
    return lambda: [k]


def _with(held, value):
    return [*held, value]


def _process(held):
    return os.getpid()


def _fail(held):
    if held[0] == 1:
        raise mc.DataError("the second one")
    return held[0]


def test_a_local_crew_answers_in_order():
    """Questions, changes, and one object alone."""
    crew = LocalCrew([_maker(k) for k in range(3)]).change(_with, 7)
    assert crew.size == 3
    assert crew.ask(len) == [2, 2, 2]
    assert crew.ask(_with, 9) == [[0, 7, 9], [1, 7, 9], [2, 7, 9]]
    assert crew.ask_one(1, sum) == 8
    assert crew.ask_each(_with, [4, 5, 6])[2] == [2, 7, 6]
    crew.close()
    assert crew.size == 0


@pytest.mark.slow
def test_processes_hold_their_objects():
    """Each is made, changed and asked in one process; errors come as they are."""
    crew = ProcessCrew([_maker(k) for k in range(5)], 2).change(_with, 7)
    try:
        places = crew.ask(_process)
        assert places == [places[k % 2] for k in range(5)]
        assert len({*places, os.getpid()}) == 3
        assert crew.ask(list) == [[k, 7] for k in range(5)]
        assert crew.ask_each(_with, range(5)) == [[k, 7, k] for k in range(5)]
        with pytest.raises(mc.DataError, match="the second one"):
            crew.ask(_fail)
        os.kill(places[0], signal.SIGKILL)
        # What was made there is made again, with its changes.
        assert crew.ask(list) == [[k, 7] for k in range(5)]
        assert crew.ask(_process)[1] == places[1]
        assert crew.ask(_process)[0] not in places
    finally:
        crew.close()
    for place in places[:2]:
        with pytest.raises(ProcessLookupError):
            os.kill(place, 0)


@pytest.mark.slow
def test_a_worker_that_is_lost_again_and_again_is_an_error_of_ours():
    """One sentence names the part; the crew can be asked again."""

    def end(held):
        os.kill(os.getpid(), signal.SIGKILL)

    crew = ProcessCrew([_maker(k) for k in range(2)], 2)
    try:
        with pytest.raises(mc.WorkerError, match="part 1 of 2 ended 3 times"):
            crew.ask(end)
        assert crew.ask(list) == [[0], [1]]
    finally:
        crew.close()


KILLED = """
import os, signal
from mixcheck.execution.crews import ProcessCrew
crew = ProcessCrew([list, list], 2)
print(*crew.ask(lambda held: os.getpid()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_program_that_is_killed_leaves_no_worker():
    """Workers look for their parent, and end without it."""
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, check=False)
    workers = [int(word) for word in done.stdout.split()]
    assert len(workers) == 2
    ends = time.monotonic() + 30.0
    while any(os.path.exists(f"/proc/{worker}") for worker in workers):
        assert time.monotonic() < ends
        time.sleep(0.2)
