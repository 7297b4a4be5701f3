"""One run of every engine side by side.

What it shows: median wall and CPU seconds of a whole fit (formula and standard errors
included) of mixcheck, lme4's glmer, glmmTMB, and the Python peers ``glmm`` and
``gpboost``, with the ratio to mixcheck's CPU time, the log-likelihood each engine
reports and the memory it took; ``irls`` is a plain GLM fit in NumPy. Rounds are
interleaved: every engine once a round, each time in a process of its own, warmed up on
cbpp, with one thread. Engines that stop more than 1e-4 short of the best log-likelihood
are marked. Where the two R engines take minutes they run in the first round only; past a
limit they are stopped, and the time spent is what a fit takes more than.

Conditional AIC, model selection and residuals are timed without the fit before them. The
peer of the conditional AIC is the loop of refits of cAIC4: all of them beside our exact
refits, 40 beside our derivatives, from which the time of all is inferred. The peer of the
selection is a loop of glmmTMB over all subsets, in two processes. Memory of child processes
is not counted, their CPU time is.

Run: ``python validation/benchmarks/run.py [--cases ..] [--engines ..] [--rounds 3]``
(all cases, three rounds: about an hour, most of it R); ``--rows 2000`` to see in minutes
that everything runs. Needs Rscript with lme4, glmmTMB and jsonlite, and makes a virtual
environment for the peers. Writes ``results.json`` beside this file, or where ``--output``
says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulate import CASES, SMALL, write

HERE = Path(__file__).parent
CACHE = Path(tempfile.gettempdir()) / "mixcheck-benchmarks"
ENGINES = ("mixcheck", "glmer", "glmmTMB", "glmm", "gpboost", "irls")
PEERS = ("glmm==0.6.2", "gpboost==1.8.0", "pandas")
R = ("glmer", "glmmTMB")
REPEATS = {
    **dict.fromkeys(SMALL, 100),
    **dict.fromkeys((f"{name}_new" for name in SMALL), 100),
    "logistic_1e4": 3,
    "gaussian_slope_1e5": 5,
    "select_poisson": 3,
    "select_nbinom2": 3,
}

# Engines of the cases that not every engine has; all others are tried.
PYTHON = ("mixcheck", "glmm", "gpboost")
SOME = {
    **{name: PYTHON for name in SMALL if not name.startswith("cbpp")},
    **{f"{name}_new": PYTHON for name in SMALL},
    "nbinom2_1e5": ("mixcheck", "glmmTMB"),
    "zinb2_1e5": ("mixcheck", "glmmTMB"),
    "beta_1e5": ("mixcheck", "glmmTMB"),
    "gamma_1e5": ("mixcheck", "glmmTMB"),
    "agq10_1e5": ("mixcheck", "glmer", "glmm"),
    "caic_poisson_derivative": ("mixcheck", "glmer"),
    "caic_poisson_exact": ("mixcheck", "glmer"),
    "caic_bernoulli_derivative": ("mixcheck", "glmer"),
    "caic_bernoulli_exact": ("mixcheck", "glmer"),
    "select_poisson": ("mixcheck", "glmmTMB"),
    "select_nbinom2": ("mixcheck", "glmmTMB"),
    "residuals_1e5": ("mixcheck",),
    "draws_1e5": ("mixcheck",),
}
SLOW = {(engine, case) for engine in R for case in ("logistic_1e6", *SOME)}
UNLIMITED = "logistic_1e6"
SHORT = 1e-4
ALL_REFITS = "1000000"
THREADS = ("OMP", "OPENBLAS", "MKL", "RAYON", "NUMEXPR")
LIMIT = 3600
LOADING = 30  # seconds for packages, warm-up and data, which are not part of a fit
MEASURABLE = 1e6  # bytes; the memory of smaller data is lost among pages and buffers


@dataclass
class Measurements:
    """Records of one engine on one case, one a round."""

    engine: str
    case: str
    records: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""
    stopped: str = ""

    def median(self, key: str) -> float | None:
        """Median over the rounds; None where no round has the number."""
        values = [record[key] for record in self.records if record.get(key) is not None]
        return statistics.median(values) if values else None


def make_peers(folder: Path) -> Path:
    """Interpreter of the peers' environment, made where it is missing."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    return python


def command(engine: str, peers: Path) -> list[str]:
    if engine in R:
        return ["Rscript", str(HERE / "bench_r.R"), engine]
    if engine in ("glmm", "gpboost"):
        return [str(peers), str(HERE / "bench_peers.py"), engine]
    return [sys.executable, str(HERE / "bench_mixcheck.py"), engine]


def limit_of(engine: str, case: str, r_limit: int) -> int:
    """Seconds that a process may take."""
    return r_limit + LOADING if engine in R and case != UNLIMITED else LIMIT


def children_cpu() -> float:
    """CPU seconds of all processes that were run and have ended, not of their own workers."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_process(words: list[str], limit: int) -> str:
    """Output of a process with one thread; past the limit it ends, and its workers with it."""
    environment = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in THREADS}}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=environment, start_new_session=True, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words, output, errors)
    return output


def run_once(into: Measurements, data: Path, peers: Path, r_limit: int) -> None:
    """Run one engine once and keep its record, or the last line of its complaint."""
    limit = limit_of(into.engine, into.case, r_limit)
    busy = children_cpu()
    repeats = 1 if (into.engine, into.case) in SLOW else REPEATS.get(into.case, 1)
    words = [*command(into.engine, peers), into.case, str(data), str(repeats)]
    if into.engine in R and into.case.endswith("_exact"):
        words.append(ALL_REFITS)
    try:
        into.records.append(json.loads(run_process(words, limit).splitlines()[-1]))
    except subprocess.CalledProcessError as problem:
        into.failure = " ".join(problem.stderr.strip().splitlines()[-3:]) or "no message"
    except subprocess.TimeoutExpired:
        used = children_cpu() - busy
        alone = "" if into.case.startswith("select") else f", after {used:.0f} s of CPU time"
        into.stopped = f"more than {limit - LOADING} s (stopped{alone})"
    except (FileNotFoundError, IndexError, ValueError) as problem:
        into.failure = f"{type(problem).__name__}: {problem}"


def run_rounds(arguments: argparse.Namespace) -> list[Measurements]:
    data = arguments.data / (f"rows_{arguments.rows}" if arguments.rows else "all")
    data.mkdir(parents=True, exist_ok=True)
    for case in {"cbpp", *arguments.cases}:
        write(case, data, arguments.rows)
    engines = [(e, c) for c in arguments.cases for e in SOME.get(c, ENGINES)]
    table = [Measurements(e, c) for e, c in engines if e in arguments.engines]
    wants_peers = any(entry.engine in ("glmm", "gpboost") for entry in table)
    peers = make_peers(arguments.peers) if wants_peers else Path()
    for number in range(arguments.rounds):
        for entry in table:
            again = number and (entry.engine, entry.case) in SLOW
            if entry.failure or entry.stopped or again:
                continue
            begin = time.perf_counter()
            run_once(entry, data, peers, arguments.r_limit)
            took = time.perf_counter() - begin
            print(f"round {number + 1} {entry.case} {entry.engine} {took:.0f} s", file=sys.stderr)
    return table


def summarise(table: list[Measurements]) -> list[dict[str, Any]]:
    """One row an engine and case, with ratios to mixcheck and to the best fit."""
    rows = []
    for entry in table:
        same = [other for other in table if other.case == entry.case]
        likelihoods = [v for other in same if (v := other.median("llf")) is not None]
        cpu, llf, memory = (entry.median(key) for key in ("cpu", "llf", "memory"))
        ours = next((o.median("cpu") for o in same if o.engine == "mixcheck"), None)
        size = entry.median("data")
        rows.append(
            {
                "case": entry.case,
                "engine": entry.engine,
                "wall": entry.median("wall"),
                "cpu": cpu,
                "least": min((r["least"] for r in entry.records if "least" in r), default=None),
                "ratio": cpu / ours if cpu and ours else None,
                "first": entry.median("first"),
                "llf": llf,
                "df": entry.median("df"),
                "short": max(likelihoods) - llf if llf is not None else None,
                "memory": memory,
                "memory_over_data": memory / size
                if memory and size and size > MEASURABLE
                else None,
                "rounds": len(entry.records),
                "note": entry.failure or entry.stopped or describe(entry),
            }
        )
    return rows


def describe(entry: Measurements) -> str:
    """What else is to be said of the records of one engine on one case."""
    record = entry.records[-1] if entry.records else {}
    words = [record["skipped"]] if "skipped" in record else []
    words += [f"{record['df']:.2f} degrees of freedom"] if "df" in record else []
    if record.get("timed", 0) < record.get("refits", 0):
        words.append(f"inferred from {record['timed']} of {record['refits']} refits")
    if entry.case.startswith("select") and "first" in record:
        words.append(f"first call {record['first']:.1f} s")
    return ", ".join(words)


def show(rows: list[dict[str, Any]]) -> None:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    print(
        f"{'case':26s} {'engine':9s} {'wall s':>9s} {'CPU s':>9s} {'least s':>9s} "
        f"{'/mixcheck':>9s} "
        f"{'log-likelihood':>18s} {'short':>8s} {'MB':>7s} {'x data':>7s}"
    )
    for row in rows:
        mark = " <-- stops short" if (row["short"] or 0) > SHORT else ""
        megabytes = row["memory"] / 1e6 if row["memory"] is not None else None
        print(
            f"{row['case']:26s} {row['engine']:9s} {number(row['wall'], '9.4f'):>9s} "
            f"{number(row['cpu'], '9.4f'):>9s} {number(row['least'], '9.5f'):>9s} "
            f"{number(row['ratio'], '9.2f'):>9s} "
            f"{number(row['llf'], '18.8f'):>18s} {number(row['short'], '8.1e'):>8s} "
            f"{number(megabytes, '7.0f'):>7s} {number(row['memory_over_data'], '7.1f'):>7s}"
            f"{mark} {row['note']}"
        )


def describe_machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    return {
        "cores": cores,
        "processor": platform.processor() or platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": load,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="at most so many, to try everything quickly")
    parser.add_argument("--r-limit", type=int, default=600, help="seconds an R fit may take")
    parser.add_argument("--peers", type=Path, default=CACHE / "peers", help="their environment")
    parser.add_argument("--data", type=Path, default=CACHE / "data", help="simulated data")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    machine = describe_machine()
    table = run_rounds(arguments)
    rows = summarise(table)
    versions = {e.engine: r["version"] for e in table for r in e.records if "version" in r}
    measurements = [vars(entry) for entry in table]
    record = {
        "machine": machine,
        "most_rows": arguments.rows,
        "versions": versions,
        "rows": rows,
        "records": measurements,
    }
    arguments.output.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{machine['cores']} cores, versions {versions}")
    show(rows)
    sys.exit(1 if any(entry.failure for entry in table) else 0)


if __name__ == "__main__":
    main()
