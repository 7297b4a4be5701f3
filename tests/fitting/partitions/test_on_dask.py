"""Workers of dask hold partitions, and give the numbers of one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "dask_runs.py"


@pytest.mark.slow
def test_workers_of_dask_give_the_numbers_of_one_process():
    """To the last digit; a data frame divided anew; and parts of a lost worker are made again."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["same"]
    assert found["errors"]
    assert found["report"]
    assert found["workers"] == 2
    assert "data.shuffle('herd')" in found["across"]
    assert found["divided"] < 1e-9
    assert found["lost"] < 1e-9
    assert found["gone"]
