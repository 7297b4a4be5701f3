"""Clock, memory and data of the Python engines.

What it shows: nothing by itself; ``bench_mixcheck.py`` and ``bench_peers.py`` run their
fits through it. It needs NumPy and pandas only, because the peers live in their own
environment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

FACTORS = ("g", "h", "herd", "period", "site", "spp")


class Outcome(NamedTuple):
    """What a timed call reports beside its time.

    The log-likelihood of the fit, degrees of freedom, and the bytes it was given, where those
    are not the table's.
    """

    llf: float | None = None
    df: float | None = None
    data: int | None = None


Fit = Callable[[], Outcome]
Prepare = Callable[[str, pd.DataFrame], Fit | None]

NEW = "_new"
"""End of the name of a case in which each call has a table that was not seen before."""


class Peak(NamedTuple):
    """Resident memory in bytes now, and its peak since the last reset."""

    now: int
    peak: int


def load(directory: Path, case: str) -> pd.DataFrame:
    """Read a simulated case; factors are integers, in small tables strings."""
    names = json.loads((directory / f"{case}.json").read_text())
    columns = np.fromfile(directory / f"{case}.bin").reshape(len(names), -1)
    data = pd.DataFrame(dict(zip(names, columns, strict=True)))
    for name in FACTORS:
        if name in data:
            data[name] = data[name].astype("int64")
    if case.startswith("cbpp"):
        data = data.astype({"herd": str, "period": str})
    if "spp" in data:
        data = data.astype({"site": str, "spp": str})
    return data


def tables_of(case: str, data: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The table of each call: the same, or its rows in an order of their own.

    In whatever order its rows come, the model and its likelihood are the same; the columns hold
    something else, so that nothing can be known of them.
    """
    rng = np.random.default_rng(23)
    while True:
        if case.endswith(NEW):
            order = rng.permutation(len(data))
            yield pd.DataFrame({name: data[name].to_numpy()[order] for name in data}).astype(
                data.dtypes.to_dict()
            )
        else:
            yield data


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


def read_cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def read_workers() -> float:
    """CPU seconds of the living children, from /proc; zero where there is none."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK") if total else 0.0


def measure(fits: Iterable[Fit]) -> dict[str, float]:
    """Median wall and CPU seconds of all `fits`, what the last one reports, their extra memory.

    The wall seconds of the first call, which may have to start workers, are kept too, and the
    least CPU seconds, which depend least on what else the machine does.
    """
    wall, cpu = [], []
    outcome = Outcome()
    reset_peak()
    before = read_memory().now
    for fit in fits:
        # Reading /proc takes longer than a small fit, and is not part of it.
        others = read_workers()
        busy, begin = read_cpu(), time.perf_counter()
        outcome = fit()
        wall.append(time.perf_counter() - begin)
        busy = read_cpu() - busy
        cpu.append(busy + read_workers() - others)
    return {
        "wall": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "least": min(cpu),
        "first": wall[0],
        "memory": max(read_memory().peak - before, 0),
        **{name: value for name, value in outcome._asdict().items() if value is not None},
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
    name, tables = arguments.case.removesuffix(NEW), tables_of(arguments.case, data)
    first = prepare(name, next(tables))
    if first is None:
        print(json.dumps({"skipped": "this engine has no such model"}))
        return
    fits = repeat(first, arguments.repeats)
    if arguments.case.endswith(NEW):
        others = islice(tables, arguments.repeats - 1)
        fits = chain([first], (prepare(name, table) for table in others))
    record = {
        "data": int(data.memory_usage(index=False).sum()),
        **measure(filter(None, fits)),
        "version": find_version(packages[arguments.engine]),
    }
    print(json.dumps(record))
