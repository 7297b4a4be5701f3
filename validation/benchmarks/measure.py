"""Clock, memory and data of the Python engines.

What it shows: nothing by itself; ``bench_mixcheck.py`` and ``bench_peers.py`` run their
fits through it. It needs NumPy and pandas only, because the peers live in their own
environment.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

FACTORS = ("g", "h", "herd", "period")

Fit = Callable[[], float | None]
Prepare = Callable[[str, pd.DataFrame], Fit | None]


class Peak(NamedTuple):
    """Resident memory in bytes now, and its peak since the last reset."""

    now: int
    peak: int


def load(directory: Path, case: str) -> pd.DataFrame:
    """Read a simulated case; factors are integers, of cbpp strings."""
    names = json.loads((directory / f"{case}.json").read_text())
    columns = np.fromfile(directory / f"{case}.bin").reshape(len(names), -1)
    data = pd.DataFrame(dict(zip(names, columns, strict=True)))
    for name in FACTORS:
        if name in data:
            data[name] = data[name].astype("int64")
    if case.startswith("cbpp"):
        data = data.astype({"herd": str, "period": str})
    return data


def read_memory() -> Peak:
    """Memory of this process from /proc; zeros where there is none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return Peak(0, 0)
    fields = dict(line.split(":", 1) for line in lines)
    now, peak = (int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return Peak(now, peak)


def reset_peak() -> None:
    """Make the peak start from now (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def measure(fit: Fit, repeats: int) -> dict[str, float | None]:
    """Median wall and CPU seconds of `fit`, its log-likelihood, its extra memory."""
    wall, cpu = [], []
    reset_peak()
    before = read_memory().now
    llf: float | None = None
    for _ in range(repeats):
        begin, busy = time.perf_counter(), time.process_time()
        llf = fit()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - busy)
    return {
        "wall": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "llf": llf,
        "memory": max(read_memory().peak - before, 0),
    }


def find_version(package: str) -> str:
    """Version of an installed package, or of one on the path."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(import_module(package).__version__)


def serve(engines: Mapping[str, Prepare], packages: Mapping[str, str]) -> None:
    """Run one engine on one case, as the command line says; print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=engines)
    parser.add_argument("case")
    parser.add_argument("directory", type=Path)
    parser.add_argument("repeats", type=int)
    arguments = parser.parse_args()
    prepare = engines[arguments.engine]
    warm = prepare("cbpp", load(arguments.directory, "cbpp"))
    if warm is not None:
        warm()
    data = load(arguments.directory, arguments.case)
    fit = prepare(arguments.case, data)
    if fit is None:
        print(json.dumps({"skipped": "this engine has no such model"}))
        return
    record = {
        **measure(fit, arguments.repeats),
        "data": int(data.memory_usage(index=False).sum()),
        "version": find_version(packages[arguments.engine]),
    }
    print(json.dumps(record))
