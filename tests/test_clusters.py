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


def _run(folder: Path, name: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), name],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, Any]:
    """The numbers of one process."""
    return _run(tmp_path_factory.mktemp("alone"), "sequential")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "loky", "dask", "ray"])
def test_two_workers_give_the_numbers_of_one_process(alone, backend, tmp_path):
    """Checks, refits, cross-validation, bootstraps and searches: to the last digit."""
    if backend == "ray" and find_spec("ray") is None:
        pytest.skip("ray has no wheel for this Python")
    found = _run(tmp_path, backend)
    assert found["workers"] == 2
    assert len(found["numbers"]) == 14
    assert found["numbers"] == alone["numbers"]


@pytest.mark.slow
def test_work_of_a_lost_worker_of_dask_is_done_again(tmp_path):
    """Another worker takes it up; where dask allows no second try, one sentence says so."""
    found = _run(tmp_path, "lost")
    assert found["killed"]
    assert found["numbers"] == [k * k for k in range(40)]
    assert "a worker process ended before its work was done, with" in found["said"]
