"""What a fit over partitions costs: CPU seconds and memory of two workers, by numbers of rows.

Poisson counts with one predictor and a random intercept of groups of 20 rows. Each file is
simulated by itself, so that no process ever holds all rows. ``python measure.py ROWS [FILES]``
prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import mixcheck as mc
from mixcheck.fitting.partitions.part import Part

EACH = 20
TRUTH = {"Intercept": -0.5, "x": 0.3, "sd": 0.6}


def simulate(k: int, rows: int, path: Path) -> None:
    """One file of rows, with groups of its own."""
    rng = np.random.default_rng([1, k])
    groups = rows // EACH
    g = np.repeat(np.arange(groups), EACH)
    x = rng.normal(size=g.size)
    u = rng.normal(0.0, TRUTH["sd"], groups)
    y = rng.poisson(np.exp(TRUTH["Intercept"] + TRUTH["x"] * x + u[g]))
    pd.DataFrame({"y": y, "x": x, "g": g + k * groups}).to_parquet(path)


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _deviation(fit: mc.PartitionedGLMM) -> float:
    return float(fit.variance_components["sd"].iloc[0])


def usage(part: Part) -> tuple[int, float, int]:
    """Process, its CPU seconds so far, and its largest memory in bytes."""
    return os.getpid(), time.process_time(), _most_memory()


def main(rows: int, files: int) -> None:
    """Simulate, fit, evaluate once more from the modes, and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{k}.parquet" for k in range(files)]
        for k, path in enumerate(paths):
            simulate(k, rows // files, path)
        started = time.perf_counter(), time.process_time()
        with mc.glmm_partitions("y ~ x + (1 | g)", paths, family="poisson", n_jobs=2) as fit:
            wall, here = time.perf_counter() - started[0], time.process_time() - started[1]
            crew, whole = fit._fit.parts.crew, fit._fit.parts
            before = {pid: cpu for pid, cpu, _ in crew.ask(usage)}
            objective, psi, at = whole.objective(fit.method), fit._fit.optimum.psi, None
            scale = np.append(fit.bse, 0.001)
            times = []
            for k in range(4):
                begun = time.perf_counter()
                at = objective(psi + 0.1 * k * scale, at)
                times.append(time.perf_counter() - begun)
            after = {pid: (cpu, most) for pid, cpu, most in crew.ask(usage)}
            each = [(after[pid][0] - before[pid]) / 4 for pid in after]
            found = {
                "rows": rows,
                "files": files,
                "evaluations": fit.convergence.evaluations,
                "wall seconds of the fit": round(wall, 1),
                "CPU seconds of this process": round(here, 2),
                "CPU seconds of each worker": [round(cpu, 1) for cpu in before.values()],
                "CPU seconds of an evaluation, each worker": [round(cpu, 3) for cpu in each],
                "wall seconds of evaluations": [round(t, 2) for t in times],
                "largest memory of each worker, GB": [
                    round(most / 1e9, 2) for _, most in after.values()
                ],
                "largest memory of this process, GB": round(_most_memory() / 1e9, 2),
                "estimates": {**fit.params.round(4), "sd": round(_deviation(fit), 4)},
                "standard errors": fit.bse.round(6).to_dict(),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(float(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else 20)
