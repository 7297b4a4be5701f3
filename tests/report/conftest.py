"""Findings made to order, for the tests of this room."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.report.adjustment import pool_pvalues
from mixcheck.report.finding import Effect, Finding


def make_finding(
    check="dispersion",
    *,
    pvalue=0.5,
    effect=None,
    replicates=None,
    statistic=1.0,
    alternative="greater",
    **others,
) -> Finding:
    """A finding with the p-value given, or the one that its replicates imply."""
    if replicates is not None:
        replicates = np.asarray(replicates, dtype=float)
        pvalue = float(pool_pvalues(np.append(statistic, replicates), alternative)[0])
        others["replicates"] = replicates
    return Finding(
        check=check,
        kind=check.split(" ")[0],
        null="the model is right",
        statistic=statistic,
        pvalue=pvalue,
        alternative=alternative,
        effect=effect or Effect("variance ratio", 2.0, 1.5, 2.5, 1.0),
        n=100,
        **others,
    )


@pytest.fixture
def finding():
    """The maker of findings."""
    return make_finding
