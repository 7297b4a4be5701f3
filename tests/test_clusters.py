"""Everything that runs numbered tasks gives the same numbers, whoever does the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "cluster_runs.py"


def _run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.returncode == 0, done.stderr
    # ray prints lines of its own before.
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """The numbers of one process."""
    return _run("sequential")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "loky", "dask", "ray"])
def test_two_workers_give_the_numbers_of_one_process(alone, backend):
    """Checks, refits, cross-validation, bootstraps and searches: to the last digit."""
    if backend == "ray" and find_spec("ray") is None:
        pytest.skip("ray has no wheel for this Python")
    found = _run(backend)
    assert found["workers"] == 2
    assert len(found["numbers"]) == 14
    assert found["numbers"] == alone["numbers"]


@pytest.mark.slow
def test_work_of_a_lost_worker_of_dask_is_done_again(tmp_path):
    """Another worker takes it up; where dask allows no second try, one sentence says so."""
    found = _run("lost", str(tmp_path))
    assert found["killed"]
    assert found["numbers"] == [k * k for k in range(40)]
    assert "a worker process ended before its work was done, with" in found["said"]
