"""Everything that runs numbered tasks, on one backend of joblib: run as a program, by tests.

``python cluster_runs.py FOLDER BACKEND`` writes ``found.json`` into a folder: the numbers of each
call, and how many other processes or threads did the work. ``python cluster_runs.py FOLDER lost``
kills workers of dask, and writes what came of it. A file: clusters print lines of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import joblib

import mixcheck as mc
from mixcheck.execution import parallel


def where(k: int) -> str:
    """Who does task k: it takes long enough for both workers to be asked."""
    time.sleep(0.05)
    return f"{os.getpid()}-{threading.get_ident()}"


@contextlib.contextmanager
def backend(name: str) -> Iterator[dict[str, Any]]:
    """Two local workers, as arguments of ``joblib.parallel_config``."""
    if name == "dask":
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster),
        ):
            yield {"backend": "dask"}
    elif name == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=100 * 2**20,
        )
        register_ray()
        try:
            yield {"backend": "ray", "n_jobs": 2}
        finally:
            ray.shutdown()
    else:
        yield {"backend": name, "n_jobs": 1 if name == "sequential" else 2}


def numbers() -> dict[str, Any]:
    """The numbers of every call that runs numbered tasks."""
    cbpp = mc.datasets.load("cbpp")
    right = ("1", "period")
    small, large = (
        mc.glmm(f"incidence / size ~ {one} + (1 | herd)", cbpp, family="binomial") for one in right
    )
    formula = "incidence / size ~ period + (1 | herd)"
    few = {"seed": 1, "draws": 60}
    suite = mc.checks.Suite((mc.checks.Dispersion(), mc.checks.Zeros()))
    reports = {how: mc.check(large, suite, **few, calibration=how) for how in ("refit", "plug-in")}
    failing = mc.check(small, mc.checks.Dispersion(), **few)
    chosen = mc.select(formula, cbpp, family="binomial", suite=suite, **few)
    suggested = mc.suggest(failing, most=2)
    inside = mc.inclusion(chosen, draws=20, seed=1)
    averaged = mc.average({"a": small, "b": large}).coefficients(
        errors="bootstrap", draws=40, seed=1
    )
    return {
        **{how: [f.pvalue for f in report.findings] for how, report in reports.items()},
        "loo": mc.loo(large, method="refit").total,
        "logo": mc.logo(large, method="refit").total,
        "kfold": mc.kfold(large, folds=4, seed=1).total,
        "caic": mc.caic(large, method="refit").value,
        "bootstrap_lrt": mc.bootstrap_lrt(small, large, **few).statistics.tolist(),
        "stop_after": mc.bootstrap_lrt(small, large, **few, stop_after=3).statistics.tolist(),
        "conf_int": large.conf_int(method="bootstrap", **few).to_numpy().tolist(),
        "profile": large.conf_int(method="profile").to_numpy().tolist(),
        "select": [(m.model, m.value, m.verdicts) for m in chosen.models],
        "suggest": [(m.model, m.value, m.verdicts) for m in suggested.candidates],
        "inclusion": inside.models.to_dict(),
        "average": averaged.to_numpy().tolist(),
    }


def lose_workers(folder: str) -> dict[str, Any]:
    """Kill a worker of dask, where its tasks are done again and where they are not."""
    import dask

    once = os.path.join(folder, "once")

    def task(k: int) -> int:
        if k == 6 and not os.path.exists(once):
            open(once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return k * k

    def fatal(k: int) -> int:
        if k == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return k * k

    with backend("dask") as options, joblib.parallel_config(**options):
        found = parallel.map_numbers(task, range(40))
    said = "nothing"
    never = {"distributed.scheduler.allowed-failures": 0}
    with (
        dask.config.set(never),
        backend("dask") as options,
        joblib.parallel_config(**options),
    ):
        try:
            parallel.map_numbers(fatal, range(40))
        except mc.WorkerError as error:
            said = str(error)
    return {"numbers": found, "killed": os.path.exists(once), "said": said}


def everything(name: str) -> dict[str, Any]:
    """Run everything with workers asked for at once."""
    with backend(name) as options, joblib.parallel_config(**options):
        workers = set(parallel.map_numbers(where, range(40))) - {where(0)}
        return {"workers": len(workers), "numbers": numbers()}


def main(folder: str, name: str) -> None:
    """Run one backend, or lose workers, and write what was found."""
    found = lose_workers(folder) if name == "lost" else everything(name)
    with open(os.path.join(folder, "found.json"), "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    parallel.TRIAL_SECONDS, parallel.START_SECONDS = 0.0, -1.0
    main(sys.argv[1], sys.argv[2])
