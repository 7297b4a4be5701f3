"""Warnings of the library: whose line they name, and that no thread silences another."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.notices import quiet, warn


def test_a_warning_names_the_line_of_the_caller():
    """The first line outside of the library is the one that is shown."""
    with pytest.warns(mc.DataWarning, match="one row") as seen:
        warn("one row was left out", mc.DataWarning)
    assert seen[0].filename == __file__


def test_quiet_is_of_one_thread():
    """What one thread silences another one still hears, and nothing stays silent afterwards."""
    heard: list[bool] = []

    def listen() -> None:
        try:
            warn("a variance is zero", mc.BoundaryWarning)
        except mc.BoundaryWarning:
            heard.append(True)

    with quiet():
        listen()
        assert heard == []
        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
    listen()
    assert heard == [True, True]


def _boundary_warnings(data: pd.DataFrame) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    return [one.category.__name__ for one in seen]


def test_checks_in_threads_leave_the_filters_as_they_were():
    """Three overlapping runs in threads, and a fit at a boundary warns as it did before."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(20), 6)
    flat = pd.DataFrame({"y": np.tile([1, 2, 1, 2, 1, 2], 20), "g": groups})
    counts = rng.poisson(np.exp(rng.normal(size=20)[groups]))
    fit = mc.glmm("y ~ 1 + (1 | g)", flat.assign(y=counts), family="poisson")
    assert _boundary_warnings(flat) == ["BoundaryWarning"]
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=mc.check, args=(fit,), kwargs={"seed": 1, "draws": 15 + 15 * k})
        for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    assert _boundary_warnings(flat) == ["BoundaryWarning"]
