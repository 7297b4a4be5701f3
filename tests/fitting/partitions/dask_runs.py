"""A fit over partitions on two local workers of dask: run as a program, by a test.

It prints one line of JSON: what the fits gave beside those of one process.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

import mixcheck as mc
from mixcheck.report.finding import Skipped

FORMULA = "incidence / size ~ period + (1 | herd)"


def process(part: Any) -> int:
    """Who holds a part."""
    return os.getpid()


def _told(finding: Any) -> object:
    """The p-value of a finding, or why there is none."""
    return finding.reason if isinstance(finding, Skipped) else finding.pvalue


def main() -> None:
    """Fit tables, then a data frame of dask, and lose a worker."""
    cbpp = mc.datasets.load("cbpp")
    codes = pd.factorize(cbpp["herd"])[0]
    tables = [rows for _, rows in cbpp.groupby(codes % 4)]
    alone = mc.glmm_partitions(FORMULA, tables, family="binomial")
    found: dict[str, Any] = {}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        fit = mc.glmm_partitions(FORMULA, tables, family="binomial", client=client)
        found["same"] = fit.params.equals(alone.params) and fit.llf == alone.llf
        found["errors"] = fit.bse.equals(alone.bse)
        asked: dict[str, Any] = {"seed": 1, "draws": 19}
        pairs = [mc.check(one, **asked).findings for one in (fit, alone)]
        found["report"] = [_told(one) for one in pairs[0]] == [_told(one) for one in pairs[1]]
        crew = fit._fit.parts.crew
        held = crew.ask(process)
        found["workers"] = len(set(held))
        frame = dd.from_pandas(cbpp, npartitions=3)
        try:
            mc.glmm_partitions(FORMULA, frame, family="binomial", client=client)
        except mc.DesignError as error:
            found["across"] = str(error)
        divided = mc.glmm_partitions(
            FORMULA, frame.shuffle("herd"), family="binomial", client=client
        )
        found["divided"] = float(np.abs(divided.params - alone.params).max())
        os.kill(held[0], signal.SIGKILL)
        found["lost"] = float(np.abs(fit.predict(cbpp) - alone.predict(cbpp)).max())
        found["gone"] = held[0] not in crew.ask(process)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
