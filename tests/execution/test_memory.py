"""Memory that is freed is kept for the next arrays."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from mixcheck.execution import memory

FAULTS = """
import importlib.util, resource, sys
import numpy as np

def count():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

spec = importlib.util.spec_from_file_location("memory", sys.argv[1])
memory = importlib.util.module_from_spec(spec)
spec.loader.exec_module(memory)
if sys.argv[2] == "keep":
    memory.keep_memory()
begun = count()
for _ in range(20):
    held = [np.ones(100_000) for _ in range(8)]
    del held
print(count() - begun)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what the GNU C library does")
def test_pages_are_taken_once() -> None:
    """Eight arrays of 0.8 MB are 1,600 pages; taken and dropped twenty times they stay."""

    def faults(how: str) -> int:
        run = [sys.executable, "-c", FAULTS, str(memory.__file__), how]
        return int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 2 * 1600 < faults("drop")
